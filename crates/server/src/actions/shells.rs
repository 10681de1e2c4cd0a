//! Actions on terminals (api.md section 4.3).

use super::args::{Arg, Result};
use super::processes::environment;
use super::{Action, Call, awake};
use agentos::ShellOptions;
use agentos_value::Value;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    awake!("openShell", open),
    awake!("writeShell", write),
    awake!("resizeShell", resize),
    awake!("closeShell", close),
    awake!("listShells", list),
];

/// Columns or rows at most.
const SIDE_MAX: u64 = 4096;

async fn open(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let mut given = args.options(&["command", "args", "env", "cwd", "cols", "rows"])?;
    args.end()?;
    let command = given.text("command")?.unwrap_or_else(|| "sh".to_owned());
    let arguments = given.take("args").map_or_else(|| Ok(Vec::new()), Arg::texts)?;
    let cols = side(given.integer("cols", 1..=SIDE_MAX)?, 80);
    let rows = side(given.integer("rows", 1..=SIDE_MAX)?, 24);
    let mut options = ShellOptions::new(&command).args(&arguments).size(cols, rows);
    let env = given.take("env").map_or_else(|| Ok(Vec::new()), environment)?;
    for (name, value) in machine.secrets.resolve("options.env", env).await? {
        options = options.env(name, value);
    }
    if let Some(cwd) = given.text("cwd")? {
        options = options.cwd(cwd);
    }
    let id = machine.open_shell(command, options, (cols, rows)).await?;
    Ok(Value::object([("shellId", id)]))
}

/// A side within the bounds that were checked, or its default.
fn side(given: Option<u64>, default: u16) -> u16 {
    given.and_then(|side| u16::try_from(side).ok()).unwrap_or(default)
}

async fn write(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let id = args.next("shellId").text()?;
    let data = args.next("data").content()?;
    args.end()?;
    machine.shell(&id)?.write(&data).await?;
    Ok(Value::Undefined)
}

async fn resize(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let id = args.next("shellId").text()?;
    let cols = side(Some(args.next("cols").integer(1..=SIDE_MAX)?), 80);
    let rows = side(Some(args.next("rows").integer(1..=SIDE_MAX)?), 24);
    args.end()?;
    machine.shell(&id)?.resize(cols, rows)?;
    Ok(Value::Undefined)
}

async fn close(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let id = args.next("shellId").text()?;
    args.end()?;
    machine.close_shell(&id).await?;
    Ok(Value::Undefined)
}

async fn list(Call { machine, args, .. }: Call) -> Result<Value> {
    args.end()?;
    Ok(Value::Array(
        machine.shells().iter().map(|shell| shell.to_value()).collect(),
    ))
}

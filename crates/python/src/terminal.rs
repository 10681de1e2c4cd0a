//! A terminal, and the methods of its handle.

use crate::dispatch::{Bytes, arguments};
use crate::failure::Failure;
use crate::objects::{Handle, Object, keep};
use crate::process::signal;
use crate::reply::Reply;
use crate::runtime::Call;
use agentos::{AgentOs, Shell, ShellControl, ShellOptions};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::sync::Mutex;

/// Most bytes of one reading.
const PIECE: usize = 64 << 10;

/// A program on a terminal. Letting go of it hangs up.
pub(crate) struct Terminal {
    control: ShellControl,
    output: Mutex<Shell>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    argv: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    cols: u16,
    rows: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    cols: u16,
    rows: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    signal: String,
}

/// Opens a terminal; the reply names it.
pub(crate) fn open(vm: AgentOs, open: Open) -> Result<Call, Failure> {
    let Some((command, rest)) = open.argv.split_first() else {
        return Err(Failure::invalid("command: must name a program"));
    };
    let mut options = ShellOptions::new(command).args(rest).size(open.cols, open.rows);
    for (name, value) in open.env {
        options = options.env(name, value);
    }
    if let Some(cwd) = open.cwd {
        options = options.cwd(cwd);
    }
    Ok(Box::pin(async move {
        let shell = vm.open_shell(options).await?;
        let (control, pid) = (shell.control(), shell.pid());
        let output = Mutex::new(shell);
        let Handle(handle) = keep(Object::Terminal(Arc::new(Terminal { control, output })));
        Ok(json!({ "handle": handle, "pid": pid }).into())
    }))
}

/// A call of a method.
pub(crate) fn call(terminal: Arc<Terminal>, method: &str, args: &str, data: Bytes) -> Result<Call, Failure> {
    Ok(match method {
        "output" => Box::pin(async move {
            let mut piece = vec![0; PIECE];
            let read = terminal.output.lock().await.read(&mut piece).await;
            let count = read.map_err(|error| Failure::new("EIO", error.to_string()))?;
            piece.truncate(count);
            Ok(match count {
                0 => ().into(),
                _ => Reply {
                    json: true.into(),
                    blobs: vec![piece.into()],
                },
            })
        }),
        "write" => Box::pin(async move {
            terminal.control.write_all(&data).await?;
            Ok(().into())
        }),
        "resize" => {
            let Size { cols, rows } = arguments(args)?;
            Box::pin(async move {
                terminal.control.resize(cols, rows)?;
                Ok(().into())
            })
        }
        "wait" => Box::pin(async move { Ok(json!(terminal.control.wait().await?).into()) }),
        "poll" => Box::pin(async move { Ok(json!(terminal.control.exit_code()).into()) }),
        "signal" => {
            let Sent { signal: name } = arguments(args)?;
            let signal = signal(&name)?;
            Box::pin(async move {
                terminal.control.signal_group(signal)?;
                Ok(().into())
            })
        }
        other => return Err(Failure::invalid(format!("a terminal has no method {other:?}"))),
    })
}

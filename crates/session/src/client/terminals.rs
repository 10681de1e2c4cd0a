//! Terminals of agents: commands of the VM whose output is kept for the agent.
//!
//! A terminal here is a process with pipes, because an agent wants the text; one that is made with `cols` and `rows` is a real
//! one, whose size can be changed (`terminal/resize`), which is an addition of ours as `terminal/write` is. Output beyond the bound loses its oldest part, which the
//! answer says. Whatever still runs ends with the session.

use super::{count, invalid, refused, text};
use crate::agent::live::Live;
use crate::agent::message::{Answer, REFUSED, RpcError};
use crate::computer::{ChildControl, ChildInput, ChildOutput, Exit, Launch};
use crate::core::Core;
use crate::error::Error;
use crate::limits::SessionLimits;
use crate::limits::named::TERMINALS;
use crate::text::Tail;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Output of a terminal that is taken at once.
const CHUNK: usize = 64 << 10;
/// Most columns or rows of a terminal.
const SIDE_MOST: u16 = 4096;

/// The terminals of one agent.
pub(crate) struct Terminals {
    most: u64,
    most_output: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    made: u64,
    /// Being started, which count as well.
    starting: u64,
    ended: bool,
    terminals: HashMap<String, Arc<Terminal>>,
}

struct Terminal {
    control: Arc<dyn ChildControl>,
    stdin: tokio::sync::Mutex<Box<dyn ChildInput>>,
    kept: Mutex<(Tail, bool)>,
    exit: watch::Sender<Option<Exit>>,
}

impl Terminals {
    pub(crate) fn new(limits: &SessionLimits) -> Self {
        Self {
            most: limits.max_terminals_per_session,
            most_output: limits.terminal_output_byte_limit,
            open: Mutex::default(),
        }
    }

    pub(super) async fn create(&self, live: &Arc<Live>, params: &Value) -> Answer {
        let launch = launch(live, params)?;
        let asked = count(params, "outputByteLimit")?.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        self.reserve(&live.core)?;
        let started = live.core.computer.start(launch).await;
        let mut open = self.open.lock();
        open.starting -= 1;
        let child = started.map_err(refused)?;
        if open.ended {
            child.control.kill();
            return Err(RpcError::new(REFUSED, "the session has ended"));
        }
        open.made += 1;
        let id = format!("acp-terminal-{}", open.made);
        let terminal = Arc::new(Terminal {
            control: child.control,
            stdin: tokio::sync::Mutex::new(child.stdin),
            kept: Mutex::new((Tail::new(asked.unwrap_or(usize::MAX).min(self.most_output)), false)),
            exit: watch::Sender::new(None),
        });
        open.terminals.insert(id.clone(), Arc::clone(&terminal));
        drop(open);
        live.core.spawn(terminal.read(child.output));
        Ok(json!({"terminalId": id}))
    }

    fn reserve(&self, core: &Core) -> Result<(), RpcError> {
        let mut open = self.open.lock();
        let observed = open.terminals.len() as u64 + open.starting;
        if observed >= self.most {
            let error = core.refused(Error::limit(TERMINALS, observed + 1, self.most, "terminal/create"));
            return Err(RpcError {
                code: REFUSED,
                message: error.to_string(),
                data: Some(error.metadata()),
            });
        }
        open.starting += 1;
        Ok(())
    }

    fn find(&self, params: &Value) -> Result<Arc<Terminal>, RpcError> {
        let id = text(params, "terminalId")?;
        let known = self.open.lock().terminals.get(id).cloned();
        known.ok_or_else(|| invalid("terminalId is not the id of an open terminal"))
    }

    pub(super) fn output(&self, params: &Value) -> Answer {
        let terminal = self.find(params)?;
        let (output, truncated) = {
            let kept = terminal.kept.lock();
            (kept.0.text(), kept.1)
        };
        let exit = terminal.exit.borrow().clone();
        let status = exit.as_ref().map_or(Value::Null, status);
        Ok(json!({"output": output, "truncated": truncated, "exitStatus": status}))
    }

    pub(super) async fn wait(&self, params: &Value) -> Answer {
        let terminal = self.find(params)?;
        let mut exit = terminal.exit.subscribe();
        loop {
            if let Some(exit) = exit.borrow_and_update().as_ref() {
                return Ok(status(exit));
            }
            if exit.changed().await.is_err() {
                return Err(RpcError::new(REFUSED, "the terminal is gone"));
            }
        }
    }

    pub(super) fn kill(&self, params: &Value) -> Answer {
        self.find(params)?.control.kill();
        Ok(json!({}))
    }

    pub(super) fn release(&self, params: &Value) -> Answer {
        self.find(params)?.control.kill();
        let id = text(params, "terminalId")?;
        self.open.lock().terminals.remove(id);
        Ok(json!({}))
    }

    pub(super) async fn write(&self, params: &Value) -> Answer {
        let terminal = self.find(params)?;
        let data = text(params, "data")?;
        terminal
            .stdin
            .lock()
            .await
            .write(data.as_bytes())
            .await
            .map_err(refused)?;
        Ok(json!({}))
    }

    pub(super) fn resize(&self, params: &Value) -> Answer {
        let terminal = self.find(params)?;
        let (columns, rows) = size(params)?.ok_or_else(|| invalid("cols is missing"))?;
        terminal.control.resize(columns, rows).map_err(refused)?;
        Ok(json!({}))
    }

    /// Ends what still runs.
    pub(crate) fn end_all(&self) {
        let mut open = self.open.lock();
        open.ended = true;
        for (_, terminal) in open.terminals.drain() {
            terminal.control.kill();
        }
    }
}

impl Terminal {
    async fn read(self: Arc<Self>, mut output: Box<dyn ChildOutput>) {
        while let Some((_, data)) = output.next(CHUNK).await {
            let mut kept = self.kept.lock();
            kept.1 |= kept.0.push(&data);
        }
        let exit = self.control.wait().await;
        self.exit.send_replace(Some(exit));
    }
}

/// Without a signal there is a code, with one there is none.
fn status(exit: &Exit) -> Value {
    match &exit.signal {
        Some(signal) => json!({"exitCode": Value::Null, "signal": signal}),
        None => json!({"exitCode": exit.code, "signal": Value::Null}),
    }
}

/// The size of a terminal, if one is given: both or none.
fn size(params: &Value) -> Result<Option<(u16, u16)>, RpcError> {
    let side = |name: &str| match count(params, name)? {
        None => Ok(None),
        Some(side) => match u16::try_from(side) {
            Ok(side @ 1..=SIDE_MOST) => Ok(Some(side)),
            _ => Err(invalid(&format!("{name} must be an integer between 1 and {SIDE_MOST}"))),
        },
    };
    match (side("cols")?, side("rows")?) {
        (Some(columns), Some(rows)) => Ok(Some((columns, rows))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid("rows is missing")),
        (None, Some(_)) => Err(invalid("cols is missing")),
    }
}

fn launch(live: &Live, params: &Value) -> Result<Launch, RpcError> {
    let command = text(params, "command")?;
    let mut launch = Launch::new(Vec::new());
    match params.get("args") {
        // An agent without arguments means a command line, as terminals have it.
        None | Some(Value::Null) => launch.argv = ["sh", "-c", command].map(str::to_owned).to_vec(),
        Some(Value::Array(args)) if args.is_empty() => {
            launch.argv = ["sh", "-c", command].map(str::to_owned).to_vec();
        }
        Some(Value::Array(args)) => {
            let args: Option<Vec<&str>> = args.iter().map(Value::as_str).collect();
            let args = args.ok_or_else(|| invalid("args must be an array of strings"))?;
            launch.argv = std::iter::once(command).chain(args).map(str::to_owned).collect();
        }
        Some(_) => return Err(invalid("args must be an array of strings")),
    }
    launch.terminal = size(params)?;
    // Many commands look at their standard input; what nobody writes to must not be one.
    launch.stdin = params.get("stdin").and_then(Value::as_bool).unwrap_or(false);
    if let Some(env) = params.get("env").filter(|env| !env.is_null()) {
        let variable = |item: &Value| {
            Some((
                item.get("name")?.as_str()?.to_owned(),
                item.get("value")?.as_str()?.to_owned(),
            ))
        };
        let env: Option<Vec<_>> = env.as_array().and_then(|env| env.iter().map(variable).collect());
        launch.env = env.ok_or_else(|| invalid("env must be an array of {name, value}"))?;
    }
    launch.cwd = match params.get("cwd") {
        None | Some(Value::Null) => live.session().map(|session| session.cwd().to_owned()),
        Some(Value::String(cwd)) if cwd.starts_with('/') => Some(cwd.clone()),
        Some(_) => return Err(invalid("cwd must be an absolute path")),
    };
    Ok(launch)
}

//! Whether the local servers of a session start.
//!
//! The agent starts them itself, and what agents do about one that does not start is their own: most say nothing, and the
//! model lacks its tools. So each is started once before the conversation begins, as the agent would start it, asked to
//! `initialize`, and ended as the protocol has it: its input is closed, and after a little time it is killed. This goes on
//! while the agent itself comes up. One that does not answer is an error that names it, its command, the end of what it
//! wrote on its standard error, and what to do; nothing of it runs any more then.
//!
//! What a server writes may hold what it was given: values of secrets, and of variables whose names say that they are
//! keys, are masked before the text is cut, so that no part of one is left at its beginning. Arguments are not shown.

use super::super::lines::{Lines, TooLong};
use super::super::message;
use super::super::start::{Private, refused};
use super::{named, pairs, path};
use crate::clock::within;
use crate::computer::{Child, ChildControl, Exit, Launch, Stream};
use crate::error::{Error, McpFailure, Result};
use crate::limits::named::READ_LINE;
use crate::limits::{MCP_CLOSING, MCP_STDOUT_SHOWN, STDERR_TAIL};
use crate::model::{EnvValue, McpServer};
use crate::session::Session;
use crate::text::{self, Tail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the protocol that is named to servers; each answers with the one that it speaks.
const VERSION: &str = "2025-06-18";
/// Output of a server that is taken at once.
const CHUNK: usize = 64 << 10;
/// Words in names of variables whose values are no one's business.
const KEYS: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"];
/// Shorter values of such variables are no secrets, and masking them would make texts unreadable.
const SHORTEST: usize = 4;

/// Starts every local server of a session once, all at the same time.
///
/// # Errors
/// [`Error::McpServer`] for the first that does not start.
pub(in super::super) async fn check(session: &Session, private: &Private) -> Result<()> {
    let mut tries = Vec::new();
    for (at, server) in private.mcp_servers.iter().enumerate() {
        let McpServer::Local {
            name,
            command,
            args,
            env,
        } = server
        else {
            continue;
        };
        let revealed = pairs(session, &path(at, "env"), env).await?;
        let mut launch = Launch::new(std::iter::once(command).chain(args).cloned().collect());
        launch.cwd = Some(session.cwd().to_owned());
        launch.stdin = true;
        launch.is_agent = true;
        tries.push(Try {
            session,
            name: named(name.as_deref(), at),
            command,
            secrets: secrets(env, &revealed),
            launch: Launch {
                env: revealed,
                ..launch
            },
        });
    }
    let mut failed = Ok(());
    for tried in together(tries.into_iter().map(Try::run).collect()).await {
        failed = failed.and(tried);
    }
    failed
}

/// Runs futures of one task beside each other, and gives what they made in their order.
async fn together<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, made) in running.iter_mut().filter(|(_, made)| made.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(cx) {
                *made = Some(value);
            }
        }
        match running.iter().all(|(_, made)| made.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    running.into_iter().filter_map(|(_, made)| made).collect()
}

/// The values that no text may show, the longest first: one may be a part of another.
fn secrets(given: &BTreeMap<String, EnvValue>, revealed: &[(String, String)]) -> Vec<String> {
    let is_secret = |name: &str, value: &str| match given.get(name) {
        Some(EnvValue::Secret { .. }) => !value.is_empty(),
        _ => {
            let name = name.to_ascii_uppercase();
            value.len() >= SHORTEST && KEYS.iter().any(|word| name.contains(word))
        }
    };
    let mut secrets: Vec<String> = revealed
        .iter()
        .filter(|(name, value)| is_secret(name, value))
        .map(|(_, value)| value.clone())
        .collect();
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// A server that is tried.
struct Try<'a> {
    session: &'a Session,
    name: String,
    command: &'a str,
    launch: Launch,
    secrets: Vec<String>,
}

/// Why a server is none.
struct Reason {
    what: String,
    advice: &'static str,
    exit_code: Option<i32>,
}

/// The process of a server, which does not outlive whoever waits for it.
struct Running(Arc<dyn ChildControl>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl Try<'_> {
    async fn run(self) -> Result<()> {
        let core = self.session.core();
        let child = match core.computer.start(self.launch.clone()).await {
            Ok(child) => child,
            // What the VM has no room for is not the server's fault.
            Err(error) if matches!(error.code.as_str(), "limit_exceeded" | "vm_disposed") => {
                return Err(refused(self.session, error));
            }
            Err(error) => {
                let advice = match error.code.as_str() {
                    "EACCES" | "EPERM" => NOT_ALLOWED,
                    _ => NOT_THERE,
                };
                let reason = Reason {
                    what: self.masked(&error.message),
                    advice,
                    exit_code: None,
                };
                return Err(self.failed(reason, String::new()));
            }
        };
        let running = Running(Arc::clone(&child.control));
        // What is masked later may be longer than what masks it.
        let longest = self.secrets.first().map_or(0, String::len);
        let mut stderr = Tail::new(STDERR_TAIL + longest);
        let time = core.limits.new_session_timeout;
        let tried = within(&*core.clock, time, self.ask(child, &mut stderr)).await;
        let tried = tried.unwrap_or_else(|| {
            Err(Reason {
                what: format!("it did not answer initialize within {} ms", time.as_millis()),
                advice: TOO_SLOW,
                exit_code: None,
            })
        });
        if tried.is_ok() {
            // Its input is closed by now, which is how it is told to end.
            let _ = within(&*core.clock, MCP_CLOSING, running.0.wait()).await;
        }
        drop(running);
        tried.map_err(|reason| {
            let written = self.masked(&stderr.text());
            self.failed(reason, text::tail(&written, STDERR_TAIL).to_owned())
        })
    }

    /// Asks a server to initialize, and reads until it has answered or ended.
    async fn ask(&self, child: Child, stderr: &mut Tail) -> Result<(), Reason> {
        let Child {
            mut stdin,
            mut output,
            control,
        } = child;
        let asked = message::line(&json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": VERSION, "capabilities": {},
                "clientInfo": {"name": "agentos", "version": env!("CARGO_PKG_VERSION")},
            },
        }));
        // One that does not read is told apart from one that has ended by its output.
        let mut asking = std::pin::pin!(async {
            let _ = stdin.write(&asked).await;
        });
        let mut is_asked = false;
        let mut read = Read::new(self.session.core().limits.max_read_line_bytes);
        loop {
            let piece = tokio::select! {
                biased;
                () = &mut asking, if !is_asked => {
                    is_asked = true;
                    continue;
                }
                piece = output.next(CHUNK) => piece,
            };
            match piece {
                Some((Stream::Stderr, data)) => drop(stderr.push(&data)),
                Some((Stream::Stdout, data)) => match read.push(data) {
                    Ok(None) => {}
                    Ok(Some(answer)) => return self.answered(&answer),
                    Err(too_long) => return Err(self.endless(too_long)),
                },
                None => return Err(self.ended(&self.end_of(&*control).await, &read)),
            }
        }
    }

    /// How a server ends that has closed its output. One that does not end by itself is of no use either.
    async fn end_of(&self, control: &dyn ChildControl) -> Exit {
        if let Some(exit) = within(&*self.session.core().clock, MCP_CLOSING, control.wait()).await {
            return exit;
        }
        control.kill();
        control.wait().await
    }

    fn answered(&self, answer: &Value) -> Result<(), Reason> {
        let Some(error) = answer.get("error") else {
            return Ok(());
        };
        let message = error.get("message").and_then(Value::as_str).unwrap_or("an error");
        Err(Reason {
            what: format!("it refused initialize: {}", text::shown(&self.masked(message), 300)),
            advice: RUN_IT,
            exit_code: None,
        })
    }

    fn endless(&self, too_long: TooLong) -> Reason {
        let capacity = self.session.core().limits.max_read_line_bytes;
        Reason {
            what: format!(
                "it wrote a line of {} of {capacity} bytes ({})",
                too_long.0, READ_LINE.0
            ),
            advice: ONLY_MESSAGES,
            exit_code: None,
        }
    }

    fn ended(&self, exit: &Exit, read: &Read) -> Reason {
        let how = match &exit.signal {
            Some(signal) => format!("it was ended by {signal}"),
            None => format!("it ended with code {}", exit.code),
        };
        let (what, advice) = match &read.noise {
            None => (format!("{how} before it answered initialize"), RUN_IT),
            Some(noise) => {
                let noise = text::shown(&self.masked(noise), MCP_STDOUT_SHOWN);
                let what = format!("{how}, and wrote what is no message on its standard output: {noise}");
                (what, ONLY_MESSAGES)
            }
        };
        Reason {
            what,
            advice,
            exit_code: Some(exit.code),
        }
    }

    fn masked(&self, text: &str) -> String {
        let mask = |text: String, secret: &String| text.replace(secret.as_str(), "***");
        self.secrets.iter().fold(text.to_owned(), mask)
    }

    fn failed(&self, reason: Reason, stderr_tail: String) -> Error {
        Error::McpServer(Box::new(McpFailure {
            agent_type: self.session.agent_type().to_owned(),
            server: text::shown(&self.name, 64),
            command: text::shown(&self.masked(self.command), 200),
            reason: reason.what,
            advice: reason.advice,
            exit_code: reason.exit_code,
            stderr_tail,
        }))
    }
}

/// What to do about a server that does not start.
const NOT_THERE: &str = "install it in the VM (software, an image, a mount) or give the path of its program as command";
const NOT_ALLOWED: &str = "make its program executable, or let the VM's policy allow it (childProcess.spawn)";
const RUN_IT: &str = "run its command in the VM to see more, and mend it or leave it out of mcpServers";
const ONLY_MESSAGES: &str = "a server may write nothing but messages of the protocol on its standard output";
const TOO_SLOW: &str = "make it start sooner (install what it downloads), or raise limits.acp.newSessionTimeoutMs";

/// What a server wrote on its standard output.
struct Read {
    lines: Lines,
    /// The first line that was no message.
    noise: Option<String>,
}

impl Read {
    fn new(most: usize) -> Self {
        Self {
            lines: Lines::new(most),
            noise: None,
        }
    }

    /// The answer, if it is in what this piece completes. Notifications and requests may come before it.
    fn push(&mut self, piece: bytes::Bytes) -> Result<Option<Value>, TooLong> {
        for line in self.lines.push(piece)? {
            match serde_json::from_slice::<Value>(&line) {
                Ok(message) if message.get("id") == Some(&json!(0)) && message.get("method").is_none() => {
                    return Ok(Some(message));
                }
                Ok(message) if message.is_object() => {}
                _ if self.noise.is_none() => {
                    let line = line.get(..line.len().min(4 * MCP_STDOUT_SHOWN)).unwrap_or_default();
                    self.noise = Some(String::from_utf8_lossy(line).into_owned());
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

//! Carrying out what is scheduled: the executor of the actor's cron clockwork.

use super::Machine;
use crate::actions::invalid_argument;
use crate::errors::session_error;
use crate::secrets::EnvValue;
use agentos::{CreateOptions, ExecOutput};
use agentos_actor::cron::{CronAction, CronEvent, CronHost, CronRun};
use agentos_actor::{ActorContext, BoxFuture, Event};
use agentos_value::{ActorError, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The clockwork's way into a booted VM.
pub(crate) struct CronExecutor {
    machine: Weak<Machine>,
    ctx: ActorContext,
}

/// Bytes of error output that a failed run tells.
const TAIL: usize = 4096;

impl CronExecutor {
    pub(crate) fn new(machine: &Arc<Machine>, ctx: ActorContext) -> Self {
        Self {
            machine: Arc::downgrade(machine),
            ctx,
        }
    }

    async fn carry_out(&self, run: CronRun) -> Result<(), ActorError> {
        let machine = self.machine.upgrade().ok_or_else(crate::errors::shutting_down)?;
        let exec = match run.action {
            CronAction::Exec {
                command,
                args,
                cwd,
                env,
                timeout_ms,
            } => {
                let env = machine.secrets.resolve("action.env", environment(env)?).await?;
                let mut exec = match args {
                    None => machine.vm.exec(command),
                    Some(args) => machine.vm.exec_argv(std::iter::once(command).chain(args)),
                };
                for (name, value) in env {
                    exec = exec.env(name, value);
                }
                if let Some(cwd) = cwd {
                    exec = exec.cwd(cwd);
                }
                if let Some(timeout) = timeout_ms {
                    exec = exec.timeout(Duration::from_millis(timeout));
                }
                exec
            }
            CronAction::Session {
                agent_type,
                prompt,
                options,
                cwd,
            } => return prompt_session(&machine, &agent_type, prompt, options, cwd).await,
            _ => return Err(invalid_argument("action.type", "exec or session", "another")),
        };
        let output = machine.execute(exec).await?;
        // What the run wrote is durable before anybody hears of its end.
        machine.durable.settled().await?;
        ended(&output)
    }
}

/// Prompts an agent in a session of its own, which is closed then and keeps its history.
async fn prompt_session(
    machine: &Machine,
    agent_type: &str,
    prompt: String,
    options: Option<serde_json::Map<String, serde_json::Value>>,
    cwd: Option<String>,
) -> Result<(), ActorError> {
    let sessions = machine.sessions().await?;
    let options = options.map_or(serde_json::Value::Null, serde_json::Value::Object);
    let mut options = CreateOptions::from_json(options).map_err(session_error)?;
    options.cwd = cwd.or(options.cwd);
    let session = sessions.create(agent_type, options).await.map_err(session_error)?;
    let content = vec![serde_json::json!({"type": "text", "text": prompt})];
    let outcome = sessions.prompt(&session.session_id, content, None).await;
    let closed = sessions.close(&session.session_id).await;
    let outcome = outcome.map_err(session_error)?;
    closed.map_err(session_error)?;
    machine.durable.settled().await?;
    match outcome.response.get("error") {
        None => Ok(()),
        Some(error) => {
            let text = error
                .get("message")
                .and_then(serde_json::Value::as_str)
                .unwrap_or("the agent failed");
            Err(ActorError::agentos(
                "agent_error",
                text.chars().take(TAIL).collect::<String>(),
            ))
        }
    }
}

/// The environment of a job: texts, and references to secrets of the host.
fn environment(env: BTreeMap<String, serde_json::Value>) -> Result<Vec<(String, EnvValue)>, ActorError> {
    let value = |(name, value): (String, serde_json::Value)| {
        let value = match value {
            serde_json::Value::String(value) => EnvValue::Plain(value),
            other => match other.get("secret").and_then(serde_json::Value::as_str) {
                Some(secret) => EnvValue::Secret(secret.to_owned()),
                // Jobs are checked before they are stored.
                None => return Err(invalid_argument("action.env", "texts and {secret}", "another")),
            },
        };
        Ok((name, value))
    };
    env.into_iter().map(value).collect()
}

fn ended(output: &ExecOutput) -> Result<(), ActorError> {
    if output.timed_out {
        return Err(ActorError::agentos(
            "timeout",
            "the command took longer than its timeoutMs",
        ));
    }
    if output.exit_code == 0 {
        return Ok(());
    }
    let tail = output.stderr.slice(output.stderr.len().saturating_sub(TAIL)..);
    let text = format!("{}: {}", output.exit_code, String::from_utf8_lossy(&tail));
    Err(ActorError::agentos("exit_code", text))
}

impl CronHost for CronExecutor {
    fn run(&self, run: CronRun) -> BoxFuture<'_, Result<(), ActorError>> {
        Box::pin(self.carry_out(run))
    }

    fn emit(&self, event: CronEvent) {
        let value = event.to_value();
        let job = value.get("jobId").cloned().unwrap_or_default();
        let payload = Value::object([("event", value)]);
        self.ctx.emit(Event::new("cronEvent", vec![payload]).scope("cron", job));
    }

    fn keep_awake(&self, job_id: &str) -> Box<dyn Send> {
        Box::new(self.ctx.keep_awake(format!("cron:{job_id}")))
    }
}

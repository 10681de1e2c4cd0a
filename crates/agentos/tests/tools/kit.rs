//! The tools that the cases call.

use agentos::{AgentOs, Builder, ExecOutput, Tool, ToolContext, ToolError, ToolKit};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, mpsc};

/// What the functions of the kit have seen.
#[derive(Clone)]
pub(crate) struct Seen {
    /// Calls of `hang` that have begun.
    pub(crate) began: Arc<Semaphore>,
    /// Says when a call of `hang` is over, by its process.
    pub(crate) ended: mpsc::UnboundedSender<u32>,
    /// Calls of `echo`.
    pub(crate) echoed: Arc<AtomicUsize>,
}

/// A builder with the kit `test`, and what its functions say.
pub(crate) fn builder() -> (Builder, Seen, mpsc::UnboundedReceiver<u32>) {
    let (ended, ends) = mpsc::unbounded_channel();
    let seen = Seen {
        began: Arc::new(Semaphore::new(0)),
        ended,
        echoed: Arc::default(),
    };
    (AgentOs::builder().tool_kit(kit(&seen)), seen, ends)
}

/// A VM with the kit `test`.
pub(crate) async fn vm() -> AgentOs {
    builder().0.create().await.unwrap()
}

/// The one line of JSON on standard output.
pub(crate) fn line(output: &ExecOutput) -> Value {
    let text = output.stdout_text();
    let line = text.strip_suffix('\n').expect("a whole line");
    assert!(!line.contains('\n'), "{text}");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn kit(seen: &Seen) -> ToolKit {
    ToolKit::new("test", "Functions of the test")
        .tool("echo", echo(seen))
        .tool("fail", fail())
        .tool("hang", hang(seen))
        .tool("large", large())
        .tool("context", context())
}

fn echo(seen: &Seen) -> Tool {
    let echoed = Arc::clone(&seen.echoed);
    let schema = json!({ "type": "object", "properties": {
        "text": { "type": "string", "description": "What to repeat" },
        "count": { "type": "integer", "minimum": 0 },
        "loud": { "type": "boolean" },
    }, "required": ["text"] });
    let tool = Tool::new(schema, move |input: Value, _: ToolContext| {
        echoed.fetch_add(1, Ordering::SeqCst);
        async move { Ok::<_, ToolError>(input) }
    });
    tool.description("Gives its input back")
        .example("Hello", json!({ "text": "hello world" }))
}

fn fail() -> Tool {
    let schema = json!({ "type": "object", "properties": { "how": { "type": "string" } }, "required": ["how"] });
    Tool::new(
        schema,
        async |input: Value, _: ToolContext| -> Result<Value, ToolError> {
            match input["how"].as_str().unwrap_or_default() {
                "user" => {
                    let error = ToolError::user("no more forecasts today").with_code("quota");
                    Err(error.with_metadata(json!({ "left": 0 })))
                }
                "panic" => panic!("hunter2 in a panic"),
                "input" => Err(ToolError::input("$.how", "something else")),
                _ => Err(std::io::Error::other("hunter2 in an error").into()),
            }
        },
    )
}

fn hang(seen: &Seen) -> Tool {
    let seen = seen.clone();
    Tool::new(json!({ "type": "object" }), move |_: Value, context: ToolContext| {
        let (pid, ended) = (context.pid, seen.ended.clone());
        let over = context.cancelled();
        tokio::spawn(async move {
            over.await;
            let _ = ended.send(pid);
        });
        seen.began.add_permits(1);
        async move {
            std::future::pending::<()>().await;
            Ok::<_, ToolError>(())
        }
    })
}

fn large() -> Tool {
    let schema = json!({ "type": "object", "properties": { "bytes": { "type": "integer" } }, "required": ["bytes"] });
    Tool::new(schema, async |input: Value, _: ToolContext| {
        let bytes = usize::try_from(input["bytes"].as_u64().unwrap_or(0))?;
        Ok::<_, ToolError>("x".repeat(bytes))
    })
}

fn context() -> Tool {
    Tool::new(json!({ "type": "object" }), async |_: Value, context: ToolContext| {
        Ok::<_, ToolError>(json!({
            "kit": *context.kit, "tool": *context.tool, "pid": context.pid,
            "key": context.caller.key, "actorId": context.caller.actor_id,
        }))
    })
}

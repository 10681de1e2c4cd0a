//! Limits of host tools: what may be registered, which is the host's own doing, and what one call may take.

use crate::support::lives;
use agentos::{AgentOs, Builder, Errno, Event, ExecOutput, Limits, Tool, ToolContext, ToolError, ToolKit};
use serde_json::{Value, json};
use std::time::Duration;

/// A kit `k` whose tools `t0`, `t1`, ... give their input back.
fn kit(name: &str, tools: usize) -> ToolKit {
    let names = (0..tools).map(|at| format!("t{at}"));
    names.fold(ToolKit::new(name, ""), |kit, name| kit.tool(name, echo()))
}

fn echo() -> Tool {
    Tool::new(json!({ "type": "object" }), async |input: Value, _: ToolContext| {
        Ok::<_, ToolError>(input)
    })
}

/// A tool that never ends by itself.
fn forever() -> Tool {
    Tool::new(json!({ "type": "object" }), async |_: Value, _: ToolContext| {
        std::future::pending::<()>().await;
        Ok::<_, ToolError>(())
    })
}

fn limited(field: &str, value: u64) -> Builder {
    let mut limits = Limits::default();
    limits.set(&format!("tools.{field}"), value).unwrap();
    AgentOs::builder().limits(limits)
}

/// What a builder that is beyond a limit says.
fn refused(builder: &Builder, path: &str, said: &str) {
    let error = builder.check().unwrap_err();
    assert_eq!(
        (error.code(), error.to_string()),
        ("invalid_config", format!("{path}: limit exceeded: {said}"))
    );
}

/// A VM at a limit calls its tools.
async fn works(builder: Builder, command: &str) {
    let vm = builder.create().await.unwrap();
    let output = vm.exec(command).await.unwrap();
    assert_eq!(output.exit_code, 0, "{}", output.stdout_text());
    lives(&vm).await;
}

/// What a call that is beyond a limit gets: the exit code, and the typed error in its line.
fn says(output: &ExecOutput, exit: i32, (name, observed, capacity): (&str, u64, u64)) {
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    let path = format!("limits.tools.{name}");
    let expected = json!({ "limit": name, "observed": observed, "capacity": capacity, "unit": "bytes",
        "operation": "tool", "configurationPath": path });
    assert_eq!((output.exit_code, &reply["metadata"]), (exit, &expected), "{reply}");
}

/// A call that runs out of its time.
fn timed_out(output: &ExecOutput) {
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.exit_code, &reply["error"]), (124, &json!("TIMEOUT")), "{reply}");
}

pub(crate) mod default_tool_timeout_ms {
    use super::*;

    fn builder() -> Builder {
        limited("defaultToolTimeoutMs", 20).tool_kit(ToolKit::new("k", "").tool("t0", forever()))
    }

    pub(crate) async fn program() {
        let vm = builder().create().await.unwrap();
        timed_out(&vm.exec("agentos-k t0 | cat; exit ${PIPESTATUS[0]}").await.unwrap());
        lives(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = builder().create().await.unwrap();
        // Ignoring signals is no way to more time.
        timed_out(&vm.exec("trap '' TERM ALRM HUP INT; agentos-k t0").await.unwrap());
        lives(&vm).await;
    }
}

pub(crate) mod max_tool_timeout_ms {
    use super::*;

    fn builder(ms: u64) -> Builder {
        let tool = echo().timeout(Duration::from_millis(ms));
        limited("maxToolTimeoutMs", 60_000).tool_kit(ToolKit::new("k", "").tool("t0", tool))
    }

    pub(crate) async fn program() {
        works(builder(60_000), "agentos-k t0").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxToolTimeoutMs: 60001 of 60000 ms (limits.tools.maxToolTimeoutMs)";
        refused(&builder(60_001), "toolKits[0].tools.t0.timeout", said);
    }
}

pub(crate) mod max_registered_toolkits {
    use super::*;

    fn builder(kits: usize) -> Builder {
        let kits = (0..kits).map(|at| kit(&format!("k{at}"), 1));
        limited("maxRegisteredToolkits", 2).tool_kits(kits)
    }

    pub(crate) async fn program() {
        works(builder(2), "agentos-k1 t0").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxRegisteredToolkits: 3 of 2 toolkits (limits.tools.maxRegisteredToolkits)";
        refused(&builder(3), "toolKits", said);
    }
}

pub(crate) mod max_registered_tools_per_vm {
    use super::*;

    fn builder(tools: usize) -> Builder {
        limited("maxRegisteredToolsPerVm", 4).tool_kits([kit("a", 2), kit("b", tools)])
    }

    pub(crate) async fn program() {
        works(builder(2), "agentos-b t1").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxRegisteredToolsPerVm: 5 of 4 tools (limits.tools.maxRegisteredToolsPerVm)";
        refused(&builder(3), "toolKits", said);
    }
}

pub(crate) mod max_tools_per_toolkit {
    use super::*;

    fn builder(tools: usize) -> Builder {
        limited("maxToolsPerToolkit", 3).tool_kit(kit("k", tools))
    }

    pub(crate) async fn program() {
        works(builder(3), "agentos-k t2").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxToolsPerToolkit: 4 of 3 tools (limits.tools.maxToolsPerToolkit)";
        refused(&builder(4), "toolKits[0].tools", said);
    }
}

pub(crate) mod max_tool_schema_bytes {
    use super::*;

    fn builder(bytes: usize) -> Builder {
        let frame = json!({ "type": "object", "title": "" }).to_string().len();
        let schema = json!({ "type": "object", "title": "x".repeat(bytes - frame) });
        let tool = Tool::new(schema, async |input: Value, _: ToolContext| Ok::<_, ToolError>(input));
        limited("maxToolSchemaBytes", 1000).tool_kit(ToolKit::new("k", "").tool("t0", tool))
    }

    pub(crate) async fn program() {
        works(builder(1000), "agentos-k t0").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxToolSchemaBytes: 1001 of 1000 bytes (limits.tools.maxToolSchemaBytes)";
        refused(&builder(1001), "toolKits[0].tools.t0.inputSchema", said);
    }
}

pub(crate) mod max_tool_examples_per_tool {
    use super::*;

    fn builder(examples: usize) -> Builder {
        let tool = (0..examples).fold(echo(), |tool, _| tool.example("one", json!({})));
        limited("maxToolExamplesPerTool", 2).tool_kit(ToolKit::new("k", "").tool("t0", tool))
    }

    pub(crate) async fn program() {
        works(builder(2), "agentos-k t0 --help").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxToolExamplesPerTool: 3 of 2 examples (limits.tools.maxToolExamplesPerTool)";
        refused(&builder(3), "toolKits[0].tools.t0.examples", said);
    }
}

pub(crate) mod max_tool_example_input_bytes {
    use super::*;

    fn builder(bytes: usize) -> Builder {
        let tool = echo().example("one", json!("x".repeat(bytes - 2)));
        limited("maxToolExampleInputBytes", 100).tool_kit(ToolKit::new("k", "").tool("t0", tool))
    }

    pub(crate) async fn program() {
        works(builder(100), "agentos-k t0 --help").await;
    }

    pub(crate) async fn hostile() {
        let said = "maxToolExampleInputBytes: 101 of 100 bytes (limits.tools.maxToolExampleInputBytes)";
        refused(&builder(101), "toolKits[0].tools.t0.examples[0].input", said);
    }
}

pub(crate) mod max_tool_input_bytes {
    use super::*;

    fn builder() -> Builder {
        limited("maxToolInputBytes", 1000).tool_kit(kit("k", 1))
    }

    pub(crate) async fn program() {
        let vm = builder().create().await.unwrap();
        let text = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert_eq!(
            vm.exec("cat | agentos-k t0").stdin(text(1000)).await.unwrap().exit_code,
            0
        );
        let output = vm.exec("cat | agentos-k t0").stdin(text(1001)).await.unwrap();
        says(&output, 2, ("maxToolInputBytes", 1001, 1000));
        lives(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = builder().create().await.unwrap();
        let mut events = vm.events();
        // What never ends is not read to its end.
        says(
            &vm.exec("yes | agentos-k t0").await.unwrap(),
            2,
            ("maxToolInputBytes", 1001, 1000),
        );
        let limit = crate::tools::breach(&mut events, "maxToolInputBytes").await;
        let expected = ("tools.maxToolInputBytes", "bytes", 1001, 1000, Errno::E2BIG);
        crate::tools::check(&limit, expected);
        lives(&vm).await;
    }
}

pub(crate) mod max_tool_result_bytes {
    use super::*;

    fn builder() -> Builder {
        let schema = json!({ "type": "object", "properties": { "bytes": { "type": "integer" } } });
        let tool = Tool::new(schema, async |input: Value, _: ToolContext| {
            let bytes = usize::try_from(input["bytes"].as_u64().unwrap_or(0))?;
            Ok::<_, ToolError>("x".repeat(bytes))
        });
        limited("maxToolResultBytes", 1000).tool_kit(ToolKit::new("k", "").tool("t0", tool))
    }

    pub(crate) async fn program() {
        let vm = builder().create().await.unwrap();
        assert_eq!(
            vm.exec("agentos-k t0 --bytes 998 | jq -e .ok").await.unwrap().exit_code,
            0
        );
        says(
            &vm.exec("agentos-k t0 --bytes 999").await.unwrap(),
            1,
            ("maxToolResultBytes", 1001, 1000),
        );
        lives(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = builder().create().await.unwrap();
        let mut events = vm.events();
        let output = vm.exec_argv(["agentos-k", "t0", "--bytes", "50000000"]).await.unwrap();
        says(&output, 1, ("maxToolResultBytes", 1001, 1000));
        let limit = crate::tools::breach(&mut events, "maxToolResultBytes").await;
        let expected = ("tools.maxToolResultBytes", "bytes", 1001, 1000, Errno::EFBIG);
        crate::tools::check(&limit, expected);
        lives(&vm).await;
    }
}

pub(crate) mod max_concurrent_calls {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    /// A tool that says when it has begun, and ends when it is let.
    fn builder(calls: u64) -> (Builder, Arc<Semaphore>, Arc<Semaphore>) {
        let (began, let_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (begins, goes) = (Arc::clone(&began), Arc::clone(&let_go));
        let tool = Tool::new(json!({ "type": "object" }), move |_: Value, _: ToolContext| {
            begins.add_permits(1);
            let goes = Arc::clone(&goes);
            async move {
                goes.acquire().await?.forget();
                Ok::<_, ToolError>(())
            }
        });
        let builder = limited("maxConcurrentCalls", calls).tool_kit(ToolKit::new("k", "").tool("t0", tool));
        (builder, began, let_go)
    }

    fn running(vm: &AgentOs) -> u64 {
        let usage = vm.usage();
        usage
            .limits
            .iter()
            .find(|limit| limit.limit == "maxConcurrentCalls")
            .unwrap()
            .observed
    }

    pub(crate) async fn program() {
        let (builder, began, let_go) = builder(1);
        let vm = builder.create().await.unwrap();
        let script = "for i in 1 2 3; do agentos-k t0 < /dev/null & done; wait; echo done";
        let process = vm.spawn("sh", ["-c", script]).start().await.unwrap();
        for _ in 0..3 {
            began.acquire().await.unwrap().forget();
            assert_eq!(running(&vm), 1);
            let_go.add_permits(1);
        }
        drop(process);
        vm.idle().await;
        assert_eq!(running(&vm), 0);
        lives(&vm).await;
    }

    pub(crate) async fn hostile() {
        let (builder, began, let_go) = builder(5);
        let vm = builder.create().await.unwrap();
        let mut events = vm.events();
        let script = "for i in $(seq 40); do agentos-k t0 < /dev/null & done; wait";
        let process = vm.spawn("sh", ["-c", script]).no_input().start().await.unwrap();
        began.acquire_many(5).await.unwrap().forget();
        assert_eq!(running(&vm), 5);
        // Four of five are 80 %, of which the host is told.
        let warning = loop {
            if let Event::LimitWarning(warning) = events.next().await.expect("the VM still lives") {
                break warning;
            }
        };
        assert_eq!(warning.limit, "maxConcurrentCalls");
        let_go.add_permits(100);
        drop(process);
        vm.idle().await;
        assert_eq!(running(&vm), 0);
        lives(&vm).await;
    }
}

//! Kits that a VM is not created with, and what a builder says of them.

use agentos::{AgentOs, Limits, Tool, ToolContext, ToolError, ToolKit};
use serde_json::{Value, json};
use std::time::Duration;

fn tool(schema: Value) -> Tool {
    Tool::new(schema, async |_: Value, _: ToolContext| Ok::<_, ToolError>(()))
}

fn object() -> Value {
    json!({ "type": "object" })
}

fn refused(kits: impl IntoIterator<Item = ToolKit>) -> String {
    let error = AgentOs::builder().tool_kits(kits).check().unwrap_err();
    assert_eq!(error.code(), "invalid_config");
    error.to_string()
}

#[test]
fn wrong_kits_are_named_with_their_path() {
    let long = "x".repeat(201);
    for (kit, expected) in [
        (
            ToolKit::new("Bad_Name", ""),
            "toolKits[0].name: must be lower-case letters",
        ),
        (
            ToolKit::new("x", long.clone()),
            "toolKits[0].description: Toolkit \"x\" description is 201 characters, max is 200",
        ),
        (
            ToolKit::new("x", "").tool("y", tool(object()).description(long.clone())),
            "toolKits[0].tools.y.description: Tool \"x/y\" description is 201 characters, max is 200",
        ),
        (
            ToolKit::new("x", "").tool("y y", tool(object())),
            "toolKits[0].tools.y y: must be",
        ),
        (
            ToolKit::new("x", "").tool("y", tool(json!({ "type": "string" }))),
            "toolKits[0].tools.y.inputSchema: must be a JSON Schema of type \"object\"",
        ),
        (
            ToolKit::new("x", "")
                .tool("y", tool(object()))
                .tool("y", tool(object())),
            "toolKits[0].tools: \"y\" is the name of another tool, too",
        ),
        (
            ToolKit::new("x", "").tool("y", tool(object()).timeout(Duration::ZERO)),
            "toolKits[0].tools.y.timeout: must be at least 1 ms",
        ),
    ] {
        let error = refused([kit]);
        assert!(error.starts_with(expected), "{error}");
    }
    let error = refused([ToolKit::new("x", ""), ToolKit::new("x", "")]);
    assert_eq!(error, "toolKits[1].name: \"x\" is the name of another kit, too");
}

#[test]
fn every_limit_of_what_is_registered_is_named() {
    for (limit, kits, expected) in [
        (
            ("maxToolTimeoutMs", 5),
            vec![ToolKit::new("x", "").tool("y", tool(object()).timeout(Duration::from_millis(6)))],
            "toolKits[0].tools.y.timeout: limit exceeded: maxToolTimeoutMs: 6 of 5 ms (limits.tools.maxToolTimeoutMs)",
        ),
        (
            ("maxRegisteredToolkits", 1),
            vec![ToolKit::new("x", ""), ToolKit::new("y", "")],
            "toolKits: limit exceeded: maxRegisteredToolkits: 2 of 1 toolkits (limits.tools.maxRegisteredToolkits)",
        ),
        (
            ("maxRegisteredToolsPerVm", 1),
            vec![
                ToolKit::new("x", "").tool("y", tool(object())),
                ToolKit::new("y", "").tool("y", tool(object())),
            ],
            "toolKits: limit exceeded: maxRegisteredToolsPerVm: 2 of 1 tools (limits.tools.maxRegisteredToolsPerVm)",
        ),
        (
            ("maxToolsPerToolkit", 1),
            vec![
                ToolKit::new("x", "")
                    .tool("y", tool(object()))
                    .tool("z", tool(object())),
            ],
            "toolKits[0].tools: limit exceeded: maxToolsPerToolkit: 2 of 1 tools (limits.tools.maxToolsPerToolkit)",
        ),
        (
            ("maxToolSchemaBytes", 10),
            vec![ToolKit::new("x", "").tool("y", tool(object()))],
            "toolKits[0].tools.y.inputSchema: limit exceeded: maxToolSchemaBytes: 17 of 10 bytes \
             (limits.tools.maxToolSchemaBytes)",
        ),
        (
            ("maxToolExamplesPerTool", 1),
            vec![ToolKit::new("x", "").tool("y", tool(object()).example("", json!({})).example("", json!({})))],
            "toolKits[0].tools.y.examples: limit exceeded: maxToolExamplesPerTool: 2 of 1 examples \
             (limits.tools.maxToolExamplesPerTool)",
        ),
        (
            ("maxToolExampleInputBytes", 5),
            vec![ToolKit::new("x", "").tool("y", tool(object()).example("", json!({ "a": 1 })))],
            "toolKits[0].tools.y.examples[0].input: limit exceeded: maxToolExampleInputBytes: 7 of 5 bytes \
             (limits.tools.maxToolExampleInputBytes)",
        ),
    ] {
        let mut limits = Limits::default();
        limits.set(&format!("limits.tools.{}", limit.0), limit.1).unwrap();
        let error = AgentOs::builder().limits(limits).tool_kits(kits).check().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

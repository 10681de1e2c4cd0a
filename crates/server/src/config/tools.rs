//! Kits of host tools as a binding gives them: `{name, description, tools: {name: {description, inputSchema, function,
//! examples?, timeout?}}}`, where `function` is what the binding knows the tool's function by.

use super::script::Drivers;
use super::section::Section;
use agentos::{Tool, ToolKit};
use std::time::Duration;

/// Longest time that a tool can ask for here, in ms; the limits of its VM say more.
const TIMEOUT_MAX: u64 = (1 << 31) - 1;

/// Reads one kit. Names, descriptions and schemas are checked with the VM that gets it.
pub(super) fn kit(given: &mut Section, drivers: &mut dyn Drivers) -> Option<ToolKit> {
    let description = given.text("description").unwrap_or_default();
    let tools = given.section("tools").map(Section::named).unwrap_or_default();
    let Some(name) = given.text("name") else {
        given.problem("name", "is missing: what the commands are called after");
        return None;
    };
    let mut kit = ToolKit::new(name, description);
    for (name, mut given) in tools {
        if let Some(tool) = tool(&mut given, drivers) {
            kit = kit.tool(name, tool);
        }
    }
    Some(kit)
}

fn tool(given: &mut Section, drivers: &mut dyn Drivers) -> Option<Tool> {
    let description = given.text("description").unwrap_or_default();
    let timeout = given.integer("timeout", 1..=TIMEOUT_MAX);
    let examples = given.sections("examples");
    let (schema, function) = (given.take("inputSchema"), given.take("function"));
    let (Some(schema), Some(function)) = (schema, function) else {
        given.problem(
            "inputSchema",
            "and function are needed: what the tool takes, and what it does",
        );
        return None;
    };
    let mut tool = match drivers.tool(schema, &function) {
        Some(Ok(tool)) => tool.description(description),
        Some(Err(reason)) => {
            given.problem("function", reason);
            return None;
        }
        None => {
            given.problem("function", "cannot be called from here");
            return None;
        }
    };
    if let Some(timeout) = timeout {
        tool = tool.timeout(Duration::from_millis(timeout));
    }
    for mut example in examples {
        let description = example.text("description").unwrap_or_default();
        tool = tool.example(description, example.take("input").unwrap_or_default());
    }
    Some(tool)
}

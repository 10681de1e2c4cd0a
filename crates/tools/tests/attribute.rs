//! `#[tool]`: the schema, and calls of the function.
#![allow(missing_docs, clippy::unwrap_used)]

use agentos_tools::{Tool, ToolContext, ToolError, tool};
use serde_json::json;

/// Forecast for a city
///
/// Only this paragraph is for readers of the source.
#[tool(crate = agentos_tools, timeout_ms = 500)]
async fn forecast(
    /// Name of the city
    city: String,
    days: Option<u8>,
    full_page: bool,
    call: ToolContext,
) -> Result<String, ToolError> {
    if city == "Atlantis" {
        return Err(ToolError::user("Atlantis has no weather"));
    }
    Ok(format!("{city} {days:?} {full_page} {}", call.pid))
}

#[tool(crate = agentos_tools)]
pub async fn nothing() -> Result<(), ToolError> {
    Ok(())
}

#[test]
fn parameters_are_the_schema() {
    let shown = format!("{:?}", forecast());
    let schema = json!({
        "type": "object",
        "properties": {
            "city": { "type": "string", "description": "Name of the city" },
            "days": { "type": "integer", "minimum": 0, "maximum": 255 },
            "fullPage": { "type": "boolean" },
        },
        "required": ["city", "fullPage"],
        "additionalProperties": false,
    });
    let expected = Tool::raw(schema, |_, _| Box::pin(std::future::pending())).description("Forecast for a city");
    assert_eq!(shown, format!("{expected:?}"));
    let none = json!({ "type": "object", "properties": {}, "required": [], "additionalProperties": false });
    let expected = Tool::raw(none, |_, _| Box::pin(std::future::pending()));
    assert_eq!(format!("{:?}", nothing()), format!("{expected:?}"));
}

//! The tools, resources and prompts that the conformance suite of the Model Context Protocol asks for, beside those of a VM.
//!
//! Everything here is made by the public interface of this crate, as a program of its own would make it; `tests/mcp.sh` runs
//! the suite against it. The address that it listens at is the only thing that it prints.
#![allow(clippy::print_stdout, reason = "the address is what the suite reads")]

use agentos_mcp::additions::{Additions, Answer, Body, Content, Document, LogLevel, Message, Prompt, Resource, Tool};
use agentos_mcp::{Limits, LocalVm, Server, http};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::future::pending;
use std::time::Duration;

/// A picture of one red point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
/// No sound, of no length.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vm = agentos::AgentOs::builder().create().await?;
    let additions = prompts(resources(tools(Additions::new())));
    let server = Server::with(LocalVm::new(vm, "/home/user"), Limits::default(), additions).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/mcp", listener.local_addr()?);
    http::serve(&server, listener, http::Options::default(), pending()).await?;
    Ok(())
}

fn bytes(base64: &str) -> Bytes {
    STANDARD.decode(base64).unwrap_or_default().into()
}

fn image() -> Content {
    let (data, mime) = (bytes(PNG), "image/png".to_owned());
    Content::Image { data, mime }
}

fn document(uri: &str, mime: &str, text: &str) -> Content {
    let document = Document {
        uri: uri.to_owned(),
        mime: Some(mime.to_owned()),
        body: text.into(),
    };
    document.into()
}

/// The members of an object that is written as JSON.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn tools(additions: Additions) -> Additions {
    let fixed = |name: &str, parts: Vec<Content>| {
        Tool::new(
            name,
            "Answers with what it always answers with",
            Map::new(),
            move |_, _| {
                let parts = parts.clone();
                async move { Ok(Answer::new(parts)) }
            },
        )
    };
    let (data, mime) = (bytes(WAV), "audio/wav".to_owned());
    let mixed = vec![
        "Multiple content types test:".into(),
        image(),
        document(
            "test://mixed-content-resource",
            "application/json",
            r#"{"test":"data","value":123}"#,
        ),
    ];
    let embedded = document(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    );
    let additions = additions
        .tool(fixed(
            "test_simple_text",
            vec!["This is a simple text response for testing.".into()],
        ))
        .tool(fixed("test_image_content", vec![image()]))
        .tool(fixed("test_audio_content", vec![Content::Audio { data, mime }]))
        .tool(fixed("test_embedded_resource", vec![embedded]))
        .tool(fixed("test_multiple_content_types", mixed));
    asking(telling(additions))
}

/// Tools that tell something while they run, or fail.
fn telling(additions: Additions) -> Additions {
    let pause = || tokio::time::sleep(Duration::from_millis(50));
    let logs = Tool::new(
        "test_tool_with_logging",
        "Logs three times",
        Map::new(),
        move |_, call| async move {
            call.log(LogLevel::Info, json!("Tool execution started")).await;
            pause().await;
            call.log(LogLevel::Info, json!("Tool processing data")).await;
            pause().await;
            call.log(LogLevel::Info, json!("Tool execution completed")).await;
            Ok("logged".into())
        },
    );
    let progress = Tool::new(
        "test_tool_with_progress",
        "Tells progress",
        Map::new(),
        move |_, call| async move {
            for done in [0.0, 50.0, 100.0] {
                call.progress(done, Some(100.0), None).await;
                pause().await;
            }
            Ok("done".into())
        },
    );
    let failing = Tool::new("test_error_handling", "Fails", Map::new(), |_, _| async {
        let text = "This tool intentionally returns an error for testing";
        Err(agentos_mcp::Failure::new("EXECUTION_ERROR", text))
    });
    let polling = Tool::new(
        "test_reconnection",
        "Lets its client come back",
        Map::new(),
        move |_, call| async move {
            call.release_stream();
            pause().await;
            Ok("answered on another stream".into())
        },
    );
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": { "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } } },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "additionalProperties": false,
    });
    let typed = Tool::new(
        "json_schema_2020_12_tool",
        "Tool with JSON Schema 2020-12 features",
        object(schema),
        |input, _| async move { Ok(input.to_string().into()) },
    );
    additions
        .tool(logs)
        .tool(progress)
        .tool(failing)
        .tool(polling)
        .tool(typed)
}

/// Tools that ask the client's model or user.
fn asking(additions: Additions) -> Additions {
    let text =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let sampling = Tool::new(
        "test_sampling",
        "Asks the client's model",
        object(text("prompt")),
        |input, call| async move {
            let prompt = input["prompt"].as_str().unwrap_or_default();
            let said = call.sample(prompt, 100).await?;
            Ok(format!("LLM response: {}", said.text).into())
        },
    );
    let form = json!({ "type": "object", "required": ["username", "email"], "properties": {
        "username": { "type": "string", "description": "User's response" },
        "email": { "type": "string", "description": "User's email address" },
    } });
    let elicitation = Tool::new(
        "test_elicitation",
        "Asks the client's user",
        object(text("message")),
        move |input, call| {
            let form = object(form.clone());
            async move {
                let message = input["message"].as_str().unwrap_or_default();
                let said = call.elicit(message, form).await?;
                Ok(format!("User response: {said:?}").into())
            }
        },
    );
    let defaults = json!({ "type": "object", "properties": {
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    } });
    let titled = |titles: [&str; 3]| -> Vec<Value> {
        let one = |(at, title): (usize, &str)| json!({ "const": format!("value{}", at + 1), "title": title });
        titles.into_iter().enumerate().map(one).collect()
    };
    let enums = json!({ "type": "object", "properties": {
        "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
        "titledSingle": { "type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"]) },
        "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"] },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": ["option1", "option2", "option3"] } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) } },
    } });
    let with_form = |name: &str, form: Value| {
        Tool::new(name, "Asks the client's user", Map::new(), move |_, call| {
            let form = object(form.clone());
            async move {
                let said = call.elicit("Please fill this in", form).await?;
                let content = said.content.unwrap_or_default();
                Ok(format!("Elicitation completed: action={:?}, content={content}", said.action).into())
            }
        })
    };
    additions
        .tool(sampling)
        .tool(elicitation)
        .tool(with_form("test_elicitation_sep1034_defaults", defaults))
        .tool(with_form("test_elicitation_sep1330_enums", enums))
}

fn resources(additions: Additions) -> Additions {
    let fixed = |uri: &str, name: &str, mime: &str, body: Body| {
        let read = move |_| {
            let body = body.clone();
            async move { Ok(body) }
        };
        Resource::new(uri, name, read).mime(mime)
    };
    let text = "This is the content of the static text resource.";
    let template = Resource::new("test://template/{id}/data", "data of an id", |values| async move {
        let id = values.get("id").cloned().unwrap_or_default();
        let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
        Ok(data.to_string().into())
    });
    additions
        .resource(fixed("test://static-text", "static text", "text/plain", text.into()))
        .resource(fixed(
            "test://static-binary",
            "static bytes",
            "image/png",
            bytes(PNG).into(),
        ))
        .resource(fixed(
            "test://watched-resource",
            "watched",
            "text/plain",
            "as it is".into(),
        ))
        .resource(template.mime("application/json"))
}

fn prompts(additions: Additions) -> Additions {
    let simple = Prompt::new("test_simple_prompt", "A message", |_| async {
        Ok(vec![Message::user("This is a simple prompt for testing.")])
    });
    let arguments = Prompt::new("test_prompt_with_arguments", "A message of two", |values| async move {
        let of = |name: &str| values.get(name).cloned().unwrap_or_default();
        let text = format!("Prompt with arguments: arg1='{}', arg2='{}'", of("arg1"), of("arg2"));
        Ok(vec![Message::user(text)])
    });
    let arguments = arguments
        .argument("arg1", "First test argument")
        .argument("arg2", "Second test argument")
        .completion("arg1", |typed| async move {
            let known = ["paris", "park", "party", "test"]
                .into_iter()
                .filter(|word| word.starts_with(&typed));
            known.map(str::to_owned).collect()
        });
    let embedded = Prompt::new(
        "test_prompt_with_embedded_resource",
        "A resource",
        |values| async move {
            let uri = values.get("resourceUri").cloned().unwrap_or_default();
            Ok(vec![
                Message::user(document(&uri, "text/plain", "Embedded resource content for testing.")),
                Message::user("Please process the embedded resource above."),
            ])
        },
    );
    let picture = Prompt::new("test_prompt_with_image", "A picture", |_| async {
        Ok(vec![
            Message::user(image()),
            Message::user("Please analyze the image above."),
        ])
    });
    additions
        .prompt(simple)
        .prompt(arguments)
        .prompt(embedded.argument("resourceUri", "URI of the resource to embed"))
        .prompt(picture)
}

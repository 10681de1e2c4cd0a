//! Anthropic's Messages API: `POST /v1/messages` and `/v1/messages/count_tokens`, whole or as server-sent events.
//!
//! A stream is `message_start`, then for each block `content_block_start`, its deltas and `content_block_stop`, then
//! `message_delta` with the reason of the end and `message_stop`. The input of a tool arrives as pieces of JSON text.

use super::{Reply, Stamp, array, begin, event, joined, object, text};
use crate::answer::{Answer, Block, Refusal, json as json_text, pieces};
use crate::conversation::{Conversation, Declared};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Reads a request as strictly as the API does where agents go wrong: roles, blocks, and a result for every use of a tool.
pub(crate) fn parse(request: &Value, counting: bool) -> Result<Conversation, Refusal> {
    let request = object(request, "request")?;
    let mut conversation = begin(request)?;
    if !counting {
        match request.get("max_tokens") {
            Some(most) if most.as_u64().is_some_and(|most| most > 0) => {}
            Some(_) => return Err(Refusal::invalid("max_tokens: expected a positive integer")),
            None => return Err(Refusal::invalid("max_tokens: Field required")),
        }
    }
    if let Some(system) = request.get("system") {
        conversation.bytes += joined(system).len();
    }
    if let Some(tools) = request.get("tools") {
        conversation.tools = declared(array(Some(tools), "tools")?)?;
    }
    let messages = array(request.get("messages"), "messages")?;
    if messages.is_empty() {
        return Err(Refusal::invalid("messages: at least one message is required"));
    }
    let mut uses = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let field = format!("messages.{at}");
        uses = message_of(message, &field, &mut conversation, &uses)?;
    }
    match uses.first() {
        Some(id) => Err(unanswered(id)),
        None => Ok(conversation),
    }
}

fn declared(tools: &[Value]) -> Result<Vec<Declared>, Refusal> {
    let one = |(at, tool): (usize, &Value)| {
        let field = format!("tools.{at}");
        let tool = object(tool, &field)?;
        Ok(Declared {
            name: text(tool.get("name"), &format!("{field}.name"))?.to_owned(),
            schema: tool.get("input_schema").cloned().unwrap_or_default(),
            freeform: false,
        })
    };
    tools.iter().enumerate().map(one).collect()
}

/// Takes a message in; gives the uses of tools that it leaves open.
fn message_of<'a>(
    message: &'a Value,
    field: &str,
    conversation: &mut Conversation,
    open: &[&str],
) -> Result<Vec<&'a str>, Refusal> {
    let message = object(message, field)?;
    let content = message
        .get("content")
        .ok_or_else(|| Refusal::invalid(format!("{field}.content: Field required")))?;
    match text(message.get("role"), &format!("{field}.role"))? {
        "user" => user(content, field, conversation, open).map(|()| Vec::new()),
        "assistant" if open.is_empty() => assistant(content, field, conversation),
        "assistant" => Err(unanswered(open.first().unwrap_or(&""))),
        _ => Err(Refusal::invalid(format!("{field}.role: expected user or assistant"))),
    }
}

fn unanswered(id: &str) -> Refusal {
    let id = crate::script::head(id, 64);
    Refusal::invalid(format!(
        "messages: `tool_use` ids were found without `tool_result` blocks immediately after: {id}"
    ))
}

fn user(content: &Value, field: &str, conversation: &mut Conversation, open: &[&str]) -> Result<(), Refusal> {
    let mut answered = Vec::new();
    if let Value::Array(blocks) = content {
        for (at, block) in blocks.iter().enumerate() {
            let field = format!("{field}.content.{at}");
            let block = object(block, &field)?;
            if text(block.get("type"), &format!("{field}.type"))? == "tool_result" {
                let id = text(block.get("tool_use_id"), &format!("{field}.tool_use_id"))?;
                if !open.contains(&id) {
                    let reason = "there is no `tool_use` block of this id in the message before";
                    return Err(Refusal::invalid(format!("{field}.tool_use_id: {reason}")));
                }
                answered.push(id);
                let failed = block.get("is_error").and_then(Value::as_bool).unwrap_or(false);
                let result = block.get("content").map(joined).unwrap_or_default();
                conversation.returned(result, failed);
            }
        }
    } else if !content.is_string() {
        return Err(Refusal::invalid(format!(
            "{field}.content: expected a string or an array"
        )));
    }
    if let Some(missing) = open.iter().find(|id| !answered.contains(id)) {
        return Err(unanswered(missing));
    }
    match said_beside(content) {
        _ if answered.is_empty() => conversation.prompted(joined(content)),
        Some(prompt) => conversation.prompted(prompt),
        None => {}
    }
    Ok(())
}

/// What a person says in a message that begins with results of tools: agents put a prompt there that follows an answer which was
/// refused or cancelled. What agents add of their own stands between tags, and belongs to the results.
fn said_beside(content: &Value) -> Option<String> {
    let blocks = content.as_array()?;
    let results = blocks.iter().rposition(|block| block["type"] == "tool_result")?;
    let said = blocks.iter().skip(results + 1).filter(|block| {
        let text = block["text"].as_str().unwrap_or_default().trim();
        !text.is_empty() && !text.starts_with("<system-reminder>")
    });
    let said: Vec<Value> = said.cloned().collect();
    (!said.is_empty()).then(|| joined(&said.into()))
}

fn assistant<'a>(content: &'a Value, field: &str, conversation: &mut Conversation) -> Result<Vec<&'a str>, Refusal> {
    let mut uses = Vec::new();
    if let Value::Array(blocks) = content {
        for (at, block) in blocks.iter().enumerate() {
            if block.get("type").is_some_and(|kind| kind == "tool_use") {
                uses.push(text(block.get("id"), &format!("{field}.content.{at}.id"))?);
            }
        }
    }
    conversation.answered(content.to_string().len());
    Ok(uses)
}

/// The answer in the form that was asked for.
pub(crate) fn reply(conversation: &Conversation, answer: &Answer, stamp: Stamp) -> Reply {
    if conversation.stream {
        return Reply::Events(events(conversation, answer, stamp));
    }
    let blocks = answer.blocks.iter().enumerate();
    let content: Vec<Value> = blocks.map(|(at, block)| whole(block, at, stamp)).collect();
    let mut message = opening(conversation, stamp);
    message["content"] = content.into();
    message["stop_reason"] = reason(answer).into();
    message["usage"]["output_tokens"] = answer.tokens().into();
    Reply::Json(message)
}

fn whole(block: &Block, at: usize, stamp: Stamp) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Tool { name, input } => {
            json!({"type": "tool_use", "id": tool_id(at, stamp), "name": name, "input": input})
        }
    }
}

fn opening(conversation: &Conversation, stamp: Stamp) -> Value {
    json!({
        "id": format!("msg_scripted_{:06}", stamp.number), "type": "message", "role": "assistant",
        "model": conversation.model, "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": conversation.tokens(), "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": 1},
    })
}

fn tool_id(at: usize, stamp: Stamp) -> String {
    format!("toolu_scripted_{:06}_{at}", stamp.number)
}

fn reason(answer: &Answer) -> &'static str {
    if answer.uses_tools() { "tool_use" } else { "end_turn" }
}

fn events(conversation: &Conversation, answer: &Answer, stamp: Stamp) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut send = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        events.push(event(Some(kind), &data));
    };
    send("message_start", json!({"message": opening(conversation, stamp)}));
    send("ping", json!({}));
    for (index, block) in answer.blocks.iter().enumerate() {
        let (start, deltas) = parts(block, index, stamp);
        send("content_block_start", json!({"index": index, "content_block": start}));
        for delta in deltas {
            send("content_block_delta", json!({"index": index, "delta": delta}));
        }
        send("content_block_stop", json!({"index": index}));
    }
    let delta = json!({"stop_reason": reason(answer), "stop_sequence": null});
    send(
        "message_delta",
        json!({"delta": delta, "usage": {"output_tokens": answer.tokens()}}),
    );
    send("message_stop", json!({}));
    events
}

/// How a block begins, and its deltas.
fn parts(block: &Block, at: usize, stamp: Stamp) -> (Value, Vec<Value>) {
    match block {
        Block::Text(text) => {
            let deltas = pieces(text)
                .into_iter()
                .map(|piece| json!({"type": "text_delta", "text": piece}));
            (json!({"type": "text", "text": ""}), deltas.collect())
        }
        Block::Tool { name, input } => {
            let start = json!({"type": "tool_use", "id": tool_id(at, stamp), "name": name, "input": {}});
            let input = json_text(input);
            let delta = |piece| json!({"type": "input_json_delta", "partial_json": piece});
            // The API begins with an empty piece, too.
            let deltas = std::iter::once("").chain(pieces(&input)).map(delta);
            (start, deltas.collect())
        }
    }
}

/// An error in the API's shape.
pub(crate) fn error(refusal: &Refusal, stamp: Stamp) -> Value {
    json!({
        "type": "error", "error": {"type": refusal.kind, "message": refusal.message},
        "request_id": format!("req_scripted_{:06}", stamp.number),
    })
}

/// One model of the list.
pub(crate) fn model(name: &str) -> Map<String, Value> {
    let described = [
        ("type", "model".into()),
        ("id", name.into()),
        ("display_name", format!("{name} (scripted)").into()),
        ("created_at", "2026-01-01T00:00:00Z".into()),
    ];
    described
        .into_iter()
        .map(|(name, value): (&str, Value)| (name.to_owned(), value))
        .collect()
}

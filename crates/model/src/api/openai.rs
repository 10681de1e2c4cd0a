//! OpenAI's chat completions: `POST /v1/chat/completions`, whole or as server-sent events.
//!
//! A stream is chunks whose `delta` adds to the message, one with the reason of the end, one with the usage if that was asked
//! for, and `[DONE]`.

use super::{Reply, Stamp, array, begin, event, joined, object, text};
use crate::answer::{Answer, Block, Refusal, json as json_text, pieces};
use crate::conversation::{Conversation, Declared};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Reads a request; gives also whether the stream is to end with the usage.
pub(crate) fn parse(request: &Value) -> Result<(Conversation, bool), Refusal> {
    let request = object(request, "request")?;
    let mut conversation = begin(request)?;
    if let Some(tools) = request.get("tools") {
        conversation.tools = declared(array(Some(tools), "tools")?)?;
    }
    let messages = array(request.get("messages"), "messages")?;
    if messages.is_empty() {
        return Err(Refusal::invalid("messages: at least one message is required"));
    }
    let mut open = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        take(message, &format!("messages.{at}"), &mut conversation, &mut open)?;
    }
    if !open.is_empty() {
        return Err(unanswered());
    }
    let options = request.get("stream_options");
    let usage = options
        .and_then(|options| options.get("include_usage"))
        .and_then(Value::as_bool);
    Ok((conversation, usage.unwrap_or(false)))
}

fn declared(tools: &[Value]) -> Result<Vec<Declared>, Refusal> {
    let one = |(at, tool): (usize, &Value)| {
        let field = format!("tools.{at}.function");
        let function = object(tool.get("function").unwrap_or(&Value::Null), &field)?;
        Ok(Declared {
            name: text(function.get("name"), &format!("{field}.name"))?.to_owned(),
            schema: function.get("parameters").cloned().unwrap_or_default(),
            freeform: false,
        })
    };
    tools.iter().enumerate().map(one).collect()
}

fn take<'a>(
    message: &'a Value,
    field: &str,
    conversation: &mut Conversation,
    open: &mut Vec<&'a str>,
) -> Result<(), Refusal> {
    let message = object(message, field)?;
    let role = text(message.get("role"), &format!("{field}.role"))?;
    if role != "tool" && !open.is_empty() {
        return Err(unanswered());
    }
    let content = message.get("content").map(joined).unwrap_or_default();
    match role {
        "system" | "developer" => conversation.bytes += content.len(),
        "user" => conversation.prompted(content),
        "assistant" => {
            let calls = message.get("tool_calls").filter(|calls| !calls.is_null());
            let calls = calls.map_or(Ok(&[][..]), |calls| array(Some(calls), &format!("{field}.tool_calls")))?;
            for call in calls {
                open.push(text(call.get("id"), &format!("{field}.tool_calls.id"))?);
            }
            conversation.answered(content.len() + calls.iter().map(|call| call.to_string().len()).sum::<usize>());
        }
        "tool" => {
            let id = text(message.get("tool_call_id"), &format!("{field}.tool_call_id"))?;
            let Some(at) = open.iter().position(|known| *known == id) else {
                let reason = "there is no tool call of this id before";
                return Err(Refusal::invalid(format!("{field}.tool_call_id: {reason}")));
            };
            open.swap_remove(at);
            // The API has no field for failures.
            conversation.returned(content, false);
        }
        _ => return Err(Refusal::invalid(format!("{field}.role: unknown role"))),
    }
    Ok(())
}

fn unanswered() -> Refusal {
    Refusal::invalid(
        "messages: an assistant message with 'tool_calls' must be followed by tool messages responding to each",
    )
}

/// The answer in the form that was asked for.
pub(crate) fn reply(conversation: &Conversation, usage: bool, answer: &Answer, stamp: Stamp) -> Reply {
    if conversation.stream {
        return Reply::Events(chunks(conversation, usage, answer, stamp));
    }
    let texts = answer.blocks.iter().filter_map(|block| match block {
        Block::Text(text) => Some(text.as_str()),
        Block::Tool { .. } => None,
    });
    let content = texts.collect::<Vec<_>>().join("\n\n");
    let mut message = json!({"role": "assistant", "content": content, "refusal": null});
    if answer.uses_tools() {
        let calls = tools(answer).map(|(at, name, input)| {
            let function = json!({"name": name, "arguments": json_text(input)});
            json!({"id": tool_id(at, stamp), "type": "function", "function": function})
        });
        message["tool_calls"] = calls.collect();
    }
    let mut whole = envelope("chat.completion", conversation, stamp);
    whole["choices"] = json!([{"index": 0, "message": message, "logprobs": null, "finish_reason": reason(answer)}]);
    whole["usage"] = used(conversation, answer);
    Reply::Json(whole)
}

/// The uses of tools with their places among themselves.
fn tools(answer: &Answer) -> impl Iterator<Item = (usize, &str, &Map<String, Value>)> {
    let tools = answer.blocks.iter().filter_map(|block| match block {
        Block::Tool { name, input } => Some((name.as_str(), input)),
        Block::Text(_) => None,
    });
    tools.enumerate().map(|(at, (name, input))| (at, name, input))
}

fn chunks(conversation: &Conversation, usage: bool, answer: &Answer, stamp: Stamp) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let chunk = |delta: Value, reason: Option<&str>| {
        let mut chunk = envelope("chat.completion.chunk", conversation, stamp);
        chunk["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
        event(None, &chunk)
    };
    chunks.push(chunk(json!({"role": "assistant", "content": ""}), None));
    let mut texts = 0;
    for block in &answer.blocks {
        let Block::Text(text) = block else { continue };
        let between = if texts > 0 { "\n\n" } else { "" };
        texts += 1;
        let said = std::iter::once(between)
            .filter(|text| !text.is_empty())
            .chain(pieces(text));
        chunks.extend(said.map(|piece| chunk(json!({"content": piece}), None)));
    }
    for (at, name, input) in tools(answer) {
        let function = json!({"name": name, "arguments": ""});
        let call = json!({"index": at, "id": tool_id(at, stamp), "type": "function", "function": function});
        chunks.push(chunk(json!({"tool_calls": [call]}), None));
        for piece in pieces(&json_text(input)) {
            let call = json!({"index": at, "function": {"arguments": piece}});
            chunks.push(chunk(json!({"tool_calls": [call]}), None));
        }
    }
    chunks.push(chunk(json!({}), Some(reason(answer))));
    if usage {
        let mut last = envelope("chat.completion.chunk", conversation, stamp);
        last["choices"] = json!([]);
        last["usage"] = used(conversation, answer);
        chunks.push(event(None, &last));
    }
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    chunks
}

fn envelope(object: &str, conversation: &Conversation, stamp: Stamp) -> Value {
    json!({
        "id": format!("chatcmpl-scripted-{:06}", stamp.number), "object": object, "created": stamp.seconds,
        "model": conversation.model,
    })
}

fn tool_id(at: usize, stamp: Stamp) -> String {
    format!("call_scripted_{:06}_{at}", stamp.number)
}

fn reason(answer: &Answer) -> &'static str {
    if answer.uses_tools() { "tool_calls" } else { "stop" }
}

fn used(conversation: &Conversation, answer: &Answer) -> Value {
    let (read, said) = (conversation.tokens(), answer.tokens());
    json!({"prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said})
}

/// An error in the API's shape.
pub(crate) fn error(refusal: &Refusal) -> Value {
    json!({"error": {"message": refusal.message, "type": refusal.kind, "param": null, "code": null}})
}

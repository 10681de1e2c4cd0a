//! OpenAI's Responses API: `POST /v1/responses`, whole or as server-sent events.
//!
//! A request holds items: messages, calls of tools, and their outputs. A stream is `response.created`, for each item of the
//! answer `response.output_item.added`, its deltas, and `response.output_item.done`, and at the end `response.completed` with
//! all of it once more and the usage. Tools are functions, whose input is JSON text, or custom ones, whose input is any text.
//! Responses are not kept, so a request that names an earlier one is refused.

use super::{Reply, Stamp, array, begin, event, joined, object, text};
use crate::answer::{Answer, Block, Refusal, json as json_text, pieces};
use crate::conversation::{Conversation, Declared};
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Reads a request as strictly as the API does where agents go wrong: items, roles, and an output for every call of a tool.
pub(crate) fn parse(request: &Value) -> Result<Conversation, Refusal> {
    let request = object(request, "request")?;
    let mut conversation = begin(request)?;
    if request.get("previous_response_id").is_some_and(|id| !id.is_null()) {
        let reason = "responses are not kept here; send the whole conversation";
        return Err(Refusal::invalid(format!("previous_response_id: {reason}")));
    }
    if let Some(instructions) = request.get("instructions").and_then(Value::as_str) {
        conversation.bytes += instructions.len();
    }
    if let Some(tools) = request.get("tools").filter(|tools| !tools.is_null()) {
        conversation.tools = declared(array(Some(tools), "tools")?)?;
    }
    let items = match request.get("input") {
        Some(Value::String(prompt)) => {
            conversation.prompted(prompt.clone());
            return Ok(conversation);
        }
        input => array(input, "input")?,
    };
    if items.is_empty() {
        return Err(Refusal::invalid("input: at least one item is required"));
    }
    let mut turns = Turns::default();
    for (at, item) in items.iter().enumerate() {
        turns.take(item, &format!("input.{at}"), &mut conversation)?;
    }
    match turns.open.first() {
        Some(id) => Err(unanswered(id)),
        None => Ok(conversation),
    }
}

/// What a script can ask for: functions and custom tools. What the provider itself would do, such as a search of the web, it
/// cannot.
fn declared(tools: &[Value]) -> Result<Vec<Declared>, Refusal> {
    let mut found = Vec::new();
    for (at, tool) in tools.iter().enumerate() {
        let field = format!("tools.{at}");
        let tool = object(tool, &field)?;
        let freeform = match text(tool.get("type"), &format!("{field}.type"))? {
            "function" => false,
            "custom" => true,
            _ => continue,
        };
        found.push(Declared {
            name: text(tool.get("name"), &format!("{field}.name"))?.to_owned(),
            schema: tool.get("parameters").cloned().unwrap_or_default(),
            freeform,
        });
    }
    Ok(found)
}

/// Items as they come, made into turns: one answer of the model may be several items.
#[derive(Default)]
struct Turns<'a> {
    /// Calls without an output.
    open: Vec<&'a str>,
    /// Whether the item before was the model's.
    answering: bool,
}

impl<'a> Turns<'a> {
    fn take(&mut self, item: &'a Value, field: &str, conversation: &mut Conversation) -> Result<(), Refusal> {
        let item = object(item, field)?;
        let kind = match item.get("type") {
            None => "message",
            kind => text(kind, &format!("{field}.type"))?,
        };
        match kind {
            "message" => self.message(item, field, conversation),
            "function_call_output" | "custom_tool_call_output" | "local_shell_call_output" => {
                let id = text(item.get("call_id"), &format!("{field}.call_id"))?;
                let Some(at) = self.open.iter().position(|known| *known == id) else {
                    let reason = "no tool call found for this output";
                    return Err(Refusal::invalid(format!("{field}.call_id: {reason}")));
                };
                self.open.swap_remove(at);
                self.answering = false;
                let output = item.get("output").map(joined).unwrap_or_default();
                // The API has no field for failures.
                conversation.returned(output, false);
                Ok(())
            }
            "function_call" | "custom_tool_call" | "local_shell_call" => {
                self.open.push(text(item.get("call_id"), &format!("{field}.call_id"))?);
                self.said(item, conversation);
                Ok(())
            }
            // Thoughts, searches of the provider and the like: the model's, and nothing that a script looks at.
            _ => {
                self.said(item, conversation);
                Ok(())
            }
        }
    }

    fn message(
        &mut self,
        item: &Map<String, Value>,
        field: &str,
        conversation: &mut Conversation,
    ) -> Result<(), Refusal> {
        let content = item
            .get("content")
            .ok_or_else(|| Refusal::invalid(format!("{field}.content: Field required")))?;
        match text(item.get("role"), &format!("{field}.role"))? {
            "assistant" => self.said(item, conversation),
            "system" | "developer" => conversation.bytes += joined(content).len(),
            "user" => {
                self.answering = false;
                conversation.prompted(joined(content));
            }
            _ => return Err(Refusal::invalid(format!("{field}.role: unknown role"))),
        }
        Ok(())
    }

    /// An item of the model: the first of several counts as its answer.
    fn said(&mut self, item: &Map<String, Value>, conversation: &mut Conversation) {
        let bytes = Value::Object(item.clone()).to_string().len();
        if self.answering {
            conversation.bytes += bytes;
        } else {
            conversation.answered(bytes);
        }
        self.answering = true;
    }
}

fn unanswered(id: &str) -> Refusal {
    let id = crate::script::head(id, 64);
    Refusal::invalid(format!("No tool output found for function call {id}."))
}

/// The answer in the form that was asked for.
pub(crate) fn reply(conversation: &Conversation, answer: &Answer, stamp: Stamp) -> Reply {
    if conversation.stream {
        return Reply::Events(events(conversation, answer, stamp));
    }
    Reply::Json(completed(conversation, answer, stamp))
}

fn events(conversation: &Conversation, answer: &Answer, stamp: Stamp) -> Vec<Bytes> {
    let mut events = Vec::new();
    let mut send = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        data["sequence_number"] = events.len().into();
        events.push(event(Some(kind), &data));
    };
    let begun = envelope(conversation, stamp, "in_progress");
    send("response.created", json!({"response": begun}));
    send("response.in_progress", json!({"response": begun}));
    for (at, block) in answer.blocks.iter().enumerate() {
        let item = Item::new(block, at, stamp, conversation);
        send(
            "response.output_item.added",
            json!({"output_index": at, "item": item.empty()}),
        );
        for (kind, mut data) in item.deltas() {
            data["item_id"] = item.id.as_str().into();
            data["output_index"] = at.into();
            send(kind, data);
        }
        send(
            "response.output_item.done",
            json!({"output_index": at, "item": item.whole("completed")}),
        );
    }
    send(
        "response.completed",
        json!({"response": completed(conversation, answer, stamp)}),
    );
    events
}

/// A block of an answer as an item.
struct Item<'a> {
    id: String,
    call_id: String,
    content: Content<'a>,
}

enum Content<'a> {
    Text(&'a str),
    Function { name: &'a str, arguments: String },
    Custom { name: &'a str, input: &'a str },
}

impl<'a> Item<'a> {
    fn new(block: &'a Block, at: usize, stamp: Stamp, conversation: &Conversation) -> Self {
        let (prefix, content) = match block {
            Block::Text(text) => ("msg", Content::Text(text)),
            Block::Tool { name, input } => {
                let freeform = |tool: &Declared| tool.freeform && tool.name == *name;
                if conversation.tools.iter().any(freeform) {
                    let input = input.get("input").and_then(Value::as_str).unwrap_or_default();
                    ("ctc", Content::Custom { name, input })
                } else {
                    let arguments = json_text(input);
                    ("fc", Content::Function { name, arguments })
                }
            }
        };
        Self {
            id: format!("{prefix}_scripted_{:06}_{at}", stamp.number),
            call_id: format!("call_scripted_{:06}_{at}", stamp.number),
            content,
        }
    }

    fn whole(&self, status: &str) -> Value {
        self.filled(status, None)
    }

    /// As it begins: without what its deltas bring.
    fn empty(&self) -> Value {
        self.filled("in_progress", Some(""))
    }

    fn filled(&self, status: &str, instead: Option<&str>) -> Value {
        let (id, call_id) = (&self.id, &self.call_id);
        match &self.content {
            Content::Text(text) => {
                let content = match instead {
                    Some(_) => json!([]),
                    None => json!([part(text)]),
                };
                json!({"type": "message", "id": id, "status": status, "role": "assistant", "content": content})
            }
            Content::Function { name, arguments } => json!({
                "type": "function_call", "id": id, "call_id": call_id, "status": status, "name": name,
                "arguments": instead.unwrap_or(arguments),
            }),
            Content::Custom { name, input } => json!({
                "type": "custom_tool_call", "id": id, "call_id": call_id, "status": status, "name": name,
                "input": instead.unwrap_or(input),
            }),
        }
    }

    /// Events between its begin and its end.
    fn deltas(&self) -> Vec<(&'static str, Value)> {
        match &self.content {
            Content::Text(text) => {
                let mut found = vec![(
                    "response.content_part.added",
                    json!({"content_index": 0, "part": part("")}),
                )];
                found.extend(pieces(text).into_iter().map(|piece| {
                    let delta = json!({"content_index": 0, "delta": piece, "logprobs": []});
                    ("response.output_text.delta", delta)
                }));
                let done = json!({"content_index": 0, "text": text, "logprobs": []});
                found.push(("response.output_text.done", done));
                found.push((
                    "response.content_part.done",
                    json!({"content_index": 0, "part": part(text)}),
                ));
                found
            }
            Content::Function { name, arguments } => {
                let delta = |piece| ("response.function_call_arguments.delta", json!({"delta": piece}));
                let done = json!({"name": name, "arguments": arguments});
                let deltas = pieces(arguments).into_iter().map(delta);
                deltas
                    .chain([("response.function_call_arguments.done", done)])
                    .collect()
            }
            Content::Custom { input, .. } => {
                let delta = |piece| ("response.custom_tool_call_input.delta", json!({"delta": piece}));
                let deltas = pieces(input).into_iter().map(delta);
                deltas
                    .chain([("response.custom_tool_call_input.done", json!({"input": input}))])
                    .collect()
            }
        }
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn envelope(conversation: &Conversation, stamp: Stamp, status: &str) -> Value {
    json!({
        "id": format!("resp_scripted_{:06}", stamp.number), "object": "response", "created_at": stamp.seconds,
        "status": status, "model": conversation.model, "output": [], "error": null, "incomplete_details": null,
        "parallel_tool_calls": true, "previous_response_id": null, "store": false, "usage": null,
    })
}

fn completed(conversation: &Conversation, answer: &Answer, stamp: Stamp) -> Value {
    let mut response = envelope(conversation, stamp, "completed");
    let items = answer.blocks.iter().enumerate();
    let items = items.map(|(at, block)| Item::new(block, at, stamp, conversation).whole("completed"));
    response["output"] = items.collect();
    let (read, said) = (conversation.tokens(), answer.tokens());
    response["usage"] = json!({
        "input_tokens": read, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": read + said,
    });
    response
}

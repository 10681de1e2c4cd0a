//! One request: where it goes, how much of it is read, and what it is answered with.

use crate::answer::{Answer, End, Refusal};
use crate::api::{Reply, Stamp, anthropic, openai, responses};
use crate::body::ReplyBody;
use crate::conversation::Conversation;
use crate::script::head;
use crate::server::{Seen, Shared};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which API a path belongs to; errors are told in its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Anthropic,
    OpenAi,
}

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Messages,
    Count,
    Completions,
    Responses,
    /// The Responses API over a WebSocket, which clients fall back from.
    Socket,
    Models,
    Model(&'a str),
    Unknown,
}

/// Answers a request.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<ReplyBody>, Infallible> {
    let (parts, body) = request.into_parts();
    let stamp = Stamp {
        number: shared.next_number(),
        seconds: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs(),
    };
    let route = route(&parts.method, parts.uri.path());
    let api = api(&route, &parts.headers);
    let made = async {
        authorize(&shared, &parts.headers)?;
        match route {
            Route::Messages | Route::Count | Route::Completions | Route::Responses => {
                let body = read(&shared, &parts.headers, body).await?;
                say(&shared, &route, &parts.headers, &body, stamp)
            }
            Route::Models => Ok(models(&shared, api)),
            Route::Model(name) => one_model(&shared, api, name),
            Route::Socket => {
                let message = "responses are not spoken over a WebSocket here: use POST";
                Err(Refusal::new(426, "invalid_request_error", message))
            }
            Route::Unknown => {
                let what = head(parts.uri.path(), 128);
                let message = format!("there is no {} {what} here", parts.method);
                Err(Refusal::new(404, "not_found_error", message))
            }
        }
    };
    Ok(made.await.unwrap_or_else(|refusal| refused(api, &refusal, stamp)))
}

fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let path = path.strip_prefix("/v1").unwrap_or(path);
    match (method, path) {
        (&Method::POST, "/messages") => Route::Messages,
        (&Method::POST, "/messages/count_tokens") => Route::Count,
        (&Method::POST, "/chat/completions") => Route::Completions,
        (&Method::POST, "/responses") => Route::Responses,
        (&Method::GET, "/responses") => Route::Socket,
        (&Method::GET, "/models") => Route::Models,
        (&Method::GET, path) => path.strip_prefix("/models/").map_or(Route::Unknown, Route::Model),
        _ => Route::Unknown,
    }
}

fn api(route: &Route<'_>, headers: &HeaderMap) -> Api {
    match route {
        Route::Completions | Route::Responses | Route::Socket => Api::OpenAi,
        Route::Messages | Route::Count => Api::Anthropic,
        _ if headers.contains_key("anthropic-version") || headers.contains_key("x-api-key") => Api::Anthropic,
        _ => Api::OpenAi,
    }
}

/// A server with a key wants it, as the providers do in their two ways.
fn authorize(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(key) = &shared.key else { return Ok(()) };
    let bearer = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let given = headers.get("x-api-key").map(http::HeaderValue::as_bytes).or(bearer);
    match given {
        Some(given) if given == key.as_bytes() => Ok(()),
        Some(_) => Err(Refusal::new(401, "authentication_error", "invalid x-api-key")),
        None => Err(Refusal::new(
            401,
            "authentication_error",
            "x-api-key header is required",
        )),
    }
}

/// Reads a body within its bounds of size and time.
async fn read(shared: &Shared, headers: &HeaderMap, body: Incoming) -> Result<Bytes, Refusal> {
    let cap = shared.bounds.max_body_bytes;
    let too_large = |observed: &str| {
        let message = format!("limit_exceeded: maxBodyBytes: {observed} is more than {cap} (bounds.max_body_bytes)");
        Refusal::new(413, "request_too_large", message)
    };
    let told = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if let Some(told) = told.filter(|told| *told > cap) {
        return Err(too_large(&told.to_string()));
    }
    let collected = tokio::time::timeout(shared.bounds.read_timeout, Limited::new(body, cap).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large("a body of unknown length")),
        Ok(Err(_)) => Err(Refusal::invalid("the body of the request ended before its end")),
        Err(_) => Err(Refusal::new(
            408,
            "timeout_error",
            "the body of the request did not arrive in time",
        )),
    }
}

/// Parses a request, lets the script choose, and forms the response.
fn say(
    shared: &Shared,
    route: &Route<'_>,
    headers: &HeaderMap,
    body: &[u8],
    stamp: Stamp,
) -> Result<Response<ReplyBody>, Refusal> {
    let request: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::invalid(format!("the body of the request is no JSON: {error}")))?;
    if *route == Route::Completions {
        let (conversation, usage) = openai::parse(&request)?;
        let answer = choose(shared, "openai", &conversation)?;
        let reply = openai::reply(&conversation, usage, &answer, stamp);
        return Ok(respond(reply, &answer));
    }
    if *route == Route::Responses {
        let conversation = responses::parse(&request)?;
        let answer = choose(shared, "responses", &conversation)?;
        let reply = responses::reply(&conversation, &answer, stamp);
        return Ok(respond(reply, &answer));
    }
    if !headers.contains_key("anthropic-version") {
        return Err(Refusal::invalid("anthropic-version: header is required"));
    }
    let conversation = anthropic::parse(&request, *route == Route::Count)?;
    if *route == Route::Count {
        return Ok(json_response(
            StatusCode::OK,
            &json!({"input_tokens": conversation.tokens()}),
        ));
    }
    let answer = choose(shared, "anthropic", &conversation)?;
    let reply = anthropic::reply(&conversation, &answer, stamp);
    Ok(respond(reply, &answer))
}

fn choose(shared: &Shared, api: &'static str, conversation: &Conversation) -> Result<Answer, Refusal> {
    let chosen = shared.choose(conversation);
    shared.saw(Seen::new(api, conversation, chosen.as_ref().map(|chosen| chosen.turn)));
    match chosen {
        Some(chosen) => chosen.said,
        None => Err(Refusal::invalid(format!(
            "the script has no turn for this conversation: the model has answered {} times since the prompt",
            conversation.answers
        ))),
    }
}

fn respond(reply: Reply, answer: &Answer) -> Response<ReplyBody> {
    match (reply, answer.end) {
        (Reply::Json(value), End::Whole) => json_response(StatusCode::OK, &value),
        // What is not streamed breaks off without having begun.
        (Reply::Json(_), end) => response(StatusCode::OK, JSON, ReplyBody::events(Vec::new(), Duration::ZERO, end)),
        (Reply::Events(events), end) => response(StatusCode::OK, EVENTS, ReplyBody::events(events, answer.pause, end)),
    }
}

fn models(shared: &Shared, api: Api) -> Response<ReplyBody> {
    let names = shared.script.models();
    let data: Vec<Value> = names.iter().map(|name| listed(api, name)).collect();
    let list = match api {
        Api::Anthropic => {
            json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
        }
        Api::OpenAi => json!({"object": "list", "data": data}),
    };
    json_response(StatusCode::OK, &list)
}

fn one_model(shared: &Shared, api: Api, name: &str) -> Result<Response<ReplyBody>, Refusal> {
    if !shared.script.models().iter().any(|known| known == name) {
        let message = format!("model: {}", head(name, 128));
        return Err(Refusal::new(404, "not_found_error", message));
    }
    Ok(json_response(StatusCode::OK, &listed(api, name)))
}

fn listed(api: Api, name: &str) -> Value {
    match api {
        Api::Anthropic => Value::Object(anthropic::model(name)),
        Api::OpenAi => json!({"id": name, "object": "model", "created": 1_767_225_600, "owned_by": "agentos"}),
    }
}

fn refused(api: Api, refusal: &Refusal, stamp: Stamp) -> Response<ReplyBody> {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    tracing::debug!(status = refusal.status, message = %refusal.message, "refused a request");
    match api {
        Api::Anthropic => json_response(status, &anthropic::error(refusal, stamp)),
        Api::OpenAi => json_response(status, &openai::error(refusal)),
    }
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream; charset=utf-8";

fn json_response(status: StatusCode, value: &Value) -> Response<ReplyBody> {
    response(status, JSON, ReplyBody::whole(value.to_string().into()))
}

fn response(status: StatusCode, kind: &'static str, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, http::HeaderValue::from_static("no-cache"));
    response
}

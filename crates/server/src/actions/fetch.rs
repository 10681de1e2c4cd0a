//! `vmFetch`: one HTTP request to a server inside the VM (api.md section 4.4).

use super::args::{Arg, Result, invalid_argument};
use super::{Action, Call, awake};
use crate::errors::{from_sdk, limit_value};
use agentos::http::header::{HeaderName, HeaderValue};
use agentos::http::{self, HeaderMap, Method, Uri};
use agentos_value::{ActorError, Object, Value};
use bytes::Bytes;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[awake!("vmFetch", fetch)];

async fn fetch(Call { machine, mut args, .. }: Call) -> Result<Value> {
    let port = args.next("port").port()?;
    let url = args.next("url").text()?;
    let mut given = args.options(&["method", "headers", "body"])?;
    args.end()?;
    let method = given.text("method")?.unwrap_or_else(|| "GET".to_owned());
    let method = Method::from_bytes(method.to_uppercase().as_bytes())
        .map_err(|_| invalid_argument("options.method", "an HTTP method", &format!("{method:?}")))?;
    let body = given.take("body").map_or(Ok(Bytes::new()), Arg::content)?;
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target(&url)?;
    for (name, value) in given.take("headers").map_or_else(|| Ok(Vec::new()), Arg::dictionary)? {
        let (name, value) = header(&name, &value)?;
        request.headers_mut().append(name, value);
    }
    let response = machine.vm.fetch(port, request).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    let body = body.bytes().await.map_err(failed)?;
    let mut result = Object::new();
    result.insert("status", head.status.as_u16());
    result.insert("statusText", head.status.canonical_reason().unwrap_or_default());
    result.insert("headers", headers(&head.headers));
    result.insert("body", Value::Bytes(body));
    Ok(Value::Object(result))
}

/// A server that takes too long is an action that does.
fn failed(error: agentos::Error) -> ActorError {
    match error.limit() {
        Some(limit) if limit.limit == "fetchTimeoutMs" => {
            ActorError::actor("action_timed_out", error.to_string()).with_metadata(limit_value(limit))
        }
        _ => from_sdk(error),
    }
}

/// The request target: `/path?query`, with or without scheme and host before it.
fn target(url: &str) -> Result<Uri> {
    let refused = || {
        let shown: String = url.chars().take(64).flat_map(char::escape_default).collect();
        invalid_argument(
            "url",
            "a path such as \"/x?y\" or an absolute URL",
            &format!("string \"{shown}\""),
        )
    };
    // A fragment never travels.
    let url = url.split('#').next().unwrap_or_default();
    let uri: Uri = match url.starts_with('/') || url.contains("://") {
        true => url.parse().map_err(|_| refused())?,
        false if url.is_empty() || url.starts_with('?') => format!("/{url}").parse().map_err(|_| refused())?,
        false => return Err(refused()),
    };
    Ok(uri)
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let path = format!("options.headers.{}", name.escape_default());
    let known = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid_argument(&path, "the name of a header", "something else"))?;
    // The value may be a credential and is not repeated.
    let value = HeaderValue::from_str(value).map_err(|_| {
        invalid_argument(
            &path,
            "a value without line breaks and control characters",
            "something else",
        )
    })?;
    Ok((known, value))
}

/// Headers by name; several of one name are joined as `fetch` does it.
fn headers(map: &HeaderMap) -> Value {
    let mut object = Object::new();
    for name in map.keys() {
        let values = map.get_all(name).iter();
        let texts: Vec<String> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        object.insert(name.as_str(), texts.join(", "));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_paths_or_urls() {
        for (url, path) in [
            ("/x?y", "/x?y"),
            ("http://example.com/a?b#c", "/a?b"),
            ("", "/"),
            ("?q=1", "/?q=1"),
        ] {
            let uri = target(url).unwrap();
            assert_eq!(uri.path_and_query().unwrap().as_str(), path);
        }
        assert!(target("x y").is_err() && target("x").is_err());
    }
}

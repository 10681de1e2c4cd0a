//! What a guest gets back: a host's response, cleaned, or a refusal.

use super::body::{Masked, ReplyBody};
use super::head::{Refusal, strip_hop_by_hop};
use crate::secrets::Patterns;
use bytes::Bytes;
use http::header::{ALT_SVC, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

/// A refusal as a response.
pub(super) fn refusal(refusal: Refusal) -> Response<ReplyBody> {
    let mut response = text(
        refusal.status,
        format!("agentos: request not sent: {}\n", refusal.reason),
    );
    if refusal.status == StatusCode::BAD_REQUEST {
        // What could not be read with certainty says nothing certain about where the next request begins.
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A request that could not be answered.
pub(super) fn failure(reason: &str) -> Response<ReplyBody> {
    text(StatusCode::BAD_GATEWAY, format!("agentos: {reason}\n"))
}

fn text(status: StatusCode, text: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Own(Full::new(Bytes::from(text))));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// A host's response as the guest may see it.
pub(super) fn cleaned(response: Response<Incoming>, method: &Method, patterns: &Patterns) -> Response<ReplyBody> {
    let (parts, body) = response.into_parts();
    let bodiless = *method == Method::HEAD
        || parts.status.is_informational()
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !bodiless && let Err(reason) = searchable(&parts.headers) {
        return failure(reason);
    }
    // Only status and headers go on; among the rest is the reason phrase, which the host could put anything into.
    let mut headers = parts.headers;
    strip_hop_by_hop(&mut headers);
    // It would lead the guest around this place.
    headers.remove(ALT_SVC);
    mask_headers(&mut headers, patterns);
    let mut response = Response::new(ReplyBody::Masked(Box::new(Masked::new(body, patterns.clone()))));
    *response.status_mut() = parts.status;
    *response.headers_mut() = headers;
    response
}

/// Whether the body comes as it is. Requests ask for that; a host that compresses nevertheless cannot be searched.
fn searchable(headers: &HeaderMap) -> Result<(), &'static str> {
    let plain = |name: HeaderName, only: &[u8]| {
        headers
            .get_all(name)
            .iter()
            .all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(only))
    };
    if !plain(CONTENT_ENCODING, b"identity") {
        return Err("the response is compressed although it was asked not to be, so it cannot be searched for secrets");
    }
    if !plain(TRANSFER_ENCODING, b"chunked") {
        return Err("the response has a transfer coding that cannot be searched for secrets");
    }
    Ok(())
}

/// Masks values in headers; a header whose name holds one goes.
pub(super) fn mask_headers(headers: &mut HeaderMap, patterns: &Patterns) {
    let named: Vec<HeaderName> = headers
        .keys()
        .filter(|name| patterns.occur_lowered(name.as_str()))
        .cloned()
        .collect();
    for name in named {
        headers.remove(name);
    }
    for value in headers.values_mut() {
        if let Some(masked) = patterns.mask(value.as_bytes()) {
            // Asterisks in place of header text are header text.
            *value = HeaderValue::from_bytes(&masked).unwrap_or_else(|_| HeaderValue::from_static("*"));
        }
    }
}

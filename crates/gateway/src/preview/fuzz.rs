//! The rules for heads under arbitrary bytes; for the fuzz targets.

use super::address::{Address, Form, Match, PreviewHost, read};
use super::{location, request, response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};

const CREDENTIAL: &str = "gate-token";

/// Reads bytes as the head of a request (and of an answer) and checks what the rules promise.
///
/// # Panics
/// If a rule is broken.
pub fn fuzz_heads(bytes: &[u8]) {
    let (first, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let headers = lines(rest);
    // The target as it comes, and behind the beginning of a preview's.
    let given = String::from_utf8_lossy(first).into_owned();
    let token = "0123456789abcdefghijklmnopqrstuv";
    for target in [
        given.clone(),
        format!("/gateway/a1/request/fetch/{given}"),
        format!("/gateway/a1/request/fetch/{token}{given}"),
    ] {
        asked(&target, &headers);
    }
    answered(&headers);
}

fn lines(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').take(64) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts
            .next()
            .and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// A path that a guest names stays below the preview's prefix.
fn led(headers: &HeaderMap, address: &Address) {
    let mut headers = headers.clone();
    let place = location::Place {
        address,
        port: 80,
        host: None,
    };
    location::rewrite(&mut headers, place);
    for location in headers.get_all(header::LOCATION) {
        let Ok(location) = std::str::from_utf8(location.as_bytes()) else {
            continue;
        };
        let path = location.starts_with('/') && !location.starts_with("//");
        assert!(!path || location.starts_with(&address.prefix), "{location}");
    }
}

fn asked(target: &str, headers: &HeaderMap) {
    let (mut head, ()) = Request::new(()).into_parts();
    head.headers = headers.clone();
    let Match::Preview(address) = read(&head, target, PreviewHost::parse("preview.test").as_ref()) else {
        return;
    };
    assert!(address.rest.starts_with('/'), "{address:?}");
    let query = address.rest.split_once('?').map_or("", |(_, query)| query);
    assert!(!query.split('&').any(|part| part.starts_with("rvt-")), "{address:?}");
    if address.form == Form::Path {
        assert!(
            target.starts_with(&address.prefix) && !target.split('?').next().is_some_and(|path| path.contains("//"))
        );
        assert!(
            address
                .actor
                .is_some_and(|actor| actor.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }
    let origin = request::Origin {
        peer: [192, 0, 2, 1].into(),
        secure: false,
        credential: Some(CREDENTIAL),
    };
    let Match::Preview(address) = read(&head, target, PreviewHost::parse("preview.test").as_ref()) else {
        return;
    };
    led(headers, &address);
    let Some(sent) = request::prepare(&head, &address, 80, origin) else {
        return;
    };
    assert_eq!(sent.headers().get_all(header::HOST).iter().count(), 1);
    for (name, value) in sent.headers() {
        let secret = value
            .as_bytes()
            .windows(CREDENTIAL.len())
            .any(|at| at == CREDENTIAL.as_bytes());
        // The host is the client's own word, and the prefix the address that it asked for.
        assert!(!secret || name.as_str().starts_with("x-forwarded-"), "{name}");
        assert!(
            !name.as_str().starts_with("x-rivet-") && !name.as_str().starts_with("proxy-"),
            "{name}"
        );
        assert!(
            *name != header::TRANSFER_ENCODING && *name != header::CONTENT_LENGTH,
            "{name}"
        );
        assert!(*name != header::COOKIE || address.form == Form::Origin);
    }
}

fn answered(headers: &HeaderMap) {
    for form in [Form::Path, Form::Origin] {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.headers = headers.clone();
        if !response::clean(&mut parts, &Method::GET, form, true, false) {
            continue;
        }
        assert_eq!(parts.headers.get_all(header::REFERRER_POLICY).iter().count(), 1);
        assert!(
            !parts.headers.contains_key(header::TRANSFER_ENCODING)
                && !parts.headers.contains_key(header::CONTENT_LENGTH)
        );
        match form {
            Form::Path => {
                assert_eq!(
                    parts
                        .headers
                        .get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN)
                        .iter()
                        .count(),
                    1
                );
                assert!(!parts.headers.contains_key(header::SET_COOKIE));
                let policies = parts.headers.get_all(header::CONTENT_SECURITY_POLICY).iter();
                assert!(
                    policies
                        .into_iter()
                        .any(|policy| policy.as_bytes().starts_with(b"sandbox allow-scripts"))
                );
            }
            Form::Origin => {
                for cookie in parts.headers.get_all(header::SET_COOKIE) {
                    let cookie = String::from_utf8_lossy(cookie.as_bytes()).to_ascii_lowercase();
                    assert!(
                        !cookie
                            .split(';')
                            .skip(1)
                            .any(|part| part.split('=').next().is_some_and(|name| name.trim() == "domain"))
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rules_hold_for_any_head(
            target in "[/?&%a-z0-9.-]{0,40}",
            lines in proptest::collection::vec(
                ("(x-rivet-a|cookie|set-cookie|connection|upgrade|content-length|transfer-encoding|authorization|te|[a-z-]{1,12})",
                 "[ -~]{0,30}|.*gate-token.*|a=1; Domain=x;b=gate-token|keep-alive, cookie, x-rivet-a"),
                0..12,
            ),
        ) {
            let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
            super::fuzz_heads(format!("{target}\n{}", lines.join("\n")).as_bytes());
        }
    }
}

//! What fuzz targets call. Not part of the interface.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderValue, Request};

use crate::auth::token::{self, GatewayToken, Verdict};
use crate::auth::{control, host};
use crate::cors::{Origin, Origins};
use crate::router::path::ActorPath;
use crate::ws::{Decoder, Message, Violation};

const LIMIT: usize = 256;

/// Frames of a client: however they are cut into pieces, the same messages come out, in bounded memory.
pub fn frames(bytes: &[u8]) {
    let (step, bytes) = bytes
        .split_first()
        .map_or((1, bytes), |(step, rest)| (usize::from(*step) + 1, rest));
    let whole = decode(bytes, bytes.len().max(1));
    let pieces = decode(bytes, step);
    assert_eq!(whole, pieces, "cut into pieces of {step}");
}

fn decode(bytes: &[u8], step: usize) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(LIMIT, Bytes::new());
    let mut messages = Vec::new();
    for piece in bytes.chunks(step) {
        decoder.buffer().extend_from_slice(piece);
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
        assert!(
            decoder.held() <= 2 * LIMIT + 1024 + step + 14,
            "{} bytes are held",
            decoder.held()
        );
    }
    (messages, None)
}

/// A request's head: host, origin and tokens of strangers, and a path within an actor.
pub fn head(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    if let Ok(path) = std::str::from_utf8(next()) {
        let parsed = ActorPath::parse(path);
        if let ActorPath::Request(inner) | ActorPath::WebSocket(inner) = &parsed {
            assert!(
                inner.starts_with('/') && path.ends_with(inner.trim_start_matches('/')),
                "{path:?} {inner:?}"
            );
        }
    }
    let mut request = Request::new(());
    for name in [HOST, ORIGIN, AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL] {
        if let Ok(value) = HeaderValue::from_bytes(next()) {
            request.headers_mut().insert(name, value);
        }
    }
    let (head, ()) = request.into_parts();
    // Bytes beyond ASCII are looked at, too: a header that has some is one all the same.
    let text = |name| {
        let value = head.headers.get(name).map(HeaderValue::as_bytes);
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    if host::is_ours(&head, Some("p.example.com")) {
        let name = text(HOST).to_ascii_lowercase();
        let fine = [
            "localhost",
            "p.example.com",
            "127.",
            "[::1]",
            "[0",
            "[::ffff:7f",
            "[::ffff:127.",
        ];
        assert!(fine.iter().any(|part| name.contains(part)), "{name}");
    }
    if let Ok(origins) = Origins::new(
        vec!["https://app.example.com".into()],
        true,
        Some("p.example.com".into()),
    ) && let Origin::Admitted(origin) = origins.judge(&head.headers)
    {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        assert!(
            origin.starts_with("http") && !origin.ends_with(".p.example.com"),
            "{origin}"
        );
    }
    if let Ok(expected) = GatewayToken::new("tok-en") {
        let verdict = token::judge(Some(&expected), &head.headers, None);
        let shown = [text(AUTHORIZATION), text(SEC_WEBSOCKET_PROTOCOL)].concat();
        assert!(verdict != Verdict::Admitted || shown.contains("tok-en"), "{shown}");
    }
    let _ = control::is_forwarding(&text(ORIGIN));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn a_token_beside_bytes_beyond_ascii_is_a_token() {
        super::head(b"/\nlocalhost\n\nBasic x\n\xff, rivet_token.tok-en");
        super::head(b"/\nlocalhost\n\nBearer x\xff\nrivet_token.tok-en");
    }

    proptest! {
        #[test]
        fn frames(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            super::frames(&bytes);
        }

        #[test]
        fn heads(text in "[ -~]{0,12}\n[a-z0-9.:\\[\\]]{0,20}\n(https?://)?[a-z.:0-9]{0,20}\n(Bearer )?[token-]{0,9}\n[ -~]{0,30}") {
            super::head(text.as_bytes());
        }
    }
}

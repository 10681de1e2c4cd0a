//! The gateway's token, wherever unmodified clients put it.
//!
//! | place | sent by |
//! | --- | --- |
//! | `Authorization: Bearer` | JavaScript clients, on control routes |
//! | `x-rivet-token` | JavaScript and Rust clients over HTTP |
//! | `@token` behind an actor's id | JavaScript 2.2 and later, Rust; HTTP and WebSocket |
//! | `rvt-token` | JavaScript 2.3, query form |
//! | subprotocol `rivet_token.` | Rust; JavaScript 2.3 |
//!
//! All that are present must be the same. The configured token is kept as its digest, and digests are compared in constant
//! time, so that neither its content nor its length shows in how long a refusal takes.

use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::GatewayError;

/// The longest token that is accepted from a configuration.
const LONGEST: usize = 512;
const HEADER: &str = "x-rivet-token";
const SUBPROTOCOL: &[u8] = b"rivet_token.";

type Digest = [u8; 32];

/// The configured token.
pub(crate) struct GatewayToken(Digest);

impl GatewayToken {
    /// Takes a token that can travel in all five places.
    pub(crate) fn new(token: &str) -> Result<Self, GatewayError> {
        let travels = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"');
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(travels) {
            let problem = "must be 1 to 512 visible ASCII characters without commas and quotes";
            return Err(GatewayError::config("token", problem));
        }
        Ok(Self(digest(token.as_bytes())))
    }
}

impl std::fmt::Debug for GatewayToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("GatewayToken(..)")
    }
}

/// What came of looking at a request's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The token is right, or none is needed.
    Admitted,
    /// A token is needed and none was presented.
    Missing,
    /// A token was presented and is wrong, or several differ.
    Wrong,
}

/// Judges the tokens of a request: those of its headers and the one of its address, if any.
pub(crate) fn judge(expected: Option<&GatewayToken>, headers: &HeaderMap, in_target: Option<&str>) -> Verdict {
    let mut presented = in_target
        .map(str::as_bytes)
        .into_iter()
        .chain(in_headers(headers))
        .map(digest);
    let Some(first) = presented.next() else {
        return if expected.is_some() {
            Verdict::Missing
        } else {
            Verdict::Admitted
        };
    };
    let expected = expected.map_or(first, |token| token.0);
    let right = presented.fold(first.ct_eq(&expected), |right, next| right & next.ct_eq(&expected));
    if right.into() {
        Verdict::Admitted
    } else {
        Verdict::Wrong
    }
}

fn in_headers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let bearer = headers
        .get_all(AUTHORIZATION)
        .iter()
        .filter_map(|value| bearer(value.as_bytes()));
    let plain = headers.get_all(HEADER).iter().map(http::HeaderValue::as_bytes);
    let offered = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let subprotocol = offered.filter_map(|entry| entry.trim_ascii().strip_prefix(SUBPROTOCOL));
    bearer.chain(plain).chain(subprotocol)
}

/// The token of an `Authorization` header, if it is of that scheme.
pub(crate) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn every_place_counts_and_all_must_agree() {
        let token = GatewayToken::new("s3cret").expect("a token");
        let judge = |lines: &[(&'static str, &'static str)], target| judge(Some(&token), &headers(lines), target);
        assert_eq!(judge(&[], None), Verdict::Missing);
        assert_eq!(judge(&[("authorization", "Basic s3cret")], None), Verdict::Missing);
        for place in [
            ("authorization", "Bearer s3cret"),
            ("authorization", "bearer  s3cret"),
            ("x-rivet-token", "s3cret"),
            (
                "sec-websocket-protocol",
                "rivet, rivet_token.s3cret ,rivet_encoding.bare",
            ),
        ] {
            assert_eq!(judge(&[place], None), Verdict::Admitted, "{place:?}");
            assert_eq!(judge(&[place], Some("s3cret")), Verdict::Admitted, "{place:?}");
            assert_eq!(judge(&[place], Some("other")), Verdict::Wrong, "{place:?}");
        }
        assert_eq!(judge(&[], Some("s3cret")), Verdict::Admitted);
        assert_eq!(
            judge(&[("x-rivet-token", "s3cret"), ("x-rivet-token", "s3cre")], None),
            Verdict::Wrong
        );
        assert_eq!(judge(&[("x-rivet-token", "")], None), Verdict::Wrong);
    }

    #[test]
    fn without_a_configured_token_the_presented_ones_must_still_agree() {
        assert_eq!(
            super::judge(None, &headers(&[("x-rivet-token", "a")]), Some("a")),
            Verdict::Admitted
        );
        assert_eq!(
            super::judge(None, &headers(&[("x-rivet-token", "a")]), Some("b")),
            Verdict::Wrong
        );
        assert_eq!(super::judge(None, &headers(&[]), None), Verdict::Admitted);
    }

    #[test]
    fn a_token_must_be_able_to_travel() {
        for bad in ["", "two words", "a,b", "umläut", "\"q\"", "line\n"] {
            assert!(GatewayToken::new(bad).is_err(), "{bad:?}");
        }
        assert!(GatewayToken::new(&"x".repeat(513)).is_err());
        assert!(!format!("{:?}", GatewayToken::new("s3cret").expect("a token")).contains("s3cret"));
    }
}

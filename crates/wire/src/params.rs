//! Connection parameters: JSON that a client's hooks decide by, so nothing about them is guessed.

use agentos_value::Value;

use crate::{Limits, WireError, json};

/// Bytes of connection parameters, at most.
pub const MAX_PARAMS_BYTES: usize = 4096;

/// The parameters in the octets of an `x-rivet-conn-params` header: JSON in ISO 8859-1, where each octet is a character.
/// An absent header is null, and so is the text `null`.
///
/// # Errors
/// [`WireError::Params`] for anything that is too long or is not JSON. It must refuse the request: a default would hide
/// credentials from a hook that looks at them.
pub fn decode_header_params(header: Option<&[u8]>) -> Result<Value, WireError> {
    let Some(octets) = header else { return Ok(Value::Null) };
    if octets.len() > MAX_PARAMS_BYTES {
        return Err(WireError::Params);
    }
    if octets.is_ascii() {
        return parse(octets);
    }
    let text: String = octets.iter().map(|octet| char::from(*octet)).collect();
    parse(text.as_bytes())
}

/// The parameters in a subprotocol, escaped by percent signs alone: `+` is a plus.
///
/// # Errors
/// As [`decode_header_params`].
pub fn decode_subprotocol_params(escaped: Option<&str>) -> Result<Value, WireError> {
    let Some(escaped) = escaped else { return Ok(Value::Null) };
    let text: Vec<u8> = percent_encoding::percent_decode_str(escaped).collect();
    if text.len() > MAX_PARAMS_BYTES {
        return Err(WireError::Params);
    }
    parse(&text)
}

fn parse(text: &[u8]) -> Result<Value, WireError> {
    json::parse(text, &Limits::default()).map_err(|_| WireError::Params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_characters() {
        let params = decode_header_params(Some(b"{\"t\":\"\xe9 \xfc\"}")).unwrap();
        assert_eq!(params, Value::object([("t", "é ü")]));
        assert_eq!(decode_header_params(Some(b"null")), Ok(Value::Null));
        assert_eq!(decode_header_params(None), Ok(Value::Null));
        assert_eq!(
            decode_header_params(Some(b"[\"$BigInt\",\"1\"]")),
            Ok(Value::from(vec!["$BigInt", "1"]))
        );
    }

    #[test]
    fn subprotocol_params_are_unescaped_once() {
        let params = decode_subprotocol_params(Some("%7B%22t%22%3A%22%C3%A9+%2525%22%7D")).unwrap();
        assert_eq!(params, Value::object([("t", "é+%25")]));
        assert_eq!(decode_subprotocol_params(None), Ok(Value::Null));
    }

    #[test]
    fn undecodable_params_are_an_error() {
        let long = vec![b' '; MAX_PARAMS_BYTES + 1];
        for header in [&b""[..], b"{", b"undefined", b"1 2", b"\"\x01\"", &long] {
            assert_eq!(decode_header_params(Some(header)), Err(WireError::Params));
        }
        for escaped in ["", "%", "%22%ff%22", "%7B", &"1".repeat(5000)] {
            assert_eq!(decode_subprotocol_params(Some(escaped)), Err(WireError::Params));
        }
    }
}

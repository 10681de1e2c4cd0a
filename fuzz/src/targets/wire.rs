//! Clients that send whatever they like: bodies and frames of every encoding.
//!
//! What is read must be written and read again as the same. The first byte chooses the encoding; a BARE message gets a
//! version that exists more often than not, and a well-formed beginning, so that values are reached.

use crate::input::Input;
use agentos_wire::{
    Dialect, Encoding, Format, Limits, Version, WireError, decode_action_request, decode_http_error,
    decode_queue_request, decode_to_client, decode_to_server, peek_action_id, peek_version,
};
use bytes::Bytes;
use std::fmt::Debug;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let encoding = input.pick(&Encoding::ALL);
    let message: Bytes = match (encoding, input.u8() % 4) {
        (Encoding::Bare, 0) => bare(&mut input, b"", usize::MAX),
        (Encoding::Bare, 1) => bare(&mut input, b"\x00\x01\x01x", 127),
        (Encoding::Bare, _) => bare(&mut input, b"", 127),
        (Encoding::Json, 1) => [br#"{"args":"#, input.take(usize::MAX), b"}"].concat(),
        (Encoding::Cbor, 1) => [b"\xa1\x64args", input.take(usize::MAX)].concat(),
        _ => input.take(usize::MAX).to_vec(),
    }
    .into();
    let limits = Limits::default();
    let version = peek_version(&message, encoding);
    let _ = peek_action_id(&message, encoding);
    let _ = decode_to_client(&message, encoding, &limits);
    let _ = decode_http_error(&message, encoding, &limits);
    let format = Format::new(
        encoding,
        version,
        if encoding == Encoding::Cbor {
            Dialect::Plain
        } else {
            Dialect::Modern
        },
    );
    if let Ok((_, request)) = decode_action_request(&message, encoding, &limits) {
        let again = format
            .action_request(&request.args)
            .expect("what was read can be written");
        same(&request, decode_action_request(&again, encoding, &limits));
    }
    if let Ok((_, request)) = decode_queue_request(&message, encoding, &limits)
        && let Ok(again) = format.queue_request(&request)
    {
        same(&request, decode_queue_request(&again, encoding, &limits));
    }
    if let Ok((_, frame)) = decode_to_server(&message, encoding, &limits) {
        let again = format.to_server(&frame).expect("what was read can be written");
        same(&frame, decode_to_server(&again, encoding, &limits));
    }
}

/// A version, a beginning, and the rest behind its length.
fn bare(input: &mut Input<'_>, beginning: &[u8], length: usize) -> Vec<u8> {
    let version = input.pick(&[1, 2, 3, 4, 4, 5]);
    let data = input.take(length);
    let length: &[u8] = if length == 127 {
        &[u8::try_from(data.len()).expect("at most 127")]
    } else {
        b""
    };
    [&[version, 0], beginning, length, data].concat()
}

/// Compares as text, in which not-a-number equals itself. Dates may lose what they have beyond a millisecond, and compat
/// tags add a level of nesting.
fn same<T: Debug>(message: &T, again: Result<(Version, T), WireError>) {
    match again {
        Ok((_, again)) => {
            let (message, again) = (format!("{message:?}"), format!("{again:?}"));
            assert!(
                message == again || message.contains("Date("),
                "{message} became {again}"
            );
        }
        Err(WireError::Value(agentos_value::ValueError::TooDeep { .. })) => {}
        Err(WireError::Json(error)) if error.contains("too deep") => {}
        Err(error) => panic!("{message:?} cannot be read again: {error}"),
    }
}

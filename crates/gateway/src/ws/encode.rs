//! Frames to clients, appended to a buffer.

use bytes::{BufMut, BytesMut};

use super::decode::Kind;
use super::head::Opcode;

/// The longest text that a close frame has room for.
const LONGEST_REASON: usize = 123;

/// A whole message in one frame.
pub(crate) fn message(buffer: &mut BytesMut, kind: Kind, payload: &[u8]) {
    buffer.reserve(payload.len() + 10);
    message_head(buffer, kind, payload.len());
    buffer.put_slice(payload);
}

/// The head of a message whose payload is written elsewhere.
pub(crate) fn message_head(buffer: &mut BytesMut, kind: Kind, length: usize) {
    let opcode = match kind {
        Kind::Text => Opcode::Text,
        Kind::Binary => Opcode::Binary,
    };
    head(buffer, opcode, length);
}

/// A ping or pong. Payloads beyond 125 bytes do not exist in either direction.
pub(crate) fn control(buffer: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    let payload = payload.get(..125).unwrap_or(payload);
    head(buffer, opcode, payload.len());
    buffer.put_slice(payload);
}

/// A close frame. The reason is cut at a character if it is too long.
pub(crate) fn close(buffer: &mut BytesMut, code: u16, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(LONGEST_REASON)];
    head(buffer, Opcode::Close, reason.len() + 2);
    buffer.put_u16(code);
    buffer.put_slice(reason.as_bytes());
}

fn head(buffer: &mut BytesMut, opcode: Opcode, length: usize) {
    buffer.put_u8(0x80 | opcode.number());
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => buffer.put_u8(short),
        (_, Ok(middle)) => {
            buffer.put_u8(126);
            buffer.put_u16(middle);
        }
        _ => {
            buffer.put_u8(127);
            buffer.put_u64(length as u64);
        }
    }
}

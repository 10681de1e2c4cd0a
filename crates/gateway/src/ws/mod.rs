//! WebSocket frames (RFC 6455), the server's side.
//!
//! The gateway has its own codec for one reason: a message beyond the limit must be answered and skipped, and the
//! connection must stay. General libraries end the connection there. Two more follow for free: payloads are unmasked where
//! they were read and handed on without a copy, and all replies that are ready go out in one write.
//!
//! [`Decoder`] is a pure state machine over bytes; [`Reader`] feeds it from a stream; [`encode`] appends frames to a buffer.
//! Extensions are never negotiated.

mod decode;
mod encode;
mod head;
mod mask;
mod read;

pub(crate) use decode::{Decoder, Kind, Message, Violation};
pub(crate) use encode::{close, control, message, message_head};
pub(crate) use head::Opcode;
pub(crate) use read::{Meter, ReadError, Reader};

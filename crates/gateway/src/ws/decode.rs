//! From bytes to messages.
//!
//! The decoder owns the buffer that the stream is read into. A message that came in one frame is cut out of it and
//! unmasked in place. A message beyond the limit is skipped as it arrives; its first bytes are kept, because they name the
//! action that must be told.

use bytes::{Bytes, BytesMut};

use super::head::{Head, Opcode};
use super::mask::unmask;

/// Bytes that are kept of a message that is skipped.
const KEPT: usize = 1024;

/// The two kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A message within the limit. Text is valid UTF-8.
    Whole(Kind, Bytes),
    /// A message beyond the limit: its beginning, and how many bytes it had.
    Oversized {
        kind: Kind,
        start: Bytes,
        size: u64,
    },
    Ping(Bytes),
    Pong,
    /// The client closes, with its code and reason if it gave one.
    Close(Option<(u16, String)>),
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// 1002.
    Protocol(&'static str),
    /// 1007.
    Utf8,
}

/// A state machine over a client's bytes.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit: usize,
    buffer: BytesMut,
    /// The frame whose payload is being taken.
    frame: Option<Frame>,
    /// The message whose frames are being collected.
    parts: Option<Parts>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    head: Head,
    /// Payload bytes taken so far.
    taken: u64,
}

#[derive(Debug)]
struct Parts {
    kind: Kind,
    collected: BytesMut,
    /// Payload bytes of all frames so far, skipped ones included.
    size: u64,
    skipping: bool,
}

impl Decoder {
    /// A decoder for messages of at most `limit` bytes, with the bytes that have been read already.
    pub(crate) fn new(limit: usize, already: Bytes) -> Self {
        Self {
            limit,
            buffer: BytesMut::from(already),
            frame: None,
            parts: None,
        }
    }

    /// Where the next bytes of the stream go.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes that are held for messages that are not complete.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() + self.parts.as_ref().map_or(0, |parts| parts.collected.len())
    }

    /// The next message; `None` if more bytes are needed first.
    pub(crate) fn next(&mut self) -> Result<Option<Message>, Violation> {
        loop {
            let frame = match self.frame {
                Some(frame) => frame,
                None => {
                    let Some(head) = Head::read(&self.buffer)? else {
                        return Ok(None);
                    };
                    let _ = self.buffer.split_to(head.size);
                    self.enter(head)?;
                    Frame { head, taken: 0 }
                }
            };
            self.frame = Some(frame);
            if self.is_skipped(&frame.head) {
                if !self.skip(frame) {
                    return Ok(None);
                }
            } else if (self.buffer.len() as u64) < frame.head.length {
                return Ok(None);
            }
            self.frame = None;
            if let Some(message) = self.finish(frame.head)? {
                return Ok(Some(message));
            }
        }
    }

    /// Checks a frame against the message that is open, and opens one if it begins one.
    fn enter(&mut self, head: Head) -> Result<(), Violation> {
        let kind = match head.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
            Opcode::Continuation if self.parts.is_some() => None,
            Opcode::Continuation => return Err(Violation::Protocol("nothing to continue")),
            _ if self.parts.is_some() => return Err(Violation::Protocol("a message begins within another")),
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
        };
        let new = |kind| Parts {
            kind,
            collected: BytesMut::new(),
            size: 0,
            skipping: false,
        };
        let limit = self.limit as u64;
        let parts = match kind {
            Some(kind) => self.parts.insert(new(kind)),
            None => self.parts.get_or_insert_with(|| new(Kind::Binary)),
        };
        parts.size = parts.size.saturating_add(head.length);
        if parts.size > limit && !parts.skipping {
            parts.skipping = true;
            parts.collected.truncate(KEPT);
            // What was collected may be large; only its beginning is of use from here on.
            parts.collected = BytesMut::from(&parts.collected[..]);
        }
        Ok(())
    }

    fn is_skipped(&self, head: &Head) -> bool {
        !head.opcode.is_control() && self.parts.as_ref().is_some_and(|parts| parts.skipping)
    }

    /// Throws away what has arrived of a frame's payload, but for the message's beginning. True at the end of the frame.
    fn skip(&mut self, mut frame: Frame) -> bool {
        let Some(parts) = &mut self.parts else { return true };
        let left = frame.head.length - frame.taken;
        let here = usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
        let mut bytes = self.buffer.split_to(here);
        let wanted = KEPT.saturating_sub(parts.collected.len()).min(here);
        // Where a frame stands in its mask's turn matters only modulo four.
        let offset = usize::try_from(frame.taken % 4).unwrap_or(0);
        unmask(&mut bytes[..wanted], frame.head.mask, offset);
        parts.collected.extend_from_slice(&bytes[..wanted]);
        frame.taken += here as u64;
        self.frame = Some(frame);
        frame.taken == frame.head.length
    }

    /// Takes a complete frame. Its payload is in the buffer, or was skipped.
    fn finish(&mut self, head: Head) -> Result<Option<Message>, Violation> {
        if head.opcode.is_control() {
            let payload = self.payload(head);
            return control(head.opcode, &payload).map(Some);
        }
        let skipping = self.is_skipped(&head);
        let payload = if skipping { Bytes::new() } else { self.payload(head) };
        let Some(mut parts) = self.parts.take() else {
            return Ok(None);
        };
        if !head.last {
            parts.collected.extend_from_slice(&payload);
            self.parts = Some(parts);
            return Ok(None);
        }
        if skipping {
            let start = parts.collected.freeze();
            return Ok(Some(Message::Oversized {
                kind: parts.kind,
                start,
                size: parts.size,
            }));
        }
        let whole = if parts.collected.is_empty() {
            payload
        } else {
            parts.collected.extend_from_slice(&payload);
            parts.collected.freeze()
        };
        if parts.kind == Kind::Text && std::str::from_utf8(&whole).is_err() {
            return Err(Violation::Utf8);
        }
        Ok(Some(Message::Whole(parts.kind, whole)))
    }

    fn payload(&mut self, head: Head) -> Bytes {
        // The caller has seen that the buffer holds the whole payload, so the length fits.
        let length = usize::try_from(head.length).map_or(self.buffer.len(), |length| length.min(self.buffer.len()));
        let mut payload = self.buffer.split_to(length);
        unmask(&mut payload, head.mask, 0);
        payload.freeze()
    }
}

fn control(opcode: Opcode, payload: &Bytes) -> Result<Message, Violation> {
    match opcode {
        Opcode::Ping => Ok(Message::Ping(payload.clone())),
        Opcode::Close => close(payload).map(Message::Close),
        _ => Ok(Message::Pong),
    }
}

fn close(payload: &[u8]) -> Result<Option<(u16, String)>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        [_] => return Err(Violation::Protocol("half a close code")),
    };
    let exists = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !exists {
        return Err(Violation::Protocol("a close code that does not exist"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::Utf8)?;
    Ok(Some((code, reason.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A client's frame.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 77, 177, 200];
        let mut bytes = vec![first];
        match payload.len() {
            length @ ..=125 => bytes.push(0x80 | u8::try_from(length).expect("short")),
            length @ ..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).expect("middle").to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        let mut payload = payload.to_vec();
        unmask(&mut payload, mask, 0);
        bytes.extend(payload);
        bytes
    }

    fn decode(limit: usize, bytes: &[u8], step: usize) -> Result<Vec<Message>, Violation> {
        let mut decoder = Decoder::new(limit, Bytes::new());
        let mut messages = Vec::new();
        for piece in bytes.chunks(step.max(1)) {
            decoder.buffer().extend_from_slice(piece);
            while let Some(message) = decoder.next()? {
                messages.push(message);
            }
            assert!(
                decoder.held() <= 2 * limit + KEPT + step + 14,
                "holds {}",
                decoder.held()
            );
        }
        Ok(messages)
    }

    #[test]
    fn messages_in_one_frame_and_in_parts_with_a_ping_between() {
        let bytes = [
            frame(0x81, "hé".as_bytes()),
            frame(0x02, b"ab"),
            frame(0x89, b"?"),
            frame(0x00, b""),
            frame(0x80, b"cd"),
            frame(0x88, &[&1000_u16.to_be_bytes()[..], b"Disposed"].concat()),
        ]
        .concat();
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(
                decode(100, &bytes, step).expect("valid"),
                [
                    Message::Whole(Kind::Text, "hé".into()),
                    Message::Ping("?".into()),
                    Message::Whole(Kind::Binary, "abcd".into()),
                    Message::Close(Some((1000, "Disposed".into()))),
                ]
            );
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_skipped_and_the_next_is_read() {
        let long: Vec<u8> = (0..=255).cycle().take(5000).collect();
        for parts in [
            frame(0x82, &long),
            [frame(0x02, &long[..90]), frame(0x8a, b""), frame(0x80, &long[90..])].concat(),
            [frame(0x02, &long[..4000]), frame(0x00, b""), frame(0x80, &long[4000..])].concat(),
        ] {
            let bytes = [parts, frame(0x82, b"next")].concat();
            for step in [1, 13, 4096] {
                let mut messages = decode(100, &bytes, step).expect("valid");
                messages.retain(|message| *message != Message::Pong);
                let start = Bytes::copy_from_slice(&long[..KEPT]);
                let oversized = Message::Oversized {
                    kind: Kind::Binary,
                    start,
                    size: 5000,
                };
                assert_eq!(
                    messages,
                    [oversized, Message::Whole(Kind::Binary, "next".into())],
                    "step {step}"
                );
            }
        }
    }

    #[test]
    fn what_clients_may_not_send() {
        let unmasked = vec![0x82, 1, b'x'];
        let padded = [vec![0x82, 0x80 | 126, 0, 1], vec![0; 5]].concat();
        let half_utf8 = frame(0x81, &"é".as_bytes()[..1]);
        for (bytes, violation) in [
            (unmasked, None),
            (padded, None),
            (frame(0xc1, b""), None),
            (frame(0x83, b""), None),
            (frame(0x80, b""), None),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), None),
            (frame(0x09, b""), None),
            (frame(0x89, &[0; 126]), None),
            (frame(0x88, &[3]), None),
            (frame(0x88, &999_u16.to_be_bytes()), None),
            (frame(0x88, &1005_u16.to_be_bytes()), None),
            (half_utf8, Some(Violation::Utf8)),
        ] {
            let result = decode(1000, &bytes, 4).expect_err("refused");
            match violation {
                Some(violation) => assert_eq!(result, violation),
                None => assert!(matches!(result, Violation::Protocol(_)), "{bytes:?}"),
            }
        }
        // A length of 2^63 is refused before anything is reserved for it.
        assert!(decode(1000, &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], 10).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1_usize..40) {
            let whole = decode(64, &bytes, 1000);
            let pieces = decode(64, &bytes, step);
            prop_assert_eq!(whole, pieces);
        }
    }
}

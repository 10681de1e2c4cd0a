//! Heads of frames.

use super::decode::Violation;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn of(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) last: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: [u8; 4],
    /// Bytes of the payload.
    pub(crate) length: u64,
    /// Bytes of this head.
    pub(crate) size: usize,
}

impl Head {
    /// Reads a head from the beginning of `bytes`; `None` if it is not complete.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Violation::Protocol("reserved bits are set"));
        }
        let opcode = Opcode::of(first & 0x0f).ok_or(Violation::Protocol("unknown opcode"))?;
        let last = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Violation::Protocol("a client's frame is not masked"));
        }
        let (length, extra) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 2),
            (127, [a, b, c, d, e, f, g, h, ..]) => (u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]), 8),
            (126 | 127, _) => return Ok(None),
            (short, _) => (u64::from(short), 0),
        };
        if length >> 63 != 0 || (extra == 2 && length < 126) || (extra == 8 && length <= 0xffff) {
            return Err(Violation::Protocol("a frame's length is not written as it must be"));
        }
        if opcode.is_control() && (length > 125 || !last) {
            return Err(Violation::Protocol("a control frame is long or in parts"));
        }
        let Some([a, b, c, d, ..]) = rest.get(extra..) else {
            return Ok(None);
        };
        Ok(Some(Self {
            last,
            opcode,
            mask: [*a, *b, *c, *d],
            length,
            size: 2 + extra + 4,
        }))
    }
}

//! Encodings, versions of the binary schema, and the bounds of decoders.

use agentos_value::cbor;

/// How a client writes bodies and frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Schema-driven binary; the default of all clients.
    Bare,
    /// JSON text; text frames.
    Json,
    /// CBOR maps.
    Cbor,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Json, Self::Cbor];

    /// The encoding called `name`, `bare`, `json` or `cbor`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    /// The encoding of an HTTP request: that of its `x-rivet-encoding` header, JSON when that is absent or unknown.
    pub fn of_header(header: Option<&str>) -> Self {
        header.and_then(Self::parse).unwrap_or(Self::Json)
    }

    /// Its name in headers and subprotocols.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }

    /// The content type of HTTP bodies.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Bare | Self::Cbor => "application/octet-stream",
        }
    }

    /// Whether WebSocket frames are text.
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Json)
    }
}

/// A version of the BARE schema. JSON and CBOR carry none; their decoders report [`Version::UNREADABLE`], and their
/// encoders ignore what they are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(u8);

impl Version {
    /// What answers a body whose version cannot be read, and what opens every WebSocket: all clients accept 2.
    pub const UNREADABLE: Self = Self(2);
    /// The newest version.
    pub const NEWEST: Self = Self(4);
    /// All versions, oldest first.
    pub const ALL: [Self; 4] = [Self(1), Self(2), Self(3), Self(4)];

    /// The version of this number, if it exists.
    pub fn new(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| u16::from(version.0) == number)
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0 as u16
    }
}

/// Bounds of decoders. Sizes of whole messages are the caller's to check before it reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Levels of nesting of values.
    pub depth: usize,
    /// Values in one message, those inside others included. Bounds memory: a value takes 40 bytes and a byte of input.
    pub values: usize,
}

impl Limits {
    /// The same bounds for values in CBOR.
    pub(crate) const fn cbor(&self) -> cbor::Limits {
        cbor::Limits {
            depth: self.depth,
            values: self.values,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            values: 1 << 20,
        }
    }
}

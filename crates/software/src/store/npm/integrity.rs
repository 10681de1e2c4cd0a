//! Digests of archives as npm writes them (subresource integrity): SHA-512 and nothing weaker.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A SHA-512.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in super::super) struct Integrity(pub(super) [u8; 64]);

impl Integrity {
    /// The first SHA-512 among digests.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut digests = text.split_ascii_whitespace();
        let digest = digests.find_map(|digest| digest.strip_prefix("sha512-"))?;
        let digest = digest.split('?').next()?;
        Some(Self(STANDARD.decode(digest).ok()?.try_into().ok()?))
    }

    /// As hexadecimal digits, for names of files.
    pub(super) fn hex(&self) -> String {
        super::super::disk::hex(&self.0)
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512-{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Integrity {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Integrity {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no sha512"))
    }
}

//! SHA-256 of what passes by.

use crate::error::{Error, Result};
use core::fmt;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read, Write};

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest(pub(crate) [u8; 32]);

impl Digest {
    /// Of bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Of everything that is left in `input`.
    pub(crate) fn of_all(input: impl Read) -> Result<Self> {
        let mut hashing = Hashing::new(input);
        io::copy(&mut hashing, &mut io::sink())?;
        Ok(hashing.digest())
    }

    /// Of 64 hexadecimal digits in lower case.
    pub(crate) fn parse(hex: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(digest))
    }

    /// Fails unless `found` is this digest.
    pub(crate) fn expect(self, found: Self, what: impl Into<String>) -> Result<()> {
        match self == found {
            true => Ok(()),
            false => Err(Error::Digest {
                what: what.into(),
                expected: format!("sha256:{self}"),
                found: format!("sha256:{found}"),
            }),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Computes the digest of what it is given.
#[derive(Default)]
pub(crate) struct Hasher(Sha256);

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn digest(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Computes the digest and the length of what is read or written through it.
pub(crate) struct Hashing<T> {
    inner: T,
    hash: Sha256,
    length: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            length: 0,
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.hash.clone().finalize().into())
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.hash.update(buf.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buf)?;
        self.hash.update(buf.get(..count).unwrap_or_default());
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

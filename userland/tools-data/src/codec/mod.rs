//! The compressed formats, streaming both ways: one place for `tar`, the compressors and `unzip`.
//!
//! What a stream claims about its size is never believed; memory is bounded by the format's window and, for formats
//! that let a stream choose it, by [`WINDOW_LIMIT`].

mod gzip;
mod zstd;

use bzip2::bufread::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use lzma_rust2::{LzmaOptions, LzmaReader, LzmaWriter, XzOptions, XzReader, XzWriter};
use std::io::{self, BufRead, Read, Write};

pub use gzip::{GzipReader, Header};

/// Largest window a stream may ask for, in bytes.
pub const WINDOW_LIMIT: u32 = 160 << 20;

/// A compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
}

impl Format {
    /// The format that a file beginning with `head` has.
    pub fn of_magic(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x5d, 0, 0, ..] if head.len() >= 13 => Some(Self::Lzma),
            _ => None,
        }
    }

    /// The format that a file of this name usually has.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        let suffix = name
            .rsplit(|&b| b == b'.')
            .next()
            .filter(|suffix| suffix.len() < name.len())?;
        Some(match suffix {
            b"gz" | b"tgz" | b"taz" => Self::Gzip,
            b"bz2" | b"tbz" | b"tbz2" | b"tz2" => Self::Bzip2,
            b"xz" | b"txz" => Self::Xz,
            b"lzma" | b"tlz" => Self::Lzma,
            b"zst" | b"tzst" => Self::Zstd,
            _ => return None,
        })
    }
}

/// A reader of what `source` holds compressed; streams that follow one another are one.
pub fn decoder<'a>(format: Format, source: Box<dyn BufRead + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match format {
        Format::Gzip => Box::new(GzipReader::new(source)),
        Format::Bzip2 => Box::new(MultiBzDecoder::new(source)),
        Format::Xz => Box::new(XzReader::new_mem_limit(source, true, WINDOW_LIMIT / 1024)),
        Format::Lzma => Box::new(LzmaReader::new_mem_limit(source, WINDOW_LIMIT / 1024, None)?),
        Format::Zstd => Box::new(zstd::ZstdReader::new(source)),
    })
}

/// A writer that compresses into `W`; [`Encoder::finish`] completes the stream.
pub enum Encoder<W: Write> {
    Gzip(GzEncoder<W>),
    Bzip2(BzEncoder<W>),
    Xz(Box<XzWriter<W>>),
    Lzma(Box<LzmaWriter<W>>),
    Zstd(zstd::ZstdWriter<W>),
}

impl<W: Write> Encoder<W> {
    /// A stream in `format`, with a level of 1 to 9 (0 too where the format has one) or the usual one.
    ///
    /// # Errors
    ///
    /// What writing the beginning says.
    pub fn new(format: Format, target: W, level: Option<u32>) -> io::Result<Self> {
        Ok(match format {
            Format::Gzip => Self::Gzip(GzEncoder::new(
                target,
                flate2::Compression::new(level.unwrap_or(6).min(9)),
            )),
            Format::Bzip2 => Self::Bzip2(BzEncoder::new(
                target,
                bzip2::Compression::new(level.unwrap_or(9).clamp(1, 9)),
            )),
            Format::Xz => Self::Xz(Box::new(XzWriter::new(
                target,
                XzOptions::with_preset(level.unwrap_or(6).min(9)),
            )?)),
            Format::Lzma => {
                let options = LzmaOptions::with_preset(level.unwrap_or(6).min(9));
                Self::Lzma(Box::new(LzmaWriter::new_use_header(target, &options, None)?))
            }
            Format::Zstd => Self::Zstd(zstd::ZstdWriter::new(target)),
        })
    }

    /// Completes the stream and gives the target back.
    ///
    /// # Errors
    ///
    /// What writing the rest says.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Bzip2(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
            Self::Lzma(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Bzip2(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
            Self::Lzma(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Bzip2(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
            Self::Lzma(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Copies everything in large blocks; returns how many bytes.
///
/// # Errors
///
/// What reading or writing says.
pub fn copy(source: &mut dyn Read, target: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = vec![0; crate::io::BLOCK * 2];
    let mut total = 0;
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                target.write_all(&buffer[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

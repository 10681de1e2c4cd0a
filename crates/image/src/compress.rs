//! Compressed archives: gzip, zstd and xz, told by how they begin.
//!
//! What comes out is bounded by what goes in (see [`Bounds::ratio`]), however well a bomb compresses.

use crate::bounds::{Bounds, within};
use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are read at once.
const BUFFER: usize = 128 * 1024;
/// Memory that unpacking xz may take, in KiB.
const XZ_MEMORY: u32 = 256 * 1024;
/// Bytes that tell a format.
const HEAD: usize = 6;

/// How something is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Xz,
}

impl Compression {
    /// What something is that begins so. `Err` names what is not supported.
    fn of(head: &[u8]) -> Result<Self> {
        let unsupported = |what| {
            Err(Error::format(
                "archive",
                format!("is compressed with {what}; use gzip, zstd or xz"),
            ))
        };
        match head {
            [0x1f, 0x8b, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Ok(Self::Xz),
            [b'B', b'Z', b'h', ..] => unsupported("bzip2"),
            [b'P', b'K', 3, 4, ..] => unsupported("zip"),
            [0x04, 0x22, 0x4d, 0x18, ..] => unsupported("lz4"),
            _ => Ok(Self::None),
        }
    }
}

/// The unpacked bytes, and how they were packed.
pub(crate) fn decompress<'a>(input: impl Read + 'a, bounds: &Bounds) -> Result<(Compression, Box<dyn Read + 'a>)> {
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        input,
        taken: Arc::clone(&taken),
    };
    let mut input = counted;
    let mut head = Vec::new();
    input.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let compression = Compression::of(&head)?;
    let whole = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(input));
    let output: Box<dyn Read + 'a> = match compression {
        Compression::None => return Ok((compression, Box::new(whole))),
        Compression::Gzip => Box::new(MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(Zstd::new(whole)),
        Compression::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(whole, true, XZ_MEMORY)),
    };
    let output = Guarded {
        output,
        taken,
        given: 0,
        ratio: bounds.ratio,
    };
    Ok((compression, Box::new(output)))
}

/// Counts what is read.
struct Counted<R> {
    input: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buf)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Fails once too much came out of what went in.
struct Guarded<R> {
    output: R,
    taken: Arc<AtomicU64>,
    given: u64,
    ratio: u64,
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let damaged = |error: io::Error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::other(Error::format("compressed data", error.to_string())),
        };
        // A decoder of xz takes reading nothing for the end of a block.
        if buf.is_empty() {
            return Ok(0);
        }
        let count = self.output.read(buf).map_err(damaged)?;
        self.given += count as u64;
        let fair = self.taken.load(Ordering::Relaxed).saturating_mul(self.ratio);
        let capacity = fair.saturating_add(Bounds::GRACE);
        within(
            "unpacked content, for what it was packed into,",
            self.given,
            capacity,
            "bytes",
        )
        .map_err(io::Error::other)?;
        Ok(count)
    }
}

/// Frames of zstd, one after another; what programs hide between them is passed over.
struct Zstd<R: Read> {
    state: State<R>,
}

type Frame<R> = Chain<Cursor<[u8; 4]>, R>;

enum State<R: Read> {
    Between(R),
    Inside(Box<StreamingDecoder<Frame<R>, FrameDecoder>>),
    Ended,
}

impl<R: BufRead> Zstd<R> {
    fn new(input: R) -> Self {
        Self {
            state: State::Between(input),
        }
    }

    /// Begins the next frame, if there is one.
    fn begin(mut input: R) -> io::Result<State<R>> {
        loop {
            if input.fill_buf()?.is_empty() {
                return Ok(State::Ended);
            }
            let mut magic = [0; 4];
            input.read_exact(&mut magic)?;
            if let [0x50..=0x5f, 0x2a, 0x4d, 0x18] = magic {
                let mut length = [0; 4];
                input.read_exact(&mut length)?;
                let length = u64::from(u32::from_le_bytes(length));
                if io::copy(&mut input.by_ref().take(length), &mut io::sink())? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            let decoder = StreamingDecoder::new(Cursor::new(magic).chain(input));
            return Ok(State::Inside(Box::new(decoder.map_err(io::Error::other)?)));
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            match core::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(input) => self.state = Self::begin(input)?,
                State::Inside(mut decoder) => match decoder.read(buf)? {
                    0 => {
                        let frame = &decoder.decoder;
                        let (given, found) = (frame.get_checksum_from_data(), frame.get_calculated_checksum());
                        if given.is_some() && given != found {
                            return Err(io::Error::other("a frame has a wrong checksum"));
                        }
                        self.state = State::Between(decoder.into_inner().into_inner().1);
                    }
                    count => {
                        self.state = State::Inside(decoder);
                        return Ok(count);
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// The host's program: what reads xz here cannot write it.
    fn xz(bytes: &[u8]) -> Option<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let packed = std::process::Command::new("xz").arg("-c").stdin(file).output().ok()?;
        packed.status.success().then_some(packed.stdout)
    }

    #[test]
    fn reading_nothing_in_the_middle_changes_nothing() {
        let text = b"some text".repeat(1000);
        let packed = [Some(gzip(&text)), Some(zstd(&text)), Some(text.clone()), xz(&text)];
        for packed in packed.into_iter().flatten() {
            let (_, mut unpacked) = decompress(packed.as_slice(), &Bounds::default()).unwrap();
            let mut first = [0; 100];
            unpacked.read_exact(&mut first).unwrap();
            assert_eq!(unpacked.read(&mut []).unwrap(), 0);
            let mut rest = Vec::new();
            unpacked.read_to_end(&mut rest).unwrap();
            assert_eq!([&first[..], &rest].concat(), text);
        }
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
        let mut output = Vec::new();
        decompress(bytes, &Bounds::default())?.1.read_to_end(&mut output)?;
        Ok(output)
    }

    #[test]
    fn every_format_is_told_by_its_beginning() {
        let text = b"some text, some text, some text".repeat(1000);
        assert_eq!(unpack(&text).unwrap(), text);
        assert_eq!(unpack(&gzip(&text)).unwrap(), text);
        assert_eq!(unpack(&zstd(&text)).unwrap(), text);
        // Several in a row, and something between them that is to be skipped.
        let skipped = [&[0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let rows = [&skipped[..], &zstd(b"one"), &skipped, &zstd(b"two")].concat();
        assert_eq!(unpack(&rows).unwrap(), b"onetwo");
        assert_eq!(unpack(&[gzip(b"one"), gzip(b"two")].concat()).unwrap(), b"onetwo");
        assert!(unpack(b"").unwrap().is_empty());
        assert!(unpack(b"BZh9").unwrap_err().to_string().contains("bzip2"));
    }

    #[test]
    fn damage_is_noticed() {
        let text = (0..20_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        for packed in [gzip(&text), zstd(&text)] {
            for cut in [7, packed.len() / 2, packed.len() - 1] {
                assert!(unpack(&packed[..cut]).is_err(), "{cut}");
            }
            let mut flipped = packed.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 0x55;
            assert!(unpack(&flipped).is_err());
        }
    }

    #[test]
    fn a_bomb_ends_early() {
        let bounds = Bounds {
            ratio: 10,
            ..Bounds::default()
        };
        let packed = gzip(&vec![0; 80 << 20]);
        let (_, mut output) = decompress(&packed[..], &bounds).unwrap();
        let error = Error::from(io::copy(&mut output, &mut io::sink()).unwrap_err());
        assert!(matches!(error, Error::Limit { .. }), "{error}");
    }
}

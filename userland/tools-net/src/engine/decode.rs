//! Content codings undone while the body streams.
//!
//! Each coding pushes what it decodes on, a buffer at a time, so that a small body that says it is a large one costs the time
//! to write it and no memory.

use super::failure::{Exit, Failure, Result};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Value of `Accept-Encoding`.
pub const ACCEPTED: &str = "deflate, gzip, br, zstd";

type Out<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Undoes the codings of a body.
pub struct Decoder(Vec<Box<dyn Coding>>);

impl Decoder {
    /// For the values of `Content-Encoding`, in the order in which they were applied; `None` where nothing was.
    pub fn new<'a>(codings: impl Iterator<Item = &'a [u8]>) -> Result<Option<Self>> {
        let names: Vec<String> = codings
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|name| String::from_utf8_lossy(name).trim().to_ascii_lowercase())
            .filter(|name| !matches!(name.as_str(), "" | "identity" | "none"))
            .collect();
        if names.len() > MOST {
            let text = format!("Reject response due to more than {MOST} content encodings");
            return Err(Failure::new(Exit::Encoding, text));
        }
        let stages = names
            .iter()
            .rev()
            .map(|name| coding(name))
            .collect::<Result<Vec<_>>>()?;
        Ok((!stages.is_empty()).then_some(Self(stages)))
    }

    /// Decodes `bytes` and hands what comes out to `out`, piece by piece.
    pub fn decode(&mut self, bytes: &[u8], out: &mut Out<'_>) -> Result<()> {
        run(&mut self.0, bytes, out)
    }

    /// The body ended; fails if a coding did not.
    pub fn finish(&self) -> Result<()> {
        if self.0.iter().all(|coding| coding.ended()) {
            return Ok(());
        }
        Err(broken("the content ends too early"))
    }
}

fn run(stages: &mut [Box<dyn Coding>], bytes: &[u8], out: &mut Out<'_>) -> Result<()> {
    match stages.split_first_mut() {
        None => out(bytes),
        Some((first, rest)) => first.push(bytes, &mut |bytes| run(rest, bytes, out)),
    }
}

trait Coding {
    fn push(&mut self, bytes: &[u8], out: &mut Out<'_>) -> Result<()>;
    fn ended(&self) -> bool;
}

fn coding(name: &str) -> Result<Box<dyn Coding>> {
    Ok(match name {
        "gzip" | "x-gzip" => Box::new(Flate::new(Decompress::new_gzip(15), false)),
        "deflate" => Box::new(Flate::new(Decompress::new(true), true)),
        "br" => Box::new(Brotli::new()),
        "zstd" => Box::new(Zstd::new()),
        _ => {
            let text = format!("Unrecognized content encoding type. libcurl understands {ACCEPTED} content encodings.");
            return Err(Failure::new(Exit::Encoding, text));
        }
    })
}

fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Encoding,
        format!("Error while processing content unencoding: {what}"),
    )
}

/// gzip, zlib, and what some call deflate: zlib without its head.
struct Flate {
    state: Decompress,
    maybe_raw: bool,
    started: bool,
    ended: bool,
    buf: Box<[u8]>,
}

impl Flate {
    fn new(state: Decompress, maybe_raw: bool) -> Self {
        Self {
            state,
            maybe_raw,
            started: false,
            ended: false,
            buf: vec![0; BUFFER].into_boxed_slice(),
        }
    }
}

impl Coding for Flate {
    fn push(&mut self, mut bytes: &[u8], out: &mut Out<'_>) -> Result<()> {
        if let (false, Some(first)) = (self.started, bytes.first()) {
            self.started = true;
            if self.maybe_raw && first & 0x0f != 8 {
                self.state = Decompress::new(false);
            }
        }
        while !self.ended {
            let (input, output) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(bytes, &mut self.buf, FlushDecompress::None)
                .map_err(broken)?;
            let used = (self.state.total_in() - input) as usize;
            let made = (self.state.total_out() - output) as usize;
            bytes = bytes.get(used..).unwrap_or_default();
            out(self.buf.get(..made).unwrap_or_default())?;
            self.ended = status == Status::StreamEnd;
            if used == 0 && made == 0 {
                break;
            }
        }
        // What follows the end is padding that servers send; curl ignores it, too.
        Ok(())
    }

    fn ended(&self) -> bool {
        self.ended || !self.started
    }
}

struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    total: usize,
    started: bool,
    ended: bool,
    buf: Box<[u8]>,
}

impl Brotli {
    fn new() -> Self {
        Self {
            state: BrotliState::new_strict(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ),
            total: 0,
            started: false,
            ended: false,
            buf: vec![0; BUFFER].into_boxed_slice(),
        }
    }
}

impl Coding for Brotli {
    fn push(&mut self, bytes: &[u8], out: &mut Out<'_>) -> Result<()> {
        self.started |= !bytes.is_empty();
        let (mut left, mut at) = (bytes.len(), 0);
        while !self.ended {
            let (mut room, mut made) = (self.buf.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                bytes,
                &mut room,
                &mut made,
                &mut self.buf,
                &mut self.total,
                &mut self.state,
            );
            out(self.buf.get(..made).unwrap_or_default())?;
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreInput => break,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => return Err(broken("brotli")),
            }
        }
        Ok(())
    }

    fn ended(&self) -> bool {
        self.ended || !self.started
    }
}

/// Zstandard, block by block: a block of a few bytes may stand for 128 KiB, and no more than one is decoded at a time.
struct Zstd {
    state: FrameDecoder,
    held: Vec<u8>,
    inside: bool,
    checksum: bool,
    skip: u64,
}

impl Zstd {
    fn new() -> Self {
        let mut state = FrameDecoder::new();
        state.set_max_window_size(WINDOW);
        Self {
            state,
            held: Vec::new(),
            inside: false,
            checksum: false,
            skip: 0,
        }
    }

    /// Takes the next part off what is held; false when more is needed.
    fn step(&mut self, used: &mut usize, out: &mut Out<'_>) -> Result<bool> {
        let rest = self.held.get(*used..).unwrap_or_default();
        if self.skip > 0 {
            let most = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
            self.skip -= most as u64;
            *used += most;
            return Ok(most > 0);
        }
        let Some(need) = (if self.inside {
            block_size(rest, self.checksum)
        } else {
            head_size(rest)
        }) else {
            return Ok(false);
        };
        let Some(mut part) = rest.get(..need) else {
            return Ok(false);
        };
        *used += need;
        if !self.inside {
            let head = part.to_vec();
            return self.begin(&head).map(|()| true);
        }
        self.state
            .decode_blocks(&mut part, BlockDecodingStrategy::UptoBlocks(1))
            .map_err(broken)?;
        self.inside = !self.state.is_finished();
        if let Some(bytes) = self.state.collect() {
            out(&bytes)?;
        }
        Ok(true)
    }

    fn begin(&mut self, head: &[u8]) -> Result<()> {
        let word = |at: usize| {
            head.get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        if word(0) & 0xffff_fff0 == SKIPPABLE {
            self.skip = u64::from(word(4));
            return Ok(());
        }
        self.state.reset(head).map_err(broken)?;
        self.checksum = head.get(4).is_some_and(|descriptor| descriptor & 4 != 0);
        self.inside = true;
        Ok(())
    }
}

impl Coding for Zstd {
    fn push(&mut self, bytes: &[u8], out: &mut Out<'_>) -> Result<()> {
        self.held.extend_from_slice(bytes);
        let mut used = 0;
        while self.step(&mut used, out)? {}
        self.held.drain(..used);
        Ok(())
    }

    fn ended(&self) -> bool {
        !self.inside && self.held.is_empty() && self.skip == 0
    }
}

/// Bytes of a frame's head, once that can be told.
fn head_size(bytes: &[u8]) -> Option<usize> {
    let magic = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    if magic & 0xffff_fff0 == SKIPPABLE {
        return Some(8);
    }
    let descriptor = usize::from(*bytes.get(4)?);
    let single = descriptor >> 5 & 1;
    let content = match descriptor >> 6 {
        0 => single,
        shift => 1 << shift,
    };
    let dictionary = [0, 1, 2, 4][descriptor & 3];
    Some(5 + (1 - single) + dictionary + content)
}

/// Bytes of a block with its head, and with the checksum behind the last.
fn block_size(bytes: &[u8], checksum: bool) -> Option<usize> {
    let [a, b, c] = *bytes.first_chunk::<3>()?;
    let head = u32::from_le_bytes([a, b, c, 0]);
    let content = if head >> 1 & 3 == 1 { 1 } else { head >> 3 };
    let tail = if head & 1 == 1 && checksum { 4 } else { 0 };
    Some(3 + content as usize + tail)
}

/// Most codings of a body.
const MOST: usize = 5;
/// Bytes decoded at once.
const BUFFER: usize = 64 * 1024;
/// Largest window of a Zstandard frame.
const WINDOW: u64 = 8 * 1024 * 1024;
/// Magic number of a skippable frame, but for its last four bits.
const SKIPPABLE: u32 = 0x184d_2a50;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    fn decode(coding: &str, bytes: &[u8], step: usize) -> Result<Vec<u8>> {
        let mut decoder = Decoder::new([coding.as_bytes()].into_iter()).unwrap().unwrap();
        let mut out = Vec::new();
        for part in bytes.chunks(step) {
            decoder.decode(part, &mut |bytes| {
                out.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        decoder.finish()?;
        Ok(out)
    }

    fn text() -> Vec<u8> {
        (0..50_000_u32).flat_map(|n| n.to_le_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_coding_is_undone_in_any_portions() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&text()).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&text()).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(text().as_slice(), ruzstd::encoding::CompressionLevel::Fastest);
        let cases = [
            ("gzip", gzip(&text())),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd),
            ("gzip, x-gzip", gzip(&gzip(&text()))),
        ];
        for (coding, bytes) in cases {
            for step in [1000, 70_000, usize::MAX] {
                assert!(decode(coding, &bytes, step).unwrap() == text(), "{coding} by {step}");
            }
            let cut = bytes.get(..bytes.len() / 2).unwrap();
            assert_eq!(
                decode(coding, cut, 5000).unwrap_err().exit,
                Exit::Encoding,
                "{coding} cut"
            );
        }
        // Eight bytes "brotli!!" stored, made by hand from RFC 7932: an uncompressed block, then the last, empty one.
        let stored = b"\x70\x00\x10brotli!!\x03";
        assert_eq!(decode("br", stored, 1).unwrap(), b"brotli!!");
        assert!(decode("br", &[0xff; 100], 7).is_err());
    }

    #[test]
    fn unknown_and_too_many_codings_are_refused() {
        let of = |text: &'static str| Decoder::new([text.as_bytes()].into_iter());
        assert!(of("identity").unwrap().is_none());
        assert_eq!(of("lzma").err().unwrap().exit, Exit::Encoding);
        assert_eq!(of("gzip,gzip,gzip,gzip,gzip,gzip").err().unwrap().exit, Exit::Encoding);
    }

    #[test]
    fn a_bomb_comes_out_in_pieces() {
        // Repeated blocks of 128 KiB in four bytes each.
        let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
        let block = |last: u32| ((128 * 1024_u32) << 3 | 1 << 1 | last).to_le_bytes();
        for n in 0..100 {
            bomb.extend([&block(u32::from(n == 99))[..3], b"x"].concat());
        }
        let mut decoder = Decoder::new([&b"zstd"[..]].into_iter()).unwrap().unwrap();
        let (mut total, mut largest) = (0, 0);
        decoder
            .decode(&bomb, &mut |bytes| {
                total += bytes.len();
                largest = largest.max(bytes.len());
                Ok(())
            })
            .unwrap();
        assert_eq!(total, 100 * 128 * 1024);
        assert!(largest <= 1024 * 1024, "{largest}");
    }
}

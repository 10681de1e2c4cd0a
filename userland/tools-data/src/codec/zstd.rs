//! Zstandard over ruzstd, whose encoder wants its whole source at once: output is a sequence of frames.

use super::WINDOW_LIMIT;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use std::io::{self, BufRead, Read, Write};

/// Uncompressed bytes of one frame.
const FRAME: usize = 4 << 20;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Reads frames one after another; skippable ones are skipped.
pub struct ZstdReader<R: BufRead> {
    source: R,
    decoder: FrameDecoder,
    inside: bool,
}

fn bad(error: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl<R: BufRead> ZstdReader<R> {
    /// A reader over `source`.
    pub fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(u64::from(WINDOW_LIMIT));
        Self {
            source,
            decoder,
            inside: false,
        }
    }

    /// Goes to the next frame; false at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            let mut magic = [0; 4];
            self.source
                .read_exact(&mut magic)
                .map_err(|_| bad("unexpected end of file"))?;
            if u32::from_le_bytes(magic) & 0xffff_fff0 == 0x184d_2a50 {
                let mut length = [0; 4];
                self.source.read_exact(&mut length)?;
                let length = u64::from(u32::from_le_bytes(length));
                io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
                continue;
            }
            if magic != MAGIC {
                return Err(bad("unsupported format"));
            }
            self.decoder
                .init(MAGIC.as_slice().chain(&mut self.source))
                .map_err(bad)?;
            self.inside = true;
            return Ok(true);
        }
    }

    /// A frame that says what its contents sum up to must be right.
    fn end_frame(&mut self) -> io::Result<()> {
        self.inside = false;
        match (
            self.decoder.get_checksum_from_data(),
            self.decoder.get_calculated_checksum(),
        ) {
            (Some(claimed), Some(found)) if claimed != found => Err(bad("Restored data doesn't match checksum")),
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.inside && !self.next_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(bad)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.end_frame()?;
        }
    }
}

/// Writes a frame for each few megabytes.
pub struct ZstdWriter<W: Write> {
    target: W,
    pending: Vec<u8>,
    any: bool,
}

impl<W: Write> ZstdWriter<W> {
    /// A writer into `target`.
    pub fn new(target: W) -> Self {
        Self {
            target,
            pending: Vec::new(),
            any: false,
        }
    }

    fn frame(&mut self) -> io::Result<()> {
        let frame = compress_to_vec(self.pending.as_slice(), CompressionLevel::Fastest);
        self.pending.clear();
        self.any = true;
        self.target.write_all(&frame)
    }

    /// Completes the stream.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.pending.is_empty() || !self.any {
            self.frame()?;
        }
        Ok(self.target)
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = FRAME - self.pending.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.pending.extend_from_slice(taken);
        if self.pending.len() >= FRAME {
            self.frame()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

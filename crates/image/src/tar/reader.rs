//! Reading an archive from front to back.

use super::header::Header;
use super::pax::Records;
use super::{BLOCK, Kind, Member};
use crate::bounds::{Bounds, within};
use crate::error::{Error, Result};
use std::io::{ErrorKind, Read};

/// Most bytes of the extensions of one member: names, and extended attributes.
const EXTENSIONS_MAX: u64 = 1 << 20;

/// An archive that is being read.
pub(crate) struct Reader<R> {
    input: R,
    bounds: Bounds,
    global: Records,
    /// Bytes of the present member's content that were not read yet, and of the padding after it.
    left: u64,
    padding: u64,
    entries: u64,
    bytes: u64,
    name: Vec<u8>,
    /// Bytes of the archive that were read.
    position: u64,
}

/// What the headers before a member's own say about it.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    records: Records,
    bytes: u64,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(input: R, bounds: Bounds) -> Self {
        Self {
            input,
            bounds,
            global: Records::default(),
            left: 0,
            padding: 0,
            entries: 0,
            bytes: 0,
            name: Vec::new(),
            position: 0,
        }
    }

    /// Where in the archive the content of the present member goes on.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next member; none at the end. What was not read of the content of the one before is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Member>> {
        self.pass_over()?;
        let mut extensions = Extensions {
            records: self.global.clone(),
            ..Extensions::default()
        };
        loop {
            let Some(block) = self.block()? else { return Ok(None) };
            let header = Header::parse(&block)?;
            match header.kind() {
                b'L' => extensions.path = Some(self.long_name(&header, &mut extensions.bytes)?),
                b'K' => extensions.link = Some(self.long_name(&header, &mut extensions.bytes)?),
                b'x' => {
                    let text = self.extension(&header, &mut extensions.bytes)?;
                    extensions.records.add(&text)?;
                }
                b'g' => {
                    let text = self.extension(&header, &mut extensions.bytes)?;
                    self.global.add(&text)?;
                    extensions.records = self.global.clone();
                }
                kind => return self.member(&header, kind, extensions).map(Some),
            }
        }
    }

    /// Content of the present member; 0 at its end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let most = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let count = loop {
            match self.input.read(buf.get_mut(..most).unwrap_or_default()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if count == 0 && most > 0 {
            return Err(self.cut_short());
        }
        self.left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }

    /// Reads to the end of the input, which an archive need not fill.
    pub(crate) fn finish(mut self) -> Result<R> {
        std::io::copy(&mut self.input, &mut std::io::sink())?;
        Ok(self.input)
    }

    fn member(&mut self, header: &Header<'_>, kind: u8, extensions: Extensions) -> Result<Member> {
        let records = extensions.records;
        let path = records.path.or(extensions.path).unwrap_or_else(|| header.path());
        self.name.clone_from(&path);
        self.entries += 1;
        within("members of the archive", self.entries, self.bounds.entries, "members")?;
        let refused = |reason: &str| Error::member(&path, reason);
        if records.sparse || kind == b'S' {
            return Err(refused("is a sparse file, which is not supported"));
        }
        let mut kind = match kind {
            b'0' | b'7' | 0 => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            other => return Err(refused(&format!("is of an unknown kind ({:?})", char::from(other)))),
        };
        if kind == Kind::File && path.ends_with(b"/") {
            kind = Kind::Directory;
        }
        let size = records.size.or(header.size());
        let size = size.ok_or_else(|| refused("has no valid size"))?;
        // Programs disagree about whether content follows then, and would read something else from here on.
        if size > 0 && kind != Kind::File {
            return Err(refused("has a size, and is no file"));
        }
        self.expect(size)?;
        let id = |given: Option<u64>, header: Option<u64>, what: &str| {
            let id = given.or(header).and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| refused(&format!("has no valid {what}")))
        };
        let seconds = i64::try_from(header.mtime()).unwrap_or(0).checked_mul(1_000_000_000);
        Ok(Member {
            kind,
            mode: u32::try_from(header.mode().unwrap_or(0) & 0o7777).unwrap_or(0),
            uid: id(records.uid, header.uid(), "owner")?,
            gid: id(records.gid, header.gid(), "group")?,
            mtime: records.mtime.or(seconds).unwrap_or(0),
            size,
            link: records.link.or(extensions.link).unwrap_or_else(|| header.link()),
            xattrs: records.xattrs,
            path,
        })
    }

    /// Notes how much content follows.
    fn expect(&mut self, size: u64) -> Result<()> {
        self.bytes = self.bytes.saturating_add(size);
        within("content of the archive", self.bytes, self.bounds.bytes, "bytes")?;
        self.left = size;
        self.padding = padding(size);
        Ok(())
    }

    fn pass_over(&mut self) -> Result<()> {
        let skip = self.left + self.padding;
        let mut rest = self.input.by_ref().take(skip);
        let passed = std::io::copy(&mut rest, &mut std::io::sink())?;
        if passed < skip {
            return Err(self.cut_short());
        }
        self.position += skip;
        (self.left, self.padding) = (0, 0);
        Ok(())
    }

    fn long_name(&mut self, header: &Header<'_>, used: &mut u64) -> Result<Vec<u8>> {
        let mut name = self.extension(header, used)?;
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        name.truncate(end);
        Ok(name)
    }

    /// Content of a header that is about the next one.
    fn extension(&mut self, header: &Header<'_>, used: &mut u64) -> Result<Vec<u8>> {
        let wrong = || Error::format("tar archive", "a header has no valid size");
        let size = header.size().ok_or_else(wrong)?;
        *used = used.saturating_add(size).saturating_add(BLOCK as u64);
        within("extended headers of a member", *used, EXTENSIONS_MAX, "bytes")?;
        let mut text = Vec::new();
        self.input.by_ref().take(size).read_to_end(&mut text)?;
        let pad = padding(size);
        let passed = std::io::copy(&mut self.input.by_ref().take(pad), &mut std::io::sink())?;
        match text.len() as u64 == size && passed == pad {
            true => {
                self.position += size + pad;
                Ok(text)
            }
            false => Err(self.cut_short()),
        }
    }

    /// The next header; none at the mark that ends an archive.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        match self.input.read_exact(&mut block) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.cut_short()),
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.position += BLOCK as u64;
                Ok(block.iter().any(|byte| *byte != 0).then_some(block))
            }
        }
    }

    fn cut_short(&self) -> Error {
        match self.name.is_empty() {
            true => Error::format("tar archive", "ends before its first member"),
            false => Error::member(
                &self.name,
                "the archive ends in it or right after it, without the mark of its end",
            ),
        }
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

//! Packages of Debian: an `ar(1)` archive of archives (`deb(5)`).

use super::Found;
use crate::bounds::{Bounds, within};
use crate::compress::decompress;
use crate::error::{Error, Result};
use crate::layer::Unpacker;
use crate::tar::{Kind, Reader};
use crate::tree::{Attrs, Body, Node};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Directories that are links into `/usr` where the system is merged, as all of Debian is by now.
const MERGED: &[&[u8]] = &[b"bin", b"lib", b"lib32", b"lib64", b"libx32", b"sbin"];

/// Adds the files of a package.
pub(crate) fn add(path: &Path, unpacker: &mut Unpacker<'_>, bounds: &Bounds, found: &mut Found) -> Result<()> {
    let mut input = BufReader::new(File::open(path).map_err(Error::host(path))?);
    let wrong = |reason: &str| Error::format("package of Debian", reason);
    let mut magic = [0; 8];
    input.read_exact(&mut magic).map_err(|_| wrong("is no ar archive"))?;
    if &magic != MAGIC {
        return Err(wrong("is no ar archive"));
    }
    let mut first = true;
    while let Some((name, size)) = header(&mut input)? {
        let mut content = input.by_ref().take(size);
        match name.as_str() {
            "debian-binary" if first => {
                let mut version = String::new();
                content.by_ref().take(16).read_to_string(&mut version)?;
                if !version.starts_with("2.") {
                    return Err(wrong("is of a format other than 2.x"));
                }
            }
            _ if first => return Err(wrong("does not begin with debian-binary")),
            name if name.starts_with("control.tar") => {
                found.packages.push(title(&mut content, bounds)?);
            }
            name if name.starts_with("data.tar") => {
                let (_, unpacked) = decompress(&mut content, bounds)?;
                return files(Reader::new(unpacked, *bounds), unpacker);
            }
            _ => {}
        }
        first = false;
        std::io::copy(&mut content, &mut std::io::sink())?;
        if content.limit() > 0 {
            return Err(wrong("ends in the middle"));
        }
        if size % 2 == 1 {
            input.read_exact(&mut [0])?;
        }
    }
    Err(wrong("has no data.tar"))
}

/// Name and size of the next member.
fn header(input: &mut impl Read) -> Result<Option<(String, u64)>> {
    let wrong = || Error::format("package of Debian", "has a malformed header");
    let mut text = Vec::new();
    input.take(HEADER as u64).read_to_end(&mut text)?;
    if text.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(text).map_err(|_| wrong())?;
    let field = |from: usize, to: usize| text.get(from..to).map(str::trim).ok_or_else(wrong);
    if text.get(58..60) != Some("`\n") {
        return Err(wrong());
    }
    let name = field(0, 16)?.trim_end_matches('/').to_owned();
    let size = field(48, 58)?.parse().map_err(|_| wrong())?;
    Ok(Some((name, size)))
}

/// Name and version, as the package says them.
fn title(control: impl Read, bounds: &Bounds) -> Result<String> {
    let (_, unpacked) = decompress(control, bounds)?;
    let mut archive = Reader::new(unpacked, *bounds);
    while let Some(member) = archive.next()? {
        if member.path.strip_prefix(b"./").unwrap_or(&member.path) != b"control" {
            continue;
        }
        within("control file of the package", member.size, bounds.document, "bytes")?;
        let mut text = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match archive.read(&mut buf)? {
                0 => break,
                count => text.extend_from_slice(buf.get(..count).unwrap_or_default()),
            }
        }
        let text = String::from_utf8_lossy(&text);
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map_or("", str::trim)
        };
        return Ok(format!("{} {}", field("Package:"), field("Version:")).trim().to_owned());
    }
    Err(Error::format("package of Debian", "has no control file"))
}

fn files<R: Read>(mut archive: Reader<R>, unpacker: &mut Unpacker<'_>) -> Result<()> {
    while let Some(mut member) = archive.next()? {
        if let Some(dir) = merged(&member.path, member.kind) {
            link(unpacker, dir)?;
            member.path = within_usr(&member.path);
        }
        if member.kind == Kind::HardLink && merged(&member.link, Kind::File).is_some() {
            member.link = within_usr(&member.link);
        }
        unpacker.add(&member, &mut archive)?;
    }
    archive.finish().map(drop)
}

/// The merged directory that a path is in. A package may have the link itself.
fn merged(path: &[u8], kind: Kind) -> Option<&'static [u8]> {
    let mut names = path
        .split(|byte| *byte == b'/')
        .filter(|name| !matches!(*name, b"" | b"."));
    let first = names.next()?;
    let found = MERGED.iter().find(|dir| **dir == first).copied();
    found.filter(|_| kind != Kind::Symlink || names.next().is_some())
}

fn within_usr(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"./").unwrap_or(path);
    [b"usr/", path].concat()
}

/// Makes the link in the root.
fn link(unpacker: &mut Unpacker<'_>, dir: &[u8]) -> Result<()> {
    if unpacker.draft.find(&[dir]).is_some() {
        return Ok(());
    }
    let node = Node {
        attrs: Attrs {
            mode: 0o777,
            ..Attrs::default()
        },
        body: Body::Symlink([b"usr/", dir].concat().into()),
    };
    let refused = |reason| Error::member(dir, reason);
    unpacker.draft.put(0, dir, node).map_err(refused).map(drop)
}

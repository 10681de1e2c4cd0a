//! Where a layout keeps its content: below a directory, or in an archive.

use super::document::{self, Descriptor};
use crate::bounds::{Bounds, within};
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::tar::{Kind, Reader};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// Content of a layout.
pub(crate) enum Blobs {
    Directory(OwnedFd),
    Archive {
        file: File,
        /// Where members are: offset and length, by name.
        members: HashMap<String, (u64, u64)>,
    },
}

impl Blobs {
    /// Looks whether an archive that is not compressed is one of a layout: it has nothing but what a layout has, and an index.
    pub(crate) fn archive(file: &File, bounds: &Bounds) -> Result<Option<Self>> {
        let mut file = file.try_clone()?;
        file.rewind()?;
        let mut reader = Reader::new(io::BufReader::with_capacity(1 << 17, &file), *bounds);
        let mut members = HashMap::new();
        while let Some(member) = reader.next()? {
            let Ok(name) = String::from_utf8(member.path) else {
                return Ok(None);
            };
            let name = name.trim_start_matches("./").trim_end_matches('/');
            if !of_layout(name) {
                return Ok(None);
            }
            if member.kind == Kind::File {
                members.insert(name.to_owned(), (reader.position(), member.size));
            }
        }
        drop(reader);
        match members.contains_key("index.json") {
            true => Ok(Some(Self::Archive { file, members })),
            false => Ok(None),
        }
    }

    /// Whether the archive of a layout can begin with a member of this name.
    pub(crate) fn may_begin(name: &[u8]) -> bool {
        core::str::from_utf8(name).is_ok_and(|name| of_layout(name.trim_start_matches("./").trim_end_matches('/')))
    }

    /// The index, which nothing has the digest of.
    pub(super) fn index<T: DeserializeOwned>(&self, bounds: &Bounds) -> Result<T> {
        let (input, size) = self.open("index.json")?;
        within("index of the image", size, bounds.document, "bytes")?;
        let mut text = Vec::new();
        input.take(bounds.document).read_to_end(&mut text)?;
        parse(&text, "index of the image")
    }

    /// A document that a descriptor leads to.
    pub(super) fn document<T: DeserializeOwned>(&self, descriptor: &Descriptor, bounds: &Bounds) -> Result<T> {
        within("document of the image", descriptor.size, bounds.document, "bytes")?;
        let digest = document::digest(&descriptor.digest)?;
        let mut text = Vec::new();
        self.blob(descriptor, digest)?.read_to_end(&mut text)?;
        digest.expect(Digest::of(&text), "document of the image")?;
        parse(&text, "document of the image")
    }

    /// The bytes that a descriptor leads to, of which there are as many as it says. The digest is for the caller to check.
    pub(super) fn blob(&self, descriptor: &Descriptor, digest: Digest) -> Result<Hashing<impl Read + '_>> {
        let (input, size) = self.open(&format!("blobs/sha256/{digest}"))?;
        if size != descriptor.size {
            let reason = format!("sha256:{digest} has {size} bytes, and not {}", descriptor.size);
            return Err(Error::format("content of the image", reason));
        }
        Ok(Hashing::new(input))
    }

    fn open(&self, name: &str) -> Result<(Piece<'_>, u64)> {
        match self {
            Self::Directory(dir) => {
                let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = fs::openat2(dir, name, flags, Mode::empty(), resolve);
                let file = File::from(file.map_err(|errno| missing(name, &errno.into()))?);
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Err(missing(name, &io::Error::other("it is no file")));
                }
                let size = metadata.len();
                Ok((Piece::new(Place::Own(file), 0, size), size))
            }
            Self::Archive { file, members } => {
                let (at, size) = members
                    .get(name)
                    .copied()
                    .ok_or_else(|| missing(name, &io::ErrorKind::NotFound.into()))?;
                Ok((Piece::new(Place::Shared(file), at, size), size))
            }
        }
    }
}

/// Whether a layout has something of this name, those that older programs write besides included.
fn of_layout(name: &str) -> bool {
    let known = matches!(
        name,
        "" | "blobs" | "oci-layout" | "index.json" | "manifest.json" | "repositories"
    );
    known || name.starts_with("blobs/")
}

fn missing(name: &str, error: &io::Error) -> Error {
    Error::format("content of the image", format!("{name} cannot be read: {error}"))
}

fn parse<T: DeserializeOwned>(text: &[u8], what: &'static str) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| Error::format(what, error.to_string()))
}

enum Place<'a> {
    Own(File),
    Shared(&'a File),
}

/// A part of a file, read without moving the file's position.
pub(super) struct Piece<'a> {
    place: Place<'a>,
    at: u64,
    left: u64,
}

impl<'a> Piece<'a> {
    fn new(place: Place<'a>, at: u64, left: u64) -> Self {
        Self { place, at, left }
    }
}

impl Read for Piece<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let file = match &self.place {
            Place::Own(file) => file,
            Place::Shared(file) => *file,
        };
        let most = usize::try_from(self.left).map_or(buf.len(), |left| left.min(buf.len()));
        let count = file.read_at(buf.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

/// Unpacks a compressed archive into `file`, so that its members can be found.
pub(crate) fn spool(mut input: impl Read, mut file: File, bounds: &Bounds) -> Result<File> {
    let copied = io::copy(&mut input.by_ref().take(bounds.bytes + 1), &mut file)?;
    within("content of the archive", copied, bounds.bytes, "bytes")?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

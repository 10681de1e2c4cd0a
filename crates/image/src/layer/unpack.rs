//! Unpacking: members become nodes of a draft, their content numbered files.
//!
//! Nothing is followed: the parents of a member have to be directories of the archive, and a hard link has to name a member
//! that came before. What the archive says of owners, modes and times is written down and never given to a file of the host.

use crate::bounds::{Bounds, within};
use crate::cache::{Cache, Layer, Work};
use crate::compress::decompress;
use crate::digest::{Digest, Hashing};
use crate::error::{Error, Result};
use crate::tar::{Kind, Member, Reader};
use crate::tree::{Attrs, Body, Content, Directory, Draft, Index, Node, parts};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// How the names in an archive are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// As they are.
    Plain,
    /// As a layer of an OCI image: `.wh.NAME` hides `NAME` of the layers below, `.wh..wh..opq` everything in a directory, and a
    /// hard link may name a file of a layer below.
    Oci,
}

impl Flavour {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "tar",
            Self::Oci => "oci",
        }
    }

    /// The key of a layer that is read so from an archive with this digest.
    pub(crate) fn key(self, archive: Digest) -> Digest {
        Digest::of(format!("{} {archive}", self.name()).as_bytes())
    }
}

/// Longest text of a symbolic link.
const TARGET_MAX: usize = 4095;
/// Most bytes of extended attributes of one file, and the longest name of one.
const XATTRS_MAX: usize = 64 << 10;
const XATTR_NAME_MAX: usize = 255;

/// A layer from an archive that is a file, with the digest of the archive.
pub(crate) fn archive(path: &Path, cache: &Cache, bounds: &Bounds) -> Result<(Digest, Layer)> {
    let mut file = File::open(path).map_err(Error::host(path))?;
    let flavour = Flavour::Plain;
    if let Some(digest) = cache.mark(path, &file, flavour.name())
        && let Some(layer) = cache.layer(flavour.key(digest))?
    {
        return Ok((digest, layer));
    }
    let digest = Digest::of_all(&file)?;
    let key = flavour.key(digest);
    let layer = match cache.layer(key)? {
        Some(layer) => layer,
        None => {
            file.rewind()?;
            let mut input = Hashing::new(&file);
            let mut unpacker = Unpacker::new(cache, flavour, bounds)?;
            {
                let (_, unpacked) = decompress(&mut input, bounds)?;
                unpacker.add_all(Reader::new(unpacked, *bounds))?;
            }
            std::io::copy(&mut input, &mut std::io::sink())?;
            digest.expect(input.digest(), "the archive, which changed while it was read,")?;
            unpacker.publish(key)?
        }
    };
    cache.remember(path, &file, flavour.name(), digest);
    Ok((digest, layer))
}

/// A layer that is being made of archives.
pub(crate) struct Unpacker<'a> {
    pub(crate) draft: Draft,
    pub(crate) work: Work<'a>,
    flavour: Flavour,
    bounds: Bounds,
    metadata: u64,
}

impl<'a> Unpacker<'a> {
    pub(crate) fn new(cache: &'a Cache, flavour: Flavour, bounds: &Bounds) -> Result<Self> {
        Ok(Self {
            draft: Draft::default(),
            work: cache.begin()?,
            flavour,
            bounds: *bounds,
            metadata: 0,
        })
    }

    /// Adds everything in an archive, and reads it to its end.
    pub(crate) fn add_all<R: Read>(&mut self, mut archive: Reader<R>) -> Result<()> {
        while let Some(member) = archive.next()? {
            self.add(&member, &mut archive)?;
        }
        archive.finish().map(drop)
    }

    /// Makes the layer known.
    pub(crate) fn publish(self, key: Digest) -> Result<Layer> {
        self.work.publish(&self.draft, key)
    }

    /// Adds a member whose content is next in the archive.
    pub(crate) fn add<R: Read>(&mut self, member: &Member, archive: &mut Reader<R>) -> Result<()> {
        let xattrs = member.xattrs.iter().map(|(name, value)| name.len() + value.len());
        let metadata = member.path.len() + member.link.len() + xattrs.sum::<usize>();
        self.metadata = self.metadata.saturating_add(metadata as u64);
        within(
            "names and attributes of the archive",
            self.metadata,
            self.bounds.metadata,
            "bytes",
        )?;
        self.place(member, archive)?;
        // A member can imply many directories.
        let nodes = self.draft.nodes.len() as u64 - 1;
        within(
            "files and directories of the archive",
            nodes,
            self.bounds.entries,
            "entries",
        )
    }

    fn place<R: Read>(&mut self, member: &Member, archive: &mut Reader<R>) -> Result<()> {
        let path = parts(&member.path, &self.bounds)?;
        let refused = |reason: String| Error::member(&member.path, reason);
        let Some((name, dirs)) = path.split_last() else {
            return match member.kind {
                Kind::Directory => {
                    self.draft.describe(0, attrs(member)?);
                    Ok(())
                }
                _ => Err(refused("is the root, and no directory".to_owned())),
            };
        };
        if self.is_device(member, &path)? {
            return Ok(());
        }
        let dir = self.draft.dirs(dirs).map_err(refused)?;
        if self.flavour == Flavour::Oci
            && let Some(hidden) = name.strip_prefix(b".wh.")
        {
            return self.hide(dir, hidden).map_err(refused);
        }
        let attrs = attrs(member)?;
        let body = match member.kind {
            Kind::HardLink => return self.link(member, dir, name),
            Kind::Directory => Body::Directory(Directory::default()),
            Kind::Symlink if member.link.is_empty() || member.link.len() > TARGET_MAX || member.link.contains(&0) => {
                let length = member.link.len();
                return Err(refused(format!(
                    "is a link with a text of {length} bytes that no link can have"
                )));
            }
            Kind::Symlink => Body::Symlink(member.link.as_slice().into()),
            _ => {
                let (number, size) = self.work.store(|buf| archive.read(buf))?;
                let content = Content { layer: 0, number };
                Body::File { size, content }
            }
        };
        self.draft
            .put(dir, name, Node { attrs, body })
            .map_err(refused)
            .map(drop)
    }

    /// Whether a member is a device in `dev`, where a VM shows its own: those are left out. Others are refused.
    fn is_device(&self, member: &Member, path: &[&[u8]]) -> Result<bool> {
        let what = match member.kind {
            Kind::CharDevice | Kind::BlockDevice => "a device",
            Kind::Fifo => "a FIFO",
            _ => return Ok(false),
        };
        match path.first() {
            Some(&b"dev") => Ok(true),
            _ => Err(Error::member(
                &member.path,
                format!("is {what}, which no image may have"),
            )),
        }
    }

    /// Hides what a layer below has.
    fn hide(&mut self, dir: Index, hidden: &[u8]) -> Result<(), String> {
        match hidden {
            b".wh..opq" => {
                if let Some(directory) = self.draft.directory_mut(dir) {
                    directory.opaque = true;
                }
                Ok(())
            }
            // Notes that a filesystem of old has left for itself.
            _ if hidden.starts_with(b".wh.") => Ok(()),
            b"" | b"." | b".." => Err("hides nothing that can be there".to_owned()),
            name => self.draft.hide(dir, name),
        }
    }

    fn link(&mut self, member: &Member, dir: Index, name: &[u8]) -> Result<()> {
        let refused = |reason: String| Error::member(&member.path, reason);
        let shown = String::from_utf8_lossy(&member.link).into_owned();
        // Some programs write the targets of hard links with a slash in front.
        let target = match self.flavour {
            Flavour::Oci => member.link.strip_prefix(b"/").unwrap_or(&member.link),
            Flavour::Plain => &member.link,
        };
        let target = parts(target, &self.bounds)
            .map_err(|_| refused(format!("is a hard link to {shown:?}, which is outside of the archive")))?;
        let found = self.draft.find(&target);
        let body = found.and_then(|index| self.draft.node(index)).map(|node| &node.body);
        match (found, body) {
            (Some(index), Some(Body::File { .. } | Body::Symlink(_) | Body::Borrowed(_))) => {
                let known = Body::Whiteout;
                // Checks what is in the way, then takes its place.
                let attrs = Attrs::default();
                self.draft
                    .put(dir, name, Node { attrs, body: known })
                    .map_err(refused)?;
                self.draft.name(dir, name, index);
                Ok(())
            }
            (None, _) if self.flavour == Flavour::Oci && !target.is_empty() => {
                let body = Body::Borrowed(target.join(&b'/').into());
                let attrs = Attrs::default();
                self.draft
                    .put(dir, name, Node { attrs, body })
                    .map_err(refused)
                    .map(drop)
            }
            (None | Some(0), _) => Err(refused(format!(
                "is a hard link to {shown:?}, which is not in the archive before it"
            ))),
            _ => Err(refused(format!("is a hard link to {shown:?}, which is no file"))),
        }
    }
}

/// What a member says of itself.
pub(crate) fn attrs(member: &Member) -> Result<Attrs> {
    let mut xattrs = member.xattrs.clone();
    // An overlay takes these for its own.
    xattrs.retain(|(name, _)| !name.starts_with(b"trusted.overlay."));
    let size: usize = xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    let long = xattrs
        .iter()
        .any(|(name, _)| name.is_empty() || name.len() > XATTR_NAME_MAX || name.contains(&0));
    if long || size > XATTRS_MAX {
        let reason = format!("has extended attributes of {size} bytes that no file can have");
        return Err(Error::member(&member.path, reason));
    }
    Ok(Attrs {
        mode: member.mode,
        uid: member.uid,
        gid: member.gid,
        mtime: member.mtime,
        xattrs,
    })
}

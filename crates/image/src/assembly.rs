//! Layers that are put together of several archives and files, for a store of software.
//!
//! An [`Assembly`] grows in a draft of the cache and becomes known whole, under a key that is the digest of its tree and of the
//! content of each of its files: the same parts in the same order make the same layer, and [`check`] says whether a layer
//! is still what it was. Everything that is said of archives at the head of this crate holds here as well: names lead nowhere
//! on the host, and nothing of what an archive says is believed.
//!
//! ```text
//!   npm     package/*       -> HOME/*, and HOME's commands
//!   deb     data.tar.*      -> as the package has it, below /usr
//!   tar     *               -> as the archive has it
//!   file    bytes           -> PATH
//! ```

use crate::bounds::Bounds;
use crate::build::{Found, deb, npm};
use crate::cache::Cache;
use crate::compress::decompress;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layer::{Flavour, Unpacker};
use crate::tar::{Kind, Member, Reader};
use crate::tree::{Attrs, Body, Content, Node, encode, parts};
use core::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Key of a layer that was put together: the digest of everything in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub(crate) Digest);

impl LayerId {
    /// Of 64 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }

    fn of(index: &[u8], digests: &[u8]) -> Self {
        Self(Digest::of(&[MAGIC, index, digests].concat()))
    }
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the key of a layer begins with.
const MAGIC: &[u8] = b"agentos assembly 1\n";

/// What a package of npm says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its commands, with the files that they are, below its directory.
    pub commands: Vec<(String, String)>,
}

/// A layer that is being put together. Unless it is finished nothing of it stays.
pub struct Assembly<'a> {
    unpacker: Unpacker<'a>,
    bounds: Bounds,
}

impl fmt::Debug for Assembly<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly").finish_non_exhaustive()
    }
}

impl<'a> Assembly<'a> {
    /// Begins a layer. The bounds hold for each archive, and the count of entries and names for all of them.
    ///
    /// # Errors
    /// Where the cache cannot be written.
    pub fn begin(cache: &'a Cache, bounds: &Bounds) -> Result<Self> {
        let mut unpacker = Unpacker::new(cache, Flavour::Plain, bounds)?;
        unpacker.work = unpacker.work.with_digests();
        Ok(Self {
            unpacker,
            bounds: *bounds,
        })
    }

    /// Adds a package of npm (`.tgz`) as the directory `home`, as npm unpacks it: nothing but files and directories, the owner's
    /// and the modes npm's. Its commands can be run and are not linked.
    ///
    /// # Errors
    /// [`Error`], which names the archive.
    pub fn npm(&mut self, archive: &Path, home: &str) -> Result<Module> {
        let add = |assembly: &mut Self| {
            let manifest = npm::manifest(archive, &assembly.bounds)?;
            let commands = npm::unpack(archive, &manifest, home, &mut assembly.unpacker, &assembly.bounds)?;
            let commands = commands.into_iter().map(|(name, target)| (name, text(&target)));
            Ok(Module {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                commands: commands.collect(),
            })
        };
        add(self).map_err(Error::of(archive))
    }

    /// Adds one file of an archive, compressed or not, under another name and with another mode. Whether there is such a file.
    ///
    /// # Errors
    /// [`Error`], which names the archive.
    pub fn member(&mut self, archive: &Path, member: &str, path: &str, mode: u32) -> Result<bool> {
        let mut add = || {
            let file = File::open(archive).map_err(Error::host(archive))?;
            let (_, unpacked) = decompress(&file, &self.bounds)?;
            let mut reader = Reader::new(unpacked, self.bounds);
            while let Some(found) = reader.next()? {
                let is = parts(&found.path, &self.bounds)?.join(&b'/') == member.as_bytes();
                if is && found.kind == Kind::File {
                    let member = Member {
                        path: path.as_bytes().to_vec(),
                        mode,
                        uid: 0,
                        gid: 0,
                        xattrs: Vec::new(),
                        ..found
                    };
                    self.unpacker.add(&member, &mut reader)?;
                    return Ok(true);
                }
            }
            Ok(false)
        };
        add().map_err(Error::of(archive))
    }

    /// Adds a package of Debian, and returns its name and version.
    ///
    /// # Errors
    /// [`Error`], which names the archive.
    pub fn deb(&mut self, archive: &Path) -> Result<String> {
        let mut found = Found::default();
        deb::add(archive, &mut self.unpacker, &self.bounds, &mut found).map_err(Error::of(archive))?;
        Ok(found.packages.pop().unwrap_or_default())
    }

    /// Adds everything in a tar archive, compressed or not.
    ///
    /// # Errors
    /// [`Error`], which names the archive.
    pub fn tar(&mut self, archive: &Path) -> Result<()> {
        let mut add = || {
            let file = File::open(archive).map_err(Error::host(archive))?;
            let (_, unpacked) = decompress(&file, &self.bounds)?;
            self.unpacker.add_all(Reader::new(unpacked, self.bounds))
        };
        add().map_err(Error::of(archive))
    }

    /// Adds a file of the superuser's with a date of 1970.
    ///
    /// # Errors
    /// Where something else has the path, or the content cannot be read.
    pub fn file(&mut self, path: &str, mode: u32, mut content: impl Read) -> Result<()> {
        let (number, size) = self.unpacker.work.store(|buf| {
            loop {
                match content.read(buf) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return Ok(read?),
                }
            }
        })?;
        let content = Content { layer: 0, number };
        self.put(path, mode, Body::File { size, content })
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// Where something else has the path.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        self.put(path, 0o777, Body::Symlink(target.as_bytes().into()))
    }

    fn put(&mut self, path: &str, mode: u32, body: Body) -> Result<()> {
        let refused = |reason: String| Error::member(path.as_bytes(), reason);
        let parts = parts(path.as_bytes(), &self.bounds)?;
        let Some((name, dirs)) = parts.split_last() else {
            return Err(refused("is the root".to_owned()));
        };
        let attrs = Attrs {
            mode,
            ..Attrs::default()
        };
        let draft = &mut self.unpacker.draft;
        let dir = draft.dirs(dirs).map_err(refused)?;
        draft.put(dir, name, Node { attrs, body }).map_err(refused).map(drop)
    }

    /// Lets everybody run a regular file, and gives it an extended attribute. Whether there is such a file.
    ///
    /// # Errors
    /// Where the path is none.
    pub fn executable(&mut self, path: &str, mark: Option<(&[u8], &[u8])>) -> Result<bool> {
        let parts = parts(path.as_bytes(), &self.bounds)?;
        let draft = &mut self.unpacker.draft;
        let index = draft.find(&parts).and_then(|index| usize::try_from(index).ok());
        let Some(node) = index.and_then(|index| draft.nodes.get_mut(index)) else {
            return Ok(false);
        };
        if !matches!(node.body, Body::File { .. }) {
            return Ok(false);
        }
        node.attrs.mode |= 0o555;
        if let Some((name, value)) = mark {
            node.attrs.xattrs.retain(|(known, _)| known != name);
            node.attrs.xattrs.push((name.to_vec(), value.to_vec()));
        }
        Ok(true)
    }

    /// Adds everything in a tar archive that is the rest, from an offset, of a file that was added before, below a directory. Owners
    /// are the superuser's.
    ///
    /// # Errors
    /// Where there is no such file, and those of archives.
    pub fn nested(&mut self, file: &str, offset: u64, below: &str) -> Result<()> {
        let number = match self.body(file) {
            Some(Body::File { content, .. }) => content.number,
            _ => return Err(Error::member(file.as_bytes(), "is no file of the package")),
        };
        let mut stored = self.unpacker.work.stored(number)?;
        stored.seek(SeekFrom::Start(offset))?;
        let mut reader = Reader::new(stored, self.bounds);
        while let Some(found) = reader.next()? {
            let path = [below.as_bytes(), b"/", &found.path].concat();
            let member = Member {
                path,
                uid: 0,
                gid: 0,
                xattrs: Vec::new(),
                ..found
            };
            self.unpacker.add(&member, &mut reader)?;
        }
        Ok(())
    }

    /// Adds everything in a tar archive that programs in a VM have made, below a directory: files of the superuser's, without
    /// extended attributes and set-id bits, because whoever made them was nobody special.
    ///
    /// # Errors
    /// [`Error`], which names the archive.
    pub fn made(&mut self, archive: &Path, below: &str) -> Result<()> {
        let mut add = || {
            let file = io::BufReader::new(File::open(archive).map_err(Error::host(archive))?);
            let mut reader = Reader::new(file, self.bounds);
            let under = |path: &[u8]| [below.as_bytes(), b"/", path].concat();
            while let Some(found) = reader.next()? {
                let link = match found.kind {
                    Kind::HardLink => under(&found.link),
                    _ => found.link.clone(),
                };
                let member = Member {
                    path: under(&found.path),
                    link,
                    mode: found.mode & 0o777,
                    uid: 0,
                    gid: 0,
                    xattrs: Vec::new(),
                    ..found
                };
                self.unpacker.add(&member, &mut reader)?;
            }
            reader.finish().map(drop)
        };
        add().map_err(Error::of(archive))
    }

    /// Gives a directory with everything in it to a user and a group.
    ///
    /// # Errors
    /// Where the path is none.
    pub fn own(&mut self, path: &str, uid: u32, gid: u32) -> Result<()> {
        let parts = parts(path.as_bytes(), &self.bounds)?;
        let draft = &mut self.unpacker.draft;
        let mut left: Vec<_> = draft.find(&parts).into_iter().collect();
        while let Some(index) = left.pop() {
            let node = usize::try_from(index).ok().and_then(|index| draft.nodes.get_mut(index));
            let Some(node) = node else { continue };
            (node.attrs.uid, node.attrs.gid) = (uid, gid);
            if let Body::Directory(directory) = &mut node.body {
                // One that no archive has described would be the superuser's.
                if std::mem::replace(&mut directory.implied, false) {
                    node.attrs.mode = 0o755;
                }
                left.extend(directory.entries.values().copied());
            }
        }
        Ok(())
    }

    /// Lets a directory hide what other layers have under its name, so that two versions of one tree are never mixed.
    ///
    /// # Errors
    /// Where something else has the path.
    pub fn hides(&mut self, path: &str) -> Result<()> {
        let parts = parts(path.as_bytes(), &self.bounds)?;
        let draft = &mut self.unpacker.draft;
        let dir = draft
            .dirs(&parts)
            .map_err(|reason| Error::member(path.as_bytes(), reason))?;
        if let Some(directory) = draft.directory_mut(dir) {
            directory.opaque = true;
        }
        Ok(())
    }

    /// Whether there is a regular file of this name.
    pub fn has_file(&self, path: &str) -> bool {
        self.body(path).is_some_and(|body| matches!(body, Body::File { .. }))
    }

    /// The first bytes of a regular file, if there is one.
    pub fn head(&self, path: &str, most: u64) -> Option<Vec<u8>> {
        let Body::File { content, .. } = self.body(path)? else {
            return None;
        };
        let mut head = Vec::new();
        let file = self.unpacker.work.stored(content.number).ok()?;
        file.take(most).read_to_end(&mut head).ok()?;
        Some(head)
    }

    /// Names in a directory, sorted; none if there is no such directory.
    pub fn names(&self, path: &str) -> Vec<String> {
        match self.body(path) {
            Some(Body::Directory(directory)) => directory.entries.keys().map(|name| text(name)).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether any file is a program of Linux (ELF).
    pub fn has_native(&self) -> bool {
        let is_native = |node: &Node| match &node.body {
            Body::File { content, size } if *size > 4 => {
                let mut head = [0; 4];
                let stored = self.unpacker.work.stored(content.number);
                stored.is_ok_and(|mut file| file.read_exact(&mut head).is_ok()) && &head == b"\x7fELF"
            }
            _ => false,
        };
        self.unpacker.draft.nodes.iter().any(is_native)
    }

    fn body(&self, path: &str) -> Option<&Body> {
        let parts = parts(path.as_bytes(), &self.bounds).ok()?;
        let index = self.unpacker.draft.find(&parts)?;
        Some(&self.unpacker.draft.node(index)?.body)
    }

    /// Makes the layer known, whole and on the disk.
    ///
    /// # Errors
    /// Where the cache cannot be written.
    pub fn finish(self) -> Result<LayerId> {
        let Unpacker { draft, work, .. } = self.unpacker;
        let id = LayerId::of(&encode(&draft), &work.digests());
        work.publish(&draft, id.0)?;
        Ok(id)
    }
}

/// Checks that a layer holds every byte that it was made of.
///
/// # Errors
/// [`Error::Digest`] names what was changed; others, where something is missing.
pub fn check(id: LayerId, cache: &Cache) -> Result<()> {
    let (index, digests) = cache.notes(id.0)?;
    id.0.expect(
        LayerId::of(&index, &digests).0,
        "the tree of the layer, which was changed,",
    )?;
    let missing = || Error::format("layer", "is not there");
    let layer = cache.layer(id.0)?.ok_or_else(missing)?;
    for node in &layer.draft.nodes {
        let Body::File { size, content } = &node.body else {
            continue;
        };
        let number = content.number;
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let expected = digests.chunks_exact(32).nth(at).and_then(|bytes| bytes.try_into().ok());
        let expected = Digest(expected.ok_or_else(|| Error::format("layer", "has a file without a digest"))?);
        let file = layer.files.open(number, *size).map_err(|errno| {
            let reason = format!("file {number} of the layer is missing or has another size ({errno})");
            Error::format("layer", reason)
        })?;
        expected.expect(
            Digest::of_all(File::from(file))?,
            format!("file {number} of the layer, which was changed,"),
        )?;
    }
    Ok(())
}

/// Removes a layer from the cache, unless an image of this or another process holds it. Whether it is gone.
///
/// # Errors
/// Where the cache cannot be written.
pub fn remove(id: LayerId, cache: &Cache) -> Result<bool> {
    cache.remove(id.0)
}

/// Whether an image of this or another process holds a layer.
pub fn is_used(id: LayerId, cache: &Cache) -> bool {
    matches!(cache.layer(id.0), Ok(Some(layer)) if !layer.files.is_free())
}

/// Whether a layer is there and its tree can be read.
pub fn exists(id: LayerId, cache: &Cache) -> bool {
    matches!(cache.layer(id.0), Ok(Some(_)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;

//! Copying up: what is to be changed gets into the upper first.

use super::PRIVATE;
use super::lookup::Upper;
use super::node::Tree;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::{Attr, FileType, SetAttr, SetTime};
use crate::vfs::filesystem::{Filesystem, NewNode, RenameFlags, SeekTarget, XattrMode};
use std::sync::Arc;

/// Attribute of a copy: the inode number of the original.
pub(super) const ORIGIN: &[u8] = b"trusted.overlay.origin";
/// Attribute of a directory: the lower ones that are merged into it.
pub(super) const LOWERS: &[u8] = b"trusted.overlay.lowers";
/// Bytes that are copied at once.
const PIECE: usize = 64 * 1024;

impl Tree {
    /// The upper inode of a node, which is made if there is none. Of a file's content the first `size` bytes are copied.
    pub(super) fn copy_up(&mut self, ino: Ino, size: u64) -> Result<Ino> {
        let node = self.node(ino)?;
        if let Some(upper) = node.upper {
            return Ok(upper);
        }
        match node.kind {
            FileType::Directory => self.copy_dirs(ino),
            _ => self.copy_file(ino, size),
        }
    }

    /// Copies a directory, after those that lead to it.
    fn copy_dirs(&mut self, dir: Ino) -> Result<Ino> {
        let mut missing = vec![dir];
        let mut at = self.node(dir)?.parent;
        while self.node(at)?.upper.is_none() {
            missing.push(at);
            at = self.node(at)?.parent;
        }
        let mut above = self.node(at)?.upper.ok_or(Errno::ESTALE)?;
        for ino in missing.into_iter().rev() {
            above = self.copy_dir(ino, above)?;
        }
        Ok(above)
    }

    fn copy_dir(&mut self, ino: Ino, above: Ino) -> Result<Ino> {
        let node = self.node(ino)?;
        if node.dead {
            return Err(Errno::ENOENT.into());
        }
        let name = node.name.clone().ok_or(Errno::ESTALE)?;
        let attr = self.attr(ino)?;
        let times = self.upper.getattr(above)?;
        let work = self.work_name();
        let upper = self.upper.mkdir(above, &work, &like(&attr))?.ino;
        let done = self
            .dress(ino, upper, &attr)
            .and_then(|()| self.list_lowers(upper, &self.node(ino)?.lowers))
            .and_then(|()| self.upper.rename(above, &work, above, &name, RenameFlags::NoReplace));
        if let Err(error) = done {
            let _ = self.upper.rmdir(above, &work);
            return Err(error);
        }
        self.keep_times(above, &times)?;
        self.adopt(ino, upper, false)?;
        Ok(upper)
    }

    fn copy_file(&mut self, ino: Ino, size: u64) -> Result<Ino> {
        let attr = self.attr(ino)?;
        let node = self.node(ino)?;
        let place = match &node.name {
            // Only a name that still shows this very file may be taken by the copy.
            Some(name) => Some((node.parent, name.clone())),
            None => None,
        };
        let place = match place {
            Some((dir, name)) if self.shows(dir, &name, ino)? => Some((self.copy_up(dir, 0)?, name)),
            _ => None,
        };
        match (attr.kind, place) {
            (FileType::Regular, place) => self.copy_regular(ino, &attr, size, place),
            (_, Some((dir, name))) => self.copy_special(ino, &attr, dir, &name),
            (_, None) => Err(Errno::ENOENT.into()),
        }
    }

    /// Whether a name of a lower shows `ino`.
    fn shows(&self, dir: Ino, name: &[u8], ino: Ino) -> Result<bool> {
        let hidden = !matches!(self.upper_entry(dir, name)?, Upper::Nothing);
        let (layers, _) = self.lower_entries(dir, name)?;
        Ok(!hidden && layers.first().is_some_and(|top| self.lower_number(*top) == ino))
    }

    /// Copies content into a file without a name, which then gets the name of the original if that has one.
    fn copy_regular(&mut self, ino: Ino, attr: &Attr, size: u64, place: Option<(Ino, Box<[u8]>)>) -> Result<Ino> {
        let (fs, from) = self.content(ino)?;
        let upper = self.upper.create_unnamed(&like(attr))?.ino;
        let copied = copy_content(&fs, from, &self.upper, upper, attr.size.min(size))
            .and_then(|()| self.dress(ino, upper, attr))
            .and_then(|()| match &place {
                Some((dir, name)) => {
                    let times = self.upper.getattr(*dir)?;
                    self.upper.link(upper, *dir, name)?;
                    self.keep_times(*dir, &times)
                }
                None => Ok(()),
            });
        if let Err(error) = copied {
            self.upper.release(upper);
            return Err(error);
        }
        let named = place.is_some();
        if named && !self.node(ino)?.held() {
            self.upper.release(upper);
            self.adopt(ino, upper, named)?;
        } else {
            self.adopt(ino, upper, named)?;
            self.node_mut(ino)?.pinned = true;
        }
        Ok(upper)
    }

    fn copy_special(&mut self, ino: Ino, attr: &Attr, dir: Ino, name: &[u8]) -> Result<Ino> {
        let times = self.upper.getattr(dir)?;
        let work = self.work_name();
        let upper = match attr.kind {
            FileType::Symlink => {
                let (fs, from) = self.content(ino)?;
                self.upper.symlink(dir, &work, &fs.readlink(from)?, &like(attr))?.ino
            }
            _ => self.upper.create(dir, &work, &like(attr))?.ino,
        };
        let done = self
            .dress(ino, upper, attr)
            .and_then(|()| self.upper.rename(dir, &work, dir, name, RenameFlags::NoReplace));
        if let Err(error) = done {
            let _ = self.upper.unlink(dir, &work);
            return Err(error);
        }
        self.keep_times(dir, &times)?;
        self.adopt(ino, upper, true)?;
        Ok(upper)
    }

    /// Notes the copy. `named`: it took one of the names.
    fn adopt(&mut self, ino: Ino, upper: Ino, named: bool) -> Result<()> {
        let fs = Arc::clone(&self.upper);
        let node = self.node_mut(ino)?;
        node.upper = Some(upper);
        node.lower_names = node.lower_names.saturating_sub(u32::from(named));
        if node.held() && !node.pinned && node.kind != FileType::Regular {
            fs.retain(upper)?;
            node.pinned = true;
        }
        Ok(())
    }

    /// Gives a copy the attributes and times of the original, and its number.
    fn dress(&self, ino: Ino, upper: Ino, attr: &Attr) -> Result<()> {
        let (fs, from) = self.content(ino)?;
        for name in fs.listxattr(from)?.iter().filter(|name| !name.starts_with(PRIVATE)) {
            let value = fs.getxattr(from, name)?;
            self.upper.setxattr(upper, name, &value, XattrMode::Any)?;
        }
        self.upper
            .setxattr(upper, ORIGIN, ino.0.to_string().as_bytes(), XattrMode::Any)?;
        self.keep_times(upper, attr)
    }

    /// Sets back the times that preparing something has changed.
    pub(super) fn keep_times(&self, upper: Ino, attr: &Attr) -> Result<()> {
        let set = SetAttr {
            atime: SetTime::At(attr.atime),
            mtime: SetTime::At(attr.mtime),
            ..SetAttr::default()
        };
        self.upper.setattr(upper, &set).map(drop)
    }
}

fn like(attr: &Attr) -> NewNode {
    NewNode {
        kind: attr.kind,
        mode: attr.mode,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.rdev,
    }
}

/// Copies `size` bytes, and leaves holes out.
fn copy_content(
    from: &Arc<dyn Filesystem>,
    source: Ino,
    to: &Arc<dyn Filesystem>,
    target: Ino,
    size: u64,
) -> Result<()> {
    let mut buf = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        at = match from.seek(source, at, SeekTarget::Data) {
            Ok(data) => data,
            Err(error) if error == Errno::ENXIO => break,
            Err(error) => return Err(error),
        };
        let left = usize::try_from(size.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
        let count = from.read(source, at, buf.get_mut(..left).unwrap_or_default())?;
        if count == 0 {
            break;
        }
        let mut piece = buf.get(..count).unwrap_or_default();
        while !piece.is_empty() {
            let written = to.write(target, at, piece)?;
            if written == 0 {
                return Err(Errno::EIO.into());
            }
            at += written as u64;
            piece = piece.get(written..).unwrap_or_default();
        }
    }
    let set = SetAttr {
        size: Some(size),
        ..SetAttr::default()
    };
    to.setattr(target, &set).map(drop)
}

//! Copying up: what is to be changed gets into the upper first.

use super::PRIVATE;
use super::lookup::{Upper, WORK};
use super::node::{Node, Tree};
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
        self.adopt(ino, upper)?;
        Ok(upper)
    }

    /// Copies a file into the index, from where it gets the name of the original. It stays in the index while lowers show
    /// it under further names.
    fn copy_file(&mut self, ino: Ino, size: u64) -> Result<Ino> {
        let attr = self.attr(ino)?;
        if attr.nlink == 0 {
            return self.copy_deleted(ino, &attr, size);
        }
        let node = self.node(ino)?;
        let place = match node.name.clone().map(|name| (node.parent, name)) {
            // Only a name that still shows this very file may be taken by the copy.
            Some((dir, name)) if self.shows(dir, &name, ino) => Some((self.copy_up(dir, 0)?, name)),
            _ => None,
        };
        let (root, index) = (self.upper.root(), index_name(ino));
        let times = self.upper.getattr(root)?;
        let upper = self.create_like(ino, &attr, root, &index)?;
        let done = self
            .fill(ino, upper, &attr, size)
            .and_then(|()| self.dress(ino, upper, &attr))
            .and_then(|()| self.give_name(upper, place.as_ref()));
        if let Err(error) = done {
            let _ = self.upper.unlink(root, &index);
            return Err(error);
        }
        self.adopt(ino, upper)?;
        self.node_mut(ino)?.indexed = true;
        if place.is_some() {
            self.lower_name_gone(ino)?;
        }
        self.keep_times(root, &times)?;
        Ok(upper)
    }

    /// Copies a file that only holders keep.
    fn copy_deleted(&mut self, ino: Ino, attr: &Attr, size: u64) -> Result<Ino> {
        if attr.kind != FileType::Regular {
            return Err(Errno::ENOENT.into());
        }
        let upper = self.upper.create_unnamed(&like(attr))?.ino;
        if let Err(error) = self
            .fill(ino, upper, attr, size)
            .and_then(|()| self.dress(ino, upper, attr))
        {
            self.upper.release(upper);
            return Err(error);
        }
        let node = self.node_mut(ino)?;
        node.upper = Some(upper);
        node.pinned = true;
        Ok(upper)
    }

    /// Whether a name of a lower shows `ino`.
    fn shows(&self, dir: Ino, name: &[u8], ino: Ino) -> bool {
        let hidden = !matches!(self.upper_entry(dir, name), Ok(Upper::Nothing));
        let top = self
            .lower_entries(dir, name)
            .ok()
            .and_then(|(layers, _)| layers.first().copied());
        !hidden && top.is_some_and(|top| self.lower_number(top) == ino)
    }

    fn create_like(&self, ino: Ino, attr: &Attr, dir: Ino, name: &[u8]) -> Result<Ino> {
        let made = match attr.kind {
            FileType::Symlink => {
                let (fs, from) = self.content(ino)?;
                self.upper.symlink(dir, name, &fs.readlink(from)?, &like(attr))
            }
            _ => self.upper.create(dir, name, &like(attr)),
        };
        Ok(made?.ino)
    }

    fn fill(&self, ino: Ino, upper: Ino, attr: &Attr, size: u64) -> Result<()> {
        if attr.kind != FileType::Regular {
            return Ok(());
        }
        let (fs, from) = self.content(ino)?;
        copy_content(&fs, from, &self.upper, upper, attr.size.min(size))
    }

    fn give_name(&self, upper: Ino, place: Option<&(Ino, Box<[u8]>)>) -> Result<()> {
        let Some((dir, name)) = place else {
            return Ok(());
        };
        let times = self.upper.getattr(*dir)?;
        self.upper.link(upper, *dir, name)?;
        self.keep_times(*dir, &times)
    }

    /// A lower shows the file under one name less: that name was removed, or the copy has it now.
    pub(super) fn lower_name_gone(&mut self, ino: Ino) -> Result<()> {
        let node = self.node_mut(ino)?;
        node.lower_names = node.lower_names.saturating_sub(1);
        if node.lower_names == 0 && core::mem::take(&mut node.indexed) {
            self.upper.unlink(self.upper.root(), &index_name(ino))?;
        }
        Ok(())
    }

    /// Finds a copy that an earlier overlay over the same upper has left in the index.
    pub(super) fn find_indexed(&self, number: Ino, node: &mut Node) {
        let Ok(copy) = self.upper.lookup(self.upper.root(), &index_name(number)) else {
            return;
        };
        let names = self.origin_links(number);
        node.upper = Some(copy.ino);
        node.indexed = true;
        // One of the copy's links is the index; the others have most likely replaced names of the lower.
        node.lower_names = names.saturating_sub(copy.nlink.saturating_sub(1)).max(1);
    }

    /// Notes the copy.
    fn adopt(&mut self, ino: Ino, upper: Ino) -> Result<()> {
        let fs = Arc::clone(&self.upper);
        let node = self.node_mut(ino)?;
        node.upper = Some(upper);
        if node.held() && !node.pinned {
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

/// Name of a copy in the index, which is the root of the upper.
fn index_name(ino: Ino) -> Vec<u8> {
    [WORK, b"index.", ino.0.to_string().as_bytes()].concat()
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

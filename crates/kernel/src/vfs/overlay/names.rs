//! Making and removing names.

use super::lookup::{Upper, WORK, is_whiteout};
use super::node::{Layers, Node, Tree};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::attr::{Attr, FileType, Mode};
use crate::vfs::filesystem::{Filesystem, NewNode, RenameFlags};
use core::ops::ControlFlow;

/// Makes something in a directory of the upper.
type Maker<'a> = dyn Fn(&dyn Filesystem, Ino, &[u8]) -> Result<Attr> + 'a;

impl Tree {
    /// Makes a new file or directory.
    pub(super) fn make(&mut self, dir: Ino, name: &[u8], maker: &Maker<'_>) -> Result<Attr> {
        let above = self.prepare(dir, name)?;
        let over_whiteout = matches!(self.upper_entry(dir, name)?, Upper::Whiteout);
        let made = if over_whiteout {
            let work = self.work_name();
            let made = maker(&*self.upper, above, &work)?;
            self.reveal(above, &work, name, &made)?;
            made
        } else {
            maker(&*self.upper, above, name)?
        };
        let number = self.upper_number(made.ino);
        let node = Node::new(made.kind, Some(made.ino), Layers::new(), dir, name);
        self.see(number, node);
        self.attr(number)
    }

    pub(super) fn link(&mut self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        if self.node(ino)?.kind == FileType::Directory {
            return Err(Errno::EPERM.into());
        }
        if self.attr(ino)?.nlink == 0 && !self.node(ino)?.unnamed {
            return Err(Errno::ENOENT.into());
        }
        let above = self.prepare(dir, name)?;
        let upper = self.copy_up(ino, u64::MAX)?;
        if matches!(self.upper_entry(dir, name)?, Upper::Whiteout) {
            let work = self.work_name();
            let made = self.upper.link(upper, above, &work)?;
            self.reveal(above, &work, name, &made)?;
        } else {
            self.upper.link(upper, above, name)?;
        }
        let node = self.node_mut(ino)?;
        node.unnamed = false;
        if node.name.is_none() {
            node.parent = dir;
            node.name = Some(name.into());
        }
        self.attr(ino)
    }

    /// The upper directory in which a name is to be made that does not exist yet.
    fn prepare(&mut self, dir: Ino, name: &[u8]) -> Result<Ino> {
        if self.find_optional(dir, name)?.is_some() {
            return Err(Errno::EEXIST.into());
        }
        if self.dir(dir)?.dead {
            return Err(Errno::ENOENT.into());
        }
        if super::lookup::is_work_name(name) {
            return Err(Errno::EPERM.into());
        }
        self.copy_up(dir, 0)
    }

    /// Puts what was made under a work name in the place of a whiteout.
    fn reveal(&mut self, above: Ino, work: &[u8], name: &[u8], made: &Attr) -> Result<()> {
        if made.kind != FileType::Directory {
            return self.upper.rename(above, work, above, name, RenameFlags::Replace);
        }
        if let Err(error) = self.list_lowers(made.ino, &[]) {
            let _ = self.upper.rmdir(above, work);
            return Err(error);
        }
        self.upper.rename(above, work, above, name, RenameFlags::Exchange)?;
        self.upper.unlink(above, work)
    }

    pub(super) fn unlink(&mut self, dir: Ino, name: &[u8]) -> Result<()> {
        let ino = self.find(dir, name)?;
        if self.node(ino)?.kind == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        let above = self.copy_up(dir, 0)?;
        let in_upper = matches!(self.upper_entry(dir, name)?, Upper::File(_));
        if self.in_lowers(dir, name)? {
            let work = self.whiteout(above)?;
            self.upper.rename(above, &work, above, name, RenameFlags::Replace)?;
        } else {
            self.upper.unlink(above, name)?;
        }
        self.lost_name(ino, dir, name, in_upper)
    }

    pub(super) fn rmdir(&mut self, dir: Ino, name: &[u8]) -> Result<()> {
        let ino = self.find(dir, name)?;
        if !self.is_empty(ino)? {
            return Err(Errno::ENOTEMPTY.into());
        }
        let above = self.copy_up(dir, 0)?;
        let whiteout = match self.in_lowers(dir, name)? {
            true => Some(self.whiteout(above)?),
            false => None,
        };
        if let Some(upper) = self.node(ino)?.upper {
            self.clear(upper)?;
            self.upper.rmdir(above, name)?;
        }
        if let Some(work) = whiteout {
            self.upper.rename(above, &work, above, name, RenameFlags::Replace)?;
        }
        self.bury(ino)
    }

    /// Notes that a directory is gone.
    pub(super) fn bury(&mut self, ino: Ino) -> Result<()> {
        let node = self.node_mut(ino)?;
        node.dead = true;
        node.name = None;
        self.settle(ino);
        Ok(())
    }

    /// Notes that a file has one name less. `in_upper`: the upper had it.
    pub(super) fn lost_name(&mut self, ino: Ino, dir: Ino, name: &[u8], in_upper: bool) -> Result<()> {
        if !in_upper {
            self.lower_name_gone(ino)?;
        }
        let node = self.node_mut(ino)?;
        if node.is(dir, name) {
            node.name = None;
        }
        self.settle(ino);
        Ok(())
    }

    /// Makes a whiteout under a work name, and returns that.
    pub(super) fn whiteout(&mut self, above: Ino) -> Result<Vec<u8>> {
        let node = NewNode {
            kind: FileType::CharDevice,
            mode: Mode::new(0),
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
        };
        let work = self.work_name();
        self.upper.create(above, &work, &node)?;
        Ok(work)
    }

    /// Removes the whiteouts of an otherwise empty upper directory.
    pub(super) fn clear(&self, upper: Ino) -> Result<()> {
        let mut names = Vec::new();
        self.upper.readdir(upper, 0, &mut |entry| {
            names.push(entry.name.to_vec());
            ControlFlow::Continue(())
        })?;
        for name in names {
            let attr = self.upper.lookup(upper, &name)?;
            if !is_whiteout(&attr) {
                return Err(Errno::ENOTEMPTY.into());
            }
            self.upper.unlink(upper, &name)?;
        }
        Ok(())
    }

    pub(super) fn work_name(&mut self) -> Vec<u8> {
        self.serial += 1;
        [WORK, self.serial.to_string().as_bytes()].concat()
    }
}

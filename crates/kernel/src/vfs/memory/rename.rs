//! `rename(2)` within a memory filesystem.

use super::dir::{Entry, Name, name_charge};
use super::state::{Gone, State};
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::FileType;
use crate::vfs::filesystem::RenameFlags;

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) dir: Ino,
    pub(super) name: &'a [u8],
}

impl State {
    pub(super) fn rename(
        &mut self,
        from: Place<'_>,
        to: Place<'_>,
        flags: RenameFlags,
        now: Timestamp,
    ) -> Result<Gone> {
        let source = self.entry(from.dir, from.name)?.clone();
        let to_dir = self.inode(to.dir)?;
        let target = to_dir.dir()?.get(to.name).cloned();
        if to_dir.nlink == 0 {
            return Err(Errno::ENOENT.into());
        }
        match (flags, &target) {
            (RenameFlags::NoReplace, Some(_)) => return Err(Errno::EEXIST.into()),
            (RenameFlags::Exchange, None) => return Err(Errno::ENOENT.into()),
            _ => {}
        }
        if target.as_ref().is_some_and(|target| target.ino == source.ino) {
            return Ok(None);
        }
        if source.kind == FileType::Directory && self.is_within(to.dir, source.ino)? {
            return Err(Errno::EINVAL.into());
        }
        let gone = match target {
            Some(target) if flags == RenameFlags::Exchange => {
                self.exchange(from, &source, to, &target)?;
                self.inode_mut(target.ino)?.ctime = now;
                None
            }
            Some(target) => {
                self.check_replaced(&source, &target)?;
                self.replace(from, &source, to, &target, now)?
            }
            None => {
                self.move_entry(from, &source, to)?;
                None
            }
        };
        self.inode_mut(source.ino)?.ctime = now;
        self.inode_mut(from.dir)?.modified(now);
        self.inode_mut(to.dir)?.modified(now);
        Ok(gone)
    }

    fn check_replaced(&self, source: &Entry, target: &Entry) -> Result<()> {
        match (source.kind == FileType::Directory, target.kind == FileType::Directory) {
            (true, false) => Err(Errno::ENOTDIR.into()),
            (false, true) => Err(Errno::EISDIR.into()),
            (true, true) if !self.inode(target.ino)?.dir()?.is_empty() => Err(Errno::ENOTEMPTY.into()),
            _ => Ok(()),
        }
    }

    fn exchange(&mut self, from: Place<'_>, source: &Entry, to: Place<'_>, target: &Entry) -> Result<()> {
        if target.kind == FileType::Directory && self.is_within(from.dir, target.ino)? {
            return Err(Errno::EINVAL.into());
        }
        self.dir_mut(from.dir)?.replace(from.name, target.ino, target.kind);
        self.dir_mut(to.dir)?.replace(to.name, source.ino, source.kind);
        self.renamed(source.ino, (from.dir, &source.name), (to.dir, &target.name))?;
        self.renamed(target.ino, (to.dir, &target.name), (from.dir, &source.name))
    }

    fn replace(
        &mut self,
        from: Place<'_>,
        source: &Entry,
        to: Place<'_>,
        target: &Entry,
        now: Timestamp,
    ) -> Result<Gone> {
        self.dir_mut(from.dir)?.remove(from.name);
        self.ledger.give(u64::from(source.charge));
        self.dir_mut(to.dir)?.replace(to.name, source.ino, source.kind);
        self.renamed(source.ino, (from.dir, &source.name), (to.dir, &target.name))?;
        self.lose_name(to.dir, target, now)
    }

    fn move_entry(&mut self, from: Place<'_>, source: &Entry, to: Place<'_>) -> Result<()> {
        let had = u64::from(source.charge);
        let wanted = name_charge(to.name);
        let charge = had + self.ledger.take(wanted.saturating_sub(had), "rename")?;
        self.ledger.give(charge.saturating_sub(wanted));
        self.dir_mut(from.dir)?.remove(from.name);
        let entry = Entry {
            name: Name::from(to.name),
            // At most 128 + 255.
            charge: charge.min(wanted) as u16,
            ..source.clone()
        };
        self.renamed(source.ino, (from.dir, &source.name), (to.dir, &entry.name))?;
        self.dir_mut(to.dir)?.insert(entry);
        Ok(())
    }

    /// Notes a new name, and a new parent, in the inode.
    fn renamed(&mut self, ino: Ino, old: (Ino, &Name), new: (Ino, &Name)) -> Result<()> {
        let inode = self.inode_mut(ino)?;
        inode.names.remove(old.0, old.1);
        inode.names.add(new.0, new.1);
        if inode.kind() == FileType::Directory {
            self.dir_mut(ino)?.parent = new.0;
        }
        Ok(())
    }
}

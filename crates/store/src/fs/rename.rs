//! `rename(2)`.

use agentos_kernel::Errno;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::error::Result;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{FileType, RenameFlags};

use super::entries::{Entry, Name};
use super::ledger::name_charge;
use super::names::Place;
use super::state::State;

/// A name in a directory.
type Path<'a> = (Ino, &'a [u8]);

/// What is found at a name: where it stands, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    place: Place,
    ino: Ino,
    kind: FileType,
}

impl State {
    pub(super) fn rename(&mut self, from: Path<'_>, to: Path<'_>, flags: RenameFlags, now: Timestamp) -> Result<()> {
        self.load_entries(from.0)?;
        let source = self.found(from).ok_or(Errno::ENOENT)?;
        self.load_entries(to.0)?;
        let target = self.found(to);
        if self.row(to.0)?.nlink == 0 {
            return Err(Errno::ENOENT.into());
        }
        match (flags, target) {
            (RenameFlags::NoReplace, Some(_)) => return Err(Errno::EEXIST.into()),
            (RenameFlags::Exchange, None) => return Err(Errno::ENOENT.into()),
            _ => {}
        }
        if target.is_some_and(|target| target.ino == source.ino) {
            return Ok(());
        }
        if source.kind == FileType::Directory && self.is_within(to.0, source.ino)? {
            return Err(Errno::EINVAL.into());
        }
        self.load_child(from.0, from.1)?;
        self.load_names(source.ino)?;
        if let Some(target) = target {
            self.load_child(to.0, to.1)?;
            self.load_names(target.ino)?;
        }
        match target {
            Some(target) if flags == RenameFlags::Exchange => self.exchange(source, target, now)?,
            Some(target) => self.replace(from, source, target, now)?,
            None => self.move_entry(from, source, to)?,
        }
        self.edit(source.ino)?.row.ctime = now;
        self.modified(from.0, now)?;
        self.modified(to.0, now)
    }

    fn found(&self, (dir, name): Path<'_>) -> Option<Found> {
        let (position, entry) = self.entry(dir, name).ok()?;
        Some(Found {
            place: (dir, position),
            ino: entry.ino,
            kind: entry.kind,
        })
    }

    fn exchange(&mut self, source: Found, target: Found, now: Timestamp) -> Result<()> {
        if target.kind == FileType::Directory && self.is_within(source.place.0, target.ino)? {
            return Err(Errno::EINVAL.into());
        }
        self.replace_entry(source.place, (target.ino, target.kind))?;
        self.replace_entry(target.place, (source.ino, source.kind))?;
        self.renamed(source.ino, source.place, target.place)?;
        self.renamed(target.ino, target.place, source.place)?;
        self.edit(target.ino)?.row.ctime = now;
        Ok(())
    }

    fn replace(&mut self, from: Path<'_>, source: Found, target: Found, now: Timestamp) -> Result<()> {
        match (source.kind == FileType::Directory, target.kind == FileType::Directory) {
            (true, false) => return Err(Errno::ENOTDIR.into()),
            (false, true) => return Err(Errno::EISDIR.into()),
            (true, true) => {
                self.load_entries(target.ino)?;
                if !self.entries(target.ino)?.is_empty() {
                    return Err(Errno::ENOTEMPTY.into());
                }
            }
            (false, false) => {}
        }
        self.remove_entry(from.0, from.1)?;
        self.ledger.give(name_charge(from.1));
        self.replace_entry(target.place, (source.ino, source.kind))?;
        self.renamed(source.ino, source.place, target.place)?;
        self.lose_name(target.ino, target.place, now)
    }

    fn move_entry(&mut self, from: Path<'_>, source: Found, to: Path<'_>) -> Result<()> {
        let (had, wanted) = (name_charge(from.1), name_charge(to.1));
        self.ledger.take(wanted.saturating_sub(had), "rename")?;
        let (_, entry) = self.remove_entry(from.0, from.1)?;
        self.ledger.give(had.saturating_sub(wanted));
        let name = Name::from(to.1);
        let place = self.insert_entry(to.0, Entry { name, ..entry })?;
        self.renamed(source.ino, source.place, place)
    }

    /// Notes a new name, and a new parent, in the inode.
    fn renamed(&mut self, ino: Ino, old: Place, new: Place) -> Result<()> {
        let node = self.edit(ino)?;
        node.names.remove(old);
        node.names.add(new);
        if node.row.kind == FileType::Directory {
            node.row.parent = new.0;
        }
        Ok(())
    }
}

//! `rename(2)` across layers.

use super::lookup::Upper;
use super::node::Tree;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::FileType;
use crate::vfs::filesystem::RenameFlags;

/// A name in a directory.
type Place<'a> = (Ino, &'a [u8]);

impl Tree {
    pub(super) fn rename(&mut self, from: Place<'_>, to: Place<'_>, flags: RenameFlags) -> Result<()> {
        let source = self.find(from.0, from.1)?;
        let target = self.find_optional(to.0, to.1)?;
        self.check(from, to, source, target, flags)?;
        if target == Some(source) {
            return Ok(());
        }
        self.raise(from, source)?;
        match target {
            Some(target) if flags == RenameFlags::Exchange => self.exchange(from, to, source, target),
            _ => self.replace(from, to, source, target),
        }
    }

    fn check(
        &self,
        from: Place<'_>,
        to: Place<'_>,
        source: Ino,
        target: Option<Ino>,
        flags: RenameFlags,
    ) -> Result<()> {
        match (flags, target) {
            (RenameFlags::NoReplace, Some(_)) => return Err(Errno::EEXIST.into()),
            (RenameFlags::Exchange, None) => return Err(Errno::ENOENT.into()),
            _ => {}
        }
        if self.dir(to.0)?.dead {
            return Err(Errno::ENOENT.into());
        }
        if super::lookup::is_work_name(to.1) {
            return Err(Errno::EPERM.into());
        }
        let source_is_dir = self.node(source)?.kind == FileType::Directory;
        if source_is_dir && self.is_within(to.0, source)? {
            return Err(Errno::EINVAL.into());
        }
        let Some(target) = target.filter(|target| *target != source) else {
            return Ok(());
        };
        let target_is_dir = self.node(target)?.kind == FileType::Directory;
        if flags == RenameFlags::Exchange {
            return match target_is_dir && self.is_within(from.0, target)? {
                true => Err(Errno::EINVAL.into()),
                false => Ok(()),
            };
        }
        match (source_is_dir, target_is_dir) {
            (true, false) => Err(Errno::ENOTDIR.into()),
            (false, true) => Err(Errno::EISDIR.into()),
            (true, true) if !self.is_empty(target)? => Err(Errno::ENOTEMPTY.into()),
            _ => Ok(()),
        }
    }

    fn replace(&mut self, from: Place<'_>, to: Place<'_>, source: Ino, target: Option<Ino>) -> Result<()> {
        let (from_dir, to_dir) = (self.copy_up(from.0, 0)?, self.copy_up(to.0, 0)?);
        self.fix_lowers(source, to)?;
        let whiteout = match self.in_lowers(from.0, from.1)? {
            true => Some(self.whiteout(from_dir)?),
            false => None,
        };
        let there = self.upper_entry(to.0, to.1)?;
        let source_is_dir = self.node(source)?.kind == FileType::Directory;
        let moved = match there {
            // A directory does not replace what is none, so it trades places with the whiteout.
            Upper::Whiteout if source_is_dir => {
                self.upper.rename(from_dir, from.1, to_dir, to.1, RenameFlags::Exchange)
            }
            Upper::File(attr) if source_is_dir => self
                .clear(attr.ino)
                .and_then(|()| self.upper.rename(from_dir, from.1, to_dir, to.1, RenameFlags::Replace)),
            _ => self.upper.rename(from_dir, from.1, to_dir, to.1, RenameFlags::Replace),
        };
        if let Err(error) = moved {
            if let Some(work) = whiteout {
                let _ = self.upper.unlink(from_dir, &work);
            }
            return Err(error);
        }
        let traded = source_is_dir && matches!(there, Upper::Whiteout);
        match whiteout {
            Some(work) => self
                .upper
                .rename(from_dir, &work, from_dir, from.1, RenameFlags::Replace)?,
            None if traded => self.upper.unlink(from_dir, from.1)?,
            None => {}
        }
        self.placed(source, to)?;
        match target {
            Some(target) if source_is_dir => self.bury(target),
            Some(target) => self.lost_name(target, to.0, to.1, matches!(there, Upper::File(_))),
            None => Ok(()),
        }
    }

    fn exchange(&mut self, from: Place<'_>, to: Place<'_>, source: Ino, target: Ino) -> Result<()> {
        self.raise(to, target)?;
        let (from_dir, to_dir) = (self.copy_up(from.0, 0)?, self.copy_up(to.0, 0)?);
        self.fix_lowers(source, to)?;
        self.fix_lowers(target, from)?;
        self.upper
            .rename(from_dir, from.1, to_dir, to.1, RenameFlags::Exchange)?;
        self.placed(source, to)?;
        self.placed(target, from)
    }

    /// Sees to it that the upper has this name of `ino`.
    fn raise(&mut self, place: Place<'_>, ino: Ino) -> Result<()> {
        let upper = self.copy_up(ino, u64::MAX)?;
        if !matches!(self.upper_entry(place.0, place.1)?, Upper::Nothing) {
            return Ok(());
        }
        // Another name of the file was copied, or none.
        let above = self.copy_up(place.0, 0)?;
        self.upper.link(upper, above, place.1)?;
        self.lower_name_gone(ino)
    }

    /// A directory that moves takes its merged ones along, and must not be merged with what a lower has at the new place.
    fn fix_lowers(&mut self, ino: Ino, to: Place<'_>) -> Result<()> {
        let node = self.node(ino)?;
        let (FileType::Directory, Some(upper)) = (node.kind, node.upper) else {
            return Ok(());
        };
        if node.lowers.is_empty() && !self.in_lowers(to.0, to.1)? {
            return Ok(());
        }
        self.list_lowers(upper, &node.lowers)
    }

    fn placed(&mut self, ino: Ino, to: Place<'_>) -> Result<()> {
        let node = self.node_mut(ino)?;
        node.parent = to.0;
        node.name = Some(to.1.into());
        Ok(())
    }

    /// Whether directory `dir` is `ancestor` or lies below it.
    fn is_within(&self, dir: Ino, ancestor: Ino) -> Result<bool> {
        let mut at = dir;
        loop {
            if at == ancestor {
                return Ok(true);
            }
            if at == self.root() {
                return Ok(false);
            }
            at = self.node(at)?.parent;
        }
    }
}

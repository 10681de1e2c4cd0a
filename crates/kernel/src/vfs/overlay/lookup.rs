//! Finding a name through the layers.

use super::node::{Layer, Layers, Node, Tree};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::{Attr, FileType};

/// What the upper has under a name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Upper {
    Nothing,
    Whiteout,
    File(Attr),
}

impl Tree {
    /// Looks a name up and notes what it is.
    pub(super) fn find(&mut self, dir: Ino, name: &[u8]) -> Result<Ino> {
        match self.upper_entry(dir, name)? {
            Upper::Whiteout => Err(Errno::ENOENT.into()),
            Upper::File(attr) => self.see_upper(dir, name, &attr),
            Upper::Nothing => self.see_lower(dir, name),
        }
    }

    /// Like [`find`](Self::find); `None` if there is no such name.
    pub(super) fn find_optional(&mut self, dir: Ino, name: &[u8]) -> Result<Option<Ino>> {
        match self.find(dir, name) {
            Ok(ino) => Ok(Some(ino)),
            Err(error) if error == Errno::ENOENT => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn upper_entry(&self, dir: Ino, name: &[u8]) -> Result<Upper> {
        let node = self.dir(dir)?;
        if node.dead || is_work_name(name) {
            return Ok(Upper::Whiteout);
        }
        let Some(upper) = node.upper else {
            return Ok(Upper::Nothing);
        };
        match self.upper.lookup(upper, name) {
            Ok(attr) if is_whiteout(&attr) => Ok(Upper::Whiteout),
            Ok(attr) => Ok(Upper::File(attr)),
            Err(error) if error == Errno::ENOENT => Ok(Upper::Nothing),
            Err(error) => Err(error),
        }
    }

    /// What the lowers of a directory have under a name, hidden or not: one file, or all directories that are merged.
    pub(super) fn lower_entries(&self, dir: Ino, name: &[u8]) -> Result<(Layers, Option<Attr>)> {
        let mut found = Layers::new();
        let mut first: Option<Attr> = None;
        for layer in &self.dir(dir)?.lowers {
            let attr = match self.lower(*layer)?.lookup(layer.ino, name) {
                Ok(attr) => attr,
                Err(error) if error == Errno::ENOENT => continue,
                Err(error) => return Err(error),
            };
            if is_whiteout(&attr) {
                break;
            }
            let is_dir = attr.kind == FileType::Directory;
            if first.is_some() && !is_dir {
                break;
            }
            found.push(Layer {
                index: layer.index,
                ino: attr.ino,
            });
            first.get_or_insert(attr);
            if !is_dir {
                break;
            }
        }
        Ok((found, first))
    }

    /// Whether a lower shows, or would show, this name.
    pub(super) fn in_lowers(&self, dir: Ino, name: &[u8]) -> Result<bool> {
        Ok(self.lower_entries(dir, name)?.1.is_some())
    }

    fn see_upper(&mut self, dir: Ino, name: &[u8], attr: &Attr) -> Result<Ino> {
        let number = self.number_of(attr.ino);
        if self.node(number).is_ok() {
            let seen = Node::new(attr.kind, Some(attr.ino), Layers::new(), dir, name);
            return Ok(self.see(number, seen));
        }
        let lowers = match attr.kind {
            FileType::Directory => match self.listed_lowers(attr.ino) {
                Some(lowers) => lowers,
                None => self.merged(dir, name)?,
            },
            _ => Layers::new(),
        };
        let mut seen = Node::new(attr.kind, Some(attr.ino), lowers, dir, name);
        if attr.kind != FileType::Directory && attr.nlink > 1 {
            self.find_indexed(number, &mut seen);
        }
        Ok(self.see(number, seen))
    }

    fn see_lower(&mut self, dir: Ino, name: &[u8]) -> Result<Ino> {
        let (layers, attr) = self.lower_entries(dir, name)?;
        let (Some(attr), Some(top)) = (attr, layers.first()) else {
            return Err(Errno::ENOENT.into());
        };
        let number = self.lower_number(*top);
        let mut seen = Node::new(attr.kind, None, layers, dir, name);
        if attr.kind != FileType::Directory {
            seen.lower_names = attr.nlink;
            if attr.nlink > 1 && self.node(number).is_err() {
                self.find_indexed(number, &mut seen);
            }
        }
        Ok(self.see(number, seen))
    }

    /// The lower directories under a name, for an upper directory that does not list them.
    fn merged(&self, dir: Ino, name: &[u8]) -> Result<Layers> {
        let (layers, attr) = self.lower_entries(dir, name)?;
        Ok(match attr {
            Some(attr) if attr.kind == FileType::Directory => layers,
            _ => Layers::new(),
        })
    }
}

pub(super) fn is_whiteout(attr: &Attr) -> bool {
    attr.kind == FileType::CharDevice && attr.rdev == 0
}

/// Start of the names under which things are prepared.
pub(super) const WORK: &[u8] = b".overlay-work.";

pub(super) fn is_work_name(name: &[u8]) -> bool {
    name.starts_with(WORK)
}

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

/// Which layer has said what a name refers to.
#[derive(Debug, Clone, Copy)]
enum Source {
    Upper(Attr),
    Lower(Layer, Attr),
}

impl Tree {
    /// Looks a name up and notes what it is.
    pub(super) fn find(&mut self, dir: Ino, name: &[u8]) -> Result<Ino> {
        self.find_in(dir, name).map(|(ino, _)| ino)
    }

    /// Looks a name up, notes what it is, and says so.
    ///
    /// The layer that was asked for the name has told the attributes with it. It is not asked for them again, which for a directory
    /// of the host would be one system call more for each component of each path, unless the content lies elsewhere: a lower's file
    /// that was copied up by another name.
    pub(super) fn look(&mut self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let (ino, source) = self.find_in(dir, name)?;
        let node = self.node(ino)?;
        match source {
            Source::Upper(attr) if node.upper == Some(attr.ino) => self.dressed(ino, &attr),
            Source::Lower(layer, attr) if node.upper.is_none() && node.lowers.first() == Some(&layer) => {
                self.dressed(ino, &attr)
            }
            _ => self.attr(ino),
        }
    }

    fn find_in(&mut self, dir: Ino, name: &[u8]) -> Result<(Ino, Source)> {
        match self.upper_entry(dir, name)? {
            Upper::Whiteout => Err(Errno::ENOENT.into()),
            Upper::File(attr) => Ok((self.see_upper(dir, name, &attr)?, Source::Upper(attr))),
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
        if self.see_again(number, Some(attr.ino), dir, name) {
            return Ok(number);
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

    fn see_lower(&mut self, dir: Ino, name: &[u8]) -> Result<(Ino, Source)> {
        let (layers, attr) = self.lower_entries(dir, name)?;
        let (Some(attr), Some(top)) = (attr, layers.first().copied()) else {
            return Err(Errno::ENOENT.into());
        };
        let (number, source) = (self.lower_number(top), Source::Lower(top, attr));
        if self.see_again(number, None, dir, name) {
            return Ok((number, source));
        }
        let mut seen = Node::new(attr.kind, None, layers, dir, name);
        if attr.kind != FileType::Directory {
            seen.lower_names = attr.nlink;
            if attr.nlink > 1 {
                self.find_indexed(number, &mut seen);
            }
        }
        Ok((self.see(number, seen), source))
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

//! Trees of unpacked layers as a filesystem.
//!
//! Everything but content is in memory and never changes, so that looking something up takes no lock and no call of the host,
//! and one tree serves all VMs. Content is read from the files of the cache, which stay open for a while.

use crate::cache::Files;
use crate::recent::Recent;
use crate::refuse::{read_only, refuse_changes};
use crate::tree::{Entry, Frozen, Inode, Tree};
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{
    Attr, DirEntry, Features, FileType, Filesystem, Mode, NewNode, RenameFlags, SetAttr, StatFs, XattrMode,
};
use agentos_kernel::{Errno, Result};
use core::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Files that are kept open.
const FILES_KEPT: usize = 64;

/// A tree with the content of its layers. See the head of the module.
pub(crate) struct TreeFs {
    tree: Tree,
    layers: Vec<Arc<Files>>,
    files: Recent<OwnedFd>,
}

impl TreeFs {
    pub(crate) fn new(tree: Tree, layers: Vec<Arc<Files>>) -> Arc<Self> {
        Arc::new(Self {
            tree,
            layers,
            files: Recent::new(FILES_KEPT),
        })
    }

    fn inode(&self, ino: Ino) -> Result<&Inode> {
        let index = ino.0.checked_sub(1).and_then(|index| u32::try_from(index).ok());
        index
            .and_then(|index| self.tree.get(index))
            .ok_or_else(|| Errno::ESTALE.into())
    }

    fn entries(&self, dir: Ino) -> Result<&[Entry]> {
        match &self.inode(dir)?.body {
            Frozen::Directory(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    fn open(&self, ino: Ino) -> Result<OwnedFd> {
        match &self.inode(ino)?.body {
            Frozen::File { size, content } => {
                let layer = usize::try_from(content.layer)
                    .ok()
                    .and_then(|layer| self.layers.get(layer));
                Ok(layer.ok_or(Errno::EIO)?.open(content.number, *size)?)
            }
            Frozen::Directory(_) => Err(Errno::EISDIR.into()),
            Frozen::Symlink(_) => Err(Errno::EINVAL.into()),
        }
    }
}

/// Inodes are numbered from 1.
fn number(index: u32) -> Ino {
    Ino(u64::from(index) + 1)
}

fn kind(inode: &Inode) -> FileType {
    match inode.body {
        Frozen::Directory(_) => FileType::Directory,
        Frozen::File { .. } => FileType::Regular,
        Frozen::Symlink(_) => FileType::Symlink,
    }
}

impl Filesystem for TreeFs {
    fn kind(&self) -> &'static str {
        "image"
    }

    fn features(&self) -> Features {
        Features {
            read_only: true,
            own_atime: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        number(0)
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let entries = self.entries(dir)?;
        let at = entries.binary_search_by(|(known, _)| (**known).cmp(name));
        let entry = at.ok().and_then(|at| entries.get(at)).ok_or(Errno::ENOENT)?;
        self.getattr(number(entry.1))
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.entries(dir)?;
        Ok(number(self.inode(dir)?.place.0))
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        let inode = self.inode(ino)?;
        let size = match &inode.body {
            Frozen::Directory(_) => 4096,
            Frozen::File { size, .. } => *size,
            Frozen::Symlink(target) => target.len() as u64,
        };
        let time = Timestamp(inode.attrs.mtime);
        Ok(Attr {
            ino,
            kind: kind(inode),
            mode: Mode::new(inode.attrs.mode),
            nlink: inode.links,
            uid: Uid(inode.attrs.uid),
            gid: Gid(inode.attrs.gid),
            rdev: 0,
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            btime: time,
        })
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        match &self.inode(ino)?.body {
            Frozen::Symlink(target) => Ok(target.to_vec()),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let entries = self.entries(dir)?;
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        for (at, (name, index)) in entries.iter().enumerate().skip(start) {
            let ino = number(*index);
            let kind = kind(self.inode(ino)?);
            let next = at as u64 + 1;
            if emit(DirEntry { name, ino, kind, next }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let file = self.files.get_or_make(ino, || self.open(ino))?;
        Ok(rustix::io::pread(&file, buf, offset)?)
    }

    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        match self.inode(ino)?.body {
            Frozen::File { .. } => self.open(ino).map(Some),
            _ => Ok(None),
        }
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        if ino == self.root() {
            return Err(Errno::ENOENT.into());
        }
        let (dir, at) = self.inode(ino)?.place;
        let entry = usize::try_from(at)
            .ok()
            .and_then(|at| self.entries(number(dir)).ok()?.get(at));
        let (name, _) = entry.ok_or(Errno::ENOENT)?;
        Ok((number(dir), name.to_vec()))
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        let xattrs = &self.inode(ino)?.attrs.xattrs;
        let found = xattrs.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| Errno::ENODATA.into())
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        Ok(self
            .inode(ino)?
            .attrs
            .xattrs
            .iter()
            .map(|(name, _)| name.clone())
            .collect())
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.inode(ino).map(drop)
    }

    fn release(&self, _: Ino) {}

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_size: 4096,
            inodes: self.tree.inodes.len() as u64,
            name_max: agentos_kernel::vfs::NAME_MAX as u64,
            ..StatFs::default()
        })
    }

    fn now(&self) -> Timestamp {
        crate::live::now()
    }

    refuse_changes!();
}

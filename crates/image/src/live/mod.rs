//! Directories of the host, shown as they are.
//!
//! Nothing is read ahead: a tree of any size is opened in no time, and a file is looked at when a VM asks for it. Nothing is
//! remembered about content or attributes of files either, and what directories are is remembered for a moment ([`lately`]), so that
//! what an upgrade of the host replaces is seen, or is `ESTALE`; it is never the bytes of another file. (VMs that run meanwhile
//! see the change in midst of their work: do not do that to them.)
//!
//! What keeps a guest inside:
//!
//! * Every directory that can be reached begins at a descriptor that was opened when the image was. From there, names are
//!   opened with `openat2`: beneath it, without following symbolic or magic links, without crossing mounts.
//! * A file is known by the host's device and inode number, which is compared whenever it is opened again.
//! * Only regular files, directories and links are shown. What else has a name reads as if it had none, and so do mount points.
//! * [`Rules::public`] hides what not every user of the host may read, whatever this process may.
//! * `..` is answered from what is remembered here.
//!
//! Everything belongs to the superuser of the VM, with the host's permissions and without set-id bits: owners of the host mean
//! nothing in a VM.
//!
//! Names that were seen are kept, so that their numbers stay: at most [`NODES_MAX`].

pub(crate) mod host;
mod lately;
mod nodes;
mod open;
#[cfg(test)]
mod tests;

use crate::recent::Recent;
use crate::refuse::{read_only, refuse_changes};
use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{
    Attr, DirEntry, Features, FileType, Filesystem, Mode, NewNode, RenameFlags, SetAttr, StatFs, XattrMode,
};
use agentos_kernel::{Errno, Result};
use core::ops::ControlFlow;
use lately::Lately;
use nodes::{Body, Entry, Nodes, Top};
use open::Found;
use parking_lot::Mutex;
use rustix::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Most names that are kept of one image.
const NODES_MAX: usize = 1 << 22;
/// Directories, files and listings that are kept open or at hand.
const DIRS_KEPT: usize = 128;
const FILES_KEPT: usize = 32;
const LISTINGS_KEPT: usize = 16;

/// A tree of directories of the host. See the head of the module.
pub(crate) struct LiveFs {
    rules: Rules,
    since: Timestamp,
    nodes: Mutex<Nodes>,
    lately: Lately,
    dirs: Recent<OwnedFd>,
    files: Recent<OwnedFd>,
    listings: Recent<Vec<Listed>>,
}

/// What is shown of what there is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rules {
    /// Only what every user of the host may read.
    pub(crate) public: bool,
}

struct Listed {
    name: Box<[u8]>,
    ino: Ino,
    kind: FileType,
}

impl LiveFs {
    fn new(rules: Rules, nodes: Nodes) -> Arc<Self> {
        Arc::new(Self::believing(rules, nodes, lately::STAY))
    }

    /// One that believes directories to be what they were for so long.
    fn believing(rules: Rules, nodes: Nodes, stay: Duration) -> Self {
        Self {
            rules,
            since: now(),
            nodes: Mutex::new(nodes),
            lately: Lately::new(stay),
            dirs: Recent::new(DIRS_KEPT),
            files: Recent::new(FILES_KEPT),
            listings: Recent::new(LISTINGS_KEPT),
        }
    }

    /// The whole of one directory, which is already open.
    pub(crate) fn directory(dir: OwnedFd) -> Arc<Self> {
        Self::new(Rules::default(), Nodes::new(Top::real(dir)))
    }

    /// After something was asked of the host: if it was not what it was, neither may be what led there.
    fn heard<T>(&self, answer: Result<T>) -> Result<T> {
        answer.inspect_err(|error| {
            if error.errno() == Errno::ESTALE {
                self.lately.clear();
            }
        })
    }

    /// What a name in a directory is at present.
    fn find(&self, dir: Ino, name: &[u8]) -> Result<(Ino, Found)> {
        let at = self.dir(dir)?;
        let found = open::stat_name(&at, name, self.rules)?;
        let ino = self.nodes.lock().see(dir, name, &found)?;
        Ok((ino, found))
    }

    /// Present attributes of a file that was found before.
    fn stat(&self, ino: Ino) -> Result<Attr> {
        let place = self.nodes.lock().place(ino)?;
        let found = match self.dirs.get(ino) {
            Some(open) => open::stat_fd(open.as_fd(), self.rules)?,
            None => {
                let dir = self.dir(place.parent)?;
                open::stat_name(&dir, &place.name, self.rules).map_err(open::stale)?
            }
        };
        Ok(place.same(found)?.attr(ino))
    }

    /// Opens a regular file, anew.
    fn open(&self, ino: Ino) -> Result<OwnedFd> {
        let place = self.nodes.lock().place(ino)?;
        match place.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
        let dir = self.dir(place.parent)?;
        let file = open::beneath(&dir, &place.name, open::FILE).map_err(open::stale)?;
        place.same(open::stat_fd(file.as_fd(), self.rules)?)?;
        // Opening must not wait; a program that gets the descriptor did not ask for that.
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::RDONLY)?;
        Ok(file)
    }

    /// An open directory.
    fn dir(&self, ino: Ino) -> Result<Arc<OwnedFd>> {
        if let Some(open) = self.dirs.get(ino) {
            return Ok(open);
        }
        let route = self.nodes.lock().route(ino, &self.dirs)?;
        let Some(key) = route.key else {
            return Ok(route.from);
        };
        let dir = open::walk(route.from, &route.names)?;
        if open::stat_fd(dir.as_fd(), self.rules)?.key != key {
            return Err(Errno::ESTALE.into());
        }
        self.dirs.put(ino, Arc::clone(&dir));
        Ok(dir)
    }

    /// Everything in a directory, by name.
    fn list(&self, dir: Ino) -> Result<Vec<Listed>> {
        let top = self.nodes.lock().top(dir)?;
        let mut all = Vec::new();
        for (name, ino) in top.iter().flat_map(|top| &top.made) {
            let kind = self.getattr(*ino)?.kind;
            let name = name.clone();
            all.push(Listed { name, ino: *ino, kind });
        }
        if top.as_ref().is_none_or(|top| top.dir.is_some()) {
            let at = self.dir(dir)?;
            for name in open::names(&at)? {
                let hidden = top
                    .as_ref()
                    .is_some_and(|top| top.made.contains_key(&*name) || !top.shows(&name));
                if hidden {
                    continue;
                }
                match self.find(dir, &name) {
                    Ok((ino, found)) => all.push(Listed {
                        name,
                        ino,
                        kind: found.kind,
                    }),
                    Err(error) if matches!(error.errno(), Errno::ENOENT | Errno::EACCES) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    fn made(&self, ino: Ino, kind: FileType, mode: u32, size: u64) -> Attr {
        Attr {
            ino,
            kind,
            mode: Mode::new(mode),
            nlink: 1,
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
            size,
            blocks: 0,
            atime: self.since,
            mtime: self.since,
            ctime: self.since,
            btime: self.since,
        }
    }
}

/// Whether the host can confine what is opened below a directory.
pub(crate) fn probe(dir: &OwnedFd) -> Result<(), Errno> {
    match open::beneath(dir, b".", open::DIR) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.errno()),
    }
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Filesystem for LiveFs {
    fn kind(&self) -> &'static str {
        "image"
    }

    fn features(&self) -> Features {
        Features {
            read_only: true,
            volatile: true,
            no_set_id: true,
            own_atime: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        nodes::ROOT
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let now = Instant::now();
        if let Some(attr) = self.lately.get(dir, name, now) {
            return Ok(attr);
        }
        let entry = self.nodes.lock().entry(dir, name)?;
        let found = match entry {
            Entry::Made(ino) => self.getattr(ino),
            Entry::Real => self.heard(self.find(dir, name)).map(|(ino, found)| found.attr(ino)),
        };
        found.inspect(|attr| self.lately.put(dir, name, attr, now))
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.nodes.lock().parent(dir)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        let body = self.nodes.lock().body(ino)?;
        match body {
            Body::Top(top) => match &top.dir {
                Some(dir) => Ok(open::stat_fd(dir.as_fd(), Rules::default())?.attr(ino)),
                None => Ok(self.made(ino, FileType::Directory, 0o755, 0)),
            },
            Body::Link(target) => Ok(self.made(ino, FileType::Symlink, 0o777, target.len() as u64)),
            Body::Real { .. } => self.heard(self.stat(ino)),
        }
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        let body = self.nodes.lock().body(ino)?;
        match body {
            Body::Link(target) => Ok(target.to_vec()),
            Body::Top(_) => Err(Errno::EINVAL.into()),
            Body::Real { .. } => {
                let place = self.nodes.lock().place(ino)?;
                let dir = self.dir(place.parent)?;
                let text = fs::readlinkat(&dir, &*place.name, Vec::new());
                Ok(text.map_err(|errno| open::stale(errno.into()))?.into_bytes())
            }
        }
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let kept = self.listings.get(dir).filter(|_| position > 0);
        let all = match kept {
            Some(all) => all,
            None => {
                let all = Arc::new(self.list(dir)?);
                self.listings.put(dir, Arc::clone(&all));
                all
            }
        };
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        for (index, entry) in all.iter().enumerate().skip(start) {
            let shown = DirEntry {
                name: &entry.name,
                ino: entry.ino,
                kind: entry.kind,
                next: index as u64 + 1,
            };
            if emit(shown).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let file = self.heard(self.files.get_or_make(ino, || self.open(ino)))?;
        Ok(rustix::io::pread(&file, buf, offset)?)
    }

    fn host_file(&self, ino: Ino) -> Result<Option<OwnedFd>> {
        let body = self.nodes.lock().body(ino)?;
        match body {
            Body::Real { .. } => self.heard(self.open(ino)).map(Some),
            _ => Ok(None),
        }
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        self.nodes.lock().name_of(ino)
    }

    fn getxattr(&self, _: Ino, _: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::ENODATA.into())
    }

    fn retain(&self, _: Ino) -> Result<()> {
        Ok(())
    }

    fn release(&self, _: Ino) {}

    fn statfs(&self) -> Result<StatFs> {
        Ok(StatFs {
            block_size: 4096,
            name_max: agentos_kernel::vfs::NAME_MAX as u64,
            ..StatFs::default()
        })
    }

    fn now(&self) -> Timestamp {
        now()
    }

    refuse_changes!();
}

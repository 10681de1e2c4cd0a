//! Where files of the host were last seen.
//!
//! A node is a file with the directory and name it was found under. The directories up to the root are always in the table
//! while a node is, so that a path can be formed. The table is bounded: nodes that nobody holds, and that hold no others,
//! go when it is full, those that were not used for long first. A file that comes again later gets the same number, which
//! is made from the host's.

use super::node::{Handle, HostStat, Key};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::FileType;
use crate::vfs::ino_map::InoMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Nodes that are remembered although nobody holds them.
const NODES_MAX: usize = 16_384;
/// Nodes in all. Directories above remembered ones cannot go, and a guest can nest them as deep as it likes.
const NODES_LIMIT: usize = 1 << 17;
/// Directories that are kept open although nobody holds them.
const DIRS_MAX: usize = 64;
/// Files and directories that guests hold, each of which is an open descriptor of this process: at most so many, and at most
/// a quarter of what this process may have, which has other uses for them.
const HELD_MAX: u64 = 4096;
/// Longest path that is formed at once, in bytes; more than that is walked in pieces.
const PIECE_MAX: usize = 2048;
/// Steps after which a chain of directories is given up.
const DEPTH_MAX: usize = 1 << 16;

pub(super) struct Table {
    nodes: InoMap<Node>,
    root: Ino,
    root_dev: u64,
    /// Nodes in the order in which they are considered for removal.
    queue: VecDeque<Ino>,
    /// Open directories in the order in which they are considered for closing.
    dirs: VecDeque<Ino>,
    held: u64,
    held_max: u64,
    /// The file that was created last, open until somebody holds it or another one is created.
    fresh: Option<(Ino, Arc<Handle>)>,
}

struct Node {
    key: Key,
    kind: FileType,
    parent: Ino,
    /// None once it was removed, or seen to be elsewhere.
    name: Option<Box<[u8]>>,
    /// Nodes of which this one is the parent.
    children: u32,
    holders: u32,
    handle: Option<Arc<Handle>>,
    /// Used since it was last considered for removal.
    recent: bool,
}

/// What is known of a file.
pub(super) struct Known {
    pub(super) key: Key,
    pub(super) kind: FileType,
    pub(super) parent: Ino,
    pub(super) name: Option<Box<[u8]>>,
    pub(super) handle: Option<Arc<Handle>>,
}

/// How to get at a directory: from one that is open along a relative path.
pub(super) struct Route {
    pub(super) from: Arc<Handle>,
    pub(super) path: Vec<u8>,
    /// Where the path leads: the wanted directory, or one on the way if that is too far.
    pub(super) to: Ino,
    pub(super) key: Key,
}

impl Table {
    pub(super) fn new(stat: &HostStat, handle: Arc<Handle>) -> (Self, Ino) {
        let root = Ino(stat.key.ino);
        let node = Node {
            key: stat.key,
            kind: FileType::Directory,
            parent: root,
            name: None,
            children: 0,
            // Never released.
            holders: 1,
            handle: Some(handle),
            recent: true,
        };
        let table = Self {
            nodes: InoMap::from_iter([(root, node)]),
            root,
            root_dev: stat.key.dev,
            queue: VecDeque::new(),
            dirs: VecDeque::new(),
            held: 0,
            held_max: held_max(),
            fresh: None,
        };
        (table, root)
    }

    /// Notes that a file was seen under `name` in `parent`, and returns its number.
    pub(super) fn see(&mut self, parent: Ino, name: &[u8], stat: &HostStat) -> Result<Ino> {
        let ino = self.number(stat.key);
        if ino == self.root {
            return Err(Errno::ELOOP.into());
        }
        if !self.nodes.contains_key(&parent) {
            return Err(Errno::ESTALE.into());
        }
        match self.nodes.get_mut(&ino) {
            Some(node) if node.key != stat.key => return Err(Errno::EIO.into()),
            Some(node) => {
                node.kind = stat.kind();
                node.recent = true;
                if node.parent != parent {
                    self.set_parent(ino, parent);
                }
                self.set_name(ino, name);
            }
            None => {
                self.make_room();
                if self.nodes.len() >= NODES_LIMIT {
                    return Err(Errno::ENFILE.into());
                }
                let node = Node {
                    key: stat.key,
                    kind: stat.kind(),
                    parent,
                    name: Some(name.into()),
                    children: 0,
                    holders: 0,
                    handle: None,
                    recent: false,
                };
                self.nodes.insert(ino, node);
                self.count_child(parent, 1);
                self.queue.push_back(ino);
            }
        }
        Ok(ino)
    }

    pub(super) fn get(&mut self, ino: Ino) -> Result<Known> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        node.recent = true;
        Ok(Known {
            key: node.key,
            kind: node.kind,
            parent: node.parent,
            name: node.name.clone(),
            handle: node.handle.clone(),
        })
    }

    pub(super) fn handle(&mut self, ino: Ino) -> Result<Option<Arc<Handle>>> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        node.recent = true;
        Ok(node.handle.clone())
    }

    /// A directory, if it is open.
    pub(super) fn open_dir(&mut self, ino: Ino) -> Result<Option<Arc<Handle>>> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        node.recent = true;
        match node.kind {
            FileType::Directory => Ok(node.handle.clone()),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    pub(super) fn parent(&self, ino: Ino) -> Result<Ino> {
        let node = self.nodes.get(&ino).ok_or(Errno::ESTALE)?;
        match node.kind {
            FileType::Directory => Ok(node.parent),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// The way to a directory from the nearest one that is open. `Err(handle)` in the result if it is open itself.
    pub(super) fn route(&mut self, dir: Ino) -> Result<Route, Result<Arc<Handle>>> {
        let mut names: Vec<(Ino, Key, Box<[u8]>)> = Vec::new();
        let mut at = dir;
        let from = loop {
            let Some(node) = self.nodes.get_mut(&at) else {
                return Err(Err(Errno::ESTALE.into()));
            };
            node.recent = true;
            if node.kind != FileType::Directory {
                return Err(Err(Errno::ENOTDIR.into()));
            }
            if let Some(handle) = &node.handle {
                break Arc::clone(handle);
            }
            let Some(name) = node.name.clone().filter(|_| names.len() < DEPTH_MAX) else {
                return Err(Err(Errno::ESTALE.into()));
            };
            names.push((at, node.key, name));
            at = node.parent;
        };
        let mut names = names.into_iter().rev();
        let Some((mut to, mut key, first)) = names.next() else {
            return Err(Ok(from));
        };
        let mut path = first.into_vec();
        for (ino, next, name) in names {
            if path.len() + name.len() > PIECE_MAX {
                break;
            }
            path.push(b'/');
            path.extend_from_slice(&name);
            (to, key) = (ino, next);
        }
        Ok(Route { from, path, to, key })
    }

    /// Keeps a directory open for some time; returns one that is to be closed for it.
    pub(super) fn keep_dir(&mut self, ino: Ino, handle: &Arc<Handle>) -> Option<Arc<Handle>> {
        let node = self.nodes.get_mut(&ino)?;
        if node.handle.is_none() {
            node.handle = Some(Arc::clone(handle));
            self.dirs.push_back(ino);
        }
        self.spare_dir()
    }

    /// Takes the descriptor of a directory that was not used lately, if too many are open.
    fn spare_dir(&mut self) -> Option<Arc<Handle>> {
        for _ in 0..DIRS_MAX {
            if self.dirs.len() <= DIRS_MAX {
                return None;
            }
            let oldest = self.dirs.pop_front()?;
            let Some(node) = self.nodes.get_mut(&oldest).filter(|node| node.holders == 0) else {
                continue;
            };
            if core::mem::take(&mut node.recent) {
                self.dirs.push_back(oldest);
                continue;
            }
            return node.handle.take();
        }
        None
    }

    /// Adds a holder. `Ok(false)` if nobody held the file so far and it is not open: the caller opens it and calls
    /// [`hold_with`](Self::hold_with).
    pub(super) fn hold(&mut self, ino: Ino) -> Result<bool> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        if node.handle.is_none() {
            return Ok(false);
        }
        if node.holders == 0 {
            if self.held >= self.held_max {
                return Err(Errno::ENFILE.into());
            }
            self.held += 1;
        }
        node.holders = node.holders.checked_add(1).ok_or(Errno::ENFILE)?;
        Ok(true)
    }

    /// Notes a file that was just created, with the descriptor that created it; returns the one of the file before.
    pub(super) fn created(&mut self, ino: Ino, handle: Arc<Handle>) -> Option<(Ino, Arc<Handle>)> {
        self.fresh.replace((ino, handle))
    }

    /// The descriptor that created this file, if that was the last thing created.
    pub(super) fn take_created(&mut self, ino: Ino) -> Option<Arc<Handle>> {
        self.fresh.take_if(|(fresh, _)| *fresh == ino).map(|(_, handle)| handle)
    }

    /// Adds the first holder, with the descriptor that serves all of them.
    pub(super) fn hold_with(&mut self, ino: Ino, handle: Arc<Handle>) -> Result<()> {
        let node = self.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
        node.handle.get_or_insert(handle);
        self.hold(ino).map(drop)
    }

    /// Replaces the descriptor of a held file by a better one.
    pub(super) fn upgrade(&mut self, ino: Ino, handle: &Arc<Handle>) {
        if let Some(node) = self.nodes.get_mut(&ino)
            && node.holders > 0
        {
            node.handle = Some(Arc::clone(handle));
        }
    }

    /// Takes a holder away; returns the descriptor that is to be closed.
    pub(super) fn release(&mut self, ino: Ino) -> Option<Arc<Handle>> {
        let root = self.root;
        let node = self
            .nodes
            .get_mut(&ino)
            .filter(|node| node.holders > 0 && ino != root)?;
        node.holders -= 1;
        if node.holders > 0 {
            return None;
        }
        self.held -= 1;
        let handle = node.handle.take()?;
        // A directory that was just used is likely to be used again.
        if node.kind == FileType::Directory && handle.is_path() && node.name.is_some() {
            return self.keep_dir(ino, &handle);
        }
        Some(handle)
    }

    /// The file has lost this name; returns a descriptor that nobody needs any more.
    pub(super) fn lost(&mut self, ino: Ino, parent: Ino, name: &[u8]) -> Option<Arc<Handle>> {
        let created = self.take_created(ino);
        let node = self.nodes.get_mut(&ino)?;
        if node.parent == parent && node.name.as_deref() == Some(name) {
            node.name = None;
            if node.holders == 0 {
                return created.or(node.handle.take());
            }
        }
        created
    }

    /// Number of a file that is listed in `dir` with the host's number `ino`. Listings do not tell the device, which is
    /// nearly always that of the directory.
    pub(super) fn number_beside(&self, dir: Ino, ino: u64) -> Ino {
        let dev = self.nodes.get(&dir).map_or(self.root_dev, |node| node.key.dev);
        self.number(Key { dev, ino })
    }

    /// The host's number, mixed with the device where that is another one than the root's (some filesystems of the host show
    /// several).
    pub(super) fn number(&self, key: Key) -> Ino {
        if key.dev == self.root_dev {
            return Ino(key.ino);
        }
        let mixed = (key.ino ^ key.dev.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Ino(mixed | 1 << 63)
    }

    fn set_name(&mut self, ino: Ino, name: &[u8]) {
        if let Some(node) = self.nodes.get_mut(&ino)
            && node.name.as_deref() != Some(name)
        {
            node.name = Some(name.into());
        }
    }

    fn set_parent(&mut self, ino: Ino, parent: Ino) {
        // What was seen last is right. If that makes a circle, what closes it is old, and its place is unknown now.
        let mut at = parent;
        for _ in 0..DEPTH_MAX {
            let Some(node) = self.nodes.get_mut(&at).filter(|_| at != self.root) else {
                break;
            };
            let above = node.parent;
            if above == ino {
                node.name = None;
                node.parent = self.root;
                self.count_child(ino, -1);
                self.count_child(self.root, 1);
                break;
            }
            at = above;
        }
        if let Some(node) = self.nodes.get_mut(&ino) {
            let old = core::mem::replace(&mut node.parent, parent);
            self.count_child(old, -1);
            self.count_child(parent, 1);
        }
    }

    fn count_child(&mut self, parent: Ino, change: i32) {
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children = node.children.saturating_add_signed(change);
        }
    }

    fn make_room(&mut self) {
        let mut tries = 8;
        while self.queue.len() >= NODES_MAX && tries > 0 {
            tries -= 1;
            let Some(ino) = self.queue.pop_front() else { return };
            let Some(node) = self.nodes.get_mut(&ino) else { continue };
            let busy = node.holders > 0 || node.children > 0 || node.handle.is_some();
            if busy || core::mem::take(&mut node.recent) {
                self.queue.push_back(ino);
                continue;
            }
            let parent = node.parent;
            self.nodes.remove(&ino);
            self.count_child(parent, -1);
        }
    }
}

fn held_max() -> u64 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(HELD_MAX, |limit| (limit / 4).min(HELD_MAX))
}

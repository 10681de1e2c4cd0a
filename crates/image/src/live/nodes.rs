//! Numbers of files, and where each was last seen.

use super::NODES_MAX;
use super::open::Found;
use crate::recent::Recent;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::FileType;
use agentos_kernel::{Errno, Result};
use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Number of the root.
pub(super) const ROOT: Ino = Ino(1);
/// Longest chain of directories.
const DEPTH_MAX: usize = 1 << 14;

/// Identity of a file on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) dev: u64,
    pub(super) ino: u64,
}

/// All files that were seen. The number of a file is its place in the list, plus one.
pub(super) struct Nodes {
    list: Vec<Node>,
    /// A file that has become another kind of file is another file.
    known: HashMap<(Key, FileType), Ino>,
}

struct Node {
    parent: Ino,
    name: Box<[u8]>,
    body: Body,
}

/// What a file is.
#[derive(Clone)]
pub(super) enum Body {
    /// A directory that the image begins with.
    Top(Arc<Top>),
    /// A symbolic link that the image begins with.
    Link(Arc<[u8]>),
    /// A file below one of the first directories.
    Real { key: Key, kind: FileType },
}

/// A directory that the image begins with: one of the host's, one that is made up, or a mixture.
#[derive(Default)]
pub(super) struct Top {
    /// The host's directory, held open.
    pub(super) dir: Option<Arc<OwnedFd>>,
    /// Which of its names are shown; all if there is no list. A star at the end of a name stands for anything.
    pub(super) only: Option<&'static [&'static str]>,
    /// Names besides those of the host's directory, or in place of them.
    pub(super) made: BTreeMap<Box<[u8]>, Ino>,
}

/// What a name refers to, before the host is asked.
pub(super) enum Entry {
    Made(Ino),
    Real,
}

/// Where and what a real file was when it was last seen.
pub(super) struct Place {
    pub(super) parent: Ino,
    pub(super) name: Box<[u8]>,
    pub(super) kind: FileType,
    key: Key,
}

/// How to get at a directory.
pub(super) struct Route {
    pub(super) from: Arc<OwnedFd>,
    pub(super) names: Vec<Box<[u8]>>,
    /// What is to be found there; none for `from` itself.
    pub(super) key: Option<Key>,
}

impl Top {
    /// All of a directory of the host.
    pub(super) fn real(dir: OwnedFd) -> Self {
        Self {
            dir: Some(Arc::new(dir)),
            ..Self::default()
        }
    }

    pub(super) fn shows(&self, name: &[u8]) -> bool {
        let fits = |shown: &&str| match shown.strip_suffix('*') {
            Some(start) => name.starts_with(start.as_bytes()),
            None => name == shown.as_bytes(),
        };
        self.only.is_none_or(|only| only.iter().any(fits))
    }
}

impl Place {
    /// The file as it is now, if it is still the same.
    pub(super) fn same(&self, found: Found) -> Result<Found> {
        match found.key == self.key && found.kind == self.kind {
            true => Ok(found),
            false => Err(Errno::ESTALE.into()),
        }
    }
}

impl Nodes {
    pub(super) fn new(root: Top) -> Self {
        let root = Node {
            parent: ROOT,
            name: Box::default(),
            body: Body::Top(Arc::new(root)),
        };
        Self {
            list: vec![root],
            known: HashMap::new(),
        }
    }

    /// Adds a file that the image begins with. Its directory names it.
    pub(super) fn add(&mut self, parent: Ino, name: &[u8], body: Body) -> Ino {
        self.list.push(Node {
            parent,
            name: name.into(),
            body,
        });
        Ino(self.list.len() as u64)
    }

    /// Replaces a directory that the image begins with.
    pub(super) fn set_top(&mut self, ino: Ino, top: Top) {
        if let Ok(node) = self.node_mut(ino) {
            node.body = Body::Top(Arc::new(top));
        }
    }

    fn node(&self, ino: Ino) -> Result<&Node> {
        let index = usize::try_from(ino.0).unwrap_or(usize::MAX).checked_sub(1);
        index
            .and_then(|index| self.list.get(index))
            .ok_or_else(|| Errno::ESTALE.into())
    }

    fn node_mut(&mut self, ino: Ino) -> Result<&mut Node> {
        let index = usize::try_from(ino.0).unwrap_or(usize::MAX).checked_sub(1);
        index
            .and_then(|index| self.list.get_mut(index))
            .ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn body(&self, ino: Ino) -> Result<Body> {
        Ok(self.node(ino)?.body.clone())
    }

    /// One of the first directories, if this is one.
    pub(super) fn top(&self, ino: Ino) -> Result<Option<Arc<Top>>> {
        match &self.node(ino)?.body {
            Body::Top(top) => Ok(Some(Arc::clone(top))),
            Body::Real {
                kind: FileType::Directory,
                ..
            } => Ok(None),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    pub(super) fn entry(&self, dir: Ino, name: &[u8]) -> Result<Entry> {
        match self.top(dir)? {
            Some(top) => match top.made.get(name) {
                Some(made) => Ok(Entry::Made(*made)),
                None if top.dir.is_some() && top.shows(name) => Ok(Entry::Real),
                None => Err(Errno::ENOENT.into()),
            },
            None => Ok(Entry::Real),
        }
    }

    pub(super) fn parent(&self, dir: Ino) -> Result<Ino> {
        self.top(dir)?;
        Ok(self.node(dir)?.parent)
    }

    pub(super) fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        let node = self.node(ino)?;
        match ino {
            ROOT => Err(Errno::ENOENT.into()),
            _ => Ok((node.parent, node.name.to_vec())),
        }
    }

    pub(super) fn place(&self, ino: Ino) -> Result<Place> {
        let node = self.node(ino)?;
        match node.body {
            Body::Real { key, kind } => Ok(Place {
                parent: node.parent,
                name: node.name.clone(),
                kind,
                key,
            }),
            Body::Top(_) => Err(Errno::EISDIR.into()),
            Body::Link(_) => Err(Errno::EINVAL.into()),
        }
    }

    /// Notes that a file was seen under `name` in `parent`, and returns its number.
    pub(super) fn see(&mut self, parent: Ino, name: &[u8], found: &Found) -> Result<Ino> {
        let identity = (found.key, found.kind);
        if let Some(ino) = self.known.get(&identity).copied() {
            let node = self.node_mut(ino)?;
            if node.parent != parent || *node.name != *name {
                node.parent = parent;
                node.name = name.into();
            }
            return Ok(ino);
        }
        if self.list.len() >= NODES_MAX {
            return Err(Errno::ENFILE.into());
        }
        let body = Body::Real {
            key: found.key,
            kind: found.kind,
        };
        let ino = self.add(parent, name, body);
        self.known.insert(identity, ino);
        Ok(ino)
    }

    /// The way to a directory from the nearest one that is open.
    pub(super) fn route(&self, dir: Ino, open: &Recent<OwnedFd>) -> Result<Route> {
        let mut names = Vec::new();
        let mut wanted = None;
        let mut at = dir;
        for _ in 0..DEPTH_MAX {
            let node = self.node(at)?;
            let from = match &node.body {
                Body::Top(top) => Some(top.dir.clone().ok_or(Errno::ENOENT)?),
                Body::Real {
                    key,
                    kind: FileType::Directory,
                } => {
                    wanted.get_or_insert(*key);
                    open.get(at)
                }
                _ => return Err(Errno::ENOTDIR.into()),
            };
            if let Some(from) = from {
                names.reverse();
                // An open directory is what was looked for, or the way begins there.
                let key = wanted.filter(|_| !names.is_empty());
                return Ok(Route { from, names, key });
            }
            names.push(node.name.clone());
            at = node.parent;
        }
        Err(Errno::ELOOP.into())
    }
}

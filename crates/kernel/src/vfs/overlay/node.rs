//! Nodes: what the overlay knows of files, and their lives.

use super::copy::{LOWERS, ORIGIN};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::filesystem::{Filesystem, XattrMode};
use crate::vfs::ino_map::InoMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// Most lowers: a layer's index takes a byte of the inode number.
const LOWERS_MAX: usize = 255;

/// A file of a lower: index of the filesystem, and number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) index: usize,
    pub(super) ino: Ino,
}

pub(super) type Layers = SmallVec<[Layer; 2]>;

pub(super) struct Tree {
    pub(super) upper: Arc<dyn Filesystem>,
    pub(super) lowers: Vec<Arc<dyn Filesystem>>,
    nodes: InoMap<Node>,
    root: Ino,
    /// For work names.
    pub(super) serial: u64,
}

pub(super) struct Node {
    pub(super) kind: FileType,
    pub(super) upper: Option<Ino>,
    /// Of a directory: the lower ones that are merged into it, top to bottom. Of another file: the one it is, or was
    /// copied from.
    pub(super) lowers: Layers,
    pub(super) parent: Ino,
    /// A present name in `parent`; of several any one. None if there is none, or none is known.
    pub(super) name: Option<Box<[u8]>>,
    /// Names in lowers that are visible and that the upper does not have.
    pub(super) lower_names: u32,
    /// The upper also has the copy in its index, because lowers show further names of it.
    pub(super) indexed: bool,
    /// A directory that was removed.
    pub(super) dead: bool,
    /// Never had a name, and may be given one.
    pub(super) unnamed: bool,
    holders: u32,
    /// Whether this node retains its upper inode.
    pub(super) pinned: bool,
}

impl Tree {
    pub(super) fn new(upper: Arc<dyn Filesystem>, lowers: Vec<Arc<dyn Filesystem>>) -> Result<Self> {
        if lowers.len() > LOWERS_MAX {
            return Err(Errno::EINVAL.into());
        }
        let mut tree = Self {
            upper,
            lowers,
            nodes: InoMap::default(),
            root: Ino(0),
            serial: 0,
        };
        let top = tree.upper.root();
        let below = tree.lowers.iter().enumerate();
        let below = below.map(|(index, fs)| Layer { index, ino: fs.root() }).collect();
        let root = tree.upper_number(top);
        let node = Node {
            holders: 1,
            ..Node::new(FileType::Directory, Some(top), below, root, b"")
        };
        tree.root = root;
        tree.nodes.insert(root, node);
        Ok(tree)
    }

    pub(super) fn root(&self) -> Ino {
        self.root
    }

    pub(super) fn node(&self, ino: Ino) -> Result<&Node> {
        self.nodes.get(&ino).ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn node_mut(&mut self, ino: Ino) -> Result<&mut Node> {
        self.nodes.get_mut(&ino).ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn dir(&self, ino: Ino) -> Result<&Node> {
        let node = self.node(ino)?;
        match node.kind {
            FileType::Directory => Ok(node),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// Notes what a name refers to, and returns its number.
    pub(super) fn see(&mut self, number: Ino, seen: Node) -> Ino {
        let name = seen.name.as_deref().unwrap_or_default();
        if !self.see_again(number, seen.upper, seen.parent, name) {
            self.nodes.insert(number, seen);
        }
        number
    }

    /// Notes what a name refers to, if that is known already. Nearly every step of every path comes here, so what was noted the last
    /// time is left as it is.
    pub(super) fn see_again(&mut self, number: Ino, upper: Option<Ino>, parent: Ino, name: &[u8]) -> bool {
        let Some(node) = self.nodes.get_mut(&number) else {
            return false;
        };
        if !node.is(parent, name) {
            node.parent = parent;
            node.name = Some(name.into());
        }
        // A copy of an earlier overlay over the same upper, of which only another name was seen so far.
        node.upper = node.upper.or(upper);
        true
    }

    pub(super) fn add_unnamed(&mut self, attr: &Attr) -> Attr {
        let number = self.upper_number(attr.ino);
        let mut node = Node::new(attr.kind, Some(attr.ino), Layers::new(), self.root, b"");
        node.name = None;
        node.unnamed = true;
        node.holders = 1;
        node.pinned = true;
        self.nodes.insert(number, node);
        Attr { ino: number, ..*attr }
    }

    pub(super) fn attr(&self, ino: Ino) -> Result<Attr> {
        let (fs, at) = self.content(ino)?;
        self.dressed(ino, &fs.getattr(at)?)
    }

    /// Attributes of a file, from those of its content.
    pub(super) fn dressed(&self, ino: Ino, attr: &Attr) -> Result<Attr> {
        let node = self.node(ino)?;
        let nlink = match node.kind {
            FileType::Directory if node.dead => 0,
            // Of a merged directory nobody has counted the directories in it; 1 says so to those who count on it.
            FileType::Directory if node.lowers.len() + usize::from(node.upper.is_some()) > 1 => 1,
            FileType::Directory => attr.nlink,
            _ => match node.upper {
                Some(_) => node.lower_names + attr.nlink.saturating_sub(u32::from(node.indexed)),
                None => node.lower_names,
            },
        };
        Ok(Attr { ino, nlink, ..*attr })
    }

    pub(super) fn content(&self, ino: Ino) -> Result<(Arc<dyn Filesystem>, Ino)> {
        let node = self.node(ino)?;
        if let Some(upper) = node.upper {
            return Ok((Arc::clone(&self.upper), upper));
        }
        let layer = node.lowers.first().ok_or(Errno::ESTALE)?;
        Ok((Arc::clone(self.lower(*layer)?), layer.ino))
    }

    pub(super) fn lower(&self, layer: Layer) -> Result<&Arc<dyn Filesystem>> {
        self.lowers.get(layer.index).ok_or_else(|| Errno::ESTALE.into())
    }

    pub(super) fn retain(&mut self, ino: Ino) -> Result<()> {
        let upper = Arc::clone(&self.upper);
        let node = self.node_mut(ino)?;
        let holders = node.holders.checked_add(1).ok_or(Errno::ENFILE)?;
        if let Some(at) = node.upper.filter(|_| !node.pinned) {
            upper.retain(at)?;
            node.pinned = true;
        }
        node.holders = holders;
        Ok(())
    }

    pub(super) fn release(&mut self, ino: Ino) {
        let Ok(node) = self.node_mut(ino) else { return };
        node.holders = node.holders.saturating_sub(1);
        self.settle(ino);
    }

    /// After a holder or a name went: forgets what nothing refers to, and unpins what needs no pin.
    pub(super) fn settle(&mut self, ino: Ino) {
        let Ok(node) = self.node(ino) else { return };
        if node.holders > 0 {
            return;
        }
        let names = match (node.upper, node.kind) {
            // Of what only lowers have the names are counted here, and nobody has to be asked.
            (None, FileType::Directory) => u32::from(!node.dead),
            (None, _) => node.lower_names,
            (Some(_), _) => self.attr(ino).map_or(0, |attr| attr.nlink),
        };
        if let (true, Some(upper)) = (node.pinned, node.upper) {
            self.upper.release(upper);
            if let Ok(node) = self.node_mut(ino) {
                node.pinned = false;
            }
        }
        if names == 0 {
            self.nodes.remove(&ino);
        }
    }

    /// Number of a file of the upper without an origin.
    pub(super) fn upper_number(&self, ino: Ino) -> Ino {
        number(0, ino)
    }

    /// Number of a file of a lower.
    pub(super) fn lower_number(&self, layer: Layer) -> Ino {
        number(layer.index + 1, layer.ino)
    }

    /// Links of the lower file that a number comes from; 1 where that cannot be told.
    pub(super) fn origin_links(&self, number: Ino) -> u32 {
        let index = usize::try_from(number.0 & 0xff).unwrap_or(0).checked_sub(1);
        let fs = index.and_then(|index| self.lowers.get(index));
        let attr = fs
            .filter(|_| number.0 >> 63 == 0)
            .and_then(|fs| fs.getattr(Ino(number.0 >> 8)).ok());
        attr.map_or(1, |attr| attr.nlink)
    }

    /// Number of a file of the upper: that of its origin, if it is a copy.
    pub(super) fn number_of(&self, upper: Ino) -> Ino {
        let origin = self.upper.getxattr(upper, ORIGIN).ok();
        let origin = origin.and_then(|text| String::from_utf8(text).ok()?.parse().ok());
        origin.map_or_else(|| self.upper_number(upper), Ino)
    }

    /// The lower directories that an upper one lists as merged; none if it has no list.
    pub(super) fn listed_lowers(&self, upper: Ino) -> Option<Layers> {
        let text = String::from_utf8(self.upper.getxattr(upper, LOWERS).ok()?).ok()?;
        let parse = |part: &str| {
            let (index, ino) = part.split_once(':')?;
            let layer = Layer {
                index: index.parse().ok()?,
                ino: Ino(ino.parse().ok()?),
            };
            (layer.index < self.lowers.len()).then_some(layer)
        };
        Some(text.split(',').filter_map(parse).collect())
    }

    /// Writes the list of merged directories.
    pub(super) fn list_lowers(&self, upper: Ino, lowers: &[Layer]) -> Result<()> {
        let parts: Vec<_> = lowers
            .iter()
            .map(|layer| format!("{}:{}", layer.index, layer.ino))
            .collect();
        self.upper
            .setxattr(upper, LOWERS, parts.join(",").as_bytes(), XattrMode::Any)
    }
}

impl Node {
    pub(super) fn new(kind: FileType, upper: Option<Ino>, lowers: Layers, parent: Ino, name: &[u8]) -> Self {
        Self {
            kind,
            upper,
            lowers,
            parent,
            name: Some(name.into()),
            lower_names: 0,
            indexed: false,
            dead: false,
            unnamed: false,
            holders: 0,
            pinned: false,
        }
    }

    pub(super) fn held(&self) -> bool {
        self.holders > 0
    }

    pub(super) fn is(&self, parent: Ino, name: &[u8]) -> bool {
        self.parent == parent && self.name.as_deref() == Some(name)
    }
}

/// Layers and numbers interleaved, so that they never meet; numbers too large for that (of host directories) are mixed.
fn number(layer: usize, ino: Ino) -> Ino {
    let layer = layer as u64;
    if ino.0 >> 55 == 0 {
        return Ino(ino.0 << 8 | layer);
    }
    Ino((ino.0.rotate_left(8) ^ layer).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 << 63)
}

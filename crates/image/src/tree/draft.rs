//! A tree that grows.

use super::{Attrs, Body, Content, Directory, Index, Node};
use std::collections::HashMap;

/// A tree in which nodes are added, replaced and removed. Directories have greater numbers than those that hold them, and one
/// name; other nodes may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) nodes: Vec<Node>,
}

/// The root.
const ROOT: Index = 0;

impl Default for Draft {
    fn default() -> Self {
        Self {
            nodes: vec![Self::implied()],
        }
    }
}

impl Draft {
    fn implied() -> Node {
        Node {
            attrs: Attrs {
                mode: 0o755,
                ..Attrs::default()
            },
            body: Body::Directory(Directory {
                implied: true,
                ..Directory::default()
            }),
        }
    }

    pub(crate) fn node(&self, index: Index) -> Option<&Node> {
        self.nodes.get(usize::try_from(index).ok()?)
    }

    fn node_mut(&mut self, index: Index) -> Option<&mut Node> {
        self.nodes.get_mut(usize::try_from(index).ok()?)
    }

    fn directory(&self, index: Index) -> Option<&Directory> {
        match &self.node(index)?.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    pub(crate) fn directory_mut(&mut self, index: Index) -> Option<&mut Directory> {
        match &mut self.node_mut(index)?.body {
            Body::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// What has a path. Links are not followed.
    pub(crate) fn find(&self, path: &[&[u8]]) -> Option<Index> {
        path.iter()
            .try_fold(ROOT, |at, name| self.directory(at)?.entries.get(*name).copied())
    }

    /// The directory of a path; those that are missing are made. `Err` says what is in the way.
    pub(crate) fn dirs(&mut self, path: &[&[u8]]) -> Result<Index, String> {
        let mut at = ROOT;
        for (depth, name) in path.iter().enumerate() {
            let known = self
                .directory(at)
                .and_then(|directory| directory.entries.get(*name))
                .copied();
            at = match known {
                Some(next) if self.directory(next).is_some() => next,
                Some(next) if !matches!(self.node(next).map(|node| &node.body), Some(Body::Whiteout)) => {
                    let way = path.get(..=depth).unwrap_or_default().join(&b'/');
                    let way = String::from_utf8_lossy(&way).into_owned();
                    return Err(format!("goes through {way}, which is no directory"));
                }
                whiteout => {
                    let mut dir = Self::implied();
                    if let (Some(_), Body::Directory(directory)) = (whiteout, &mut dir.body) {
                        directory.opaque = true;
                    }
                    self.insert(at, name, dir)?
                }
            };
        }
        Ok(at)
    }

    /// Adds a node under a name, in place of what had it.
    pub(crate) fn insert(&mut self, dir: Index, name: &[u8], node: Node) -> Result<Index, String> {
        let index = Index::try_from(self.nodes.len()).map_err(|_| "is one too many".to_owned())?;
        self.nodes.push(node);
        self.name(dir, name, index);
        Ok(index)
    }

    /// Gives a node a name.
    pub(crate) fn name(&mut self, dir: Index, name: &[u8], index: Index) {
        if let Some(directory) = self.directory_mut(dir) {
            directory.entries.insert(name.into(), index);
        }
    }

    /// Adds the member of an archive. What is there already is replaced by a later member of the same name, but for a directory
    /// with something in it.
    pub(crate) fn put(&mut self, dir: Index, name: &[u8], node: Node) -> Result<Index, String> {
        let Some(known) = self
            .directory(dir)
            .and_then(|directory| directory.entries.get(name))
            .copied()
        else {
            return self.insert(dir, name, node);
        };
        let hides = matches!(self.node(known).map(|node| &node.body), Some(Body::Whiteout));
        match (
            self.directory(known).map(|directory| directory.entries.is_empty()),
            node.body,
        ) {
            (Some(_), Body::Directory(_)) => {
                self.describe(known, node.attrs);
                Ok(known)
            }
            (Some(false), _) => Err("is a directory with something in it, and something else".to_owned()),
            (_, Body::Directory(mut directory)) => {
                directory.opaque |= hides;
                let body = Body::Directory(directory);
                self.insert(dir, name, Node { body, ..node })
            }
            (_, body) => self.insert(dir, name, Node { body, ..node }),
        }
    }

    /// Says what a directory is like.
    pub(crate) fn describe(&mut self, index: Index, attrs: Attrs) {
        if let Some(node) = self.node_mut(index) {
            node.attrs = attrs;
            if let Body::Directory(directory) = &mut node.body {
                directory.implied = false;
            }
        }
    }

    /// Hides a name of the layers below.
    pub(crate) fn hide(&mut self, dir: Index, name: &[u8]) -> Result<(), String> {
        let known = self
            .directory(dir)
            .and_then(|directory| directory.entries.get(name))
            .copied();
        match known {
            None => {
                let body = Body::Whiteout;
                let attrs = Attrs::default();
                self.insert(dir, name, Node { attrs, body }).map(drop)
            }
            // Of this layer, which is not hidden; what is below is.
            Some(known) => {
                if let Some(directory) = self.directory_mut(known) {
                    directory.opaque = true;
                }
                Ok(())
            }
        }
    }

    /// Lays a layer over this tree, as its layer number `layer`. `Err` is the path of a link to a file that no layer below has.
    pub(crate) fn apply(&mut self, upper: &Self, layer: u32) -> Result<(), Vec<u8>> {
        let mut seen: HashMap<Index, Index> = HashMap::new();
        let mut borrowed = Vec::new();
        let mut open = vec![(ROOT, ROOT)];
        while let Some((from, to)) = open.pop() {
            let Some(Node {
                attrs,
                body: Body::Directory(source),
            }) = upper.node(from)
            else {
                continue;
            };
            if !source.implied {
                self.describe(to, attrs.clone());
            }
            if source.opaque
                && let Some(directory) = self.directory_mut(to)
            {
                directory.entries.clear();
            }
            for (name, index) in &source.entries {
                let Some(node) = upper.node(*index) else { continue };
                match &node.body {
                    Body::Whiteout => {
                        if let Some(directory) = self.directory_mut(to) {
                            directory.entries.remove(name);
                        }
                    }
                    Body::Borrowed(path) => borrowed.push((to, name.clone(), path.clone())),
                    Body::Directory(_) => open.push((*index, self.merged(to, name))),
                    _ => {
                        let copy = *seen.entry(*index).or_insert_with(|| {
                            self.nodes.push(of_layer(node, layer));
                            last(&self.nodes)
                        });
                        self.name(to, name, copy);
                    }
                }
            }
        }
        for (dir, name, path) in borrowed {
            let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
            let target = self.find(&names).filter(|target| self.directory(*target).is_none());
            self.name(dir, &name, target.ok_or_else(|| path.to_vec())?);
        }
        Ok(())
    }

    /// The directory that an entry of an upper layer is merged with: the one that is there, or a new one.
    fn merged(&mut self, dir: Index, name: &[u8]) -> Index {
        let known = self
            .directory(dir)
            .and_then(|directory| directory.entries.get(name))
            .copied();
        if let Some(known) = known.filter(|known| self.directory(*known).is_some()) {
            return known;
        }
        self.nodes.push(Self::implied());
        let index = last(&self.nodes);
        self.name(dir, name, index);
        index
    }
}

/// Number of the last node. Layers are bounded far below what numbers can be.
fn last(nodes: &[Node]) -> Index {
    Index::try_from(nodes.len().saturating_sub(1)).unwrap_or(Index::MAX)
}

fn of_layer(node: &Node, layer: u32) -> Node {
    let mut copy = node.clone();
    if let Body::File {
        content: Content { layer: at, .. },
        ..
    } = &mut copy.body
    {
        *at = layer;
    }
    copy
}

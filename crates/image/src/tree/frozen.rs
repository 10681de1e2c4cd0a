//! A tree that is done.

use super::{Attrs, Body, Content, Draft, Index, Node};

/// A tree that many look names up in. Inodes are numbered from 0, the root, without gaps.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) inodes: Vec<Inode>,
}

/// A file, directory or link.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) attrs: Attrs,
    pub(crate) links: u32,
    /// A directory that holds it, and which of its entries it is. The root's is the root.
    pub(crate) place: (Index, u32),
    pub(crate) body: Frozen,
}

/// A name in a directory, and what has it.
pub(crate) type Entry = (Box<[u8]>, Index);

/// What an inode is.
#[derive(Debug)]
pub(crate) enum Frozen {
    /// Entries by name.
    Directory(Box<[Entry]>),
    File {
        size: u64,
        content: Content,
    },
    Symlink(Box<[u8]>),
}

impl Tree {
    /// Takes over what can be reached from the root. Whiteouts that hide nothing are left out.
    pub(crate) fn new(draft: &Draft) -> Self {
        let mut numbers: Vec<Option<Index>> = vec![None; draft.nodes.len()];
        let mut inodes: Vec<Inode> = Vec::new();
        let mut waiting: Vec<(Index, Index)> = Vec::new();
        if let Some(root) = draft.node(0) {
            inodes.push(inode(root, (0, 0)));
            waiting.push((0, 0));
        }
        while let Some((from, to)) = waiting.pop() {
            let Some(Body::Directory(directory)) = draft.node(from).map(|node| &node.body) else {
                continue;
            };
            let mut entries = Vec::with_capacity(directory.entries.len());
            for (name, index) in &directory.entries {
                let Some(node) = draft.node(*index) else { continue };
                if matches!(node.body, Body::Whiteout | Body::Borrowed(_)) {
                    continue;
                }
                let slot = usize::try_from(*index).ok().and_then(|index| numbers.get_mut(index));
                let Some(slot) = slot else { continue };
                let number = *slot.get_or_insert_with(|| {
                    let number = Index::try_from(inodes.len()).unwrap_or(Index::MAX);
                    let position = u32::try_from(entries.len()).unwrap_or(u32::MAX);
                    inodes.push(inode(node, (to, position)));
                    waiting.push((*index, number));
                    number
                });
                if let Some(inode) = usize::try_from(number).ok().and_then(|number| inodes.get_mut(number)) {
                    inode.links += 1;
                }
                entries.push((name.clone(), number));
            }
            if let Some(inode) = usize::try_from(to).ok().and_then(|to| inodes.get_mut(to)) {
                inode.body = Frozen::Directory(entries.into());
            }
        }
        let mut tree = Self { inodes };
        tree.count_directories();
        tree
    }

    pub(crate) fn get(&self, index: Index) -> Option<&Inode> {
        self.inodes.get(usize::try_from(index).ok()?)
    }

    /// A directory has a link of its parent, its own, and one of each directory in it.
    fn count_directories(&mut self) {
        let is_dir: Vec<bool> = self
            .inodes
            .iter()
            .map(|inode| matches!(inode.body, Frozen::Directory(_)))
            .collect();
        for inode in &mut self.inodes {
            if let Frozen::Directory(entries) = &inode.body {
                let dir =
                    |index: &Index| usize::try_from(*index).ok().and_then(|index| is_dir.get(index)) == Some(&true);
                let below = entries.iter().filter(|(_, index)| dir(index)).count();
                inode.links = u32::try_from(below).unwrap_or(u32::MAX).saturating_add(2);
            }
        }
    }
}

fn inode(node: &Node, place: (Index, u32)) -> Inode {
    let body = match &node.body {
        Body::File { size, content } => Frozen::File {
            size: *size,
            content: *content,
        },
        Body::Symlink(target) => Frozen::Symlink(target.clone()),
        Body::Directory(_) | Body::Whiteout | Body::Borrowed(_) => Frozen::Directory(Box::default()),
    };
    Inode {
        attrs: node.attrs.clone(),
        links: 0,
        place,
        body,
    }
}

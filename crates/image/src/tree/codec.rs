//! The index of a layer: a draft as bytes, with a digest at the end.

use super::{Attrs, Body, Content, Directory, Draft, Index, Node};
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};

/// How an index begins; another version is another index.
const MAGIC: &[u8] = b"agentos layer 1\n";
const DIGEST: usize = 32;

/// Kinds of nodes.
const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;
const WHITEOUT: u8 = 3;
const BORROWED: u8 = 4;

/// The draft as bytes.
pub(crate) fn encode(draft: &Draft) -> Vec<u8> {
    let mut output = Output(MAGIC.to_vec());
    output.number(draft.nodes.len() as u64);
    for node in &draft.nodes {
        output.node(node);
    }
    let digest = Sha256::digest(&output.0);
    output.0.extend_from_slice(&digest);
    output.0
}

/// The draft of bytes.
///
/// # Errors
/// For everything that [`encode`] does not make.
pub(crate) fn decode(bytes: &[u8]) -> Result<Draft> {
    read(bytes).ok_or_else(|| Error::format("index of a layer", "it is damaged"))
}

fn read(bytes: &[u8]) -> Option<Draft> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let mut input = Input(body.strip_prefix(MAGIC)?);
    let count = input.number()?;
    let mut draft = Draft { nodes: Vec::new() };
    for _ in 0..count {
        draft.nodes.push(input.node()?);
    }
    (input.0.is_empty() && sound(&draft)).then_some(draft)
}

/// Whether every entry leads to a node, and directories form a tree.
fn sound(draft: &Draft) -> bool {
    let mut named = vec![false; draft.nodes.len()];
    let entries = draft
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| match &node.body {
            Body::Directory(directory) => Some((at, directory)),
            _ => None,
        });
    for (at, directory) in entries {
        for index in directory.entries.values() {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            let Some(node) = draft.nodes.get(index) else {
                return false;
            };
            let is_dir = matches!(node.body, Body::Directory(_));
            let again = named.get_mut(index).is_none_or(|named| core::mem::replace(named, true));
            if is_dir && (again || index <= at) {
                return false;
            }
        }
    }
    matches!(draft.nodes.first().map(|node| &node.body), Some(Body::Directory(_)))
}

struct Output(Vec<u8>);

impl Output {
    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut number: u64) {
        while number > 0x7f {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn node(&mut self, node: &Node) {
        let attrs = &node.attrs;
        self.number(u64::from(attrs.mode));
        self.number(u64::from(attrs.uid));
        self.number(u64::from(attrs.gid));
        self.number(attrs.mtime.cast_unsigned());
        self.number(attrs.xattrs.len() as u64);
        for (name, value) in &attrs.xattrs {
            self.bytes(name);
            self.bytes(value);
        }
        match &node.body {
            Body::Directory(directory) => {
                self.0.push(DIRECTORY);
                self.0
                    .push(u8::from(directory.implied) | u8::from(directory.opaque) << 1);
                self.number(directory.entries.len() as u64);
                for (name, index) in &directory.entries {
                    self.bytes(name);
                    self.number(u64::from(*index));
                }
            }
            Body::File { size, content } => {
                self.0.push(FILE);
                self.number(*size);
                self.number(u64::from(content.layer));
                self.number(u64::from(content.number));
            }
            Body::Symlink(target) => {
                self.0.push(SYMLINK);
                self.bytes(target);
            }
            Body::Whiteout => self.0.push(WHITEOUT),
            Body::Borrowed(path) => {
                self.0.push(BORROWED);
                self.bytes(path);
            }
        }
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn node(&mut self) -> Option<Node> {
        let mut attrs = Attrs {
            mode: self.small()?,
            uid: self.small()?,
            gid: self.small()?,
            mtime: self.number()?.cast_signed(),
            xattrs: Vec::new(),
        };
        for _ in 0..self.number()? {
            attrs.xattrs.push((self.bytes()?.to_vec(), self.bytes()?.to_vec()));
        }
        let body = match self.byte()? {
            DIRECTORY => Body::Directory(self.directory()?),
            FILE => Body::File {
                size: self.number()?,
                content: Content {
                    layer: self.small()?,
                    number: self.small()?,
                },
            },
            SYMLINK => Body::Symlink(self.bytes()?.into()),
            WHITEOUT => Body::Whiteout,
            BORROWED => Body::Borrowed(self.bytes()?.into()),
            _ => return None,
        };
        Some(Node { attrs, body })
    }

    fn directory(&mut self) -> Option<Directory> {
        let flags = self.byte()?;
        let mut directory = Directory {
            implied: flags & 1 != 0,
            opaque: flags & 2 != 0,
            ..Directory::default()
        };
        for _ in 0..self.number()? {
            let name = self.bytes()?.into();
            let index: Index = self.small()?;
            directory.entries.insert(name, index);
        }
        Some(directory)
    }
}

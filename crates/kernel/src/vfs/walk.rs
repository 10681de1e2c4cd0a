//! From a path to an inode (`path_resolution(7)`).
//!
//! The walker goes component by component: it checks search permission, asks the filesystem, crosses mounts and follows
//! symbolic links. It stops before the last component, because what that means is the caller's affair: look it up, create
//! it, remove it, or follow it and go on.
//!
//! Nothing is retained on the way. An inode that disappears under the walk is `ESTALE`, and the operation begins anew
//! ([`Vfs::ruled`](super::namespace::Vfs::ruled)): a name that a rename replaces at that moment is never missing. Inode numbers
//! are not reused, so the walk cannot end up elsewhere.
//!
//! Links stored on a *confined* mount (a directory of the host) may not lead out of it: their text is walked with a note of
//! the mount, and arriving anywhere else is `EACCES`.
//!
//! Where the policy has rules about files, the walk also knows the *real path* of where it is ([`real`](super::real)): each
//! step appends a name or takes one away, so that the path costs no second walk.

use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::id::Ino;
use crate::policy::Operation;
use crate::vfs::access::{self, Access};
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::context::FsContext;
use crate::vfs::location::{Jump, Location, Object};
use crate::vfs::namespace::Mount;
use crate::vfs::real::{self, Real};
use crate::vfs::walks::{self, Start};
use crate::vfs::{LINKS_MAX, NAME_MAX, PATH_MAX};
use core::time::Duration;
use smallvec::SmallVec;
use std::sync::Arc;

/// A copy of one component.
pub(super) type Name = SmallVec<[u8; 64]>;

/// An inode that was found; not retained.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) mount: Arc<Mount>,
    pub(super) attr: Attr,
    /// Its real path, where rules need it and it has one.
    pub(super) real: Real,
}

/// What remains after everything but the last component was walked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// An ordinary name in the present directory.
    Name(Name),
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// Nothing: the path was `/`, or a magic link led to [`Walker::node`].
    Here,
    /// A magic link led to something that is no inode.
    Object,
}

/// What following a link led to.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// An inode.
    Node(Node),
    /// An object behind a magic link.
    Object(Object),
}

/// A walk in progress.
pub(super) struct Walker<'a> {
    cx: &'a FsContext<'a>,
    /// Where the walk has arrived: a directory, unless it has ended.
    node: Node,
    texts: SmallVec<[Text<'a>; 2]>,
    links: u32,
    object: Option<Object>,
    /// The last component was followed by a slash.
    slash: bool,
    /// The mount that the last component must not leave.
    bound: Option<Arc<Mount>>,
    /// The way to the last component may be kept: it has led through nothing so far that may not be.
    start: Option<Start>,
    /// The walk that found the way at whose end this one was begun, if it was one that is kept.
    ahead: Option<Start>,
}

/// A path, or the text of a link, of which the first `at` bytes are done.
struct Text<'a> {
    bytes: Bytes<'a>,
    at: usize,
    bound: Option<Arc<Mount>>,
}

enum Bytes<'a> {
    Path(&'a [u8]),
    Link(Vec<u8>),
}

/// Finds what `path` names. `follow`: a symbolic link at the end is followed.
pub(super) fn resolve(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], follow: bool) -> Result<Node> {
    match find(cx, base, path, follow)? {
        Target::Node(node) => Ok(node),
        Target::Object(_) => Err(Errno::EACCES.into()),
    }
}

/// Like [`resolve`], for callers that know what to do with an object behind a magic link.
pub(super) fn find(cx: &FsContext<'_>, base: Option<&Location>, path: &[u8], follow: bool) -> Result<Target> {
    let mut walker = Walker::start(cx, base, path)?;
    let mut last = walker.up_to_last()?;
    while let Some(link) = walker.look(&last)? {
        // A trailing slash asks for a directory, so it follows even where links are not.
        if link.kind == FileType::Symlink && (follow || walker.slash) {
            walker.follow(&link)?;
            last = walker.up_to_last()?;
            continue;
        }
        walker.land(link, &last)?;
        break;
    }
    walker.finish()
}

/// For how long everybody may believe that the absolute `path` leads to a directory, if nothing changes meanwhile that ways depend
/// on: only where all of the way is one that may be kept (`walks`), and whoever asks may be told.
pub(super) fn steady(cx: &FsContext<'_>, path: &[u8]) -> Result<Option<Duration>> {
    let (top, from_top) = (cx.root.mount(), path.first() == Some(&b'/'));
    let Some(began) = cx.walks.and_then(|walks| walks.begin(cx.root)) else {
        return Ok(None);
    };
    if !from_top || cx.root.ino() != top.root {
        return Ok(None);
    }
    let mut walker = Walker::start(cx, None, path)?;
    if walker.ahead.is_none() {
        // Paths of one component are no ways that are kept, and yet may be passed.
        walker.start = Some(began);
    }
    let last = walker.up_to_last()?;
    let (Last::Name(name), Some(found), false) = (&last, walker.ahead.or(walker.start), walker.slash) else {
        return Ok(None);
    };
    let attr = walker.node.lookup(name)?;
    if attr.kind != FileType::Directory {
        return Ok(None);
    }
    walker.land(attr, &last)?;
    cx.may(Operation::FsReadlink, &walker.node)?;
    cx.may_inspect(&walker.node.mount, walker.node.attr.ino)?;
    Ok(walks::STAY.checked_sub(found.at.elapsed()))
}

/// Walks to the directory that holds the last component, which is not looked up.
pub(super) fn parent<'a>(cx: &'a FsContext<'a>, base: Option<&Location>, path: &'a [u8]) -> Result<Parent> {
    let mut walker = Walker::start(cx, base, path)?;
    let last = walker.up_to_last()?;
    Ok(Parent {
        slash: walker.slash,
        dir: walker.node,
        last,
    })
}

/// A directory and a name in it.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    pub(super) dir: Node,
    pub(super) last: Last,
    /// The name was followed by a slash.
    pub(super) slash: bool,
}

impl Parent {
    /// The name, or `special` if the path ends in `.`, `..` or `/`.
    pub(super) fn name(&self, special: Errno) -> Result<&[u8]> {
        match &self.last {
            Last::Name(name) => Ok(name),
            _ => Err(special.into()),
        }
    }
}

impl Node {
    /// The inode at the end of a held location.
    pub(super) fn at(location: &Location) -> Result<Self> {
        Ok(Self {
            mount: Arc::clone(location.mount()),
            attr: location.attr()?,
            real: None,
        })
    }

    /// The inode at the end of a held location, with its real path if the caller is under rules about files.
    pub(super) fn under(cx: &FsContext<'_>, location: &Location) -> Result<Self> {
        let mut node = Self::at(location)?;
        if cx.needs_real_paths() {
            node.real = real::of(location, &node.attr)?;
        }
        Ok(node)
    }

    /// What a name in this directory was found to be, without crossing a mount.
    pub(super) fn child(&self, name: &[u8], attr: Attr) -> Result<Self> {
        let mut child = Self { attr, ..self.clone() };
        child.descend(name)?;
        Ok(child)
    }

    /// Holds the inode.
    pub(super) fn hold(&self) -> Result<Location> {
        let location = Location::new(&self.mount, self.attr.ino, self.attr.kind)?;
        Ok(location.found_at(self.real.as_deref()))
    }

    /// Appends a component to the real path, if there is one.
    fn descend(&mut self, name: &[u8]) -> Result<()> {
        match &mut self.real {
            Some(path) => real::push(path, name),
            None => Ok(()),
        }
    }

    /// Looks `name` up in this directory, without crossing a mount or a permission check.
    pub(super) fn lookup(&self, name: &[u8]) -> Result<Attr> {
        if name.len() > NAME_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        self.mount.fs.lookup(self.attr.ino, name)
    }

    /// Replaces a covered directory by the root of what covers it.
    pub(super) fn cross(&mut self) -> Result<()> {
        while self.attr.kind == FileType::Directory
            && let Some(child) = self.mount.child(self.attr.ino)
        {
            self.attr = child.fs.getattr(child.root)?;
            self.mount = child;
        }
        Ok(())
    }

    pub(super) fn is(&self, location: &Location) -> bool {
        self.attr.ino == location.ino() && Arc::ptr_eq(&self.mount, location.mount())
    }

    fn set(&mut self, ino: Ino) -> Result<()> {
        self.attr = self.mount.fs.getattr(ino)?;
        Ok(())
    }
}

impl<'a> Walker<'a> {
    /// Begins at the root, at `base`, or at the working directory.
    pub(super) fn start(cx: &'a FsContext<'a>, base: Option<&Location>, path: &'a [u8]) -> Result<Self> {
        if path.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if path.len() > PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if path.contains(&0) {
            return Err(Errno::EINVAL.into());
        }
        let from = if path.first() == Some(&b'/') {
            cx.root
        } else {
            base.unwrap_or(cx.cwd)
        };
        let way = walks::way_of(path);
        let start = cx.walks.filter(|_| way.is_some()).and_then(|walks| walks.begin(from));
        let kept = way.and_then(|way| Some((cx.walks?.get(start?, way)?, way.len())));
        let (node, at, ahead) = match kept {
            Some(((node, found), at)) => (node, at, Some(found)),
            None => (Node::under(cx, from)?, 0, None),
        };
        let mut texts = SmallVec::new();
        texts.push(Text {
            bytes: Bytes::Path(path),
            at,
            bound: None,
        });
        Ok(Self {
            cx,
            node,
            texts,
            links: 0,
            object: None,
            slash: false,
            bound: None,
            start: start.filter(|_| ahead.is_none()),
            ahead,
        })
    }

    /// Walks on until one component is left.
    pub(super) fn up_to_last(&mut self) -> Result<Last> {
        loop {
            if self.object.is_some() {
                return Ok(Last::Object);
            }
            let Some((start, end, is_last)) = self.next_component() else {
                return Ok(Last::Here);
            };
            // A component is only ever walked in a directory that may be searched, even the last one.
            self.searchable()?;
            self.start = self.start.filter(|_| self.links == 0 && walks::may_pass(&self.node));
            let Some(text) = self.texts.last() else {
                return Ok(Last::Here);
            };
            let name = text.get(start, end);
            if is_last {
                if let (Some(walks), Some(began)) = (self.cx.walks, self.start) {
                    walks.put(began, text.get(0, start), &self.node);
                }
                self.bound.clone_from(&text.bound);
                return Ok(match name {
                    b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => Last::Name(Name::from_slice(name)),
                });
            }
            match name {
                b"." => {}
                b".." => self.up()?,
                _ => {
                    let attr = self.node.lookup(name)?;
                    if attr.kind == FileType::Symlink {
                        self.follow(&attr)?;
                        continue;
                    }
                    self.node.attr = attr;
                    self.node.descend(text.get(start, end))?;
                    self.node.cross()?;
                }
            }
            self.leave_texts()?;
        }
    }

    /// Performs the last component: `Some` is what the name refers to, `None` means that the walk has arrived.
    pub(super) fn look(&mut self, last: &Last) -> Result<Option<Attr>> {
        match last {
            Last::Name(name) => self.node.lookup(name).map(Some),
            Last::Dot => {
                if self.ahead.is_some() {
                    // Other attributes than those that matter on the way may be new.
                    self.node.set(self.node.attr.ino)?;
                }
                self.check_bound().map(|()| None)
            }
            Last::DotDot => {
                let before = self.node.attr.ino;
                self.up()?;
                if self.ahead.is_some() && self.node.attr.ino == before {
                    // The top is above itself, and the way to it may have been kept, as for the other.
                    self.node.set(before)?;
                }
                self.check_bound().map(|()| None)
            }
            Last::Here | Last::Object => Ok(None),
        }
    }

    /// Arrives at the inode of the last component.
    pub(super) fn land(&mut self, attr: Attr, last: &Last) -> Result<()> {
        self.node.attr = attr;
        if let Last::Name(name) = last {
            self.node.descend(name)?;
        }
        self.node.cross()?;
        self.check_bound()
    }

    /// Where the walk has ended.
    pub(super) fn finish(self) -> Result<Target> {
        if let Some(object) = self.object {
            return match self.slash {
                true => Err(Errno::ENOTDIR.into()),
                false => Ok(Target::Object(object)),
            };
        }
        if self.slash && self.node.attr.kind != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        Ok(Target::Node(self.node))
    }

    /// Goes on with the text of symbolic link `link`, which lies in the present directory.
    pub(super) fn follow(&mut self, link: &Attr) -> Result<()> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::ELOOP.into());
        }
        self.cx.may_inspect(&self.node.mount, link.ino)?;
        let fs = &self.node.mount.fs;
        match fs.jump(link.ino, self.cx.caller)? {
            Some(Jump::Location(location)) => {
                self.node = Node::under(self.cx, &location)?;
                return self.leave_texts();
            }
            Some(Jump::Object(object)) => {
                self.object = Some(object);
                return match self.rest_is_empty() {
                    true => Ok(()),
                    false => Err(Errno::ENOTDIR.into()),
                };
            }
            None => {}
        }
        let target = fs.readlink_for(link.ino, self.cx.caller)?;
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        let bound = match self.node.mount.confined {
            true => Some(Arc::clone(&self.node.mount)),
            false => self.texts.last().and_then(|text| text.bound.clone()),
        };
        if target.first() == Some(&b'/') {
            self.node = Node::under(self.cx, self.cx.root)?;
        }
        self.texts.push(Text {
            bytes: Bytes::Link(target),
            at: 0,
            bound,
        });
        self.leave_texts()
    }

    /// Whether the last component was followed by a slash.
    pub(super) fn slash(&self) -> bool {
        self.slash
    }

    /// Where the walk has arrived.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The next component of the innermost text, and whether nothing follows it anywhere. Finished texts are dropped.
    fn next_component(&mut self) -> Option<(usize, usize, bool)> {
        while let Some(text) = self.texts.last_mut() {
            let bytes = text.bytes.as_slice();
            let Some(start) = skip_slashes(bytes, text.at) else {
                if self.texts.len() == 1 {
                    return None;
                }
                self.texts.pop();
                continue;
            };
            let len = bytes[start..].iter().position(|byte| *byte == b'/');
            let end = len.map_or(bytes.len(), |len| start + len);
            text.at = end;
            let is_last = self.rest_is_empty();
            if is_last {
                self.slash |= self.texts.iter().any(|text| text.at < text.bytes.as_slice().len());
            }
            return Some((start, end, is_last));
        }
        None
    }

    fn rest_is_empty(&self) -> bool {
        let done = |text: &Text<'_>| skip_slashes(text.bytes.as_slice(), text.at).is_none();
        self.texts.iter().all(done)
    }

    fn searchable(&self) -> Result<()> {
        if self.node.attr.kind != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        access::check(self.cx.cred, &self.node.attr, Access::EXEC)
    }

    /// `..`: not above the root of the process, through mount points, and to the parent otherwise.
    fn up(&mut self) -> Result<()> {
        loop {
            if self.node.is(self.cx.root) {
                return Ok(());
            }
            if self.node.attr.ino != self.node.mount.root {
                let removed = self.node.attr.nlink == 0;
                let parent = self.node.mount.fs.parent(self.node.attr.ino)?;
                self.node.set(parent)?;
                self.ascend(removed)?;
                return self.node.cross();
            }
            let Some(below) = self.node.mount.covered.clone() else {
                return Ok(());
            };
            if self.texts.last().is_some_and(|text| text.is_bound_to(&self.node.mount)) {
                return Err(escape());
            }
            let real = self.node.real.take();
            self.node = Node::at(&below)?;
            self.node.real = real;
        }
    }

    /// Takes the last component off the real path. That of a removed directory says nothing about where its parent is now.
    fn ascend(&mut self, removed: bool) -> Result<()> {
        match &mut self.node.real {
            _ if !self.cx.needs_real_paths() => {}
            Some(path) if !removed => real::pop(path),
            real => *real = real::climb(&self.node.mount, self.node.attr.ino)?,
        }
        Ok(())
    }

    /// After a step: leaving the text of a confined link means being where it was allowed to lead.
    fn leave_texts(&mut self) -> Result<()> {
        while let [.., text] = self.texts.as_slice()
            && self.texts.len() > 1
            && skip_slashes(text.bytes.as_slice(), text.at).is_none()
        {
            if let Some(bound) = &text.bound
                && !self.node.mount.is_within(bound)
            {
                return Err(escape());
            }
            self.texts.pop();
        }
        Ok(())
    }

    fn check_bound(&self) -> Result<()> {
        match &self.bound {
            Some(bound) if !self.node.mount.is_within(bound) => Err(escape()),
            _ => Ok(()),
        }
    }
}

impl Text<'_> {
    fn get(&self, start: usize, end: usize) -> &[u8] {
        // Both come from `next_component` on the same text.
        &self.bytes.as_slice()[start..end]
    }

    fn is_bound_to(&self, mount: &Arc<Mount>) -> bool {
        self.bound.as_ref().is_some_and(|bound| Arc::ptr_eq(bound, mount))
    }
}

impl Bytes<'_> {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Path(path) => path,
            Self::Link(text) => text,
        }
    }
}

/// A link of a confined mount that leads out of it.
fn escape() -> Error {
    Error::refused("EACCES: permission denied: path escapes host directory")
}

/// Index of the first byte from `at` on that is not a slash.
fn skip_slashes(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| *byte != b'/').map(|skipped| at + skipped)
}

/// An inode that vanished under the walk reads as a name that is not there.
pub(super) fn gone(error: Error) -> Error {
    match error.errno() {
        Errno::ESTALE => Errno::ENOENT.into(),
        _ => error,
    }
}

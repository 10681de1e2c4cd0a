//! Where the directories of paths were found a moment ago.
//!
//! A compiler names hundreds of files in a few directories, and `realpath` every directory on the way to each: nearly every path begins
//! with directories that were walked through just before. Finding them again takes most of the time of such a call, the more the
//! more layers a tree has. So for whoever asks for it ([`Vfs::keep_walks`](super::Vfs::keep_walks)) the directory of a path is kept by
//! where the walk began and by the bytes that led there.
//!
//! Only what says the same to everybody is kept:
//!
//! * All of the way lies in the root filesystem of a VM, which nobody else changes, and leads through directories alone: no link, no
//!   mount of another kind.
//! * Everybody may search and list each of the directories. So it does not matter whose walk it was; where a policy has rules about files, or
//!   a program is held to a directory, nothing is kept or taken.
//! * Nothing that a kept way depends on has changed: the number of changes ([`Walks::changed`]) is that of before the walk. It grows
//!   after each removal of a directory, each rename, each change of attributes of a directory, and each mount.
//! * It was found less than [`STAY`] ago, for directories of the host below, which may be replaced, and of which the layers
//!   themselves believe for a moment that they are what they were.
//!
//! Whoever answers for the kernel elsewhere, from a copy of what it was told ([`Vfs::steady_directory`](super::Vfs::steady_directory)), is
//! told of each change in the same moment ([`Watch`]).
//!
//! Where something turns out to be gone that was kept, everything is forgotten. The attributes that are kept serve to pass through a
//! directory; whoever wants to know them asks anew.

use super::attr::FileType;
use super::location::Location;
use super::walk::Node;
use crate::id::Ino;
use core::hash::BuildHasher;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use parking_lot::{Mutex, RwLock};
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

/// How long a way is kept.
pub(super) const STAY: Duration = Duration::from_millis(10);
/// Ways that are kept.
const SLOTS: usize = 256;
/// Longest way that is kept, in bytes.
const WAY_MAX: usize = 256;

/// Who is told that something has changed that ways depend on: after it was done, and before whoever did it is told that it was.
pub trait Watch: core::fmt::Debug + Send + Sync {
    /// Whatever was known before may be wrong from now on.
    fn changed(&self);
}

/// Ways that were walked. See the head of the module.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    on: AtomicBool,
    changes: AtomicU64,
    hasher: RandomState,
    /// Empty until something is kept.
    slots: Mutex<Vec<Option<Slot>>>,
    watch: RwLock<Option<Arc<dyn Watch>>>,
}

#[derive(Debug)]
struct Slot {
    start: Start,
    way: Box<[u8]>,
    to: Node,
}

/// Where a walk began, and when, by the number of changes and by the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// Address of the mount, and directory: mounts that are gone leave nothing here.
    from: (usize, Ino),
    changes: u64,
    pub(super) at: Instant,
}

impl Walks {
    /// Whether anything is kept from now on.
    pub(super) fn keep(&self, on: bool) {
        if self.on.swap(on, Ordering::AcqRel) != on {
            self.forget();
        }
    }

    /// A walk begins; none where nothing is kept.
    pub(super) fn begin(&self, from: &Location) -> Option<Start> {
        self.on.load(Ordering::Acquire).then(|| Start {
            from: (Arc::as_ptr(from.mount()).addr(), from.ino()),
            changes: self.changes.load(Ordering::Acquire),
            at: Instant::now(),
        })
    }

    /// Something has changed that ways depend on. Said after it was done, and before anybody is told that it was.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        if let Some(watch) = &*self.watch.read() {
            watch.changed();
        }
    }

    /// Has somebody told of changes from now on; false if somebody else is told already.
    pub(super) fn watch(&self, watch: Arc<dyn Watch>) -> bool {
        let mut place = self.watch.write();
        let is_free = place.is_none();
        if is_free {
            *place = Some(watch);
        }
        is_free
    }

    /// Nobody is told any more.
    pub(super) fn unwatch(&self) {
        let old = self.watch.write().take();
        drop(old);
    }

    /// Forgets everything.
    pub(super) fn forget(&self) {
        self.changed();
        // What was there is given up without the lock.
        let old = core::mem::take(&mut *self.slots.lock());
        drop(old);
    }

    /// Where a way leads, for a walk that has just begun, and the walk that found it.
    pub(super) fn get(&self, start: Start, way: &[u8]) -> Option<(Node, Start)> {
        let place = self.place(start, way);
        let slots = self.slots.lock();
        let slot = slots.get(place)?.as_ref()?;
        let (then, age) = (slot.start, start.at.saturating_duration_since(slot.start.at));
        let holds = (then.from, then.changes) == (start.from, start.changes) && age < STAY;
        (holds && *slot.way == *way).then(|| (slot.to.clone(), then))
    }

    /// Keeps where a way led.
    pub(super) fn put(&self, start: Start, way: &[u8], to: &Node) {
        if way.len() > WAY_MAX || start.changes != self.changes.load(Ordering::Acquire) {
            return;
        }
        let place = self.place(start, way);
        let slot = Slot {
            start,
            way: way.into(),
            to: to.clone(),
        };
        let old = {
            let mut slots = self.slots.lock();
            if slots.is_empty() {
                slots.resize_with(SLOTS, || None);
            }
            slots.get_mut(place).map(|place| place.replace(slot))
        };
        drop(old);
    }

    fn place(&self, start: Start, way: &[u8]) -> usize {
        // The remainder fits.
        (self.hasher.hash_one((start.from, way)) % SLOTS as u64) as usize
    }
}

/// The part of a path before its last component, if there is any, with the slash that ends it.
pub(super) fn way_of(path: &[u8]) -> Option<&[u8]> {
    let end = path.iter().rposition(|byte| *byte != b'/')?;
    let slash = path.get(..end)?.iter().rposition(|byte| *byte == b'/')?;
    let way = path.get(..=slash)?;
    way.iter().any(|byte| *byte != b'/').then_some(way)
}

/// Whether a directory may be on a way that is kept.
pub(super) fn may_pass(node: &Node) -> bool {
    const OPEN: u32 = 0o555;
    node.mount.is_own && node.attr.kind == FileType::Directory && node.attr.mode.bits() & OPEN == OPEN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_all_before_the_last_component() {
        let way = |path: &'static str| way_of(path.as_bytes()).map(|way| core::str::from_utf8(way).unwrap());
        assert_eq!(way("/usr/lib/x"), Some("/usr/lib/"));
        assert_eq!(way("/usr/lib//x//"), Some("/usr/lib//"));
        assert_eq!(way("a/b"), Some("a/"));
        assert_eq!(way("a/../b"), Some("a/../"));
        assert_eq!(["/usr", "//usr/", "a", "a/", "/", "", "///"].map(way), [None; 7]);
    }
}

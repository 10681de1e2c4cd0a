//! Where names of directories led a moment ago.
//!
//! A path is walked step by step, and a program that names hundreds of files beside one another (a compiler that looks for headers,
//! `realpath`, a package manager) takes the same steps hundreds of times, each of them a system call here. Directories of the host
//! are therefore believed to be what they were for [`STAY`], which is less than it takes anybody to replace one and to tell a
//! program in a VM of it. What is no directory is always looked at, and so is what is in a directory: only the way there is taken
//! from memory, along directories that are still the ones that were found, whatever their names lead to meanwhile. While a VM runs Linux
//! programs its kernel keeps ways for as long again.
//!
//! There are [`SLOTS`] places, each for the names whose hash leads there: what is kept is bounded, and needs no order. Where something
//! was found to be gone that was remembered, everything is forgotten.

use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, FileType};
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How long a directory is believed to be what it was.
pub(super) const STAY: Duration = Duration::from_millis(10);
/// Places of names.
const SLOTS: usize = 512;

/// Directories that were found lately, by where and under which name. See the head of the module.
pub(super) struct Lately {
    stay: Duration,
    hasher: RandomState,
    /// Empty until something is kept.
    slots: Mutex<Vec<Option<Slot>>>,
}

struct Slot {
    dir: Ino,
    name: Box<[u8]>,
    attr: Attr,
    found: Instant,
}

impl Lately {
    pub(super) fn new(stay: Duration) -> Self {
        Self {
            stay,
            hasher: RandomState::new(),
            slots: Mutex::new(Vec::new()),
        }
    }

    /// What the name led to, if that was a directory and is to be believed at `now`.
    pub(super) fn get(&self, dir: Ino, name: &[u8], now: Instant) -> Option<Attr> {
        let place = self.place(dir, name);
        let slots = self.slots.lock();
        let slot = slots.get(place)?.as_ref()?;
        let fresh = now.saturating_duration_since(slot.found) < self.stay;
        (fresh && slot.dir == dir && *slot.name == *name).then_some(slot.attr)
    }

    /// Keeps what the name led to at `now`, if that is a directory.
    pub(super) fn put(&self, dir: Ino, name: &[u8], attr: &Attr, now: Instant) {
        if attr.kind != FileType::Directory {
            return;
        }
        let place = self.place(dir, name);
        let mut slots = self.slots.lock();
        if slots.is_empty() {
            slots.resize_with(SLOTS, || None);
        }
        if let Some(slot) = slots.get_mut(place) {
            *slot = Some(Slot {
                dir,
                name: name.into(),
                attr: *attr,
                found: now,
            });
        }
    }

    /// Forgets everything: something was not what it was.
    pub(super) fn clear(&self) {
        self.slots.lock().clear();
    }

    fn place(&self, dir: Ino, name: &[u8]) -> usize {
        // The remainder fits.
        (self.hasher.hash_one((dir, name)) % SLOTS as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentos_kernel::clock::Timestamp;
    use agentos_kernel::id::{Gid, Uid};
    use agentos_kernel::vfs::Mode;

    fn attr(ino: u64, kind: FileType) -> Attr {
        Attr {
            ino: Ino(ino),
            kind,
            mode: Mode::new(0o755),
            nlink: 1,
            uid: Uid::ROOT,
            gid: Gid::ROOT,
            rdev: 0,
            size: 0,
            blocks: 0,
            atime: Timestamp(0),
            mtime: Timestamp(0),
            ctime: Timestamp(0),
            btime: Timestamp(0),
        }
    }

    #[test]
    fn directories_are_believed_for_a_moment_and_nothing_else() {
        let (lately, now) = (Lately::new(STAY), Instant::now());
        let found = |name: &[u8], at| lately.get(Ino(1), name, at).map(|attr| attr.ino.0);
        assert_eq!(found(b"lib", now), None);
        lately.put(Ino(1), b"lib", &attr(2, FileType::Directory), now);
        lately.put(Ino(1), b"link", &attr(3, FileType::Symlink), now);
        lately.put(Ino(1), b"file", &attr(4, FileType::Regular), now);
        assert_eq!(
            [b"lib".as_slice(), b"link", b"file", b"li"].map(|name| found(name, now)),
            [Some(2), None, None, None]
        );
        assert_eq!(lately.get(Ino(2), b"lib", now), None, "of another directory");
        assert_eq!(found(b"lib", now + STAY / 2), Some(2));
        assert_eq!(found(b"lib", now + STAY), None);
        lately.put(Ino(1), b"lib", &attr(5, FileType::Directory), now + STAY);
        assert_eq!(found(b"lib", now + STAY), Some(5));
        lately.clear();
        assert_eq!(found(b"lib", now + STAY), None);
    }

    #[test]
    fn names_that_share_a_place_are_not_taken_for_one_another() {
        let (lately, now) = (Lately::new(STAY), Instant::now());
        let names = 0..4 * SLOTS as u64;
        for name in names.clone() {
            lately.put(Ino(1), &name.to_le_bytes(), &attr(name, FileType::Directory), now);
        }
        let found = |name: u64| lately.get(Ino(1), &name.to_le_bytes(), now);
        let right = names
            .clone()
            .filter_map(|name| found(name).map(|attr| attr.ino == Ino(name)));
        let right: Vec<bool> = right.collect();
        assert!(right.iter().all(|right| *right));
        assert!((1..=SLOTS).contains(&right.len()), "{}", right.len());
    }
}

//! Descriptors on their way from one guest to another through a socket of the VM (`SCM_RIGHTS`).
//!
//! A guest's descriptors are the host's, and mean the same in every process of the VM, so they are only kept until somebody takes
//! them: with the bytes that they came with in the VM's socket, where they count as open descriptors of the VM, and then in the pair
//! of whoever receives. Meanwhile perhaps no guest has them open, and still they must not be forgotten (`vm/known.rs`).

use super::bridge::Key;
use crate::sys;
use agentos_kernel::fd::FdLimits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// What of a VM is on its way.
#[derive(Default)]
pub(crate) struct Traffic {
    limits: OnceLock<Arc<FdLimits>>,
    keys: Mutex<HashMap<Key, usize>>,
}

impl Traffic {
    /// From here on guests may hand descriptors over.
    pub(crate) fn allow(&self, limits: &Arc<FdLimits>) {
        self.limits.get_or_init(|| Arc::clone(limits));
    }

    /// Whether any guest may ever have handed one over.
    pub(super) fn is_allowed(&self) -> bool {
        self.limits.get().is_some()
    }

    /// Puts descriptors on their way; none if the VM has no room for more.
    pub(crate) fn load(self: &Arc<Self>, fds: Vec<OwnedFd>) -> Option<Descriptors> {
        let limits = self.limits.get().filter(|_| !fds.is_empty())?;
        let count = fds.len() as u64;
        limits.descriptions().take(count, "sendmsg").ok()?;
        let counted = Counted {
            limits: Arc::clone(limits),
            count,
        };
        let keys: Vec<Key> = fds.iter().filter_map(key_of).collect();
        let mut all = self.keys.lock();
        for key in &keys {
            *all.entry(*key).or_default() += 1;
        }
        drop(all);
        let held = Held {
            traffic: Arc::clone(self),
            keys,
        };
        Some(Descriptors { fds, held, counted })
    }

    /// What is on its way.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.keys.lock().keys().copied().collect()
    }
}

fn key_of(fd: &OwnedFd) -> Option<Key> {
    let stat = sys::stat_fd(fd.as_fd(), c"").ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// Descriptors that the supervisor has meanwhile.
pub(crate) struct Descriptors {
    fds: Vec<OwnedFd>,
    held: Held,
    counted: Counted,
}

impl Descriptors {
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.fds.iter().map(AsFd::as_fd)
    }

    /// They are in the pair of who receives them.
    pub(super) fn handed_on(self) -> Held {
        drop((self.fds, self.counted));
        self.held
    }
}

/// Keeps what descriptors mean from being forgotten.
pub(crate) struct Held {
    traffic: Arc<Traffic>,
    keys: Vec<Key>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.traffic.keys.lock();
        for key in &self.keys {
            if let Some(count) = all.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    all.remove(key);
                }
            }
        }
    }
}

/// Room that the descriptors take.
struct Counted {
    limits: Arc<FdLimits>,
    count: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.limits.descriptions().give(self.count);
    }
}

/// What was handed to a guest and it has not read yet.
#[derive(Default)]
pub(super) struct Delivered(Vec<Held>);

impl Delivered {
    /// Sends `data`, and what goes along with it, without waiting. None if there is no room.
    pub(super) fn send(
        &mut self,
        end: BorrowedFd<'_>,
        data: &[u8],
        cargo: &mut Option<Box<Descriptors>>,
    ) -> std::io::Result<Option<usize>> {
        self.settle(end);
        let Some(descriptors) = cargo else {
            return sys::send(end, data);
        };
        let fds: Vec<BorrowedFd<'_>> = descriptors.fds().collect();
        match sys::send_with(end, data, &fds) {
            Ok(Some(count)) => {
                self.0.extend(cargo.take().map(|descriptors| descriptors.handed_on()));
                Ok(Some(count))
            }
            // The host has too many on their way: these are lost, as where a receiver has no room.
            Err(error) if sys::errno_of(&error) == libc::ETOOMANYREFS => {
                *cargo = None;
                sys::send(end, data)
            }
            other => other,
        }
    }

    /// Forgets what the guest has read by now.
    pub(super) fn settle(&mut self, end: BorrowedFd<'_>) {
        if !self.0.is_empty() && sys::unread(end) == 0 {
            self.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentos_kernel::limits::Limits;

    #[test]
    fn they_count_until_they_are_taken_and_are_known_until_they_are_read() {
        let mut limits = Limits::default();
        limits.max_open_fds = 3;
        let limits = FdLimits::new(&limits);
        let traffic = Arc::new(Traffic::default());
        let make = || sys::memfd(c"test", true).unwrap();
        assert!(traffic.load(vec![make()]).is_none(), "nobody may yet");
        traffic.allow(&limits);
        let (one, two) = (
            traffic.load(vec![make(), make()]).unwrap(),
            traffic.load(vec![make()]).unwrap(),
        );
        assert!(traffic.load(vec![make()]).is_none());
        assert_eq!((limits.descriptions().used(), traffic.keys().len()), (3, 3));
        drop(two);
        assert_eq!((limits.descriptions().used(), traffic.keys().len()), (2, 2));
        let (guest, end) = sys::pair(libc::SOCK_STREAM).unwrap();
        let mut delivered = Delivered::default();
        let mut cargo = Some(Box::new(one));
        assert_eq!(delivered.send(end.as_fd(), b"ab", &mut cargo).unwrap(), Some(2));
        delivered.settle(end.as_fd());
        assert_eq!((limits.descriptions().used(), traffic.keys().len()), (0, 2));
        let (found, fds) = sys::receive_with(guest.as_fd(), &mut [0; 8], 0).unwrap().unwrap();
        assert_eq!((found.count, fds.len()), (2, 2));
        delivered.settle(end.as_fd());
        assert_eq!(traffic.keys(), []);
    }
}

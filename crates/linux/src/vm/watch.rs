//! Those who watch files: what they read, and what natives do that the kernel does not see.
//!
//! A guest that watches has one end of a pair of sockets that keep records apart; the VM's thread sends one record for each event of
//! the kernel's queue, as long as there is room, and goes on when the guest has read. When the guest has closed its end, the watching
//! ends.
//!
//! Names and attributes change by calls, of which the kernel tells. Bytes are changed behind its back: while anybody watches,
//! the host is asked to tell of files that natives have open for writing.
//!
//! # One event for each read
//!
//! On Linux a read gives as many whole events as there is room for, and `EINVAL` where there is none for the first. Here it gives one. Guests
//! read on the host, at its speed, so it is the kind of the host's descriptor that decides what a read gives, and none gives just that:
//!
//! * A stream, of a socket or of a pipe, fills what room there is, and ends in the middle of an event. No read of Linux does, so no
//!   program goes on from there.
//! * What keeps records apart, such as these sockets or a pipe of packets, gives one for each read and drops what there is no room for. With
//!   several events in a record whoever has room for one would lose the others; and nobody here learns how much room there is before it is used.
//! * A watcher of the host's reads like one. The changes would have to be made again, on files that it watches for this purpose: a few
//!   calls of the host for each event, with others in between that nobody is to see; and a user has 128 of these by default, for all VMs.
//! * To answer `read` here would stop every read of every guest: the filter sees the number of a descriptor, which guests choose.
//!
//! So a record is one event. Whoever has room for any event, `sizeof(struct inotify_event) + NAME_MAX + 1` as the manual has it, gets all of them
//! whole, and what `FIONREAD` says is enough for the next. With less room than an event takes its beginning is read and the rest is lost.

use super::{Shared, Vm};
use crate::calls::Fail;
use crate::sys::{self, Ready};
use agentos_kernel::fd::{AccessMode, OpenFile};
use agentos_kernel::vfs::FileType;
use agentos_kernel::vfs::news::{Event, Reader, mask};
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

/// Tokens at the poller: above all numbers of processes.
pub(super) const FIRST: u64 = 1 << 40;
/// The host's news.
const HOST: u64 = FIRST;

/// All who watch.
#[derive(Default)]
pub(crate) struct Watchers {
    /// By what their end is on the host.
    all: HashMap<(u64, u64), Watcher>,
    next: u64,
    host: Option<Host>,
}

struct Watcher {
    reader: Reader,
    end: OwnedFd,
    token: u64,
    /// An event that there was no room for.
    kept: Option<Vec<u8>>,
}

/// The host's own watches of files that natives write.
struct Host {
    fd: OwnedFd,
    files: HashMap<i32, Weak<OpenFile>>,
}

/// Wakes a VM's thread because there is news.
struct Tidings {
    vm: Weak<Shared>,
    token: u64,
}

impl Wake for Tidings {
    fn wake(self: Arc<Self>) {
        if let Some(vm) = self.vm.upgrade() {
            vm.tidings(self.token);
        }
    }
}

/// An event as a guest reads it.
fn encode(event: &Event) -> Vec<u8> {
    const HEAD: usize = 16;
    let room = match event.name.len() {
        0 => 0,
        // With the end of the string, a multiple of the head.
        len => (len + 1).next_multiple_of(HEAD),
    };
    let mut bytes = Vec::with_capacity(HEAD + room);
    bytes.extend(event.watch.to_le_bytes());
    bytes.extend(event.mask.to_le_bytes());
    bytes.extend(event.cookie.to_le_bytes());
    // A name has at most 255 bytes.
    bytes.extend((room as u32).to_le_bytes());
    bytes.extend_from_slice(&event.name);
    bytes.resize(HEAD + room, 0);
    bytes
}

impl Vm {
    /// Somebody wants to watch: the end for the guest.
    pub(crate) fn open_watcher(&mut self, nonblocking: bool) -> Result<OwnedFd, Fail> {
        let kernel = self.kernel().ok_or(Fail(libc::ESRCH))?;
        self.watchers.next += 1;
        let token = FIRST + self.watchers.next;
        let waker = Waker::from(Arc::new(Tidings {
            vm: Arc::downgrade(&self.shared),
            token,
        }));
        let reader = kernel.vfs().news().reader(waker)?;
        let (guest, end) = sys::record_pair(nonblocking)?;
        let stat = sys::stat_fd(guest.as_fd(), c"")?;
        // It tells of the end of the other one in any case.
        self.poller.add(end.as_fd(), token, 0)?;
        let watcher = Watcher {
            reader,
            end,
            token,
            kept: None,
        };
        self.watchers.all.insert((stat.st_dev, stat.st_ino), watcher);
        self.watch_natives();
        Ok(guest)
    }

    /// Who watches by a guest's descriptor.
    pub(crate) fn watcher(&self, key: u32, fd: i32) -> Result<&Reader, Fail> {
        let stat = self.host_stat(key, fd)?;
        let watcher = self.watchers.all.get(&(stat.st_dev, stat.st_ino));
        Ok(&watcher.ok_or(Fail(libc::EINVAL))?.reader)
    }

    /// Something happened at the end of one who watches, or the host has news.
    pub(super) fn watcher_event(&mut self, event: Ready) {
        if event.token == HOST {
            return self.host_news();
        }
        if event.hung_up {
            self.drop_watcher(event.token);
        } else {
            self.send_news(event.token);
        }
    }

    fn drop_watcher(&mut self, token: u64) {
        let poller = &self.poller;
        self.watchers.all.retain(|_, watcher| {
            let gone = watcher.token == token;
            if gone {
                poller.remove(watcher.end.as_fd());
            }
            !gone
        });
        if self.watchers.all.is_empty()
            && let Some(host) = self.watchers.host.take()
        {
            poller.remove(host.fd.as_fd());
        }
    }

    /// Sends what there is, as long as there is room.
    pub(super) fn send_news(&mut self, token: u64) {
        let Some(watcher) = self.watchers.all.values_mut().find(|watcher| watcher.token == token) else {
            return;
        };
        loop {
            let Some(record) = watcher
                .kept
                .take()
                .or_else(|| watcher.reader.take().as_ref().map(encode))
            else {
                let _ = self.poller.rearm(watcher.end.as_fd(), token, 0);
                return;
            };
            match sys::send_record(watcher.end.as_fd(), &record) {
                Ok(()) => {}
                Err(error) if sys::errno_of(&error) == libc::EAGAIN => {
                    watcher.kept = Some(record);
                    let _ = self.poller.rearm(watcher.end.as_fd(), token, libc::EPOLLOUT);
                    return;
                }
                Err(_) => return self.drop_watcher(token),
            }
        }
    }

    /// Has the host tell of all files that natives have open for writing.
    fn watch_natives(&mut self) {
        if self.watchers.host.is_some() {
            return;
        }
        // A host that has no more of these is no reason to fail: who watches then hears of names only.
        let Ok(fd) = sys::host_watcher() else { return };
        if self.poller.add(fd.as_fd(), HOST, libc::EPOLLIN).is_err() {
            return;
        }
        self.watchers.host = Some(Host {
            fd,
            files: HashMap::new(),
        });
        let files: Vec<_> = self.known.values().map(|known| Arc::clone(&known.file)).collect();
        for file in files {
            self.watch_native(&file);
        }
    }

    /// Has the host tell of a file that natives have open for writing.
    pub(super) fn watch_native(&mut self, file: &Arc<OpenFile>) {
        let Some(host) = &mut self.watchers.host else { return };
        let Some(location) = file.location().filter(|location| location.kind() == FileType::Regular) else {
            return;
        };
        if !file.access().contains(AccessMode::WRITE) {
            return;
        }
        let Ok(Some(real)) = location.filesystem().native(location.ino(), false) else {
            return;
        };
        let Ok(path) = CString::new(format!("/proc/self/fd/{}", real.as_raw_fd())) else {
            return;
        };
        if let Ok(watch) = sys::watch_host(host.fd.as_fd(), &path, mask::MODIFY | mask::CLOSE_WRITE) {
            host.files.insert(watch, Arc::downgrade(file));
        }
    }

    fn host_news(&mut self) {
        let Some(host) = &mut self.watchers.host else { return };
        let Ok(events) = sys::host_events(host.fd.as_fd()) else {
            return;
        };
        let mut told = Vec::new();
        for (watch, bits) in events {
            match host.files.get(&watch).map(Weak::upgrade) {
                Some(Some(file)) => told.push((file, bits & (mask::MODIFY | mask::CLOSE_WRITE))),
                Some(None) => {
                    host.files.remove(&watch);
                    sys::unwatch_host(host.fd.as_fd(), watch);
                }
                None => {}
            }
            if bits & mask::IGNORED != 0 {
                host.files.remove(&watch);
            }
        }
        let Some(kernel) = self.kernel() else { return };
        for (file, bits) in told {
            if let Some(location) = file.location()
                && bits != 0
            {
                kernel.vfs().native_news(location, bits);
            }
        }
    }

    /// The last guest has gone, and who watched with it.
    pub(super) fn end_watching(&mut self) {
        let tokens: Vec<u64> = self.watchers.all.values().map(|watcher| watcher.token).collect();
        for token in tokens {
            self.drop_watcher(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_padded_with_their_end() {
        let event = |name: &[u8]| Event {
            watch: 1,
            mask: 2,
            cookie: 3,
            name: name.to_vec(),
        };
        assert_eq!(encode(&event(b"")).len(), 16);
        assert_eq!(encode(&event(b"a")).len(), 32);
        assert_eq!(encode(&event(&[b'a'; 15])).len(), 32);
        let long = encode(&event(&[b'a'; 16]));
        assert_eq!((long.len(), &long[12..16], long[47]), (48, &[32, 0, 0, 0][..], 0));
    }
}

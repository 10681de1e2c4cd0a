//! News of changes, for those who watch files and directories (`inotify(7)`).
//!
//! Every mounted filesystem tells here what it does while anybody watches. Whoever runs native programs adds what these do to bytes
//! of files. Each reader has a queue with a bound; what does not fit is replaced by one note that something is missing.
//!
//! A watch is of an inode, by device and number, and does not keep it alive. It ends with the inode.

use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Ino};
use crate::vfs::attr::{Attr, FileType};
use crate::vfs::locks::FileKey;
use crate::vfs::walks::Walks;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Waker;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Events that wait for one reader (`max_queued_events`); then one `IN_Q_OVERFLOW`.
pub const NEWS_QUEUED_MAX: usize = 16_384;
/// Readers of one VM (`max_user_instances`); then `EMFILE`.
pub const NEWS_READERS_MAX: usize = 128;
/// Watches of one VM (`max_user_watches`); then `ENOSPC`.
pub const NEWS_WATCHES_MAX: usize = 65_536;

/// Bits of events and of watches, as `inotify(7)` has them.
pub mod mask {
    /// Content was changed.
    pub const MODIFY: u32 = 0x2;
    /// Attributes were changed.
    pub const ATTRIB: u32 = 0x4;
    /// What was open for writing was closed.
    pub const CLOSE_WRITE: u32 = 0x8;
    /// A name went to another place.
    pub const MOVED_FROM: u32 = 0x40;
    /// A name came from another place.
    pub const MOVED_TO: u32 = 0x80;
    /// A name was made.
    pub const CREATE: u32 = 0x100;
    /// A name was removed.
    pub const DELETE: u32 = 0x200;
    /// The watched inode itself was removed.
    pub const DELETE_SELF: u32 = 0x400;
    /// The watched inode itself has another name.
    pub const MOVE_SELF: u32 = 0x800;
    /// Every kind of event.
    pub const ALL: u32 = 0xfff;
    /// Events are missing.
    pub const Q_OVERFLOW: u32 = 0x4000;
    /// The watch is gone.
    pub const IGNORED: u32 = 0x8000;
    /// Add to what the watch asks for.
    pub const MASK_ADD: u32 = 0x2000_0000;
    /// Fail if there is a watch already.
    pub const MASK_CREATE: u32 = 0x1000_0000;
    /// The event is about a directory.
    pub const ISDIR: u32 = 0x4000_0000;
    /// One event and no more.
    pub const ONESHOT: u32 = 0x8000_0000;
}

/// What a filesystem has done.
#[derive(Debug)]
pub(crate) enum What<'a> {
    Created {
        dir: Ino,
        name: &'a [u8],
        is_dir: bool,
    },
    Linked {
        ino: Ino,
        dir: Ino,
        name: &'a [u8],
    },
    Removed {
        dir: Ino,
        name: &'a [u8],
        victim: Option<Attr>,
    },
    Moved {
        from: (Ino, &'a [u8]),
        to: (Ino, &'a [u8]),
        moved: Option<Attr>,
        target: Option<Attr>,
        exchanged: bool,
    },
    /// The bits of an event at an inode, and where it has a name.
    Changed {
        ino: Ino,
        bits: u32,
        place: Option<(Ino, Vec<u8>)>,
    },
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The watch; -1 for none.
    pub watch: i32,
    /// What happened.
    pub mask: u32,
    /// The same for both ends of a move.
    pub cookie: u32,
    /// The name in a watched directory; empty for the watched inode itself.
    pub name: Vec<u8>,
}

/// All watches of a VM.
#[derive(Debug, Default)]
pub struct News {
    /// What is remembered of paths, which some of it makes untrue.
    pub(crate) walks: Walks,
    readers: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    readers: HashMap<u64, Queue>,
    /// Who watches an inode: reader and watch.
    watched: HashMap<FileKey, Vec<(u64, i32)>>,
    next: u64,
    cookie: u32,
    watches: usize,
}

#[derive(Debug)]
struct Queue {
    events: VecDeque<Event>,
    watches: HashMap<i32, Watch>,
    next: i32,
    waker: Waker,
}

#[derive(Debug, Clone, Copy)]
struct Watch {
    key: FileKey,
    mask: u32,
}

/// Somebody who reads news; ends with the value.
#[derive(Debug)]
pub struct Reader {
    news: Arc<News>,
    id: u64,
}

impl News {
    /// Somebody who reads; `waker` is woken when there is something.
    ///
    /// # Errors
    /// `EMFILE` beyond 128 readers.
    pub fn reader(self: &Arc<Self>, waker: Waker) -> Result<Reader> {
        let mut state = self.state.lock();
        if state.readers.len() >= NEWS_READERS_MAX {
            return Err(Errno::EMFILE.into());
        }
        state.next += 1;
        let id = state.next;
        let queue = Queue {
            events: VecDeque::new(),
            watches: HashMap::new(),
            next: 1,
            waker,
        };
        state.readers.insert(id, queue);
        self.readers.store(state.readers.len(), Ordering::Release);
        Ok(Reader {
            news: Arc::clone(self),
            id,
        })
    }

    /// Whether anybody reads.
    pub fn has_readers(&self) -> bool {
        self.readers.load(Ordering::Acquire) > 0
    }

    /// Tells who watches.
    pub(crate) fn tell(&self, dev: DeviceId, what: What<'_>) {
        let wakers = {
            let mut state = self.state.lock();
            let mut told = Told {
                state: &mut state,
                dev,
                wakers: Vec::new(),
            };
            told.tell(what);
            told.wakers
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

struct Told<'a> {
    state: &'a mut State,
    dev: DeviceId,
    wakers: Vec<Waker>,
}

impl Told<'_> {
    fn tell(&mut self, what: What<'_>) {
        match what {
            What::Created { dir, name, is_dir } => self.at(dir, mask::CREATE | dir_bit(is_dir), 0, name),
            What::Linked { ino, dir, name } => {
                self.at(ino, mask::ATTRIB, 0, b"");
                self.at(dir, mask::CREATE, 0, name);
            }
            What::Removed { dir, name, victim } => {
                let is_dir = victim.is_some_and(|victim| victim.kind == FileType::Directory);
                if let Some(victim) = victim {
                    self.lost(&victim);
                }
                self.at(dir, mask::DELETE | dir_bit(is_dir), 0, name);
            }
            What::Moved {
                from,
                to,
                moved,
                target,
                exchanged,
            } => {
                self.moved(from, to, moved);
                match target {
                    Some(target) if exchanged => self.moved(to, from, Some(target)),
                    Some(target) => self.lost(&target),
                    None => {}
                }
            }
            What::Changed { ino, bits, place } => {
                self.at(ino, bits, 0, b"");
                if let Some((dir, name)) = place {
                    self.at(dir, bits, 0, &name);
                }
            }
        }
    }

    fn moved(&mut self, from: (Ino, &[u8]), to: (Ino, &[u8]), moved: Option<Attr>) {
        let is_dir = dir_bit(moved.is_some_and(|moved| moved.kind == FileType::Directory));
        self.state.cookie = self.state.cookie.wrapping_add(1).max(1);
        let cookie = self.state.cookie;
        self.at(from.0, mask::MOVED_FROM | is_dir, cookie, from.1);
        self.at(to.0, mask::MOVED_TO | is_dir, cookie, to.1);
        if let Some(moved) = moved {
            self.at(moved.ino, mask::MOVE_SELF, 0, b"");
        }
    }

    /// An inode has a name less, perhaps its last.
    fn lost(&mut self, victim: &Attr) {
        let is_dir = victim.kind == FileType::Directory;
        if !is_dir {
            self.at(victim.ino, mask::ATTRIB, 0, b"");
        }
        if is_dir || victim.nlink <= 1 {
            self.at(victim.ino, mask::DELETE_SELF, 0, b"");
            let key = self.key(victim.ino);
            for (reader, watch) in self.state.watched.remove(&key).unwrap_or_default() {
                self.state.end(reader, watch);
                self.put(reader, watch, mask::IGNORED, 0, b"");
            }
        }
    }

    fn key(&self, ino: Ino) -> FileKey {
        FileKey { dev: self.dev, ino }
    }

    /// An event at a watched inode.
    fn at(&mut self, ino: Ino, bits: u32, cookie: u32, name: &[u8]) {
        let key = self.key(ino);
        let Some(watchers) = self.state.watched.get(&key).cloned() else {
            return;
        };
        for (reader, watch) in watchers {
            let known = self
                .state
                .readers
                .get(&reader)
                .and_then(|queue| queue.watches.get(&watch));
            let Some(asked) = known.map(|known| known.mask) else {
                continue;
            };
            if asked & bits & mask::ALL == 0 {
                continue;
            }
            self.put(reader, watch, bits, cookie, name);
            if asked & mask::ONESHOT != 0 {
                self.state.unwatch(reader, watch);
                self.put(reader, watch, mask::IGNORED, 0, b"");
            }
        }
    }

    fn put(&mut self, reader: u64, watch: i32, mask: u32, cookie: u32, name: &[u8]) {
        let Some(queue) = self.state.readers.get_mut(&reader) else {
            return;
        };
        let event = Event {
            watch,
            mask,
            cookie,
            name: name.to_vec(),
        };
        queue.put(event);
        if !self.wakers.iter().any(|waker| waker.will_wake(&queue.waker)) {
            self.wakers.push(queue.waker.clone());
        }
    }
}

const fn dir_bit(is_dir: bool) -> u32 {
    if is_dir { mask::ISDIR } else { 0 }
}

impl Queue {
    fn put(&mut self, event: Event) {
        // The same once more says nothing new.
        if self.events.back() == Some(&event) {
            return;
        }
        if self.events.len() < NEWS_QUEUED_MAX {
            self.events.push_back(event);
        } else if self.events.back().is_some_and(|last| last.mask != mask::Q_OVERFLOW) {
            self.events.push_back(Event {
                watch: -1,
                mask: mask::Q_OVERFLOW,
                cookie: 0,
                name: Vec::new(),
            });
        }
    }
}

impl State {
    /// A watch is not in its reader's list any more.
    fn end(&mut self, reader: u64, watch: i32) -> Option<Watch> {
        let known = self.readers.get_mut(&reader)?.watches.remove(&watch)?;
        self.watches = self.watches.saturating_sub(1);
        Some(known)
    }

    /// A watch is nowhere any more.
    fn unwatch(&mut self, reader: u64, watch: i32) -> Option<()> {
        let known = self.end(reader, watch)?;
        let watchers = self.watched.get_mut(&known.key)?;
        watchers.retain(|entry| *entry != (reader, watch));
        if watchers.is_empty() {
            self.watched.remove(&known.key);
        }
        Some(())
    }
}

impl Reader {
    /// Watches an inode, or changes what an earlier watch of it asks for; the watch's number.
    ///
    /// # Errors
    /// `EEXIST` with [`mask::MASK_CREATE`], `ENOSPC` beyond 65,536 watches.
    pub fn watch(&self, key: FileKey, asked: u32) -> Result<i32> {
        let mut state = self.news.state.lock();
        let state = &mut *state;
        let watchers = state.watched.get(&key).map(Vec::as_slice).unwrap_or_default();
        let known = watchers
            .iter()
            .find(|(reader, _)| *reader == self.id)
            .map(|(_, watch)| *watch);
        let queue = state.readers.get_mut(&self.id).ok_or(Errno::EBADF)?;
        if let Some(watch) = known {
            let entry = queue.watches.get_mut(&watch).ok_or(Errno::EBADF)?;
            if asked & mask::MASK_CREATE != 0 {
                return Err(Errno::EEXIST.into());
            }
            entry.mask = match asked & mask::MASK_ADD {
                0 => asked,
                _ => entry.mask | asked,
            };
            return Ok(watch);
        }
        if state.watches >= NEWS_WATCHES_MAX {
            return Err(Errno::ENOSPC.into());
        }
        let watch = queue.next;
        queue.next = queue.next.checked_add(1).ok_or(Errno::ENOSPC)?;
        queue.watches.insert(watch, Watch { key, mask: asked });
        state.watched.entry(key).or_default().push((self.id, watch));
        state.watches += 1;
        Ok(watch)
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// `EINVAL` if there is none of that number.
    pub fn unwatch(&self, watch: i32) -> Result<()> {
        let waker = {
            let mut state = self.news.state.lock();
            state.unwatch(self.id, watch).ok_or(Errno::EINVAL)?;
            let queue = state.readers.get_mut(&self.id).ok_or(Errno::EBADF)?;
            queue.put(Event {
                watch,
                mask: mask::IGNORED,
                cookie: 0,
                name: Vec::new(),
            });
            queue.waker.clone()
        };
        waker.wake();
        Ok(())
    }

    /// The next event.
    pub fn take(&self) -> Option<Event> {
        self.news.state.lock().readers.get_mut(&self.id)?.events.pop_front()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.news.state.lock();
        let Some(queue) = state.readers.get(&self.id) else {
            return;
        };
        let watches: Vec<i32> = queue.watches.keys().copied().collect();
        for watch in watches {
            state.unwatch(self.id, watch);
        }
        state.readers.remove(&self.id);
        self.news.readers.store(state.readers.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ino: u64) -> FileKey {
        FileKey {
            dev: DeviceId(1),
            ino: Ino(ino),
        }
    }

    fn modified(ino: u64) -> What<'static> {
        What::Changed {
            ino: Ino(ino),
            bits: mask::MODIFY,
            place: Some((Ino(1), format!("f{ino}").into_bytes())),
        }
    }

    #[test]
    fn events_reach_those_who_asked_for_them() {
        let news = Arc::<News>::default();
        let reader = news.reader(Waker::noop().clone()).unwrap();
        let dir = reader.watch(key(1), mask::MODIFY | mask::CREATE).unwrap();
        news.tell(DeviceId(1), modified(7));
        news.tell(DeviceId(1), modified(7));
        news.tell(DeviceId(2), modified(7));
        let created = What::Created {
            dir: Ino(1),
            name: b"d",
            is_dir: true,
        };
        news.tell(DeviceId(1), created);
        let removed = What::Removed {
            dir: Ino(1),
            name: b"d",
            victim: None,
        };
        news.tell(DeviceId(1), removed);
        let got: Vec<_> = std::iter::from_fn(|| reader.take()).collect();
        let seen: Vec<_> = got
            .iter()
            .map(|event| (event.watch, event.mask, &*event.name))
            .collect();
        assert_eq!(
            seen,
            [(dir, mask::MODIFY, &b"f7"[..]), (dir, mask::CREATE | mask::ISDIR, b"d")]
        );
    }

    #[test]
    fn a_full_queue_says_so_once() {
        let news = Arc::<News>::default();
        let reader = news.reader(Waker::noop().clone()).unwrap();
        reader.watch(key(1), mask::MODIFY).unwrap();
        for ino in 0..NEWS_QUEUED_MAX as u64 + 10 {
            news.tell(DeviceId(1), modified(ino));
        }
        let got: Vec<_> = std::iter::from_fn(|| reader.take()).collect();
        assert_eq!(got.len(), NEWS_QUEUED_MAX + 1);
        assert_eq!(got.last().map(|event| event.mask), Some(mask::Q_OVERFLOW));
    }

    #[test]
    fn readers_and_watches_have_limits_and_leave_nothing() {
        let news = Arc::<News>::default();
        let readers: Vec<_> = (0..NEWS_READERS_MAX)
            .map(|_| news.reader(Waker::noop().clone()).unwrap())
            .collect();
        assert_eq!(news.reader(Waker::noop().clone()).unwrap_err().errno(), Errno::EMFILE);
        for ino in 0..NEWS_WATCHES_MAX as u64 {
            readers[0].watch(key(ino), mask::ALL).unwrap();
        }
        assert_eq!(readers[1].watch(key(0), mask::ALL).unwrap_err().errno(), Errno::ENOSPC);
        // The same again is none more.
        readers[0].watch(key(0), mask::MODIFY).unwrap();
        drop(readers);
        let state = news.state.lock();
        assert_eq!((state.watches, state.watched.len(), state.readers.len()), (0, 0, 0));
        assert!(!news.has_readers());
    }

    #[test]
    fn a_watch_ends_with_its_inode() {
        let news = Arc::<News>::default();
        let reader = news.reader(Waker::noop().clone()).unwrap();
        let watch = reader.watch(key(5), mask::ALL | mask::ONESHOT).unwrap();
        news.tell(DeviceId(1), modified(5));
        let masks: Vec<_> = std::iter::from_fn(|| reader.take()).map(|event| event.mask).collect();
        assert_eq!(masks, [mask::MODIFY, mask::IGNORED]);
        assert_eq!(reader.unwatch(watch).unwrap_err().errno(), Errno::EINVAL);
    }
}

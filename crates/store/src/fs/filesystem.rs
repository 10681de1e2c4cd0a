//! The kernel's interface.

use core::ops::ControlFlow;

use agentos_kernel::Errno;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::error::Result;
use agentos_kernel::id::Ino;
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{
    Attr, DirEntry, FileType, Filesystem, NAME_MAX, NewNode, RenameFlags, SIZE_MAX, SeekTarget, SetAttr, Settling,
    StatFs, XattrMode,
};
use parking_lot::RwLockWriteGuard;

use super::DurableFs;
use super::blocks::{BLOCK, place, touched};
use super::entries::Entry;
use super::node::Times;
use super::state::{ROOT, State};
use super::xattr;

/// `statfs(2)` type: none that Linux knows.
const MAGIC: u64 = 0x6167_6f73;
/// Entries that are listed under one hold of the lock.
const READDIR_BATCH: usize = 64;
/// Most bytes that are read under one hold of the lock when they come from disk.
const READ_BATCH: usize = 1 << 20;
/// Times that a change waits for the disk before it goes on in spite of others that fill the memory again.
const WAITS: u32 = 3;

/// A change is kept waiting by itself when so many times what should wait for the disk does. Guests are asked to wait before
/// they write ([`Filesystem::begin_room`]), which holds no thread; this is for those who cannot be asked, and for many at once.
const ASKED: u64 = 2;

/// Whether a change may need room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    Perhaps,
    None,
}

impl DurableFs {
    /// Answers from memory, or after loading what is missing. `answer` says `None` as long as something is.
    fn look<T>(
        &self,
        answer: impl Fn(&State) -> Option<Result<T>>,
        load: impl FnOnce(&mut State) -> Result<()>,
    ) -> Result<T> {
        if let Some(answer) = answer(&self.core.state.read()) {
            return answer;
        }
        let mut state = self.core.state.write();
        load(&mut state)?;
        let found = answer(&state).unwrap_or_else(|| Err(Errno::EIO.into()));
        state.sweep();
        found
    }

    /// Changes something, and sees to it that it gets to disk.
    fn change<T>(&self, growth: Growth, change: impl FnOnce(&mut State, Timestamp) -> Result<T>) -> Result<T> {
        let now = self.now();
        let mut state = self.writable(growth)?;
        let done = change(&mut state, now);
        state.sweep();
        let due = !state.scheduled && !state.journal.is_settled();
        state.scheduled |= due;
        drop(state);
        if due {
            self.core.schedule();
        }
        done
    }

    /// Sets times that only a copy of a file has a right to.
    pub(super) fn set_times(&self, ino: Ino, times: Times) -> Result<()> {
        self.change(Growth::None, |state, _| {
            state.load(ino)?;
            state.edit(ino)?.row.set_times(times);
            Ok(())
        })
    }

    /// The state, once there is room in memory for a change.
    fn writable(&self, growth: Growth) -> Result<RwLockWriteGuard<'_, State>> {
        for _ in 0..WAITS {
            let mut state = self.core.state.write();
            if growth == Growth::Perhaps
                && let Some(errno) = state.refusal
            {
                if !state.journal.is_clean() || self.core.database.check_headroom().is_err() {
                    return Err(errno.into());
                }
                state.refusal = None;
            }
            if state.journal.weight() <= self.core.limits.dirty_bytes.saturating_mul(ASKED) {
                return Ok(state);
            }
            drop(state);
            let waited = self.core.durable().wait();
            if let (Err(error), Growth::Perhaps) = (waited, growth) {
                return Err(error.errno().into());
            }
        }
        Ok(self.core.state.write())
    }

    fn write_at(&self, ino: Ino, offset: Option<u64>, data: &[u8]) -> Result<(usize, u64)> {
        self.change(Growth::Perhaps, |state, now| {
            state.load_blocks(ino)?;
            let offset = offset.unwrap_or(state.row(ino)?.size);
            let room = usize::try_from(SIZE_MAX.saturating_sub(offset)).unwrap_or(usize::MAX);
            if room == 0 && !data.is_empty() {
                return Err(Errno::EFBIG.into());
            }
            let data = data.get(..room).unwrap_or(data);
            // Blocks in the middle are replaced as a whole.
            let blocks = touched(offset, data.len() as u64);
            if !blocks.is_empty() {
                state.load_bytes(ino, blocks.start..blocks.start + 1)?;
                state.load_bytes(ino, blocks.end - 1..blocks.end)?;
            }
            let before = state.node(ino)?.weight_of_blocks();
            let count = state.content(ino)?.write(offset, data);
            state.grown(ino, before)?;
            let count = count?;
            if count > 0 {
                state.modified(ino, now)?;
            }
            Ok((count, offset + count as u64))
        })
    }

    /// Changes a regular file in a way that never needs more than the first and last of some blocks.
    fn reshape(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= SIZE_MAX)
            .ok_or(Errno::EFBIG)?;
        let growth = if punch { Growth::None } else { Growth::Perhaps };
        self.change(growth, |state, now| {
            state.load_blocks(ino)?;
            let (first, last) = (offset / BLOCK, end / BLOCK);
            if punch {
                state.load_bytes(ino, first..first + 1)?;
                state.load_bytes(ino, last..last + 1)?;
            }
            let before = state.node(ino)?.weight_of_blocks();
            let mut content = state.content(ino)?;
            let done = match punch {
                true => content.punch(offset..end),
                false => content.reserve(offset..end),
            };
            if done.is_ok() && !punch && !keep_size && end > content.row.size {
                content.resize(end);
            }
            state.grown(ino, before)?;
            done?;
            state.modified(ino, now)
        })
    }
}

impl Filesystem for DurableFs {
    fn kind(&self) -> &'static str {
        "agentos"
    }

    fn root(&self) -> Ino {
        ROOT
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.look(
            |state| state.look_up(dir, name),
            |state| {
                state.load_entries(dir)?;
                state.load_child(dir, name).map(drop)
            },
        )
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.look(
            |state| {
                let row = &state.have(dir)?.row;
                Some(match row.kind {
                    FileType::Directory => Ok(row.parent),
                    _ => Err(Errno::ENOTDIR.into()),
                })
            },
            |state| state.load(dir),
        )
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        self.look(
            |state| state.have(ino).map(|node| Ok(node.row.attr())),
            |state| state.load(ino),
        )
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        self.change(Growth::None, |state, now| {
            if let Some(size) = set.size {
                if size > SIZE_MAX {
                    return Err(Errno::EFBIG.into());
                }
                state.load_blocks(ino)?;
                let (index, used) = place(size);
                if used > 0 && size < state.row(ino)?.size {
                    state.load_bytes(ino, index..index + 1)?;
                }
                state.content(ino)?.resize(size);
                state.edit(ino)?.row.mtime = now;
            }
            state.load(ino)?;
            let node = state.edit(ino)?;
            node.row.set(set, now);
            Ok(node.row.attr())
        })
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        self.look(
            |state| {
                let target = state.have(ino)?.row.target.as_ref();
                Some(target.map(|text| text.to_vec()).ok_or_else(|| Errno::EINVAL.into()))
            },
            |state| state.load(ino),
        )
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        if matches!(node.kind, FileType::Directory | FileType::Symlink) {
            return Err(Errno::EINVAL.into());
        }
        self.change(Growth::Perhaps, |state, now| {
            state.add((dir, name), node.kind, None, node, now)
        })
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.change(Growth::Perhaps, |state, now| {
            state.add((dir, name), FileType::Directory, None, node, now)
        })
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], node: &NewNode) -> Result<Attr> {
        self.change(Growth::Perhaps, |state, now| {
            state.add((dir, name), FileType::Symlink, Some(target), node, now)
        })
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.change(Growth::Perhaps, |state, now| state.link(ino, dir, name, now))
    }

    fn create_unnamed(&self, node: &NewNode) -> Result<Attr> {
        self.change(Growth::Perhaps, |state, now| state.add_unnamed(node, now))
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.change(Growth::None, |state, now| state.unlink(dir, name, now))
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.change(Growth::None, |state, now| state.rmdir(dir, name, now))
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.change(Growth::Perhaps, |state, now| {
            state.rename((dir, name), (to_dir, to_name), flags, now)
        })
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        // `emit` may call back, so the entries are fetched in batches, and handed out without the lock.
        let mut position = position;
        loop {
            let batch: Vec<(u64, Entry)> = self.look(
                |state| {
                    let entries = state.have(dir)?.entries.as_ref()?.after(position);
                    let entries = entries.take(READDIR_BATCH);
                    Some(Ok(entries.map(|(at, entry)| (at, entry.clone())).collect()))
                },
                |state| state.load_entries(dir),
            )?;
            for (next, entry) in &batch {
                let entry = DirEntry {
                    name: &entry.name,
                    ino: entry.ino,
                    kind: entry.kind,
                    next: *next,
                };
                if emit(entry).is_break() {
                    return Ok(());
                }
                position = *next;
            }
            if batch.len() < READDIR_BATCH {
                return Ok(());
            }
        }
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let cached = |state: &State, offset, buf: &mut [u8]| {
            let node = state.have(ino)?;
            node.blocks.as_ref()?.read(node.row.size, offset, buf)
        };
        if let Some(count) = cached(&self.core.state.read(), offset, buf) {
            return Ok(count);
        }
        let mut done = 0;
        let mut state = self.core.state.write();
        state.load_blocks(ino)?;
        for piece in buf.chunks_mut(READ_BATCH) {
            let at = offset.saturating_add(done as u64);
            let left = state.row(ino)?.size.saturating_sub(at);
            state.load_bytes(ino, touched(at, left.min(piece.len() as u64)))?;
            let count = cached(&state, at, piece).ok_or(Errno::EIO)?;
            done += count;
            if count < piece.len() {
                break;
            }
            state.sweep();
            state.load_blocks(ino)?;
        }
        state.sweep();
        Ok(done)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        self.write_at(ino, Some(offset), data).map(|(count, _)| count)
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        self.write_at(ino, None, data)
    }

    fn touch(&self, ino: Ino) -> Result<()> {
        self.change(Growth::None, |state, now| {
            state.load(ino)?;
            state.edit(ino)?.row.atime = now;
            Ok(())
        })
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        self.look(
            |state| {
                let node = state.have(ino)?;
                let found = node.blocks.as_ref()?.seek(node.row.size, offset, target);
                let found = found.filter(|_| offset < node.row.size);
                Some(found.ok_or_else(|| Errno::ENXIO.into()))
            },
            |state| state.load_blocks(ino),
        )
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        self.reshape(ino, offset, len, keep_size, punch)
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.look(
            |state| {
                state.have(ino)?;
                let mut holders = state.holders.lock();
                let count = holders.entry(ino).or_insert(0);
                let more = count.checked_add(1);
                *count = more.unwrap_or(*count);
                Some(more.map(drop).ok_or_else(|| Errno::ENFILE.into()))
            },
            |state| state.load(ino),
        )
    }

    fn release(&self, ino: Ino) {
        let nameless = {
            let state = self.core.state.read();
            let mut holders = state.holders.lock();
            let Some(count) = holders.get_mut(&ino) else { return };
            *count -= 1;
            if *count > 0 {
                return;
            }
            holders.remove(&ino);
            // One without a name is never forgotten.
            state.nodes.get(&ino).is_some_and(|node| node.row.nlink == 0)
        };
        if nameless {
            // It cannot fail, and reaps nothing that somebody holds or has named meanwhile.
            let _ = self.change(Growth::None, |state, _| {
                state.reap(ino);
                Ok(())
            });
        }
    }

    fn fsync(&self, ino: Ino, _data_only: bool) -> Result<()> {
        if !self.core.state.read().journal.is_dirty(ino) {
            return Ok(());
        }
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        self.core.durable().wait().map_err(|error| error.errno().into())
    }

    fn begin_fsync(&self, ino: Ino, _data_only: bool) -> Result<Option<Settling>> {
        match self.core.state.read().journal.is_dirty(ino) {
            true => {}
            false => return Ok(None),
        }
        self.begin_sync()
    }

    fn begin_sync(&self) -> Result<Option<Settling>> {
        let ticket = self.core.durable();
        Ok(Some(Box::pin(async {
            ticket.await.map_err(|error| error.errno().into())
        })))
    }

    fn begin_room(&self) -> Result<Option<Settling>> {
        match self.core.state.read().journal.weight() <= self.core.limits.dirty_bytes {
            true => Ok(None),
            false => self.begin_sync(),
        }
    }

    fn statfs(&self) -> Result<StatFs> {
        let state = self.core.state.read();
        let quota = state.ledger.quota();
        let left = |counter: &Counter| counter.capacity().saturating_sub(counter.used());
        Ok(StatFs {
            magic: MAGIC,
            block_size: BLOCK,
            blocks: quota.bytes.capacity() / BLOCK,
            blocks_free: left(&quota.bytes) / BLOCK,
            inodes: quota.inodes.capacity(),
            inodes_free: left(&quota.inodes),
            name_max: NAME_MAX as u64,
        })
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.look(
            |state| {
                let value = state.have(ino)?.xattrs.as_ref()?.get(name);
                Some(value.map(|value| value.to_vec()).ok_or_else(|| Errno::ENODATA.into()))
            },
            |state| state.load_xattrs(ino),
        )
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        self.change(Growth::Perhaps, |state, now| {
            state.load_xattrs(ino)?;
            let node = state.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
            let xattrs = node.xattrs.as_mut().ok_or(Errno::EIO)?;
            let account = (&mut node.row.xattr_room, &mut state.ledger);
            xattr::set(xattrs, account, (name, value), mode)?;
            node.row.ctime = now;
            state.cached += xattr::charge(name, value);
            state.journal.mark(ino).xattrs(xattr::charge(name, value));
            Ok(())
        })
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.look(
            |state| {
                let names = state.have(ino)?.xattrs.as_ref()?.keys();
                Some(Ok(names.map(|name| name.to_vec()).collect()))
            },
            |state| state.load_xattrs(ino),
        )
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        self.change(Growth::None, |state, now| {
            state.load_xattrs(ino)?;
            let node = state.nodes.get_mut(&ino).ok_or(Errno::ESTALE)?;
            let xattrs = node.xattrs.as_mut().ok_or(Errno::EIO)?;
            xattr::remove(xattrs, (&mut node.row.xattr_room, &mut state.ledger), name)?;
            node.row.ctime = now;
            state.journal.mark(ino).xattrs(0);
            Ok(())
        })
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        self.look(
            |state| {
                let names = &state.have(ino)?.names;
                let Some((dir, position)) = names.any() else {
                    return names.are_known().then(|| Err(Errno::ENOENT.into()));
                };
                let entry = state.have(dir)?.entries.as_ref()?.at(position);
                Some(
                    entry
                        .map(|entry| (dir, entry.name.to_vec()))
                        .ok_or_else(|| Errno::EIO.into()),
                )
            },
            |state| {
                state.load_names(ino)?;
                match state.node(ino)?.names.any() {
                    Some((dir, _)) => state.load_entries(dir),
                    None => Ok(()),
                }
            },
        )
    }

    fn now(&self) -> Timestamp {
        self.core.clock.now()
    }
}

impl State {
    /// Notes that a file's blocks take more memory than before.
    fn grown(&mut self, ino: Ino, before: u64) -> Result<()> {
        self.cached += self.node(ino)?.weight_of_blocks().saturating_sub(before);
        Ok(())
    }
}

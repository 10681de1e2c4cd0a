//! Record locks (`fcntl(2)`): who is in the way.
//!
//! The host keeps the locks of Linux programs, on the files that they share, and what those of other kinds have locked there
//! (`vm/locks.rs`). What it says of a holder is its own number, or none, so the question is answered here, from the host's list of
//! locks and the kernel's.

use super::{Call, Fail, Outcome};
use crate::sys::Answer;
use agentos_kernel::vfs::locks::{FileKey, LockMode, LockRange};

/// Bytes of `struct flock`.
const SIZE: usize = 32;

/// A lock in the host's list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Device and inode.
    pub(crate) file: (u64, u64),
    pub(crate) exclusive: bool,
    pub(crate) pid: i32,
    pub(crate) start: i64,
    /// Last byte.
    pub(crate) end: i64,
    /// Whether it is waited for only.
    pub(crate) waits: bool,
}

/// `F_GETLK`.
pub(crate) fn get(call: &mut Call<'_>) -> Outcome {
    let fd = call.int(0);
    // Before anything else, as what is asked of nothing means nothing.
    let stat = call.vm.host_stat(call.key, fd)?;
    let mut lock = [0; SIZE];
    call.read(call.arg(2), &mut lock)?;
    let half = |at: usize| i16::from_le_bytes([lock[at], lock[at + 1]]);
    let word = |at: usize| {
        lock.get(at..at + 8)
            .and_then(|word| word.try_into().ok())
            .map_or(0, i64::from_le_bytes)
    };
    let exclusive = match i32::from(half(0)) {
        libc::F_WRLCK => true,
        libc::F_RDLCK => false,
        _ => return Err(Fail(libc::EINVAL)),
    };
    let base = match i32::from(half(2)) {
        libc::SEEK_SET => 0,
        libc::SEEK_CUR => i64::try_from(call.vm.position(call.key, fd)?.0).unwrap_or(i64::MAX),
        libc::SEEK_END => stat.st_size,
        _ => return Err(Fail(libc::EINVAL)),
    };
    let (start, end) = range(base, word(8), word(16))?;
    let list = std::fs::read_to_string("/proc/locks")?;
    let file = (stat.st_dev, stat.st_ino);
    let own = i32::try_from(call.key).unwrap_or(0);
    let in_the_way = held(&list)
        .filter(|held| held.file == file && !held.waits)
        .filter(|held| held.pid != own && (exclusive || held.exclusive) && held.start <= end && start <= held.end)
        .min_by_key(|held| held.start);
    match in_the_way {
        None => lock[..2].copy_from_slice(&(libc::F_UNLCK as i16).to_le_bytes()),
        Some(held) => {
            let kind = if held.exclusive { libc::F_WRLCK } else { libc::F_RDLCK };
            let len = if held.end == i64::MAX {
                0
            } else {
                held.end - held.start + 1
            };
            let pid = holder(call, fd, &held);
            lock[..2].copy_from_slice(&(kind as i16).to_le_bytes());
            lock[2..4].copy_from_slice(&0i16.to_le_bytes());
            lock[8..16].copy_from_slice(&held.start.to_le_bytes());
            lock[16..24].copy_from_slice(&len.to_le_bytes());
            lock[24..28].copy_from_slice(&pid.to_le_bytes());
        }
    }
    call.write(call.arg(2), &lock)?;
    Ok(Answer::OK)
}

/// The number under which the guest knows who holds a lock; -1 for an open description.
fn holder(call: &mut Call<'_>, fd: i32, held: &Held) -> i32 {
    let visible = match u32::try_from(held.pid) {
        Ok(pid) => Some(call.vm.visible_of_host(pid)),
        // A program of another kind holds it by a description of the host.
        Err(_) => of_kernel(call, fd, held),
    };
    visible.and_then(|pid| i32::try_from(pid).ok()).unwrap_or(-1)
}

fn of_kernel(call: &mut Call<'_>, fd: i32, held: &Held) -> Option<u32> {
    let file = call.file(fd).ok()??;
    let (first, last) = (u64::try_from(held.start).ok()?, u64::try_from(held.end).ok()?);
    let mode = match held.exclusive {
        true => LockMode::Exclusive,
        false => LockMode::Shared,
    };
    let process = call.process().ok()?;
    let locks = process.kernel().vfs().locks();
    let holder = locks.holder(FileKey::from(file.location()?), LockRange::between(first, last), mode)?;
    Some(call.vm.visible_pid(holder))
}

/// First and last byte of what `start` and `len` describe.
fn range(base: i64, start: i64, len: i64) -> Result<(i64, i64), Fail> {
    let overflow = Fail(libc::EOVERFLOW);
    let start = base.checked_add(start).ok_or(overflow)?;
    let (first, last) = match len {
        0 => (start, i64::MAX),
        1.. => (start, start.checked_add(len - 1).ok_or(overflow)?),
        _ => (start.checked_add(len).ok_or(Fail(libc::EINVAL))?, start - 1),
    };
    match first {
        0.. => Ok((first, last)),
        _ => Err(Fail(libc::EINVAL)),
    }
}

/// Record locks in the host's list, which has a line for each: number, an arrow for one that is waited for, kind, how, mode, process,
/// file, first and last byte.
pub(crate) fn held(list: &str) -> impl Iterator<Item = Held> {
    list.lines().filter_map(|line| {
        let mut fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let waits = fields.get(1) == Some(&"->");
        if waits {
            fields.remove(1);
        }
        let [_, "POSIX" | "OFDLCK", _, mode, pid, place, start, end] = fields.as_slice() else {
            return None;
        };
        Some(Held {
            file: identity(place)?,
            exclusive: *mode == "WRITE",
            pid: pid.parse().ok()?,
            start: start.parse().ok()?,
            end: if *end == "EOF" { i64::MAX } else { end.parse().ok()? },
            waits,
        })
    })
}

/// Device and inode of a file in the list.
fn identity(place: &str) -> Option<(u64, u64)> {
    let mut numbers = place.split(':');
    let mut device = || u32::from_str_radix(numbers.next()?, 16).ok();
    let device = libc::makedev(device()?, device()?);
    Some((device, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_host_is_read() {
        let list = "1: POSIX  ADVISORY  WRITE 708 00:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 708 00:01:77 0 EOF\n\
                    2: -> POSIX  ADVISORY  WRITE 9 00:01:77 0 EOF\n3: OFDLCK ADVISORY  READ -1 00:01:77 5 9\n4: POSIX  ADVISORY  READ 1 00:01:7 0 1\n";
        let found: Vec<_> = held(list)
            .map(|held| (held.file, held.exclusive, held.pid, held.start, held.end, held.waits))
            .collect();
        let (file, other) = ((libc::makedev(0, 1), 77), (libc::makedev(0, 1), 7));
        let wanted = [
            (file, true, 708, 0, i64::MAX, false),
            (file, true, 9, 0, i64::MAX, true),
            (file, false, -1, 5, 9, false),
            (other, false, 1, 0, 1, false),
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn ranges_are_those_of_the_manual() {
        assert_eq!(range(0, 3, 2), Ok((3, 4)));
        assert_eq!(range(10, -3, 0), Ok((7, i64::MAX)));
        assert_eq!(range(0, 3, -2), Ok((1, 2)));
        assert_eq!(range(0, 1, -2), Err(Fail(libc::EINVAL)));
        assert_eq!(range(0, i64::MAX, 2), Err(Fail(libc::EOVERFLOW)));
    }
}

//! Record locks (`fcntl(2)`): who is in the way.
//!
//! The host keeps the locks of Linux programs, on the files that they share. What it says of a holder is its own number, so the
//! question is answered here, from the host's list of locks.

use super::{Call, Fail, Outcome};
use crate::sys::Answer;

/// Bytes of `struct flock`.
const SIZE: usize = 32;

/// A lock in the host's list.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    exclusive: bool,
    pid: i32,
    start: i64,
    /// Last byte.
    end: i64,
}

/// `F_GETLK`.
pub(crate) fn get(call: &mut Call<'_>) -> Outcome {
    let fd = call.int(0);
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
    let stat = call.vm.host_stat(call.key, fd)?;
    let base = match i32::from(half(2)) {
        libc::SEEK_SET => 0,
        libc::SEEK_CUR => i64::try_from(call.vm.position(call.key, fd)?.0).unwrap_or(i64::MAX),
        libc::SEEK_END => stat.st_size,
        _ => return Err(Fail(libc::EINVAL)),
    };
    let (start, end) = range(base, word(8), word(16))?;
    let list = std::fs::read_to_string("/proc/locks")?;
    let file = format!(
        "{:02x}:{:02x}:{}",
        libc::major(stat.st_dev),
        libc::minor(stat.st_dev),
        stat.st_ino
    );
    let own = i32::try_from(call.key).unwrap_or(0);
    let in_the_way = held(&list, &file)
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
            let pid = match u32::try_from(held.pid) {
                Ok(pid) => i32::try_from(call.vm.visible_of_host(pid)).unwrap_or(-1),
                Err(_) => -1,
            };
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

/// Locks of a file in the host's list, which has a line for each: number, kind, how, mode, process, file, first and last byte.
fn held(list: &str, file: &str) -> impl Iterator<Item = Held> {
    list.lines().filter_map(move |line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "POSIX" | "OFDLCK", _, mode, pid, place, start, end] = fields.as_slice() else {
            return None;
        };
        (*place == file).then_some(())?;
        Some(Held {
            exclusive: *mode == "WRITE",
            pid: pid.parse().ok()?,
            start: start.parse().ok()?,
            end: if *end == "EOF" { i64::MAX } else { end.parse().ok()? },
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_host_is_read() {
        let list = "1: POSIX  ADVISORY  WRITE 708 00:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 708 00:01:77 0 EOF\n\
                    2: -> POSIX  ADVISORY  WRITE 9 00:01:77 0 EOF\n3: OFDLCK ADVISORY  READ -1 00:01:77 5 9\n4: POSIX  ADVISORY  READ 1 00:01:7 0 1\n";
        let found: Vec<_> = held(list, "00:01:77")
            .map(|held| (held.exclusive, held.pid, held.start, held.end))
            .collect();
        assert_eq!(found, [(true, 708, 0, i64::MAX), (false, -1, 5, 9)]);
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

//! Becoming another program (`execve(2)`, `execveat(2)`).
//!
//! The kernel finds and loads the program; the host only ever executes the loader, so the path in the guest's memory names that for
//! a moment (`vm/guest.rs`). Where the host would start from a descriptor of the guest, the path becomes an absolute one that leads to
//! the working directory. What the guest makes of its memory meanwhile decides nothing: Landlock lets the host execute no other
//! file, and no memory file can be executed by the host.

use super::{AT_FDCWD, Call, Fail, Outcome};
use crate::sys::{self, Answer, Pages};
use crate::vm::{Foreign, Patch, State, Target, Told, tells_apart};
use agentos_kernel::process::{AtFlags, SpawnRequest};
use agentos_kernel::vfs::FileType;
use std::os::fd::AsFd;

/// What a call wants executed.
struct Wanted {
    path: Vec<u8>,
    /// Which argument the path is.
    argument: usize,
    /// Bytes of that argument, without the one that ends it.
    given: usize,
    target: Target,
    /// Whether the path leads nowhere once the program runs.
    vanishes: bool,
}

pub(crate) fn execve(call: &mut Call<'_>) -> Outcome {
    let mut pages = Pages::new(call.n.tid);
    pages.expect(&[call.arg(0), call.arg(1), call.arg(2)]);
    let path = call.path_in(&mut pages, 0)?;
    if path.is_empty() {
        return Err(Fail(libc::ENOENT));
    }
    let wanted = Wanted {
        given: path.len(),
        path,
        argument: 0,
        target: Target::Here,
        vanishes: false,
    };
    execute(call, wanted, pages)
}

pub(crate) fn execveat(call: &mut Call<'_>) -> Outcome {
    let path = call.path(1)?;
    let (dirfd, flags, names_itself) = (call.int(0), call.int(4), path.is_empty());
    if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    if names_itself && flags & libc::AT_EMPTY_PATH == 0 {
        return Err(Fail(libc::ENOENT));
    }
    if names_itself && dirfd == AT_FDCWD {
        // The working directory.
        return Err(Fail(libc::EACCES));
    }
    let wanted = match dirfd == AT_FDCWD || path.first() == Some(&b'/') {
        true => Wanted {
            given: path.len(),
            path,
            argument: 1,
            target: if dirfd == AT_FDCWD {
                Target::Here
            } else {
                Target::Anywhere
            },
            vanishes: false,
        },
        false => below(call, dirfd, &path)?,
    };
    if flags & libc::AT_SYMLINK_NOFOLLOW != 0 && !names_itself {
        refuse_link(call, &wanted.path)?;
    }
    let mut pages = Pages::new(call.n.tid);
    pages.expect(&[call.arg(1), call.arg(2), call.arg(3)]);
    execute(call, wanted, pages)
}

/// What a path that starts from a descriptor means, called as Linux calls it for an interpreter. An empty one is the file itself.
fn below(call: &mut Call<'_>, dirfd: i32, path: &[u8]) -> Result<Wanted, Fail> {
    if dirfd < 0 {
        return Err(Fail(libc::EBADF));
    }
    call.vm.host_stat(call.key, dirfd)?;
    let mut whole = format!("/dev/fd/{dirfd}").into_bytes();
    if !path.is_empty() {
        whole.push(b'/');
        whole.extend_from_slice(path);
    }
    Ok(Wanted {
        path: whole,
        argument: 1,
        given: path.len(),
        target: Target::Anywhere,
        vanishes: call.vm.position(call.key, dirfd)?.1 & libc::O_CLOEXEC != 0,
    })
}

/// `AT_SYMLINK_NOFOLLOW`: a link is not what was meant.
fn refuse_link(call: &mut Call<'_>, path: &[u8]) -> Result<(), Fail> {
    let found = call.at(AT_FDCWD, path, |process, dir| process.stat(dir, path, AtFlags::empty()))?;
    match found.attr.kind {
        FileType::Symlink => Err(Fail(libc::ELOOP)),
        _ => Ok(()),
    }
}

/// `pages` are those of its arguments.
fn execute(call: &mut Call<'_>, wanted: Wanted, mut pages: Pages) -> Outcome {
    let Wanted {
        path,
        argument,
        given,
        target,
        vanishes,
    } = wanted;
    let path_at = call.arg(argument);
    let process = call.process()?;
    let limits = process.kernel().limits();
    let original = before(call, &mut pages, (path_at, given), target)?;
    let mut argv = strings(call, &mut pages, call.arg(argument + 1), limits.max_process_argv_bytes)?;
    let env = strings(call, &mut pages, call.arg(argument + 2), limits.max_process_env_bytes)?;
    call.confirm()?;
    drop(pages);
    if argv.is_empty() {
        argv.push(Vec::new());
    }
    let named = target.text().len().max(path.len() + 1);
    fits(call, named, &argv, &env)?;
    let told = match tells_apart() {
        true => Some(Told::of(call.guest()?.proc_dir.as_fd()).map_err(|_| Fail(libc::EAGAIN))?),
        false => None,
    };
    let request = SpawnRequest {
        path,
        argv,
        env,
        inherit: true,
        vanishes,
        ..SpawnRequest::default()
    };
    let waker = call.guest()?.waker.clone();
    let loaded = process.exec(&request, Some(&waker));
    call.settle(loaded, |call, program| {
        if program.executor() == crate::executor::NAME {
            program.start(process);
            call.vm.take_starts();
        } else if let Some(guest) = call.vm.guests.get_mut(&call.key) {
            guest.state = State::Foreign(Foreign::new(program));
        }
        let loading = matches!(call.guest()?.state, State::Loading(_) | State::Foreign(_));
        if !loading || !call.vm.listener.is_valid(call.n.id) {
            return Err(Fail(libc::EINTR));
        }
        if let Some(guest) = call.vm.guests.get_mut(&call.key) {
            guest.hold_lender();
        }
        call.vm.change_path(call.key, call.n.tid, path_at, target)?;
        let patch = Patch::new(call.n.tid, path_at, target, &original);
        if let Some(guest) = call.vm.guests.get_mut(&call.key) {
            guest.patch = Some(patch);
            guest.unproven = told;
        }
        Ok(Answer::Continue)
    })
}

/// Whether the host takes these arguments, which it is asked for once the VM's kernel has decided. The bounds are Linux's: of one string; of
/// all of them with their pointers and the path, by a quarter of what the process may have of a stack; and without pointers, by all of that.
fn fits(call: &Call<'_>, named: usize, argv: &[Vec<u8>], env: &[Vec<u8>]) -> Result<(), Fail> {
    /// Bytes of one argument or variable with the zero that ends it; then `E2BIG`.
    const STRING_MAX: usize = 128 << 10;
    const FLOOR: u64 = 128 << 10;
    const CEILING: u64 = 6 << 20;
    const PAGE: u64 = 4096;
    // A word is left free at the top.
    let (mut texts, mut pointers) = (named as u64 + 8, 0);
    for string in argv.iter().chain(env) {
        if string.len() >= STRING_MAX {
            return Err(Fail(libc::E2BIG));
        }
        texts += string.len() as u64 + 1;
        pointers += 8;
    }
    // There is a page of a stack in any case.
    if texts + pointers <= PAGE {
        return Ok(());
    }
    let stack = sys::limit_of(call.key, libc::RLIMIT_STACK)?;
    let fits = texts - 8 + pointers <= (stack / 4).clamp(FLOOR, CEILING);
    match fits && texts.next_multiple_of(PAGE) <= stack.max(PAGE) {
        true => Ok(()),
        false => Err(Fail(libc::E2BIG)),
    }
}

/// What is in the place of the text that the path becomes, where `given` bytes of the path are. Callers do without this call
/// (`fexecve(3)`) where that is longer than the path, and what lies behind it is nobody's or is used by somebody who does not wait: the
/// parent has other threads, for one, and the child lives in its memory (`vfork(2)`).
fn before(call: &mut Call<'_>, pages: &mut Pages, (at, given): (u64, usize), target: Target) -> Result<Vec<u8>, Fail> {
    let mut original = vec![0; target.text().len()];
    let read = pages.bytes(at, &mut original);
    match target {
        Target::Here => read?,
        Target::Anywhere => {
            let is_within = given + 1 >= original.len();
            if read.is_err() || !is_within && !call.vm.keeps_to_itself(call.key) {
                return Err(Fail(libc::ENOSYS));
            }
        }
    }
    Ok(original)
}

/// An array of strings that ends in a null pointer.
fn strings(call: &Call<'_>, pages: &mut Pages, at: u64, capacity: u64) -> Result<Vec<Vec<u8>>, Fail> {
    let mut strings = Vec::new();
    let mut left = usize::try_from(capacity).unwrap_or(usize::MAX);
    if at == 0 {
        return Ok(strings);
    }
    for index in 0u64.. {
        let word = pages.word(at.wrapping_add(index * 8));
        let text = word.map_err(|_| Fail(libc::EFAULT))?;
        if text == 0 {
            break;
        }
        let string = call.mended(text, left, libc::E2BIG, &mut |at| pages.string(at, left, libc::E2BIG))?;
        left = left.checked_sub(string.len() + 8).ok_or(Fail(libc::E2BIG))?;
        strings.push(string);
    }
    Ok(strings)
}

/// A string at `at` as it was before `patches`; `read` reads what is there now.
pub(super) fn unpatched(
    patches: &[Patch],
    at: u64,
    read: &mut dyn FnMut(u64) -> Result<Vec<u8>, Fail>,
) -> Result<Vec<u8>, Fail> {
    let mut string = Vec::new();
    let mut from = at;
    loop {
        if let Some(original) = patches.iter().find_map(|patch| patch.original_from(from)) {
            let end = original.iter().position(|byte| *byte == 0);
            string.extend_from_slice(original.get(..end.unwrap_or(original.len())).unwrap_or_default());
            if end.is_some() {
                return Ok(string);
            }
            from = from.wrapping_add(original.len() as u64);
            continue;
        }
        let piece = read(from)?;
        // A patch does not begin with the end of a string, so one that follows at once was seen.
        let next = patches.iter().filter_map(|patch| patch.at.checked_sub(from)).min();
        match next.and_then(|next| piece.get(..usize::try_from(next).ok()?)) {
            Some(before) if before.len() < piece.len() => {
                string.extend_from_slice(before);
                from = from.wrapping_add(before.len() as u64);
            }
            _ => {
                string.extend_from_slice(&piece);
                return Ok(string);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `before` at each place, while `targets` are patched into it at theirs.
    fn strings(before: &[u8], targets: &[(u64, Target)]) -> Vec<Vec<u8>> {
        let mut memory = before.to_vec();
        let patches: Vec<Patch> = targets
            .iter()
            .map(|(at, target)| {
                let place = *at as usize;
                let patch = Patch::new(7, *at, *target, &memory[place..place + target.text().len()]);
                memory[place..place + target.text().len()].copy_from_slice(target.text());
                patch
            })
            .collect();
        let mut read = |at: u64| {
            let rest = &memory[at as usize..];
            let end = rest.iter().position(|byte| *byte == 0);
            Ok(rest[..end.ok_or(Fail(libc::EFAULT))?].to_vec())
        };
        (0..before.len() as u64)
            .map(|at| unpatched(&patches, at, &mut read).unwrap())
            .collect()
    }

    #[test]
    fn strings_around_a_patch_are_as_they_were() {
        let text = b"/usr/bin/env\0\0one\0two and a half\0three\0";
        let plain = strings(text, &[]);
        assert_eq!(
            (plain[0].as_slice(), plain[13].as_slice()),
            (&b"/usr/bin/env"[..], &b""[..])
        );
        for at in 0..12 {
            assert_eq!(strings(text, &[(at, Target::Here)]), plain, "at {at}");
        }
        for at in 0..text.len() as u64 - 24 {
            assert_eq!(strings(text, &[(at, Target::Anywhere)]), plain, "at {at}");
        }
        assert_eq!(strings(text, &[(0, Target::Here), (14, Target::Anywhere)]), plain);
    }
}

//! `openat2(2)`: opening with restrictions of the walk.
//!
//! The kernel's walk knows no restrictions, so this one goes step by step: each component is opened as a mere place, without following
//! it, and decides what comes next. Where the walk may not leave a directory, the way back is the list of directories that led
//! here, and never what `..` says at the moment.

use super::files::{how, open_with};
use super::{AT_FDCWD, Call, Fail, Outcome, lend};
use crate::sys::Answer;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::{DeviceId, Fd};
use agentos_kernel::process::{Dir, OpenHow, Process};
use agentos_kernel::vfs::{FileType, Location, OpenOptions};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

/// What a walk may not do (`RESOLVE_*`).
mod resolve {
    pub(super) const NO_XDEV: u64 = 1;
    pub(super) const NO_MAGICLINKS: u64 = 2;
    pub(super) const NO_SYMLINKS: u64 = 4;
    pub(super) const BENEATH: u64 = 8;
    pub(super) const IN_ROOT: u64 = 0x10;
    pub(super) const CACHED: u64 = 0x20;
    pub(super) const ALL: u64 = 0x3f;
}

/// Symbolic links followed in one walk; then `ELOOP`.
const LINKS_MAX: u32 = 40;
/// Flags that `openat2(2)` knows.
const FLAGS: u64 = 0x7f_ffc3;

pub(crate) fn openat2(call: &mut Call<'_>) -> Outcome {
    let (flags, mode, restrictions) = request(call)?;
    if restrictions == 0 {
        return open_with(call, call.int(0), 1, flags, mode);
    }
    if restrictions & resolve::CACHED != 0 {
        // Nothing is promised to be at hand.
        return Err(Fail(libc::EAGAIN));
    }
    let path = call.path(1)?;
    if path.is_empty() {
        return Err(Fail(libc::ENOENT));
    }
    let mut how = how(flags as i32, mode)?;
    let (dir, name) = Walk::new(call, restrictions)?.run(&path, &mut how)?;
    how.options.no_follow = true;
    let (process, waker) = (call.process()?, call.guest()?.waker.clone());
    let opened = lend(&process, Fd(0), dir, |dir| {
        Ok(process.open(dir, &name, &how, Some(&waker)))
    })?;
    call.settle(opened, |call, fd| {
        let file = process.file(fd);
        let _ = process.close(fd);
        let real = call.vm.materialise(&file?)?;
        Ok(Answer::Descriptor(real, how.cloexec))
    })
}

/// Flags, mode and restrictions; whatever is not known is an error here.
fn request(call: &Call<'_>) -> Result<(u64, u32, u64), Fail> {
    const SIZE: u64 = 24;
    const PAGE: u64 = 4096;
    let size = call.arg(3);
    match size {
        ..SIZE => return Err(Fail(libc::EINVAL)),
        SIZE..=PAGE => {}
        _ => return Err(Fail(libc::E2BIG)),
    }
    let mut bytes = vec![0; size as usize];
    call.read(call.arg(2), &mut bytes)?;
    let (known, beyond) = bytes.split_at(SIZE as usize);
    if beyond.iter().any(|byte| *byte != 0) {
        return Err(Fail(libc::E2BIG));
    }
    let words = known.as_chunks::<8>().0;
    let word = |at: usize| words.get(at).copied().map_or(0, u64::from_le_bytes);
    let (flags, mode, restrictions) = (word(0), word(1), word(2));
    let has = |flag: i32| flags & flag as u64 == flag as u64;
    let makes = has(libc::O_CREAT) || has(libc::O_TMPFILE);
    let place = (libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC) as u64;
    let both = resolve::BENEATH | resolve::IN_ROOT;
    let wrong = flags & !FLAGS != 0
        || mode & !0o7777 != 0
        || mode != 0 && !makes
        || has(libc::O_PATH) && flags & !place != 0
        || restrictions & !resolve::ALL != 0
        || restrictions & both == both;
    match wrong {
        true => Err(Fail(libc::EINVAL)),
        false => Ok((flags, mode as u32, restrictions)),
    }
}

struct Walk {
    process: Arc<Process>,
    restrictions: u64,
    /// Where it is, after the directories that led here, if it may not leave the first.
    way: Vec<Arc<OpenFile>>,
    device: DeviceId,
    links: u32,
}

impl Walk {
    fn new(call: &mut Call<'_>, restrictions: u64) -> Result<Self, Fail> {
        let process = call.process()?;
        let start = match call.int(0) {
            AT_FDCWD => place(&process, Dir::Cwd, b".")?,
            fd => call.file(fd)?.ok_or(Fail(libc::ENOTDIR))?,
        };
        let location = start.location().ok_or(Fail(libc::ENOTDIR))?;
        let device = match location.kind() {
            FileType::Directory => location.dev(),
            _ => return Err(Fail(libc::ENOTDIR)),
        };
        Ok(Self {
            process,
            restrictions,
            way: vec![start],
            device,
            links: 0,
        })
    }

    fn has(&self, restriction: u64) -> bool {
        self.restrictions & restriction != 0
    }

    fn is_scoped(&self) -> bool {
        self.has(resolve::BENEATH | resolve::IN_ROOT)
    }

    fn here(&self) -> Result<Arc<OpenFile>, Fail> {
        self.way.last().cloned().ok_or(Fail(libc::EXDEV))
    }

    /// The directory and the name in it that the path leads to. A name that ends in a slash has to be a directory.
    fn run(mut self, path: &[u8], how: &mut OpenHow) -> Result<(Arc<OpenFile>, Vec<u8>), Fail> {
        let mut rest = VecDeque::new();
        self.prepend(path, &mut rest)?;
        how.options.directory |= path.ends_with(b"/");
        let stops_at_link = how.options.no_follow || how.options.create && how.options.exclusive;
        while let Some(name) = rest.pop_front() {
            let last = rest.is_empty();
            match &*name {
                b"." => {}
                b".." => self.up()?,
                name => {
                    let here = self.here()?;
                    let found = match step(&self.process, &here, name) {
                        Err(Fail(libc::ENOENT)) if last && how.options.create => return Ok((here, name.to_vec())),
                        found => found?,
                    };
                    let location = found.location().ok_or(Fail(libc::ENXIO))?.clone();
                    if location.kind() == FileType::Symlink && !(last && stops_at_link) {
                        self.follow(&here, name, &location, &mut rest)?;
                        continue;
                    }
                    self.stay(&location)?;
                    if last {
                        return Ok((here, name.to_vec()));
                    }
                    if location.kind() != FileType::Directory {
                        return Err(Fail(libc::ENOTDIR));
                    }
                    self.go(found);
                }
            }
        }
        Ok((self.here()?, b".".to_vec()))
    }

    /// Puts the components of a path before what is left, and goes to the root for one that begins there.
    fn prepend(&mut self, path: &[u8], rest: &mut VecDeque<Vec<u8>>) -> Result<(), Fail> {
        if path.first() == Some(&b'/') {
            if self.has(resolve::BENEATH) {
                return Err(Fail(libc::EXDEV));
            }
            if self.has(resolve::IN_ROOT) {
                self.way.truncate(1);
            } else {
                let root = place(&self.process, Dir::Cwd, b"/")?;
                self.stay(root.location().ok_or(Fail(libc::ENOTDIR))?)?;
                self.go(root);
            }
        }
        let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        for name in names.rev() {
            rest.push_front(name.to_vec());
        }
        Ok(())
    }

    fn up(&mut self) -> Result<(), Fail> {
        if !self.is_scoped() {
            let above = step(&self.process, &self.here()?, b"..")?;
            self.stay(above.location().ok_or(Fail(libc::ENOTDIR))?)?;
            self.go(above);
            return Ok(());
        }
        if self.way.len() > 1 {
            self.way.pop();
        } else if self.has(resolve::BENEATH) {
            return Err(Fail(libc::EXDEV));
        }
        Ok(())
    }

    fn go(&mut self, to: Arc<OpenFile>) {
        if !self.is_scoped() {
            self.way.clear();
        }
        self.way.push(to);
    }

    /// Other filesystems may be out of bounds.
    fn stay(&self, location: &Location) -> Result<(), Fail> {
        match self.has(resolve::NO_XDEV) && location.dev() != self.device {
            true => Err(Fail(libc::EXDEV)),
            false => Ok(()),
        }
    }

    fn follow(
        &mut self,
        here: &Arc<OpenFile>,
        name: &[u8],
        link: &Location,
        rest: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), Fail> {
        self.links += 1;
        if self.has(resolve::NO_SYMLINKS) || self.links > LINKS_MAX {
            return Err(Fail(libc::ELOOP));
        }
        if link.filesystem().jump(link.ino(), self.process.pid())?.is_some() {
            if self.has(resolve::NO_MAGICLINKS) {
                return Err(Fail(libc::ELOOP));
            }
            // It leads anywhere, without a way that could be checked.
            return Err(Fail(libc::EXDEV));
        }
        let text = lend(&self.process, Fd(0), Arc::clone(here), |dir| {
            self.process.readlink(dir, name)
        })?;
        self.prepend(&text, rest)
    }
}

/// One component as a mere place.
fn step(process: &Arc<Process>, dir: &Arc<OpenFile>, name: &[u8]) -> Result<Arc<OpenFile>, Fail> {
    lend(process, Fd(0), Arc::clone(dir), |dir| Ok(place(process, dir, name)))?
}

fn place(process: &Arc<Process>, dir: Dir, path: &[u8]) -> Result<Arc<OpenFile>, Fail> {
    let how = OpenHow {
        options: OpenOptions {
            read: true,
            path_only: true,
            no_follow: true,
            ..OpenOptions::default()
        },
        ..OpenHow::default()
    };
    match process.open(dir, path, &how, None) {
        Poll::Ready(fd) => {
            let fd = fd?;
            let file = process.file(fd);
            let _ = process.close(fd);
            Ok(file?)
        }
        Poll::Pending => Err(Fail(libc::EAGAIN)),
    }
}

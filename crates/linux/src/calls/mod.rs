//! What each system call does, by the VM's kernel.
//!
//! A handler gets the registers, copies what it needs from the guest's memory once, and asks the kernel as the guest's process:
//! permissions, policy and limits are the kernel's business. Nothing here decides what a guest may do.

pub(crate) mod accept;
pub(crate) mod attributes;
pub(crate) mod beneath;
pub(crate) mod content;
pub(crate) mod directories;
pub(crate) mod execute;
pub(crate) mod files;
pub(crate) mod handlers;
pub(crate) mod identity;
pub(crate) mod interfaces;
mod layout;
pub(crate) mod locks;
pub(crate) mod messages;
pub(crate) mod options;
pub(crate) mod pairs;
pub(crate) mod pidfds;
pub(crate) mod priorities;
pub(crate) mod processes;
mod rights;
pub(crate) mod scheduling;
pub(crate) mod sockets;
pub(crate) mod system;
pub(crate) mod terminal;
mod told;
pub(crate) mod watch;
pub(crate) mod xattrs;

use crate::park;
use crate::sys::{self, Answer, Notification, Pages};
use crate::vm::{Actions, Guest, Patch, Vm, Wanted, park_script};
use agentos_kernel::fd::{IoResult, OpenFile};
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Dir, Process};
use agentos_kernel::{Errno, Error};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::Poll;

/// Who answers a call.
pub(crate) type Handler = fn(&mut Call<'_>) -> Outcome;
/// What a handler decides.
pub(crate) type Outcome = Result<Answer, Fail>;

/// An error number for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fail(pub(crate) i32);

impl From<Error> for Fail {
    fn from(error: Error) -> Self {
        Self(error.errno().raw())
    }
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self(errno.raw())
    }
}

impl From<io::Error> for Fail {
    fn from(error: io::Error) -> Self {
        Self(sys::errno_of(&error))
    }
}

/// Longest path in bytes, without its end; then `ENAMETOOLONG`.
const PATH_MAX: usize = 4095;
/// Relative to the working directory.
const AT_FDCWD: i32 = libc::AT_FDCWD;
/// What the host does itself when it sees a signal: it begins the call again, or has it fail with `EINTR`, as the guest wants it.
pub(crate) const RESTART: i32 = 512;

/// One call of one guest.
pub(crate) struct Call<'a> {
    pub(crate) vm: &'a mut Vm,
    pub(crate) key: u32,
    pub(crate) n: Notification,
}

impl<'a> Call<'a> {
    pub(crate) fn new(vm: &'a mut Vm, key: u32, n: Notification) -> Self {
        Self { vm, key, n }
    }

    /// Lets a handler answer.
    pub(crate) fn run(mut self, handler: Handler) -> Answer {
        match handler(&mut self) {
            Ok(answer) => answer,
            Err(Fail(errno)) => Answer::Errno(errno),
        }
    }

    /// An argument.
    fn arg(&self, index: usize) -> u64 {
        self.n.args.get(index).copied().unwrap_or(0)
    }

    /// An argument that is an `int`: the upper half of the register means nothing.
    fn int(&self, index: usize) -> i32 {
        self.arg(index) as i32
    }

    fn uint(&self, index: usize) -> u32 {
        self.arg(index) as u32
    }

    fn guest(&self) -> Result<&Guest, Fail> {
        self.vm.guests.get(&self.key).ok_or(Fail(libc::ESRCH))
    }

    fn process(&self) -> Result<Arc<Process>, Fail> {
        Ok(Arc::clone(&self.guest()?.process))
    }

    /// Whether the guest still waits in this call, so that what was read is what it passed, and an effect is wanted.
    fn confirm(&self) -> Result<(), Fail> {
        match self.vm.listener.is_valid(self.n.id) {
            true => Ok(()),
            false => Err(Fail(libc::EINTR)),
        }
    }

    /// Copies bytes from the guest's memory.
    fn read(&self, at: u64, buf: &mut [u8]) -> Result<(), Fail> {
        sys::read_memory(self.n.tid, at, buf).map_err(|error| fault(&error))?;
        self.confirm()
    }

    fn read_word(&self, at: u64) -> Result<u64, Fail> {
        let mut word = [0; 8];
        self.read(at, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// Copies bytes to the guest's memory.
    fn write(&self, at: u64, data: &[u8]) -> Result<(), Fail> {
        self.confirm()?;
        sys::write_memory(self.n.tid, at, data).map_err(|error| fault(&error))
    }

    /// A string in the guest's memory.
    fn string(&self, at: u64, most: usize, too_long: i32) -> Result<Vec<u8>, Fail> {
        let string = self.mended(at, most, too_long, &mut |at| {
            sys::read_string(self.n.tid, at, most, too_long)
        })?;
        self.confirm()?;
        Ok(string)
    }

    /// A string that `read` reads. What an `execve` of a child that shares this memory has changed for a moment is as it was.
    fn mended(
        &self,
        at: u64,
        most: usize,
        too_long: i32,
        read: &mut dyn FnMut(u64) -> io::Result<Vec<u8>>,
    ) -> Result<Vec<u8>, Fail> {
        let mut read = |at: u64| {
            read(at).map_err(|error| match sys::errno_of(&error) {
                errno if errno == too_long => Fail(errno),
                _ => fault(&error),
            })
        };
        let in_place = |patch: &Patch| {
            let mut now = vec![0; patch.target.text().len()];
            sys::read_memory(self.n.tid, patch.at, &mut now).is_ok() && now == patch.target.text()
        };
        let patches: Vec<Patch> = self.vm.patches_of(self.key).filter(in_place).collect();
        let string = match patches.is_empty() {
            true => read(at)?,
            false => execute::unpatched(&patches, at, &mut read)?,
        };
        match string.len() > most {
            true => Err(Fail(too_long)),
            false => Ok(string),
        }
    }

    /// The path that an argument points to.
    fn path(&mut self, index: usize) -> Result<Vec<u8>, Fail> {
        let path = self.string(self.arg(index), PATH_MAX, libc::ENAMETOOLONG)?;
        Ok(self.or_stand_in(path))
    }

    /// As [`path`](Self::path), from pages that have been copied, perhaps.
    fn path_in(&mut self, pages: &mut Pages, index: usize) -> Result<Vec<u8>, Fail> {
        let mut read = |at: u64| pages.string(at, PATH_MAX, libc::ENAMETOOLONG);
        let path = self.mended(self.arg(index), PATH_MAX, libc::ENAMETOOLONG, &mut read)?;
        self.confirm()?;
        Ok(self.or_stand_in(path))
    }

    fn or_stand_in(&mut self, path: Vec<u8>) -> Vec<u8> {
        match self.vm.names(self.key, &path) {
            true => park::STAND_IN.to_vec(),
            false => path,
        }
    }

    /// What opening a path gives that is there for parked processes alone; the path itself where it is none of these.
    fn path_to_open(&mut self, index: usize) -> Result<Result<Answer, Vec<u8>>, Fail> {
        let path = self.string(self.arg(index), PATH_MAX, libc::ENAMETOOLONG)?;
        if !self.vm.names(self.key, &path) {
            return Ok(Err(path));
        }
        if path == park::SCRIPT_PATH {
            return Ok(Ok(park_script()?));
        }
        match self.vm.hold(self.key, self.n, &path) {
            true => Ok(Ok(Answer::Later)),
            false => Ok(Err(path)),
        }
    }

    /// Before something is opened: what guests have closed meanwhile, which nobody is told, does not count any more where it matters.
    fn make_room(&mut self) -> Result<(), Fail> {
        /// Descriptions that one call may need.
        const ROOM: u64 = 4;
        let process = self.process()?;
        let open = process.kernel().usage().open_fds;
        if open.used().saturating_add(ROOM) > open.capacity() {
            self.vm.sweep();
        }
        Ok(())
    }

    /// The VM's file behind a descriptor; none for what is only the host's.
    fn file(&mut self, fd: i32) -> Result<Option<Arc<OpenFile>>, Fail> {
        let identity = self.vm.identity(self.key, fd)?;
        if let Some(terminal) = self.vm.terminal_at(identity) {
            return self.vm.lend_terminal(self.key, &terminal).map(Some);
        }
        Ok(self.vm.known.get(&identity).map(|known| Arc::clone(&known.file)))
    }

    /// Runs `call` with what a relative path starts from. The kernel finds a directory in the process's table, which holds it only
    /// meanwhile.
    fn at<T>(
        &mut self,
        dirfd: i32,
        path: &[u8],
        call: impl FnOnce(&Arc<Process>, Dir) -> agentos_kernel::Result<T>,
    ) -> Result<T, Fail> {
        let process = self.process()?;
        if dirfd == AT_FDCWD || path.first() == Some(&b'/') {
            return Ok(call(&process, Dir::Cwd)?);
        }
        let file = self
            .file(dirfd)?
            .ok_or(Fail(if path.is_empty() { libc::ENOENT } else { libc::ENOTDIR }))?;
        lend(&process, Fd(0), file, |dir| call(&process, dir))
    }

    /// As [`at`](Self::at) for two paths.
    fn at_both<T>(
        &mut self,
        old: &(i32, Vec<u8>),
        new: &(i32, Vec<u8>),
        call: impl FnOnce(&Arc<Process>, Dir, Dir) -> agentos_kernel::Result<T>,
    ) -> Result<T, Fail> {
        let process = self.process()?;
        let mut dirs = [Dir::Cwd; 2];
        for (index, (dirfd, path)) in [old, new].into_iter().enumerate() {
            if *dirfd != AT_FDCWD && path.first() != Some(&b'/') {
                let file = self.file(*dirfd)?.ok_or(Fail(libc::ENOTDIR))?;
                let fd = Fd(index as u32);
                process.install(fd, file, true)?;
                dirs[index] = Dir::Fd(fd);
            }
        }
        let result = call(&process, dirs[0], dirs[1]);
        for dir in dirs {
            if let Dir::Fd(fd) = dir {
                let _ = process.close(fd);
            }
        }
        Ok(result?)
    }

    /// Runs `call` on the VM's file behind a descriptor.
    fn on<T>(
        &mut self,
        fd: i32,
        call: impl FnOnce(&Arc<Process>, Dir) -> agentos_kernel::Result<T>,
    ) -> Result<Option<T>, Fail> {
        let process = self.process()?;
        let Some(file) = self.file(fd)? else { return Ok(None) };
        lend(&process, Fd(0), file, |dir| call(&process, dir)).map(Some)
    }

    /// Flags of what a descriptor was opened with, as the host says.
    fn flags_of(&self, fd: i32) -> Result<i32, Fail> {
        self.vm.open_flags(self.key, fd)
    }

    /// Answers once a file, or everything, is on disk.
    fn settle_on_disk(&mut self, wanted: &Wanted) -> Outcome {
        self.confirm()?;
        match self.vm.poll_durable(self.key, self.n.id, wanted) {
            Poll::Ready(done) => done.map(|()| Answer::OK),
            Poll::Pending => {
                let n = self.n;
                let guest = self.vm.guests.get_mut(&self.key).ok_or(Fail(libc::ESRCH))?;
                guest.parked.push(n);
                Ok(Answer::Later)
            }
        }
    }

    /// As [`on`](Self::on), of what is open and not only a place.
    fn on_open<T>(
        &mut self,
        fd: i32,
        call: impl FnOnce(&Arc<Process>, Dir) -> agentos_kernel::Result<T>,
    ) -> Result<Option<T>, Fail> {
        match self.file(fd)? {
            Some(file) if file.access().is_empty() => Err(Fail(libc::EBADF)),
            _ => self.on(fd, call),
        }
    }

    /// What came of a kernel call that may have to wait: the guest's call then waits too, and is tried again.
    fn settle<T>(&mut self, result: IoResult<T>, done: impl FnOnce(&mut Self, T) -> Outcome) -> Outcome {
        match result {
            Poll::Ready(Ok(value)) => done(self, value),
            // A signal ends the wait once the host has it too: only then does the host know what the guest wants done.
            Poll::Ready(Err(error)) if error == Errno::EINTR => self.park(true),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Pending => self.park(false),
        }
    }
}

impl Call<'_> {
    /// Lets the call wait until the kernel has something to say to the guest, which it has already if `noticed`.
    fn park(&mut self, noticed: bool) -> Outcome {
        let n = self.n;
        let guest = self.vm.guests.get_mut(&self.key).ok_or(Fail(libc::ESRCH))?;
        // A signal that came just before this was received waits for the answer.
        if guest.stop_thread(n.tid) {
            return Err(Fail(RESTART));
        }
        if Actions::of_thread(guest.proc_dir.as_fd(), n.tid).interrupted(n.tid == self.key) {
            return Err(Fail(RESTART));
        }
        guest.parked.push(n);
        if noticed {
            guest.waker.wake_by_ref();
        }
        self.vm.expect_signals(self.key);
        Ok(Answer::Later)
    }
}

/// Runs `call` while the kernel's table of a process holds `file` as `fd`.
fn lend<T>(
    process: &Arc<Process>,
    fd: Fd,
    file: Arc<OpenFile>,
    call: impl FnOnce(Dir) -> agentos_kernel::Result<T>,
) -> Result<T, Fail> {
    process.install(fd, file, true)?;
    let result = call(Dir::Fd(fd));
    let _ = process.close(fd);
    Ok(result?)
}

/// Memory that cannot be read or written is the guest's mistake.
fn fault(error: &io::Error) -> Fail {
    match sys::errno_of(error) {
        libc::ESRCH => Fail(libc::ESRCH),
        _ => Fail(libc::EFAULT),
    }
}

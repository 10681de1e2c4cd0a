//! A Linux process that becomes a program of another executor.
//!
//! The process of the host stays, as a stand-in that does nothing: its parent waits for it there. It executes the loader like for any
//! program, so that the host closes what is close-on-exec and lets a parent that waits for that go on; then the kernel is given
//! what it has open, the other executor runs the program as the same process of the VM, and the stand-in waits in a question
//! that is answered with the status at the end.

use super::{Actions, State, Terminal, Vm};
use crate::calls::RESTART;
use crate::pipe::{NativeEnd, NativePipe};
use crate::sys::{self, Answer, Notification};
use agentos_kernel::fd::{AccessMode, OpenFile, SeekFrom, StatusFlags};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{Disposition, ExitStatus, Gate, MaskHow, Process, Program, RunState, Signal};
use agentos_kernel::vfs::{FileType, InodeHandle};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;

/// Largest number of a signal.
const SIGNALS: u32 = 64;

/// What a stand-in stands for.
pub(crate) struct Foreign {
    /// Until it is started.
    pub(super) program: Option<Box<dyn Program>>,
    /// Descriptions of files that the host and the kernel both have, whose offset the host is told at the end.
    shared: Vec<(OwnedFd, Arc<OpenFile>)>,
    /// The question that is answered at the end.
    question: Option<Notification>,
}

impl Foreign {
    pub(crate) fn new(program: Box<dyn Program>) -> Self {
        Self {
            program: Some(program),
            shared: Vec::new(),
            question: None,
        }
    }
}

impl super::Guest {
    /// Whether it stands for a program that has not been started.
    pub(super) fn is_waiting_to_begin(&self) -> bool {
        matches!(&self.state, State::Foreign(foreign) if foreign.program.is_some())
    }
}

impl Vm {
    /// The stand-in asks what to do: the program begins.
    pub(super) fn begin_foreign(&mut self, key: u32) -> Answer {
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Errno(libc::ESRCH);
        };
        let process = Arc::clone(&guest.process);
        let State::Foreign(foreign) = &mut guest.state else {
            return Answer::Errno(libc::EBADF);
        };
        let Some(program) = foreign.program.take() else {
            return Answer::Errno(libc::EBADF);
        };
        let shared = self.hand_over(key, &process);
        if let Some(State::Foreign(foreign)) = self.guests.get_mut(&key).map(|guest| &mut guest.state) {
            foreign.shared = shared;
        }
        // What the host holds for a stand-in is not the program's.
        process.set_memory(0);
        // What was ignored and blocked on the host stays so.
        if let Some(guest) = self.guests.get(&key) {
            let actions = Actions::of(guest.proc_dir.as_fd());
            for number in 1..=SIGNALS {
                if let Some(signal) = Signal::new(number).filter(|signal| actions.ignored.contains(*signal)) {
                    let _ = process.set_disposition(signal, Disposition::Ignore);
                }
            }
            process.sig_mask(Some((MaskHow::Set, actions.blocked)));
        }
        process.set_elsewhere(None);
        program.start(process);
        // From here on its end is noticed, whether the stand-in comes to ask or is stopped before.
        self.attend_foreign(key);
        Answer::Errno(libc::ENOENT)
    }

    /// The stand-in waits for the end.
    pub(super) fn wait_foreign(&mut self, key: u32, call: &Notification) -> Answer {
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Later;
        };
        if guest.stopped.is_some() {
            // The signal that stops it came just before: it takes it when this is answered, and asks anew afterwards.
            return Answer::Errno(RESTART);
        }
        if let State::Foreign(foreign) = &mut guest.state {
            foreign.question = Some(*call);
            self.attend(key);
        }
        Answer::Later
    }

    /// Looks whether the program has ended, and lets the stand-in end the same way.
    pub(super) fn attend_foreign(&mut self, key: u32) {
        let Some(guest) = self.guests.get_mut(&key) else { return };
        if guest.is_waiting_to_begin() {
            // Nobody else looks after it: its executor has not seen it yet.
            guest.process.watch(&guest.waker);
            let doomed = matches!(guest.process.gate(Some(&guest.waker)), Poll::Ready(Gate::Die));
            // One that runs is about to ask; its program then ends as it has to, by whatever signal that was.
            if doomed && guest.stopped.is_some() {
                let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
                return;
            }
        }
        let Poll::Ready(status) = guest.process.poll_exit(&guest.waker) else {
            return self.mirror_stop(key);
        };
        let killed = status == ExitStatus::Signaled(Signal::KILL);
        // Who is killed while it is stopped does not go on before.
        let stopped = guest.stopped.take().is_some();
        if stopped && !killed {
            let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGCONT as u32, None);
        }
        let State::Foreign(foreign) = &mut guest.state else {
            return;
        };
        let question = foreign.question.take();
        if question.is_none() && !killed {
            // It asks anew.
            return;
        }
        for (real, file) in foreign.shared.drain(..) {
            if let Ok(offset) = file.seek(SeekFrom::Current(0)) {
                // SAFETY: takes numbers alone.
                unsafe {
                    libc::lseek(
                        real.as_raw_fd(),
                        i64::try_from(offset).unwrap_or(i64::MAX),
                        libc::SEEK_SET,
                    )
                };
            }
        }
        if let ExitStatus::Signaled(signal) = status {
            let _ = sys::send_signal(guest.pid_fd.as_fd(), signal.number(), None);
        }
        if let Some(question) = question {
            // Of use where the signal did nothing to the stand-in.
            self.listener.answer(question.id, Answer::Value(status.code().into()));
        }
    }

    /// Stops and continues a stand-in as the program it stands for, so that its parent on the host sees that too.
    fn mirror_stop(&mut self, key: u32) {
        let Some(guest) = self.guests.get(&key) else { return };
        let stopped = guest.process.run_state() == RunState::Stopped;
        let is_ending = || matches!(guest.process.gate(None), Poll::Ready(Gate::Die));
        if stopped == guest.stopped.is_some() || is_ending() {
            return;
        }
        let by = stopped.then(|| self.stopping(guest));
        let Some(guest) = self.guests.get_mut(&key) else { return };
        guest.stopped = by;
        let signal = by.unwrap_or(Signal::CONT);
        let _ = sys::send_signal(guest.pid_fd.as_fd(), signal.number(), None);
        let State::Foreign(foreign) = &mut guest.state else {
            return;
        };
        // The host stops nobody who waits for an answer; the question is asked anew afterwards.
        if let Some(question) = foreign.question.take_if(|_| stopped) {
            self.listener.answer(question.id, Answer::Errno(RESTART));
        }
    }

    /// Stand-ins that a guest is the parent of follow what has become of their programs.
    pub(super) fn mirror_children(&mut self, parent: Pid) {
        let stands_in =
            |guest: &&super::Guest| matches!(guest.state, State::Foreign(_)) && guest.process.ppid() == parent;
        let children: Vec<u32> = self.guests.values().filter(stands_in).map(|guest| guest.pid).collect();
        for child in children {
            self.mirror_stop(child);
        }
    }

    /// Gives the kernel what a process of the host has open.
    fn hand_over(&mut self, key: u32, process: &Arc<Process>) -> Vec<(OwnedFd, Arc<OpenFile>)> {
        let mut shared = Vec::new();
        let Some(guest) = self.guests.get(&key) else {
            return shared;
        };
        let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", guest.pid)) else {
            return shared;
        };
        let fds: Vec<i32> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        for fd in fds {
            let Ok((file, real)) = self.describe(key, fd, process) else {
                continue;
            };
            if process
                .install(Fd(fd.cast_unsigned()), Arc::clone(&file), false)
                .is_ok()
            {
                shared.extend(real.map(|real| (real, file)));
            }
        }
        shared
    }

    /// The kernel's description of what a guest has open as `fd`, and the host's own if both have an offset.
    fn describe(
        &mut self,
        key: u32,
        fd: i32,
        process: &Arc<Process>,
    ) -> Result<(Arc<OpenFile>, Option<OwnedFd>), crate::calls::Fail> {
        let (offset, flags) = self.position(key, fd)?;
        let access = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => AccessMode::READ,
            libc::O_WRONLY => AccessMode::WRITE,
            _ => AccessMode::READ_WRITE,
        };
        let mut status = StatusFlags::empty();
        status.set(StatusFlags::APPEND, flags & libc::O_APPEND != 0);
        status.set(StatusFlags::NONBLOCK, flags & libc::O_NONBLOCK != 0);
        let limits = process.kernel().fd_limits();
        if let Some(terminal) = self.terminal(key, fd)? {
            let pty = match terminal {
                Terminal::Slave(pty) => pty,
                // The guest's end is a connection, which is not handed over, and the program is none that makes terminals.
                Terminal::Master(..) => return Err(crate::calls::Fail(libc::ENXIO)),
            };
            let slave = pty.open_slave()?;
            return Ok((OpenFile::from_object(slave, None, access, status, limits)?, None));
        }
        if let Some(known) = self.meaning(key, fd)? {
            let file = Arc::clone(&known.file);
            let handle = file
                .handle()
                .filter(|handle| handle.kind() == FileType::Regular && !file.access().is_empty());
            let Some(handle) = handle else { return Ok((file, None)) };
            let own = OpenFile::from_inode(InodeHandle::new(handle.location().clone()), access, status, limits)?;
            own.seek(SeekFrom::Start(offset))?;
            let guest = self.guests.get(&key).ok_or(crate::calls::Fail(libc::ESRCH))?;
            // Where the host does not allow this, what the program writes moves nobody else's offset, and its locks are others.
            let real = sys::take_fd(guest.pid_fd.as_fd(), fd).ok();
            if let Some(real) = real.as_ref().and_then(|real| sys::duplicate(real.as_fd()).ok()) {
                process.kernel().share_lock(&own, real);
            }
            return Ok((own, real));
        }
        let host = self.host_stat(key, fd)?;
        if host.st_mode & libc::S_IFMT == libc::S_IFSOCK {
            return Ok((self.handed_socket(key, fd, (access, status), limits)?, None));
        }
        if host.st_mode & libc::S_IFMT != libc::S_IFIFO {
            return Err(crate::calls::Fail(libc::ENXIO));
        }
        let guest = self.guests.get(&key).ok_or(crate::calls::Fail(libc::ESRCH))?;
        let path = CString::new(format!("fd/{fd}")).map_err(|_| crate::calls::Fail(libc::EBADF))?;
        let pipe = NativePipe::adopt(sys::open_at(guest.proc_dir.as_fd(), &path, libc::O_PATH)?)?;
        let end = Arc::new(NativeEnd::new(pipe, access, host.st_ino));
        Ok((OpenFile::from_object(end, None, access, status, limits)?, None))
    }

    /// Offset and flags of a guest's descriptor, as the host says.
    pub(crate) fn position(&self, key: u32, fd: i32) -> Result<(u64, i32), crate::calls::Fail> {
        let guest = self.guests.get(&key).ok_or(crate::calls::Fail(libc::ESRCH))?;
        let path = CString::new(format!("fdinfo/{fd}")).map_err(|_| crate::calls::Fail(libc::EBADF))?;
        let text = sys::read_text(guest.proc_dir.as_fd(), &path)?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
                .unwrap_or_default()
        };
        Ok((
            field("pos:").parse().unwrap_or(0),
            i32::from_str_radix(field("flags:"), 8).unwrap_or(0),
        ))
    }
}

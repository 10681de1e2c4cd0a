//! Starting a program: from an order to the loader's questions.

use super::proof::Told;
use super::{Start, State, Vm};
use crate::answers::Asks;
use crate::job;
use crate::spawner::Order;
use crate::sys::{self, Answer, Notification, errno_of, random, set_limit, write_memory};
use agentos_kernel::descriptors;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Resource, ResourceLimit, SigSet, Signal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

impl Vm {
    /// Starts a process, or the next program of one that is a guest already.
    pub(super) fn begin(&mut self, start: Start) {
        let (loaded, process) = start;
        // Linux programs name files all the time, and the same directories again and again.
        process.kernel().vfs().keep_walks(true);
        let is_own = |state: &State| !matches!(state, State::Foreign(_));
        let known = self
            .guests
            .values_mut()
            .find(|guest| guest.process.pid() == process.pid() && is_own(&guest.state));
        if let Some(guest) = known {
            guest.state = State::Loading(loaded);
            guest.was_parked = false;
            // It is about to have another.
            guest.memory = None;
            guest.asks = Asks::default();
            guest.process.catch_all();
            return;
        }
        if self.raise_walls(process.kernel()).is_err() {
            // Nobody runs outside of what is to hold for all.
            process.exit_by(Signal::KILL);
            return process.finish();
        }
        let Some((loaded, process)) = self.claim((loaded, process)) else {
            return;
        };
        let (ignored, _) = process.dispositions();
        let blocked = process.sig_mask(None);
        let Ok(token) = random() else {
            process.exit_by(Signal::KILL);
            return process.finish();
        };
        let order = Order {
            token,
            // A file that may not become longer is an error of the call, not the end of who makes it.
            ignored: ignored.0 | SigSet::of(&[Signal::XFSZ]).0,
            blocked: blocked.0,
            group: self.group.as_ref().map(|group| Arc::clone(group.dir())),
        };
        self.ordered.insert(token, (loaded, process));
        if self.spawner.order(order).is_err() {
            self.fail(token);
        }
    }

    /// An order came to nothing.
    pub(super) fn fail(&mut self, token: u64) {
        if let Some((_, process)) = self.ordered.remove(&token) {
            process.exit_by(Signal::KILL);
            process.finish();
        }
    }

    /// A new process says which order it comes from.
    pub(super) fn hello(&mut self, call: &Notification) -> Answer {
        let Some((loaded, process)) = self.ordered.remove(&call.args[2]) else {
            return Answer::Errno(libc::ENOSYS);
        };
        if !self.is_walled(call) {
            process.exit_by(Signal::KILL);
            process.finish();
            return Answer::Errno(libc::EAGAIN);
        }
        let files = process.resource_limit(Resource::Files);
        match self.add(call.tid, process, State::Spawning(loaded), None) {
            Some(_) => {
                limit_files(call.tid, files);
                let _ = set_limit(call.tid, libc::RLIMIT_CORE, 0, 0);
                let limit = self.files.limit;
                if let Some(guest) = self.guests.get_mut(&call.tid) {
                    guest.limit_file_size(limit);
                }
                Answer::OK
            }
            None => Answer::Errno(libc::EAGAIN),
        }
    }

    /// Answers the loader.
    pub(super) fn asked(&mut self, key: u32, call: &Notification) -> Answer {
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Errno(libc::ESRCH);
        };
        if call.args[1] == job::ASK_JOB
            && let State::Spawning(_) = guest.state
        {
            return self.first_job(key, call);
        }
        if let Some(before) = guest.unproven.take()
            && Told::of(guest.proc_dir.as_fd()).map_or(true, |now| now == before)
        {
            return self.refuse_old(key);
        }
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Errno(libc::ESRCH);
        };
        if matches!(guest.state, State::Foreign(_)) {
            return match call.args[1] {
                job::ASK_JOB => self.begin_foreign(key),
                job::ASK_END => self.wait_foreign(key, call),
                _ => Answer::Errno(libc::EBADF),
            };
        }
        match call.args[1] {
            job::ASK_JOB => self.give_job(key, call),
            job::ASK_INTERPRETER => self.give_interpreter(key),
            job::ASK_TABLE => self.give_table(key, call),
            job::ASK_MAPPED => self.use_table(key, call),
            _ => Answer::Errno(libc::EBADF),
        }
    }

    /// Ends a process whose old program goes on where its kernel has made it another one.
    pub(super) fn refuse_old(&self, key: u32) -> Answer {
        if let Some(guest) = self.guests.get(&key) {
            let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
        }
        Answer::Errno(libc::EINTR)
    }

    /// Puts the job into the loader's memory, and the files among its descriptors. With that the program has begun: what the loader
    /// does from then on needs nobody. All of it in one answer, as each question costs a program that is started some microseconds.
    fn give_job(&mut self, key: u32, call: &Notification) -> Answer {
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Errno(libc::ESRCH);
        };
        let State::Loading(loaded) = &guest.state else {
            return Answer::Errno(libc::EBADF);
        };
        let mut job = loaded.job(&guest.process);
        let length = i64::try_from(job.len()).unwrap_or(i64::MAX);
        if job.len() as u64 > call.args[3] {
            return Answer::Value(length);
        }
        let add = |file: &OwnedFd| self.listener.add(call.id, file.as_fd(), None, false, 0);
        let program = match add(&loaded.program.file) {
            Ok(fd) => fd,
            Err(error) => return Answer::Errno(errno_of(&error)),
        };
        let interpreter = loaded.interpreter.as_ref().map(|image| add(&image.file));
        let waits = matches!(interpreter, Some(Err(_)));
        job::note_files(&mut job, program, interpreter.and_then(Result::ok));
        // A moment ago, when it got the files, it was still who had asked.
        if let Err(error) = write_memory(call.tid, call.args[2], &job) {
            return Answer::Errno(errno_of(&error));
        }
        if !waits {
            guest.state = State::Running;
        }
        Answer::Value(length)
    }

    /// The file for which a program had no descriptor left beside that of its own.
    fn give_interpreter(&mut self, key: u32) -> Answer {
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Errno(libc::ESRCH);
        };
        let State::Loading(loaded) = &mut guest.state else {
            return Answer::Errno(libc::EBADF);
        };
        let Some(image) = loaded.interpreter.take() else {
            return Answer::Errno(libc::EBADF);
        };
        let Ok(file) = image.file.try_clone() else {
            return Answer::Errno(libc::EMFILE);
        };
        guest.state = State::Running;
        Answer::Descriptor(file, false)
    }

    /// The first question of a process that the kernel has started: it is given its descriptors too.
    fn first_job(&mut self, key: u32, call: &Notification) -> Answer {
        let Some(guest) = self.guests.get_mut(&key) else {
            return Answer::Errno(libc::ESRCH);
        };
        let process = Arc::clone(&guest.process);
        if let State::Spawning(loaded) = std::mem::replace(&mut guest.state, State::Running) {
            guest.state = State::Loading(loaded);
        }
        // Descriptors of one description share their offset and flags on the host too.
        let mut made: Vec<(Arc<OpenFile>, OwnedFd)> = Vec::new();
        for fd in process.descriptors() {
            let Ok(file) = process.file(fd) else { continue };
            let cloexec = process.cloexec(fd).unwrap_or(false);
            if !made.iter().any(|(known, _)| Arc::ptr_eq(known, &file)) {
                // What has no form on the host the guest does not have; it finds the descriptor closed.
                let Ok(real) = self.lend(key, &file) else { continue };
                made.push((Arc::clone(&file), real));
            }
            let real = made.iter().find(|(known, _)| Arc::ptr_eq(known, &file));
            if let Some((_, real)) = real {
                let _ = self.listener.add(call.id, real.as_fd(), Some(fd.0), cloexec, 0);
            }
        }
        self.sockets.adopted();
        // From here on the host counts who holds what.
        for fd in process.descriptors() {
            let _ = process.close(Fd(fd.0));
        }
        self.asked(key, call)
    }
}

/// Gives a guest its limit of descriptors: whatever the host's process may have itself, programs count on what they are told, and
/// those with `select(2)` on few. No guest gets more than the host allows.
pub(super) fn limit_files(pid: u32, files: ResourceLimit) {
    let (_, most) = descriptors::limits();
    let _ = set_limit(pid, libc::RLIMIT_NOFILE, files.soft.min(most), files.hard.min(most));
}

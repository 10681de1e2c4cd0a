//! Keeping what natives write: a thread beside the VM's that looks at bytes, which takes time, so that calls do not wait for it.
//!
//! It writes working copies back (see the kernel's `vfs::mounted`): for a call that wants something on disk, and from time to time
//! while natives have something open. What has begun is waited for by the VM's thread as everything else.
//!
//! It also sees to the quota. What natives write nobody is asked for, so a guest's own limit on the size of files
//! (`RLIMIT_FSIZE`) is kept at what is left as soon as little is left; who gets past that all the same, by many files or through
//! a mapping, is ended.

use super::{Shared, Vm};
use crate::calls::Fail;
use crate::sys;
use agentos_kernel::fd::OpenFile;
use agentos_kernel::process::{INFINITY, Kernel, Signal};
use agentos_kernel::vfs::{Location, NativeUse, Settle};
use agentos_kernel::{Errno, LimitExceeded};
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// How often working copies are written back while there are any. With what the durable filesystem itself waits for this is
/// less than the second within which a write has to be durable.
const EVERY: Duration = Duration::from_millis(250);
/// How often it is looked what natives have made of the quota, while they have something open.
const WATCH: Duration = Duration::from_millis(100);
/// How often it is looked which files guests still have open.
const SWEEP: Duration = Duration::from_secs(1);
/// With so many bytes left a guest may write anywhere in a file, which leaves holes.
const PLENTY: u64 = 512 << 20;
/// What natives may have written too much before they are ended, at least and as a part of the quota.
const SLACK: u64 = 4 << 20;
const SLACK_PART: u64 = 32;

/// What is to be made durable: a file, or everything.
pub(crate) type Wanted = Option<(Arc<OpenFile>, bool)>;

enum Job {
    /// For a call, by its number and its guest.
    Settle {
        id: u64,
        guest: u32,
        kernel: Arc<Kernel>,
        wanted: Wanted,
        waker: Waker,
    },
    /// As a matter of routine.
    Tidy { kernel: Arc<Kernel>, write: bool },
}

/// What came of a job.
pub(crate) enum Done {
    Settle { id: u64, guest: u32, begun: Waiting },
    Tidy(NativeUse),
}

/// A call that waits for the disk.
pub(crate) enum Waiting {
    /// Bytes are looked at.
    Working,
    /// The disk is waited for.
    Begun(Settle),
    Over(Result<(), Fail>),
}

/// What the VM's thread knows of it.
pub(crate) struct Files {
    jobs: Option<Sender<Job>>,
    waiting: HashMap<u64, Waiting>,
    /// Whether natives may have something open.
    busy: bool,
    mapped: bool,
    /// Whether a routine job is on its way.
    tidying: bool,
    due: Instant,
    written: Instant,
    swept: Instant,
    /// The largest file that guests may make at present.
    pub(super) limit: u64,
}

impl Files {
    pub(super) fn new() -> Self {
        Self {
            jobs: None,
            waiting: HashMap::new(),
            busy: false,
            mapped: false,
            tidying: false,
            due: Instant::now(),
            written: Instant::now(),
            swept: Instant::now(),
            limit: INFINITY,
        }
    }

    /// Natives may write through a mapping.
    pub(crate) fn mapped(&mut self) {
        self.mapped = true;
    }

    pub(crate) fn has_mappings(&self) -> bool {
        self.mapped
    }

    /// How long the VM's thread may wait for something else, in ms; -1 for ever.
    pub(super) fn timeout(&self) -> i32 {
        match self.busy && !self.tidying {
            true => {
                let left = self.due.saturating_duration_since(Instant::now());
                i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX)
            }
            false => -1,
        }
    }

    fn send(&mut self, shared: &Arc<Shared>, job: Job) -> Result<(), Fail> {
        if self.jobs.is_none() {
            let (jobs, inbox) = channel();
            let shared = Arc::downgrade(shared);
            std::thread::Builder::new()
                .name("agentos-files".into())
                .spawn(move || work(&inbox, &shared))?;
            self.jobs = Some(jobs);
        }
        match self.jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => Ok(()),
            _ => {
                self.jobs = None;
                Err(Fail(libc::EIO))
            }
        }
    }
}

/// What the thread does.
fn work(inbox: &Receiver<Job>, shared: &Weak<Shared>) {
    while let Ok(job) = inbox.recv() {
        let done = match job {
            Job::Settle {
                id,
                guest,
                kernel,
                wanted,
                waker,
            } => Done::Settle {
                id,
                guest,
                begun: begin(&kernel, wanted.as_ref(), &waker),
            },
            Job::Tidy { kernel, write } => {
                if write {
                    // What fails is told by `fsync`, and tried again.
                    let _ = kernel.vfs().write_back();
                }
                Done::Tidy(kernel.vfs().tidy_natives(&sys::is_unused))
            }
        };
        match shared.upgrade() {
            Some(shared) => shared.file_done(done),
            None => break,
        }
    }
}

/// Looks at the bytes, and begins to make them durable.
fn begin(kernel: &Kernel, wanted: Option<&(Arc<OpenFile>, bool)>, waker: &Waker) -> Waiting {
    let mut settle = Settle::default();
    let polled = match wanted {
        Some((file, data_only)) => file.poll_sync(*data_only, &mut settle, waker),
        None => kernel.vfs().poll_sync(&mut settle, waker),
    };
    match polled {
        Poll::Ready(done) => Waiting::Over(done.map_err(Fail::from)),
        Poll::Pending => Waiting::Begun(settle),
    }
}

impl Vm {
    /// Looks whether a call that wants something on disk can be answered; begins if it is new.
    pub(crate) fn poll_durable(&mut self, key: u32, id: u64, wanted: &Wanted) -> Poll<Result<(), Fail>> {
        let Some(guest) = self.guests.get(&key) else {
            return Poll::Ready(Err(Fail(libc::ESRCH)));
        };
        let (kernel, waker) = (Arc::clone(guest.process.kernel()), guest.waker.clone());
        let next = match self.files.waiting.remove(&id) {
            None => {
                let job = Job::Settle {
                    id,
                    guest: key,
                    kernel,
                    wanted: wanted.clone(),
                    waker,
                };
                if let Err(error) = self.files.send(&self.shared, job) {
                    return Poll::Ready(Err(error));
                }
                Waiting::Working
            }
            Some(Waiting::Over(done)) => return Poll::Ready(done),
            Some(Waiting::Begun(mut settle)) => match settle.resume(&waker) {
                Poll::Ready(done) => return Poll::Ready(done.map_err(Fail::from)),
                Poll::Pending => Waiting::Begun(settle),
            },
            Some(Waiting::Working) => Waiting::Working,
        };
        self.files.waiting.insert(id, next);
        Poll::Pending
    }

    /// Natives have got something that they may write.
    pub(super) fn opened_for_writing(&mut self, file: &Location, kernel: &Arc<Kernel>) {
        if !self.files.busy {
            self.files.busy = true;
            self.files.due = Instant::now() + WATCH;
        }
        // Where little is left it matters at once.
        if let Ok(room) = kernel.vfs().native_room(file)
            && room < PLENTY
        {
            let size = file.attr().map_or(0, |attr| attr.size);
            self.limit_files(room, size);
        }
    }

    /// A file has become shorter or longer by a call: there may be more room for writes.
    pub(crate) fn room_changed(&mut self, file: &OpenFile) {
        let Some((kernel, location)) = self.kernel().zip(file.location()) else {
            return;
        };
        if self.files.limit == INFINITY {
            return;
        }
        let (Ok(room), Ok(attr)) = (kernel.vfs().native_room(location), location.attr()) else {
            return;
        };
        let before = std::mem::replace(&mut self.files.limit, INFINITY);
        self.limit_files(room, attr.size.max(before.saturating_sub(room)));
    }

    /// Does what is due.
    pub(super) fn tidy(&mut self) {
        if !self.files.busy || self.files.tidying || self.files.due > Instant::now() {
            return;
        }
        let Some(guest) = self.guests.values().next() else {
            return;
        };
        let kernel = Arc::clone(guest.process.kernel());
        let write = self.files.written.elapsed() >= EVERY;
        if write {
            self.files.written = Instant::now();
        }
        self.files.tidying = self.files.send(&self.shared, Job::Tidy { kernel, write }).is_ok();
        self.files.due = Instant::now() + WATCH;
    }

    /// Takes what came of a job.
    pub(super) fn file_done(&mut self, done: Done) {
        match done {
            Done::Settle { id, guest, begun } => {
                if let Some(waiting) = self.files.waiting.get_mut(&id) {
                    *waiting = begun;
                    self.attend(guest);
                }
            }
            Done::Tidy(natives) => {
                self.files.tidying = false;
                self.files.due = Instant::now() + WATCH;
                self.files.busy = natives.open > 0;
                // Calls whose guests are gone.
                let listener = &self.listener;
                self.files.waiting.retain(|id, _| listener.is_valid(*id));
                self.see_to_quota(natives);
                if self.files.swept.elapsed() >= SWEEP {
                    // Files without a name take room as long as they are known.
                    self.sweep();
                    self.files.swept = Instant::now();
                }
            }
        }
    }

    fn see_to_quota(&mut self, natives: NativeUse) {
        let Some(guest) = self.guests.values().next() else {
            return;
        };
        let kernel = Arc::clone(guest.process.kernel());
        let room = kernel.vfs().least_native_room();
        self.files.limit = INFINITY;
        self.limit_files(room, natives.largest);
        let cap = kernel.limits().max_filesystem_bytes;
        if natives.excess > SLACK.max(cap / SLACK_PART) {
            let limit = LimitExceeded::new(
                "limits.resources.maxFilesystemBytes",
                "bytes",
                cap.saturating_add(natives.excess),
                cap,
                "write",
                Errno::ENOSPC,
            );
            if let Some(writer) = self.largest_writer() {
                writer.exit_for(limit, Signal::KILL);
            }
        }
    }

    /// Lets guests make files of at most `largest` and `room` more, if there is little room, and of any size otherwise.
    fn limit_files(&mut self, room: u64, largest: u64) {
        let limit = match room < PLENTY {
            true => largest.saturating_add(room).min(self.files.limit),
            false => INFINITY,
        };
        self.files.limit = limit;
        for guest in self.guests.values_mut() {
            guest.limit_file_size(limit);
        }
    }

    /// The guest that holds most of what natives have open for writing.
    fn largest_writer(&self) -> Option<Arc<agentos_kernel::process::Process>> {
        let weight = |guest: &&super::Guest| -> u64 {
            let numbers = std::fs::read_dir(format!("/proc/{}/fd", guest.pid));
            let files = numbers.into_iter().flatten().flatten().filter_map(|entry| {
                let path = std::ffi::CString::new(format!("fd/{}", entry.file_name().to_string_lossy())).ok()?;
                let stat = sys::stat_fd(guest.proc_dir.as_fd(), &path).ok()?;
                let known = self.known.contains_key(&(stat.st_dev, stat.st_ino));
                known.then(|| u64::try_from(stat.st_blocks).unwrap_or(0))
            });
            files.sum()
        };
        self.guests
            .values()
            .filter(|guest| guest.process.exit_status().is_none())
            .max_by_key(weight)
            .map(|guest| Arc::clone(&guest.process))
    }

    /// The last guests have gone, or one whose end is waited for from outside: what they wrote gets to its filesystem first.
    pub(super) fn settle_files(&mut self, kernel: &Arc<Kernel>) {
        if self.files.busy || self.files.tidying {
            let _ = kernel.vfs().write_back();
        }
        if self.guests.is_empty() {
            let _ = kernel.vfs().tidy_natives(&sys::is_unused);
            self.files.busy = false;
            self.files.mapped = false;
            self.files.limit = INFINITY;
        }
    }
}

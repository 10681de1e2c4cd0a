//! Keeping what natives write: a thread beside the VM's that looks at bytes, which takes time, so that calls do not wait for it.
//!
//! It writes working copies back (see the kernel's `vfs::mounted`): for a call that wants something on disk, and from time to time
//! while natives have something open. What has begun is waited for by the VM's thread as everything else.
//!
//! It also sees to the quota. What natives write nobody is asked for, so a guest's own limit on the size of files
//! (`RLIMIT_FSIZE`) is kept at what is left as soon as little is left; who gets past that all the same, by many files or through
//! a mapping, is ended.

use super::{Guest, Shared, Vm};
use crate::calls::Fail;
use crate::sys;
use agentos_kernel::fd::{AccessMode, OpenFile};
use agentos_kernel::process::{INFINITY, Kernel, Process, Signal};
use agentos_kernel::vfs::{FileType, Location, NativeUse, Settle};
use agentos_kernel::{Errno, LimitExceeded};
use std::collections::HashMap;
use std::os::fd::OwnedFd;
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
/// Files of so many bytes are copied elsewhere.
const LONG: u64 = 1 << 20;
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
    /// A working copy of what a guest has opened.
    Prepare { id: u64, guest: u32, file: Arc<OpenFile> },
    /// As a matter of routine.
    Tidy { kernel: Arc<Kernel>, write: bool },
}

/// What came of a job.
pub(crate) enum Done {
    Settle { id: u64, guest: u32, begun: Waiting },
    Prepare { id: u64, guest: u32, made: Prepared },
    Tidy(NativeUse),
}

/// A file that was opened and has a copy; what holds it until the guest does.
type Prepared = Result<(Arc<OpenFile>, Option<OwnedFd>), Fail>;

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
    prepared: HashMap<u64, Prepared>,
    /// Whether natives may have something open.
    busy: bool,
    mapped: bool,
    /// Whether a routine job is on its way.
    tidying: bool,
    due: Instant,
    written: Instant,
    /// When to look which files guests still have open.
    sweep_at: Option<Instant>,
    /// Whether they write somewhere where there is plenty of room.
    roomy: bool,
    /// Keeps a copy from being given up.
    held: Option<OwnedFd>,
    /// Files that natives have got since it was looked which they still have open, and how many of them there may be.
    given: u64,
    most_given: u64,
    /// The largest file that guests may make at present.
    pub(super) limit: u64,
}

impl Files {
    pub(super) fn new() -> Self {
        Self {
            jobs: None,
            waiting: HashMap::new(),
            prepared: HashMap::new(),
            busy: false,
            mapped: false,
            tidying: false,
            due: Instant::now(),
            written: Instant::now(),
            sweep_at: None,
            roomy: false,
            held: None,
            given: 0,
            most_given: share_of_descriptors(),
            limit: INFINITY,
        }
    }

    /// Natives have got something that may have to be taken back.
    pub(super) fn opened(&mut self) {
        if !self.busy {
            self.busy = true;
            self.due = Instant::now() + WATCH;
        }
    }

    /// Natives may write through a mapping.
    pub(crate) fn mapped(&mut self) {
        self.mapped = true;
    }

    pub(crate) fn has_mappings(&self) -> bool {
        self.mapped
    }

    /// A guest has ended: soon it is looked what nobody has open any more.
    pub(super) fn guest_ended(&mut self) {
        let soon = Instant::now() + SWEEP;
        self.sweep_at.get_or_insert(soon);
    }

    /// When there is something to do here, if nothing happens before that.
    pub(super) fn due(&self) -> Option<Instant> {
        let routine = (self.busy && !self.tidying).then_some(self.due);
        routine.into_iter().chain(self.sweep_at).min()
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
            Job::Prepare { id, guest, file } => Done::Prepare {
                id,
                guest,
                made: prepare(file),
            },
            Job::Tidy { kernel, write } => {
                if write {
                    // What fails is told by `fsync`, and tried again.
                    let _ = kernel.vfs().write_back();
                }
                Done::Tidy(kernel.vfs().tidy_natives(&sys::holders))
            }
        };
        match shared.upgrade() {
            Some(shared) => shared.file_done(done),
            None => break,
        }
    }
}

fn prepare(file: Arc<OpenFile>) -> Prepared {
    let location = file.location().ok_or(Fail(libc::EBADF))?;
    let write = file.access().contains(AccessMode::WRITE);
    let held = location.filesystem().native(location.ino(), write)?;
    Ok((file, held))
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

/// How many files natives may get before it is looked which of them they still have open: each takes a descriptor of this process, of
/// which one VM alone uses no more than a part for what nobody has open.
fn share_of_descriptors() -> u64 {
    let (soft, _) = agentos_kernel::descriptors::limits();
    (soft / DESCRIPTORS_PART).clamp(GIVEN_MIN, GIVEN_MAX)
}

const DESCRIPTORS_PART: u64 = 16;
const GIVEN_MIN: u64 = 64;
/// Files that natives may get before it is looked at once which of them they still have open; then the guest's call waits for that.
const GIVEN_MAX: u64 = 16_384;

impl Vm {
    /// A guest is about to get a file. One that makes files faster than it is looked from time to time looks itself.
    pub(super) fn stay_uncrowded(&mut self) {
        self.files.given += 1;
        if self.files.given <= self.files.most_given {
            return;
        }
        if let Some(kernel) = self.kernel() {
            let left = kernel.vfs().tidy_natives(&sys::holders).left;
            self.files.given = 0;
            // Those that have to stay are not looked at again for each that comes.
            self.files.most_given = share_of_descriptors().max(left);
        }
    }

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

    /// Has a working copy made elsewhere, if one is needed and takes long; then the call is to be tried again.
    pub(crate) fn prepare(&mut self, key: u32, id: u64, file: &Arc<OpenFile>) -> Result<bool, Fail> {
        let (Some(kernel), Some(location)) = (self.kernel(), file.location()) else {
            return Ok(false);
        };
        let read_or_write = !file.access().is_empty() && location.kind() == FileType::Regular;
        if !read_or_write || self.files.prepared.contains_key(&id) || kernel.vfs().has_native_copy(location) {
            return Ok(false);
        }
        let write = file.access().contains(AccessMode::WRITE);
        if !kernel.vfs().needs_native_copy(location, write) {
            return Ok(false);
        }
        let long = location.filesystem().features().slow || location.attr()?.size >= LONG;
        if !long {
            return Ok(false);
        }
        let job = Job::Prepare {
            id,
            guest: key,
            file: Arc::clone(file),
        };
        self.files.send(&self.shared, job)?;
        Ok(true)
    }

    /// What a call has opened that had to wait for its copy.
    pub(crate) fn take_prepared(&mut self, id: u64) -> Option<Result<Arc<OpenFile>, Fail>> {
        let made = self.files.prepared.remove(&id)?;
        Some(made.map(|(file, held)| {
            // Held until the guest's own is made, which is in this call.
            self.files.held = held;
            file
        }))
    }

    /// Takes back at once what no guest has open any more, where that may make room.
    pub(crate) fn make_room(&mut self) {
        if let Some(kernel) = self.kernel()
            && kernel.vfs().has_native_copies()
        {
            self.sweep();
            kernel.vfs().tidy_natives(&sys::holders);
        }
    }

    /// Natives have got something that they may write.
    pub(super) fn opened_for_writing(&mut self, file: &Location, kernel: &Arc<Kernel>) {
        // Where little is left it matters at once, unless they write elsewhere, too, where it does not.
        let Ok(room) = kernel.vfs().native_room(file, PLENTY) else {
            return;
        };
        if room >= PLENTY {
            self.files.roomy = true;
            self.limit_files(INFINITY);
        } else if !self.files.roomy
            && let Ok(attr) = file.attr()
        {
            let before = if self.files.limit == INFINITY {
                0
            } else {
                self.files.limit
            };
            self.limit_files(attr.size.saturating_add(room).max(before));
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
        let (Ok(room), Ok(attr)) = (kernel.vfs().native_room(location, PLENTY), location.attr()) else {
            return;
        };
        let limit = match room < PLENTY {
            true => attr.size.saturating_add(room).max(self.files.limit),
            false => INFINITY,
        };
        self.limit_files(limit);
    }

    /// Does what is due.
    pub(super) fn tidy(&mut self) {
        if self.files.sweep_at.is_some_and(|at| at <= Instant::now()) {
            self.files.sweep_at = None;
            self.sweep();
        }
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
        if self.files.tidying {
            self.files.given = 0;
        }
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
            Done::Prepare { id, guest, made } => {
                self.files.prepared.insert(id, made);
                self.attend(guest);
                self.files.held = None;
                // Of one who is gone.
                let listener = &self.listener;
                self.files.prepared.retain(|id, _| listener.is_valid(*id));
            }
            Done::Tidy(natives) => {
                self.files.tidying = false;
                self.files.due = Instant::now() + WATCH;
                self.files.busy = natives.open > 0;
                // Calls whose guests are gone.
                let listener = &self.listener;
                self.files.waiting.retain(|id, _| listener.is_valid(*id));
                self.see_to_quota(natives);
                // Files without a name take room as long as they are known.
                self.files.guest_ended();
            }
        }
    }

    fn see_to_quota(&mut self, natives: NativeUse) {
        let Some(guest) = self.guests.values().next() else {
            return;
        };
        let kernel = Arc::clone(guest.process.kernel());
        self.files.roomy = natives.room.is_some_and(|room| room >= PLENTY);
        self.limit_files(match natives.room {
            Some(room) if room < PLENTY => natives.largest.saturating_add(room),
            _ => INFINITY,
        });
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

    /// Lets guests make files of at most so many bytes.
    fn limit_files(&mut self, limit: u64) {
        self.files.limit = limit;
        for guest in self.guests.values_mut() {
            guest.limit_file_size(limit);
        }
    }

    /// The guest that holds most of what natives have open for writing, or mapped.
    fn largest_writer(&self) -> Option<Arc<Process>> {
        let mut largest = (0, None);
        for guest in self
            .guests
            .values()
            .filter(|guest| guest.process.exit_status().is_none())
        {
            let weight = self.written_blocks(guest).max(mapped_blocks(guest));
            if weight > largest.0 {
                largest = (weight, Some(Arc::clone(&guest.process)));
            }
        }
        largest.1
    }

    /// Blocks of the VM's files that a guest has open for writing.
    fn written_blocks(&self, guest: &Guest) -> u64 {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", guest.pid));
        let numbers = entries.into_iter().flatten().flatten();
        let blocks = numbers.filter_map(|entry| {
            let fd = entry.file_name().to_str()?.parse().ok()?;
            let (_, flags) = self.position(guest.pid, fd).ok()?;
            let stat = self.host_stat(guest.pid, fd).ok()?;
            let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
            (writes && self.known.contains_key(&(stat.st_dev, stat.st_ino))).then_some(stat.st_blocks)
        });
        blocks.filter_map(|blocks| u64::try_from(blocks).ok()).sum()
    }

    /// The last guests have gone, or one whose end is waited for from outside: what they wrote gets to its filesystem first.
    pub(super) fn settle_files(&mut self, kernel: &Arc<Kernel>) {
        if self.files.busy || self.files.tidying {
            let _ = kernel.vfs().write_back();
        }
        if self.guests.is_empty() {
            let natives = kernel.vfs().tidy_natives(&sys::holders);
            // What found no room is tried again when there are guests again.
            self.files.busy = natives.open > 0;
            self.files.sweep_at = None;
            self.files.mapped = false;
            self.files.limit = INFINITY;
            self.files.roomy = false;
        }
    }
}

/// Blocks of files in memory that a guest has mapped so that it can write them, as far as they are in its own memory.
fn mapped_blocks(guest: &Guest) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps", guest.pid)).unwrap_or_default();
    let (mut counts, mut kib) = (false, 0);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("Rss:") {
            let resident = rest.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            kib += if counts { resident } else { 0u64 };
        } else if line
            .as_bytes()
            .first()
            .is_some_and(|first| first.is_ascii_digit() || (b'a'..=b'f').contains(first))
        {
            counts = line.contains(" rw-s ") && line.contains("/memfd:");
        }
    }
    kib * 2
}

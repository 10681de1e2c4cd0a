//! One process.

use super::elsewhere::Elsewhere;
use super::files::WaitingFifo;
use super::frozen::Frozen;
use super::image::Image;
use super::kernel::Kernel;
use super::limit::{Resource, ResourceLimits};
use super::signal::Signal;
use super::status::{ExitStatus, WaitEvent};
use super::table::State;
use super::timer::Timer;
use crate::clock::{Instant, Timestamp};
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::fd::FdTable;
use crate::guard::Guard;
use crate::id::Pid;
use crate::policy::Tier;
use crate::vfs::{FsContext, Location, Mode};
use crate::wait::{WaitQueue, WaitSlot};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use parking_lot::{Mutex, RwLock};
use std::sync::{Arc, OnceLock};

/// One process. Handles stay valid after it ended and was reaped: they still know how it ended.
pub struct Process {
    kernel: Arc<Kernel>,
    pid: Pid,
    started: Timestamp,
    started_at: Instant,
    /// Copies of what the table says, written under its lock.
    parent: AtomicU32,
    group: AtomicU32,
    session: AtomicU32,
    attention: AtomicU32,
    pub(super) fds: Mutex<FdTable>,
    /// Gone once the process has ended, so that a zombie keeps no mount busy.
    pub(super) place: Mutex<Option<Place>>,
    cred: RwLock<Arc<Credentials>>,
    image: RwLock<Arc<Image>>,
    pub(super) limits: Mutex<ResourceLimits>,
    pub(super) timer: Mutex<Timer>,
    /// The FIFO that a blocked `open` waits at.
    pub(super) fifo: Mutex<Option<WaitingFifo>>,
    pub(super) nice: AtomicI32,
    pub(super) meter: Meter,
    /// Start of the read that is waiting, in ns; 0 if none is.
    pub(super) waiting_since: AtomicU64,
    /// The task of this process while it waits for anything: woken when it has something to notice.
    pub(super) noticed: WaitSlot,
    /// The task of this process while it waits for its children.
    pub(super) child_changed: WaitSlot,
    /// Tasks that wait for its end.
    pub(super) ended: WaitQueue,
    pub(super) status: OnceLock<ExitStatus>,
    pub(super) end_time: OnceLock<Timestamp>,
    pub(super) breach: OnceLock<LimitExceeded>,
    /// Why the last refused call was refused.
    pub(super) last_denial: Mutex<Option<Box<str>>>,
    /// Its clocks, if they stand still while it computes.
    pub(super) frozen: Option<Frozen>,
    /// Who knows what it has open, if that is not the kernel.
    pub(super) elsewhere: Mutex<Option<Arc<dyn Elsewhere>>>,
}

/// Where a process is in the filesystem.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) cwd: Location,
    pub(super) umask: Mode,
    /// The file that was loaded (`/proc/<pid>/exe`); none for init.
    pub(super) exe: Option<Location>,
}

/// What a process has used.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) user_ns: AtomicU64,
    pub(super) sys_ns: AtomicU64,
    pub(super) memory: AtomicU64,
    pub(super) peak_memory: AtomicU64,
    pub(super) read_bytes: AtomicU64,
    pub(super) written_bytes: AtomicU64,
    pub(super) next_cpu_warning: AtomicU64,
    /// Largest size that the process may write a file to (`RLIMIT_FSIZE`).
    pub(super) file_size: AtomicU64,
    /// Instructions that it may still execute, if they are counted.
    pub(super) fuel: AtomicU64,
}

impl Meter {
    fn new(file_size: u64, fuel: u64) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            user_ns: zero(),
            sys_ns: zero(),
            memory: zero(),
            peak_memory: zero(),
            read_bytes: zero(),
            written_bytes: zero(),
            next_cpu_warning: zero(),
            file_size: AtomicU64::new(file_size),
            fuel: AtomicU64::new(fuel),
        }
    }
}

bitflags::bitflags! {
    /// What a process has to notice at its next opportunity.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Attention: u32 {
        /// It must end.
        const DIE = 1;
        /// It may not run.
        const STOPPED = 2;
        /// A caught signal waits to be taken.
        const CAUGHT = 4;
    }
}

/// What a process is doing, as `ps` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Running or waiting for something.
    Running,
    /// Stopped by a signal.
    Stopped,
    /// Ended and not reaped.
    Zombie,
    /// Gone.
    Reaped,
}

/// On whose behalf a path operation runs: a copy of the process's identities and place, so that no lock of the process is
/// held while a filesystem works (which may be `/proc`, and ask the process).
#[derive(Debug, Clone)]
pub struct Cx {
    pub(super) cred: Arc<Credentials>,
    pub(super) root: Location,
    pub(super) place: Place,
    pub(super) caller: Pid,
    pub(super) tier: Tier,
    pub(super) guard: Arc<Guard>,
}

impl Cx {
    /// The context for the path layer.
    pub fn fs(&self) -> FsContext<'_> {
        let mut cx = FsContext::new(&self.cred, &self.root);
        (cx.cwd, cx.umask, cx.caller) = (&self.place.cwd, self.place.umask, self.caller);
        (cx.tier, cx.guard) = (self.tier, Some(&*self.guard));
        cx
    }
}

/// What a process is made from.
pub(super) struct Parts {
    pub(super) pid: Pid,
    pub(super) fds: FdTable,
    pub(super) place: Place,
    pub(super) cred: Arc<Credentials>,
    pub(super) image: Arc<Image>,
    pub(super) limits: ResourceLimits,
    pub(super) nice: i32,
    pub(super) frozen: Option<Frozen>,
}

impl Process {
    pub(super) fn new(kernel: Arc<Kernel>, parts: Parts) -> Self {
        Self {
            started: kernel.clock.now(),
            started_at: kernel.clock.instant(),
            meter: Meter::new(parts.limits.get(Resource::FileSize).soft, kernel.limits.max_wasm_fuel),
            kernel,
            pid: parts.pid,
            parent: AtomicU32::new(0),
            group: AtomicU32::new(0),
            session: AtomicU32::new(0),
            attention: AtomicU32::new(0),
            fds: Mutex::new(parts.fds),
            place: Mutex::new(Some(parts.place)),
            cred: RwLock::new(parts.cred),
            image: RwLock::new(parts.image),
            timer: Mutex::default(),
            fifo: Mutex::new(None),
            nice: AtomicI32::new(parts.nice),
            limits: Mutex::new(parts.limits),
            waiting_since: AtomicU64::new(0),
            noticed: WaitSlot::default(),
            child_changed: WaitSlot::default(),
            ended: WaitQueue::default(),
            status: OnceLock::new(),
            end_time: OnceLock::new(),
            breach: OnceLock::new(),
            last_denial: Mutex::new(None),
            frozen: parts.frozen,
            elsewhere: Mutex::new(None),
        }
    }

    /// The process that stands for init: root of the tree, superuser, without descriptors.
    pub(super) fn init(kernel: Arc<Kernel>) -> Self {
        let cap = u32::try_from(kernel.limits.max_open_fds_per_process).unwrap_or(u32::MAX);
        let parts = Parts {
            pid: Pid::INIT,
            fds: FdTable::new(cap),
            place: Place {
                cwd: kernel.root.clone(),
                umask: Mode::new(0o022),
                exe: None,
            },
            cred: Arc::new(Credentials::root()),
            image: Arc::new(Image::init()),
            limits: ResourceLimits::new(&kernel.limits),
            nice: 0,
            frozen: None,
        };
        let (started, started_at) = (kernel.booted(), kernel.boot_instant());
        let init = Self {
            started,
            started_at,
            ..Self::new(kernel, parts)
        };
        init.set_relations(Pid(0), Pid::INIT, Pid::INIT);
        init
    }

    /// The VM.
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Parent; init's is 0.
    pub fn ppid(&self) -> Pid {
        Pid(self.parent.load(Ordering::Acquire))
    }

    /// Process group.
    pub fn pgid(&self) -> Pid {
        Pid(self.group.load(Ordering::Acquire))
    }

    /// Session.
    pub fn sid(&self) -> Pid {
        Pid(self.session.load(Ordering::Acquire))
    }

    /// When it was started.
    pub fn start_time(&self) -> Timestamp {
        self.started
    }

    /// When it was started, on the monotonic clock.
    pub fn start_instant(&self) -> Instant {
        self.started_at
    }

    /// Program name, at most 15 bytes.
    pub fn name(&self) -> Vec<u8> {
        self.image.read().name.clone()
    }

    /// Arguments.
    pub fn argv(&self) -> Vec<Vec<u8>> {
        self.image.read().argv.clone()
    }

    /// The program that it runs.
    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.read())
    }

    /// The file that was loaded, while the process lives; init has none.
    pub fn exe(&self) -> Option<Location> {
        self.place.lock().as_ref().and_then(|place| place.exe.clone())
    }

    /// The working directory, while the process lives.
    pub fn cwd(&self) -> Option<Location> {
        self.place.lock().as_ref().map(|place| place.cwd.clone())
    }

    /// Bytes that it has read and written.
    pub fn io_bytes(&self) -> (u64, u64) {
        (
            self.meter.read_bytes.load(Ordering::Relaxed),
            self.meter.written_bytes.load(Ordering::Relaxed),
        )
    }

    /// Nice value.
    pub fn nice_value(&self) -> i32 {
        self.nice.load(Ordering::Acquire)
    }

    /// Changes its name, as it shows in `/proc/<pid>/comm`.
    pub(crate) fn set_name(&self, name: &[u8]) {
        let image = self.image();
        let renamed = Image {
            name: super::image::short(name),
            argv: image.argv.clone(),
            env: image.env.clone(),
            program: image.program.clone(),
            tier: image.tier,
        };
        self.set_image(Arc::new(renamed));
    }

    pub(super) fn set_image(&self, image: Arc<Image>) {
        let old = core::mem::replace(&mut *self.image.write(), image);
        drop(old);
    }

    /// Identities.
    pub fn cred(&self) -> Arc<Credentials> {
        Arc::clone(&self.cred.read())
    }

    pub(super) fn set_cred(&self, cred: Credentials) {
        *self.cred.write() = Arc::new(cred);
    }

    /// How it ended, if it has.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.status.get().copied()
    }

    /// When it ended, if it has.
    pub fn end_time(&self) -> Option<Timestamp> {
        self.end_time.get().copied()
    }

    /// The limit for which it was killed, if it was.
    pub fn limit(&self) -> Option<&LimitExceeded> {
        self.breach.get()
    }

    /// What has stopped it, if it is stopped and its parent has not been told yet.
    pub fn stop_signal(&self) -> Option<Signal> {
        let table = self.kernel.table.lock();
        match table.entry(self.pid).ok()?.report? {
            WaitEvent::Stopped(signal) => Some(signal),
            WaitEvent::Continued | WaitEvent::Ended(_) => None,
        }
    }

    /// What it is doing.
    pub fn run_state(&self) -> RunState {
        let table = self.kernel.table.lock();
        match table.entry(self.pid).map(|entry| entry.state) {
            Ok(State::Running) => RunState::Running,
            Ok(State::Stopped) => RunState::Stopped,
            Ok(State::Zombie(_)) => RunState::Zombie,
            Err(_) if self.pid == Pid::INIT => RunState::Running,
            Err(_) => RunState::Reaped,
        }
    }

    /// A context for path operations.
    ///
    /// # Errors
    /// `ESRCH` once the process has ended.
    pub fn cx(&self) -> Result<Cx> {
        let place = self.place.lock().clone().ok_or(Errno::ESRCH)?;
        Ok(Cx {
            cred: self.cred(),
            root: self.kernel.root.clone(),
            place,
            caller: self.pid,
            tier: self.image().tier,
            guard: Arc::clone(&self.kernel.guard),
        })
    }

    /// Whether it should return to its executor soon: it must end, or was stopped. One load, for use between slices of guest
    /// code.
    pub fn should_yield(&self) -> bool {
        self.attention().intersects(Attention::DIE | Attention::STOPPED)
    }

    /// Whether a caught signal waits to be taken; one load.
    pub fn has_caught_signal(&self) -> bool {
        self.attention().contains(Attention::CAUGHT)
    }

    pub(super) fn attention(&self) -> Attention {
        Attention::from_bits_retain(self.attention.load(Ordering::Acquire))
    }

    /// Returns what it was before. Under the table's lock.
    pub(super) fn set_attention(&self, attention: Attention) -> Attention {
        Attention::from_bits_retain(self.attention.swap(attention.bits(), Ordering::AcqRel))
    }

    /// Under the table's lock.
    pub(super) fn set_relations(&self, parent: Pid, group: Pid, session: Pid) {
        self.parent.store(parent.0, Ordering::Release);
        self.group.store(group.0, Ordering::Release);
        self.session.store(session.0, Ordering::Release);
    }

    pub(super) fn ignores_or_blocks(&self, signal: Signal) -> bool {
        let table = self.kernel.table.lock();
        table
            .entry(self.pid)
            .is_ok_and(|entry| entry.signals.would_ignore(signal) || entry.signals.mask().contains(signal))
    }
}

impl core::fmt::Debug for Process {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Process")
            .field("pid", &self.pid)
            .field("status", &self.status.get())
            .finish_non_exhaustive()
    }
}

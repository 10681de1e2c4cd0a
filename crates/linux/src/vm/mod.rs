//! One VM's thread: receives the calls of all its guests and answers them one after another.
//!
//! Everything about guests belongs to this thread; others leave messages and wake it. It ends when there have been no guests for a
//! while, and is started again by the next.

mod alarm;
mod answers;
mod attend;
mod background;
mod bells;
mod claim;
mod descriptors;
mod files;
mod foreign;
mod guest;
mod known;
mod launch;
mod lent;
mod locks;
mod masters;
mod memories;
mod meter;
mod numbers;
mod nursery;
mod orphans;
mod outside;
mod positions;
mod proof;
mod resolve;
mod rouse;
mod signals;
mod sockets;
mod start;
mod stop;
mod terminals;
mod unguarded;
mod wakes;
mod walls;
mod watch;

pub(crate) use alarm::Alarm;
pub(crate) use foreign::Foreign;
pub(crate) use guest::{Copy, Guest, Patch, State, Target};
pub(crate) use known::Known;
pub(crate) use memories::Reopened;
pub(crate) use nursery::script as park_script;
pub(crate) use proof::{Told, tells_apart};
pub(crate) use signals::Actions;
pub(crate) use terminals::Terminal;

use files::Files;
pub(crate) use files::Wanted;
use numbers::Numbers;
use watch::Watchers;

use crate::calls;
use crate::job;
use crate::loader::Loader;
use crate::net::Sockets;
use crate::park::Parking;
use crate::program::Loaded;
use crate::spawner::Spawner;
use crate::sys::{self, Answer, Listener, Notification, Timer};
use crate::table;
use crate::walls::Group;
use agentos_kernel::process::Process;
use agentos_kernel::vfs::InodeHandle;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::thread::ThreadId;
use std::time::Duration;

/// A process to start.
pub(crate) type Start = (Box<Loaded>, Arc<Process>);

/// A VM's thread, seen from others.
#[derive(Debug)]
pub(crate) struct Shared {
    inbox: Mutex<Inbox>,
    bell: OwnedFd,
    /// The thread itself, and whether it has left itself something.
    thread: OnceLock<ThreadId>,
    own: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    starts: Vec<Start>,
    /// Guests that have something to notice.
    noticed: HashSet<u32>,
    /// Orders that came to nothing.
    failed: Vec<u64>,
    /// What came of looking at files.
    files: Vec<files::Done>,
    /// Who watches and has news.
    tidings: Vec<u64>,
    /// Who waits for the signals that were noticed before.
    after: Vec<Waker>,
    /// Processes to park.
    parkings: Vec<Parking>,
    /// Nobody wants a thread that has no VM.
    discarded: bool,
    closed: bool,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox")
            .field("starts", &self.starts.len())
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Leaves a process to start; gives it back if the thread is ending.
    pub(crate) fn start(&self, start: Start) -> Result<(), Start> {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            return Err(start);
        }
        inbox.starts.push(start);
        drop(inbox);
        self.ring();
        Ok(())
    }

    fn file_done(&self, done: files::Done) {
        self.inbox.lock().files.push(done);
        self.ring();
    }

    fn tidings(&self, token: u64) {
        let mut inbox = self.inbox.lock();
        if !inbox.tidings.contains(&token) {
            inbox.tidings.push(token);
        }
        drop(inbox);
        self.ring();
    }

    pub(crate) fn notice(&self, guest: u32) {
        self.inbox.lock().noticed.insert(guest);
        self.ring();
    }

    /// Wakes `waker` once everything that guests have to notice by now was attended to.
    pub(crate) fn after_signals(&self, waker: Waker) {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            drop(inbox);
            return waker.wake();
        }
        inbox.after.push(waker);
        drop(inbox);
        self.ring();
    }
}

/// A VM with Linux guests.
pub(crate) struct Vm {
    shared: Arc<Shared>,
    pub(crate) loader: Arc<Loader>,
    pub(crate) listener: Listener,
    poller: Arc<bells::Bells>,
    spawner: Spawner,
    /// The host's group that guests are in, where there are such, from the first one on.
    group: Option<Group>,
    alarm: Alarm,
    alarm_tid: u32,
    times: alarm::Times,
    wakes: wakes::Wakes,
    /// By the host's number of the process.
    pub(crate) guests: Numbers<Guest>,
    /// Which process a thread that is not its first belongs to.
    threads: Numbers<u32>,
    /// Processes that were ordered and have not said so yet.
    ordered: HashMap<u64, Start>,
    /// Copies whose parent has ended before they came to life.
    orphans: Vec<Copy>,
    /// Threads that see to it that threads of guests can change users.
    pub(crate) helpers: sys::Helpers,
    /// How many of these there are when it is looked which of them are of use.
    orphans_limit: usize,
    /// Threads that may go on as soon as they have come to where they are held.
    released: Vec<sys::Hold>,
    /// What the descriptors of guests mean.
    pub(crate) known: HashMap<(u64, u64), Known>,
    known_limit: usize,
    /// FIFOs behind pipes of the host.
    pub(crate) fifos: HashMap<(u64, u64), InodeHandle>,
    /// Sockets of the VM that guests have.
    pub(crate) sockets: Sockets,
    /// What programs were started with that others have open too, by the number of the description.
    lent: HashMap<u64, lent::Lent>,
    /// What natives do to files.
    pub(crate) files: Files,
    /// Who watches files.
    pub(crate) watchers: Watchers,
    /// Its guardian is gone: it ends with its guests.
    unguarded: bool,
    schedule: meter::Schedule,
    /// Memory files that guests have made.
    pub(crate) memories: memories::Memories,
    /// Memory of guests that the kernel was told of, in bytes.
    told: u64,
    /// Threads of all guests that there may be.
    thread_count: u64,
    /// The same for whoever looks into `/proc`.
    shown: descriptors::Files,
    /// Terminals by what their slaves are on the host.
    terminals: terminals::Terminals,
    /// The host's locks, for the kernel.
    locks: Arc<locks::HostLocks>,
    /// Where processes boot that are no guests yet.
    nursery: nursery::Nursery,
    /// What guests are let know beforehand.
    answers: answers::Answers,
}

/// Tokens at the poller; processes have their numbers, and who watches has what comes after them.
const BELL: u64 = u64::MAX - 1;
const GUARDIAN: u64 = u64::MAX - 2;
const TIMER: u64 = u64::MAX - 3;
/// How long the thread waits for a new guest when it has none.
const IDLE: Duration = Duration::from_secs(3);

impl Vm {
    fn new(shared: &Arc<Shared>, loader: &Arc<Loader>, processors: u64, unbound: bool) -> io::Result<Self> {
        let weak = Arc::downgrade(shared);
        let failed = move |token, _| {
            if let Some(shared) = weak.upgrade() {
                shared.inbox.lock().failed.push(token);
                shared.ring();
            }
        };
        let poller = Arc::new(bells::Bells::new()?);
        let alarm = Alarm::new(&poller, shared);
        let (spawner, listener) = Spawner::start(loader, table::program(), processors, Some(alarm.clone()), failed)?;
        let timer = Timer::new()?;
        poller.add(shared.bell.as_fd(), BELL, libc::EPOLLIN)?;
        poller.add(loader.guardian(), GUARDIAN, libc::EPOLLIN)?;
        poller.add(timer.as_fd(), TIMER, libc::EPOLLIN)?;
        Ok(Self {
            shared: Arc::clone(shared),
            loader: Arc::clone(loader),
            wakes: wakes::Wakes::new(&listener, processors),
            listener,
            poller,
            spawner,
            group: None,
            alarm,
            alarm_tid: 0,
            times: alarm::Times::new(timer),
            guests: Numbers::default(),
            threads: Numbers::default(),
            ordered: HashMap::new(),
            orphans: Vec::new(),
            orphans_limit: orphans::FIRST_LOOK,
            known: HashMap::new(),
            known_limit: known::FIRST_SWEEP,
            helpers: sys::Helpers::default(),
            fifos: HashMap::new(),
            released: Vec::new(),
            sockets: Sockets::default(),
            lent: HashMap::new(),
            files: Files::new(),
            watchers: Watchers::default(),
            unguarded: false,
            schedule: meter::Schedule::new(),
            memories: memories::Memories::default(),
            told: 0,
            thread_count: 0,
            shown: descriptors::Files::default(),
            terminals: terminals::Terminals::default(),
            locks: locks::HostLocks::new(shared),
            nursery: nursery::Nursery::new(unbound),
            answers: answers::Answers::default(),
        })
    }

    fn run(mut self) {
        let _ = self.shared.thread.set(std::thread::current().id());
        outside::watch();
        if self.meet_alarm().is_ok() {
            self.serve();
        }
    }

    /// Shuts the inbox if nothing came in the meantime.
    fn close(&self) -> bool {
        let mut inbox = self.shared.inbox.lock();
        inbox.closed = inbox.starts.is_empty() && inbox.after.is_empty() && inbox.parkings.is_empty();
        inbox.closed
    }

    /// Does what others, or this thread, have left; `rings` if the bell is known to.
    fn read_inbox(&mut self, rings: bool) {
        self.shared.silence(rings);
        self.expect_locks();
        let inbox = {
            let mut inbox = self.shared.inbox.lock();
            Inbox {
                closed: inbox.closed,
                ..std::mem::take(&mut *inbox)
            }
        };
        for start in inbox.starts {
            self.begin(start);
        }
        self.nursery.discarded |= inbox.discarded;
        for parking in inbox.parkings {
            self.begin_parking(parking);
        }
        for token in inbox.failed {
            self.with_order(token, |vm| vm.fail(token));
            self.after_end();
        }
        for guest in inbox.noticed {
            self.with_guest(guest, |vm| vm.attend(guest));
        }
        for token in inbox.tidings {
            self.send_news(token);
        }
        for done in inbox.files {
            self.file_done(done);
        }
        inbox.after.into_iter().for_each(Waker::wake);
    }

    /// Takes what was left to start, which may be the next program of a guest whose call is being answered.
    pub(crate) fn take_starts(&mut self) {
        let starts = std::mem::take(&mut self.shared.inbox.lock().starts);
        for start in starts {
            self.begin(start);
        }
    }

    /// Attends to whoever has something to notice.
    pub(crate) fn attend_noticed(&mut self) {
        let noticed = std::mem::take(&mut self.shared.inbox.lock().noticed);
        for guest in noticed {
            self.with_guest(guest, |vm| vm.attend(guest));
        }
    }

    /// Answers a call. A mistake of this crate costs that guest its life and nobody else anything.
    pub(crate) fn answer(&mut self, call: Notification) {
        let answer = self.consider(&call);
        self.listener.answer(call.id, answer);
    }

    /// What a call is to be answered with.
    pub(crate) fn consider(&mut self, call: &Notification) -> Answer {
        let answer = catch_unwind(AssertUnwindSafe(|| self.decide(call)));
        answer.unwrap_or_else(|_| {
            if let Ok(process) = sys::pid_fd(call.tid) {
                let _ = sys::send_signal(process.as_fd(), libc::SIGKILL as u32, None);
            }
            Answer::Errno(libc::EIO)
        })
    }

    fn decide(&mut self, call: &Notification) -> Answer {
        if i64::from(call.number) == libc::SYS_openat && call.args[0] == job::ASK && call.args[1] == job::ASK_HELLO {
            return self.with_order(call.args[2], |vm| vm.hello(call));
        }
        self.with_caller(call.tid, |vm| vm.decide_known(call))
    }

    fn decide_known(&mut self, call: &Notification) -> Answer {
        let Some(key) = self.guest_of(call.tid).filter(|_| !self.unguarded) else {
            // It came through this VM's filter and belongs to nobody: it cannot go on.
            if let Ok(process) = sys::pid_fd(call.tid) {
                let _ = sys::send_signal(process.as_fd(), libc::SIGKILL as u32, None);
            }
            return Answer::Errno(libc::ESRCH);
        };
        self.before_call(key, call);
        if i64::from(call.number) == libc::SYS_openat && call.args[0] == job::ASK {
            return self.asked(key, call);
        }
        if self
            .guests
            .get(&key)
            .is_some_and(|guest| matches!(guest.state, State::Spawning(_)))
        {
            // Between `clone` and the loader runs code of this crate, and nothing else.
            return match i64::from(call.number) {
                libc::SYS_setpgid | libc::SYS_fchdir | libc::SYS_execve => Answer::Continue,
                _ => Answer::Errno(libc::ENOSYS),
            };
        }
        if let Some(guest) = self.guests.get(&key)
            && matches!(guest.state, State::Loading(_) | State::Foreign(_))
        {
            return self.refuse_old(key);
        }
        match table::handler(call.number) {
            Some(handler) => self.on_behalf(key, |vm| calls::Call::new(vm, key, *call).run(handler)),
            None => Answer::Errno(libc::ENOSYS),
        }
    }
}

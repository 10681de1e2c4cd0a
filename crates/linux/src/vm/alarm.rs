//! Waking a VM's thread, which waits for calls and for nothing else.
//!
//! The host wakes whoever waits for a call on the processor of the caller (`vm/wakes.rs`), and only who waits in the receiving
//! itself: a thread that waits by `epoll` is woken elsewhere, which costs a guest several times as much. So the VM's thread receives,
//! and everything else comes as a call, too: a thread under the same filter, the *alarm*, waits for ends of processes, for
//! messages of other threads and for the time, and then knocks, which is a call that the VM's thread answers.
//!
//! ```text
//!   guests ──── calls ────────────────┐
//!   pidfds, bell, timer ── alarm ── knock ──> receive ─> what is ready, then the call
//! ```
//!
//! What is ready is looked at before every call, so a call never finds the VM in a state from before an end that its caller
//! knows of. A knock carries nothing; one that comes too late does no harm, and with the ends of guests' children it waits for a
//! moment (`vm/bells.rs`).

use super::bells::Bells;
use super::{BELL, GUARDIAN, IDLE, Shared, TIMER, Vm, watch};
use crate::job;
use crate::sys::{Answer, Notification, Ready, Timer, knock};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How soon a thread that is held is asked again whether it can go on.
const HELD: Duration = Duration::from_millis(1);
/// When a thread looks around that waits for its VM.
const FAR: Duration = Duration::from_secs(3600);

/// What the alarm needs: where to wait, and when to end.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    poller: Arc<Bells>,
    /// Its bell must not go while this waits for it.
    _shared: Arc<Shared>,
    over: Arc<AtomicBool>,
}

impl Alarm {
    pub(super) fn new(poller: &Arc<Bells>, shared: &Arc<Shared>) -> Self {
        Self {
            poller: Arc::clone(poller),
            _shared: Arc::clone(shared),
            over: Arc::default(),
        }
    }

    /// Starts the thread. The caller is under the filter already, and the new thread is then, too. That there is none is said by
    /// a knock of the caller's.
    pub(crate) fn start(self) {
        let started = Builder::new().name("agentos-alarm".into()).spawn(move || self.run());
        if started.is_err() {
            let _ = knock();
        }
    }

    fn run(&self) {
        // The first knock says that it is there. One that fails finds nobody.
        while knock().is_ok() && !self.over.load(Ordering::Acquire) {
            self.poller.wait();
        }
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }
}

/// When the VM's thread is to look at what nobody tells it.
pub(super) struct Times {
    timer: Timer,
    /// When the timer rings, if it does.
    set: Option<Instant>,
    /// Since when there have been no guests.
    idle: Option<Instant>,
    /// When to look whether signals have come for calls that wait.
    signals: Option<Instant>,
    /// When to look who reads in the background.
    readers: Option<Instant>,
    /// When to have those look who wait for a lock of a guest.
    locks: Option<Instant>,
}

impl Times {
    pub(super) fn new(timer: Timer) -> Self {
        Self {
            timer,
            set: None,
            idle: None,
            signals: None,
            readers: None,
            locks: None,
        }
    }

    /// Has it be looked for signals at `at`, unless that is to happen earlier.
    pub(super) fn look_for_signals(&mut self, at: Instant) {
        self.signals.get_or_insert(at);
    }

    /// Has it be looked at `at` who reads in the background, unless that is to happen earlier.
    pub(super) fn look_for_readers(&mut self, at: Instant) {
        self.readers.get_or_insert(at);
    }

    /// Has those who wait for a lock look at `at`, unless that is to happen earlier.
    pub(super) fn look_for_locks(&mut self, at: Instant) {
        self.locks.get_or_insert(at);
    }
}

impl Vm {
    /// Waits until the alarm is there. Until then there are no guests, and all who call are this process's own threads.
    pub(super) fn meet_alarm(&mut self) -> io::Result<()> {
        loop {
            let Some(call) = self.listener.receive()? else { continue };
            if !is_knock(&call) {
                self.listener.answer(call.id, Answer::Continue);
                continue;
            }
            self.listener.answer(call.id, Answer::OK);
            if call.tid == self.spawner.tid {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
            self.alarm_tid = call.tid;
            return Ok(());
        }
    }

    /// Answers what comes until nobody is left to come.
    pub(super) fn serve(&mut self) {
        let mut ready = Vec::new();
        while !self.is_abandoned() {
            self.set_timer();
            let has_news = self.shared.has_own_news();
            let waits = (has_news || self.wakes.looks()) && self.listener.has_call();
            // What this thread has told itself needs no knock.
            let call = match has_news && !waits {
                true => None,
                false => {
                    self.wakes.place(&self.listener, waits);
                    match self.listener.receive() {
                        Ok(call) => call,
                        Err(_) => return,
                    }
                }
            };
            self.poller.look(&mut ready);
            if self.see_to(&ready) {
                return;
            }
            if let Some(call) = call {
                self.take(call);
            }
        }
    }

    /// Does what is due, and says whether that was the last.
    fn see_to(&mut self, ready: &[Ready]) -> bool {
        self.release_held();
        // The ends of processes come first: a number that is used again then means the new process.
        for event in ready.iter().filter(|event| event.token < watch::FIRST) {
            // Numbers of processes are 32 bits.
            let pid = event.token as u32;
            self.with_guest(pid, |vm| vm.ended(pid));
            self.after_end();
        }
        let has = |token| ready.iter().any(|event| event.token == token);
        if has(BELL) || self.shared.has_own_news() {
            self.read_inbox(has(BELL));
            if self.is_discarded() {
                return true;
            }
        }
        if has(GUARDIAN) {
            self.lose_guardian();
            return false;
        }
        for event in ready
            .iter()
            .filter(|event| (watch::FIRST..TIMER).contains(&event.token))
        {
            self.watcher_event(*event);
        }
        if has(TIMER) {
            self.times.timer.silence();
            self.times.set = None;
            if self.is_idle()
                && !self.nursery.keeps()
                && self.times.idle.is_some_and(|since| since.elapsed() >= IDLE)
                && self.close()
            {
                return true;
            }
            if self.times.signals.take_if(|at| *at <= Instant::now()).is_some() {
                self.rouse_all();
            }
            if self.times.readers.take_if(|at| *at <= Instant::now()).is_some() {
                self.stop_readers();
            }
            if self.times.locks.take_if(|at| *at <= Instant::now()).is_some() {
                self.look_for_locks();
            }
            self.tidy();
            self.look();
        }
        false
    }

    /// A call of this process's own threads goes on; the alarm only wants this thread to have looked around.
    fn take(&mut self, call: Notification) {
        if call.tid == self.alarm_tid || call.tid == self.spawner.tid {
            let answer = match is_knock(&call) {
                true => Answer::OK,
                false => Answer::Continue,
            };
            return self.listener.answer(call.id, answer);
        }
        self.wakes.called(call.tid);
        self.answer(call);
    }

    /// Whether it has no VM and is not to have one.
    fn is_discarded(&self) -> bool {
        self.nursery.discarded && self.is_idle() && self.close()
    }

    fn is_idle(&self) -> bool {
        self.guests.is_empty() && self.ordered.is_empty()
    }

    /// Has the timer ring when something is due, if it would not before that.
    fn set_timer(&mut self) {
        let due = match self.is_idle() {
            true if self.nursery.keeps() => Instant::now() + FAR,
            true => *self.times.idle.get_or_insert_with(Instant::now) + IDLE,
            false => {
                self.times.idle = None;
                let others = [
                    self.files.due(),
                    self.times.signals,
                    self.times.readers,
                    self.times.locks,
                ];
                others.into_iter().flatten().fold(self.schedule.due(), Instant::min)
            }
        };
        let due = match self.released.is_empty() {
            true => due,
            false => due.min(Instant::now() + HELD),
        };
        if self.times.set.is_none_or(|set| due < set) {
            self.times.timer.set(due.saturating_duration_since(Instant::now()));
            self.times.set = Some(due);
        }
    }
}

fn is_knock(call: &Notification) -> bool {
    i64::from(call.number) == libc::SYS_openat && call.args[0] == job::ASK && call.args[1] == job::ASK_KNOCK
}

impl Shared {
    pub(super) fn ring(&self) {
        match self.thread.get() == Some(&std::thread::current().id()) {
            true => self.own.store(true, Ordering::Release),
            false => self.wake_alarm(),
        }
    }

    pub(super) fn wake_alarm(&self) {
        let one = 1u64;
        // SAFETY: eight bytes are readable. A full counter has rung already.
        unsafe { libc::write(self.bell.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Before messages are read; `rings` if the bell is known to.
    pub(super) fn silence(&self, rings: bool) {
        self.own.store(false, Ordering::Release);
        if !rings {
            // What this thread has left itself rings nobody.
            return;
        }
        let mut count = 0u64;
        // SAFETY: eight bytes are writable.
        unsafe { libc::read(self.bell.as_raw_fd(), (&raw mut count).cast(), 8) };
    }

    /// Whether the VM's thread has left itself a message since it last read them.
    fn has_own_news(&self) -> bool {
        self.own.load(Ordering::Acquire)
    }
}

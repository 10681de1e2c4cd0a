//! The pair: shared state of a master and its slaves, waiting and waking, hang-up, session.

use super::discipline::Discipline;
use super::hosted::{HostTty, Hosted};
use super::job::{Access, Admission, Caller, JobControl, TtySignal};
use super::table::Share;
use super::termios::{Control, LocalModes, Queue, Termios, When, WindowSize};
use crate::clock::{Clock, Instant, Timestamp};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{File, IoResult, PollEvents};
use crate::id::{Gid, Ino, Pid, Uid};
use crate::vfs::{Attr, FileType, Mode};
use crate::wait::WaitQueue;
use core::any::Any;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use parking_lot::{Mutex, MutexGuard};
use std::sync::{Arc, Weak};
use std::task::Wake;

/// A pseudo-terminal: what both halves share. Lives as long as one of its descriptions.
pub struct Pty {
    number: u32,
    owner: (Uid, Gid),
    created: Timestamp,
    clock: Arc<dyn Clock>,
    jobs: Arc<dyn JobControl>,
    /// Given back when the pair is gone.
    _share: Share,
    state: Mutex<State>,
    /// Tasks that use the master.
    master: WaitQueue,
    /// Tasks that use a slave.
    slave: WaitQueue,
}

struct State {
    discipline: Discipline,
    window: WindowSize,
    session: Option<Pid>,
    foreground: Option<Pid>,
    /// Open slave descriptions.
    slaves: usize,
    /// A slave was open before and none is now: the master reads an error once the output is drained.
    deserted: bool,
    /// The master was closed.
    hung_up: bool,
    /// When the raw read that is now waiting gives up (`VTIME`).
    timer: Option<Instant>,
    /// The host's terminal that carries the bytes, once a native program has needed one.
    host: Option<Hosted>,
}

impl State {
    /// Moves bytes between the discipline and the host's terminal, if there is one. Says whether the master has something to notice.
    fn exchange(&mut self) -> bool {
        let Some(host) = &mut self.host else { return false };
        let (printed, typed) = (host.collect(&mut self.discipline), host.deliver(&mut self.discipline));
        printed || typed
    }

    /// Throws away what is queued.
    fn flush(&mut self, queue: Queue) {
        if queue != Queue::Output {
            self.discipline.flush_input();
        }
        if queue != Queue::Input {
            self.discipline.flush_output();
        }
        if let Some(host) = &mut self.host {
            host.flush(queue);
        }
    }

    /// Whether programs were there and none is now, of either kind.
    fn is_deserted(&self) -> bool {
        self.deserted && self.host.as_ref().is_none_or(|host| !host.tty.is_held())
    }

    /// Whether no program could read what is typed.
    fn is_unread(&self) -> bool {
        self.slaves == 0 && self.host.as_ref().is_none_or(|host| !host.tty.is_held())
    }

    /// Lets whoever waits know when a native program prints.
    fn await_output(&self) {
        if let Some(host) = &self.host {
            host.wait();
        }
    }

    fn readable(&self) -> bool {
        match &self.host {
            Some(host) => host.tty.has_input(),
            None => self.discipline.readable(),
        }
    }

    fn available(&self) -> usize {
        match &self.host {
            Some(host) => host.tty.available(),
            None => self.discipline.available(),
        }
    }

    fn read_line(&mut self, buf: &mut [u8]) -> Option<usize> {
        match &self.host {
            Some(host) => host.tty.read_input(buf),
            None => self.discipline.read_line(buf),
        }
    }

    fn raw_available(&self) -> usize {
        match &self.host {
            Some(host) => host.tty.available(),
            None => self.discipline.raw_available(),
        }
    }

    fn read_bytes(&mut self, buf: &mut [u8]) -> usize {
        match &self.host {
            Some(host) => host.tty.read_input(buf).unwrap_or(0),
            None => self.discipline.read_bytes(buf),
        }
    }
}

/// Exchanges with the host's terminal when that has something to say.
struct Pump {
    pty: Weak<Pty>,
    /// The input was held back until now.
    releases: bool,
}

impl Wake for Pump {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(pty) = self.pty.upgrade() {
            let mut state = pty.state.lock();
            if let Some(host) = state.host.as_mut().filter(|_| self.releases) {
                host.release();
            }
            pty.settle(state);
        }
    }
}

impl Pty {
    pub(super) fn new(
        number: u32,
        owner: (Uid, Gid),
        clock: Arc<dyn Clock>,
        jobs: Arc<dyn JobControl>,
        share: Share,
    ) -> Self {
        Self {
            number,
            owner,
            created: clock.now(),
            clock,
            jobs,
            _share: share,
            state: Mutex::new(State {
                discipline: Discipline::default(),
                window: WindowSize::default(),
                session: None,
                foreground: None,
                slaves: 0,
                deserted: false,
                hung_up: false,
                timer: None,
                host: None,
            }),
            master: WaitQueue::default(),
            slave: WaitQueue::default(),
        }
    }

    /// The number in `/dev/pts`.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The slave's path.
    pub fn path(&self) -> String {
        format!("/dev/pts/{}", self.number)
    }

    /// Attributes of `/dev/pts/<number>`.
    pub fn attr(&self) -> Attr {
        self.attr_of(device_number(136, self.number), Ino(u64::from(self.number) + 3))
    }

    /// Opens one more description of the slave; `EIO` after the master was closed.
    pub fn open_slave(self: &Arc<Self>) -> Result<Arc<Slave>> {
        let mut state = self.state.lock();
        if state.hung_up {
            return Err(Errno::EIO.into());
        }
        state.slaves += 1;
        state.deserted = false;
        if let Some(host) = &state.host {
            host.tty.hold(true);
        }
        drop(state);
        self.master.wake();
        Ok(Arc::new(Slave {
            pty: Arc::clone(self),
            open: AtomicBool::new(true),
        }))
    }

    /// A slave that does not count as open: for what a program that holds the terminal elsewhere asks of it.
    pub fn lend_slave(self: &Arc<Self>) -> Arc<Slave> {
        Arc::new(Slave {
            pty: Arc::clone(self),
            open: AtomicBool::new(false),
        })
    }

    /// Lets a terminal of the host, which `make` makes, carry the bytes from now on, unless one does so already. For the executor of
    /// native programs; everybody else goes on as before.
    ///
    /// # Errors
    /// Those of `make`, nothing has changed then; `EIO` after a hang-up.
    pub fn on_host(self: &Arc<Self>, make: impl FnOnce() -> Result<Arc<dyn HostTty>>) -> Result<Arc<dyn HostTty>> {
        let mut state = self.live()?;
        if let Some(host) = &state.host {
            return Ok(Arc::clone(&host.tty));
        }
        let tty = make()?;
        tty.hold(state.slaves > 0);
        let wakers = [false, true].map(|releases| {
            let pty = Arc::downgrade(self);
            Waker::from(Arc::new(Pump { pty, releases }))
        });
        state.host = Some(Hosted::new(Arc::clone(&tty), wakers, state.discipline.termios()));
        // Whoever waits waits at the wrong place now, and is woken.
        self.settle(state);
        Ok(tty)
    }

    /// Present attributes (`tcgetattr`).
    pub fn attributes(&self) -> Result<Termios> {
        Ok(*self.live()?.discipline.termios())
    }

    /// Changes attributes (`tcsetattr`).
    pub fn set_attributes(&self, when: When, termios: Termios) -> Result<()> {
        let mut state = self.live()?;
        // What was printed and typed before was so under the old attributes.
        state.exchange();
        if when == When::Flush {
            state.flush(Queue::Input);
        }
        state.discipline.set_termios(termios);
        let State { host, discipline, .. } = &mut *state;
        if let Some(host) = host {
            host.follow(discipline.termios());
        }
        state.timer = None;
        self.settle(state);
        Ok(())
    }

    /// Throws queued bytes away (`tcflush`).
    pub fn flush(&self, queue: Queue) -> Result<()> {
        let mut state = self.live()?;
        state.flush(queue);
        self.settle(state);
        Ok(())
    }

    /// Stops or restarts output (`tcflow` with `TCOOFF` and `TCOON`).
    pub fn set_output_stopped(&self, stopped: bool) -> Result<()> {
        let mut state = self.live()?;
        state.discipline.set_stopped(stopped);
        self.settle(state);
        Ok(())
    }

    /// Size of the window.
    pub fn window(&self) -> Result<WindowSize> {
        Ok(self.live()?.window)
    }

    /// Sets the size; a real change sends `SIGWINCH` to the foreground group.
    pub fn set_window(&self, window: WindowSize) -> Result<()> {
        let mut state = self.live()?;
        let changed = core::mem::replace(&mut state.window, window) != window;
        let group = state.foreground.filter(|_| changed);
        drop(state);
        if let Some(group) = group {
            self.jobs.signal_group(group, TtySignal::WindowChange);
        }
        Ok(())
    }

    /// The session whose controlling terminal this is.
    pub fn session(&self) -> Option<Pid> {
        self.state.lock().session
    }

    /// The foreground group.
    pub fn foreground(&self) -> Option<Pid> {
        self.state.lock().foreground
    }

    /// Makes this the controlling terminal of `leader`'s session (`TIOCSCTTY`, or an open without `O_NOCTTY`), its group the
    /// foreground group. The process layer has checked that the caller leads its session and has no other terminal; for
    /// `steal` also that it is root. `EPERM` if another session has the terminal and is not to be robbed.
    pub fn set_controlling(&self, leader: &dyn Caller, steal: bool) -> Result<()> {
        let mut state = self.live()?;
        match state.session {
            Some(session) if session == leader.session() => return Ok(()),
            Some(_) if !steal => return Err(Errno::EPERM.into()),
            _ => {}
        }
        state.session = Some(leader.session());
        state.foreground = Some(leader.group());
        Ok(())
    }

    /// Ends the tie between terminal and session: the leader exited (`exiting`) or gave the terminal up (`TIOCNOTTY`). The
    /// foreground group gets `SIGHUP`, in the second case also `SIGCONT`. No effect if another session has the terminal.
    pub fn release_session(&self, session: Pid, exiting: bool) {
        let mut state = self.state.lock();
        if state.session != Some(session) {
            return;
        }
        state.session = None;
        let group = state.foreground.take();
        drop(state);
        if let Some(group) = group {
            self.jobs.signal_group(group, TtySignal::HangUp);
            if !exiting {
                self.jobs.signal_group(group, TtySignal::Continue);
            }
        }
    }

    /// Sets the foreground group (`tcsetpgrp`). The process layer has checked that `group` exists in the caller's session
    /// (`EPERM`, `ESRCH`) and has asked [`admit`](Self::admit). `ENOTTY` unless this is the caller's controlling terminal.
    pub fn set_foreground(&self, caller: &dyn Caller, group: Pid) -> Result<()> {
        let mut state = self.state.lock();
        if state.hung_up || state.session != Some(caller.session()) {
            return Err(Errno::ENOTTY.into());
        }
        state.foreground = Some(group);
        Ok(())
    }

    /// Decides whether `caller` may use its terminal now. A caller in the background is sent `SIGTTIN` or `SIGTTOU` through
    /// its group; `EIO` if that could not stop it for good reason: its group is orphaned, or it reads and ignores the signal.
    pub fn admit(&self, access: Access, caller: &dyn Caller) -> Result<Admission> {
        let state = self.state.lock();
        let unrestricted = access == Access::Write && !state.discipline.termios().local.contains(LocalModes::TOSTOP);
        let background = state.session == Some(caller.session())
            && state.foreground.is_some_and(|foreground| foreground != caller.group());
        drop(state);
        if unrestricted || !background {
            return Ok(Admission::Proceed);
        }
        let signal = match access {
            Access::Read => TtySignal::BackgroundRead,
            Access::Write | Access::Change => TtySignal::BackgroundWrite,
        };
        if caller.ignores(signal) {
            return match access {
                Access::Read => Err(Errno::EIO.into()),
                Access::Write | Access::Change => Ok(Admission::Proceed),
            };
        }
        if caller.group_is_orphaned() {
            return Err(Errno::EIO.into());
        }
        self.jobs.signal_group(caller.group(), signal);
        Ok(Admission::Signalled)
    }

    fn attr_of(&self, rdev: u64, ino: Ino) -> Attr {
        Attr {
            ino,
            kind: FileType::CharDevice,
            mode: Mode::new(0o620),
            nlink: 1,
            uid: self.owner.0,
            gid: self.owner.1,
            rdev,
            size: 0,
            blocks: 0,
            atime: self.created,
            mtime: self.created,
            ctime: self.created,
            btime: self.created,
        }
    }

    /// The state, unless the terminal was hung up.
    fn live(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state.lock();
        if state.hung_up {
            Err(Errno::EIO.into())
        } else {
            Ok(state)
        }
    }

    /// Ends an operation that changed something: unlocks, then wakes both sides and delivers the signals that came up.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let signals = state.discipline.take_signals();
        let group = state.foreground.filter(|_| !signals.is_empty());
        let held = match group {
            Some(_) => state.host.as_mut().map(Hosted::hold),
            None => None,
        };
        state.exchange();
        drop(state);
        self.master.wake();
        self.slave.wake();
        if let Some(group) = group {
            for signal in signals {
                self.jobs.signal_group(group, signal);
            }
        }
        if let Some((tty, waker)) = held {
            tty.after_signals(&waker);
        }
    }

    /// Wakes those at the master if bytes were moved that they may wait for.
    fn tell_master(&self, moved: bool) {
        if moved {
            self.master.wake();
        }
    }

    fn hang_up(&self) {
        let mut state = self.state.lock();
        state.hung_up = true;
        let session = state.session.take();
        state.foreground = None;
        state.discipline.flush_input();
        state.discipline.flush_output();
        let host = state.host.take();
        drop(state);
        self.slave.wake();
        if let Some(session) = session {
            self.jobs.signal_leader(session, TtySignal::HangUp);
            self.jobs.signal_leader(session, TtySignal::Continue);
        }
        // Native programs are hung up by the host when its terminal goes; the signals come first.
        if let Some(host) = host {
            let last = Last(Mutex::new(Some(Arc::clone(&host.tty))));
            host.tty.after_signals(&Waker::from(Arc::new(last)));
        }
    }
}

/// Keeps the host's terminal until it is woken.
struct Last(Mutex<Option<Arc<dyn HostTty>>>);

impl Wake for Last {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().take());
    }
}

/// The controlling half: a terminal emulator reads the screen and types the keys.
pub struct Master {
    pty: Arc<Pty>,
    table: Weak<super::table::Numbers>,
    open: AtomicBool,
}

impl Master {
    pub(super) fn new(pty: Arc<Pty>, table: Weak<super::table::Numbers>) -> Arc<Self> {
        Arc::new(Self {
            pty,
            table,
            open: AtomicBool::new(true),
        })
    }

    /// The pair that this is the master of.
    pub fn pty(&self) -> &Arc<Pty> {
        &self.pty
    }
}

impl File for Master {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.pty.state.lock();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let deserted = state.is_deserted();
        state.exchange();
        let taken = state.discipline.take_output(buf);
        if taken > 0 {
            self.pty.settle(state);
            return Poll::Ready(Ok(taken));
        }
        if deserted {
            return Poll::Ready(Err(Errno::EIO.into()));
        }
        let cleared = self.pty.master.register(waker);
        state.await_output();
        drop(state);
        cleared.wake();
        Poll::Pending
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.pty.state.lock();
        if state.is_unread() {
            return Poll::Ready(Err(Errno::EIO.into()));
        }
        // What was printed before the key comes before its echo.
        state.exchange();
        let taken = state.discipline.receive(data);
        if taken > 0 || data.is_empty() {
            state.timer = None;
            if state.discipline.has_flushed()
                && let Some(host) = &mut state.host
            {
                host.flush(Queue::Both);
            }
            self.pty.settle(state);
            return Poll::Ready(Ok(taken));
        }
        let cleared = self.pty.master.register(waker);
        drop(state);
        cleared.wake();
        Poll::Pending
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.pty.state.lock();
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::HUP, state.is_deserted());
        state.exchange();
        ready.set(PollEvents::IN, state.discipline.output_len() > 0);
        ready.set(PollEvents::OUT, state.discipline.can_receive());
        let cleared = self.pty.master.register(waker);
        if waker.is_some() && !ready.contains(PollEvents::IN) {
            state.await_output();
        }
        drop(state);
        cleared.wake();
        ready & (interest | PollEvents::HUP)
    }

    fn stat(&self) -> Result<Attr> {
        Ok(self.pty.attr_of(device_number(5, 2), Ino(2)))
    }

    fn available(&self) -> Result<u64> {
        Ok(self.pty.state.lock().discipline.output_len() as u64)
    }

    fn close(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            if let Some(table) = self.table.upgrade() {
                table.remove(self.pty.number);
            }
            self.pty.hang_up();
        }
    }

    fn describe(&self) -> String {
        "/dev/ptmx".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.close();
    }
}

/// One open description of the terminal that programs see.
pub struct Slave {
    pty: Arc<Pty>,
    open: AtomicBool,
}

impl Slave {
    /// The pair that this is a slave of.
    pub fn pty(&self) -> &Arc<Pty> {
        &self.pty
    }

    /// Unlocks, and has `waker` woken by the host's terminal, if there is one.
    fn wait_for_input(&self, state: MutexGuard<'_, State>, waker: Option<&Waker>) {
        let tty = state.host.as_ref().map(|host| Arc::clone(&host.tty));
        drop(state);
        if let (Some(tty), Some(waker)) = (tty, waker) {
            tty.wait_input(waker);
        }
    }

    /// See [`Pty::admit`].
    pub fn admit(&self, access: Access, caller: &dyn Caller) -> Result<Admission> {
        self.pty.admit(access, caller)
    }
}

impl File for Slave {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.pty.state.lock();
        if state.hung_up || buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let moved = state.exchange();
        let got = if state.discipline.termios().canonical() {
            state.read_line(buf)
        } else {
            read_raw(&mut state, &*self.pty.clock, buf, waker)
        };
        let Some(taken) = got else {
            let cleared = self.pty.slave.register(waker);
            self.wait_for_input(state, waker);
            cleared.wake();
            self.pty.tell_master(moved);
            return Poll::Pending;
        };
        state.timer = None;
        self.pty.settle(state);
        Poll::Ready(Ok(taken))
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.pty.state.lock();
        if state.hung_up {
            return Poll::Ready(Err(Errno::EIO.into()));
        }
        let moved = state.exchange();
        let taken = state.discipline.transmit(data);
        if taken > 0 || data.is_empty() {
            self.pty.settle(state);
            return Poll::Ready(Ok(taken));
        }
        let cleared = self.pty.slave.register(waker);
        drop(state);
        cleared.wake();
        self.pty.tell_master(moved);
        Poll::Pending
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.pty.state.lock();
        let always = PollEvents::HUP | PollEvents::ERR;
        if state.hung_up {
            return (PollEvents::IN | PollEvents::OUT | always) & (interest | always);
        }
        let moved = state.exchange();
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::IN, state.readable());
        ready.set(PollEvents::OUT, state.discipline.can_transmit());
        let cleared = self.pty.slave.register(waker);
        match ready.contains(PollEvents::IN) {
            true => drop(state),
            false => self.wait_for_input(state, waker),
        }
        cleared.wake();
        self.pty.tell_master(moved);
        ready & (interest | always)
    }

    fn stat(&self) -> Result<Attr> {
        Ok(self.pty.attr())
    }

    fn available(&self) -> Result<u64> {
        let mut state = self.pty.live()?;
        let moved = state.exchange();
        let available = state.available() as u64;
        drop(state);
        self.pty.tell_master(moved);
        Ok(available)
    }

    fn close(&self) {
        if !self.open.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut state = self.pty.state.lock();
        state.slaves -= 1;
        state.deserted = state.slaves == 0;
        if let Some(host) = state.host.as_ref().filter(|_| state.slaves == 0) {
            host.tty.hold(false);
        }
        drop(state);
        self.pty.master.wake();
    }

    fn describe(&self) -> String {
        self.pty.path()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Slave {
    fn drop(&mut self) {
        self.close();
    }
}

/// A non-canonical read: `VMIN` bytes, or what came before `VTIME` ran out (`termios(3)` lists the four cases). `None` waits.
fn read_raw(state: &mut State, clock: &dyn Clock, buf: &mut [u8], waker: Option<&Waker>) -> Option<usize> {
    let termios = state.discipline.termios();
    let fewest = usize::from(termios.char(Control::Min));
    let tenths = u64::from(termios.char(Control::Time));
    let have = state.raw_available();
    let enough = match (fewest, tenths) {
        (0, 0) => true,
        (0, _) => have > 0,
        // A caller that will not wait takes what there is.
        _ => have >= fewest.min(buf.len()) || (have > 0 && waker.is_none()),
    };
    // The timer of a read with a minimum runs from its first byte on, and anew after each.
    let timed = tenths > 0 && (fewest == 0 || have > 0);
    if !enough && timed {
        let now = clock.instant();
        let expired = state.timer.is_some_and(|deadline| deadline <= now);
        if expired {
            return Some(state.read_bytes(buf));
        }
        if let Some(waker) = waker {
            let deadline = *state.timer.get_or_insert(now.after(tenths * 100_000_000));
            clock.wake_at(deadline, waker);
        }
        return None;
    }
    enough.then(|| state.read_bytes(buf))
}

/// Linux's encoding of small device numbers.
const fn device_number(major: u64, minor: u32) -> u64 {
    (major << 8) | (minor as u64 & 0xff) | ((minor as u64 & 0xfff_ff00) << 12)
}

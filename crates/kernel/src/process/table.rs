//! The process table: who exists, how processes relate, what signals do to them.
//!
//! Pure state under one lock. Nothing here wakes anybody or frees anything that could call back; changes that others must
//! notice go into [`Wakes`].

use super::exited::Records;
use super::process::{Attention, Process};
use super::signal::{DefaultAction, SigInfo, SigSet, Signal};
use super::signals::Signals;
use super::status::{ExitStatus, WaitEvent};
use super::wake::Wakes;
use super::{PID_MAX, Times};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

/// All processes of a VM but init, which needs no entry: it has no signals, and its children are reaped as they end.
#[derive(Default)]
pub(super) struct Table {
    pub(super) init: Weak<Process>,
    /// Everything was killed; nothing may start any more.
    pub(super) disposed: bool,
    pub(super) exited: Records,
    entries: BTreeMap<Pid, Entry>,
    last_pid: u32,
    /// Stopped processes; with none, nobody cares whether a group becomes orphaned.
    stopped: usize,
}

/// One process.
pub(super) struct Entry {
    pub(super) process: Arc<Process>,
    pub(super) parent: Pid,
    pub(super) group: Pid,
    pub(super) session: Pid,
    /// In the order of creation.
    pub(super) children: Vec<Pid>,
    pub(super) signals: Signals,
    pub(super) state: State,
    /// A stop or continuation that the parent has not been told yet.
    pub(super) report: Option<WaitEvent>,
    /// How it is to end, once that is certain; the executor unwinds.
    pub(super) doom: Option<ExitStatus>,
    /// It has run another program than its parent (`setpgid(2)`).
    pub(super) has_execed: bool,
    /// CPU times of children that were waited for.
    pub(super) waited: Times,
}

/// What a process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Stopped,
    Zombie(ExitStatus),
}

impl Entry {
    pub(super) fn is_zombie(&self) -> bool {
        matches!(self.state, State::Zombie(_))
    }

    /// Recomputes what the process itself must notice; says whether there is something new.
    fn refresh(&self) -> bool {
        let mut attention = Attention::empty();
        attention.set(Attention::DIE, self.doom.is_some());
        attention.set(Attention::STOPPED, self.state == State::Stopped);
        let caught = self.signals.deliverable().intersection(self.signals.caught());
        attention.set(Attention::CAUGHT, !caught.is_empty());
        let before = self.process.set_attention(attention);
        !(attention - before).is_empty() || (before - attention).contains(Attention::STOPPED)
    }
}

impl Table {
    /// Every process, by pid.
    pub(super) fn all(&self) -> Vec<Arc<Process>> {
        self.entries.values().map(|entry| Arc::clone(&entry.process)).collect()
    }

    pub(super) fn process(&self, pid: Pid) -> Option<Arc<Process>> {
        self.entries.get(&pid).map(|entry| Arc::clone(&entry.process))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Pid, &Entry)> {
        self.entries.iter().map(|(pid, entry)| (*pid, entry))
    }

    /// `ESRCH` if there is no such process; a zombie is one.
    pub(super) fn entry(&self, pid: Pid) -> Result<&Entry> {
        self.entries.get(&pid).ok_or_else(|| Errno::ESRCH.into())
    }

    /// As [`entry`](Self::entry).
    pub(super) fn entry_mut(&mut self, pid: Pid) -> Result<&mut Entry> {
        self.entries.get_mut(&pid).ok_or_else(|| Errno::ESRCH.into())
    }

    #[cfg(test)]
    pub(super) fn stopped_count(&self) -> usize {
        self.stopped
    }

    /// A pid that no process, group or session has: the one that is wished for, if it can be.
    pub(super) fn free_pid(&mut self, wish: Pid) -> Pid {
        if wish.0 > Pid::INIT.0 && wish.0 <= PID_MAX {
            let taken = |(known, entry): (&Pid, &Entry)| *known == wish || entry.group == wish || entry.session == wish;
            if !self.entries.iter().any(taken) {
                return wish;
            }
        }
        loop {
            self.last_pid = if self.last_pid >= PID_MAX {
                2
            } else {
                self.last_pid.max(1) + 1
            };
            let pid = Pid(self.last_pid);
            let wrapped = self.entries.last_key_value().is_some_and(|(last, _)| *last >= pid);
            // Only after the numbers began anew can one be in use; there are far more numbers than processes.
            let taken = |(known, entry): (&Pid, &Entry)| *known == pid || entry.group == pid || entry.session == pid;
            if !wrapped || !self.entries.iter().any(taken) {
                return pid;
            }
        }
    }

    /// Adds a process under its parent.
    pub(super) fn insert(&mut self, pid: Pid, entry: Entry) {
        if let Some(parent) = self.entries.get_mut(&entry.parent) {
            parent.children.push(pid);
        }
        entry.process.set_relations(entry.parent, entry.group, entry.session);
        self.entries.insert(pid, entry);
    }

    /// Removes a zombie that was reaped.
    pub(super) fn remove(&mut self, pid: Pid) -> Option<Entry> {
        let entry = self.entries.remove(&pid)?;
        if let Some(parent) = self.entries.get_mut(&entry.parent) {
            parent.children.retain(|child| *child != pid);
        }
        if entry.state == State::Stopped {
            self.stopped = self.stopped.saturating_sub(1);
        }
        Some(entry)
    }

    /// Members of a group that have not ended.
    pub(super) fn members(&self, group: Pid) -> Vec<Pid> {
        let alive = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.group == group && !entry.is_zombie());
        alive.map(|(pid, _)| *pid).collect()
    }

    /// The session that a group belongs to, if the group has members (zombies count).
    pub(super) fn session_of_group(&self, group: Pid) -> Option<Pid> {
        self.entries
            .values()
            .find(|entry| entry.group == group)
            .map(|entry| entry.session)
    }

    /// Moves a process to a group, and to a session if one is given.
    pub(super) fn regroup(&mut self, pid: Pid, group: Pid, session: Option<Pid>) {
        if let Some(entry) = self.entries.get_mut(&pid) {
            entry.group = group;
            entry.session = session.unwrap_or(entry.session);
            entry.process.set_relations(entry.parent, entry.group, entry.session);
        }
    }

    /// Whether nobody could continue a stopped member of the group: no living member has a parent that is in the same session
    /// but another group (`credentials(7)`). Init does not count as a parent.
    pub(super) fn is_orphaned(&self, group: Pid) -> bool {
        let mut members = self
            .entries
            .values()
            .filter(|entry| entry.group == group && !entry.is_zombie());
        !members.any(|entry| self.guards(entry))
    }

    /// The groups among `groups` that are not orphaned now. Cheap when nothing is stopped: then nobody needs to know.
    pub(super) fn guarded(&self, groups: &[Pid]) -> BTreeSet<Pid> {
        if self.stopped == 0 {
            return BTreeSet::new();
        }
        let all = self.guarded_groups();
        groups.iter().copied().filter(|group| all.contains(group)).collect()
    }

    /// Every group that is not orphaned, in one pass: a big VM has many.
    fn guarded_groups(&self) -> BTreeSet<Pid> {
        let alive = self.entries.values().filter(|entry| !entry.is_zombie());
        alive
            .filter(|entry| self.guards(entry))
            .map(|entry| entry.group)
            .collect()
    }

    /// Whether the parent of a process could continue its group.
    fn guards(&self, entry: &Entry) -> bool {
        self.entries
            .get(&entry.parent)
            .is_some_and(|parent| parent.session == entry.session && parent.group != entry.group && !parent.is_zombie())
    }

    /// Hangs up and continues those of `guarded` that are orphaned now and have a stopped member.
    pub(super) fn rescue(&mut self, mut guarded: BTreeSet<Pid>, wakes: &mut Wakes) {
        if guarded.is_empty() {
            return;
        }
        let still = self.guarded_groups();
        let stopped = self.entries.values().filter(|entry| entry.state == State::Stopped);
        let stuck: BTreeSet<Pid> = stopped.map(|entry| entry.group).collect();
        guarded.retain(|group| !still.contains(group) && stuck.contains(group));
        let lost = self.entries.iter().filter(|(_, entry)| guarded.contains(&entry.group));
        let lost: Vec<Pid> = lost.map(|(pid, _)| *pid).collect();
        for pid in lost {
            // Neither is a real-time signal, which is the only kind that can be refused.
            let _ = self.post(pid, SigInfo::kernel(Signal::HUP), wakes);
            let _ = self.post(pid, SigInfo::kernel(Signal::CONT), wakes);
        }
    }

    /// Sends a signal to a process, and does what it does.
    ///
    /// # Errors
    /// `EAGAIN` if too many real-time signals wait.
    pub(super) fn post(&mut self, pid: Pid, info: SigInfo, wakes: &mut Wakes) -> Result<()> {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return Ok(());
        };
        if entry.is_zombie() {
            return Ok(());
        }
        let signal = info.signal;
        if signal == Signal::CONT {
            entry.signals.discard(SigSet::STOPPING);
            self.resume(pid, wakes);
        } else if SigSet::STOPPING.contains(signal) {
            entry.signals.discard(SigSet::of(&[Signal::CONT]));
        }
        let Some(entry) = self.entries.get_mut(&pid) else {
            return Ok(());
        };
        // Also a signal that leaves no trace itself may have taken others away.
        let added = match entry.signals.drops(signal) {
            true => Ok(()),
            false => entry.signals.add(info),
        };
        self.act(pid, wakes);
        added
    }

    /// Does the default action of every deliverable signal, and tells the process about the caught ones. To be called after
    /// anything that can make a signal deliverable.
    pub(super) fn act(&mut self, pid: Pid, wakes: &mut Wakes) {
        while let Some(signal) = self.next_default(pid) {
            match signal.default_action() {
                DefaultAction::Ignore => {}
                DefaultAction::Terminate | DefaultAction::Core => {
                    return self.condemn(pid, ExitStatus::Signaled(signal), wakes);
                }
                DefaultAction::Stop => self.stop(pid, signal, wakes),
            }
        }
        self.notify(pid, wakes);
    }

    /// Takes the next deliverable signal that is not caught. A stopped process takes nothing but `SIGKILL`.
    fn next_default(&mut self, pid: Pid) -> Option<Signal> {
        let entry = self.entries.get_mut(&pid)?;
        if entry.doom.is_some() || entry.is_zombie() {
            return None;
        }
        loop {
            let mut ready = entry.signals.deliverable().difference(entry.signals.caught());
            if entry.state == State::Stopped {
                ready = ready.intersection(SigSet::of(&[Signal::KILL]));
            }
            let kill = SigSet::of(&[Signal::KILL]);
            let first = if ready.contains(Signal::KILL) { kill } else { ready };
            let signal = entry.signals.take(first)?.signal;
            if !entry.signals.ignored().contains(signal) {
                return Some(signal);
            }
        }
    }

    /// Decides how a process ends. The first decision stands.
    pub(super) fn condemn(&mut self, pid: Pid, status: ExitStatus, wakes: &mut Wakes) {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return;
        };
        if entry.state == State::Stopped {
            entry.state = State::Running;
            entry.report = None;
            self.stopped = self.stopped.saturating_sub(1);
        }
        entry.doom.get_or_insert(status);
        self.notify(pid, wakes);
    }

    /// As if a signal that stops were not caught.
    pub(super) fn stop_by_default(&mut self, pid: Pid, signal: Signal, wakes: &mut Wakes) {
        let lives = self
            .entries
            .get(&pid)
            .is_some_and(|entry| entry.doom.is_none() && !entry.is_zombie());
        if lives && SigSet::STOPPING.contains(signal) {
            self.stop(pid, signal, wakes);
            self.notify(pid, wakes);
        }
    }

    fn stop(&mut self, pid: Pid, signal: Signal, wakes: &mut Wakes) {
        let Some(entry) = self.entries.get(&pid) else { return };
        if entry.state != State::Running || (signal != Signal::STOP && self.is_orphaned(entry.group)) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&pid) {
            entry.state = State::Stopped;
            entry.report = Some(WaitEvent::Stopped(signal));
            self.stopped += 1;
        }
        self.tell_parent(pid, SigInfo::STOPPED, signal, wakes);
    }

    fn resume(&mut self, pid: Pid, wakes: &mut Wakes) {
        let Some(entry) = self.entries.get_mut(&pid) else {
            return;
        };
        if entry.state != State::Stopped {
            return;
        }
        entry.state = State::Running;
        entry.report = Some(WaitEvent::Continued);
        self.stopped = self.stopped.saturating_sub(1);
        self.tell_parent(pid, SigInfo::CONTINUED, Signal::CONT, wakes);
        self.act(pid, wakes);
    }

    /// Tells the process itself if there is something to notice.
    pub(super) fn notify(&mut self, pid: Pid, wakes: &mut Wakes) {
        if let Some(entry) = self.entries.get(&pid)
            && (entry.refresh() || entry.signals.has_awaited())
        {
            wakes.process(&entry.process);
        }
    }

    /// Sends `SIGCHLD` to the parent of `pid` and wakes it if it waits.
    pub(super) fn tell_parent(&mut self, pid: Pid, code: i32, signal: Signal, wakes: &mut Wakes) {
        // Every signal number fits.
        self.tell_parent_status(pid, code, signal.number() as i32, wakes);
    }

    pub(super) fn tell_parent_status(&mut self, pid: Pid, code: i32, status: i32, wakes: &mut Wakes) {
        let Some(entry) = self.entries.get(&pid) else { return };
        let Some(parent) = self.entries.get(&entry.parent) else {
            return;
        };
        wakes.children(&parent.process);
        let uid = entry.process.cred().ruid;
        let info = SigInfo {
            signal: Signal::CHLD,
            code,
            pid,
            uid,
            status,
            value: 0,
        };
        let parent = entry.parent;
        // A standard signal is never refused.
        let _ = self.post(parent, info, wakes);
    }
}

//! `waitpid(2)`.

use super::process::Process;
use super::status::{Times, WaitEvent, WaitOptions, WaitTarget, Waited};
use super::table::{Entry, State, Table};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{IoResult, PollEvents};
use crate::id::Pid;
use core::task::{Poll, Waker};

impl Process {
    /// Waits until a child of `target` has changed, and reports that. `None` with [`WaitOptions::NOHANG`] if none has.
    ///
    /// # Errors
    /// `ECHILD` without such a child, `EINTR`.
    pub fn wait(&self, target: WaitTarget, options: WaitOptions, waker: Option<&Waker>) -> IoResult<Option<Waited>> {
        self.waiting(waker, |waker| {
            let mut table = self.kernel().table.lock();
            match self.try_wait(&mut table, target, options) {
                Ok(None) if !options.contains(WaitOptions::NOHANG) => {
                    // Under the table's lock, so that no change is missed.
                    self.child_changed.register(waker);
                    Poll::Pending
                }
                result => Poll::Ready(result.map(|waited| waited.map(|waited| self.shown_wait(waited)))),
            }
        })
    }

    /// What this process may know of the time that its child has used.
    fn shown_wait(&self, mut waited: Waited) -> Waited {
        if self.has_frozen_clocks() {
            (waited.usage.user_ns, waited.usage.sys_ns) = (0, 0);
        }
        waited
    }

    /// Whether a wait would find something: for [`PollEvents::IN`] an end, for [`PollEvents::PRI`] a stop or continuation.
    pub(super) fn poll_child(&self, target: WaitTarget, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut table = self.kernel().table.lock();
        let mut options = WaitOptions::NOWAIT;
        options.set(
            WaitOptions::UNTRACED | WaitOptions::CONTINUED,
            interest.contains(PollEvents::PRI),
        );
        let ready = match self.try_wait(&mut table, target, options) {
            Ok(Some(Waited {
                event: WaitEvent::Ended(_),
                ..
            })) => PollEvents::IN,
            Ok(Some(_)) => PollEvents::PRI,
            Err(_) if target != WaitTarget::Any => PollEvents::IN,
            Ok(None) | Err(_) => PollEvents::empty(),
        };
        if ready.is_empty() {
            self.child_changed.register(waker);
        }
        ready
    }

    fn try_wait(&self, table: &mut Table, target: WaitTarget, options: WaitOptions) -> Result<Option<Waited>> {
        // Init has no entry: the host learns of its children through their handles.
        let own = table.entry(self.pid()).map_err(|_| Errno::ECHILD)?;
        let one;
        let children = match target {
            WaitTarget::Pid(pid) => {
                one = [pid];
                &one[..]
            }
            _ => &own.children,
        };
        let mut any = false;
        let mut found = None;
        for child in children {
            let Ok(entry) = table.entry(*child) else { continue };
            if entry.parent != self.pid() || !matches(target, entry, own.group) {
                continue;
            }
            any = true;
            if let Some(event) = event(entry, options) {
                found = Some((*child, event));
                break;
            }
        }
        match found {
            Some((child, event)) => Ok(Some(self.report(table, child, event, options))),
            None if any => Ok(None),
            None => Err(Errno::ECHILD.into()),
        }
    }

    fn report(&self, table: &mut Table, pid: Pid, event: WaitEvent, options: WaitOptions) -> Waited {
        let Ok(entry) = table.entry_mut(pid) else {
            return Waited {
                pid,
                event,
                usage: Default::default(),
            };
        };
        let mut usage = entry.process.usage();
        usage.user_ns = usage.user_ns.saturating_add(entry.waited.user);
        usage.sys_ns = usage.sys_ns.saturating_add(entry.waited.sys);
        if options.contains(WaitOptions::NOWAIT) {
            return Waited { pid, event, usage };
        }
        entry.report = None;
        if let WaitEvent::Ended(_) = event {
            if table.remove(pid).is_some() {
                self.kernel().meters.processes.give(1);
            }
            if let Ok(own) = table.entry_mut(self.pid()) {
                own.waited.user = own.waited.user.saturating_add(usage.user_ns);
                own.waited.sys = own.waited.sys.saturating_add(usage.sys_ns);
            }
        }
        Waited { pid, event, usage }
    }

    /// CPU times of the process and of its waited-for children.
    pub fn times(&self) -> Times {
        let usage = self.usage();
        let waited = self
            .kernel()
            .table
            .lock()
            .entry(self.pid())
            .map(|entry| entry.waited)
            .unwrap_or_default();
        self.shown_times(Times {
            user: usage.user_ns,
            sys: usage.sys_ns,
            children_user: waited.user,
            children_sys: waited.sys,
        })
    }
}

fn matches(target: WaitTarget, entry: &Entry, own: Pid) -> bool {
    match target {
        WaitTarget::Any | WaitTarget::Pid(_) => true,
        WaitTarget::Group(group) => entry.group == group,
        WaitTarget::OwnGroup => entry.group == own,
    }
}

/// What there is to report of a child.
fn event(entry: &Entry, options: WaitOptions) -> Option<WaitEvent> {
    match (entry.state, entry.report) {
        (State::Zombie(status), _) => Some(WaitEvent::Ended(status)),
        (_, Some(report @ WaitEvent::Stopped(_))) if options.contains(WaitOptions::UNTRACED) => Some(report),
        (_, Some(report @ WaitEvent::Continued)) if options.contains(WaitOptions::CONTINUED) => Some(report),
        _ => None,
    }
}

//! Who may run a command to its end now: `maxConcurrentExecutions` and `executionQueueDeadlineMs` (limits.md section 4.7).
//!
//! An *execution* is a command of a client or of a cron job. Of these only so many run in the whole server at one time; others
//! wait, and are refused when they have waited too long. One that somebody waits for the end of (`exec`, `execArgv`, a cron job)
//! has its place until it ends. What `spawn` and `openShell` start may last for days and do nothing, as a server that listens or
//! a terminal that nobody types into: it needs a place to be started, and has it for as long as it computes
//! ([`Place::while_busy`]). A place that was given back is not taken again; what computes later is bounded by the CPUs of its VM.
//!
//! Invariants:
//!
//! * A place that becomes free goes to the VM that has the fewest, of those the one that got its last place the longest ago;
//!   within a VM to who waits longest.
//! * While others could need it, nobody has everything: one VM has all places but one at most.
//! * A wait that is given up takes no place, and nothing is kept for a VM that neither runs nor waits.

use agentos_actor::clock::timeout;
use agentos_actor::{ActorContext, Clock};
use agentos_value::{ActorError, ActorId, Value};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between two looks at what a process has computed.
const LOOK: Duration = Duration::from_secs(1);

/// CPU time between two looks below which a process waits rather than computes.
const BUSY: Duration = Duration::from_millis(100);

/// The path of the deadline in the configuration.
const DEADLINE: &str = "limits.server.executionQueueDeadlineMs";

/// The executions of a server.
#[derive(Debug)]
pub(crate) struct Executions {
    most: usize,
    deadline: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Numbers turns and waits.
    next: u64,
    vms: HashMap<ActorId, Share>,
    /// The VMs that could take a place, in the order in which they get one.
    line: BTreeSet<(usize, u64, ActorId)>,
}

/// What one VM runs and waits for.
#[derive(Debug, Default)]
struct Share {
    running: usize,
    /// When it got its last place, or came.
    turn: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A place among those that run; given back when dropped.
#[derive(Debug)]
pub(crate) struct Execution {
    executions: Arc<Executions>,
    vm: ActorId,
}

/// A place, and the time by which what has it is looked at.
pub(crate) struct Place {
    _execution: Execution,
    clock: Arc<dyn Clock>,
}

/// A wait for a place; given up when dropped.
struct Wait<'a> {
    executions: &'a Arc<Executions>,
    vm: &'a ActorId,
    number: u64,
    granted: oneshot::Receiver<()>,
}

/// The door to the executions of a server for one VM.
#[derive(Clone)]
pub(crate) struct Admission {
    executions: Arc<Executions>,
    ctx: ActorContext,
}

impl Admission {
    pub(crate) fn new(executions: &Arc<Executions>, ctx: &ActorContext) -> Self {
        Self {
            executions: Arc::clone(executions),
            ctx: ctx.clone(),
        }
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `limit_exceeded` when that takes too long; the audit trail and the metrics say so, too.
    pub(crate) async fn enter(&self, operation: &str) -> Result<Place, ActorError> {
        let clock = self.ctx.clock();
        let entered = self.executions.enter(self.ctx.actor_id(), &**clock, operation).await;
        let entered = entered.map(|execution| Place {
            _execution: execution,
            clock: Arc::clone(clock),
        });
        entered.inspect_err(|_| {
            let ms = self.executions.deadline_ms();
            self.ctx.limit_exceeded(DEADLINE, 1);
            let limit = DEADLINE.trim_start_matches("limits.server.");
            let fields = serde_json::json!({ "limit": limit, "observed": ms, "capacity": ms, "pid": null });
            self.ctx.audit("security.limit.exceeded", fields);
        })
    }
}

impl Place {
    /// Keeps the place for as long as what has it computes: until one second in which it used less than a tenth of a CPU.
    pub(crate) async fn while_busy(self, cpu_time: impl Fn() -> Duration) {
        let mut seen = cpu_time();
        loop {
            self.clock.sleep(LOOK).await;
            let now = cpu_time();
            if now.saturating_sub(seen) < BUSY {
                return;
            }
            seen = now;
        }
    }
}

impl Executions {
    /// `most` at one time; 0 means four for each CPU of the host.
    pub(crate) fn new(most: u64, deadline_ms: u64) -> Arc<Self> {
        let most = if most == 0 { default_most() } else { most };
        Arc::new(Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            deadline: Duration::from_millis(deadline_ms),
            state: Mutex::default(),
        })
    }

    /// How many run, and how many wait.
    pub(crate) fn count(&self) -> (u64, u64) {
        let state = self.state.lock();
        let waiting: usize = state.vms.values().map(|share| share.waiting.len()).sum();
        (state.running as u64, waiting as u64)
    }

    fn deadline_ms(&self) -> u64 {
        u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits for a place, for as long as the deadline says.
    async fn enter(
        self: &Arc<Self>,
        vm: &ActorId,
        clock: &dyn Clock,
        operation: &str,
    ) -> Result<Execution, ActorError> {
        let mut wait = self.line_up(vm);
        let granted = timeout(clock, self.deadline, &mut wait.granted).await;
        // A place that came at the last moment is used.
        match granted.is_ok_and(|granted| granted.is_ok()) || wait.granted.try_recv().is_ok() {
            true => Ok(Execution {
                executions: Arc::clone(self),
                vm: vm.clone(),
            }),
            false => Err(waited_too_long(self.deadline_ms(), operation)),
        }
    }

    fn line_up<'a>(self: &'a Arc<Self>, vm: &'a ActorId) -> Wait<'a> {
        let (grant, granted) = oneshot::channel();
        let mut state = self.state.lock();
        state.next += 1;
        let number = state.next;
        state.leave_line(vm);
        // One that is new has its turn after those who wait already.
        let share = state.vms.entry(vm.clone()).or_insert_with(|| Share {
            turn: number,
            ..Share::default()
        });
        share.waiting.insert(number, grant);
        state.join_line(vm, self.own_most());
        state.grant(self.most, self.own_most());
        drop(state);
        Wait {
            executions: self,
            vm,
            number,
            granted,
        }
    }

    /// Places that one VM has at most.
    fn own_most(&self) -> usize {
        self.most.saturating_sub(1).max(1)
    }
}

impl State {
    /// Takes a VM out of the line, to change what its place in it depends on.
    fn leave_line(&mut self, vm: &ActorId) {
        if let Some(share) = self.vms.get(vm) {
            self.line.remove(&(share.running, share.turn, vm.clone()));
        }
    }

    /// Puts a VM into the line, if it waits and may have one more place; forgets one that neither runs nor waits.
    fn join_line(&mut self, vm: &ActorId, own_most: usize) {
        let Some(share) = self.vms.get(vm) else { return };
        if share.waiting.is_empty() {
            if share.running == 0 {
                self.vms.remove(vm);
            }
        } else if share.running < own_most {
            self.line.insert((share.running, share.turn, vm.clone()));
        }
    }

    /// Gives places that are free to those who wait.
    fn grant(&mut self, most: usize, own_most: usize) {
        while self.running < most
            && let Some((_, _, vm)) = self.line.pop_first()
        {
            self.next += 1;
            let turn = self.next;
            if let Some(share) = self.vms.get_mut(&vm)
                && let Some((_, grant)) = share.waiting.pop_first()
            {
                share.turn = turn;
                share.running += 1;
                self.running += 1;
                // Nobody is there any more: `Wait` gives back what it finds granted as it is dropped.
                let _ = grant.send(());
            }
            self.join_line(&vm, own_most);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut state = self.executions.state.lock();
        state.leave_line(self.vm);
        let waited = state
            .vms
            .get_mut(self.vm)
            .is_some_and(|share| share.waiting.remove(&self.number).is_some());
        state.join_line(self.vm, self.executions.own_most());
        drop(state);
        // Granted, and never taken.
        if !waited && self.granted.try_recv().is_ok() {
            drop(Execution {
                executions: Arc::clone(self.executions),
                vm: self.vm.clone(),
            });
        }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        let (most, own_most) = (self.executions.most, self.executions.own_most());
        let mut state = self.executions.state.lock();
        state.leave_line(&self.vm);
        if let Some(share) = state.vms.get_mut(&self.vm) {
            share.running -= 1;
        }
        state.running -= 1;
        state.join_line(&self.vm, own_most);
        state.grant(most, own_most);
    }
}

fn waited_too_long(ms: u64, operation: &str) -> ActorError {
    let number = crate::errors::number(ms);
    let text = format!("limit exceeded: executionQueueDeadlineMs: {ms} of {ms} ms ({DEADLINE})");
    ActorError::agentos("limit_exceeded", text).with_metadata(Value::object([
        ("limit", Value::from("executionQueueDeadlineMs")),
        ("observed", number.clone()),
        ("capacity", number),
        ("unit", Value::from("ms")),
        ("operation", Value::from(operation)),
        ("configurationPath", Value::from(DEADLINE)),
        ("errno", Value::from("EAGAIN")),
    ]))
}

fn default_most() -> u64 {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    4 * cpus as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentos_actor::ManualClock;
    use std::task::Poll;

    fn vm(name: &str) -> ActorId {
        ActorId::new(name.to_owned()).unwrap()
    }

    /// Somebody who wants a place; `None` until it is there.
    struct Asking(std::pin::Pin<Box<dyn Future<Output = Result<Execution, ActorError>> + Send>>);

    impl Asking {
        fn new(executions: &Arc<Executions>, name: &str, clock: &ManualClock) -> Self {
            let (executions, vm, clock) = (Arc::clone(executions), vm(name), clock.clone());
            let mut asking = Self(Box::pin(async move { executions.enter(&vm, &clock, "exec").await }));
            // From here on it waits.
            if let Some(place) = asking.look() {
                let place = std::future::ready(place);
                return Self(Box::pin(place));
            }
            asking
        }

        fn look(&mut self) -> Option<Result<Execution, ActorError>> {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match self.0.as_mut().poll(&mut context) {
                Poll::Ready(place) => Some(place),
                Poll::Pending => None,
            }
        }

        fn place(&mut self) -> Execution {
            self.look().expect("a place").expect("no error")
        }
    }

    #[test]
    fn whoever_has_least_comes_first_and_in_turns() {
        let (executions, clock) = (Executions::new(2, 60_000), ManualClock::default());
        // With two places one VM has one at most.
        let first = Asking::new(&executions, "a", &clock).place();
        let mut greedy: Vec<_> = (0..3).map(|_| Asking::new(&executions, "a", &clock)).collect();
        assert!(greedy[0].look().is_none());
        let other = Asking::new(&executions, "b", &clock).place();
        let mut b = Asking::new(&executions, "b", &clock);
        let mut c = Asking::new(&executions, "c", &clock);
        assert_eq!(executions.count(), (2, 5));
        drop(first);
        // `a` and `c` have none; `c` came later than `a` got its last.
        let third = greedy[0].place();
        assert!(greedy[1].look().is_none() && b.look().is_none() && c.look().is_none());
        drop(other);
        let fourth = b.place();
        assert!(greedy[1].look().is_none() && c.look().is_none());
        drop(third);
        let fifth = c.place();
        assert!(greedy[1].look().is_none());
        drop((fourth, fifth));
        let last = greedy[1].place();
        drop((last, greedy));
        assert_eq!(executions.count(), (0, 0));
        let state = executions.state.lock();
        assert!(state.vms.is_empty() && state.line.is_empty());
    }

    #[test]
    fn one_place_goes_round() {
        let (executions, clock) = (Executions::new(1, 60_000), ManualClock::default());
        let mut place = Asking::new(&executions, "a", &clock).place();
        let mut waiting: Vec<_> = ["a", "a", "b", "c"]
            .into_iter()
            .map(|name| (name, Asking::new(&executions, name, &clock)))
            .collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(place);
            let (at, next) = waiting
                .iter_mut()
                .enumerate()
                .find_map(|(at, (_, asking))| Some((at, asking.look()?)))
                .expect("somebody has it");
            order.push(waiting.remove(at).0);
            place = next.unwrap();
        }
        assert_eq!(order, ["a", "b", "c", "a"]);
    }

    #[test]
    fn what_goes_on_has_its_place_while_it_computes() {
        let (executions, clock) = (Executions::new(1, 60_000), ManualClock::default());
        let place = Place {
            _execution: Asking::new(&executions, "a", &clock).place(),
            clock: Arc::new(clock.clone()),
        };
        let used = Arc::new(std::sync::atomic::AtomicU64::new(500));
        let seen = Arc::clone(&used);
        let mut keeping =
            Box::pin(place.while_busy(move || Duration::from_millis(seen.load(std::sync::atomic::Ordering::Relaxed))));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for (more, kept) in [(1000, true), (100, true), (99, false)] {
            assert!(keeping.as_mut().poll(&mut context).is_pending());
            assert_eq!(executions.count(), (1, 0));
            used.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
            clock.advance(LOOK);
            assert_eq!(keeping.as_mut().poll(&mut context).is_pending(), kept, "{more} ms more");
        }
        assert_eq!(executions.count(), (0, 0));
    }

    #[test]
    fn a_wait_has_its_time_and_leaves_nothing() {
        let (executions, clock) = (Executions::new(1, 1000), ManualClock::default());
        let place = Asking::new(&executions, "a", &clock).place();
        let (mut late, given_up) = (
            Asking::new(&executions, "b", &clock),
            Asking::new(&executions, "c", &clock),
        );
        drop(given_up);
        assert_eq!(executions.count(), (1, 1));
        clock.advance(Duration::from_millis(1000));
        let error = late.look().unwrap().unwrap_err();
        assert!(error.is("agentos", "limit_exceeded"), "{error}");
        assert_eq!(error.metadata.unwrap().get("errno"), Some(&Value::from("EAGAIN")));
        assert_eq!(executions.count(), (1, 0));
        // One that is granted as it is given up is not lost.
        let granted = Asking::new(&executions, "d", &clock);
        drop(place);
        assert_eq!(executions.count(), (1, 0));
        drop(granted);
        assert_eq!(executions.count(), (0, 0));
    }
}

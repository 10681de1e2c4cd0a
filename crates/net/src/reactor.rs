//! The one thread of the process that waits for guests' sockets to become ready.
//!
//! A socket costs nothing here until somebody has to wait for it. It is then armed for exactly one event; the thread wakes
//! everybody who waits for the socket, and whoever still has to wait arms it again. Data that arrives while nobody waits
//! therefore disturbs nobody, which is what keeps a busy download from competing with the thread that watches it.

use crate::fan::Fan;
use agentos_kernel::{Errno, Error, Result};
use core::sync::atomic::{AtomicU64, Ordering};
use parking_lot::Mutex;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

struct Reactor {
    epoll: OwnedFd,
    sockets: Mutex<HashMap<u64, Weak<Armed>>>,
    next: AtomicU64,
}

static REACTOR: Mutex<Option<Arc<Reactor>>> = Mutex::new(None);

/// Events that are taken at a time.
const BATCH: usize = 256;

/// Tasks that wait for one socket, and what the socket is armed for.
pub(crate) struct Armed {
    tasks: Fan,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reactor: Option<(Arc<Reactor>, u64)>,
    /// What the next event may be; nothing once it came.
    flags: EventFlags,
}

/// What to wait for, besides errors and hang-ups.
pub(crate) const READ: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::PRI);
/// Room to write, or being connected.
pub(crate) const WRITE: EventFlags = EventFlags::OUT;

impl Armed {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            tasks: Fan::new(),
            state: Mutex::default(),
        })
    }

    /// The tasks.
    pub(crate) fn tasks(&self) -> &Fan {
        &self.tasks
    }

    /// Wakes the tasks at the next of these events. One that holds already counts.
    ///
    /// # Errors
    /// Of the host; the tasks are then better woken than left waiting.
    pub(crate) fn arm(self: &Arc<Self>, socket: BorrowedFd<'_>, flags: EventFlags) -> Result<()> {
        let mut state = self.state.lock();
        state.flags |= flags;
        let armed = state.flags | EventFlags::ONESHOT;
        if let Some((reactor, token)) = &state.reactor {
            return Ok(epoll::modify(
                &reactor.epoll,
                socket,
                EventData::new_u64(*token),
                armed,
            )?);
        }
        let reactor = current()?;
        let token = reactor.next.fetch_add(1, Ordering::Relaxed);
        reactor.sockets.lock().insert(token, Arc::downgrade(self));
        let added = epoll::add(&reactor.epoll, socket, EventData::new_u64(token), armed);
        state.reactor = Some((reactor, token));
        Ok(added?)
    }

    fn fire(&self) {
        self.state.lock().flags = EventFlags::empty();
        self.tasks.wake();
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        if let Some((reactor, token)) = &self.state.get_mut().reactor {
            reactor.sockets.lock().remove(token);
        }
    }
}

/// The reactor, made if this is the first use.
fn current() -> Result<Arc<Reactor>> {
    let mut current = REACTOR.lock();
    if let Some(reactor) = &*current {
        return Ok(Arc::clone(reactor));
    }
    let reactor = Arc::new(Reactor {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        sockets: Mutex::default(),
        next: AtomicU64::new(1),
    });
    let running = Arc::clone(&reactor);
    std::thread::Builder::new()
        .name("agentos-poll".to_owned())
        .spawn(move || running.run())
        .map_err(|_| Error::from(Errno::EAGAIN))?;
    *current = Some(Arc::clone(&reactor));
    Ok(reactor)
}

impl Reactor {
    fn run(&self) {
        let nothing = Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        };
        let mut events = [nothing; BATCH];
        loop {
            // The only error that can come is an interruption.
            let Ok(ready) = epoll::wait(&self.epoll, &mut events[..], None) else {
                continue;
            };
            for event in events.iter().take(ready) {
                let socket = self.sockets.lock().get(&event.data.u64()).and_then(Weak::upgrade);
                if let Some(socket) = socket {
                    socket.fire();
                }
            }
        }
    }
}

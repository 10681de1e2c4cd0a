//! The thread that parks processes: one after another, so that they take one processor at most, and a moment after they are wanted, so
//! that they do not take it from who wanted them.

use super::pool::{PATIENCE, Pool, Stocked, Ticket};
use super::{Base, Key, key};
use crate::loader::Loader;
use crate::program::Loaded;
use crate::vm::Shared;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Executor, FileAction, Kernel, OpenHow, Process, Program, Signal, SpawnRequest};
use agentos_kernel::vfs::{InodeHandle, OpenOptions};
use agentos_kernel::{Errno, Error};
use parking_lot::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Somebody will want a process.
pub(super) struct Request {
    pub(super) key: Arc<Key>,
    pub(super) base: Base,
    pub(super) loader: Arc<Loader>,
    pub(super) at: Instant,
    /// Whose thread is to park it; none for a thread of its own.
    pub(super) vm: Option<Weak<Shared>>,
}

/// A process on its way to be parked.
#[derive(Debug)]
pub(crate) struct Parking {
    pub(crate) loaded: Box<Loaded>,
    pub(crate) process: Arc<Process>,
    pub(crate) key: Arc<Key>,
    pub(crate) ticket: Ticket,
    /// Who waits for it to be ready; is dropped if it never will be.
    pub(crate) ready: Sender<()>,
}

/// How long after it is wanted a process is begun.
const DELAY: Duration = Duration::from_millis(60);
/// How long one may take until it is parked; then it is ended.
const BOOT_MAX: Duration = Duration::from_secs(10);
/// How long one that loads modules may take until it is parked; then it is ended.
const LOAD_MAX: Duration = Duration::from_secs(60);

/// Starts the thread with its first order. None if there cannot be one, which is no harm: nothing is parked then.
pub(super) fn start(pool: &Arc<Pool>, first: Request) -> Option<Sender<Request>> {
    let (orders, inbox) = channel();
    let pool = Arc::downgrade(pool);
    let run = move || work(&pool, &inbox);
    std::thread::Builder::new()
        .name("agentos-parker".into())
        .spawn(run)
        .ok()?;
    orders.send(first).ok()?;
    Some(orders)
}

fn work(pool: &Weak<Pool>, inbox: &Receiver<Request>) {
    let mut orders: Vec<Request> = Vec::new();
    loop {
        // What comes within the pause is one order if it is for the same.
        let pause = match orders.first() {
            Some(first) => (first.at + DELAY).saturating_duration_since(Instant::now()),
            None => PATIENCE / 10,
        };
        match inbox.recv_timeout(pause) {
            Ok(order) => {
                if !orders.iter().any(|other| other.is_like(&order)) {
                    orders.push(order);
                }
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(pool) = pool.upgrade() else { return };
        pool.give_up(false);
        if !orders.is_empty() {
            let order = orders.remove(0);
            if pool.is_on() && !park(&pool, &order) {
                pool.fails(&order.key);
            }
            if pool.is_on() && order.vm.is_none() {
                park_companions(&pool, &order);
            }
        }
    }
}

impl Request {
    fn is_like(&self, other: &Self) -> bool {
        let same = match (&self.vm, &other.vm) {
            (None, None) => true,
            (Some(one), Some(other)) => one.ptr_eq(other),
            _ => false,
        };
        same && self.key == other.key
    }
}

/// Parks a process. False if such a process does not come to where it parks.
fn park(pool: &Arc<Pool>, order: &Request) -> bool {
    let vm = match &order.vm {
        Some(vm) => vm.upgrade().map(|vm| (vm, None)),
        None if pool.has_stock(&order.key) => None,
        // A thread without a VM.
        None => Shared::launch_unbound(&order.loader, order.key.processors)
            .ok()
            .map(|vm| (vm, Some(Arc::clone(&order.loader)))),
    };
    let Some((vm, loader)) = vm else { return true };
    // One for another start goes if there is no room: this one is wanted now. Without any, those that hold the places are ending.
    let ticket = match loader {
        Some(_) => pool.ticket().or_else(|| {
            pool.give_up(true);
            pool.ticket_soon()
        }),
        None => pool.bound_ticket(),
    };
    let Some(ticket) = ticket else {
        if loader.is_some() {
            vm.discard();
        }
        return true;
    };
    let (begun, parked) = boot(&order.key, order, &vm, ticket);
    match loader {
        Some(loader) if parked => pool.keep(Stocked {
            key: Arc::clone(&order.key),
            with: Vec::new(),
            loader,
            vm,
            since: Instant::now(),
        }),
        Some(_) => vm.discard(),
        None => {}
    }
    // In a VM's thread it may be that the VM has ended, or has parked one already.
    parked || order.vm.is_some() && begun
}

/// Parks what VMs start after what was ordered, in the thread that has that.
fn park_companions(pool: &Arc<Pool>, order: &Request) {
    for key in pool.companions(&order.key) {
        let Some(vm) = pool.lacks(&order.key, &key) else {
            continue;
        };
        let Some(ticket) = pool.ticket() else { return };
        let (begun, parked) = boot(&key, order, &vm, ticket);
        if parked {
            pool.has(&vm, &key);
        } else if begun && !vm.is_closed() {
            pool.fails(&key);
        }
    }
}

/// Starts a process in a thread and waits until it is parked: whether it was started, and whether it is.
fn boot(key: &Arc<Key>, order: &Request, vm: &Arc<Shared>, ticket: Ticket) -> (bool, bool) {
    let (ready, told) = channel();
    let executor = Arc::new(ParkExecutor {
        key: Arc::clone(key),
        vm: Arc::clone(vm),
        once: Mutex::new(Some((ticket, ready))),
    });
    let begun = (order.base)(Arc::clone(&executor) as Arc<dyn Executor>).is_some_and(|kernel| spawn(&kernel, key));
    // Its end is told by dropping the other side, which the executor must not keep.
    drop(executor.once.lock().take());
    let most = match key.preload {
        Some(_) => LOAD_MAX,
        None => BOOT_MAX,
    };
    (begun, begun && told.recv_timeout(most).is_ok())
}

/// Starts the process in a kernel of its own.
fn spawn(kernel: &Arc<Kernel>, key: &Key) -> bool {
    let null = |fd, write: bool| FileAction::Open {
        fd: Fd(fd),
        path: b"/dev/null".to_vec(),
        how: OpenHow {
            options: OpenOptions {
                read: !write,
                write,
                ..OpenOptions::default()
            },
            ..OpenHow::default()
        },
    };
    let mut env = key.env.clone();
    env.push([b"AGENTOS_PARK=", super::WAIT_PATH].concat());
    env.push([b"NODE_OPTIONS=--require=", super::SCRIPT_PATH].concat());
    let mut argv = vec![key.called.clone(), super::WAIT_PATH.to_vec()];
    let cwd = match &key.preload {
        Some((preload, cwd)) => {
            argv.extend(preload.modules.iter().map(|module| module.clone().into_bytes()));
            cwd.clone()
        }
        None => b"/".to_vec(),
    };
    let request = SpawnRequest {
        path: key.path.clone(),
        argv,
        env,
        cwd: Some(cwd),
        actions: vec![null(0, false), null(1, true), null(2, true)],
        credentials: Some(key.credentials.clone()),
        ..SpawnRequest::default()
    };
    matches!(kernel.spawn(&kernel.init(), &request, None), Poll::Ready(Ok(_)))
}

/// Runs the one program of such a kernel: hands it to the thread that parks it.
struct ParkExecutor {
    key: Arc<Key>,
    vm: Arc<Shared>,
    once: Mutex<Option<(Ticket, Sender<()>)>>,
}

struct ParkProgram {
    loaded: Loaded,
    key: Arc<Key>,
    vm: Arc<Shared>,
    ticket: Ticket,
    ready: Sender<()>,
}

impl Executor for ParkExecutor {
    fn name(&self) -> &'static str {
        crate::executor::NAME
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"\x7fELF")
    }

    fn load(&self, kernel: &Kernel, file: &InodeHandle, _: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        let loaded = Loaded::new(kernel, file)?;
        if key::files(&loaded) != Some(self.key.files) {
            return Poll::Ready(Err(Errno::ENOEXEC.into()));
        }
        let Some((ticket, ready)) = self.once.lock().take() else {
            return Poll::Ready(Err(Error::from(Errno::EAGAIN)));
        };
        Poll::Ready(Ok(Box::new(ParkProgram {
            loaded,
            key: Arc::clone(&self.key),
            vm: Arc::clone(&self.vm),
            ticket,
            ready,
        })))
    }
}

impl Program for ParkProgram {
    fn executor(&self) -> &'static str {
        crate::executor::NAME
    }

    fn start(self: Box<Self>, process: Arc<Process>) {
        let Self {
            loaded,
            key,
            vm,
            ticket,
            ready,
        } = *self;
        // By another path it may be called something else, and shows that for ever.
        let fits = process.image().name == key.name && loaded.path_of(&process).as_ref() == Some(&key.path);
        let parking = Parking {
            loaded: Box::new(loaded),
            process,
            key,
            ticket,
            ready,
        };
        match fits {
            true => vm.park(parking),
            false => parking.give_up(),
        }
    }
}

impl Parking {
    /// It comes to nothing.
    pub(crate) fn give_up(self) {
        self.process.exit_by(Signal::KILL);
        self.process.finish();
    }
}

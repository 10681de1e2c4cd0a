//! The thread whose children guests are.
//!
//! It puts on itself what is to hold for every guest (no new privileges, no capabilities, Landlock, the filter) and then does
//! nothing but wait for orders and clone. The listener of the filter lands in the process's table of descriptors, so nobody has to
//! fetch it from another process.
//!
//! A child shares the host process's memory until it executes the loader (as `vfork(2)`), so that a start costs the same
//! whatever the host process holds. What it does in between is in [`child`]: system calls, no allocation, no lock.

use crate::job::{ASK, ASK_HELLO};
use crate::loader::{Loader, NAME};
use crate::sys::{self, Listener, install_filter};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A guest to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    /// What the new process says to be known; nobody can guess it.
    pub(crate) token: u64,
    /// Signals that it ignores from the start.
    pub(crate) ignored: u64,
    /// Signals that it begins with blocked.
    pub(crate) blocked: u64,
}

/// The thread, seen from outside. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Spawner {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    pub(crate) tid: u32,
}

/// Stack of a child until it executes the loader.
const STACK: usize = 64 << 10;

impl Spawner {
    /// Starts it; `failed` is told of an order that came to nothing.
    pub(crate) fn start(
        loader: &Arc<Loader>,
        program: Vec<libc::sock_filter>,
        failed: impl Fn(u64, io::Error) + Send + 'static,
    ) -> io::Result<(Self, Listener)> {
        let (orders, inbox) = channel();
        let (told, result) = channel();
        let loader = Arc::clone(loader);
        let thread = std::thread::Builder::new()
            .name("agentos-spawner".into())
            .spawn(move || {
                // Before the filter, which nobody serves yet.
                let tid = sys::thread_id();
                let ready = prepare(&loader, &program);
                let usable = ready.is_ok();
                let _ = told.send(ready.map(|listener| (listener, tid)));
                drop(told);
                if usable {
                    serve(&inbox, &failed);
                }
            })?;
        match result.recv() {
            Ok(Ok((listener, tid))) => Ok((
                Self {
                    orders: Some(orders),
                    thread: Some(thread),
                    tid,
                },
                listener,
            )),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the spawner ended")),
        }
    }

    /// Orders a guest.
    pub(crate) fn order(&self, order: Order) -> io::Result<()> {
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
        }
    }

    /// Lets it end, without waiting: its last steps may be calls that the supervisor answers.
    pub(crate) fn end(&mut self) {
        drop(self.orders.take());
        drop(self.thread.take());
    }
}

/// Confines the calling thread.
fn prepare(loader: &Loader, program: &[libc::sock_filter]) -> io::Result<Listener> {
    // SAFETY: a set of all signals, for this thread alone: children begin with everything blocked, so that no handler of the
    // host process runs in memory that they share with it.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
    // SAFETY: gives this thread a working directory of its own.
    sys::check(unsafe { libc::unshare(libc::CLONE_FS) }.into())?;
    // SAFETY: takes a number alone.
    sys::check(unsafe { libc::fchdir(loader.dir().as_raw_fd()) }.into())?;
    sys::clear_capabilities();
    // SAFETY: takes numbers alone.
    sys::check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    sys::confine_thread(loader.file())?;
    install_filter(program)
}

fn serve(inbox: &Receiver<Order>, failed: &dyn Fn(u64, io::Error)) {
    let mut stack = vec![0u8; STACK];
    while let Ok(order) = inbox.recv() {
        if let Err(error) = clone(&order, &mut stack) {
            failed(order.token, error);
        }
    }
}

/// Makes the child and returns once it executes the loader or has ended.
fn clone(order: &Order, stack: &mut [u8]) -> io::Result<()> {
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16);
    let order = std::ptr::from_ref(order).cast_mut().cast();
    // No signal tells of the child's end, which is the host process's own business to be told of.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK;
    // SAFETY: the child runs `child` on a stack of its own, which like the order outlives it: this thread goes on only when the
    // child has left this memory.
    let pid = unsafe { libc::clone(child, top.cast(), flags, order) };
    sys::check(pid.into()).map(drop)
}

/// What a child does until it is another program. It shares memory with the host process: only system calls here.
extern "C" fn child(order: *mut libc::c_void) -> libc::c_int {
    #[repr(C)]
    struct Action {
        handler: usize,
        flags: u64,
        restorer: usize,
        mask: u64,
    }
    // SAFETY: `clone` above passes an order that lives until this process has left the memory that it shares.
    let order = unsafe { &*order.cast::<Order>() };
    // SAFETY: system calls on numbers and on memory of this function; none of them touches what the host process has.
    unsafe {
        if libc::syscall(libc::SYS_openat, ASK, ASK_HELLO, order.token, 0) != 0 {
            libc::_exit(1);
        }
        if libc::syscall(libc::SYS_setsid) < 0
            || libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0
        {
            libc::_exit(2);
        }
        for signal in 1..=64u32 {
            let handler = if order.ignored >> (signal - 1) & 1 == 1 {
                libc::SIG_IGN
            } else {
                libc::SIG_DFL
            };
            let action = Action {
                handler,
                flags: 0,
                restorer: 0,
                mask: 0,
            };
            libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0, 8);
        }
        if libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) < 0 {
            libc::_exit(3);
        }
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const order.blocked,
            0,
            8,
        );
        let argv = [NAME.as_ptr(), std::ptr::null()];
        let env = [std::ptr::null::<libc::c_char>()];
        libc::syscall(libc::SYS_execve, NAME.as_ptr(), argv.as_ptr(), env.as_ptr());
        libc::_exit(4)
    }
}

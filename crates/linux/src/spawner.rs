//! The thread whose children guests are.
//!
//! It puts on itself what is to hold for every guest (no new privileges, no capabilities, Landlock, the filter) and then does
//! nothing but wait for orders and clone. The listener of the filter lands in the process's table of descriptors, so nobody has to
//! fetch it from another process.
//!
//! Before that it starts the alarm (`vm/alarm.rs`), whose knocks have to come through the same filter.
//!
//! A child shares the host process's memory until it executes the loader (as `vfork(2)`), so that a start costs the same
//! whatever the host process holds. What it does in between is in [`child`]: system calls, no allocation, no lock.

use crate::job::{ASK, ASK_HELLO};
use crate::loader::{Loader, NAME};
use crate::sys::{self, Listener, install_filter};
use crate::vm::Alarm;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A guest to start.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// What the new process says to be known; nobody can guess it.
    pub(crate) token: u64,
    /// Signals that it ignores from the start.
    pub(crate) ignored: u64,
    /// Signals that it begins with blocked.
    pub(crate) blocked: u64,
    /// The control group that it is made in, if the host allows that; it says so in its first call.
    pub(crate) group: Option<Arc<OwnedFd>>,
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
    /// Starts it for guests that use at most so many processors; `failed` is told of an order that came to nothing.
    pub(crate) fn start(
        loader: &Arc<Loader>,
        program: Vec<libc::sock_filter>,
        processors: u64,
        alarm: Option<Alarm>,
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
                let dir = loader.dir().try_clone_to_owned();
                let ready = dir.and_then(|dir| Ok((prepare(&loader, &program, processors)?, dir)));
                // Whoever started this thread has it too: its end is not for a thread that may do so little.
                drop(loader);
                let told = |result| drop(told.send(result));
                match ready {
                    Ok((listener, dir)) => {
                        told(Ok((listener, tid)));
                        if let Some(alarm) = alarm {
                            alarm.start();
                        }
                        serve(dir.as_fd(), &inbox, &failed);
                    }
                    Err(error) => told(Err(error)),
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
fn prepare(loader: &Loader, program: &[libc::sock_filter], processors: u64) -> io::Result<Listener> {
    // SAFETY: a set of all signals, for this thread alone: children begin with everything blocked, so that no handler of the
    // host process runs in memory that they share with it.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, std::ptr::null_mut());
    }
    sys::use_processors(processors)?;
    sys::clear_capabilities();
    sys::no_new_privileges()?;
    sys::confine_thread(loader.file())?;
    install_filter(program)
}

fn serve(dir: BorrowedFd<'_>, inbox: &Receiver<Order>, failed: &dyn Fn(u64, io::Error)) {
    let mut stack = vec![0u8; STACK];
    // Whether the host makes processes in groups.
    let mut makes = true;
    while let Ok(order) = inbox.recv() {
        let token = order.token;
        let mut birth = Birth {
            is_placed: order.group.is_some() && makes,
            order,
            dir: dir.as_raw_fd(),
        };
        let mut made = clone(&birth, &mut stack);
        if birth.is_placed && made.as_ref().is_err_and(sys::is_refusal) {
            (makes, birth.is_placed) = (false, false);
            made = clone(&birth, &mut stack);
        }
        if let Err(error) = made {
            failed(token, error);
        }
    }
}

/// What a child is made from.
struct Birth {
    order: Order,
    /// The loader's directory.
    dir: i32,
    /// It is made in the order's group.
    is_placed: bool,
}

/// `struct clone_args`, as far as it is known here.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pid_fd: u64,
    tids: [u64; 2],
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tids: [u64; 2],
    group: u64,
}

/// Makes the child in a control group, and returns as [`clone`]. The filter knows the call by what nobody else puts into a register that it
/// does not use (`table/filter.rs`); the supervisor lets this thread make it and nobody else.
fn clone_into(group: &OwnedFd, birth: &Birth, stack: &mut [u8]) -> io::Result<()> {
    const INTO_CGROUP: u64 = 1 << 33;
    let range = stack.as_mut_ptr_range();
    let (low, top) = (range.start.addr().next_multiple_of(16), range.end.addr() / 16 * 16);
    let args = CloneArgs {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK) as u64 | INTO_CGROUP,
        stack: low as u64,
        stack_size: (top - low) as u64,
        group: u64::from(group.as_raw_fd().cast_unsigned()),
        ..CloneArgs::default()
    };
    let result: i64;
    // SAFETY: the structure is readable and as long as it says. The child, which sees 0, runs `child` on a stack of its own that begins
    // at a multiple of 16 and never comes back from there; both outlive it, as this thread goes on only when the child has left this memory.
    // Registers are as they were for this thread, but for those that the call takes.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const args,
            in("rsi") size_of::<CloneArgs>(),
            in("rdx") sys::INTO_GROUP,
            in("r12") std::ptr::from_ref(birth),
            in("r13") child as extern "C" fn(*mut libc::c_void) -> libc::c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    match i32::try_from(-result) {
        Ok(errno @ 1..) => Err(io::Error::from_raw_os_error(errno)),
        _ => Ok(()),
    }
}

/// Makes the child and returns once it executes the loader or has ended.
fn clone(birth: &Birth, stack: &mut [u8]) -> io::Result<()> {
    if let Some(group) = birth.order.group.as_ref().filter(|_| birth.is_placed) {
        return clone_into(group, birth, stack);
    }
    let top = stack.as_mut_ptr_range().end;
    let top = top.wrapping_sub(top.addr() % 16);
    let birth = std::ptr::from_ref(birth).cast_mut().cast();
    // No signal tells of the child's end, which is the host process's own business to be told of.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK;
    // SAFETY: the child runs `child` on a stack of its own, which like the argument outlives it: this thread goes on only when the
    // child has left this memory.
    let pid = unsafe { libc::clone(child, top.cast(), flags, birth) };
    sys::check(pid.into()).map(drop)
}

/// What a child does until it is another program. It shares memory with the host process: only system calls here.
///
/// It gives up the host process's descriptors before its first call that the supervisor answers: among them is the other end of that
/// call, so a child that had it would wait for ever once the host process is gone. Of its directory it keeps a copy for a
/// moment. (A thread with a directory of its own would need `unshare`, which containers forbid.)
///
/// It gets a group of its own and stays in the host process's session: so the group is no orphaned one, whose processes the host would
/// not stop by the signals of job control (`vm/stop.rs`).
extern "C" fn child(birth: *mut libc::c_void) -> libc::c_int {
    #[repr(C)]
    struct Action {
        handler: usize,
        flags: u64,
        restorer: usize,
        mask: u64,
    }
    // SAFETY: `clone` above passes what lives until this process has left the memory that it shares.
    let Birth { order, dir, is_placed } = unsafe { &*birth.cast::<Birth>() };
    // SAFETY: system calls on numbers and on memory of this function; none of them touches what the host process has.
    unsafe {
        if libc::syscall(libc::SYS_prctl, libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0
            || *dir != 0 && libc::syscall(libc::SYS_dup2, *dir, 0) < 0
            || libc::syscall(libc::SYS_close_range, 1, u32::MAX, 0) < 0
        {
            libc::_exit(3);
        }
        if libc::syscall(libc::SYS_openat, ASK, ASK_HELLO, order.token, u64::from(*is_placed)) != 0 {
            libc::_exit(1);
        }
        if libc::syscall(libc::SYS_setpgid, 0, 0) < 0 || libc::syscall(libc::SYS_fchdir, 0) < 0 {
            libc::_exit(2);
        }
        libc::syscall(libc::SYS_close, 0);
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

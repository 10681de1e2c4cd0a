//! Runs unmodified Linux programs in the VMs of agentOS.
//!
//! A Linux guest is a real process of the host whose view of files, processes and identities is the VM's. It needs no privilege:
//! a filter stops each system call that names anything, and the VM's kernel answers it; calls on descriptors that a guest has
//! already run on the host at full speed.
//!
//! ```text
//!   LinuxExecutor   what the kernel sees: which files are programs, starting them
//!     Probe         whether this machine can, and if not, why
//!     Vm            one thread per VM with Linux guests: receives calls, answers them
//!       calls/      what each call does, by the VM's kernel
//!       answers/    what guests answer themselves, from what this thread has found out
//!       spawner     one thread per VM, under the filter that its children inherit
//!     walls/        a group of the host for each VM, where there can be such
//!     table/        the system calls: filter, dispatch and documentation from one source
//!     loader/       the one program that the host executes; it maps the guest's real one
//! ```
//!
//! Invariants, each of which has a test:
//!
//! * What a guest's memory holds is copied once and decided upon as a copy; before an effect the supervisor asks the host whether
//!   the guest still waits in that call.
//! * The host goes on with a call only where all that matters is in registers, with one exception: `execve`, whose path is
//!   made to name the loader, and Landlock lets nothing else be executed.
//! * A call that is not in the table fails with `ENOSYS`.
//! * A guest's mistake, however hostile, is an error number for that guest.
//!
//! All of that is for Linux on x86-64, where the build script sets `cfg(jail)`. Elsewhere there are only the executor and a probe
//! that says why nothing runs.

#[cfg(jail)]
mod answers;
#[cfg(jail)]
mod calls;
mod children;
#[cfg(jail)]
mod elf;
mod executor;
#[cfg(jail)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(jail)]
mod job;
#[cfg(jail)]
mod loader;
#[cfg(jail)]
mod net;
#[cfg(jail)]
mod park;
mod parked;
#[cfg(jail)]
mod pipe;
#[cfg(jail)]
mod plans;
mod probe;
#[cfg(jail)]
mod program;
#[cfg(jail)]
mod spawner;
#[cfg(jail)]
mod sys;
#[cfg(jail)]
mod table;
#[cfg(jail)]
mod tty;
#[cfg(jail)]
mod vm;
mod walls;

pub use children::hear_of_children;
pub use executor::LinuxExecutor;
pub use parked::{Base, ParkedNode, Preload};
pub use probe::{Finding, Probe};
#[cfg(jail)]
pub use table::documentation as system_calls;
pub use walls::{Cgroup, CgroupError};

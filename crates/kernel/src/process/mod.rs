//! Processes: the table, signals, job control, starting and ending programs, and the system calls.
//!
//! ```text
//!   Kernel          one VM; everything that its processes share
//!     Table         who exists, who belongs to whom, what is pending: one lock
//!     Process       one process: descriptors, working directory, identities; the system calls are its methods
//!   Executor        runs programs of one format (crates above): load -> start -> gate ... -> finish
//! ```
//!
//! Invariants:
//!
//! * Everything that relates processes to each other (parents, groups, sessions, signals, stopping, ending) changes under the
//!   table's lock and only there, so that each change is atomic. Nobody is woken, nothing is closed and no terminal is
//!   called under it; whom to wake is collected in `Wakes` and done after unlocking.
//! * A spawn has no effect until it succeeds: the program is loaded and every descriptor opened before a pid exists.
//! * A process that ends first frees what it holds, then publishes its status, then wakes those who wait for it.
//! * A blocked system call keeps no state: it is called again, with the same arguments, after its waker was woken.
//!   Deadlines are absolute for that reason.

mod account;
mod clone;
mod denial;
mod elsewhere;
mod enrol;
mod exec;
mod executor;
mod exit;
mod exited;
mod files;
mod frozen;
mod group;
mod identity;
mod image;
mod jobs;
mod kernel;
mod kill;
mod limit;
mod observe;
#[allow(clippy::module_inception)]
mod process;
mod program;
mod request;
mod signal;
mod signals;
mod spawn;
mod status;
mod system;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::field_reassign_with_default)]
mod table_tests;
mod timer;
mod usage;
mod wait;
mod wake;

pub use clone::Copied;
pub use elsewhere::{Elsewhere, Footprint, Shown, ShownSignals};
pub use executor::{Executor, Gate, Program};
pub use exited::Exited;
pub use files::{AtFlags, Dir, LockCommand, LockKind, PollEntry, PollSource, Range, Resolving};
pub use image::Image;
pub use kernel::{HOSTNAME_MAX, Kernel, KernelConfig, PtyPair};
pub(crate) use limit::NAMES as RESOURCE_NAMES;
pub use limit::{INFINITY, Resource, ResourceLimit};
pub use process::{Cx, Process, RunState};
pub use request::{FileAction, OpenHow, SpawnRequest};
pub use signal::{DefaultAction, Disposition, MaskHow, SigInfo, SigSet, Signal};
pub use status::{ExitStatus, ProcessUsage, Times, WaitEvent, WaitOptions, WaitTarget, Waited};
pub use system::UtsName;
pub(crate) use system::{RELEASE as OS_RELEASE, VERSION as OS_VERSION};
pub use usage::{Stock, Usage};

/// Largest process id.
pub const PID_MAX: u32 = 4_194_304;

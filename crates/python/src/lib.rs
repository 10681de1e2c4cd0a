//! The native module of the Python package: VMs inside the Python process.
//!
//! The module is small on purpose. Python sees nine functions that take and give texts of JSON and bytes; classes, types
//! and coroutines are the work of the package in `sdk/python`.
//!
//! ```text
//!   agentos (Python)      call(handle, method, args, data)          blocks, lets other threads run, heeds Ctrl-C
//!                         submit(queue, handle, method, args, data)  the outcome goes to a queue, which a loop watches
//!         |
//!       module            what Python sees
//!         |
//!     dispatch            method and arguments -> a future of a reply
//!       desk              calls of host tools, which a thread of Python's takes and settles
//!         |
//!   vm, process,
//!   terminal, events      the methods of what a handle stands for
//! ```
//!
//! Invariants: nothing that a script passes panics; whoever waits can be interrupted, and what it waited for is cancelled
//! then; threads of ours never enter Python; a handle that was released, or that never was, is an error; a process made by `fork()` is told that it cannot use
//! the VMs of its parent.

mod desk;
mod dispatch;
mod events;
mod failure;
mod module;
mod objects;
mod options;
mod process;
mod queue;
mod reply;
mod runtime;
mod terminal;
mod vm;

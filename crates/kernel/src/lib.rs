//! The agentOS kernel: everything that a guest can see of its computer.
//!
//! One kernel is one VM. It is an ordinary object inside the user's process; it starts no thread, owns
//! no async runtime, reads no environment and touches the host only through what it was given: a [`Clock`](clock::Clock),
//! an [`Entropy`](clock::Entropy) source, filesystems that were mounted, and executors that run programs.
//!
//! Invariants:
//!
//! * Every operation is a plain function. It succeeds, fails with an [`Error`], or is [`Poll::Pending`](core::task::Poll)
//!   after it registered the caller's [`Waker`](core::task::Waker); it never blocks a thread on guest behaviour.
//! * No lock is held while a waker is called, and none across a return to the caller.
//! * Everything that a guest can grow is counted against [`limits`].
//! * Nothing that a guest passes in can panic the kernel.
//!
//! Layers, from the bottom: [`errno`] and [`id`]; [`policy`] and [`limits`] (what is allowed, and how much); [`vfs`] (inodes, paths, mounts); [`fd`] (open descriptions, pipes, poll);
//! [`tty`] and [`net`] (more kinds of description); [`process`] (table, signals, the system calls); [`pseudo`] (`/proc`,
//! `/dev`).
#![forbid(unsafe_code)]

pub mod clock;
pub mod cred;
pub mod descriptors;
pub mod errno;
pub mod error;
pub mod events;
pub mod fd;
mod guard;
pub mod id;
pub mod limits;
pub mod net;
pub mod outside;
pub mod policy;
pub mod process;
pub mod pseudo;
pub mod tty;
pub mod vfs;
pub mod wait;

pub use errno::Errno;
pub use error::{Error, LimitExceeded, Result};

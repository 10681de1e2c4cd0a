//! Safe wrappers over the guest ABI of agentOS, for tools and the shell.
//!
//! What Rust's standard library has a name for (files, child processes, pipes, working directory, and through
//! `std::os::wasi::posix` modes, owners, exec and exit signals) is reached through `std`. This crate holds the rest:
//! process groups, waiting for any child, signals, terminals, poll, identities, extended attributes, sockets. See
//! [`raw`] for the records and constants behind it, and the ABI crate for their meaning.
//!
//! Errors are [`std::io::Error`]s that carry the kernel's error number; [`errno`] tells it. Off the guest target
//! everything compiles and fails with [`std::io::ErrorKind::Unsupported`], so that users can be checked on a host.

#[macro_use]
mod call;

pub mod commands;
pub mod fd;
pub mod fs;
pub mod id;
pub mod net;
pub mod process;
pub mod signal;
pub mod sys;
pub mod tty;

pub use agentos_abi as raw;
pub use call::errno;

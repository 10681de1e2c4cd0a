//! Memory that is free and that the allocator of the process keeps.
//!
//! glibc keeps an arena for every few threads. What is freed in the middle of one stays with the process, so that a server
//! which had many stores open once is as large as it was then, although nothing of it is in use. [`give_back`] returns whole
//! free pages to the host. It is a crate of its own because the call is a C function, and the crates that want it have no
//! `unsafe` code.
#![deny(unsafe_code)]

mod trim;

pub use trim::give_back;

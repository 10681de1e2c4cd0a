//! What all tools share: command lines in the manner of GNU ([`cli`]), bytes in and bytes out ([`io`]), and one name for
//! the POSIX side of the standard library on the host and in a guest ([`platform`]).
//!
//! It has no dependencies, because the smallest program links it.

#![forbid(unsafe_code)]

pub mod cli;
pub mod io;
pub mod platform;

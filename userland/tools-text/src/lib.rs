//! Tools on text, each a function that the multicall program calls, and two rooms for other tool crates: [`glob`] and
//! [`regex`] (POSIX expressions).
//!
//! Every tool lives in a module of its own. Behaviour is that of the GNU tools unless a tool's own page says otherwise;
//! the golden cases under `tests/cases` are recorded from them.

#![forbid(unsafe_code)]

use agentos_tools_base::{cli, io, platform};

pub mod glob;
pub mod regex;

mod applets;
mod awk;
mod bc;
mod column;
mod ed;
mod file;
mod grep;
mod hexdump;
mod less;
mod patch;
mod rev;
mod rg;
mod screen;
mod sed;
mod strings;
mod terminal;
mod timing;
mod tree;
mod xxd;

pub use applets::{Applet, applets, synopses};

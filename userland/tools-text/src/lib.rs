//! Tools on text and archives, each a function that the multicall program calls.
//!
//! Every tool lives in a module of its own and shares three rooms: [`cli`] (command lines in the manner of GNU),
//! [`io`] (bytes in, bytes out) and [`regex`] (POSIX expressions). Behaviour is that of the GNU tools unless a tool's
//! own page says otherwise; the golden cases under `tests/cases` are recorded from them.

#![forbid(unsafe_code)]

use agentos_tools_base::{cli, io, platform};

mod glob;
mod regex;

mod applets;
mod grep;
mod sed;

pub use applets::{Applet, applets};

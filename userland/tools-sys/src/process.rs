//! Processes: what `/proc` tells of them, and the tools that start, signal and show them.
//!
//! ```text
//! table    reading /proc
//! ps       ps
//! top      top
//! kill     kill, pkill, pgrep, pidof, killall
//! run      nohup, nice, renice, setsid, flock
//! timeout  timeout
//! load     free, uptime, w, who, users
//! ```

mod kill;
mod load;
mod ps;
mod run;
mod table;
mod timeout;
mod top;

pub(crate) use kill::{kill, killall, pgrep, pidof, pkill};
pub(crate) use load::{free, uptime, users, w, who};
pub(crate) use ps::ps;
pub(crate) use run::{flock, nice, nohup, renice, setsid};
pub(crate) use timeout::timeout;
pub(crate) use top::top;

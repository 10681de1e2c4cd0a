//! One process: an instance on a fiber.
//!
//! ```text
//!   start ─▶ gate ─▶ store, instance ─▶ _start ──────────────▶ proc_exit, return, trap
//!              │                          │  ▲                        │
//!              │ die                  import waits:                   │
//!              │                       gate ─▶ try ─▶ Pending         │
//!              ▼                                                      ▼
//!            finish ◀──────────────────── drop the store ◀── unwind ──┘
//! ```
//!
//! * A blocked import is woken by whatever it waits for and by signals. Each time it passes the gate first, so a killed process
//!   does nothing more; then it tries again.
//! * A running guest meets the epoch callback once per tick: it charges CPU time, passes the gate, and gives the CPU away if
//!   somebody waits for it.
//! * The store (memory, tables, fiber) is dropped before the kernel closes descriptors and publishes the status, so whoever
//!   was told of the end finds the memory free.
//! * `proc_exec` unwinds like an exit, and the new program's own start queues it under the same process.

mod clone;
mod dirty;
mod guest;
mod limiter;
mod meter;
mod outcome;
mod run;
mod state;

pub(crate) use clone::clone_process;
pub(crate) use limiter::{MEMORIES_MAX, TABLES_MAX};
pub(crate) use meter::charge;
pub(crate) use outcome::Unwind;
pub(crate) use run::Program;
pub(crate) use state::State;

//! Parked processes of Node.js: started before anybody needs them.
//!
//! A parked process is an ordinary guest that has no VM yet. It runs Node.js of a read-only base, in a kernel of its own that has nothing
//! but that base, until Node.js is ready to run a program, and then waits in a call that is not answered (`park.cjs`). The
//! claim gives it the descriptors of a VM's process, makes it that process, and answers the call with what to run.
//!
//! ```text
//!   Pool         how many there are, and for whom                    (pool.rs)
//!     parker     a thread that starts them, one after another        (parker.rs)
//!     Key        what a process was started as; who wants another thing cannot have it (key.rs)
//!     nursery    the part of a VM's thread in which one boots        (vm/nursery.rs)
//!     Print      what a path led to, in the base and in the VM       (print.rs)
//!     claim      making it a VM's process                            (vm/claim.rs)
//! ```
//!
//! A process is never moved to another supervisor: a thread that has guests of a VM parks its next one itself, and a VM that has no
//! thread gets one that has never had a VM. So a parked process cannot have been in touch with any VM but the one that claims it.
//!
//! **When a start is served.** Every path that Node.js looked at while it booted must lead to the same in the VM (`print.rs`), with the
//! VM's permissions; the variables that it reads at its start must be the same; and only `node SCRIPT ARGUMENT...` is
//! served, without options, with descriptors 0 to 2 alone, none of which is a terminal. Everything else starts as if there were no pool.

mod key;
mod parker;
mod pool;
mod print;

pub(crate) use crate::parked::{Base, ParkedNode};
pub(crate) use key::{Invocation, Key, claim};
pub(crate) use parker::Parking;
pub(crate) use pool::{Pool, Ticket};
pub(crate) use print::{Print, prints};

/// What a parked process loads before its program: waits, and becomes what the claim says.
pub(crate) const SCRIPT: &[u8] = include_bytes!("park.cjs");
/// Where it finds that. There is no such file: the supervisor hands it out.
pub(crate) const SCRIPT_PATH: &[u8] = b"/dev/agentos-park.cjs";
/// What it opens to wait.
pub(crate) const WAIT_PATH: &[u8] = b"/dev/agentos-parked";
/// What the script is for whoever only looks at it.
pub(crate) const STAND_IN: &[u8] = b"/dev/null";

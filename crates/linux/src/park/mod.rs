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
//!
//! **Modules.** Loading what a program is made of takes many times as long as starting Node.js. Software may name scripts and the modules that they
//! begin with ([`Preload`]): a process that is parked for such a script has loaded them, from the same read-only base. What a module may
//! look at while it is loaded is compared like what Node.js looks at: files, by their paths; variables, which the process tells the names of;
//! the working directory, host name and user, which are in the key or compared. Standard streams are not there yet, and who lists a directory or all
//! variables' values, connects or starts something is not parked.

mod key;
mod parker;
mod pool;
mod print;

pub(crate) use crate::parked::{Base, ParkedNode, Preload};
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
/// Whether a path is that, with or without what a process has asked for.
pub(crate) fn is_wait_path(path: &[u8]) -> bool {
    let rest = path.strip_prefix(WAIT_PATH);
    rest.is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

/// The names of variables that a process says it has asked for: in the path that it opens to wait, as it has no other way to say anything.
pub(crate) fn asked_for(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.strip_prefix(WAIT_PATH).and_then(|rest| rest.strip_prefix(b"/"));
    let names = names.unwrap_or_default().split(|byte| *byte == b':');
    names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

/// What the script is for whoever only looks at it.
pub(crate) const STAND_IN: &[u8] = b"/dev/null";

//! The embedded VM for scripts (api.md section 10).
//!
//! A VM has a number, which is also the target of its events. Its actions are called by name ([`exports`]); where a call is
//! carried out is decided in [`vm`]. What needs more than values - options, filesystems written in TypeScript, streaming
//! answers of servers in the VM - has a file of its own.
//!
//! Invariants: a VM belongs to the environment that made it and ends with it; a VM is taken out of the table before it is
//! disposed, so nothing finds one that is on its way out.

mod exports;
mod fetch;
mod options;
mod script_fs;
mod tools;
mod vm;

pub(crate) use exports::EXPORTS;
pub(crate) use options::ScriptDrivers;
pub(crate) use vm::dispose_all;

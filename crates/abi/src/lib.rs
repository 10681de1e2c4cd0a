//! The contract between a WebAssembly guest and the agentOS kernel.
//!
//! A guest sees WASI preview 1, complete, plus one import module named [`MODULE`]. This crate holds that module's
//! records, constants and (for guests) its import declarations, so that both sides are compiled from one text. It has no
//! dependency, no allocation and no code that could fail.
//!
//! Rules of the ABI:
//!
//! * Every function returns a preview-1 `errno` (see [`errno`]); results go through trailing out-pointers.
//! * Pointers and sizes are `u32`; records are little-endian and naturally aligned; times are `i64` nanoseconds.
//! * A bad pointer is `EFAULT`, never a trap. Paths are bytes, at most [`PATH_MAX`], without a terminating NUL.
//! * Big requests are one record that begins with its own size: a missing tail reads as zero, an unknown non-zero tail
//!   is `E2BIG`.
//! * `v1` only grows. A changed meaning is a new name.
//! * Modules that import [`MODULE`] may pass [`AT_FDCWD`] as the directory of the preview-1 path functions too, and absolute
//!   paths to them; pure preview-1 modules get preview 1's own rules (`ENOTCAPABLE`).
#![no_std]
#![forbid(unsafe_op_in_unsafe_fn)]

mod record;

pub mod errno;
pub mod fd;
pub mod fs;
#[cfg(target_family = "wasm")]
pub mod imports;
pub mod net;
pub mod process;
pub mod signal;
pub mod tty;

pub use record::Record;

/// Name of the import module.
pub const MODULE: &str = "agentos_v1";

/// Longest path in bytes (limits.md section 4.2).
pub const PATH_MAX: u32 = 4096;

/// First descriptor of the root preopen for modules that import [`MODULE`]; pure preview-1 modules get it at 3.
pub const ROOT_PREOPEN_FD: u32 = 0x4000_0000;

/// `dirfd` value that means "relative to the working directory".
pub const AT_FDCWD: i32 = -100;

/// Export that the host calls on the fresh instance made by `proc_clone`; it receives the caller's `arg`.
pub const CLONE_ENTRY: &str = "agentos_clone_entry";

/// Exported mutable global that holds the shadow-stack pointer, copied into a clone.
pub const STACK_POINTER: &str = "__stack_pointer";

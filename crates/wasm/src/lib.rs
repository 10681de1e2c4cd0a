//! The WebAssembly executor: runs programs that begin with `\0asm` as processes of an agentOS kernel.
//!
//! ```text
//!   WasmExecutor   what the kernel sees: load a file, start a process
//!     engine/      wasmtime's settings: a pool of instances, and instances on demand
//!     library/     from a file to machine code: memory, disk cache, compilers
//!     scheduler/   threads, time slices, fairness between VMs
//!     process/     one instance on one fiber: memory limits, kill, traps, exec, clone
//!     memory       checked access to what guests point at
//!     preview1/    imports of WASI preview 1
//!     abi/         imports of `agentos_v1`, the contract in crates/abi
//!     compat/      imports of command packages that were made for another system
//! ```
//!
//! Invariants:
//!
//! * Whatever a guest does ends at most its own process. A host bug in an import ends the process that called it, not the
//!   host's.
//! * No import recurses over anything that a guest controls: imports run on what guests leave of a 2 MiB stack, and
//!   overflowing that would end the host.
//! * No slice of guest memory and no kernel lock is held while an import waits.
//! * `unsafe` code stands in `library::trusted` (loading machine code) only.
#![deny(unsafe_code)]

mod abi;
mod compat;
mod config;
mod engine;
mod errno;
mod error;
mod executor;
mod imports;
mod library;
mod memory;
mod observe;
mod path;
mod preview1;
mod process;
mod scheduler;

pub use config::WasmConfig;
pub use error::{Error, Result};
pub use executor::WasmExecutor;
pub use library::{CompileHook, Compiling};
#[doc(hidden)]
pub use observe::observe_memories;

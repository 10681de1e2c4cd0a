//! Host tools: functions of the host that programs in a VM call as commands (api.md section 6).
//!
//! ```text
//!   ToolKit, Tool      what the host offers: names, descriptions, schemas, functions
//!   Kits               all kits of a VM, checked against its limits, and their command files ("stubs")
//!   ToolExecutor       runs stubs as processes of the VM's kernel
//!     call/            one process: arguments ─▶ input ─▶ policy ─▶ slot ─▶ function ─▶ one JSON line, exit code
//!     flags, schema    from a JSON Schema to flags, and from flags to input that the schema admits
//!     help             what `--help` and `list-tools` print, from the same schema
//! ```
//!
//! A tool process is a process like any other: its descriptors, pipes, signals, working directory and terminal are the
//! kernel's. Only what it computes is computed by the host.
//!
//! Invariants:
//!
//! * Which kit a stub calls is decided by the identity of the file's content, which only the host can make; what is written in
//!   it, what it is called and where it lies decide nothing. A copy of its bytes is an ordinary file.
//! * The policy is asked for `tool.invoke` on `kit:tool` before any input is read, at every call.
//! * A function only ever sees input that its schema admits.
//! * A guest sees a result, or the message of a [`ToolError::user`]; every other failure, a panic included, is masked with a
//!   correlation id, under which the host's log has it.
//! * What a call holds (text of its input and result, one of the VM's slots) is counted, and given back when its process
//!   ends, however that happens. A process that has to end drops the future of its function at once.
#![forbid(unsafe_code)]

mod argument;
mod call;
mod context;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod corpus;
mod error;
mod executor;
mod flags;
mod help;
mod invalid;
mod kit;
mod kits;
mod names;
mod schema;
mod stub;

pub use agentos_tools_macros::tool;
pub use argument::{ToolArgument, macro_support};
pub use context::{Caller, Cancelled, ToolContext};
pub use error::ToolError;
pub use executor::{Spawner, Task, ToolExecutor, ToolFailure};
pub use invalid::InvalidTools;
pub use kit::{Tool, ToolFuture, ToolKit};
pub use kits::{Kits, StubFile};

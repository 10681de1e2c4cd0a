//! agentOS: a computer for an AI agent, inside your process.
//!
//! [`AgentOs`] is one VM: a filesystem, processes, a shell, terminals and sockets that exist only inside this process. It
//! is created in microseconds, costs kilobytes, and what runs in it can touch nothing of the host but the directories that
//! you mount.
//!
//! ```no_run
//! # async fn example() -> Result<(), agentos::Error> {
//! let vm = agentos::AgentOs::builder().create().await?;
//! vm.write_file("/home/user/names", "b\na\n").await?;
//! let sorted = vm.exec("sort names | head -1").await?;
//! assert_eq!(sorted.stdout_text(), "a\n");
//! # Ok(()) }
//! ```
//!
//! Handles are `Send + Sync`, cheap to clone, and may be used from any thread and any async runtime; guests run on worker
//! threads of their own. Dropping the future of a call cancels it; dropping the last handle of a VM disposes it.
#![forbid(unsafe_code)]

mod added;
mod archive;
mod builder;
mod capture;
mod connect;
mod doctor;
mod engine;
mod error;
mod events;
mod exec;
mod fetch;
mod files;
mod frozen;
mod host;
mod install;
mod layers;
mod mount;
mod network;
mod outlet;
mod packages;
mod parked;
mod path;
mod permissions;
mod process;
mod sessions;
mod shell;
mod snapshot;
mod software;
mod stream;
mod table;
mod tools;
mod usage;
mod vm;

pub use added::AddedSoftware;
pub use agentos_image::{Error as ImageError, Image, Source as ImageSource};
pub use agentos_kernel::events::{AuditEvent, AuditKind, Event, LimitWarning, Text};
pub use agentos_kernel::limits::{
    Field as LimitField, InvalidLimit, InvalidLimits, Limits, LimitsDraft, Zero as LimitZero,
};
pub use agentos_kernel::policy::{self, Policy};
pub use agentos_kernel::{Errno, LimitExceeded, descriptors};
pub use agentos_linux::{Cgroup, CgroupError, ParkedNode, hear_of_children};
pub use agentos_net::hook::{EgressHook, Route, Traffic};
pub use agentos_net::proxy::{InvalidProxy, Proxy};
pub use agentos_net::secrets::{InvalidSecret, Secret, SecretValue};
pub use agentos_net::{BoxFuture, NetworkUsage, Range, Reach, Target, Verdict};
pub use agentos_session::{
    AgentListing, AgentSpec, ApprovalPolicy, CreateOptions, EnvValue, EventQuery, EventStream, Grant, GrantScope,
    McpServer, Notice, Outcome as ApprovalOutcome, PermissionOption, PermissionRequest, PromptOutcome, Reply,
    ResumedVia, SessionEvent, SessionRecord, Sessions, Status as SessionStatus, Via, WeakSessions,
};
pub use agentos_software::{Error as SoftwareError, Package as Software, store};
#[doc(hidden)]
pub use agentos_tools::macro_support;
pub use agentos_tools::{
    Caller as ToolCaller, Cancelled, Tool, ToolArgument, ToolContext, ToolError, ToolFailure, ToolFuture, ToolKit, tool,
};
pub use builder::Builder;
pub use connect::GuestStream;
pub use doctor::{Check, CheckState, Diagnosis, Section, write_to as try_directory};
pub use engine::set_cgroup;
pub use error::{Error, Result};
pub use events::Events;
pub use exec::{Exec, ExecOutput};
pub use fetch::{RequestBody, ResponseBody};
pub use files::{DirectoryEntry, EntryKind, FileOutcome, HostFiles, ListOptions, Stat, WriteOutcome};
pub use host::system_clock;
pub use http;
pub use install::InstallScripts;
pub use layers::{ImageInput, Tools};
pub use mount::{Mount, MountedAt};
pub use network::Network;
pub use parked::{park_node, parked_node};
pub use permissions::{Explanation, GuardExplanation, Permissions, PolicyInput};
pub use process::{
    Output, OutputStream, Process, ProcessControl, Signal, Spawn, StdinWriter, Stream, TimingMitigation,
};
pub use sessions::{PromptRun, Reveal, Session, SessionBuilder, SessionSetup};
pub use shell::{Shell, ShellControl, ShellOptions};
pub use snapshot::Snapshot;
pub use software::{Preparation, commands};
pub use table::{ExitedProcess, ProcessInfo, ProcessTree};
pub use usage::{LimitUsage, Usage};
pub use vm::{AgentOs, quota};

/// Making images, and what is known of them.
pub mod images {
    pub use agentos_image::build::{Built, Format, Package, build};
    pub use agentos_image::{Bounds, Cache, Config, LayerInfo};
}

/// The layer below sessions: its errors, and what a storage of your own implements.
pub mod session {
    pub use agentos_session::{
        BoxFuture, Clock, Error, McpFailure, MemoryStorage, OutcomeBounds, OutcomeRow, Result, Secrets, SessionChange,
        SessionLimits, SessionRow, Storage, Stored, StoredEvent, VmError, VmResult, too_many_grants, too_many_sessions,
    };
}

/// The kernel's filesystem interface, for mounting one's own.
pub mod vfs {
    pub use agentos_kernel::Error as KernelError;
    pub use agentos_kernel::clock::{Clock, Timestamp};
    pub use agentos_kernel::id::{Gid, Ino, Uid};
    pub use agentos_kernel::outside;
    pub use agentos_kernel::vfs::*;
}

/// The examples of the README and of the guide are compiled with the tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/rust.md")]
    struct Rust;
    #[doc = include_str!("../../../docs/images.md")]
    struct Images;
    #[doc = include_str!("../../../docs/limits.md")]
    struct Limits;
    #[doc = include_str!("../../../docs/permissions.md")]
    struct Permissions;
    #[doc = include_str!("../../../docs/secrets.md")]
    struct Secrets;
    #[doc = include_str!("../../../docs/sessions.md")]
    struct Sessions;
    #[doc = include_str!("../../../docs/approvals.md")]
    struct Approvals;
    #[doc = include_str!("../../../docs/software.md")]
    struct Software;
    #[doc = include_str!("../../../docs/tools.md")]
    struct Tools;
}

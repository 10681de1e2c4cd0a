//! agentOS as a service: the VM as an actor, its actions, configuration and the registry that serves it.
#![forbid(unsafe_code)]

mod actions;
mod audit;
mod collector;
mod config;
mod definition;
mod embedded;
mod errors;
mod executions;
mod hooks;
mod limits;
mod logs;
mod machine;
mod options;
mod registry;
mod running;
mod secrets;
mod serve;
mod sessions;
mod shapes;
mod shared;
mod traces;
mod vm_actor;
mod vm_limits;

pub use agentos;
pub use agentos_actor as actor;
pub use agentos_actor::cron::next_time;
pub use agentos_actor::{Conn, Db, Failure, HookContext, HookSet};
pub use agentos_value::{ActorError, Value};
pub use config::{
    ConfigError, Drivers, InvalidConfig, SdkActor, SdkDefinition, ServerConfig, SetupConfig, Token, layer_from_json,
    mount_from_json, options_from_json, stored_software, token_file,
};
pub use definition::{VmDefinition, VmDefinitionBuilder};
pub use embedded::{Embedded, Memory, client_error};
pub use hooks::VmHooks;
pub use limits::ServerLimits;
pub use logs::{LogFormat, init as init_logs, init_with_traces};
pub use options::{OptionsRequest, Persist, VmOptions};
pub use registry::{Registry, RegistryBuilder, ServerError};
pub use running::Running;
pub use secrets::{SecretRequest, SecretSource, SecretText};
pub use serve::{DEFAULT_NAME, ServeError, serve, start};
pub use shapes::limit_warning;
pub use traces::finish as flush_traces;

/// The examples of the guide are compiled with the tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/serve.md")]
    struct Serve;
}

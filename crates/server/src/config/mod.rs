//! The configuration of a server: `agentos.toml`, the environment, and what the command line says.
mod actor;
mod file;
mod invalid;
mod script;
mod sdk;
mod section;
mod software;
mod stored;
mod tools;
mod vm;

pub use actor::SdkActor;
pub use file::{ConfigError, ServerConfig, Token, token_file};
pub use invalid::InvalidConfig;
pub(crate) use invalid::Problems;
pub use script::{Drivers, layer_from_json, mount_from_json, options_from_json};
pub use sdk::{SdkDefinition, SetupConfig};
pub use stored::stored_software;

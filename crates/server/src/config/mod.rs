//! The configuration of a server: `agentos.toml`, the environment, and what the command line says.
mod file;
mod invalid;
mod script;
mod section;
mod vm;

pub use file::{ConfigError, ServerConfig, Token, token_file};
pub use invalid::InvalidConfig;
pub(crate) use invalid::Problems;
pub use script::{Drivers, mount_from_json, options_from_json};

//! What actors and hooks are given.

mod actor;
mod client;
mod db;
mod hook;
mod kv;

pub use actor::ActorContext;
pub use client::Client;
pub use db::Db;
pub use hook::HookContext;
pub use kv::Kv;

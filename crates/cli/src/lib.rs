//! The `agentos` command, as a library so that its parts can be tested and fuzzed. [`dispatch`] is the whole of it.
#![forbid(unsafe_code)]

mod args;
mod bench;
mod chat;
mod commands;
pub mod config;
mod demo;
mod doctor;
mod error;
mod image;
mod mcp;
pub mod network;
pub mod policy;
mod prepare;
mod remote;
mod report;
mod run;
mod secrets;
mod serve;
mod shell;
mod signals;
mod software;
mod stdio;
mod store;
mod terminal;
mod vm;

pub use args::dispatch;

//! A scripted model server: it speaks the streaming APIs of model providers on loopback, and says what a script says.
//!
//! An agent is a program that asks a model what to do. With this server in the place of the provider everything about the
//! agent is real but the model's wits, which is what a demonstration without a key and a test without a network need.
//!
//! ```no_run
//! # async fn example() -> Result<(), agentos_model::Error> {
//! use agentos_model::{ModelServer, Script};
//!
//! let server = ModelServer::builder(Script::write_and_run()).start().await?;
//! println!("ANTHROPIC_BASE_URL={}", server.base_url());
//! # Ok(()) }
//! ```
//!
//! # How a request is answered
//!
//! ```text
//!  bytes ── service ── api::{anthropic, openai} ── Conversation ── Script::choose ── Answer ── api ── body ── bytes
//!           bounds      parse, as strictly as       what both        which turn       blocks    events
//!                       the provider does           have in common
//! ```
//!
//! Agents send the whole conversation with each request, so the server keeps none: what it says depends on the request (and,
//! for a turn that is to be used once, on whether it was). A script is data; `docs/scripted-model.md` describes it. It names
//! tools by what they do, and [`Script`] finds the agent's own tool and parameters of that meaning.
//!
//! What arrives is taken for hostile: bodies, connections, waiting and what the log keeps are bounded ([`Bounds`]), and what is
//! wrong with a request is told in the provider's own shape of an error.
#![forbid(unsafe_code)]

mod answer;
mod api;
mod body;
mod conversation;
mod error;
mod script;
mod server;
mod service;

pub use error::{Error, Result};
pub use script::Script;
pub use server::{Bounds, Builder, ModelServer, Seen};

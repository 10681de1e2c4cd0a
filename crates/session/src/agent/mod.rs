//! A running agent: its process, the lines on its standard input and output, and what they mean (lifecycle.md section 7).
//!
//! ```text
//!            lines.rs            message.rs            peer.rs                 live.rs
//!  stdout -> bounded lines  ->  what a line is   ->  answers of the agent  -> events, requests of the agent
//!  stdin  <- one writer task  <------------------ requests to the agent   <-  answers to it (client/)
//! ```
//!
//! Everything that an agent writes is an attack: a line has a length, a message a shape, an answer must belong to a question,
//! a session id must be the agent's own. What is none of this is skipped, and too much of it ends the agent. Whoever waits for
//! an agent waits for three things at once: its answer, its end, and a deadline; so nobody waits for ever.

pub(crate) mod acp;
pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod peer;
mod servers;
pub(crate) mod start;
pub(crate) mod v2;

pub use names::{AgentSpec, Agents};

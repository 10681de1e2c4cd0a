//! VMs as actors: the registry, its definitions and hooks, inside the Node.js process.
//!
//! JavaScript hands over plain data - the arguments of `setup` and `agentOs`, as JSON in which marks stand for functions - and
//! one function that calls hooks by their names ([`hooks`]). Everything else is the service as it is: it decides when a hook is
//! asked, for how long, and what a failure means. What hooks and programs do with actors ([`reach`]) goes past the hooks, as
//! the program's own code may.
//!
//! A registry belongs to the environment that started it and ends with it ([`serving`]).

mod actors;
mod configuration;
mod exports;
mod hooks;
mod reach;
mod serving;

pub(crate) use exports::EXPORTS;
pub(crate) use serving::dispose_all;

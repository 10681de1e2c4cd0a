//! The shell with a person at a terminal: prompt, line editing, history, completion, start-up files.

mod complete;
mod editor;
mod history;
mod keys;
mod prompt;
mod session;

pub use complete::{commands, files};
pub use history::History;
pub use session::{Startup, run, source_if_there, start};

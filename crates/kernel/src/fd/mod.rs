//! Descriptors: numbers in a process, shared open descriptions, and the kinds of object behind them.

pub mod file;

pub use file::{File, IoResult, PollEvents};

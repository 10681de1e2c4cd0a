//! Descriptors: numbers in a process, shared open descriptions, and the kinds of object behind them.
//!
//! ```text
//!   FdTable        a process's numbers; each entry: close-on-exec flag and
//!     OpenFile     an open description, shared by dup, fork and inheritance: access mode, status flags, offset
//!       InodeHandle   a regular file or directory, or
//!       dyn File      a stream: pipe, FIFO, terminal, socket, device
//! ```
//!
//! Invariants:
//!
//! * A description is closed when the last [`Arc`](std::sync::Arc) of it goes: numbers, descriptors in flight to a child
//!   and calls that are still running all count. Whoever takes a description out of a table drops it after the table's lock.
//! * Access mode is checked once, here: an object below never asks whether it was opened for reading.
//! * A read or write of a stream takes one lock and allocates nothing; of a file one more, for the offset.
//! * Descriptions, pipes, their buffers and what waits between the host and guests are counted in [`FdLimits`], and the
//!   counts return to zero.

mod fifo;
mod file;
mod flags;
mod host_pipe;
mod hosted;
mod limits;
mod open;
mod pipe;
mod poll;
mod table;
mod waiters;

pub use fifo::{FifoOpening, Fifos};
pub use file::{File, IoResult, PollEvents};
pub use flags::{AccessMode, SeekFrom, StatusFlags};
pub use host_pipe::HostPipe;
pub use hosted::PipeUse;
pub use limits::FdLimits;
pub use open::OpenFile;
pub use pipe::{PIPE_BUF, PIPE_CAPACITY, Pipe, PipeEnd};
pub use poll::{PollTarget, poll_all};
pub use table::{Entry, FdTable};
pub(crate) use waiters::Waiters;
pub use waiters::Woken;

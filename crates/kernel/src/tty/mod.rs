//! Pseudo-terminals and their line discipline.
//!
//! ```text
//!   terminal emulator, SDK                                   shell, editor, ...
//!        |  write                                                 ^  read
//!        v                                                        |
//!     Master ----> discipline: edit, echo, signals ----> input ---> Slave
//!     Master <---- output queue <---- OPOST, echo <---------------- Slave
//! ```
//!
//! A [`Pty`] is the pair. Its halves are [`Master`] and [`Slave`], each one open description. The [`PtyTable`] numbers the
//! pairs of a VM and is what `/dev/ptmx` and `/dev/pts` show. The discipline is a pure state machine: bytes go in, bytes
//! and signals come out; waiting, locking and waking are the pair's.
//!
//! Invariants:
//!
//! * Behaviour is Linux's `N_TTY` on a pseudo-terminal, byte for byte; a differential test drives both.
//! * Each queue is bounded: 64 KiB towards the master, 64 KiB towards the slave, a canonical line 4096 bytes with its end. A
//!   full queue makes the writer wait; what exceeds a line that has no end yet is thrown away, as Linux does.
//! * Signal characters and flow control act even when the queue is full.
//! * Job control needs to know the caller: the process layer asks [`Slave::admit`] before it reads, writes or changes a
//!   terminal for a process. The [`File`](crate::fd::File) methods themselves never check.

mod ctype;
mod discipline;
mod hosted;
mod input;
mod job;
mod pty;
mod screen;
mod table;
mod termios;

pub use hosted::{HostMode, HostTty};
pub use job::{Access, Admission, Caller, JobControl, TtySignal};
pub use pty::{Master, Pty, Slave};
pub use table::PtyTable;
pub use termios::{CONTROLS, Control, InputModes, LocalModes, OutputModes, Queue, Termios, When, WindowSize};

/// Capacity of each direction in bytes (limits.md section 4.2).
pub const BUFFER: usize = 64 * 1024;

/// Longest canonical line, with the character that ends it (limits.md section 4.2).
pub const LINE_MAX: usize = 4096;

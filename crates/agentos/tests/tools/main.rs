//! Host tools, end to end: programs in a VM call functions of the test.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod calls;
mod hostile;
mod kit;
mod options;
mod process;

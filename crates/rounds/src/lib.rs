//! One combinator of futures, for both ends of a connection: [`Rounds`].
//!
//! A connection wakes its own task several times for one request: whoever wants the body tells whoever reads it, an answer
//! that is ready tells whoever writes it. To a runtime each of these is a task to be queued, and maybe another thread to be
//! roused to take it, which costs more than the request. [`Rounds`] has a waker of its own: a wake that comes while the future
//! is being polled makes one more round, and only others reach the runtime.
//!
//! Rounds of one poll are bounded, so that a future that always wakes itself still takes turns with other tasks.
#![forbid(unsafe_code)]

mod rounds;

pub use rounds::Rounds;

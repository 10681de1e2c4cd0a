//! What a session's events look like: pure functions from events to rows, without a terminal.

pub(crate) mod markdown;
pub(crate) mod request;
pub(crate) mod span;
pub(crate) mod tool;
pub(crate) mod view;

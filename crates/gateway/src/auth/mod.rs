//! Who may come in, before any actor is asked.
//!
//! These checks read a request's head and nothing else: they allocate next to nothing, wait for nobody, and wake nothing.
//! In order: the `Host` header ([`host`]), the `Origin` header ([`crate::cors`]), the address's record ([`attempts`]), the
//! gateway's token ([`token`]), and for control routes the peer itself ([`control`]).

pub(crate) mod attempts;
pub(crate) mod control;
pub(crate) mod host;
pub(crate) mod token;

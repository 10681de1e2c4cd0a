//! Preview tokens: the right to reach one port of one actor, without a connection and without hooks.
//!
//! The token is returned once and never kept; what is kept is its SHA-256, in two places. The actor's own table is the
//! truth about port and life; a route in the index of the host leads from the hash to the actor. A token is valid while both
//! are there and unexpired. It is made in that order and revoked in the reverse, so a crash in between leaves a token that
//! does not work and never one that should not.
//!
//! Whoever uses a token holds a [`PreviewGrant`]. Revocation, expiry and the end of the actor cut every stream that was
//! opened with it.

mod grant;
mod manage;
mod stream;
mod sweep;
mod token;

pub use grant::PreviewGrant;
pub(crate) use grant::{Streams, authorize};
pub use manage::{NewPreview, Preview};
pub use stream::PortStream;
pub(crate) use stream::open as open_port;
pub(crate) use sweep::sweep_regularly;

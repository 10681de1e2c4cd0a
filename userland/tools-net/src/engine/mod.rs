//! The engine under `curl` and `wget`: URLs, connections, TLS, HTTP/1 and HTTP/2, cookies, content decoding.
//!
//! ```text
//! client    one request: a connection out of the pool or a new one, tunnel, TLS, the protocol that was agreed on
//!   h1      HTTP/1.0 and 1.1, our own, because users see heads byte for byte and bodies go from one buffer to the file
//!   h2      HTTP/2 on the crate h2, driven by hand
//! dial      names and addresses tried against each other; connection: bytes, with or without TLS
//! control   the only place that waits: one poll, every deadline, the rate, the progress meter
//! sys       system calls of a guest and of the host
//! ```
//!
//! Everything runs in one thread. Sockets never wait by themselves; [`Control::wait`] does, so that a limit of time holds in
//! every phase. What a server sends is hostile: heads, chunk lines and cookies are bounded, bodies stream.

mod body;
mod client;
mod connection;
mod control;
mod cookies;
mod date;
mod decode;
mod dial;
mod encode;
mod failure;
mod framing;
mod h1;
mod h2;
mod head;
mod observe;
mod proxy;
mod request;
pub mod sys;
mod tls;
mod url;

pub use body::{Body, Piece};
pub use client::{Client, Reply};
pub use control::{Control, Counts, Meter, Slow, Times};
pub use cookies::Jar;
pub use date::{format as format_date, parse as parse_date, stamp};
pub use decode::{ACCEPTED, Decoder};
pub use dial::{Dialer, Override};
pub use encode::{base64, percent_decode, percent_encode};
pub use failure::{Exit, Failure, Result};
pub use head::Head;
pub use observe::{Flow, Observer, Part};
pub use proxy::{Proxy, no_proxy};
pub use request::{Header, Request, Version};
pub use tls::{TlsOptions, TlsVersion};
pub use url::Url;

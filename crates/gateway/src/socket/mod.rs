//! WebSockets.
//!
//! A socket is accepted before anybody is asked, because clients cannot see why an upgrade was refused; what is wrong is
//! said in a message and in the close frame's reason, which is all that clients look at. After that, two loops of one task
//! serve it: [`read`](connect::Connect) takes the client's frames in order, and writing sends whatever the connection has
//! for the client, all that is ready in one write. The ends of both meet in [`end::End`].

mod accept;
mod attention;
mod channel;
mod connect;
mod end;
mod handshake;
mod outbound;
mod raw;
mod stranded;

pub(crate) use accept::{Entry, Way, accept};
pub(crate) use handshake::is_asked;

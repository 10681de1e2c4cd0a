//! Sockets of Linux guests: the VM's own sockets, behind descriptors of the host.
//!
//! A guest never holds a socket that could reach anybody. What it gets is one end of a pair of connected UNIX sockets; the other
//! end is here, and a thread of the VM moves bytes between it and a socket of the VM's kernel. Names, policy, guard, limits and the way
//! out are therefore those of every other program of the VM, and everything that has an address in it is answered by the
//! supervisor. What has none (`read`, `write`, `poll`, `epoll`, `sendfile`) is the host's and costs nothing extra.
//!
//! ```text
//!   guest      A  <== pair ==>  B      Bridge      OpenFile of a Socket      VM's loopback, resolver, egress
//!   Stream     bytes; B keeps one byte unread, so that closing it over is a reset for the guest
//!   Packets    datagrams and sequences; of datagrams one at a time is in the pair, whose sender is known
//!   Routes     questions about interfaces, which are answered on the spot
//!   Pending    a listener: a pipe that can be read while a connection waits
//! ```
//!
//! Invariants:
//!
//! * A guest's descriptor is known by device and inode; it means the same in every process that has it.
//! * Until a stream is connected its pair is full towards B: the guest's end cannot be written, so that waiting for a connection
//!   by `poll` works as on any socket, whenever the descriptor was given to `epoll`.
//! * When the last guest closes its end the VM's socket is closed: the host tells B. Of datagram sockets, whose other end is held
//!   twice, this is found out by looking (`Sockets::sweep`).
//! * Descriptors go along with the bytes of unix sockets (`cargo`). Of another socket they break the connection: nobody may send them
//!   there.

mod address;
mod bridge;
mod cargo;
mod handed;
mod hints;
mod interfaces;
mod options;
mod packets;
mod pending;
mod relay;
mod routes;
mod stream;

pub(crate) use address::{ADDRESS_MAX, decode, encode, is_no_family};
pub(crate) use bridge::{Bridge, Form};
pub(crate) use cargo::Descriptors;
pub(crate) use handed::Handed;
pub(crate) use hints::{Hint, Hints};
pub(crate) use interfaces::{INTERFACES, Interface};
pub(crate) use options::{
    Meaning, VALUE_MAX, decode as decode_option, encode as encode_option, is_level, is_timeout, meaning,
};
pub(crate) use relay::Sockets;
pub(crate) use routes::netlink_address;

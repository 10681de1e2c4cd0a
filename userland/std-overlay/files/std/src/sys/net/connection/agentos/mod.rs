//! Sockets on the agentOS kernel.
//!
//! Every call goes to the kernel, which asks the VM's policy; a refusal is `EACCES`. Sends never raise SIGPIPE, since a
//! program that uses the standard library expects an error. Sockets are close-on-exec.

mod abi;
mod lookup;
mod socket;
mod tcp;
mod udp;

pub use lookup::{LookupHost, lookup_host};
pub use socket::Socket;
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;

pub(crate) use abi::{AF_UNIX, Address, SOCK_DGRAM, SOCK_STREAM};

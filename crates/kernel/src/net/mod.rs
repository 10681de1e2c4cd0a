//! Sockets between the processes of one VM, and between the VM and its host.

mod address;
mod caller;
mod options;
mod socket;

pub use address::{Domain, Kind, SocketAddress, UnixAddress};
pub use caller::{Caller, NodeId};
pub use options::{MessageFlags, OptionName, OptionValue, PeerCredentials, Shutdown};
pub use socket::{Net, Received, Socket};

//! Name resolution for a VM.
//!
//! ```text
//!   Guard::resolve, Guard::query          the kernel's calls; they check the name and ask the policy
//!     Task                                a lookup under way, which the guest waits for
//!       lookup                            names to judged addresses: localhost, overrides, servers
//!       message                           a guest's DNS message to an answer of the same kind
//!         Resolver                        the operator's servers, asked over sockets of the VM's Dialer
//! ```
//!
//! Invariants:
//!
//! * The host's resolver library, hosts file and search domains are not used.
//! * A name's addresses are those of the records that its own chain of aliases leads to; a server may put others beside
//!   them, which are not taken.
//! * No address that the guard blocks is ever in an answer.
//! * What a server sends is hostile: at worst a lookup fails.

pub(crate) mod lookup;
pub(crate) mod message;
mod records;
mod resolver;
mod servers;
mod sockets;
pub(crate) mod task;

pub(crate) use resolver::Resolver;

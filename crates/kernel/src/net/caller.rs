//! What sockets need of the process and filesystem layers.

use super::PeerCredentials;
use crate::error::Result;
use crate::id::{DeviceId, Ino};

/// A socket inode: what a path in the unix namespace really names. A renamed or hard-linked socket file stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeId {
    /// Filesystem.
    pub device: DeviceId,
    /// Inode.
    pub ino: Ino,
}

/// The process on whose behalf a socket is used.
pub trait Caller {
    /// Who it is.
    fn credentials(&self) -> PeerCredentials;

    /// Makes a socket inode at `path` with the process's umask (`bind(2)`). `EADDRINUSE` if anything has that name, besides the
    /// errors of `mknod(2)`.
    fn create_node(&self, path: &[u8]) -> Result<NodeId>;

    /// Finds the socket inode at `path`, following symbolic links (`connect(2)`, `sendto(2)`). The caller needs write
    /// permission (`EACCES`); a file of another kind is `ECONNREFUSED`.
    fn find_node(&self, path: &[u8]) -> Result<NodeId>;
}

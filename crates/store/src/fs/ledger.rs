//! What the durable filesystem takes from the quota of its VM, by the rules of the memory filesystem: 128 bytes an inode, 128
//! and its length a name, 64 and its size an extended attribute, a link's text, and content by the block.
//!
//! The sum is stored with the files, so that opening them counts nothing. What exists at opening is charged even beyond the
//! cap: it is kept, and only growth is refused.

use std::sync::Arc;

use agentos_kernel::error::{Error, Result};
use agentos_kernel::vfs::FsQuota;

/// Bytes charged for an inode.
pub(super) const INODE_CHARGE: u64 = 128;
/// Bytes charged for a name besides its length.
const NAME_CHARGE: u64 = 128;
/// Bytes charged for an extended attribute besides name and value.
pub(super) const XATTR_CHARGE: u64 = 64;
/// Least charge of a block but the first, which covers what a nearly empty one costs.
const LEAST_CHARGE: u64 = 128;

/// What a name is charged.
pub(super) fn name_charge(name: &[u8]) -> u64 {
    NAME_CHARGE + name.len() as u64
}

/// What a block of `len` bytes is charged. The first block's fixed cost is part of the inode's.
pub(super) fn block_charge(index: u64, len: u64) -> u64 {
    if index == 0 { len } else { len.max(LEAST_CHARGE) }
}

/// Bytes and inodes that are charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Charged {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
}

/// The account of one filesystem.
#[derive(Debug)]
pub(super) struct Ledger {
    quota: Arc<FsQuota>,
    charged: Charged,
}

impl Ledger {
    /// The account of what exists.
    pub(super) fn adopt(quota: Arc<FsQuota>, charged: Charged) -> Self {
        quota.bytes.add(charged.bytes);
        quota.inodes.add(charged.inodes);
        Self { quota, charged }
    }

    /// Takes bytes, all or nothing.
    pub(super) fn take(&mut self, bytes: u64, operation: &'static str) -> Result<()> {
        self.quota.bytes.take(bytes, operation)?;
        self.charged.bytes += bytes;
        Ok(())
    }

    /// Takes as many bytes as there are, at most `bytes`.
    pub(super) fn take_up_to(&mut self, bytes: u64) -> u64 {
        let taken = self.quota.bytes.take_up_to(bytes);
        self.charged.bytes += taken;
        taken
    }

    /// Takes what an inode with `extra` bytes costs.
    pub(super) fn take_inode(&mut self, extra: u64, operation: &'static str) -> Result<()> {
        self.quota.inodes.take(1, operation)?;
        if let Err(error) = self.take(INODE_CHARGE + extra, operation) {
            self.quota.inodes.give(1);
            return Err(error);
        }
        self.charged.inodes += 1;
        Ok(())
    }

    /// Gives bytes back.
    pub(super) fn give(&mut self, bytes: u64) {
        self.charged.bytes = self.charged.bytes.saturating_sub(bytes);
        self.quota.bytes.give(bytes);
    }

    /// Gives an inode back.
    pub(super) fn give_inode(&mut self) {
        self.give(INODE_CHARGE);
        self.charged.inodes = self.charged.inodes.saturating_sub(1);
        self.quota.inodes.give(1);
    }

    /// Whether room can be reserved at all: without a cap there is nothing to reserve it from.
    pub(super) fn limited(&self) -> bool {
        self.quota.bytes.capacity() != u64::MAX
    }

    pub(super) fn charged(&self) -> Charged {
        self.charged
    }

    pub(super) fn quota(&self) -> &FsQuota {
        &self.quota
    }

    /// The error of a refused request for `bytes` more.
    pub(super) fn refuse(&self, bytes: u64, operation: &'static str) -> Error {
        let counter = &self.quota.bytes;
        counter.exceeded(counter.used().saturating_add(bytes), operation).into()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.quota.bytes.give(self.charged.bytes);
        self.quota.inodes.give(self.charged.inodes);
    }
}

//! What a memory filesystem takes from the quota of its VM.
//!
//! Everything is charged when it comes to be and given back when it goes; the ledger knows the sum of all charges of its
//! filesystem, so that a filesystem that is dropped gives back everything, and a copy is charged with what the original
//! was.
//!
//! What is written under an unlimited quota (bytes capped at `u64::MAX`: the template of an image) is charged to nobody, not
//! even to the copies: it is *free*. Each charge is therefore remembered where it was made, as a number that is 0 for what
//! is free.

use crate::error::Result;
use crate::limits::Counter;
use std::sync::Arc;

/// How much a VM may store (limits.md 4.1): shared by all memory filesystems of a VM.
#[derive(Debug)]
pub struct FsQuota {
    /// Content, names, link targets, extended attributes, and 256 bytes for each inode. A capacity of `u64::MAX` means
    /// that nothing is counted, now or in copies.
    pub bytes: Counter,
    /// Inodes.
    pub inodes: Counter,
}

/// Bytes charged for an inode besides its content and names.
pub(super) const INODE_CHARGE: u64 = 128;
/// Bytes charged for a name besides its length; with [`INODE_CHARGE`] that makes 256 for an inode with one name.
pub(super) const NAME_CHARGE: u64 = 128;

/// The account of one filesystem.
#[derive(Debug)]
pub(super) struct Ledger {
    quota: Arc<FsQuota>,
    limited: bool,
    bytes: u64,
    inodes: u64,
}

impl Ledger {
    pub(super) fn new(quota: Arc<FsQuota>) -> Self {
        Self {
            limited: quota.bytes.capacity() != u64::MAX,
            quota,
            bytes: 0,
            inodes: 0,
        }
    }

    /// The account of a copy, charged with `bytes` and `inodes` even beyond the cap: content that exists is kept, only growth
    /// is refused.
    pub(super) fn adopt(quota: Arc<FsQuota>, bytes: u64, inodes: u64) -> Self {
        let mut ledger = Self::new(quota);
        ledger.bytes = bytes;
        ledger.inodes = inodes;
        if ledger.limited {
            ledger.quota.bytes.add(bytes);
            ledger.quota.inodes.add(inodes);
        }
        ledger
    }

    /// Takes bytes, all or nothing, and returns the charge to remember.
    pub(super) fn take(&mut self, bytes: u64, operation: &'static str) -> Result<u64> {
        if !self.limited {
            return Ok(0);
        }
        self.quota.bytes.take(bytes, operation)?;
        self.bytes += bytes;
        Ok(bytes)
    }

    /// Takes as many bytes as there are, at most `bytes`. Nothing is refused where nothing is counted.
    pub(super) fn take_up_to(&mut self, bytes: u64) -> u64 {
        if !self.limited {
            return bytes;
        }
        let taken = self.quota.bytes.take_up_to(bytes);
        self.bytes += taken;
        taken
    }

    /// Takes an inode with its fixed bytes, and returns the charge to remember.
    pub(super) fn take_inode(&mut self, operation: &'static str) -> Result<u64> {
        if !self.limited {
            return Ok(0);
        }
        self.quota.inodes.take(1, operation)?;
        match self.take(INODE_CHARGE, operation) {
            Ok(charge) => {
                self.inodes += 1;
                Ok(charge)
            }
            Err(error) => {
                self.quota.inodes.give(1);
                Err(error)
            }
        }
    }

    /// Gives charges back.
    pub(super) fn give(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.limited {
            self.quota.bytes.give(bytes);
        }
    }

    /// Gives back an inode that was charged with `charge`.
    pub(super) fn give_inode(&mut self, charge: u64) {
        if charge == 0 {
            return;
        }
        self.give(charge);
        self.inodes = self.inodes.saturating_sub(1);
        if self.limited {
            self.quota.inodes.give(1);
        }
    }

    /// Whether anything is counted.
    pub(super) fn limited(&self) -> bool {
        self.limited
    }

    /// Bytes and inodes charged at present.
    pub(super) fn charged(&self) -> (u64, u64) {
        (self.bytes, self.inodes)
    }

    pub(super) fn quota(&self) -> &FsQuota {
        &self.quota
    }

    /// The error of a refused request for `bytes` more.
    pub(super) fn refuse(&self, bytes: u64, operation: &'static str) -> crate::error::Error {
        let counter = &self.quota.bytes;
        counter.exceeded(counter.used().saturating_add(bytes), operation).into()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.limited {
            self.quota.bytes.give(self.bytes);
            self.quota.inodes.give(self.inodes);
        }
    }
}

//! Extended attributes of one inode.

use super::quota::Ledger;
use crate::errno::Errno;
use crate::error::Result;
use crate::vfs::filesystem::XattrMode;

/// Most bytes of names and values of one inode (limits.md 4.2).
const XATTRS_MAX: u64 = 64 * 1024;
/// Bytes charged for an attribute besides its name and value.
const XATTR_CHARGE: u64 = 64;

/// Sorted by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Xattrs(Vec<Xattr>);

#[derive(Debug, Clone)]
struct Xattr {
    name: Box<[u8]>,
    value: Box<[u8]>,
    charge: u64,
}

impl Xattrs {
    pub(super) fn get(&self, name: &[u8]) -> Result<Vec<u8>> {
        let found = self.0.iter().find(|xattr| *xattr.name == *name);
        found
            .map(|xattr| xattr.value.to_vec())
            .ok_or_else(|| Errno::ENODATA.into())
    }

    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.0.iter().map(|xattr| xattr.name.to_vec()).collect()
    }

    pub(super) fn set(&mut self, ledger: &mut Ledger, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        let found = self.find(name);
        match (mode, found) {
            (XattrMode::Create, Ok(_)) => return Err(Errno::EEXIST.into()),
            (XattrMode::Replace, Err(_)) => return Err(Errno::ENODATA.into()),
            _ => {}
        }
        let old = found.ok().and_then(|at| self.0.get(at));
        let size = |xattr: &Xattr| (xattr.name.len() + xattr.value.len()) as u64;
        let held: u64 = self.0.iter().map(size).sum();
        let new = (name.len() + value.len()) as u64;
        if held - old.map_or(0, size) + new > XATTRS_MAX {
            return Err(Errno::ENOSPC.into());
        }
        let had = old.map_or(0, |xattr| xattr.charge);
        let wanted = new + XATTR_CHARGE;
        let charge = had + ledger.take(wanted.saturating_sub(had), "setxattr")?;
        ledger.give(charge.saturating_sub(wanted));
        let xattr = Xattr {
            name: name.into(),
            value: value.into(),
            charge: charge.min(wanted),
        };
        match found {
            Ok(at) => self.0.splice(at..=at, [xattr]).for_each(drop),
            Err(at) => self.0.insert(at, xattr),
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, ledger: &mut Ledger, name: &[u8]) -> Result<()> {
        let at = self.find(name).map_err(|_| Errno::ENODATA)?;
        let removed = self.0.remove(at);
        ledger.give(removed.charge);
        Ok(())
    }

    /// Sum of all charges.
    pub(super) fn charge(&self) -> u64 {
        self.0.iter().map(|xattr| xattr.charge).sum()
    }

    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|xattr| (*xattr.name).cmp(name))
    }
}

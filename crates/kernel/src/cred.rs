//! Who a process is: user and group ids, and what they may do to an inode (`credentials(7)`, `path_resolution(7)`).

use crate::id::{Gid, Uid};
use smallvec::SmallVec;

/// Identities of a process. The filesystem ids are the effective ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Real user.
    pub ruid: Uid,
    /// Effective user.
    pub euid: Uid,
    /// Saved user.
    pub suid: Uid,
    /// Real group.
    pub rgid: Gid,
    /// Effective group.
    pub egid: Gid,
    /// Saved group.
    pub sgid: Gid,
    /// Supplementary groups, at most [`Credentials::MAX_GROUPS`].
    pub groups: SmallVec<[Gid; 4]>,
}

impl Credentials {
    /// Most supplementary groups.
    pub const MAX_GROUPS: usize = 64;

    /// One user with one group and no others.
    pub fn new(uid: Uid, gid: Gid) -> Self {
        Self {
            ruid: uid,
            euid: uid,
            suid: uid,
            rgid: gid,
            egid: gid,
            sgid: gid,
            groups: SmallVec::new(),
        }
    }

    /// The superuser.
    pub fn root() -> Self {
        Self::new(Uid::ROOT, Gid::ROOT)
    }

    /// The default user of a VM.
    pub fn user() -> Self {
        Self::new(Uid::USER, Gid::USER)
    }

    /// Whether the effective user is the superuser.
    pub fn is_root(&self) -> bool {
        self.euid == Uid::ROOT
    }

    /// Whether `gid` is the effective group or one of the supplementary ones.
    pub fn in_group(&self, gid: Gid) -> bool {
        self.egid == gid || self.groups.contains(&gid)
    }
}

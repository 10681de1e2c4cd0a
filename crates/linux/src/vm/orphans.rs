//! Copies of guests that have ended, for children that nobody has heard of yet.
//!
//! What a guest is when it asks for a process is copied then and given to the process at its first call. A child that ends without one
//! never asks for its copy: while its parent lives, the parent's next call settles that, but where that ends without another call, too
//! (`(exit 1); exit 0` of a shell), the copy stays and counts as a process of the VM. So they are counted against the processes
//! of the host that could still ask: those that execute the loader, are no guests, and have lost their parents.

use super::{Copy, Vm};
use std::collections::HashSet;

/// Copies at which it is first looked how many can still be asked for.
pub(super) const FIRST_LOOK: usize = 8;

impl Vm {
    /// Keeps what a guest that has ended was copied as.
    pub(super) fn leave_copies(&mut self, copies: Vec<Copy>) {
        self.orphans.extend(copies);
        if self.orphans.len() >= self.orphans_limit {
            self.forget_stale_copies();
            self.orphans_limit = (self.orphans.len() * 2).max(FIRST_LOOK);
        }
    }

    /// Forgets copies that nobody is left to ask for, and says whether there were such. The oldest go first.
    pub(crate) fn forget_stale_copies(&mut self) -> bool {
        if self.orphans.is_empty() {
            return false;
        }
        let Some(strangers) = self.strangers() else {
            return false;
        };
        let stale = self.orphans.len().saturating_sub(strangers);
        self.orphans.drain(..stale);
        stale > 0
    }

    /// How many processes there are that may be this VM's and have made no call. Those of other VMs are children of guests, or of
    /// this process, but for a few that only make the number too large. None if the host does not tell.
    fn strangers(&self) -> Option<usize> {
        let executing: HashSet<u32> = self.loader.executing()?.into_iter().collect();
        let own = std::process::id();
        let is_stranger = |pid: &&u32| {
            !self.guests.contains_key(pid)
                && super::resolve::parent_of(**pid).is_some_and(|parent| parent != own && !executing.contains(&parent))
        };
        Some(executing.iter().filter(is_stranger).count())
    }
}

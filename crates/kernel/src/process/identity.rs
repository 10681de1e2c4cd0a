//! Users and groups of a process (`credentials(7)`).

use super::process::Process;
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Uid};

impl Process {
    /// Sets real, effective and saved user (`setresuid(2)`); absent ones stay.
    ///
    /// # Errors
    /// `EPERM` unless the superuser, or each is one of the three that the process has.
    pub fn set_uids(&self, real: Option<Uid>, effective: Option<Uid>, saved: Option<Uid>) -> Result<()> {
        let mut cred = Credentials::clone(&self.cred());
        let own = [cred.ruid, cred.euid, cred.suid];
        let asked = [real, effective, saved];
        if !cred.is_root() && asked.iter().flatten().any(|uid| !own.contains(uid)) {
            return Err(Errno::EPERM.into());
        }
        cred.ruid = real.unwrap_or(cred.ruid);
        cred.euid = effective.unwrap_or(cred.euid);
        cred.suid = saved.unwrap_or(cred.suid);
        self.set_cred(cred);
        Ok(())
    }

    /// Sets real, effective and saved group (`setresgid(2)`); absent ones stay.
    ///
    /// # Errors
    /// `EPERM` unless the superuser, or each is one of the three that the process has.
    pub fn set_gids(&self, real: Option<Gid>, effective: Option<Gid>, saved: Option<Gid>) -> Result<()> {
        let mut cred = Credentials::clone(&self.cred());
        let own = [cred.rgid, cred.egid, cred.sgid];
        let asked = [real, effective, saved];
        if !cred.is_root() && asked.iter().flatten().any(|gid| !own.contains(gid)) {
            return Err(Errno::EPERM.into());
        }
        cred.rgid = real.unwrap_or(cred.rgid);
        cred.egid = effective.unwrap_or(cred.egid);
        cred.sgid = saved.unwrap_or(cred.sgid);
        self.set_cred(cred);
        Ok(())
    }

    /// Sets the supplementary groups.
    ///
    /// # Errors
    /// `EPERM` unless the superuser, `EINVAL` beyond [`Credentials::MAX_GROUPS`].
    pub fn set_groups(&self, groups: &[Gid]) -> Result<()> {
        let mut cred = Credentials::clone(&self.cred());
        if !cred.is_root() {
            return Err(Errno::EPERM.into());
        }
        if groups.len() > Credentials::MAX_GROUPS {
            return Err(Errno::EINVAL.into());
        }
        cred.groups = groups.into();
        self.set_cred(cred);
        Ok(())
    }
}

//! Extended attributes.

use super::{AtFlags, Dir};
use crate::errno::Errno;
use crate::error::Result;
use crate::process::process::Process;
use crate::vfs::XattrMode;

impl Process {
    /// Value of an extended attribute.
    ///
    /// # Errors
    /// Those of `getxattr(2)`.
    pub fn getxattr(&self, dir: Dir, path: &[u8], name: &[u8], flags: AtFlags) -> Result<Vec<u8>> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EOPNOTSUPP)?;
            return self.kernel().vfs().getxattr_location(&cx.fs(), location, name);
        }
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .getxattr(&cx.fs(), base.as_ref(), path, name, flags.contains(AtFlags::FOLLOW))
    }

    /// Sets an extended attribute.
    ///
    /// # Errors
    /// Those of `setxattr(2)`.
    pub fn setxattr(
        &self,
        dir: Dir,
        path: &[u8],
        name: &[u8],
        value: &[u8],
        mode: XattrMode,
        flags: AtFlags,
    ) -> Result<()> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EOPNOTSUPP)?;
            return self
                .kernel()
                .vfs()
                .setxattr_location(&cx.fs(), location, name, value, mode);
        }
        let base = self.base(dir, path)?;
        let follow = flags.contains(AtFlags::FOLLOW);
        self.kernel()
            .vfs()
            .setxattr(&cx.fs(), base.as_ref(), path, name, value, mode, follow)
    }

    /// Names of the extended attributes.
    ///
    /// # Errors
    /// Those of `listxattr(2)`.
    pub fn listxattr(&self, dir: Dir, path: &[u8], flags: AtFlags) -> Result<Vec<Vec<u8>>> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EOPNOTSUPP)?;
            return self.kernel().vfs().listxattr_location(&cx.fs(), location);
        }
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .listxattr(&cx.fs(), base.as_ref(), path, flags.contains(AtFlags::FOLLOW))
    }

    /// Removes an extended attribute.
    ///
    /// # Errors
    /// Those of `removexattr(2)`.
    pub fn removexattr(&self, dir: Dir, path: &[u8], name: &[u8], flags: AtFlags) -> Result<()> {
        let cx = self.cx()?;
        if let Some(file) = self.itself(dir, path, flags)? {
            let location = file.location().ok_or(Errno::EOPNOTSUPP)?;
            return self.kernel().vfs().removexattr_location(&cx.fs(), location, name);
        }
        let base = self.base(dir, path)?;
        self.kernel()
            .vfs()
            .removexattr(&cx.fs(), base.as_ref(), path, name, flags.contains(AtFlags::FOLLOW))
    }
}

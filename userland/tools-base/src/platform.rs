//! The POSIX side of `std::fs` and `std::process`: one name for what the host's and the guest's library call differently.

#[cfg(unix)]
pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
#[cfg(unix)]
pub use std::os::unix::process::{CommandExt, ExitStatusExt};
#[cfg(target_os = "wasi")]
pub use std::os::wasi::posix::fs::{
    DirBuilderExt, DirEntryExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};
#[cfg(target_os = "wasi")]
pub use std::os::wasi::posix::process::{CommandExt, ExitStatusExt};

use std::process::ExitStatus;

/// A child's status as the shell counts it: its exit code, or 128 plus the signal that ended it.
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

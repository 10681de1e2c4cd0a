//! What POSIX has and WASI lacks, in the shape of [`std::os::unix`], for guests of agentOS.
//!
//! [`std::os::unix`]: https://doc.rust-lang.org/std/os/unix/

#![stable(feature = "rust1", since = "1.0.0")]

pub mod fs;
pub mod net;
pub mod process;

/// All extension traits.
#[stable(feature = "rust1", since = "1.0.0")]
pub mod prelude {
    #[doc(no_inline)]
    #[stable(feature = "rust1", since = "1.0.0")]
    pub use super::fs::{DirBuilderExt, DirEntryExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
    #[doc(no_inline)]
    #[stable(feature = "rust1", since = "1.0.0")]
    pub use super::process::{ChildExt, CommandExt, ExitStatusExt};
}

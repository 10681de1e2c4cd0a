//! Where things are.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folders that the chores read and write.
pub(crate) struct Paths {
    /// Repository root.
    pub(crate) root: PathBuf,
    /// The guest workspace.
    pub(crate) userland: PathBuf,
    /// Toolchain folder: `debs`, `root` (unpacked packages), `sysroot`, `bin`. `AGENTOS_TOOLCHAIN` overrides it.
    pub(crate) toolchain: PathBuf,
}

impl Paths {
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .map(Path::to_path_buf)
            .ok_or_else(|| Error::Usage("the repository root was not found".to_owned()))?;
        let toolchain = std::env::var_os("AGENTOS_TOOLCHAIN").map_or_else(|| root.join(".toolchain"), PathBuf::from);
        Ok(Self {
            userland: root.join("userland"),
            root,
            toolchain,
        })
    }

    /// The unpacked packages' `usr`.
    pub(crate) fn usr(&self) -> PathBuf {
        self.toolchain.join("root/usr")
    }

    /// The sysroot that `guest-rustc` uses.
    pub(crate) fn sysroot(&self) -> PathBuf {
        self.toolchain.join("sysroot")
    }

    /// Headers that stand in for packaged ones.
    pub(crate) fn headers(&self) -> PathBuf {
        self.sysroot().join("include")
    }

    /// A wrapper program.
    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.toolchain.join("bin").join(name)
    }

    pub(crate) fn artefacts(&self) -> PathBuf {
        self.userland.join("artefacts")
    }

    /// Value of `LD_LIBRARY_PATH` for the unpacked programs.
    pub(crate) fn libraries(&self) -> String {
        let usr = self.usr();
        format!(
            "{0}/lib/x86_64-linux-gnu:{0}/lib/llvm-{1}/lib",
            usr.display(),
            super::packages::LLVM
        )
    }
}

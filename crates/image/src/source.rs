//! What an image can be made of, as it is named in options and configuration.

use crate::error::{Error, Result};
use core::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The host's own programs: what every user of the host can read in `/usr`, `/bin`, `/lib` and the like, with the parts of
    /// `/etc` that programs need. Never home directories, keys, runtime directories, sockets or devices.
    Host,
    /// A directory of the host as it is. It must not change while VMs use it.
    Path(PathBuf),
    /// Layers that were put together, see [`Image::assembled`](crate::Image::assembled); the name is for people.
    Assembled(String),
}

impl Source {
    /// The image of a directory or file.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self::Path(path.into())
    }
}

impl FromStr for Source {
    type Err = Error;

    /// `host` is [`Source::Host`] (`./host` a directory of that name), everything else a path.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => Err(Error::source(
                Path::new(""),
                "names nothing: give host, a directory or an archive",
            )),
            "host" => Ok(Self::Host),
            path => Ok(Self::Path(path.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Assembled(name) => f.write_str(name),
        }
    }
}

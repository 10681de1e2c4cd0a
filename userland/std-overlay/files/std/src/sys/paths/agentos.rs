//! Path lists, well-known directories and the running program on the agentOS kernel.

use crate::ffi::{OsStr, OsString};
use crate::os::wasi::ffi::{OsStrExt, OsStringExt};
use crate::path::PathBuf;
use crate::{env, fmt, fs, io, slice};

const SEPARATOR: u8 = b':';

/// The entries of a `PATH`-like list.
pub struct SplitPaths<'a>(slice::Split<'a, u8, fn(&u8) -> bool>);

pub fn split_paths(unparsed: &OsStr) -> SplitPaths<'_> {
    SplitPaths(unparsed.as_bytes().split(|byte| *byte == SEPARATOR))
}

impl<'a> Iterator for SplitPaths<'a> {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        self.0.next().map(|part| PathBuf::from(OsStr::from_bytes(part)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

#[derive(Debug)]
pub struct JoinPathsError;

pub fn join_paths<I, T>(paths: I) -> Result<OsString, JoinPathsError>
where
    I: Iterator<Item = T>,
    T: AsRef<OsStr>,
{
    let mut list = Vec::new();
    for (at, path) in paths.enumerate() {
        let path = path.as_ref().as_bytes();
        if path.contains(&SEPARATOR) {
            return Err(JoinPathsError);
        }
        if at > 0 {
            list.push(SEPARATOR);
        }
        list.extend_from_slice(path);
    }
    Ok(OsString::from_vec(list))
}

impl fmt::Display for JoinPathsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path of the list contains the separator ':'")
    }
}

impl crate::error::Error for JoinPathsError {}

pub fn current_exe() -> io::Result<PathBuf> {
    fs::read_link("/proc/self/exe")
}

pub fn temp_dir() -> PathBuf {
    env::var_os("TMPDIR").map(PathBuf::from).unwrap_or_else(|| PathBuf::from("/tmp"))
}

pub fn home_dir() -> Option<PathBuf> {
    env::var_os("HOME").map(PathBuf::from)
}

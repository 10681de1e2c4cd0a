//! Setting times of files, links included.

use std::io;
use std::path::Path;

use crate::clock::Instant;

/// Sets access and modification time; the outer `None` leaves one as it is, the inner is the present. `follow` goes
/// through a final symbolic link.
#[cfg(target_family = "wasm")]
pub(crate) fn set(
    path: &Path,
    access: Option<Option<Instant>>,
    modify: Option<Option<Instant>>,
    follow: bool,
) -> io::Result<()> {
    use agentos_guest::fs::{TIME_NOW, TIME_OMIT, Target, set_times};
    let value = |time: Option<Option<Instant>>| match time {
        None => TIME_OMIT,
        Some(None) => TIME_NOW,
        // The two lowest numbers have a meaning of their own.
        Some(Some(at)) => at.as_nanos().max(TIME_NOW + 1),
    };
    set_times(Target::path(path, follow), value(access), value(modify))
}

/// The same on a host, where tests run; a link itself is out of reach of std and left to the host's tool.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn set(
    path: &Path,
    access: Option<Option<Instant>>,
    modify: Option<Option<Instant>>,
    follow: bool,
) -> io::Result<()> {
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime, UNIX_EPOCH};
    if !follow && std::fs::symlink_metadata(path)?.is_symlink() {
        let at = modify.flatten().unwrap_or_else(Instant::now);
        let date = format!("@{}.{:09}", at.secs, at.nanos);
        std::process::Command::new("/usr/bin/touch")
            .arg("-hd")
            .arg(date)
            .arg(path)
            .status()?;
        return Ok(());
    }
    let value = |at: Option<Instant>| match at {
        None => SystemTime::now(),
        Some(at) if at.secs < 0 => {
            UNIX_EPOCH - Duration::from_secs(at.secs.unsigned_abs()) + Duration::new(0, at.nanos)
        }
        Some(at) => UNIX_EPOCH + Duration::new(at.secs as u64, at.nanos),
    };
    let mut times = FileTimes::new();
    if let Some(at) = access {
        times = times.set_accessed(value(at));
    }
    if let Some(at) = modify {
        times = times.set_modified(value(at));
    }
    File::open(path)?.set_times(times)
}

//! `file:` URLs.

use crate::engine::{Control, Exit, Failure, Head, Observer, Result, Url, format_date, percent_decode};
use agentos_tools_base::io::os;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// Reads a file as if it were a response.
pub(super) fn fetch(
    url: &Url,
    range: Option<(u64, Option<u64>)>,
    head_only: bool,
    control: &mut Control,
    observer: &mut dyn Observer,
) -> Result<()> {
    if !url.host.is_empty() && !url.host.eq_ignore_ascii_case("localhost") && url.host != "127.0.0.1" {
        return Err(Failure::new(Exit::UrlMalformed, "Bad file:// URL"));
    }
    let path = PathBuf::from(os(percent_decode(&url.path)));
    let unreadable = || Failure::new(Exit::FileRead, format!("Couldn't open file {}", path.display()));
    let mut file = File::open(&path).map_err(|_| unreadable())?;
    let known = file.metadata().map_err(|_| unreadable())?;
    if known.is_dir() {
        return Err(unreadable());
    }
    let (from, to) = range.unwrap_or((0, None));
    if from > known.len() {
        return Err(Failure::new(Exit::Resume, "Offset beyond the end of the file"));
    }
    let end = to.map_or(known.len(), |to| known.len().min(to.saturating_add(1)));
    let length = end.saturating_sub(from);
    if head_only {
        observer.head(&head(known.len(), known.modified().ok()))?;
        return Ok(());
    }
    control.counts.down_total = known.is_file().then_some(length);
    file.seek(SeekFrom::Start(from)).map_err(|_| unreadable())?;
    let mut buf = vec![0; BLOCK];
    let mut left = if known.is_file() { length } else { u64::MAX };
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(control.portion(buf.len()));
        let room = buf.get_mut(..most).unwrap_or_default();
        let count = file.read(room).map_err(|_| unreadable())?;
        if count == 0 {
            break;
        }
        observer.body(room.get(..count).unwrap_or_default())?;
        control.received(count)?;
        left -= count as u64;
    }
    Ok(())
}

fn head(length: u64, modified: Option<std::time::SystemTime>) -> Head {
    let mut raw = format!("Content-Length: {length}\r\nAccept-ranges: bytes\r\n");
    let seconds = modified
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map(|since| since.as_secs());
    if let Some(seconds) = seconds.and_then(|seconds| i64::try_from(seconds).ok()) {
        raw.push_str(&format!("Last-Modified: {}\r\n", format_date(seconds)));
    }
    raw.push_str("\r\n");
    Head {
        version: "0",
        status: 0,
        raw: raw.into_bytes(),
        fields: Vec::new(),
    }
}

/// Bytes read at once.
const BLOCK: usize = 256 * 1024;

//! `tail -f`: waits for files to grow. There is nothing to be told of a change by, so files are looked at in intervals;
//! a pipe is read, which waits by itself.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};

use agentos_tools_base::io::{BLOCK, complain, shown};
use agentos_tools_base::platform::MetadataExt;

use super::Options;
use crate::write;

/// A file that is followed.
pub(super) struct Followed {
    name: OsString,
    file: Option<File>,
    identity: Option<(u64, u64)>,
}

impl Followed {
    pub(super) fn new(name: OsString, file: Option<File>) -> Self {
        let identity = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .map(|meta| (meta.dev(), meta.ino()));
        Self { name, file, identity }
    }

    fn is_stream(&self) -> bool {
        self.file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|meta| !meta.is_file())
    }
}

/// Follows until nothing is left to follow; returns the status.
pub(super) fn follow(options: &Options, mut files: Vec<Followed>, headers: bool) -> i32 {
    let mut last = files.len().saturating_sub(1);
    loop {
        for (at, file) in files.iter_mut().enumerate() {
            let title = shown(&file.name);
            let grown = match read(options, file) {
                Ok(grown) => grown,
                Err(()) => return 1,
            };
            if !grown.is_empty() {
                if headers && last != at && write::raw(format!("\n==> {title} <==\n").as_bytes()).is_err() {
                    return 1;
                }
                last = at;
                if write::raw(&grown).is_err() {
                    return 1;
                }
            }
        }
        files.retain(|file| file.file.is_some() || options.retry);
        if files.is_empty() {
            complain("tail", "no files remaining");
            return 1;
        }
        if files.len() == 1 && files[0].is_stream() && options.pid.is_none() {
            let Some(mut file) = files[0].file.take() else { return 0 };
            return write::done("tail", super::rest(&mut file));
        }
        if options
            .pid
            .is_some_and(|pid| agentos_guest::signal::kill(pid, 0).is_err())
        {
            return 0;
        }
        std::thread::sleep(options.interval);
    }
}

/// What was added to a file since.
fn read(options: &Options, followed: &mut Followed) -> Result<Vec<u8>, ()> {
    let title = shown(&followed.name);
    if options.by_name && followed.name != "-" {
        reopen(options, followed, &title);
    }
    let Some(file) = &mut followed.file else {
        return Ok(Vec::new());
    };
    let mut grown = Vec::new();
    if let (Ok(meta), Ok(position)) = (file.metadata(), file.stream_position())
        && meta.is_file()
        && meta.len() < position
    {
        complain("tail", format_args!("{title}: file truncated"));
        let _ = file.seek(SeekFrom::Start(0));
    }
    if file.metadata().is_ok_and(|meta| !meta.is_file()) {
        return Ok(grown);
    }
    match file.take((BLOCK * 16) as u64).read_to_end(&mut grown) {
        Ok(_) => Ok(grown),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(grown),
        Err(error) => {
            complain(
                "tail",
                format_args!("error reading '{title}': {}", agentos_tools_base::io::reason(&error)),
            );
            Err(())
        }
    }
}

/// Opens what stands under the name now, if that is another file.
fn reopen(options: &Options, followed: &mut Followed, title: &str) {
    match fs::metadata(&followed.name) {
        Ok(meta) if followed.identity == Some((meta.dev(), meta.ino())) && followed.file.is_some() => {}
        Ok(meta) => {
            let Ok(file) = File::open(&followed.name) else { return };
            let what = if followed.file.is_some() {
                "has been replaced"
            } else {
                "has appeared"
            };
            complain("tail", format_args!("'{title}' {what};  following new file"));
            followed.file = Some(file);
            followed.identity = Some((meta.dev(), meta.ino()));
        }
        Err(error) if followed.file.is_some() => {
            let why = agentos_tools_base::io::reason(&error);
            complain("tail", format_args!("'{title}' has become inaccessible: {why}"));
            followed.file = None;
            if !options.retry {
                followed.identity = None;
            }
        }
        Err(_) => {}
    }
}

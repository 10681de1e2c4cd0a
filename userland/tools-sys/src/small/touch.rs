//! `touch` to the present; other times need the complete tool.

use std::ffi::OsString;
use std::fs::{File, FileTimes, OpenOptions};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use agentos_tools_base::cli::{Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};

pub(super) fn touch(args: &[OsString]) -> Option<i32> {
    let mut parser = Parser::new(
        args.to_vec(),
        &[
            "a",
            "c,no-create",
            "m",
            "f",
            "d,date=",
            "r,reference=",
            "t=",
            "h,no-dereference",
            "time=",
            "help",
            "version",
        ],
    );
    let (mut access, mut modify, mut create, mut names) = (false, false, true, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("a", _))) => access = true,
            Ok(Some(Arg::Opt("m", _))) => modify = true,
            Ok(Some(Arg::Opt("no-create", _))) => create = false,
            Ok(Some(Arg::Opt("f", _))) => {}
            Ok(Some(Arg::Opt(..))) => return None,
            Ok(Some(Arg::Operand(name))) if name == "-" => return None,
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Some(crate::usage("touch", message, 1)),
        }
    }
    if names.is_empty() {
        return Some(crate::usage("touch", "missing file operand", 1));
    }
    let both = access == modify;
    let mut status = 0;
    for name in names {
        if let Err((what, error)) = one(Path::new(&name), create, access || both, modify || both) {
            complain("touch", format_args!("{what} '{}': {}", shown(&name), reason(&error)));
            status = 1;
        }
    }
    Some(status)
}

fn one(path: &Path, create: bool, access: bool, modify: bool) -> Result<(), (&'static str, io::Error)> {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !create => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return File::create(path).map(drop).map_err(|error| ("cannot touch", error));
        }
        // A directory, or a file that its owner may not write to: only the times are wanted.
        Err(_) => File::open(path).map_err(|error| ("cannot touch", error))?,
    };
    let now = SystemTime::now();
    let mut times = FileTimes::new();
    if access {
        times = times.set_accessed(now);
    }
    if modify {
        times = times.set_modified(now);
    }
    file.set_times(times).map_err(|error| ("setting times of", error))
}

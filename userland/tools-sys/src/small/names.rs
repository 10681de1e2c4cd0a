//! `basename`, `dirname` and `pwd`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use agentos_tools_base::cli::{Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain};
use agentos_tools_base::platform::MetadataExt;

use crate::{usage, write};

/// The name without trailing slashes and what stands before the last one.
fn base(path: &[u8]) -> &[u8] {
    let trimmed = trim_slashes(path);
    match trimmed.iter().rposition(|b| *b == b'/') {
        Some(at) if trimmed.len() > 1 => &trimmed[at + 1..],
        _ => trimmed,
    }
}

/// Without trailing slashes, but never empty if it was not.
fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(1, |at| at + 1);
    &path[..end.min(path.len())]
}

fn parent(path: &[u8]) -> &[u8] {
    let trimmed = trim_slashes(path);
    match trimmed.iter().rposition(|b| *b == b'/') {
        Some(at) => trim_slashes(&trimmed[..at.max(1)]),
        None => b".",
    }
}

pub(super) fn basename(args: &[OsString]) -> Option<i32> {
    let mut parser = Parser::new(args.to_vec(), &["a,multiple", "s,suffix=", "z,zero", "help", "version"]).in_order();
    let (mut multiple, mut end, mut suffix, mut names) = (false, b'\n', None, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("multiple", _))) => multiple = true,
            Ok(Some(Arg::Opt("suffix", value))) => (multiple, suffix) = (true, value),
            Ok(Some(Arg::Opt("zero", _))) => end = 0,
            Ok(Some(Arg::Opt(..))) => return None,
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Some(usage("basename", message, 1)),
        }
    }
    if names.is_empty() {
        return Some(usage("basename", "missing operand", 1));
    }
    if !multiple && names.len() > 2 {
        let extra = names[2].to_string_lossy().into_owned();
        return Some(usage("basename", format_args!("extra operand '{extra}'"), 1));
    }
    if !multiple && names.len() == 2 {
        suffix = names.pop();
    }
    let suffix = suffix.unwrap_or_default();
    let mut out = Vec::new();
    for name in &names {
        let name = base(bytes_of(name));
        let cut = name.strip_suffix(bytes_of(&suffix)).filter(|cut| !cut.is_empty());
        out.extend_from_slice(cut.unwrap_or(name));
        out.push(end);
    }
    Some(write::all("basename", &out))
}

pub(super) fn dirname(args: &[OsString]) -> Option<i32> {
    let mut parser = Parser::new(args.to_vec(), &["z,zero", "help", "version"]);
    let (mut end, mut names) = (b'\n', Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("zero", _))) => end = 0,
            Ok(Some(Arg::Opt(..))) => return None,
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Some(usage("dirname", message, 1)),
        }
    }
    if names.is_empty() {
        return Some(usage("dirname", "missing operand", 1));
    }
    let mut out = Vec::new();
    for name in &names {
        out.extend_from_slice(parent(bytes_of(name)));
        out.push(end);
    }
    Some(write::all("dirname", &out))
}

pub(super) fn pwd(args: &[OsString]) -> Option<i32> {
    let mut parser = Parser::new(args.to_vec(), &["L,logical", "P,physical", "help", "version"]);
    let mut logical = false;
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("logical", _))) => logical = true,
            Ok(Some(Arg::Opt("physical", _))) => logical = false,
            Ok(Some(Arg::Opt(..))) => return None,
            Ok(Some(Arg::Operand(_))) => complain("pwd", "ignoring non-option arguments"),
            Err(message) => return Some(usage("pwd", message, 1)),
        }
    }
    let path = match logical.then(logical_directory).flatten() {
        Some(path) => path,
        None => match std::env::current_dir() {
            Ok(path) => path.into_os_string(),
            Err(error) => {
                complain("pwd", agentos_tools_base::io::reason(&error));
                return Some(1);
            }
        },
    };
    Some(write::all("pwd", &[bytes_of(&path), b"\n"].concat()))
}

/// `PWD`, if it is an absolute path without `.` and `..` to the working directory.
fn logical_directory() -> Option<OsString> {
    let path = std::env::var_os("PWD")?;
    let bytes = bytes_of(&path);
    let plain = bytes.starts_with(b"/") && !bytes.split(|b| *b == b'/').any(|part| part == b"." || part == b"..");
    let same = |a: &OsStr, b: &OsStr| -> Option<bool> {
        let (a, b) = (
            std::fs::metadata(Path::new(a)).ok()?,
            std::fs::metadata(Path::new(b)).ok()?,
        );
        Some(a.dev() == b.dev() && a.ino() == b.ino())
    };
    (plain && same(&path, OsStr::new("."))?).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_as_posix_says() {
        for (path, dir, name) in [
            ("/usr/lib", "/usr", "lib"),
            ("/usr/", "/", "usr"),
            ("usr", ".", "usr"),
            ("/", "/", "/"),
            ("///", "/", "/"),
            ("a//b//", "a", "b"),
            ("", ".", ""),
        ] {
            assert_eq!(parent(path.as_bytes()), dir.as_bytes(), "{path}");
            assert_eq!(base(path.as_bytes()), name.as_bytes(), "{path}");
        }
    }
}

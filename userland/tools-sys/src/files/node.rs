//! Special files: `mkfifo` and `mknod`.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::path::Path;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::PermissionsExt;

use crate::{mode, usage};

/// Makes a special file; `mode` holds its type.
#[cfg(target_family = "wasm")]
pub(super) fn make(path: &Path, mode: u32, device: u64) -> io::Result<()> {
    agentos_guest::fs::mknod(path, mode, device)
}

/// The same on a host, where tests run and only named pipes matter.
#[cfg(not(target_family = "wasm"))]
pub(super) fn make(path: &Path, bits: u32, _device: u64) -> io::Result<()> {
    let done = std::process::Command::new("/usr/bin/mkfifo")
        .arg("-m")
        .arg(format!("{:o}", bits & 0o777 & !mode::umask()))
        .arg(path)
        .output()?;
    if done.status.success() {
        Ok(())
    } else {
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

const FIFO: u32 = 0o010_000;
const CHARACTER: u32 = 0o020_000;
const BLOCK: u32 = 0o060_000;

/// Reads `-m MODE` and operands.
fn read(tool: &str, args: Vec<OsString>, help: &str) -> Result<(Option<mode::Change>, Vec<OsString>), i32> {
    let mut parser = Parser::new(args, &["m,mode=", "Z", "context=?", "help", "version"]);
    let (mut change, mut names) = (None, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return Err(cli::help(help)),
            Ok(Some(Arg::Opt("version", _))) => return Err(cli::version(tool)),
            Ok(Some(Arg::Opt("mode", Some(text)))) => match text.to_str().and_then(mode::parse) {
                Some(found) => change = Some(found),
                None => {
                    complain(tool, "invalid mode");
                    return Err(1);
                }
            },
            Ok(Some(Arg::Opt(..))) => {}
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Err(usage(tool, message, 1)),
        }
    }
    if names.is_empty() {
        return Err(usage(tool, "missing operand", 1));
    }
    Ok((change, names))
}

fn one(tool: &str, what: &str, name: &OsString, kind: u32, device: u64, change: Option<&mode::Change>) -> bool {
    let path = Path::new(name);
    let made = make(path, kind | 0o666, device).and_then(|()| match change {
        Some(change) => fs::set_permissions(path, Permissions::from_mode(change.apply(0o666, false, mode::umask()))),
        None => Ok(()),
    });
    if let Err(error) = made {
        complain(tool, format_args!("{what}'{}': {}", shown(name), reason(&error)));
        return false;
    }
    true
}

pub(crate) fn mkfifo(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: mkfifo [-m MODE] NAME...\nCreate named pipes (FIFOs) with the given NAMEs.\n";
    match read("mkfifo", args, HELP) {
        Ok((change, names)) => names.iter().fold(0, |status, name| {
            status | i32::from(!one("mkfifo", "cannot create fifo ", name, FIFO, 0, change.as_ref()))
        }),
        Err(status) => status,
    }
}

pub(crate) fn mknod(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: mknod [-m MODE] NAME TYPE [MAJOR MINOR]\n\
                        Create the special file NAME of the given TYPE: b, c or u with numbers, p without.\n";
    let (change, names) = match read("mknod", args, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let (kind, wanted) = match names.get(1).and_then(|kind| kind.to_str()) {
        Some("p") => (FIFO, 2),
        Some("c" | "u") => (CHARACTER, 4),
        Some("b") => (BLOCK, 4),
        Some(other) => return usage("mknod", format_args!("invalid device type '{other}'"), 1),
        None => return usage("mknod", format_args!("missing operand after '{}'", shown(&names[0])), 1),
    };
    if names.len() < wanted {
        let last = names.last().map(|name| shown(name)).unwrap_or_default();
        return usage("mknod", format_args!("missing operand after '{last}'"), 1);
    }
    if let Some(extra) = names.get(wanted) {
        return usage("mknod", format_args!("extra operand '{}'", shown(extra)), 1);
    }
    let number = |at: usize| -> Option<u64> { names.get(at)?.to_str()?.parse().ok() };
    let device = match (wanted, number(2), number(3)) {
        (2, ..) => 0,
        (_, Some(major), Some(minor)) => {
            (major & 0xfff) << 8 | (major & !0xfff) << 32 | (minor & 0xff) | (minor & !0xff) << 12
        }
        _ => {
            complain("mknod", "invalid device number");
            return 1;
        }
    };
    i32::from(!one("mknod", "", &names[0], kind, device, change.as_ref()))
}

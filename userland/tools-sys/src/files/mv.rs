//! `mv`: renames, or copies and removes between filesystems.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, IsTerminal};
use std::path::Path;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, os, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use super::copy::{Copier, Follow, Make, Options, Preserve, Replace, Update};
use super::target::{self, Backup, Place};
use crate::{access, mode, usage, write};

const SPECS: &[&str] = &[
    "b",
    "backup=?",
    "debug",
    "exchange",
    "f,force",
    "i,interactive",
    "n,no-clobber",
    "no-copy",
    "strip-trailing-slashes",
    "S,suffix=",
    "t,target-directory=",
    "T,no-target-directory",
    "u",
    "update=?",
    "v,verbose",
    "Z,context",
    "help",
    "version",
];

const HELP: &str = "Usage: mv [OPTION]... [-T] SOURCE DEST
  or:  mv [OPTION]... SOURCE... DIRECTORY
  or:  mv [OPTION]... -t DIRECTORY SOURCE...
Rename SOURCE to DEST, or move SOURCE(s) to DIRECTORY.

  -b, --backup[=CONTROL]       make a backup of each existing destination file
      --exchange               exchange source and destination
  -f, --force                  do not prompt before overwriting
  -i, --interactive            prompt before overwrite
  -n, --no-clobber             do not overwrite an existing file
      --strip-trailing-slashes remove any trailing slashes from each SOURCE
  -S, --suffix=SUFFIX          override the usual backup suffix
  -t, --target-directory=DIR   move all SOURCE arguments into DIR
  -T, --no-target-directory    treat DEST as a normal file
  -u, --update[=UPDATE]        move only when the SOURCE is newer, or DEST is missing
  -v, --verbose                explain what is being done
";

struct Mover {
    copier: Copier,
    exchange: bool,
    forced: bool,
    copies: bool,
}

pub(crate) fn mv(args: Vec<OsString>) -> i32 {
    let mut options = options();
    let (mut place, mut suffix, mut strip) = (Place::default(), None, false);
    let (mut exchange, mut forced, mut copies) = (false, false, true);
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        let backup = |value: Option<OsString>| Backup::parse(value.as_deref());
        let set = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("mv"),
            Ok(Some(Arg::Opt("b", _))) => backup(None).map(|found| options.backup = found),
            Ok(Some(Arg::Opt("backup", value))) => backup(value).map(|found| options.backup = found),
            Ok(Some(Arg::Opt("suffix", value))) => {
                suffix = value;
                backup(None).map(|found| options.backup = found)
            }
            Ok(Some(Arg::Opt("update", value))) => super::cp::update(&mut options, value.as_deref()),
            Ok(Some(Arg::Opt(key, value))) => {
                match key {
                    "exchange" => exchange = true,
                    "force" => (options.replace, forced) = (Replace::Always, true),
                    "interactive" => (options.replace, forced) = (Replace::Ask, false),
                    "no-clobber" => (options.replace, forced) = (Replace::Never, false),
                    "no-copy" => copies = false,
                    "strip-trailing-slashes" => strip = true,
                    "target-directory" => place.directory = value,
                    "no-target-directory" => place.plain = true,
                    "u" => options.update = Update::Older,
                    "verbose" => options.verbose = true,
                    _ => {}
                }
                Ok(())
            }
            Ok(Some(Arg::Operand(name))) => {
                names.push(name);
                Ok(())
            }
            Err(message) => Err(message),
        };
        if let Err(message) = set {
            return usage("mv", message, 1);
        }
    }
    options.suffix = target::suffix(suffix);
    if strip {
        names.iter_mut().for_each(|name| *name = trimmed(name));
    }
    let pairs = match place.pairs("mv", names) {
        Ok(pairs) => pairs,
        Err(status) => return status,
    };
    let mut mover = Mover {
        copier: Copier::new(options),
        exchange,
        forced,
        copies,
    };
    pairs
        .iter()
        .fold(0, |status, (from, to)| status | i32::from(!mover.one(from, to)))
}

fn options() -> Options {
    Options {
        tool: "mv",
        recursive: true,
        follow: Follow::Never,
        preserve: Preserve {
            mode: true,
            owner: true,
            times: true,
            links: true,
        },
        fresh_mode: false,
        force: true,
        remove_first: true,
        replace: Replace::Always,
        update: Update::All,
        make: Make::Copy,
        backup: Backup::None,
        suffix: OsString::new(),
        verbose: false,
        one_filesystem: false,
        copy_contents: false,
    }
}

fn trimmed(name: &OsString) -> OsString {
    let bytes = bytes_of(name);
    let end = bytes
        .iter()
        .rposition(|b| *b != b'/')
        .map_or(bytes.len().min(1), |at| at + 1);
    os(bytes[..end].to_vec())
}

fn fail(message: impl std::fmt::Display) -> bool {
    complain("mv", message);
    false
}

impl Mover {
    fn one(&mut self, from: &Path, to: &Path) -> bool {
        let (source, target) = (shown(from.as_os_str()), shown(to.as_os_str()));
        let meta = match fs::symlink_metadata(from) {
            Ok(meta) => meta,
            Err(error) => return fail(format_args!("cannot stat '{source}': {}", reason(&error))),
        };
        if self.exchange {
            return match exchange(from, to) {
                Ok(()) => self.tell(&format!("exchanged '{source}' <-> '{target}'\n")),
                Err(error) => fail(format_args!(
                    "cannot exchange '{source}' and '{target}': {}",
                    reason(&error)
                )),
            };
        }
        if let Ok(existing) = fs::symlink_metadata(to) {
            match self.may_replace(from, to, &meta, &existing) {
                Ok(true) => {}
                Ok(false) => return self.copier.options.replace != Replace::Fail,
                Err(()) => return false,
            }
        }
        if meta.is_dir()
            && let (Ok(real), Some(Ok(parent))) = (fs::canonicalize(from), parent(to).map(fs::canonicalize))
            && parent.starts_with(&real)
        {
            return fail(format_args!(
                "cannot move '{source}' to a subdirectory of itself, '{target}'"
            ));
        }
        let kept = match self.copier.options.backup.keep(to, &self.copier.options.suffix) {
            Ok(kept) => kept.map_or_else(String::new, |kept| format!(" (backup: '{}')", shown(kept.as_os_str()))),
            Err(error) => return fail(format_args!("cannot backup '{target}': {}", reason(&error))),
        };
        match fs::rename(from, to) {
            Ok(()) => self.tell(&format!("renamed '{source}' -> '{target}'{kept}\n")),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices && self.copies => self.copied(from, to, &meta),
            Err(error) => fail(format_args!("cannot move '{source}' to '{target}': {}", reason(&error))),
        }
    }

    fn tell(&self, line: &str) -> bool {
        if self.copier.options.verbose {
            let _ = write::raw(line.as_bytes());
        }
        true
    }

    fn may_replace(&self, from: &Path, to: &Path, meta: &Metadata, existing: &Metadata) -> Result<bool, ()> {
        let options = &self.copier.options;
        let (source, target) = (shown(from.as_os_str()), shown(to.as_os_str()));
        if options.replace == Replace::Never {
            return Ok(false);
        }
        let age = |meta: &Metadata| (meta.mtime(), meta.mtime_nsec());
        if options.update == Update::Older && !existing.is_dir() && age(existing) >= age(meta) {
            return Ok(false);
        }
        let complaint = if meta.dev() == existing.dev() && meta.ino() == existing.ino() {
            format!("'{source}' and '{target}' are the same file")
        } else if existing.is_dir() && !meta.is_dir() {
            format!("cannot overwrite directory '{target}' with non-directory '{source}'")
        } else if !existing.is_dir() && meta.is_dir() {
            format!("cannot overwrite non-directory '{target}' with directory '{source}'")
        } else {
            String::new()
        };
        if !complaint.is_empty() {
            fail(complaint);
            return Err(());
        }
        let guarded = !existing.is_symlink() && !access::may(to, access::WRITE);
        let asks = options.replace == Replace::Ask || (guarded && !self.forced && io::stdin().is_terminal());
        if !asks {
            return Ok(true);
        }
        let question = if guarded {
            let letters = mode::shown(existing.mode());
            format!(
                "replace '{target}', overriding mode {:04o} ({})?",
                existing.mode() & 0o7777,
                &letters[1..]
            )
        } else {
            format!("overwrite '{target}'?")
        };
        Ok(target::confirmed("mv", &question))
    }

    /// Copies to another filesystem and removes the source.
    fn copied(&mut self, from: &Path, to: &Path, meta: &Metadata) -> bool {
        if fs::symlink_metadata(to).is_ok_and(|existing| existing.is_dir()) && fs::remove_dir(to).is_err() {
            let target = shown(to.as_os_str());
            return fail(format_args!("cannot move to '{target}': Directory not empty"));
        }
        let verbose = std::mem::take(&mut self.copier.options.verbose);
        let replace = std::mem::replace(&mut self.copier.options.replace, Replace::Always);
        let good = self.copier.operand(from, to);
        (self.copier.options.verbose, self.copier.options.replace) = (verbose, replace);
        if !good {
            return false;
        }
        let removed = if meta.is_dir() {
            fs::remove_dir_all(from)
        } else {
            fs::remove_file(from)
        };
        let (source, target) = (shown(from.as_os_str()), shown(to.as_os_str()));
        match removed {
            Ok(()) => self.tell(&format!("copied '{source}' -> '{target}'\nremoved '{source}'\n")),
            Err(error) => fail(format_args!("cannot remove '{source}': {}", reason(&error))),
        }
    }
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().map(|dir| {
        if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        }
    })
}

#[cfg(target_family = "wasm")]
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    agentos_guest::fs::rename(a, b, agentos_guest::raw::fs::RENAME_EXCHANGE)
}

#[cfg(not(target_family = "wasm"))]
fn exchange(_a: &Path, _b: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

//! `ln`, `link` and `unlink`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::{MetadataExt, symlink};

use super::target::{self, Backup, Place};
use crate::{usage, write};

const SPECS: &[&str] = &[
    "b",
    "backup=?",
    "d,F,directory",
    "f,force",
    "i,interactive",
    "L,logical",
    "n,no-dereference",
    "P,physical",
    "r,relative",
    "s,symbolic",
    "S,suffix=",
    "t,target-directory=",
    "T,no-target-directory",
    "v,verbose",
    "help",
    "version",
];

const HELP: &str = "Usage: ln [OPTION]... [-T] TARGET LINK_NAME
  or:  ln [OPTION]... TARGET
  or:  ln [OPTION]... TARGET... DIRECTORY
  or:  ln [OPTION]... -t DIRECTORY TARGET...
Create hard links by default, symbolic links with --symbolic.

  -b, --backup[=CONTROL]       make a backup of each existing destination file
  -f, --force                  remove existing destination files
  -i, --interactive            prompt whether to remove destinations
  -L, --logical                dereference TARGETs that are symbolic links
  -n, --no-dereference         treat LINK_NAME as a normal file if it is a symbolic link to a directory
  -P, --physical               make hard links directly to symbolic links
  -r, --relative               with -s, create links relative to link location
  -s, --symbolic               make symbolic links instead of hard links
  -S, --suffix=SUFFIX          override the usual backup suffix
  -t, --target-directory=DIR   specify the DIR in which to create the links
  -T, --no-target-directory    treat LINK_NAME as a normal file always
  -v, --verbose                print name of each linked file
";

struct Options {
    symbolic: bool,
    relative: bool,
    logical: bool,
    force: bool,
    ask: bool,
    verbose: bool,
    backup: Backup,
    suffix: OsString,
}

pub(crate) fn ln(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        symbolic: false,
        relative: false,
        logical: false,
        force: false,
        ask: false,
        verbose: false,
        backup: Backup::None,
        suffix: target::suffix(None),
    };
    let mut place = Place::default();
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("ln"),
            Ok(Some(Arg::Opt("target-directory", value))) => place.directory = value,
            Ok(Some(Arg::Opt("no-target-directory", _))) => place.plain = true,
            Ok(Some(Arg::Opt("no-dereference", _))) => place.no_follow = true,
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.set(key, value) {
                    return usage("ln", message, 1);
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("ln", message, 1),
        }
    }
    if names.len() == 1 && place.directory.is_none() && !place.plain {
        place.directory = Some(".".into());
    }
    if options.relative && !options.symbolic {
        complain("ln", "cannot do --relative without --symbolic");
        return 1;
    }
    match place.pairs("ln", names) {
        Ok(pairs) => pairs
            .iter()
            .fold(0, |status, (from, to)| status | i32::from(!options.one(from, to))),
        Err(status) => status,
    }
}

impl Options {
    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        match key {
            "b" => self.backup = Backup::parse(None)?,
            "backup" => self.backup = Backup::parse(value.as_deref())?,
            "force" => (self.force, self.ask) = (true, false),
            "interactive" => (self.force, self.ask) = (false, true),
            "logical" => self.logical = true,
            "physical" => self.logical = false,
            "relative" => self.relative = true,
            "symbolic" => self.symbolic = true,
            "suffix" => {
                self.suffix = target::suffix(value);
                self.backup = Backup::parse(None)?;
            }
            "verbose" => self.verbose = true,
            _ => {}
        }
        Ok(())
    }

    fn one(&self, from: &Path, to: &Path) -> bool {
        let fail = |message: String| {
            complain("ln", message);
            false
        };
        let (source, target) = (shown(from.as_os_str()), shown(to.as_os_str()));
        if !self.symbolic {
            match if self.logical {
                fs::metadata(from)
            } else {
                fs::symlink_metadata(from)
            } {
                Ok(meta) if meta.is_dir() => return fail(format!("{source}: hard link not allowed for directory")),
                Ok(_) => {}
                Err(error) => return fail(format!("failed to access '{source}': {}", reason(&error))),
            }
        }
        let mut kept = None;
        if let Ok(existing) = fs::symlink_metadata(to) {
            if (self.force || self.ask || self.backup != Backup::None) && existing.is_dir() {
                return fail(format!("{target}: cannot overwrite directory"));
            }
            let same = fs::symlink_metadata(from)
                .is_ok_and(|meta| meta.dev() == existing.dev() && meta.ino() == existing.ino());
            if self.force && same && self.backup == Backup::None && from != to && !self.symbolic {
                // Both are links to one file already.
                return true;
            }
            if self.force && same && from == to {
                return fail(format!("'{source}' and '{target}' are the same file"));
            }
            if self.ask && !target::confirmed("ln", &format!("replace '{target}'?")) {
                return false;
            }
            match self.backup.keep(to, &self.suffix) {
                Ok(found) => kept = found,
                Err(error) => return fail(format!("cannot backup '{target}': {}", reason(&error))),
            }
            if kept.is_none()
                && (self.force || self.ask)
                && let Err(error) = fs::remove_file(to)
            {
                return fail(format!("cannot unlink '{target}': {}", reason(&error)));
            }
        }
        match self.make(from, to) {
            Ok(shown_source) => {
                if self.verbose {
                    let arrow = if self.symbolic { "->" } else { "=>" };
                    let kept = kept.map_or_else(String::new, |kept| format!(" ~ '{}'", shown(kept.as_os_str())));
                    let line = format!("'{target}'{kept} {arrow} '{}'\n", shown(shown_source.as_os_str()));
                    let _ = write::raw(line.as_bytes());
                }
                true
            }
            Err(error) if self.symbolic => {
                fail(format!("failed to create symbolic link '{target}': {}", reason(&error)))
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fail(format!("failed to create hard link '{target}': {}", reason(&error)))
            }
            Err(error) => fail(format!(
                "failed to create hard link '{target}' => '{source}': {}",
                reason(&error)
            )),
        }
    }

    /// Makes the link; returns what it leads to as it was written.
    fn make(&self, from: &Path, to: &Path) -> io::Result<PathBuf> {
        if !self.symbolic {
            let source = if self.logical {
                fs::canonicalize(from)?
            } else {
                from.to_path_buf()
            };
            return fs::hard_link(source, to).map(|()| from.to_path_buf());
        }
        let source = if self.relative {
            relative(from, to)
        } else {
            from.to_path_buf()
        };
        symlink(&source, to).map(|()| source)
    }
}

/// The path to `from` as seen from the directory of `to`.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let dir = to
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (Some(source), Some(base)) = (crate::realpath::loose(from), crate::realpath::loose(dir)) else {
        return from.to_path_buf();
    };
    between(&base, &source)
}

/// The relative path from one absolute directory to another path.
pub(crate) fn between(base: &Path, path: &Path) -> PathBuf {
    let (base, path): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (base.components().collect(), path.components().collect());
    let common = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let mut found: PathBuf = base[common..].iter().map(|_| "..").collect();
    found.extend(&path[common..]);
    if found.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        found
    }
}

pub(crate) fn link(args: Vec<OsString>) -> i32 {
    two(
        "link",
        args,
        "Usage: link FILE1 FILE2\nCreate a link named FILE2 to an existing FILE1.\n",
        |from, to| {
            fs::hard_link(from, to).map_err(|error| {
                format!(
                    "cannot create link '{}' to '{}': {}",
                    shown(to),
                    shown(from),
                    reason(&error)
                )
            })
        },
    )
}

fn two(tool: &str, args: Vec<OsString>, help: &str, run: impl Fn(&OsStr, &OsStr) -> Result<(), String>) -> i32 {
    let mut names = match plain(tool, args, help) {
        Ok(names) => names.into_iter(),
        Err(status) => return status,
    };
    match (names.next(), names.next(), names.next()) {
        (Some(from), Some(to), None) => match run(&from, &to) {
            Ok(()) => 0,
            Err(message) => {
                complain(tool, message);
                1
            }
        },
        (Some(from), None, _) => usage(tool, format_args!("missing operand after '{}'", shown(&from)), 1),
        (_, _, Some(extra)) => usage(tool, format_args!("extra operand '{}'", shown(&extra)), 1),
        _ => usage(tool, "missing operand", 1),
    }
}

fn plain(tool: &str, args: Vec<OsString>, help: &str) -> Result<Vec<OsString>, i32> {
    let mut parser = Parser::new(args, &["help", "version"]);
    let mut names = Vec::new();
    loop {
        match parser.next() {
            Ok(None) => return Ok(names),
            Ok(Some(Arg::Opt("help", _))) => return Err(cli::help(help)),
            Ok(Some(Arg::Opt(..))) => return Err(cli::version(tool)),
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Err(usage(tool, message, 1)),
        }
    }
}

pub(crate) fn unlink(args: Vec<OsString>) -> i32 {
    let names = match plain("unlink", args, "Usage: unlink FILE\nRemove FILE.\n") {
        Ok(names) => names,
        Err(status) => return status,
    };
    match names.as_slice() {
        [] => usage("unlink", "missing operand", 1),
        [name] => match fs::remove_file(name) {
            Ok(()) => 0,
            Err(error) => {
                complain(
                    "unlink",
                    format_args!("cannot unlink '{}': {}", shown(name), reason(&error)),
                );
                1
            }
        },
        [_, extra, ..] => usage("unlink", format_args!("extra operand '{}'", shown(extra)), 1),
    }
}

//! `realpath` and `readlink`, and canonical names of paths that may not exist.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, os, reason, shown};

use crate::files::between;
use crate::{usage, write};

/// What of a path must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    All,
    AllButLast,
    Nothing,
}

/// Links that are followed before a path is taken for a loop, as on Linux.
const MAX_LINKS: usize = 40;

/// The canonical name of a path of which nothing needs to exist.
pub(crate) fn loose(path: &Path) -> Option<PathBuf> {
    canonical(path, Existing::Nothing, true).ok()
}

fn canonical(path: &Path, existing: Existing, follow: bool) -> io::Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let mut done = if path.is_absolute() {
        b"/".to_vec()
    } else {
        bytes_of(fs::canonicalize(".")?.as_os_str()).to_vec()
    };
    let mut left: VecDeque<Vec<u8>> = parts(bytes_of(path.as_os_str())).collect();
    let bytes = bytes_of(path.as_os_str());
    let slash = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == b".." {
            let end = done.iter().rposition(|b| *b == b'/').unwrap_or(0);
            done.truncate(end.max(1));
            continue;
        }
        let start = done.len();
        if done.last() != Some(&b'/') {
            done.push(b'/');
        }
        done.extend_from_slice(&part);
        let here = PathBuf::from(os(done.clone()));
        let last = left.is_empty();
        match fs::symlink_metadata(&here) {
            Ok(meta) if meta.is_symlink() && follow => {
                links += 1;
                if links > MAX_LINKS {
                    return if existing == Existing::Nothing {
                        Ok(here)
                    } else {
                        Err(fs::metadata(&here).err().unwrap_or(io::ErrorKind::InvalidInput.into()))
                    };
                }
                let target = fs::read_link(&here)?;
                let target = bytes_of(target.as_os_str());
                done.truncate(if target.starts_with(b"/") { 0 } else { start });
                if done.is_empty() {
                    done.push(b'/');
                }
                for part in parts(target).collect::<Vec<_>>().into_iter().rev() {
                    left.push_front(part);
                }
            }
            Ok(meta) if (!last || slash) && !meta.is_dir() && existing != Existing::Nothing => {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(_) => {}
            Err(_) if existing == Existing::Nothing => {}
            Err(error) if existing == Existing::AllButLast && last && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(PathBuf::from(os(done)))
}

/// Components, without empty ones and `.`.
fn parts(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|b| *b == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
}

const REALPATH_HELP: &str = "Usage: realpath [OPTION]... FILE...
Print the resolved absolute file name; all but the last component must exist.

  -e, --canonicalize-existing  all components of the path must exist
  -m, --canonicalize-missing   no path components need exist or be a directory
  -L, --logical                resolve '..' components before symlinks
  -P, --physical               resolve symlinks as encountered (default)
  -q, --quiet                  suppress most error messages
      --relative-to=DIR        print the resolved path relative to DIR
      --relative-base=DIR      print absolute paths unless paths below DIR
  -s, --strip, --no-symlinks   do not expand symlinks
  -z, --zero                   end each output line with NUL, not newline
";

struct Options {
    existing: Existing,
    follow: bool,
    logical: bool,
    quiet: bool,
    to: Option<PathBuf>,
    base: Option<PathBuf>,
    end: u8,
}

pub(crate) fn realpath(args: Vec<OsString>) -> i32 {
    const SPECS: &[&str] = &[
        "E,canonicalize",
        "e,canonicalize-existing",
        "m,canonicalize-missing",
        "L,logical",
        "P,physical",
        "q,quiet",
        "relative-to=",
        "relative-base=",
        "s,strip,no-symlinks",
        "z,zero",
        "help",
        "version",
    ];
    let mut options = Options {
        existing: Existing::AllButLast,
        follow: true,
        logical: false,
        quiet: false,
        to: None,
        base: None,
        end: b'\n',
    };
    let (mut to, mut base, mut names) = (None, None, Vec::new());
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(REALPATH_HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("realpath"),
            Ok(Some(Arg::Opt(key, value))) => match key {
                "canonicalize" => options.existing = Existing::AllButLast,
                "canonicalize-existing" => options.existing = Existing::All,
                "canonicalize-missing" => options.existing = Existing::Nothing,
                "logical" => (options.logical, options.follow) = (true, true),
                "physical" => (options.logical, options.follow) = (false, true),
                "no-symlinks" => (options.logical, options.follow) = (true, false),
                "quiet" => options.quiet = true,
                "zero" => options.end = 0,
                "relative-to" => to = value,
                "relative-base" => base = value,
                _ => {}
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("realpath", message, 1),
        }
    }
    if names.is_empty() {
        return usage("realpath", "missing operand", 1);
    }
    for (given, place) in [(to, &mut options.to), (base, &mut options.base)] {
        let Some(name) = given else { continue };
        match canonical(Path::new(&name), options.existing, options.follow) {
            Ok(path) => *place = Some(path),
            Err(error) => {
                complain("realpath", format_args!("{}: {}", shown(&name), reason(&error)));
                return 1;
            }
        }
    }
    names
        .iter()
        .fold(0, |status, name| status | i32::from(!options.one(name)))
}

impl Options {
    fn one(&self, name: &OsStr) -> bool {
        let path = if self.logical {
            logical(name, self.existing)
        } else {
            Ok(PathBuf::from(name))
        };
        let found = if name.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            path.and_then(|path| canonical(&path, self.existing, self.follow))
        };
        match found {
            Ok(path) => {
                let text = self.relative(path);
                write::raw(&[bytes_of(text.as_os_str()), &[self.end]].concat()).is_ok()
            }
            Err(error) => {
                if !self.quiet {
                    complain("realpath", format_args!("{}: {}", shown(name), reason(&error)));
                }
                false
            }
        }
    }

    fn relative(&self, path: PathBuf) -> PathBuf {
        match (&self.to, &self.base) {
            (Some(to), Some(base)) if path.starts_with(base) && to.starts_with(base) => between(to, &path),
            (Some(to), None) => between(to, &path),
            (None, Some(base)) if path.starts_with(base) => between(base, &path),
            _ => path,
        }
    }
}

/// The path with `..` taken back before links are looked at.
fn logical(name: &OsStr, existing: Existing) -> io::Result<PathBuf> {
    let bytes = bytes_of(name);
    let mut found: Vec<Vec<u8>> = Vec::new();
    if !bytes.starts_with(b"/") {
        let here = std::env::current_dir().unwrap_or_default();
        found.extend(parts(bytes_of(here.as_os_str())));
    }
    for part in parts(bytes) {
        if part == b".." {
            let here = absolute(&found);
            if existing != Existing::Nothing && !fs::metadata(here)?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            found.pop();
        } else {
            found.push(part);
        }
    }
    Ok(absolute(&found))
}

fn absolute(parts: &[Vec<u8>]) -> PathBuf {
    PathBuf::from(os([b"/".as_slice(), &parts.join(&b'/')].concat()))
}

const READLINK_HELP: &str = "Usage: readlink [OPTION]... FILE...
Print value of a symbolic link or canonical file name.

  -f, --canonicalize           canonicalize; all but the last component must exist
  -e, --canonicalize-existing  canonicalize; all components must exist
  -m, --canonicalize-missing   canonicalize without requirements on existence
  -n, --no-newline             do not output the trailing delimiter
  -q, --quiet, -s, --silent    suppress most error messages
  -v, --verbose                report error messages
  -z, --zero                   end each output line with NUL, not newline
";

pub(crate) fn readlink(args: Vec<OsString>) -> i32 {
    const SPECS: &[&str] = &[
        "f,canonicalize",
        "e,canonicalize-existing",
        "m,canonicalize-missing",
        "n,no-newline",
        "q,s,silent,quiet",
        "v,verbose",
        "z,zero",
        "help",
        "version",
    ];
    let (mut existing, mut newline, mut verbose, mut end, mut names) = (None, true, false, b'\n', Vec::new());
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, _))) => match key {
                "help" => return cli::help(READLINK_HELP),
                "version" => return cli::version("readlink"),
                "canonicalize" => existing = Some(Existing::AllButLast),
                "canonicalize-existing" => existing = Some(Existing::All),
                "canonicalize-missing" => existing = Some(Existing::Nothing),
                "no-newline" => newline = false,
                "quiet" => verbose = false,
                "verbose" => verbose = true,
                _ => end = 0,
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("readlink", message, 1),
        }
    }
    if names.is_empty() {
        return usage("readlink", "missing operand", 1);
    }
    if !newline && names.len() > 1 {
        complain("readlink", "ignoring --no-newline with multiple arguments");
        newline = true;
    }
    let mut status = 0;
    for name in &names {
        let path = Path::new(name);
        let found = match existing {
            Some(existing) => canonical(path, existing, true),
            None => fs::read_link(path),
        };
        match found {
            Ok(text) => {
                let end: &[u8] = if newline { &[end] } else { &[] };
                if write::raw(&[bytes_of(text.as_os_str()), end].concat()).is_err() {
                    return 1;
                }
            }
            Err(error) => {
                if verbose {
                    complain("readlink", format_args!("{}: {}", shown(name), reason(&error)));
                }
                status = 1;
            }
        }
    }
    status
}

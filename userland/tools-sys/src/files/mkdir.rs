//! `mkdir` and `rmdir`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, reason, shown};
use agentos_tools_base::platform::{DirBuilderExt, PermissionsExt};

use crate::mode::{self, Change};
use crate::{usage, write};

#[derive(Default)]
struct Options {
    parents: bool,
    verbose: bool,
    mode: Option<Change>,
}

pub(crate) fn mkdir(args: Vec<OsString>) -> i32 {
    let mut parser = Parser::new(
        args,
        &["m,mode=", "p,parents", "v,verbose", "Z", "context=?", "help", "version"],
    );
    let mut options = Options::default();
    let mut names = Vec::new();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("mode", Some(text)))) => match text.to_str().and_then(mode::parse) {
                Some(change) => options.mode = Some(change),
                None => {
                    complain("mkdir", format_args!("invalid mode '{}'", shown(&text)));
                    return 1;
                }
            },
            Ok(Some(Arg::Opt("parents", _))) => options.parents = true,
            Ok(Some(Arg::Opt("verbose", _))) => options.verbose = true,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(MKDIR_HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("mkdir"),
            Ok(Some(Arg::Opt(..))) => {}
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("mkdir", message, 1),
        }
    }
    if names.is_empty() {
        return usage("mkdir", "missing operand", 1);
    }
    let mut status = 0;
    for name in names {
        if let Err((path, error)) = make(Path::new(&name), &options) {
            let path = path.as_os_str();
            complain(
                "mkdir",
                format_args!("cannot create directory '{}': {}", shown(path), reason(&error)),
            );
            status = 1;
        }
    }
    status
}

const MKDIR_HELP: &str = "Usage: mkdir [OPTION]... DIRECTORY...
Create the DIRECTORY(ies), if they do not already exist.

  -m, --mode=MODE   set file mode (as in chmod), not a=rwx - umask
  -p, --parents     no error if existing, make parent directories as needed
  -v, --verbose     print a message for each created directory
";

fn make(path: &Path, options: &Options) -> Result<(), (PathBuf, io::Error)> {
    if options.parents {
        for parent in parents(path) {
            match DirBuilder::new().create(&parent) {
                Ok(()) => announce(&parent, options),
                Err(_) if fs::metadata(&parent).is_ok_and(|meta| meta.is_dir()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err((parent, io::ErrorKind::NotADirectory.into()));
                }
                Err(error) => return Err((parent, error)),
            }
        }
    }
    let mut builder = DirBuilder::new();
    if let Some(mode) = &options.mode {
        builder.mode(mode.apply(0o777, true, mode::umask()));
    }
    match builder.create(path) {
        Ok(()) => announce(path, options),
        Err(_) if options.parents && fs::metadata(path).is_ok_and(|meta| meta.is_dir()) => return Ok(()),
        Err(error) => return Err((path.to_path_buf(), error)),
    }
    match &options.mode {
        Some(mode) => {
            let bits = mode.apply(0o777, true, mode::umask());
            fs::set_permissions(path, Permissions::from_mode(bits)).map_err(|error| (path.to_path_buf(), error))
        }
        None => Ok(()),
    }
}

/// The directories above `path`, outermost first, as far as the path names them.
fn parents(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
    found.retain(|parent| !parent.as_os_str().is_empty() && parent.parent().is_some());
    found.reverse();
    found
}

fn announce(path: &Path, options: &Options) {
    if options.verbose {
        let _ = write::raw(format!("mkdir: created directory '{}'\n", shown(path.as_os_str())).as_bytes());
    }
}

const RMDIR_HELP: &str = "Usage: rmdir [OPTION]... DIRECTORY...
Remove the DIRECTORY(ies), if they are empty.

      --ignore-fail-on-non-empty  ignore each failure to remove a non-empty directory
  -p, --parents                   remove DIRECTORY and its ancestors
  -v, --verbose                   output a diagnostic for every directory processed
";

pub(crate) fn rmdir(args: Vec<OsString>) -> i32 {
    let mut parser = Parser::new(
        args,
        &["ignore-fail-on-non-empty", "p,parents", "v,verbose", "help", "version"],
    );
    let (mut ignore, mut parents, mut verbose, mut names) = (false, false, false, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("ignore-fail-on-non-empty", _))) => ignore = true,
            Ok(Some(Arg::Opt("parents", _))) => parents = true,
            Ok(Some(Arg::Opt("verbose", _))) => verbose = true,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(RMDIR_HELP),
            Ok(Some(Arg::Opt(..))) => return cli::version("rmdir"),
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("rmdir", message, 1),
        }
    }
    if names.is_empty() {
        return usage("rmdir", "missing operand", 1);
    }
    let mut status = 0;
    for name in names {
        for path in chain(&name, parents) {
            if verbose {
                let _ = write::raw(format!("rmdir: removing directory, '{}'\n", shown(&path)).as_bytes());
            }
            if let Err(error) = fs::remove_dir(&path) {
                // The guest's library has no kind for this error.
                if !(ignore && reason(&error) == "Directory not empty") {
                    complain(
                        "rmdir",
                        format_args!("failed to remove '{}': {}", shown(&path), reason(&error)),
                    );
                    status = 1;
                }
                break;
            }
        }
    }
    status
}

/// The path and, with `parents`, those above it, innermost first.
fn chain(name: &OsStr, parents: bool) -> Vec<OsString> {
    if !parents {
        return vec![name.to_os_string()];
    }
    let above = Path::new(name)
        .ancestors()
        .skip(1)
        .filter(|path| !matches!(bytes_of(path.as_os_str()), b"" | b"/"));
    std::iter::once(name.to_os_string())
        .chain(above.map(|path| path.as_os_str().to_os_string()))
        .collect()
}

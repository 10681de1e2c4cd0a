//! `chmod`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::path::Path;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, reason, shown};
use agentos_tools_base::platform::PermissionsExt;

use crate::mode::{self, Change};
use crate::walk::{self, Step};
use crate::{usage, write};

const SPECS: &[&str] = &[
    "c,changes",
    "f,silent,quiet",
    "v,verbose",
    "preserve-root",
    "no-preserve-root",
    "R,recursive",
    "reference=",
    "H",
    "L",
    "P",
    "dereference",
    "h,no-dereference",
    "help",
    "version",
];

const HELP: &str = "Usage: chmod [OPTION]... MODE[,MODE]... FILE...
  or:  chmod [OPTION]... OCTAL-MODE FILE...
  or:  chmod [OPTION]... --reference=RFILE FILE...
Change the mode of each FILE to MODE.

  -c, --changes          like verbose but report only when a change is made
  -f, --silent, --quiet  suppress most error messages
  -v, --verbose          output a diagnostic for every file processed
      --reference=RFILE  use RFILE's mode instead of MODE values
  -R, --recursive        change files and directories recursively
";

struct Options {
    change: Change,
    /// A mode without classes leaves the umask's bits alone, which is worth a word.
    text: String,
    recursive: bool,
    quiet: bool,
    verbose: bool,
    changes: bool,
}

pub(crate) fn chmod(args: Vec<OsString>) -> i32 {
    let (mut recursive, mut quiet, mut verbose, mut changes) = (false, false, false, false);
    let mut reference = None;
    let mut names = Vec::new();
    let mut parser = Parser::new(modes_are_operands(args), SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => match key {
                "help" => return cli::help(HELP),
                "version" => return cli::version("chmod"),
                "recursive" => recursive = true,
                "quiet" => quiet = true,
                "verbose" => verbose = true,
                "changes" => changes = true,
                "reference" => reference = value,
                _ => {}
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("chmod", message, 1),
        }
    }
    let (change, text) = match change(reference, &mut names) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let options = Options {
        change,
        text,
        recursive,
        quiet,
        verbose,
        changes,
    };
    names
        .iter()
        .fold(0, |status, name| status | i32::from(!options.operand(name)))
}

fn change(reference: Option<OsString>, names: &mut Vec<OsString>) -> Result<(Change, String), i32> {
    if let Some(file) = reference {
        if names.is_empty() {
            return Err(usage("chmod", "missing operand", 1));
        }
        return match fs::metadata(&file) {
            Ok(meta) => Ok((
                Change::Bits {
                    bits: meta.permissions().mode() & 0o7777,
                    exact: true,
                },
                String::new(),
            )),
            Err(error) => {
                complain(
                    "chmod",
                    format_args!("failed to get attributes of '{}': {}", shown(&file), reason(&error)),
                );
                Err(1)
            }
        };
    }
    if names.is_empty() {
        return Err(usage("chmod", "missing operand", 1));
    }
    let text = shown(&names.remove(0));
    let text = text.strip_prefix('\u{1}').unwrap_or(&text).to_owned();
    if names.is_empty() {
        return Err(usage("chmod", format_args!("missing operand after '{text}'"), 1));
    }
    match mode::parse(&text) {
        Some(change) => Ok((change, text)),
        None => Err(usage("chmod", format_args!("invalid mode: '{text}'"), 1)),
    }
}

/// Modes such as `-x` and `-rw,+x` look like options; a mark before them makes them operands.
fn modes_are_operands(args: Vec<OsString>) -> Vec<OsString> {
    let mut open = true;
    args.into_iter()
        .map(|arg| {
            let bytes = bytes_of(&arg);
            open &= bytes != b"--";
            let is_mode = bytes.len() > 1
                && bytes[0] == b'-'
                && bytes[1..].iter().all(|b| b"rwxXstugoa,+=-01234567".contains(b))
                && bytes[1] != b'-';
            if open && is_mode {
                OsString::from(format!("\u{1}{}", arg.to_string_lossy()))
            } else {
                arg
            }
        })
        .collect()
}

impl Options {
    fn operand(&self, name: &OsStr) -> bool {
        let path = Path::new(name);
        if !self.recursive {
            return self.one(path, true);
        }
        let mut good = true;
        walk::tree(path, |step| match step {
            Step::Enter(path) => good &= self.one(path, path == Path::new(name)),
            Step::File(path, meta) => {
                if !meta.is_symlink() || path == Path::new(name) {
                    good &= self.one(path, path == Path::new(name));
                } else if self.verbose {
                    let name = shown(path.as_os_str());
                    let line = format!("neither symbolic link '{name}' nor referent has been changed\n");
                    let _ = write::raw(line.as_bytes());
                }
            }
            Step::Failed(path, error) => {
                if !self.quiet {
                    let what = if path.is_dir() {
                        "cannot read directory"
                    } else {
                        "cannot access"
                    };
                    complain(
                        "chmod",
                        format_args!("{what} '{}': {}", shown(path.as_os_str()), reason(&error)),
                    );
                }
                good = false;
            }
        });
        good
    }

    fn one(&self, path: &Path, operand: bool) -> bool {
        let name = shown(path.as_os_str());
        let old = match fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) => {
                let dangling = fs::symlink_metadata(path).is_ok();
                if !self.quiet {
                    match (dangling, operand) {
                        (true, true) => complain("chmod", format_args!("cannot operate on dangling symlink '{name}'")),
                        _ => complain("chmod", format_args!("cannot access '{name}': {}", reason(&error))),
                    }
                }
                return false;
            }
        };
        let before = old.permissions().mode() & 0o7777;
        let bits = self.change.apply(before, old.is_dir(), mode::umask());
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(bits)) {
            if !self.quiet {
                complain(
                    "chmod",
                    format_args!("changing permissions of '{name}': {}", reason(&error)),
                );
            }
            return false;
        }
        self.tell(&name, before, bits);
        let naive = self.change.apply(before, old.is_dir(), 0);
        if self.text.starts_with('-') && bits != naive && operand {
            let (new, wanted) = (&mode::shown(bits)[1..], &mode::shown(naive)[1..]);
            complain("chmod", format_args!("{name}: new permissions are {new}, not {wanted}"));
            return false;
        }
        true
    }

    fn tell(&self, name: &str, before: u32, after: u32) {
        let text = |bits: u32| format!("{bits:04o} ({})", &mode::shown(bits)[1..]);
        let line = if before == after {
            if !self.verbose {
                return;
            }
            format!("mode of '{name}' retained as {}\n", text(after))
        } else {
            if !self.verbose && !self.changes {
                return;
            }
            format!("mode of '{name}' changed from {} to {}\n", text(before), text(after))
        };
        let _ = write::raw(line.as_bytes());
    }
}

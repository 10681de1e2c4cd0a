//! `chown` and `chgrp`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::{MetadataExt, lchown};

use crate::users::{self, Names};
use crate::walk::{self, Step};
use crate::{usage, write};

const SPECS: &[&str] = &[
    "c,changes",
    "f,silent,quiet",
    "v,verbose",
    "dereference",
    "h,no-dereference",
    "from=",
    "preserve-root",
    "no-preserve-root",
    "reference=",
    "R,recursive",
    "H",
    "L",
    "P",
    "help",
    "version",
];

const CHOWN_HELP: &str = "Usage: chown [OPTION]... [OWNER][:[GROUP]] FILE...
  or:  chown [OPTION]... --reference=RFILE FILE...
Change the owner and/or group of each FILE to OWNER and/or GROUP.

  -c, --changes          like verbose but report only when a change is made
  -f, --silent, --quiet  suppress most error messages
  -v, --verbose          output a diagnostic for every file processed
  -h, --no-dereference   affect symbolic links instead of any referenced file
      --from=OWNER:GROUP change only if the current owner and group match
      --reference=RFILE  use RFILE's owner and group
  -R, --recursive        operate on files and directories recursively
";

const CHGRP_HELP: &str = "Usage: chgrp [OPTION]... GROUP FILE...
  or:  chgrp [OPTION]... --reference=RFILE FILE...
Change the group of each FILE to GROUP.

  -c, --changes          like verbose but report only when a change is made
  -f, --silent, --quiet  suppress most error messages
  -v, --verbose          output a diagnostic for every file processed
  -h, --no-dereference   affect symbolic links instead of any referenced file
      --reference=RFILE  use RFILE's group
  -R, --recursive        operate on files and directories recursively
";

type Ids = (Option<u32>, Option<u32>);

struct Options {
    tool: &'static str,
    to: Ids,
    from: Ids,
    recursive: bool,
    follow: bool,
    quiet: bool,
    verbose: bool,
    changes: bool,
}

pub(crate) fn chown(args: Vec<OsString>) -> i32 {
    run("chown", args, CHOWN_HELP)
}

pub(crate) fn chgrp(args: Vec<OsString>) -> i32 {
    run("chgrp", args, CHGRP_HELP)
}

fn run(tool: &'static str, args: Vec<OsString>, help: &str) -> i32 {
    let mut options = Options {
        tool,
        to: (None, None),
        from: (None, None),
        recursive: false,
        follow: true,
        quiet: false,
        verbose: false,
        changes: false,
    };
    let (mut reference, mut names) = (None, Vec::new());
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => match key {
                "help" => return cli::help(help),
                "version" => return cli::version(tool),
                "recursive" => options.recursive = true,
                "no-dereference" => options.follow = false,
                "quiet" => options.quiet = true,
                "verbose" => options.verbose = true,
                "changes" => options.changes = true,
                "reference" => reference = value,
                "from" => match owner(&shown(&value.unwrap_or_default())) {
                    Ok(ids) => options.from = ids,
                    Err(message) => {
                        complain(tool, message);
                        return 1;
                    }
                },
                _ => {}
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage(tool, message, 1),
        }
    }
    match ids(tool, reference, &mut names) {
        Ok(ids) => options.to = ids,
        Err(status) => return status,
    }
    names
        .iter()
        .fold(0, |status, name| status | i32::from(!options.operand(name)))
}

fn ids(tool: &str, reference: Option<OsString>, names: &mut Vec<OsString>) -> Result<Ids, i32> {
    if names.is_empty() {
        return Err(usage(tool, "missing operand", 1));
    }
    if let Some(file) = reference {
        return match fs::metadata(&file) {
            Ok(meta) => Ok(((tool == "chown").then(|| meta.uid()), Some(meta.gid()))),
            Err(error) => {
                complain(
                    tool,
                    format_args!("failed to get attributes of '{}': {}", shown(&file), reason(&error)),
                );
                Err(1)
            }
        };
    }
    let text = shown(&names.remove(0));
    if names.is_empty() {
        return Err(usage(tool, format_args!("missing operand after '{text}'"), 1));
    }
    let found = if tool == "chgrp" {
        group(&text).map(|gid| (None, gid))
    } else {
        owner(&text)
    };
    found.map_err(|message| {
        complain(tool, message);
        1
    })
}

fn group(text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    users::gid_of(text)
        .map(Some)
        .ok_or_else(|| format!("invalid group: '{text}'"))
}

/// Reads `OWNER`, `OWNER:GROUP`, `OWNER:` (its login group) or `:GROUP`; a point stands for the colon.
fn owner(text: &str) -> Result<Ids, String> {
    if let (Some(uid), false) = (users::uid_of(text), text.contains(':')) {
        return Ok((Some(uid), None));
    }
    let Some((name, group)) = text.split_once(':').or_else(|| text.split_once('.')) else {
        return if text.is_empty() {
            Ok((None, None))
        } else {
            Err(format!("invalid user: '{text}'"))
        };
    };
    let uid = match name {
        "" => None,
        name => Some(users::uid_of(name).ok_or_else(|| format!("invalid user: '{text}'"))?),
    };
    let gid = match (group, uid) {
        ("", Some(uid)) => Some(
            users::by_uid(uid)
                .map(|user| user.gid)
                .ok_or_else(|| format!("invalid spec: '{text}'"))?,
        ),
        ("", None) => None,
        (group, _) => Some(users::gid_of(group).ok_or_else(|| format!("invalid group: '{text}'"))?),
    };
    Ok((uid, gid))
}

impl Options {
    fn operand(&self, name: &OsStr) -> bool {
        let path = Path::new(name);
        if !self.recursive {
            return self.one(path, self.follow);
        }
        let mut good = true;
        walk::tree(path, |step| match step {
            Step::Enter(path) | Step::File(path, _) => good &= self.one(path, false),
            Step::Failed(path, error) => good = self.fail("cannot access", path, &error),
        });
        good
    }

    fn fail(&self, what: &str, path: &Path, error: &io::Error) -> bool {
        if !self.quiet {
            complain(
                self.tool,
                format_args!("{what} '{}': {}", shown(path.as_os_str()), reason(error)),
            );
        }
        false
    }

    fn one(&self, path: &Path, follow: bool) -> bool {
        let meta = match if follow {
            fs::metadata(path)
        } else {
            fs::symlink_metadata(path)
        } {
            Ok(meta) => meta,
            Err(error) if follow && fs::symlink_metadata(path).is_ok() => {
                return self.fail("cannot dereference", path, &error);
            }
            Err(error) => return self.fail("cannot access", path, &error),
        };
        let matches = |wanted: Option<u32>, is: u32| wanted.is_none_or(|id| id == is);
        if !matches(self.from.0, meta.uid()) || !matches(self.from.1, meta.gid()) {
            return true;
        }
        let (uid, gid) = self.to;
        let real = if follow {
            fs::canonicalize(path).unwrap_or(path.to_path_buf())
        } else {
            path.to_path_buf()
        };
        if let Err(error) = lchown(real, uid, gid) {
            let what = if uid.is_some() {
                "changing ownership of"
            } else {
                "changing group of"
            };
            return self.fail(what, path, &error);
        }
        self.tell(path, &meta);
        true
    }

    fn tell(&self, path: &Path, before: &Metadata) {
        let (uid, gid) = (self.to.0.unwrap_or(before.uid()), self.to.1.unwrap_or(before.gid()));
        let changed = (uid, gid) != (before.uid(), before.gid());
        let told = self.verbose || (self.changes && changed);
        if !told {
            return;
        }
        let mut names = Names::default();
        let mut text = |uid: u32, gid: u32| match self.to {
            (Some(_), Some(_)) => [names.user(uid).to_owned(), names.group(gid).to_owned()].join(":"),
            (Some(_), None) => names.user(uid).to_owned(),
            _ => names.group(gid).to_owned(),
        };
        let what = if self.to.0.is_some() { "ownership" } else { "group" };
        let name = shown(path.as_os_str());
        let (old, new) = (text(before.uid(), before.gid()), text(uid, gid));
        let line = if changed {
            format!("changed {what} of '{name}' from {old} to {new}\n")
        } else {
            format!("{what} of '{name}' retained as {new}\n")
        };
        let _ = write::raw(line.as_bytes());
    }
}

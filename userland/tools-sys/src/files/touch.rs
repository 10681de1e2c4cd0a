//! `touch` with every way to say a time.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, complain_file, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use super::times;
use crate::clock::Instant;
use crate::{dates, usage};

const SPECS: &[&str] = &[
    "a",
    "c,no-create",
    "d,date=",
    "f",
    "h,no-dereference",
    "m",
    "r,reference=",
    "t=",
    "time=",
    "help",
    "version",
];

const HELP: &str = "Usage: touch [OPTION]... FILE...
Update the access and modification times of each FILE to the current time.

  -a                     change only the access time
  -c, --no-create        do not create any files
  -d, --date=STRING      parse STRING and use it instead of current time
  -h, --no-dereference   affect each symbolic link instead of any referenced file
  -m                     change only the modification time
  -r, --reference=FILE   use this file's times instead of current time
  -t STAMP               use [[CC]YY]MMDDhhmm[.ss] instead of current time
      --time=WORD        change the specified time: access, atime, use, modify, mtime
";

#[derive(Default)]
struct Options {
    access: bool,
    modify: bool,
    create: bool,
    follow: bool,
    date: Option<String>,
    stamp: Option<String>,
    reference: Option<OsString>,
}

pub(crate) fn touch(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        create: true,
        follow: true,
        ..Options::default()
    };
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("touch"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.set(key, value) {
                    return usage("touch", message, 1);
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("touch", message, 1),
        }
    }
    if names.is_empty() {
        return usage("touch", "missing file operand", 1);
    }
    let (access, modify) = match options.times() {
        Ok(times) => times,
        Err(status) => return status,
    };
    names
        .iter()
        .fold(0, |status, name| status | i32::from(!options.one(name, access, modify)))
}

impl Options {
    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        let text = value.as_deref().map(shown);
        match key {
            "a" => self.access = true,
            "m" => self.modify = true,
            "no-create" => self.create = false,
            "no-dereference" => (self.follow, self.create) = (false, false),
            "date" => self.date = text,
            "t" => self.stamp = text,
            "reference" => self.reference = value,
            "time" => match text.as_deref().unwrap_or_default() {
                "access" | "atime" | "use" => self.access = true,
                "modify" | "mtime" => self.modify = true,
                other => return Err(format!("invalid argument '{other}' for '--time'")),
            },
            _ => {}
        }
        Ok(())
    }

    /// The times to set; `None` is the present.
    fn times(&self) -> Result<(Option<Instant>, Option<Instant>), i32> {
        let now = Instant::now();
        if self.stamp.is_some() && (self.date.is_some() || self.reference.is_some()) {
            return Err(usage("touch", "cannot specify times from more than one source", 1));
        }
        let (mut access, mut modify) = (None, None);
        if let Some(file) = &self.reference {
            let found = if self.follow {
                fs::metadata(file)
            } else {
                fs::symlink_metadata(file)
            };
            let meta = found.map_err(|error| {
                complain(
                    "touch",
                    format_args!("failed to get attributes of '{}': {}", shown(file), reason(&error)),
                );
                1
            })?;
            access = Some(Instant::new(meta.atime(), meta.atime_nsec()));
            modify = Some(Instant::new(meta.mtime(), meta.mtime_nsec()));
        }
        let invalid = |text: &String| {
            complain("touch", format_args!("invalid date format '{text}'"));
            1
        };
        if let Some(text) = &self.date {
            // With -r, a relative date counts from that file's times.
            let at =
                |base: Option<Instant>| dates::parse(text, base.unwrap_or(now), false).ok_or_else(|| invalid(text));
            (access, modify) = (Some(at(access)?), Some(at(modify)?));
        }
        if let Some(text) = &self.stamp {
            let at = dates::stamp(text, now).ok_or_else(|| invalid(text))?;
            (access, modify) = (Some(at), Some(at));
        }
        Ok((access, modify))
    }

    fn one(&self, name: &OsStr, access: Option<Instant>, modify: Option<Instant>) -> bool {
        let path = Path::new(name);
        if name == "-" {
            return true;
        }
        if self.create
            && let Err(error) = create(path)
        {
            complain(
                "touch",
                format_args!("cannot touch '{}': {}", shown(name), reason(&error)),
            );
            return false;
        }
        let both = self.access == self.modify;
        let wanted = |on: bool, at: Option<Instant>| (on || both).then_some(at);
        match times::set(
            path,
            wanted(self.access, access),
            wanted(self.modify, modify),
            self.follow,
        ) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.create => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                complain_file("touch", name, &error);
                false
            }
            Err(error) => {
                complain(
                    "touch",
                    format_args!("setting times of '{}': {}", shown(name), reason(&error)),
                );
                false
            }
        }
    }
}

fn create(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map(drop)
}

//! `cp`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, os, reason, shown};

use super::copy::{Copier, Follow, Make, Options, Preserve, Replace, Update};
use super::target::{self, Backup, Place};
use crate::usage;

const SPECS: &[&str] = &[
    "a,archive",
    "attributes-only",
    "b",
    "backup=?",
    "copy-contents",
    "d",
    "f,force",
    "H",
    "i,interactive",
    "l,link",
    "L,dereference",
    "n,no-clobber",
    "P,no-dereference",
    "p",
    "preserve=?",
    "no-preserve=",
    "parents",
    "r,R,recursive",
    "reflink=?",
    "remove-destination",
    "sparse=",
    "strip-trailing-slashes",
    "s,symbolic-link",
    "S,suffix=",
    "t,target-directory=",
    "T,no-target-directory",
    "u",
    "update=?",
    "v,verbose",
    "x,one-file-system",
    "Z",
    "context=?",
    "debug",
    "help",
    "version",
];

const HELP: &str = "Usage: cp [OPTION]... [-T] SOURCE DEST
  or:  cp [OPTION]... SOURCE... DIRECTORY
  or:  cp [OPTION]... -t DIRECTORY SOURCE...
Copy SOURCE to DEST, or multiple SOURCE(s) to DIRECTORY.

  -a, --archive                same as -dR --preserve=all
  -b, --backup[=CONTROL]       make a backup of each existing destination file
  -d                           same as --no-dereference --preserve=links
  -f, --force                  if a destination file cannot be opened, remove it and try again
  -i, --interactive            prompt before overwrite
  -H, -L, -P                   follow links: of operands, always, never
  -l, --link                   hard link files instead of copying
  -n, --no-clobber             do not overwrite an existing file
  -p, --preserve[=ATTR_LIST]   preserve mode, ownership, timestamps, links, all
      --parents                use full source file name under DIRECTORY
  -R, -r, --recursive          copy directories recursively
      --remove-destination     remove each existing destination file before opening it
  -s, --symbolic-link          make symbolic links instead of copying
  -S, --suffix=SUFFIX          override the usual backup suffix
  -t, --target-directory=DIR   copy all SOURCE arguments into DIR
  -T, --no-target-directory    treat DEST as a normal file
  -u, --update[=UPDATE]        copy only when the SOURCE is newer, or DEST is missing
  -v, --verbose                explain what is being done
  -x, --one-file-system        stay on this file system
";

struct Command {
    options: Options,
    follow: Option<Follow>,
    place: Place,
    parents: bool,
    strip: bool,
    suffix: Option<OsString>,
}

pub(crate) fn cp(args: Vec<OsString>) -> i32 {
    let mut command = Command::new();
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("cp"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = command.set(key, value) {
                    return usage("cp", message, 1);
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("cp", message, 1),
        }
    }
    command.run(names)
}

impl Command {
    fn new() -> Self {
        let options = Options {
            tool: "cp",
            recursive: false,
            follow: Follow::Always,
            preserve: Preserve::default(),
            fresh_mode: false,
            force: false,
            remove_first: false,
            replace: Replace::Always,
            update: Update::All,
            make: Make::Copy,
            backup: Backup::None,
            suffix: OsString::new(),
            verbose: false,
            one_filesystem: false,
            copy_contents: false,
        };
        Self {
            options,
            follow: None,
            place: Place::default(),
            parents: false,
            strip: false,
            suffix: None,
        }
    }

    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        let options = &mut self.options;
        match key {
            "archive" => {
                self.follow = Some(Follow::Never);
                options.recursive = true;
                options.preserve = Preserve {
                    mode: true,
                    owner: true,
                    times: true,
                    links: true,
                };
            }
            "attributes-only" => options.make = Make::AttributesOnly,
            "b" => options.backup = Backup::parse(None)?,
            "backup" => options.backup = Backup::parse(value.as_deref())?,
            "copy-contents" => options.copy_contents = true,
            "d" => {
                self.follow = Some(Follow::Never);
                options.preserve.links = true;
            }
            "force" => options.force = true,
            "H" => self.follow = Some(Follow::Operands),
            "interactive" => options.replace = Replace::Ask,
            "link" => options.make = Make::HardLink,
            "dereference" => self.follow = Some(Follow::Always),
            "no-clobber" => options.replace = Replace::Never,
            "no-dereference" => self.follow = Some(Follow::Never),
            "p" => (options.preserve.mode, options.preserve.owner, options.preserve.times) = (true, true, true),
            "preserve" => preserve(&mut options.preserve, value.as_deref(), true)?,
            "no-preserve" => {
                options.fresh_mode |= value
                    .as_deref()
                    .is_some_and(|list| shown(list).split(',').any(|w| w == "mode" || w == "all"));
                preserve(&mut options.preserve, value.as_deref(), false)?;
            }
            "parents" => self.parents = true,
            "recursive" => options.recursive = true,
            "remove-destination" => options.remove_first = true,
            "strip-trailing-slashes" => self.strip = true,
            "symbolic-link" => options.make = Make::SymbolicLink,
            "suffix" => {
                self.suffix = value;
                if options.backup == Backup::None {
                    options.backup = Backup::parse(None)?;
                }
            }
            "target-directory" => self.place.directory = value,
            "no-target-directory" => self.place.plain = true,
            "u" => options.update = Update::Older,
            "update" => update(options, value.as_deref())?,
            "verbose" => options.verbose = true,
            "one-file-system" => options.one_filesystem = true,
            _ => {}
        }
        Ok(())
    }

    fn run(mut self, mut names: Vec<OsString>) -> i32 {
        let default = if self.options.recursive {
            Follow::Never
        } else {
            Follow::Always
        };
        self.options.follow = self.follow.unwrap_or(default);
        self.options.suffix = target::suffix(self.suffix.take());
        if self.strip {
            names.iter_mut().for_each(|name| *name = stripped(name));
        }
        if self.options.make == Make::HardLink && self.options.follow == Follow::Always && self.follow.is_none() {
            self.options.follow = Follow::Never;
        }
        let pairs = match if self.parents {
            self.under(names)
        } else {
            self.place.pairs("cp", names)
        } {
            Ok(pairs) => pairs,
            Err(status) => return status,
        };
        let mut copier = Copier::new(self.options);
        let mut status = 0;
        for (from, to) in pairs {
            if self.parents && !chain(&from, &to) {
                status = 1;
                continue;
            }
            let slash = bytes_of(to.as_os_str()).ends_with(b"/") && !from.is_dir() && !to.is_dir();
            if slash {
                complain(
                    "cp",
                    format_args!(
                        "cannot create regular file '{}': Not a directory",
                        shown(to.as_os_str())
                    ),
                );
                status = 1;
                continue;
            }
            status |= i32::from(!copier.operand(&from, &to));
        }
        status
    }

    /// Pairs for `--parents`: the whole source name below the target directory.
    fn under(&self, mut names: Vec<OsString>) -> Result<target::Pairs, i32> {
        let dir = match self
            .place
            .directory
            .clone()
            .or_else(|| (names.len() > 1).then(|| names.pop()).flatten())
        {
            Some(dir) => dir,
            None => return Err(usage("cp", "missing destination file operand", 1)),
        };
        if !Path::new(&dir).is_dir() {
            return Err(usage("cp", "with --parents, the destination must be a directory", 1));
        }
        let below = |name: &OsString| {
            let bytes = bytes_of(name);
            let start = bytes.iter().position(|b| *b != b'/').unwrap_or(bytes.len());
            target::join(Path::new(&dir), &stripped(&os(bytes[start..].to_vec())))
        };
        Ok(names
            .into_iter()
            .map(|name| (PathBuf::from(&name), below(&name)))
            .collect())
    }
}

/// Makes the directories above a target of `--parents`.
fn chain(from: &Path, to: &Path) -> bool {
    let Some(parent) = to.parent().filter(|_| from.parent().is_some()) else {
        return true;
    };
    match fs::create_dir_all(parent) {
        Ok(()) => true,
        Err(error) => {
            let name = shown(parent.as_os_str());
            complain("cp", format_args!("cannot make directory '{name}': {}", reason(&error)));
            false
        }
    }
}

fn stripped(name: &OsStr) -> OsString {
    let bytes = bytes_of(name);
    let end = bytes
        .iter()
        .rposition(|b| *b != b'/')
        .map_or(bytes.len().min(1), |at| at + 1);
    os(bytes[..end].to_vec())
}

fn preserve(kept: &mut Preserve, list: Option<&OsStr>, on: bool) -> Result<(), String> {
    let list = list.map_or_else(|| "mode,ownership,timestamps".to_owned(), shown);
    for word in list.split(',') {
        match word {
            "mode" => kept.mode = on,
            "ownership" => kept.owner = on,
            "timestamps" => kept.times = on,
            "links" => kept.links = on,
            "context" | "xattr" => {}
            "all" => {
                *kept = Preserve {
                    mode: on,
                    owner: on,
                    times: on,
                    links: on,
                }
            }
            other => return Err(format!("invalid argument '{other}' for '--preserve'")),
        }
    }
    Ok(())
}

/// Reads the argument of `--update`, of `cp` and `mv`.
pub(super) fn update(options: &mut Options, value: Option<&OsStr>) -> Result<(), String> {
    match value.map(shown).as_deref() {
        None | Some("older") => options.update = Update::Older,
        Some("all") => options.update = Update::All,
        Some("none") => options.replace = Replace::Never,
        Some("none-fail") => options.replace = Replace::Fail,
        Some(other) => return Err(format!("invalid argument '{other}' for '--update'")),
    }
    Ok(())
}

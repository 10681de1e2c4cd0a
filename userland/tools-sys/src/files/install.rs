//! `install`: copies files and sets their attributes.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::{DirBuilderExt, MetadataExt, PermissionsExt, lchown};

use super::copy::{Copier, Follow, Make, Options as Copy, Preserve, Replace, Update};
use super::target::{self, Backup, Place};
use crate::mode::{self, Change};
use crate::{usage, users, write};

const SPECS: &[&str] = &[
    "b",
    "backup=?",
    "c",
    "C,compare",
    "d,directory",
    "D",
    "g,group=",
    "m,mode=",
    "o,owner=",
    "p,preserve-timestamps",
    "s,strip",
    "strip-program=",
    "S,suffix=",
    "t,target-directory=",
    "T,no-target-directory",
    "v,verbose",
    "Z",
    "help",
    "version",
];

const HELP: &str = "Usage: install [OPTION]... [-T] SOURCE DEST
  or:  install [OPTION]... SOURCE... DIRECTORY
  or:  install [OPTION]... -t DIRECTORY SOURCE...
  or:  install [OPTION]... -d DIRECTORY...
Copy files and set their attributes.

  -b, --backup[=CONTROL]      make a backup of each existing destination file
  -C, --compare               do not modify the destination if it is the same
  -d, --directory             treat all arguments as directory names; create them
  -D                          create all leading components of DEST except the last, then copy
  -g, --group=GROUP           set group ownership
  -m, --mode=MODE             set permission mode (as in chmod), instead of rwxr-xr-x
  -o, --owner=OWNER           set ownership
  -p, --preserve-timestamps   apply access/modification times of SOURCE files
  -t, --target-directory=DIR  copy all SOURCE arguments into DIR
  -T, --no-target-directory   treat DEST as a normal file
  -v, --verbose               print the name of each file as it is created
";

struct Installer {
    mode: Change,
    owner: Option<u32>,
    group: Option<u32>,
    times: bool,
    compare: bool,
    verbose: bool,
    backup: Backup,
    suffix: OsString,
}

pub(crate) fn install(args: Vec<OsString>) -> i32 {
    let mut installer = Installer {
        mode: Change::Bits {
            bits: 0o755,
            exact: true,
        },
        owner: None,
        group: None,
        times: false,
        compare: false,
        verbose: false,
        backup: Backup::None,
        suffix: target::suffix(None),
    };
    let (mut place, mut directories, mut leading, mut names) = (Place::default(), false, false, Vec::new());
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => match key {
                "help" => return cli::help(HELP),
                "version" => return cli::version("install"),
                "directory" => directories = true,
                "D" => leading = true,
                "target-directory" => place.directory = value,
                "no-target-directory" => place.plain = true,
                _ => {
                    if let Err(message) = installer.set(key, value) {
                        complain("install", message);
                        return 1;
                    }
                }
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("install", message, 1),
        }
    }
    if directories {
        if names.is_empty() {
            return usage("install", "missing file operand", 1);
        }
        return names.iter().fold(0, |status, name| {
            status | i32::from(!installer.directory(Path::new(name)))
        });
    }
    if leading && let Err(status) = lead(&place, &names) {
        return status;
    }
    match place.pairs("install", names) {
        Ok(pairs) => pairs
            .iter()
            .fold(0, |status, (from, to)| status | i32::from(!installer.file(from, to))),
        Err(status) => status,
    }
}

/// `-D`: the directories above the target, or the target directory.
fn lead(place: &Place, names: &[OsString]) -> Result<(), i32> {
    let dir = match (&place.directory, names) {
        (Some(dir), _) => PathBuf::from(dir),
        (None, [_, .., last]) if names.len() == 2 || place.plain => {
            Path::new(last).parent().map(Path::to_path_buf).unwrap_or_default()
        }
        (None, [_, .., last]) => PathBuf::from(last),
        _ => return Ok(()),
    };
    if dir.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(&dir).map_err(|error| {
        complain(
            "install",
            format_args!(
                "cannot create directory '{}': {}",
                shown(dir.as_os_str()),
                reason(&error)
            ),
        );
        1
    })
}

impl Installer {
    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        let text = value.as_deref().map(shown).unwrap_or_default();
        match key {
            "b" => self.backup = Backup::parse(None)?,
            "backup" => self.backup = Backup::parse(value.as_deref())?,
            "suffix" => {
                self.suffix = target::suffix(value);
                self.backup = Backup::parse(None)?;
            }
            "compare" => self.compare = true,
            "group" => self.group = Some(users::gid_of(&text).ok_or_else(|| format!("invalid group '{text}'"))?),
            "owner" => self.owner = Some(users::uid_of(&text).ok_or_else(|| format!("invalid user '{text}'"))?),
            "mode" => self.mode = mode::parse(&text).ok_or_else(|| format!("invalid mode '{text}'"))?,
            "preserve-timestamps" => self.times = true,
            "verbose" => self.verbose = true,
            _ => {}
        }
        Ok(())
    }

    fn fail(&self, what: &str, path: &Path, error: &std::io::Error) -> bool {
        complain(
            "install",
            format_args!("{what} '{}': {}", shown(path.as_os_str()), reason(error)),
        );
        false
    }

    fn directory(&self, path: &Path) -> bool {
        let mut missing: Vec<&Path> = path
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .collect();
        while let Some(dir) = missing.pop() {
            if let Err(error) = DirBuilder::new().mode(0o755).create(dir) {
                return self.fail("cannot create directory", dir, &error);
            }
            if self.verbose {
                let line = format!("install: creating directory '{}'\n", shown(dir.as_os_str()));
                let _ = write::raw(line.as_bytes());
            }
        }
        if !path.is_dir() {
            return self.fail(
                "cannot create directory",
                path,
                &std::io::ErrorKind::AlreadyExists.into(),
            );
        }
        self.attributes(path, true)
    }

    fn file(&self, from: &Path, to: &Path) -> bool {
        if from.is_dir() {
            complain(
                "install",
                format_args!("omitting directory '{}'", shown(from.as_os_str())),
            );
            return false;
        }
        if self.compare && self.is_same(from, to) {
            return true;
        }
        let mut copier = Copier::new(Copy {
            tool: "install",
            recursive: false,
            follow: Follow::Always,
            preserve: Preserve {
                times: self.times,
                ..Preserve::default()
            },
            fresh_mode: false,
            force: true,
            remove_first: true,
            replace: Replace::Always,
            update: Update::All,
            make: Make::Copy,
            backup: self.backup.clone(),
            suffix: self.suffix.clone(),
            verbose: self.verbose,
            one_filesystem: false,
            copy_contents: true,
        });
        copier.operand(from, to) && self.attributes(to, false)
    }

    fn is_same(&self, from: &Path, to: &Path) -> bool {
        let Ok(meta) = fs::symlink_metadata(to) else {
            return false;
        };
        let bits = self.mode.apply(0, false, 0);
        meta.is_file()
            && meta.mode() & 0o7777 == bits
            && self.owner.is_none_or(|uid| uid == meta.uid())
            && self.group.is_none_or(|gid| gid == meta.gid())
            && matches!((fs::read(from), fs::read(to)), (Ok(a), Ok(b)) if a == b)
    }

    fn attributes(&self, path: &Path, directory: bool) -> bool {
        if (self.owner.is_some() || self.group.is_some())
            && let Err(error) = lchown(path, self.owner, self.group)
        {
            return self.fail("cannot change ownership of", path, &error);
        }
        let bits = self.mode.apply(0, directory, 0);
        match fs::set_permissions(path, Permissions::from_mode(bits)) {
            Ok(()) => true,
            Err(error) => self.fail("cannot change permissions of", path, &error),
        }
    }
}

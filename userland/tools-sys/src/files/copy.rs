//! Copying files and trees, for `cp`, for `mv` across filesystems and for `install`.
//!
//! A tree is walked with a stack of its own. What a directory is to become (mode, owner, times) is set when its content
//! is there, since copying into it would change its times and a read-only one could not be filled.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::{
    DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink,
};

use super::target::{self, Backup};
use super::times;
use crate::clock::Instant;
use crate::{access, mode, write};

/// What of a file is kept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preserve {
    pub(super) mode: bool,
    pub(super) owner: bool,
    pub(super) times: bool,
    pub(super) links: bool,
}

/// When symbolic links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Never,
    Operands,
    Always,
}

/// What is made of a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Copy,
    HardLink,
    SymbolicLink,
    AttributesOnly,
}

/// When a target that exists is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    Always,
    Ask,
    Never,
    /// Not, and that is a failure.
    Fail,
}

/// When a target that exists is replaced by its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    All,
    Older,
}

pub(super) struct Options {
    pub(super) tool: &'static str,
    pub(super) recursive: bool,
    pub(super) follow: Follow,
    pub(super) preserve: Preserve,
    /// `--no-preserve=mode`: as if newly made.
    pub(super) fresh_mode: bool,
    pub(super) force: bool,
    pub(super) remove_first: bool,
    pub(super) replace: Replace,
    pub(super) update: Update,
    pub(super) make: Make,
    pub(super) backup: Backup,
    pub(super) suffix: OsString,
    pub(super) verbose: bool,
    pub(super) one_filesystem: bool,
    /// Special files are read instead of made anew.
    pub(super) copy_contents: bool,
}

/// Copies one operand after another and remembers hard links and what it made.
pub(super) struct Copier {
    pub(super) options: Options,
    links: HashMap<(u64, u64), PathBuf>,
    made: HashMap<(u64, u64), PathBuf>,
}

struct Level {
    from: PathBuf,
    to: PathBuf,
    entries: Vec<OsString>,
    meta: Metadata,
    fresh: bool,
}

impl Copier {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            links: HashMap::new(),
            made: HashMap::new(),
        }
    }

    fn fail(&self, message: impl std::fmt::Display) -> bool {
        complain(self.options.tool, message);
        false
    }

    fn refuse(&self, what: &str, path: &Path, error: &io::Error) -> bool {
        self.fail(format_args!("{what} '{}': {}", shown(path.as_os_str()), reason(error)))
    }

    /// Copies `from` to `to`; false after a complaint.
    pub(super) fn operand(&mut self, from: &Path, to: &Path) -> bool {
        let follow = self.options.follow != Follow::Never;
        let meta = match if follow {
            fs::metadata(from)
        } else {
            fs::symlink_metadata(from)
        } {
            Ok(meta) => meta,
            Err(error) => return self.refuse("cannot stat", from, &error),
        };
        let device = meta.dev();
        let mut stack = Vec::new();
        let mut good = self.entry(from, to, meta, &mut stack, true);
        while let Some(level) = stack.last_mut() {
            let Some(name) = level.entries.pop() else {
                if let Some(level) = stack.pop() {
                    good &= self.finish(&level);
                }
                continue;
            };
            let (from, to) = (target::join(&level.from, &name), target::join(&level.to, &name));
            let follow = self.options.follow == Follow::Always;
            match if follow {
                fs::metadata(&from)
            } else {
                fs::symlink_metadata(&from)
            } {
                Ok(meta) if self.options.one_filesystem && meta.dev() != device => {}
                Ok(meta) => good &= self.entry(&from, &to, meta, &mut stack, false),
                Err(error) => good = self.refuse("cannot stat", &from, &error),
            }
        }
        good
    }

    fn entry(&mut self, from: &Path, to: &Path, meta: Metadata, stack: &mut Vec<Level>, operand: bool) -> bool {
        if meta.is_dir() {
            return self.directory(from, to, meta, stack, operand);
        }
        let existing = fs::symlink_metadata(to).ok();
        if let Some(existing) = &existing {
            match self.may_replace(from, to, &meta, existing) {
                Ok(true) => {}
                Ok(false) => return self.options.replace != Replace::Fail,
                Err(()) => return false,
            }
        }
        let id = (meta.dev(), meta.ino());
        let linked = self.options.preserve.links && meta.nlink() > 1 && self.options.make == Make::Copy;
        if linked && let Some(first) = self.links.get(&id).cloned() {
            return self.hard_link(&first, from, to, existing.is_some());
        }
        let good = self.one(from, to, &meta, existing.as_ref());
        if good {
            if linked {
                self.links.insert(id, to.to_path_buf());
            }
            if operand && let Ok(made) = fs::symlink_metadata(to) {
                self.made.insert((made.dev(), made.ino()), to.to_path_buf());
            }
        }
        good
    }

    /// Whether the target may be replaced; an error after a complaint.
    fn may_replace(&self, from: &Path, to: &Path, meta: &Metadata, existing: &Metadata) -> Result<bool, ()> {
        let options = &self.options;
        let (source, target) = (shown(from.as_os_str()), shown(to.as_os_str()));
        if options.replace == Replace::Never {
            return Ok(false);
        }
        if options.update == Update::Older
            && !existing.is_dir()
            && (existing.mtime(), existing.mtime_nsec()) >= (meta.mtime(), meta.mtime_nsec())
        {
            return Ok(false);
        }
        let same = |a: &Metadata| a.dev() == meta.dev() && a.ino() == meta.ino();
        let through = fs::metadata(to).ok();
        let is_same = same(existing) || (!options.remove_first && through.as_ref().is_some_and(same));
        let kept = options.backup != Backup::None && (options.force || from != to);
        if is_same && !kept && !(options.make == Make::HardLink && same(existing)) {
            let replaced = options.remove_first && meta.nlink() > 1 && from != to;
            let relinked = meta.is_symlink() && !same(existing);
            if !replaced && !relinked {
                self.fail(format_args!("'{source}' and '{target}' are the same file"));
                return Err(());
            }
        }
        if existing.is_dir() {
            self.fail(format_args!("cannot overwrite directory '{target}' with non-directory"));
            return Err(());
        }
        if self.made.contains_key(&(existing.dev(), existing.ino())) && options.backup == Backup::None {
            self.fail(format_args!(
                "will not overwrite just-created '{target}' with '{source}'"
            ));
            return Err(());
        }
        if options.replace == Replace::Ask {
            let question = if access::may(to, access::WRITE) {
                format!("overwrite '{target}'?")
            } else {
                let bits = existing.mode() & 0o7777;
                let letters = mode::shown(existing.mode());
                format!("replace '{target}', overriding mode {bits:04o} ({})?", &letters[1..])
            };
            return Ok(target::confirmed(options.tool, &question));
        }
        Ok(true)
    }

    fn hard_link(&self, first: &Path, from: &Path, to: &Path, exists: bool) -> bool {
        let _ = exists.then(|| fs::remove_file(to));
        match fs::hard_link(first, to) {
            Ok(()) => self.tell(from, to, None),
            Err(error) => self.refuse("cannot create hard link", to, &error),
        }
    }

    fn tell(&self, from: &Path, to: &Path, kept: Option<&Path>) -> bool {
        if self.options.verbose {
            let kept = kept.map_or_else(String::new, |kept| format!(" (backup: '{}')", shown(kept.as_os_str())));
            let line = format!("'{}' -> '{}'{kept}\n", shown(from.as_os_str()), shown(to.as_os_str()));
            let _ = write::raw(line.as_bytes());
        }
        true
    }

    /// Copies what is no directory.
    fn one(&self, from: &Path, to: &Path, meta: &Metadata, existing: Option<&Metadata>) -> bool {
        let kept = match self.options.backup.keep(to, &self.options.suffix) {
            Ok(kept) => kept,
            Err(error) => return self.refuse("cannot backup", to, &error),
        };
        let mut exists = existing.is_some() && kept.is_none();
        let special = !meta.is_file() && !self.options.copy_contents;
        let links = matches!(self.options.make, Make::HardLink | Make::SymbolicLink);
        let away = self.options.remove_first
            || special
            || (links && (self.options.force || self.options.replace == Replace::Ask));
        if exists && away && self.options.make != Make::AttributesOnly {
            if let Err(error) = fs::remove_file(to) {
                return self.refuse("cannot remove", to, &error);
            }
            exists = false;
        }
        self.tell(from, to, kept.as_deref());
        let made = match self.options.make {
            Make::HardLink => return self.link(from, to, meta),
            Make::SymbolicLink => return self.symbolic(from, to),
            _ if meta.is_symlink() => self.copy_link(from, to),
            _ if special => self.special(from, to, meta),
            make => self.regular(from, to, meta, exists, make == Make::AttributesOnly),
        };
        made && self.attributes(to, meta, !exists)
    }

    fn link(&self, from: &Path, to: &Path, meta: &Metadata) -> bool {
        // A link to a symbolic link's target was asked for by following it.
        let source = if meta.is_symlink() {
            from.to_path_buf()
        } else {
            fs::canonicalize(from).unwrap_or(from.to_path_buf())
        };
        match fs::hard_link(&source, to) {
            Ok(()) => true,
            Err(error) => {
                let (to, from) = (shown(to.as_os_str()), shown(from.as_os_str()));
                self.fail(format_args!(
                    "cannot create hard link '{to}' to '{from}': {}",
                    reason(&error)
                ))
            }
        }
    }

    fn symbolic(&self, from: &Path, to: &Path) -> bool {
        let elsewhere = to
            .parent()
            .is_some_and(|dir| !dir.as_os_str().is_empty() && dir != Path::new("."));
        if !from.is_absolute() && elsewhere {
            let to = shown(to.as_os_str());
            return self.fail(format_args!(
                "'{to}': can make relative symbolic links only in current directory"
            ));
        }
        match symlink(from, to) {
            Ok(()) => true,
            Err(error) => {
                let (to, from) = (shown(to.as_os_str()), shown(from.as_os_str()));
                self.fail(format_args!(
                    "cannot create symbolic link '{to}' to '{from}': {}",
                    reason(&error)
                ))
            }
        }
    }

    fn copy_link(&self, from: &Path, to: &Path) -> bool {
        match fs::read_link(from) {
            Ok(target) => match symlink(target, to) {
                Ok(()) => true,
                Err(error) => self.refuse("cannot create symbolic link", to, &error),
            },
            Err(error) => self.refuse("cannot read symbolic link", from, &error),
        }
    }

    fn special(&self, from: &Path, to: &Path, meta: &Metadata) -> bool {
        if !self.options.recursive {
            return self.regular(from, to, meta, false, false);
        }
        if meta.file_type().is_socket() {
            return self.fail(format_args!("cannot copy socket '{}'", shown(from.as_os_str())));
        }
        match super::node::make(to, meta.mode(), meta.rdev()) {
            Ok(()) => true,
            Err(error) => self.refuse("cannot create special file", to, &error),
        }
    }

    fn regular(&self, from: &Path, to: &Path, meta: &Metadata, exists: bool, empty: bool) -> bool {
        let mut source = match File::open(from) {
            Ok(file) => file,
            Err(error) => return self.refuse("cannot open", from, &error),
        };
        let bits = if self.options.fresh_mode {
            0o666
        } else {
            meta.mode() & 0o777
        };
        let open = |new: bool| {
            let mut options = File::options();
            options.write(true).create(true).mode(bits);
            if new {
                options.create_new(true)
            } else {
                options.truncate(!empty)
            };
            options.open(to)
        };
        let mut target = match open(false) {
            Ok(file) => file,
            Err(_) if exists && self.options.force && fs::remove_file(to).is_ok() => match open(true) {
                Ok(file) => file,
                Err(error) => return self.refuse("cannot create regular file", to, &error),
            },
            Err(error) if exists => return self.refuse("cannot create regular file", to, &error),
            Err(error) => return self.refuse("cannot create regular file", to, &error),
        };
        if empty {
            return true;
        }
        match content(&mut source, &mut target) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => self.refuse("error reading", from, &error),
            Err(error) => self.refuse("error copying to", to, &error),
        }
    }

    fn directory(&mut self, from: &Path, to: &Path, meta: Metadata, stack: &mut Vec<Level>, operand: bool) -> bool {
        if !self.options.recursive {
            return self.fail(format_args!(
                "-r not specified; omitting directory '{}'",
                shown(from.as_os_str())
            ));
        }
        let existing = fs::metadata(to).ok();
        let mut fresh = false;
        match &existing {
            Some(found) if !found.is_dir() => {
                let (to, from) = (shown(to.as_os_str()), shown(from.as_os_str()));
                return self.fail(format_args!(
                    "cannot overwrite non-directory '{to}' with directory '{from}'"
                ));
            }
            Some(_) => {}
            None => {
                // It must be possible to fill it; what it becomes is set in the end.
                let bits = (meta.mode() & 0o777) | 0o700;
                if let Err(error) = fs::DirBuilder::new().mode(bits).create(to) {
                    return self.refuse("cannot create directory", to, &error);
                }
                fresh = true;
                self.tell(from, to, None);
            }
        }
        if operand {
            let real = |path: &Path| fs::canonicalize(path).ok();
            if let (Some(source), Some(target)) = (real(from), real(to))
                && target.starts_with(&source)
            {
                let _ = fresh.then(|| fs::remove_dir(to));
                let (from, to) = (shown(from.as_os_str()), shown(to.as_os_str()));
                return self.fail(format_args!("cannot copy a directory, '{from}', into itself, '{to}'"));
            }
        }
        let list =
            || -> io::Result<Vec<OsString>> { fs::read_dir(from)?.map(|entry| Ok(entry?.file_name())).collect() };
        match list() {
            Ok(mut entries) => {
                entries.sort_unstable_by(|a, b| b.cmp(a));
                stack.push(Level {
                    from: from.to_path_buf(),
                    to: to.to_path_buf(),
                    entries,
                    meta,
                    fresh,
                });
                true
            }
            Err(error) => self.refuse("cannot access", from, &error),
        }
    }

    fn finish(&self, level: &Level) -> bool {
        let good = self.attributes(&level.to, &level.meta, level.fresh);
        if level.fresh && !self.options.preserve.mode {
            let source = if self.options.fresh_mode {
                0o777
            } else {
                level.meta.mode() & 0o777
            };
            let bits = source & !mode::umask();
            if let Err(error) = fs::set_permissions(&level.to, Permissions::from_mode(bits)) {
                return self.refuse("setting permissions for", &level.to, &error);
            }
        }
        good
    }

    /// Keeps what is to be kept.
    fn attributes(&self, to: &Path, meta: &Metadata, fresh: bool) -> bool {
        let keep = self.options.preserve;
        let link = meta.is_symlink();
        let mut good = true;
        if keep.owner && lchown(to, Some(meta.uid()), Some(meta.gid())).is_err() {
            // As GNU has it: who may not give files away keeps at least the group if that is possible.
            let _ = lchown(to, None, Some(meta.gid()));
        }
        if keep.mode && !link {
            if let Err(error) = fs::set_permissions(to, Permissions::from_mode(meta.mode() & 0o7777)) {
                good = self.refuse("preserving permissions for", to, &error);
            }
        } else if self.options.fresh_mode && fresh && !link && meta.is_file() {
            let _ = fs::set_permissions(to, Permissions::from_mode(0o666 & !mode::umask()));
        }
        if keep.times {
            let access = Instant::new(meta.atime(), meta.atime_nsec());
            let modify = Instant::new(meta.mtime(), meta.mtime_nsec());
            if let Err(error) = times::set(to, Some(Some(access)), Some(Some(modify)), false) {
                good = self.refuse("preserving times for", to, &error);
            }
        }
        good
    }
}

/// Copies all content, inside the kernel where it can do that.
#[cfg(target_family = "wasm")]
fn content(source: &mut File, target: &mut File) -> io::Result<()> {
    use std::os::fd::AsFd;
    const PIECE: u64 = 8 << 20;
    let mut moved = false;
    loop {
        match agentos_guest::fd::copy_range(source.as_fd(), target.as_fd(), PIECE) {
            Ok(0) if moved => return Ok(()),
            Ok(0) => break,
            Ok(_) => moved = true,
            Err(_) if !moved => break,
            Err(error) => return Err(error),
        }
    }
    // Files of the kernel, pipes and devices.
    by_hand(source, target)
}

#[cfg(not(target_family = "wasm"))]
fn content(source: &mut File, target: &mut File) -> io::Result<()> {
    by_hand(source, target)
}

fn by_hand(source: &mut File, target: &mut File) -> io::Result<()> {
    use std::io::{Read, Write};
    let mut block = vec![0; agentos_tools_base::io::BLOCK];
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => target.write_all(&block[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

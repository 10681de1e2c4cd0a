//! Expressions and what they make of a file.

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use agentos_tools_base::io::bytes_of;
use agentos_tools_base::platform::{FileTypeExt, MetadataExt};

use super::print::{self, Piece};
use super::run::Command;
use super::walk::State;
use crate::clock::Instant;
use crate::{access, glob, statfs, users};

/// How a number is compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Compare {
    Exactly(u64),
    More(u64),
    Less(u64),
}

impl Compare {
    pub(super) fn holds(self, value: u64) -> bool {
        match self {
            Self::Exactly(n) => value == n,
            Self::More(n) => value > n,
            Self::Less(n) => value < n,
        }
    }
}

/// Which time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Access,
    Birth,
    Change,
    Modify,
}

/// How permission bits are compared.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bits {
    Exactly(u32),
    All(u32),
    Any(u32),
}

/// Where an action writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sink {
    Standard,
    File(usize),
}

pub(super) enum Expr {
    True,
    False,
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Comma(Vec<Expr>),
    Name {
        pattern: Vec<u8>,
        fold: bool,
    },
    Path {
        pattern: Vec<u8>,
        fold: bool,
    },
    Link {
        pattern: Vec<u8>,
        fold: bool,
    },
    Regex(Box<regex_automata::meta::Regex>),
    Type(Vec<u8>, bool),
    Size(Compare, u64),
    Empty,
    /// Age in units of so many seconds, counted from a point in time.
    Age {
        which: Which,
        compare: Compare,
        unit: i64,
        from: Instant,
    },
    Newer {
        which: Which,
        than: Instant,
    },
    Used(Compare),
    Perm(Bits),
    User(Compare),
    Group(Compare),
    NoUser,
    NoGroup,
    Links(Compare),
    Inode(Compare),
    Same(u64, u64),
    Access(u32),
    FsType(String),
    Print(Sink, u8),
    Printf(Sink, Vec<Piece>),
    Ls(Sink),
    Exec(Box<Command>),
    Delete,
    Prune,
    Quit,
}

/// A file that the walk found.
pub(super) struct Found<'a> {
    pub(super) path: &'a Path,
    /// The starting point that it was found under.
    pub(super) root: &'a Path,
    pub(super) depth: usize,
    /// Of the file or, when links are followed, of what it leads to.
    pub(super) meta: &'a OnceCell<Option<Metadata>>,
    pub(super) look: &'a dyn Fn() -> Option<Metadata>,
    /// Whether links are followed here.
    pub(super) follow: bool,
    /// Type letter, where the directory told it.
    pub(super) kind: Option<u8>,
}

impl Found<'_> {
    pub(super) fn meta(&self) -> Option<&Metadata> {
        self.meta.get_or_init(|| (self.look)()).as_ref()
    }

    /// The last component.
    pub(super) fn name(&self) -> OsString {
        let bytes = bytes_of(self.path.as_os_str());
        if bytes.iter().all(|b| *b == b'/') {
            return "/".into();
        }
        crate::files::last(self.path.as_os_str())
    }

    pub(super) fn letter(&self) -> u8 {
        self.kind.unwrap_or_else(|| self.meta().map_or(b'U', letter))
    }
}

/// The letter of `-type`.
pub(super) fn letter(meta: &Metadata) -> u8 {
    let kind = meta.file_type();
    if kind.is_dir() {
        b'd'
    } else if kind.is_symlink() {
        b'l'
    } else if kind.is_fifo() {
        b'p'
    } else if kind.is_socket() {
        b's'
    } else if kind.is_char_device() {
        b'c'
    } else if kind.is_block_device() {
        b'b'
    } else {
        b'f'
    }
}

/// A time of a file.
pub(super) fn time(meta: &Metadata, which: Which) -> Option<Instant> {
    Some(match which {
        Which::Access => Instant::new(meta.atime(), meta.atime_nsec()),
        Which::Change => Instant::new(meta.ctime(), meta.ctime_nsec()),
        Which::Modify => Instant::new(meta.mtime(), meta.mtime_nsec()),
        Which::Birth => meta.created().ok()?.into(),
    })
}

fn matches(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    if !fold {
        return glob::matches(pattern, text);
    }
    let lower = |text: &[u8]| match std::str::from_utf8(text) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => text.to_ascii_lowercase(),
    };
    glob::matches(&lower(pattern), &lower(text))
}

impl Expr {
    /// Evaluates; actions happen on the way.
    pub(super) fn eval(&self, file: &Found<'_>, state: &mut State) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::Not(inner) => !inner.eval(file, state),
            Self::And(list) => list.iter().all(|expr| !state.quit && expr.eval(file, state)),
            Self::Or(list) => list.iter().any(|expr| !state.quit && expr.eval(file, state)),
            Self::Comma(list) => list.iter().fold(false, |_, expr| !state.quit && expr.eval(file, state)),
            Self::Print(..) | Self::Printf(..) | Self::Ls(_) => self.print(file, state),
            Self::Exec(command) => command.run(file, state),
            Self::Delete => state.delete(file),
            Self::Prune => {
                state.prune = true;
                true
            }
            Self::Quit => {
                state.quit = true;
                true
            }
            test => test.test(file, state),
        }
    }

    fn print(&self, file: &Found<'_>, state: &mut State) -> bool {
        let path = bytes_of(file.path.as_os_str());
        match self {
            Self::Print(sink, end) => {
                let out = state.sink(*sink);
                out.extend_from_slice(path);
                out.push(*end);
                state.written(*sink);
            }
            Self::Printf(sink, pieces) => {
                let text = print::formatted(pieces, file, state);
                state.sink(*sink).extend(text);
                state.written(*sink);
            }
            Self::Ls(sink) => {
                let text = print::listed(file, state);
                state.sink(*sink).extend(text);
                state.written(*sink);
            }
            _ => {}
        }
        true
    }

    fn test(&self, file: &Found<'_>, state: &mut State) -> bool {
        match self {
            Self::Name { pattern, fold } => matches(pattern, bytes_of(&file.name()), *fold),
            Self::Path { pattern, fold } => matches(pattern, bytes_of(file.path.as_os_str()), *fold),
            Self::Link { pattern, fold } => {
                let target = if file.letter() == b'l' {
                    fs::read_link(file.path).ok()
                } else {
                    None
                };
                target.is_some_and(|target| matches(pattern, bytes_of(target.as_os_str()), *fold))
            }
            Self::Regex(regex) => regex.is_match(bytes_of(file.path.as_os_str())),
            Self::Type(letters, false) => letters.contains(&file.letter()),
            Self::Type(letters, true) => letters.contains(&across(file)),
            _ => file.meta().is_some_and(|meta| self.meta_test(file, meta, state)),
        }
    }

    fn meta_test(&self, file: &Found<'_>, meta: &Metadata, state: &State) -> bool {
        let of = |compare: &Compare, value: u64| compare.holds(value);
        match self {
            Self::Size(compare, unit) => of(compare, meta.len().div_ceil(*unit)),
            Self::Empty if meta.is_dir() => fs::read_dir(file.path).is_ok_and(|mut list| list.next().is_none()),
            Self::Empty => meta.is_file() && meta.len() == 0,
            Self::Age {
                which,
                compare,
                unit,
                from,
            } => age(meta, *which, *compare, *unit, *from),
            Self::Newer { which, than } => time(meta, *which).is_some_and(|at| at > *than),
            Self::Used(compare) => {
                let days = (meta.atime() - meta.ctime()).max(0) / crate::clock::DAY;
                of(compare, days.unsigned_abs())
            }
            Self::Perm(Bits::Exactly(bits)) => meta.mode() & 0o7777 == *bits,
            Self::Perm(Bits::All(bits)) => meta.mode() & bits == *bits,
            Self::Perm(Bits::Any(bits)) => *bits == 0 || meta.mode() & bits != 0,
            Self::User(compare) => of(compare, u64::from(meta.uid())),
            Self::Group(compare) => of(compare, u64::from(meta.gid())),
            Self::NoUser => users::by_uid(meta.uid()).is_none(),
            Self::NoGroup => users::group_by_gid(meta.gid()).is_none(),
            Self::Links(compare) => of(compare, meta.nlink()),
            Self::Inode(compare) => of(compare, meta.ino()),
            Self::Same(device, inode) => meta.dev() == *device && meta.ino() == *inode,
            Self::Access(bits) => access::may(file.path, *bits),
            Self::FsType(name) => state.filesystem(meta.dev(), file.path) == *name,
            _ => false,
        }
    }
}

/// The letter on the other side of a link: what it leads to where links are not followed, itself where they are.
fn across(file: &Found<'_>) -> u8 {
    if file.follow {
        return fs::symlink_metadata(file.path).map_or(b'U', |meta| letter(&meta));
    }
    if file.letter() != b'l' {
        return file.letter();
    }
    fs::metadata(file.path).map_or(b'l', |meta| letter(&meta))
}

/// Whole units that passed since; a fraction is dropped for days and rounded up for minutes, as POSIX and GNU have it.
fn age(meta: &Metadata, which: Which, compare: Compare, unit: i64, from: Instant) -> bool {
    let Some(at) = time(meta, which) else { return false };
    let nanos = i128::from(from.secs - at.secs) * 1_000_000_000 + i128::from(from.nanos) - i128::from(at.nanos);
    let unit = i128::from(unit) * 1_000_000_000;
    let limit = |n: u64| i128::from(n) * unit;
    match compare {
        Compare::Exactly(n) if unit >= 86_400_000_000_000 => nanos >= limit(n) && nanos < limit(n) + unit,
        Compare::Exactly(n) => nanos > limit(n) - unit && nanos <= limit(n),
        Compare::More(n) if unit >= 86_400_000_000_000 => nanos >= limit(n) + unit,
        Compare::More(n) => nanos > limit(n),
        Compare::Less(n) => nanos < limit(n),
    }
}

/// Name of the type of the filesystem that holds a path.
pub(super) fn filesystem_of(path: &Path) -> String {
    let mounts = statfs::mounts();
    let real = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let best = mounts
        .iter()
        .filter(|mount| real.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len());
    best.map_or_else(|| "unknown".to_owned(), |mount| mount.kind.clone())
}

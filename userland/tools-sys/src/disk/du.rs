//! `du`: space that files take.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, open, os, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use crate::clock::{self, Instant, Zone};
use crate::human::Units;
use crate::{glob, usage, write};

const SPECS: &[&str] = &[
    "0,null",
    "a,all",
    "apparent-size",
    "B,block-size=",
    "b,bytes",
    "c,total",
    "D,H,dereference-args",
    "d,max-depth=",
    "files0-from=",
    "h,human-readable",
    "inodes",
    "k",
    "L,dereference",
    "l,count-links",
    "m",
    "P,no-dereference",
    "S,separate-dirs",
    "si",
    "s,summarize",
    "t,threshold=",
    "time=?",
    "time-style=",
    "X,exclude-from=",
    "exclude=",
    "x,one-file-system",
    "help",
    "version",
];

const HELP: &str = "Usage: du [OPTION]... [FILE]...
Summarize device usage of the set of FILEs, recursively for directories.

  -0, --null             end each output line with NUL, not newline
  -a, --all              write counts for all files, not just directories
      --apparent-size    print apparent sizes rather than device usage
  -B, --block-size=SIZE  scale sizes by SIZE before printing them
  -b, --bytes            equivalent to '--apparent-size --block-size=1'
  -c, --total            produce a grand total
  -d, --max-depth=N      print the total for a directory only if it is N or fewer levels below
      --exclude=PATTERN  exclude files that match PATTERN
  -h, --human-readable   print sizes in human readable format (e.g., 1K 234M 2G)
      --inodes           list inode usage information instead of block usage
  -L, -D, -P             follow links: all, those of operands, none
  -l, --count-links      count sizes many times if hard linked
  -S, --separate-dirs    for directories do not include size of subdirectories
  -s, --summarize        display only a total for each argument
  -t, --threshold=SIZE   exclude entries smaller than SIZE if positive, or greater if negative
      --time             show time of the last modification of any file in the directory
  -x, --one-file-system  skip directories on different file systems
";

struct Options {
    units: Units,
    apparent: bool,
    inodes: bool,
    all: bool,
    depth: usize,
    summarize: bool,
    separate: bool,
    count_links: bool,
    follow_all: bool,
    follow_operands: bool,
    one_filesystem: bool,
    threshold: Option<i64>,
    exclude: Vec<Vec<u8>>,
    time: bool,
    end: u8,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    size: u64,
    newest: Instant,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.size = self.size.saturating_add(other.size);
        self.newest = self.newest.max(other.newest);
    }
}

pub(crate) fn du(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        units: Units::Bytes(1024),
        apparent: false,
        inodes: false,
        all: false,
        depth: usize::MAX,
        summarize: false,
        separate: false,
        count_links: false,
        follow_all: false,
        follow_operands: false,
        one_filesystem: false,
        threshold: None,
        exclude: Vec::new(),
        time: false,
        end: b'\n',
    };
    let (mut total, mut names, mut list) = (false, Vec::new(), None);
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => match key {
                "help" => return cli::help(HELP),
                "version" => return cli::version("du"),
                "total" => total = true,
                "files0-from" => list = value,
                _ => {
                    if let Err(message) = options.set(key, value) {
                        return usage("du", message, 1);
                    }
                }
            },
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("du", message, 1),
        }
    }
    if options.summarize && options.depth != usize::MAX && options.depth != 0 {
        let note = format!("warning: summarizing conflicts with --max-depth={}", options.depth);
        return usage("du", note, 1);
    }
    if let Some(list) = list {
        match read_list(&list) {
            Ok(found) => names.extend(found),
            Err(error) => {
                complain(
                    "du",
                    format_args!("cannot open '{}' for reading: {}", shown(&list), reason(&error)),
                );
                return 1;
            }
        }
    } else if names.is_empty() {
        names.push(".".into());
    }
    let mut counter = Counter {
        options,
        seen: HashSet::new(),
        zone: Zone::local(),
        status: 0,
        out: Vec::new(),
    };
    let mut sum = Sum::default();
    for name in &names {
        sum.add(counter.operand(name));
    }
    if total {
        counter.print(sum, Path::new("total"));
    }
    write::all("du", &counter.out).max(counter.status)
}

fn read_list(name: &OsString) -> io::Result<Vec<OsString>> {
    open(name)?.split(0).map(|part| part.map(os)).collect()
}

impl Options {
    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        let text = value.as_deref().map(shown).unwrap_or_default();
        match key {
            "null" => self.end = 0,
            "all" => self.all = true,
            "apparent-size" => self.apparent = true,
            "block-size" => {
                self.units = Units::parse(&text).ok_or_else(|| format!("invalid --block-size argument '{text}'"))?;
            }
            "bytes" => (self.apparent, self.units) = (true, Units::Bytes(1)),
            "dereference-args" => self.follow_operands = true,
            "max-depth" => self.depth = text.parse().map_err(|_| format!("invalid maximum depth '{text}'"))?,
            "human-readable" => self.units = Units::Binary,
            "si" => self.units = Units::Decimal,
            "inodes" => self.inodes = true,
            "k" => self.units = Units::Bytes(1024),
            "m" => self.units = Units::Bytes(1 << 20),
            "dereference" => self.follow_all = true,
            "no-dereference" => (self.follow_all, self.follow_operands) = (false, false),
            "count-links" => self.count_links = true,
            "separate-dirs" => self.separate = true,
            "summarize" => self.summarize = true,
            "threshold" => {
                let (sign, rest) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let number = rest[..digits].parse::<i64>().ok();
                let factor = crate::human::factor(&rest[digits..]).and_then(|factor| i64::try_from(factor).ok());
                let size = number
                    .zip(factor)
                    .and_then(|(number, factor)| number.checked_mul(factor));
                self.threshold = Some(sign * size.ok_or_else(|| format!("invalid --threshold argument '{text}'"))?);
            }
            "time" => self.time = true,
            "exclude" => self.exclude.push(bytes_of(&value.unwrap_or_default()).to_vec()),
            "exclude-from" => {
                let name = value.unwrap_or_default();
                let lines = open(&name).map_err(|error| format!("{}: {}", shown(&name), reason(&error)))?;
                self.exclude.extend(lines.split(b'\n').map_while(Result::ok));
            }
            "one-file-system" => self.one_filesystem = true,
            _ => {}
        }
        Ok(())
    }

    fn excluded(&self, path: &Path) -> bool {
        let bytes = bytes_of(path.as_os_str());
        let name = bytes.rsplit(|b| *b == b'/').next().unwrap_or_default();
        self.exclude
            .iter()
            .any(|pattern| glob::matches(pattern, name) || glob::matches(pattern, bytes))
    }
}

struct Counter {
    options: Options,
    seen: HashSet<(u64, u64)>,
    zone: Zone,
    status: i32,
    out: Vec<u8>,
}

/// A directory that is being counted.
struct Level {
    path: PathBuf,
    entries: std::vec::IntoIter<PathBuf>,
    own: Sum,
    inner: Sum,
}

impl Counter {
    fn operand(&mut self, name: &OsString) -> Sum {
        let root = PathBuf::from(name);
        let follow = self.options.follow_all || self.options.follow_operands;
        let mut stack: Vec<Level> = Vec::new();
        let mut total = Sum::default();
        let Some((meta, own)) = self.count(&root, follow) else {
            return total;
        };
        let device = meta.dev();
        if !meta.is_dir() {
            self.print(own, &root);
            return own;
        }
        self.enter(root, own, &mut stack);
        while let Some(level) = stack.last_mut() {
            if let Some(path) = level.entries.next() {
                if self.options.excluded(&path) {
                    continue;
                }
                let depth = stack.len();
                let Some((meta, own)) = self.count(&path, self.options.follow_all) else {
                    continue;
                };
                if meta.is_dir() {
                    if !self.options.one_filesystem || meta.dev() == device {
                        self.enter(path, own, &mut stack);
                    }
                    continue;
                }
                if self.options.all && !self.options.summarize && depth <= self.options.depth {
                    self.print(own, &path);
                }
                if let Some(level) = stack.last_mut() {
                    level.own.add(own);
                }
            } else if let Some(level) = stack.pop() {
                let depth = stack.len();
                let mut sum = level.own;
                let whole = {
                    let mut whole = sum;
                    whole.add(level.inner);
                    whole
                };
                if !self.options.separate {
                    sum = whole;
                }
                if (depth == 0 || !self.options.summarize) && depth <= self.options.depth {
                    self.print(sum, &level.path);
                }
                match stack.last_mut() {
                    Some(parent) => parent.inner.add(whole),
                    None => total = if self.options.separate { whole } else { sum },
                }
            }
        }
        total
    }

    /// Metadata and size of a file; `None` if it was counted before or cannot be looked at.
    fn count(&mut self, path: &Path, follow: bool) -> Option<(Metadata, Sum)> {
        let found = if follow {
            fs::metadata(path)
        } else {
            fs::symlink_metadata(path)
        };
        let meta = match found {
            Ok(meta) => meta,
            Err(error) => {
                self.complain("cannot access", path, &error);
                return None;
            }
        };
        let once = meta.is_dir() || meta.nlink() > 1 || self.options.follow_all;
        if once && !self.options.count_links && !self.seen.insert((meta.dev(), meta.ino())) {
            return None;
        }
        let size = if self.options.inodes {
            1
        } else if self.options.apparent {
            if meta.is_file() || meta.is_symlink() || meta.is_dir() {
                meta.len()
            } else {
                0
            }
        } else {
            meta.blocks().saturating_mul(512)
        };
        let newest = Instant::new(meta.mtime(), meta.mtime_nsec());
        Some((meta, Sum { size, newest }))
    }

    fn complain(&mut self, what: &str, path: &Path, error: &io::Error) {
        complain(
            "du",
            format_args!("{what} '{}': {}", shown(path.as_os_str()), reason(error)),
        );
        self.status = 1;
    }

    fn enter(&mut self, path: PathBuf, own: Sum, stack: &mut Vec<Level>) {
        let list = || -> io::Result<Vec<PathBuf>> {
            fs::read_dir(&path)?
                .map(|entry| Ok(crate::files::join(&path, &entry?.file_name())))
                .collect()
        };
        let entries = match list() {
            Ok(entries) => entries,
            Err(error) => {
                self.complain("cannot read directory", &path, &error);
                Vec::new()
            }
        };
        stack.push(Level {
            path,
            entries: entries.into_iter(),
            own,
            inner: Sum::default(),
        });
    }

    fn print(&mut self, sum: Sum, path: &Path) {
        let size = i64::try_from(sum.size).unwrap_or(i64::MAX);
        match self.options.threshold {
            Some(least) if least >= 0 && size < least => return,
            Some(most) if most < 0 && size > -most => return,
            _ => {}
        }
        let text = match (self.options.inodes, self.options.units) {
            (true, Units::Bytes(_) | Units::Named(..)) => sum.size.to_string(),
            _ => self.options.units.show(sum.size),
        };
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\t');
        if self.options.time {
            clock::format(b"%Y-%m-%d %H:%M\t", &self.zone.civil(sum.newest), &mut self.out);
        }
        self.out.extend_from_slice(bytes_of(path.as_os_str()));
        self.out.push(self.options.end);
    }
}

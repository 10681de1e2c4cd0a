//! Which files are compared: two files, a file with its like in a directory, two trees.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::io::{BLOCK, bytes_of, complain, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use super::options::{Format, Options, TROUBLE};
use super::output::{self, Side};
use super::text::Text;
use crate::clock::Instant;
use crate::files::{join, last};
use crate::{glob, write};

/// Compares what the operands name; returns the status.
pub(super) fn run(options: &Options, from: &OsStr, to: &OsStr) -> i32 {
    let mut tree = Tree {
        options,
        out: Vec::new(),
        status: 0,
    };
    let directory = |name: &OsStr| name != "-" && Path::new(name).is_dir();
    match (directory(from), directory(to)) {
        (true, true) => tree.directories(PathBuf::from(from), PathBuf::from(to)),
        (true, false) if to != "-" => tree.files(join(Path::new(from), &last(to)).as_os_str(), to, None),
        (false, true) if from != "-" => tree.files(from, join(Path::new(to), &last(from)).as_os_str(), None),
        (true, false) | (false, true) => {
            complain("diff", "cannot compare '-' to a directory");
            return TROUBLE;
        }
        (false, false) => tree.files(from, to, None),
    }
    tree.flush();
    tree.status
}

struct Tree<'a> {
    options: &'a Options,
    out: Vec<u8>,
    status: i32,
}

impl Tree<'_> {
    fn flush(&mut self) {
        if write::raw(&self.out).is_err() {
            self.status = TROUBLE;
        }
        self.out.clear();
    }

    fn trouble(&mut self, name: &OsStr, error: &io::Error) {
        self.flush();
        complain("diff", format_args!("{}: {}", shown(name), reason(error)));
        self.status = TROUBLE;
    }

    fn differ(&mut self) {
        self.status = self.status.max(1);
    }

    fn say(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
        if self.out.len() > BLOCK {
            self.flush();
        }
    }

    /// Two directories and, if asked to, all below them.
    fn directories(&mut self, from: PathBuf, to: PathBuf) {
        let mut stack = vec![(from, to)];
        while let Some((from, to)) = stack.pop() {
            let lists = (self.names(&from), self.names(&to));
            let (Some(left), Some(right)) = lists else { continue };
            let mut inner = Vec::new();
            for name in left.union(&right) {
                self.pair(&from, &to, name, left.contains(name), right.contains(name), &mut inner);
            }
            stack.extend(inner.into_iter().rev());
        }
    }

    fn names(&mut self, dir: &Path) -> Option<BTreeSet<OsString>> {
        // With -N a directory of one side alone stands opposite nothing.
        if self.options.new_file && fs::symlink_metadata(dir).is_err() {
            return Some(BTreeSet::new());
        }
        let list =
            || -> io::Result<BTreeSet<OsString>> { fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect() };
        match list() {
            Ok(mut names) => {
                let excluded = |name: &OsString| self.options.exclude.iter().any(|p| glob::matches(p, bytes_of(name)));
                names.retain(|name| !excluded(name));
                Some(names)
            }
            Err(error) => {
                self.trouble(dir.as_os_str(), &error);
                None
            }
        }
    }

    fn pair(
        &mut self,
        from: &Path,
        to: &Path,
        name: &OsStr,
        left: bool,
        right: bool,
        inner: &mut Vec<(PathBuf, PathBuf)>,
    ) {
        let (a, b) = (join(from, name), join(to, name));
        let absent_is_empty = self.options.new_file || (self.options.only_first_new && right);
        let both = left && right;
        if !both && !absent_is_empty {
            let dir = shown(if left { from } else { to }.as_os_str());
            self.say(&format!("Only in {dir}: {}\n", shown(name)));
            return self.differ();
        }
        let directory = |path: &Path, there: bool| there && path.is_dir();
        let kinds = (directory(&a, left), directory(&b, right));
        if (left && right && kinds == (true, true)) || (!(left && right) && (kinds.0 || kinds.1)) {
            if self.options.recursive {
                inner.push((a, b));
            } else if left && right {
                self.say(&format!(
                    "Common subdirectories: {} and {}\n",
                    shown(a.as_os_str()),
                    shown(b.as_os_str())
                ));
            } else {
                let dir = shown(if left { from } else { to }.as_os_str());
                self.say(&format!("Only in {dir}: {}\n", shown(name)));
                self.differ();
            }
            return;
        }
        if left && right && kinds.0 != kinds.1 {
            let kind = |path: &Path| fs::metadata(path).map_or("regular file", |meta| kind_of(&meta));
            let line = format!(
                "File {} is a {} while file {} is a {}\n",
                shown(a.as_os_str()),
                kind(&a),
                shown(b.as_os_str()),
                kind(&b)
            );
            self.say(&line);
            return self.differ();
        }
        if !self.options.follow && self.links(&a, &b) {
            return;
        }
        self.files(a.as_os_str(), b.as_os_str(), Some((left, right)));
    }

    /// `--no-dereference`: compares links by where they lead; whether that settled it.
    fn links(&mut self, a: &Path, b: &Path) -> bool {
        match (fs::read_link(a), fs::read_link(b)) {
            (Ok(left), Ok(right)) => {
                if left != right {
                    self.say(&format!(
                        "Symbolic links {} and {} differ\n",
                        shown(a.as_os_str()),
                        shown(b.as_os_str())
                    ));
                    self.differ();
                }
                true
            }
            _ => false,
        }
    }

    fn side<'n>(&mut self, name: &'n OsStr, there: bool) -> Option<Side<'n>> {
        if !there {
            return Some(Side {
                name,
                text: Text::empty(),
                modified: Instant::default(),
            });
        }
        let modified = match fs::metadata(name) {
            _ if name == "-" => Instant::now(),
            Ok(meta) => Instant::new(meta.mtime(), meta.mtime_nsec()),
            Err(error) => {
                self.trouble(name, &error);
                return None;
            }
        };
        match Text::read(name, self.options) {
            Ok(text) => Some(Side { name, text, modified }),
            Err(error) => {
                self.trouble(name, &error);
                None
            }
        }
    }

    /// Two files. `there` tells of a pair of a tree which of them exist.
    fn files(&mut self, from: &OsStr, to: &OsStr, there: Option<(bool, bool)>) {
        let exists = |name: &OsStr| name == "-" || fs::metadata(name).is_ok();
        let absent_ok = self.options.new_file && there.is_none() && (exists(from) || exists(to));
        let (left, right) = match there {
            Some(there) => there,
            None if absent_ok => (exists(from), exists(to)),
            None => (true, true),
        };
        let (a, b) = (self.side(from, left), self.side(to, right));
        let (Some(a), Some(b)) = (a, b) else { return };
        let names = (shown(from), shown(to));
        if a.text.bytes() == b.text.bytes() {
            if self.options.identical {
                self.say(&format!("Files {} and {} are identical\n", names.0, names.1));
            }
            if self.options.format == Format::SideBySide {
                output::write(&a, &b, self.options, &mut self.out);
            }
            return;
        }
        if !self.options.text && (a.text.is_binary() || b.text.is_binary()) {
            let lead = if self.options.format == Format::Brief {
                "Files"
            } else {
                "Binary files"
            };
            self.say(&format!("{lead} {} and {} differ\n", names.0, names.1));
            return self.differ();
        }
        let mut text = Vec::new();
        if !output::write(&a, &b, self.options, &mut text) {
            if self.options.identical {
                self.say(&format!("Files {} and {} are identical\n", names.0, names.1));
            }
            self.out.extend(text);
            return;
        }
        if self.options.format == Format::Brief {
            self.say(&format!("Files {} and {} differ\n", names.0, names.1));
        } else {
            if there.is_some() {
                let words: String = self.options.words.iter().map(|word| format!(" {word}")).collect();
                self.say(&format!("diff{words} {} {}\n", names.0, names.1));
            }
            self.out.extend(text);
        }
        self.differ();
    }
}

fn kind_of(meta: &Metadata) -> &'static str {
    if meta.is_dir() {
        "directory"
    } else if meta.is_file() && meta.len() == 0 {
        "regular empty file"
    } else if meta.is_file() {
        "regular file"
    } else {
        "special file"
    }
}

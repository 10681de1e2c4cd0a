//! Operands, directories, their order, recursion.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

use agentos_tools_base::io::{bytes_of, complain, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use super::entry::Entry;
use super::options::{Follow, Format, Hidden, Mark, Options, Sort};
use super::{grid, long, quote};
use crate::users::Names;
use crate::{version, write};

/// State of a listing.
pub(super) struct Listing {
    pub(super) options: Options,
    pub(super) out: Vec<u8>,
    pub(super) names: Names,
    pub(super) long: long::Context,
    /// Whether a colour was used.
    pub(super) colored: bool,
    status: i32,
    failed: bool,
    /// Directories that lie above the one being listed, when links are followed.
    above: Vec<HashSet<(u64, u64)>>,
}

/// Lists the operands; returns the status.
pub(super) fn list(options: Options, operands: &[OsString]) -> i32 {
    let names = Names::new(options.numeric);
    let long = long::Context::new();
    let mut listing = Listing {
        options,
        out: Vec::new(),
        names,
        long,
        colored: false,
        status: 0,
        failed: false,
        above: Vec::new(),
    };
    listing.operands(operands);
    listing.flush();
    if listing.failed { 1 } else { listing.status }
}

impl Listing {
    fn flush(&mut self) {
        if !self.failed && write::all(self.options.tool, &self.out) != 0 {
            self.failed = true;
        }
        self.out.clear();
    }

    fn complain(&mut self, what: &str, name: &OsStr, error: &io::Error, status: i32) {
        self.flush();
        complain(
            self.options.tool,
            format_args!("{what} '{}': {}", shown(name), reason(error)),
        );
        self.status = self.status.max(status);
    }

    fn operands(&mut self, operands: &[OsString]) {
        let (mut files, mut dirs) = (Vec::new(), Vec::new());
        for name in operands {
            match self.operand(name) {
                Ok(entry) if entry.is_dir() && !self.options.directories_as_files => dirs.push(entry),
                Ok(entry) => files.push(entry),
                Err(error) => self.complain("cannot access", name, &error, 2),
            }
        }
        self.sort(&mut files);
        self.sort(&mut dirs);
        let titled = operands.len() > 1 || self.options.recursive;
        let any = !files.is_empty();
        if any {
            self.print(&files);
        }
        let mut first = !any;
        for dir in &dirs {
            self.tree(&dir.path, titled, &mut first, 2);
        }
    }

    fn operand(&self, name: &OsString) -> io::Result<Entry> {
        match self.options.follow {
            Follow::Always | Follow::CommandLine => {
                Entry::operand(name.clone(), true).or_else(|error| match Entry::operand(name.clone(), false) {
                    Ok(entry) if error.kind() == io::ErrorKind::NotFound => Ok(entry),
                    _ => Err(error),
                })
            }
            Follow::CommandLineDirs => match Entry::operand(name.clone(), true) {
                Ok(entry) if entry.is_dir() => Ok(entry),
                _ => Entry::operand(name.clone(), false),
            },
            Follow::Never => Entry::operand(name.clone(), false),
        }
    }

    /// Lists a directory and, if asked to, those below it. `status` is what a failure to open it means.
    fn tree(&mut self, root: &Path, titled: bool, first: &mut bool, status: i32) {
        let mut stack = vec![(root.to_path_buf(), 0_usize, status)];
        while let Some((dir, depth, status)) = stack.pop() {
            if self.failed {
                return;
            }
            self.above.truncate(depth);
            if self.options.recursive && self.loops(&dir, depth) {
                continue;
            }
            let entries = match self.read(&dir) {
                Ok(entries) => entries,
                Err(error) => {
                    self.complain("cannot open directory", dir.as_os_str(), &error, status);
                    continue;
                }
            };
            if !std::mem::take(first) {
                self.out.push(b'\n');
            }
            if titled {
                let name = quote::quoted(
                    bytes_of(dir.as_os_str()),
                    self.options.style,
                    self.options.question_marks,
                );
                self.out.extend_from_slice(&name);
                self.out.extend_from_slice(b":\n");
            }
            if self.options.format == Format::Long || self.options.blocks {
                let total: u64 = entries.iter().map(Entry::allocated).sum();
                let text = format!("total {}\n", self.options.block.show(total));
                self.out.extend_from_slice(text.as_bytes());
            }
            self.print(&entries);
            if self.options.recursive {
                let inner = entries.iter().filter(|e| e.is_dir() && e.name != "." && e.name != "..");
                stack.extend(inner.rev().map(|entry| (entry.path.clone(), depth + 1, 1)));
            }
        }
    }

    /// Whether a directory lies above itself, which only followed links can make happen.
    fn loops(&mut self, dir: &Path, depth: usize) -> bool {
        if self.options.follow != Follow::Always {
            return false;
        }
        let Ok(meta) = fs::metadata(dir) else { return false };
        let id = (meta.dev(), meta.ino());
        if self.above.iter().any(|level| level.contains(&id)) {
            self.flush();
            let text = format!("{}: not listing already-listed directory", shown(dir.as_os_str()));
            complain(self.options.tool, text);
            self.status = 2;
            return true;
        }
        self.above.resize_with(depth, HashSet::new);
        self.above.push(HashSet::from([id]));
        false
    }

    fn read(&mut self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        if self.options.hidden == Hidden::All {
            let dots = [".", ".."].iter().filter(|name| self.is_shown(name.as_bytes()));
            entries.extend(dots.map(|name| Entry::dots(dir, name)));
        }
        for entry in fs::read_dir(dir)? {
            let entry = Entry::inside(&entry?);
            if self.is_shown(entry.bytes()) {
                entries.push(entry);
            }
        }
        if self.needs_metadata() {
            let follow = self.options.follow == Follow::Always;
            for entry in &mut entries {
                if let Err(error) = entry.look(follow) {
                    let path = entry.path.as_os_str().to_os_string();
                    self.complain("cannot access", &path, &error, 1);
                }
            }
        }
        self.sort(&mut entries);
        Ok(entries)
    }

    fn is_shown(&self, name: &[u8]) -> bool {
        let matches = |pattern: &Vec<u8>| {
            // A leading dot is matched by a dot alone.
            (name[0] != b'.' || pattern.first() == Some(&b'.')) && crate::glob::matches(pattern, name)
        };
        if self.options.ignore.iter().any(matches) {
            return false;
        }
        self.options.hidden != Hidden::Skip || !(name.starts_with(b".") || self.options.hide.iter().any(matches))
    }

    fn needs_metadata(&self) -> bool {
        let options = &self.options;
        options.format == Format::Long
            || options.blocks
            || options.mark == Mark::Classify
            || options.colors.is_some()
            || options.follow == Follow::Always
            || matches!(options.sort, Sort::Time | Sort::Size)
    }

    fn sort(&self, entries: &mut [Entry]) {
        let options = &self.options;
        let by_name = |a: &Entry, b: &Entry| a.name.as_encoded_bytes().cmp(b.name.as_encoded_bytes());
        let extension = |entry: &Entry| -> Vec<u8> {
            let name = entry.bytes();
            name.iter()
                .rposition(|b| *b == b'.')
                .map_or_else(Vec::new, |at| name[at..].to_vec())
        };
        let compare = |a: &Entry, b: &Entry| match options.sort {
            Sort::None => Ordering::Equal,
            Sort::Name => by_name(a, b),
            Sort::Size => b.size().cmp(&a.size()).then_with(|| by_name(a, b)),
            Sort::Time => b
                .time(options.stamp)
                .cmp(&a.time(options.stamp))
                .then_with(|| by_name(a, b)),
            Sort::Version => version::compare(a.bytes(), b.bytes()),
            Sort::Extension => extension(a).cmp(&extension(b)).then_with(|| by_name(a, b)),
            Sort::Width => quote::columns(a.bytes())
                .cmp(&quote::columns(b.bytes()))
                .then_with(|| by_name(a, b)),
        };
        if options.sort == Sort::None {
            if options.directories_first {
                entries.sort_by_key(|entry| !entry.is_dir());
            }
            return;
        }
        entries.sort_by(|a, b| {
            let dirs = if options.directories_first {
                b.is_dir().cmp(&a.is_dir())
            } else {
                Ordering::Equal
            };
            dirs.then_with(|| if options.reverse { compare(b, a) } else { compare(a, b) })
        });
    }

    fn print(&mut self, entries: &[Entry]) {
        match self.options.format {
            Format::Long => long::print(self, entries),
            _ => grid::print(self, entries),
        }
        if self.out.len() > agentos_tools_base::io::BLOCK {
            self.flush();
        }
    }

    /// A name in its colour with its mark; returns the columns that it takes. `pad` puts a space before a name without
    /// quotes, so that names line up.
    pub(super) fn name(&mut self, entry: &Entry, pad: bool) -> usize {
        let text = quote::quoted(entry.bytes(), self.options.style, self.options.question_marks);
        let mut columns = quote::columns(&text);
        if pad && text == entry.bytes() {
            self.out.push(b' ');
            columns += 1;
        }
        let code = self
            .options
            .colors
            .as_ref()
            .and_then(|colors| colors.of(entry))
            .map(str::to_owned);
        self.painted(&text, code.as_deref());
        if let Some(mark) = entry
            .mark(&self.options)
            .filter(|_| !(entry.is_link() && self.is_long()))
        {
            self.out.push(mark);
            columns += 1;
        }
        columns
    }

    fn is_long(&self) -> bool {
        self.options.format == Format::Long
    }

    /// A text in a colour.
    pub(super) fn painted(&mut self, text: &[u8], code: Option<&str>) {
        let Some(code) = code else {
            self.out.extend_from_slice(text);
            return;
        };
        if !self.colored {
            self.colored = true;
            self.out.extend_from_slice(b"\x1b[0m");
        }
        self.out.extend_from_slice(format!("\x1b[{code}m").as_bytes());
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\x1b[0m");
    }

    /// Whether some name is quoted, so that the others want a space to line up.
    pub(super) fn some_quoted(&self, entries: &[Entry]) -> bool {
        self.options.style.varies()
            && self.options.format != Format::Commas
            && self.options.format != Format::Single
            && entries
                .iter()
                .any(|e| quote::quoted(e.bytes(), self.options.style, self.options.question_marks) != e.bytes())
    }
}

//! Which files are searched, and how their contents reach the searcher.

use super::matcher::Engines;
use super::options::{Binary, Directories, Options, trim_slashes};
use super::printer::Printer;
use crate::glob;
use crate::io::{BLOCK, Out, bytes_of, complain, complain_file};
use grep::searcher::{BinaryDetection, MmapChoice, Searcher, SearcherBuilder};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Files up to this size, in bytes, are searched in memory; larger ones stream.
const WHOLE_FILE_LIMIT: u64 = 32 << 20;
/// Deepest directory nesting followed.
const DEPTH_LIMIT: usize = 1000;

/// One run of `grep`.
pub struct Search<'a> {
    options: &'a Options,
    engines: &'a Engines,
    searcher: Searcher,
    buffer: Vec<u8>,
    /// Prints.
    pub printer: Printer<'a>,
    /// A line was selected.
    pub matched: bool,
    /// A file could not be searched.
    pub failed: bool,
}

impl<'a> Search<'a> {
    /// Prepares a run.
    pub fn new(options: &'a Options, engines: &'a Engines, out: Out) -> Self {
        let recursive = matches!(options.directories, Directories::Recurse | Directories::Follow);
        let folder = || options.files.first().is_none_or(|first| Path::new(first).is_dir());
        let many = options.files.len() > 1 || (recursive && folder());
        let with_names = options.names.unwrap_or(many);
        let searcher = SearcherBuilder::new()
            .line_terminator(grep::matcher::LineTerminator::byte(options.delimiter))
            .invert_match(options.invert)
            .line_number(options.line_numbers)
            .before_context(options.before)
            .after_context(options.after)
            .max_matches(options.max_count)
            .memory_map(MmapChoice::never())
            .binary_detection(BinaryDetection::none())
            .bom_sniffing(false)
            .build();
        Self {
            options,
            engines,
            searcher,
            buffer: Vec::new(),
            printer: Printer::new(options, &engines.parts, with_names, out),
            matched: false,
            failed: false,
        }
    }

    /// Searches every file named on the command line.
    ///
    /// # Errors
    ///
    /// Only what writing the output says; trouble with a file is reported and remembered.
    pub fn run(&mut self) -> io::Result<()> {
        let recursive = matches!(self.options.directories, Directories::Recurse | Directories::Follow);
        if self.options.files.is_empty() {
            return if recursive {
                self.directory(Path::new("."), true, 0, &mut HashSet::new())
            } else {
                self.stdin()
            };
        }
        for file in &self.options.files {
            if file == "-" {
                self.stdin()?;
            } else {
                self.operand(file, recursive)?;
            }
            if self.options.quiet && self.matched {
                break;
            }
        }
        Ok(())
    }

    fn operand(&mut self, file: &OsStr, recursive: bool) -> io::Result<()> {
        let path = Path::new(file);
        let kind = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) => {
                self.complain(file, &error);
                return Ok(());
            }
        };
        if kind.is_dir() {
            if recursive {
                if self.skips_directory(trim_slashes(bytes_of(file))) {
                    return Ok(());
                }
                return self.directory(path, false, 0, &mut HashSet::new());
            }
            if self.options.directories == Directories::Read {
                if !self.options.no_messages {
                    complain("grep", format_args!("{}: Is a directory", crate::io::shown(file)));
                }
                self.failed = true;
            }
            return Ok(());
        }
        if self.skips_file(bytes_of(file)) || (self.options.skip_devices && !kind.is_file()) {
            return Ok(());
        }
        self.file(path, bytes_of(file).to_vec())
    }

    fn complain(&mut self, name: &OsStr, error: &io::Error) {
        self.failed = true;
        if !self.options.no_messages {
            complain_file("grep", name, error);
        }
    }

    /// Searches a directory. `bare` leaves the leading `./` off names, as for `grep -r` without operands.
    fn directory(&mut self, folder: &Path, bare: bool, depth: usize, seen: &mut HashSet<PathBuf>) -> io::Result<()> {
        let follow = self.options.directories == Directories::Follow;
        if follow && !self.enter(folder, seen) {
            return Ok(());
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) if depth < DEPTH_LIMIT => entries,
            Ok(_) => return Ok(()),
            Err(error) => {
                self.complain(folder.as_os_str(), &error);
                return Ok(());
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let path = if bare { PathBuf::from(&name) } else { folder.join(&name) };
            let Ok(mut kind) = entry.file_type() else { continue };
            if kind.is_symlink() {
                match fs::metadata(&path) {
                    Ok(target) if follow => kind = target.file_type(),
                    _ => continue,
                }
            }
            self.entry(&name, &path, kind, depth, seen)?;
            if self.options.quiet && self.matched {
                return Ok(());
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        name: &OsString,
        path: &Path,
        kind: FileType,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
    ) -> io::Result<()> {
        if kind.is_dir() {
            if self.skips_directory(bytes_of(name)) {
                return Ok(());
            }
            return self.directory(path, false, depth + 1, seen);
        }
        if !kind.is_file() || self.skips_file(bytes_of(name)) {
            return Ok(());
        }
        self.file(path, bytes_of(path.as_os_str()).to_vec())
    }

    /// Notes a directory on the way down; false for one that a link led back to.
    fn enter(&mut self, folder: &Path, seen: &mut HashSet<PathBuf>) -> bool {
        match fs::canonicalize(folder) {
            Ok(real) if !seen.contains(&real) => seen.insert(real),
            Ok(_) => {
                let shown = folder.display();
                complain("grep", format_args!("{shown}: warning: recursive directory loop"));
                false
            }
            Err(_) => true,
        }
    }

    fn skips_directory(&self, name: &[u8]) -> bool {
        self.options
            .exclude_dir
            .iter()
            .any(|pattern| glob::matches(pattern, name, glob::Flags::default()))
    }

    fn skips_file(&self, name: &[u8]) -> bool {
        let base = name.rsplit(|&b| b == b'/').next().unwrap_or(name);
        let hit = |pattern: &Vec<u8>| {
            let subject = if pattern.contains(&b'/') { name } else { base };
            glob::matches(pattern, subject, glob::Flags::default())
        };
        let included = self.options.include.is_empty() || self.options.include.iter().any(hit);
        !included || self.options.exclude.iter().any(hit)
    }

    fn stdin(&mut self) -> io::Result<()> {
        self.stream(
            io::stdin().lock(),
            self.options.label.clone().into_bytes(),
            OsStr::new("-"),
        )
    }

    fn file(&mut self, path: &Path, name: Vec<u8>) -> io::Result<()> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                self.complain(path.as_os_str(), &error);
                return Ok(());
            }
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let read = file.by_ref().take(WHOLE_FILE_LIMIT + 1).read_to_end(&mut buffer);
        let outcome = match read {
            Err(error) => {
                self.complain(path.as_os_str(), &error);
                Ok(())
            }
            Ok(length) if length as u64 > WHOLE_FILE_LIMIT => self.stream(
                io::Cursor::new(std::mem::take(&mut buffer)).chain(file),
                name,
                path.as_os_str(),
            ),
            Ok(_) => self.slice(&buffer, name),
        };
        self.buffer = buffer;
        outcome
    }

    fn slice(&mut self, text: &[u8], name: Vec<u8>) -> io::Result<()> {
        let binary = self.is_binary(text);
        if binary && self.options.binary == Binary::Skip {
            self.printer.start(name, false);
            return self.printer.finish();
        }
        self.printer.start(name, binary);
        self.searcher
            .search_slice(&self.engines.lines, text, &mut self.printer)?;
        self.matched |= self.printer.count > 0;
        self.printer.finish()
    }

    fn stream(&mut self, mut input: impl Read, name: Vec<u8>, path: &OsStr) -> io::Result<()> {
        let mut head = vec![0; BLOCK / 2];
        let length = match input.read(&mut head) {
            Ok(length) => length,
            Err(error) => {
                self.complain(path, &error);
                return Ok(());
            }
        };
        head.truncate(length);
        let binary = self.is_binary(&head);
        self.printer.start(name, binary);
        if !(binary && self.options.binary == Binary::Skip) {
            let whole = io::Cursor::new(head).chain(input);
            self.searcher
                .search_reader(&self.engines.lines, whole, &mut self.printer)?;
            self.matched |= self.printer.count > 0;
        }
        self.printer.finish()
    }

    fn is_binary(&self, text: &[u8]) -> bool {
        self.options.delimiter != 0 && text.contains(&0)
    }
}

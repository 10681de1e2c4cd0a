//! Runs a script over the input.

use super::Settings;
use super::input::Input;
use super::replace;
use super::script::{Action, Address, Command, Pattern, Script, Substitute};
use crate::io::{BLOCK, Out, bytes_of, complain, path, reason, stdout};
use crate::platform::PermissionsExt;
use crate::regex::{Groups, Regex};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// State of the range of one command.
#[derive(Clone, Copy, Default)]
struct Range {
    active: bool,
    /// Line that ends it, where a number does.
    until: u64,
    /// A range from line 0 was opened.
    started: bool,
}

enum Sink {
    Stdout,
    Stderr,
    File(BufWriter<File>),
}

enum Queued {
    Text(Vec<u8>),
    File(Vec<u8>),
}

enum Flow {
    /// End of the script: print unless quiet.
    End,
    /// Start the next cycle without printing.
    Delete,
    /// Start again without reading.
    Restart,
    /// Stop; print first if the flag is set.
    Quit(i32, bool),
}

struct Edited {
    temporary: PathBuf,
    target: PathBuf,
    file: BufWriter<File>,
}

/// The machine.
pub struct Machine<'a> {
    settings: &'a Settings,
    script: Rc<Script>,
    input: Input,
    out: Out,
    edited: Option<Edited>,
    sinks: Vec<Sink>,
    readers: Vec<Option<BufReader<File>>>,
    ranges: Vec<Range>,
    space: Vec<u8>,
    hold: Vec<u8>,
    ended: bool,
    missing_newline: bool,
    queue: Vec<Queued>,
    replaced: bool,
    last_regex: Option<Rc<Regex>>,
    scratch: Vec<u8>,
    groups: Groups,
}

impl<'a> Machine<'a> {
    /// Opens the files that the script writes.
    ///
    /// # Errors
    ///
    /// When one cannot be created.
    pub fn new(settings: &'a Settings, script: Script, files: Vec<OsString>) -> io::Result<Self> {
        let mut sinks = Vec::new();
        for name in &script.outputs {
            sinks.push(match name.as_slice() {
                b"/dev/stdout" => Sink::Stdout,
                b"/dev/stderr" => Sink::Stderr,
                name => {
                    let named = |error: io::Error| {
                        let shown = String::from_utf8_lossy(name);
                        io::Error::other(format!("couldn't open file {shown}: {}", reason(&error)))
                    };
                    Sink::File(BufWriter::new(File::create(path(name)).map_err(named)?))
                }
            });
        }
        let readers = script
            .inputs
            .iter()
            .map(|name| File::open(path(name)).ok().map(BufReader::new))
            .collect();
        Ok(Self {
            ranges: vec![Range::default(); script.commands.len()],
            script: Rc::new(script),
            input: Input::new(files, settings),
            settings,
            out: stdout(),
            edited: None,
            sinks,
            readers,
            space: Vec::new(),
            hold: Vec::new(),
            ended: true,
            missing_newline: false,
            queue: Vec::new(),
            replaced: false,
            last_regex: None,
            scratch: Vec::new(),
            groups: Groups::new(),
        })
    }

    /// Runs to the end of input; returns the exit status.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn run(mut self) -> io::Result<i32> {
        let mut restart = false;
        let mut status = 0;
        loop {
            if !restart {
                self.replaced = false;
                if !self.read_line(false)? {
                    break;
                }
            }
            restart = false;
            match self.cycle()? {
                Flow::End => {
                    self.print_unless_quiet()?;
                    self.flush_queue()?;
                }
                Flow::Delete => self.flush_queue()?,
                Flow::Restart => {
                    self.flush_queue()?;
                    restart = true;
                }
                Flow::Quit(code, print) => {
                    status = code;
                    if print {
                        self.print_unless_quiet()?;
                    }
                    self.flush_queue()?;
                    break;
                }
            }
        }
        self.finish_edit()?;
        self.out.flush()?;
        for sink in &mut self.sinks {
            if let Sink::File(file) = sink {
                file.flush()?;
            }
        }
        Ok(if status == 0 && self.input.failed { 2 } else { status })
    }

    /// Reads a line into the pattern space (after a newline, if `append`).
    fn read_line(&mut self, append: bool) -> io::Result<bool> {
        if append {
            self.space.push(self.settings.delimiter);
        } else {
            self.space.clear();
        }
        match self.input.next(&mut self.space)? {
            None => {
                if append {
                    self.space.pop();
                }
                Ok(false)
            }
            Some(ended) => {
                self.ended = ended;
                if self.input.opened {
                    self.input.opened = false;
                    self.start_edit()?;
                }
                Ok(true)
            }
        }
    }

    fn start_edit(&mut self) -> io::Result<()> {
        if self.settings.in_place.is_none() {
            return Ok(());
        }
        self.finish_edit()?;
        let target = PathBuf::from(&self.input.name);
        let folder = target
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let temporary = folder.join(format!(".sed{}", std::process::id()));
        let file = File::create(&temporary)?;
        if let Ok(found) = fs::metadata(&target) {
            let mode = fs::Permissions::from_mode(found.permissions().mode() & 0o7777);
            let _ = fs::set_permissions(&temporary, mode);
        }
        self.edited = Some(Edited {
            temporary,
            target,
            file: BufWriter::with_capacity(BLOCK, file),
        });
        Ok(())
    }

    fn finish_edit(&mut self) -> io::Result<()> {
        let Some(mut edited) = self.edited.take() else {
            return Ok(());
        };
        edited.file.flush()?;
        if let Some(suffix) = self.settings.in_place.as_ref().filter(|suffix| !suffix.is_empty()) {
            fs::rename(&edited.target, backup_name(&edited.target, suffix))?;
        }
        self.missing_newline = false;
        fs::rename(&edited.temporary, &edited.target)
    }

    fn write(&mut self, text: &[u8], ended: bool) -> io::Result<()> {
        let delimiter = [self.settings.delimiter];
        let out: &mut dyn Write = match &mut self.edited {
            Some(edited) => &mut edited.file,
            None => &mut self.out,
        };
        if std::mem::take(&mut self.missing_newline) {
            out.write_all(&delimiter)?;
        }
        out.write_all(text)?;
        if ended {
            out.write_all(&delimiter)?;
        }
        self.missing_newline = !ended;
        if self.settings.unbuffered { out.flush() } else { Ok(()) }
    }

    fn write_raw(&mut self, text: &[u8]) -> io::Result<()> {
        self.write(text, false)?;
        self.missing_newline = false;
        Ok(())
    }

    fn print_space(&mut self) -> io::Result<()> {
        let space = std::mem::take(&mut self.space);
        let outcome = self.write(&space, self.ended);
        self.space = space;
        outcome
    }

    fn print_unless_quiet(&mut self) -> io::Result<()> {
        if self.settings.quiet {
            Ok(())
        } else {
            self.print_space()
        }
    }

    fn flush_queue(&mut self) -> io::Result<()> {
        for item in std::mem::take(&mut self.queue) {
            match item {
                Queued::Text(text) => self.write_raw(&text)?,
                Queued::File(name) => {
                    let name = if name == b"/dev/stdin" { b"-".to_vec() } else { name };
                    if let Ok(text) = crate::io::read_all(&crate::io::os(name))
                        && !text.is_empty()
                    {
                        self.write_raw(&text)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn cycle(&mut self) -> io::Result<Flow> {
        let script = Rc::clone(&self.script);
        let mut at = 0;
        while let Some(command) = script.commands.get(at) {
            at += 1;
            if self.selects(command, at - 1)? == command.negate {
                if let Action::Block(end) = command.action {
                    at = end;
                }
                continue;
            }
            if let Some(flow) = self.step(command, &mut at)? {
                return Ok(flow);
            }
        }
        Ok(Flow::End)
    }

    fn step(&mut self, command: &Command, at: &mut usize) -> io::Result<Option<Flow>> {
        match &command.action {
            Action::Block(_) | Action::Nothing => {}
            Action::LineNumber => self.write_raw(format!("{}\n", self.input.line).as_bytes())?,
            Action::Append(text) => self.queue.push(Queued::Text(text.clone())),
            Action::Insert(text) => self.write_raw(text)?,
            Action::Change(text) => return self.change(command, text, *at - 1).map(Some),
            Action::Branch(to) => *at = *to,
            Action::BranchIfReplaced(to) if self.replaced => {
                self.replaced = false;
                *at = *to;
            }
            Action::BranchUnlessReplaced(to) if !self.replaced => *at = *to,
            Action::BranchUnlessReplaced(_) => self.replaced = false,
            Action::BranchIfReplaced(_) => {}
            Action::Delete => return Ok(Some(Flow::Delete)),
            Action::DeleteFirst => return Ok(Some(self.delete_first())),
            Action::FileName => {
                let name = [bytes_of(&self.input.name), b"\n"].concat();
                self.write_raw(&name)?;
            }
            Action::Get => self.space.clone_from(&self.hold),
            Action::GetAppend => append(&mut self.space, &self.hold, self.settings.delimiter),
            Action::Hold => self.hold.clone_from(&self.space),
            Action::HoldAppend => append(&mut self.hold, &self.space, self.settings.delimiter),
            Action::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            Action::List(length) => {
                let text = listing(&self.space, length.unwrap_or(self.settings.line_length));
                self.write_raw(&text)?;
            }
            Action::Next | Action::NextAppend => return self.next_line(matches!(command.action, Action::NextAppend)),
            Action::Print => self.print_space()?,
            Action::PrintFirst => {
                let end = self.first_line();
                let line = self.space[..end].to_vec();
                self.write(&line, true)?;
            }
            Action::Quit(code) => return Ok(Some(Flow::Quit(*code, true))),
            Action::QuitSilently(code) => return Ok(Some(Flow::Quit(*code, false))),
            Action::ReadFile(name) => self.queue.push(Queued::File(name.clone())),
            Action::ReadLine(index) => self.read_side_line(*index)?,
            Action::WriteFile(index) => self.write_sink(*index, self.space.len())?,
            Action::WriteFirst(index) => self.write_sink(*index, self.first_line())?,
            Action::Substitute(found) => self.substitute(found)?,
            Action::Translate(table) => replace::translate(table, &mut self.space),
            Action::Zap => self.space.clear(),
        }
        Ok(None)
    }

    fn first_line(&self) -> usize {
        let delimiter = self.settings.delimiter;
        self.space
            .iter()
            .position(|&b| b == delimiter)
            .unwrap_or(self.space.len())
    }

    fn change(&mut self, command: &Command, text: &[u8], index: usize) -> io::Result<Flow> {
        let in_range = command.to.is_some() && !command.negate && self.ranges[index].active;
        if !in_range {
            self.write_raw(text)?;
        }
        Ok(Flow::Delete)
    }

    fn delete_first(&mut self) -> Flow {
        let end = self.first_line();
        if end == self.space.len() {
            return Flow::Delete;
        }
        self.space.drain(..=end);
        Flow::Restart
    }

    fn next_line(&mut self, append: bool) -> io::Result<Option<Flow>> {
        if self.input.at_end() && (!self.settings.separate || self.input.exhausted()) {
            // GNU prints the pattern space when `N` finds no next line; POSIX discards it.
            let print = !append || !self.settings.posix;
            return Ok(Some(Flow::Quit(0, print)));
        }
        if !append {
            self.print_unless_quiet()?;
        }
        self.flush_queue()?;
        self.read_line(append)?;
        Ok(None)
    }

    fn read_side_line(&mut self, index: usize) -> io::Result<()> {
        let Some(Some(reader)) = self.readers.get_mut(index) else {
            return Ok(());
        };
        let mut line = Vec::new();
        if reader.read_until(self.settings.delimiter, &mut line)? > 0 {
            if line.last() != Some(&self.settings.delimiter) {
                line.push(self.settings.delimiter);
            }
            self.queue.push(Queued::Text(line));
        }
        Ok(())
    }

    fn write_sink(&mut self, index: usize, end: usize) -> io::Result<()> {
        let mut line = self.space[..end].to_vec();
        line.push(self.settings.delimiter);
        match &mut self.sinks[index] {
            Sink::Stdout => self.out.write_all(&line),
            Sink::Stderr => io::stderr().write_all(&line),
            Sink::File(file) => file.write_all(&line).and_then(|()| file.flush()),
        }
    }

    fn substitute(&mut self, found: &Substitute) -> io::Result<()> {
        let regex = self.resolve(&found.pattern)?;
        if !replace::substitute(found, &regex, &mut self.space, &mut self.scratch, &mut self.groups) {
            return Ok(());
        }
        self.replaced = true;
        if found.print {
            self.print_space()?;
        }
        match found.write {
            Some(index) => self.write_sink(index, self.space.len()),
            None => Ok(()),
        }
    }

    /// The expression, or the last one used for the empty expression.
    fn resolve(&mut self, pattern: &Pattern) -> io::Result<Rc<Regex>> {
        if let Some(regex) = pattern {
            self.last_regex = Some(Rc::clone(regex));
        }
        self.last_regex
            .clone()
            .ok_or_else(|| io::Error::other("no previous regular expression"))
    }

    fn selects(&mut self, command: &Command, index: usize) -> io::Result<bool> {
        let Some(from) = &command.from else { return Ok(true) };
        let Some(to) = &command.to else {
            return self.address(from);
        };
        let line = self.input.line;
        if self.ranges[index].active {
            let (inside, ends) = match to {
                Address::Match(pattern) => (true, self.matches(pattern)?),
                Address::Last => (true, self.input.at_end()),
                _ => (line <= self.ranges[index].until, line >= self.ranges[index].until),
            };
            self.ranges[index].active = !ends;
            if inside {
                return Ok(true);
            }
        }
        let zero = matches!(from, Address::Line(0));
        if zero {
            if self.ranges[index].started {
                return Ok(false);
            }
            self.ranges[index].started = true;
            if let Address::Match(pattern) = to {
                self.ranges[index].active = !self.matches(pattern)?;
            }
            return Ok(true);
        }
        if !self.address(from)? {
            return Ok(false);
        }
        let until = match to {
            Address::Line(last) => *last,
            Address::Plus(count) => line.saturating_add(*count),
            Address::Multiple(0) => line,
            Address::Multiple(step) => line.div_ceil(*step).saturating_mul(*step),
            _ => u64::MAX,
        };
        let last = matches!(to, Address::Last) && self.input.at_end();
        self.ranges[index].until = until;
        self.ranges[index].active = until > line && !last;
        Ok(true)
    }

    fn address(&mut self, address: &Address) -> io::Result<bool> {
        let line = self.input.line;
        Ok(match address {
            Address::Line(number) => line == *number,
            Address::Step(first, 0) => line == *first,
            Address::Step(first, step) => line >= *first && (line - first).is_multiple_of(*step),
            Address::Last => self.input.at_end(),
            Address::Match(pattern) => self.matches(pattern)?,
            Address::Plus(_) | Address::Multiple(_) => false,
        })
    }

    fn matches(&mut self, pattern: &Pattern) -> io::Result<bool> {
        let regex = self.resolve(pattern)?;
        Ok(regex.is_match(&self.space))
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        if let Some(edited) = self.edited.take()
            && let Err(error) = fs::remove_file(&edited.temporary)
        {
            complain("sed", reason(&error));
        }
    }
}

fn append(to: &mut Vec<u8>, text: &[u8], delimiter: u8) {
    to.push(delimiter);
    to.extend_from_slice(text);
}

/// The name of the backup: `*` stands for the file's name, otherwise the suffix is appended.
fn backup_name(target: &Path, suffix: &[u8]) -> PathBuf {
    let base = target.file_name().map(bytes_of).unwrap_or_default();
    let name = if suffix.contains(&b'*') {
        let parts: Vec<&[u8]> = suffix.split(|&b| b == b'*').collect();
        parts.join(base)
    } else {
        [base, suffix].concat()
    };
    if name.contains(&b'/') {
        path(&name)
    } else {
        target.with_file_name(crate::io::os(name))
    }
}

/// The unambiguous form that `l` prints.
fn listing(space: &[u8], length: usize) -> Vec<u8> {
    let width = if length > 1 { length - 1 } else { usize::MAX };
    let mut out = Vec::new();
    let mut column = 0;
    let mut at = 0;
    while at < space.len() {
        let unit = unambiguous(space[at]);
        at += 1;
        if column + unit.len() > width {
            out.extend_from_slice(b"\\\n");
            column = 0;
        }
        column += unit.len();
        out.extend_from_slice(&unit);
    }
    out.extend_from_slice(b"$\n");
    out
}

fn unambiguous(byte: u8) -> Vec<u8> {
    match byte {
        b'\\' => b"\\\\".to_vec(),
        0x07 => b"\\a".to_vec(),
        0x08 => b"\\b".to_vec(),
        0x0c => b"\\f".to_vec(),
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        b'\t' => b"\\t".to_vec(),
        0x0b => b"\\v".to_vec(),
        0x20..=0x7e => vec![byte],
        _ => format!("\\{byte:03o}").into_bytes(),
    }
}

//! `-exec`, `-execdir`, `-ok`, `-okdir`.

use std::cell::RefCell;
use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use agentos_tools_base::io::{bytes_of, complain, os, reason, shown};

use super::expr::Found;
use super::walk::State;

/// Bytes of arguments that one command of `-exec +` gets at most.
const MOST_BYTES: usize = 128 * 1024;

/// A command of the expression.
pub(super) struct Command {
    words: Vec<OsString>,
    many: bool,
    in_directory: bool,
    asks: bool,
    collected: RefCell<Collected>,
}

#[derive(Default)]
struct Collected {
    directory: Option<PathBuf>,
    names: Vec<OsString>,
    bytes: usize,
}

impl Command {
    /// A command from its words; with `many`, the last word is `{}` and stands for all files.
    pub(super) fn new(mut words: Vec<OsString>, many: bool, in_directory: bool, asks: bool) -> Self {
        if many {
            words.pop();
        }
        Self {
            words,
            many,
            in_directory,
            asks,
            collected: RefCell::default(),
        }
    }

    pub(super) fn run(&self, file: &Found<'_>, state: &mut State) -> bool {
        let (directory, name) = self.place(file);
        if self.many {
            let mut collected = self.collected.borrow_mut();
            if collected.directory != directory || collected.bytes > MOST_BYTES {
                self.collected_run(&mut collected, state);
                collected.directory = directory;
            }
            collected.bytes += name.len() + 1;
            collected.names.push(name);
            return true;
        }
        let words: Vec<OsString> = self.words.iter().map(|word| replaced(word, &name)).collect();
        if self.asks && !confirmed(&words, state) {
            return false;
        }
        start(&words, directory.as_deref(), self.asks, state) == Some(0)
    }

    /// Runs the command on what is collected still.
    pub(super) fn finish(&self, state: &mut State) {
        self.collected_run(&mut self.collected.borrow_mut(), state);
    }

    fn collected_run(&self, collected: &mut Collected, state: &mut State) {
        let names = std::mem::take(&mut collected.names);
        collected.bytes = 0;
        if names.is_empty() {
            return;
        }
        let words: Vec<OsString> = self.words.iter().cloned().chain(names).collect();
        if start(&words, collected.directory.as_deref(), false, state) != Some(0) {
            state.status = 1;
        }
    }

    /// Where the command runs, and the file's name as seen from there.
    fn place(&self, file: &Found<'_>) -> (Option<PathBuf>, OsString) {
        if !self.in_directory {
            return (None, file.path.as_os_str().to_os_string());
        }
        let name = file.name();
        if bytes_of(&name) == b"/" {
            return (Some(PathBuf::from("/")), name);
        }
        let parent = file
            .path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        (Some(parent.to_path_buf()), os([b"./", bytes_of(&name)].concat()))
    }
}

/// The word with each `{}` replaced.
fn replaced(word: &OsString, name: &OsString) -> OsString {
    let bytes = bytes_of(word);
    if !bytes.windows(2).any(|pair| pair == b"{}") {
        return word.clone();
    }
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"{}") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(bytes_of(name));
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    os(out)
}

fn confirmed(words: &[OsString], state: &mut State) -> bool {
    state.flush();
    let command: Vec<String> = words.iter().map(|word| shown(word)).collect();
    let _ = write!(
        std::io::stderr(),
        "< {} ... {} > ? ",
        command[0],
        command.last().map_or("", String::as_str)
    );
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    answer.trim_start().starts_with(['y', 'Y'])
}

/// Runs a command to its end; returns its exit status, `None` after a complaint or a death by signal.
fn start(words: &[OsString], directory: Option<&Path>, silent: bool, state: &mut State) -> Option<i32> {
    state.flush();
    let mut command = Process::new(words.first()?);
    command.args(&words[1..]);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    if silent {
        command.stdin(Stdio::null());
    }
    match command.status() {
        Ok(status) => status.code(),
        Err(error) => {
            state.flush();
            complain("find", format_args!("'{}': {}", shown(&words[0]), reason(&error)));
            None
        }
    }
}

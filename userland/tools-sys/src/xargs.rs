//! `xargs`: runs commands with the words that it reads.
//!
//! Children run in groups of at most `-P`; the program waits for one of them when all places are taken.

mod input;
mod options;

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::process::{Child, Command, Stdio};

use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::ExitStatusExt;

use input::{Input, Word};
use options::{Options, Parsed};

/// `xargs`.
pub(crate) fn xargs(args: Vec<OsString>) -> i32 {
    match options::parse(args) {
        Parsed::Run(options) => match Runner::new(*options) {
            Ok(runner) => runner.run(),
            Err(status) => status,
        },
        Parsed::Done(status) => status,
    }
}

/// Statuses of GNU xargs.
const SOME_FAILED: i32 = 123;
const STOPPED: i32 = 124;
const KILLED: i32 = 125;

struct Runner {
    options: Options,
    input: Input,
    children: Vec<Child>,
    status: i32,
    /// No further command is to run.
    stop: bool,
    ran: bool,
}

impl Runner {
    fn new(options: Options) -> Result<Self, i32> {
        let input = Input::open(&options).map_err(|error| {
            let name = options.file.as_deref().map(shown).unwrap_or_default();
            complain(
                "xargs",
                format_args!("Cannot open input file '{name}': {}", reason(&error)),
            );
            1
        })?;
        Ok(Self {
            options,
            input,
            children: Vec::new(),
            status: 0,
            stop: false,
            ran: false,
        })
    }

    fn run(mut self) -> i32 {
        if self.options.replace.is_some() {
            self.replacing()
        } else {
            self.appending()
        }
        while !self.children.is_empty() {
            self.wait();
        }
        self.status
    }

    fn next(&mut self) -> Option<Word> {
        match self.input.next() {
            Ok(word) => word,
            Err(message) => {
                complain("xargs", message);
                (self.status, self.stop) = (1, true);
                None
            }
        }
    }

    /// `-I`: one command for each line, with the line in place of the mark.
    fn replacing(&mut self) {
        let mark = self.options.replace.clone().unwrap_or_default();
        while !self.stop
            && let Some(word) = self.next()
        {
            let words: Vec<OsString> = self
                .options
                .command
                .iter()
                .map(|part| options::replaced(part, &mark, &word.text))
                .collect();
            if size(&words) > self.options.most_bytes {
                complain("xargs", "argument list too long");
                (self.status, self.stop) = (1, true);
                break;
            }
            self.start(words);
        }
    }

    fn appending(&mut self) {
        let base = size(&self.options.command);
        let mut words: Vec<OsString> = Vec::new();
        let (mut bytes, mut lines) = (base, 0);
        while !self.stop
            && let Some(word) = self.next()
        {
            let more = word.text.len() + 1;
            let full = words.len() >= self.options.most_words || bytes + more > self.options.most_bytes;
            if full {
                if base + more > self.options.most_bytes
                    || (self.options.exit && bytes + more > self.options.most_bytes)
                {
                    complain("xargs", "argument line too long");
                    (self.status, self.stop) = (1, true);
                    break;
                }
                self.command(&mut words);
                (bytes, lines) = (base, 0);
                if self.stop {
                    break;
                }
            }
            bytes += more;
            words.push(word.text);
            lines += usize::from(word.ends_line);
            if lines >= self.options.most_lines {
                self.command(&mut words);
                (bytes, lines) = (base, 0);
            }
        }
        if !self.stop && (!words.is_empty() || (!self.ran && !self.options.no_run_if_empty)) {
            self.command(&mut words);
        }
    }

    fn command(&mut self, words: &mut Vec<OsString>) {
        let all = self.options.command.iter().cloned().chain(words.drain(..)).collect();
        self.start(all);
    }

    fn start(&mut self, words: Vec<OsString>) {
        self.ran = true;
        if (self.options.verbose || self.options.prompt) && !self.announce(&words) {
            return;
        }
        while self.children.len() >= self.options.parallel {
            self.wait();
        }
        if self.stop {
            return;
        }
        let Some((program, arguments)) = words.split_first() else {
            return;
        };
        let mut command = Command::new(program);
        command.args(arguments);
        // The input is ours, unless it comes from a file.
        if !(self.options.open_tty || self.options.file.is_some()) {
            command.stdin(Stdio::null());
        } else if self.options.open_tty
            && let Ok(tty) = std::fs::File::open("/dev/tty")
        {
            command.stdin(tty);
        }
        match command.spawn() {
            Ok(child) => self.children.push(child),
            Err(error) => {
                complain("xargs", format_args!("{}: {}", shown(program), reason(&error)));
                self.status = if error.kind() == io::ErrorKind::NotFound {
                    127
                } else {
                    126
                };
                self.stop = true;
            }
        }
        if self.options.parallel == 1 && !self.children.is_empty() {
            self.wait();
        }
    }

    /// Shows the command; false if it is not to run.
    fn announce(&self, words: &[OsString]) -> bool {
        let text: Vec<String> = words.iter().map(|word| options::quoted(word)).collect();
        let mut error = io::stderr();
        if !self.options.prompt {
            let _ = writeln!(error, "{}", text.join(" "));
            return true;
        }
        let _ = write!(error, "{}?...", text.join(" "));
        let Ok(tty) = std::fs::File::open("/dev/tty") else {
            return false;
        };
        let mut answer = String::new();
        let _ = io::BufReader::new(tty).read_line(&mut answer);
        answer.starts_with(['y', 'Y'])
    }

    /// Waits for one child to end.
    fn wait(&mut self) {
        let at = if self.children.len() == 1 { 0 } else { self.ended() };
        let mut child = self.children.swap_remove(at);
        let Ok(status) = child.wait() else { return };
        match (status.code(), status.signal()) {
            (Some(0), _) => {}
            (Some(255), _) => {
                complain("xargs", "a command exited with status 255; aborting");
                (self.status, self.stop) = (STOPPED, true);
            }
            (Some(126 | 127), _) if self.status == 0 => self.status = SOME_FAILED,
            (Some(_), _) => self.status = SOME_FAILED,
            (None, signal) => {
                complain(
                    "xargs",
                    format_args!("a command was killed by signal {}; aborting", signal.unwrap_or(0)),
                );
                (self.status, self.stop) = (KILLED, true);
            }
        }
    }

    /// Which child has ended; waits until one has.
    fn ended(&mut self) -> usize {
        loop {
            let ended = self
                .children
                .iter_mut()
                .position(|child| !matches!(child.try_wait(), Ok(None)));
            if let Some(at) = ended {
                return at;
            }
            wait_for_any();
        }
    }
}

/// Waits until some child can be waited for.
#[cfg(target_family = "wasm")]
fn wait_for_any() {
    let _ = agentos_guest::fd::poll(&[agentos_guest::fd::Source::Child(None)], None);
}

/// The same on a host, where tests run.
#[cfg(not(target_family = "wasm"))]
fn wait_for_any() {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

fn size(words: &[OsString]) -> usize {
    words.iter().map(|word| word.len() + 1).sum()
}

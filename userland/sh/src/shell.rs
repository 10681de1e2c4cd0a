//! The state of a shell, and how its parts report to the user.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use crate::ast::Function;
use crate::jobs::Jobs;
use crate::options::{Options, Shopts};
use crate::parse::Syntax;
use crate::sys;
use crate::text;
use crate::traps::Traps;
use crate::vars::{NameMap, Vars};

/// Version of bash whose language this is.
pub const BASH_VERSION: &str = "5.2.37(1)-release";

/// Why commands are not carried on with. `$?` is set before one of these is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// `break n`
    Break(u32),
    /// `continue n`
    Continue(u32),
    /// `return`
    Return,
    /// `exit`, `errexit`, a fatal error
    Exit,
    /// An error that ends the present command line.
    Abort,
}

/// A result, or why there is none.
pub type Exec<T = i32> = Result<T, Flow>;

/// An active function call or sourced file.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function's name, or `source`.
    pub name: String,
    /// File it was defined in.
    pub source: Rc<str>,
    /// Line of the call.
    pub line: u32,
    /// Whether it is a function.
    pub function: bool,
}

/// A shell.
pub struct Shell {
    /// Variables.
    pub vars: Vars,
    /// `$1` and on.
    pub params: Vec<String>,
    /// `$0`
    pub arg0: String,
    /// `$?`
    pub status: i32,
    /// `$!`
    pub last_background: Option<u32>,
    /// `$_`
    pub last_arg: String,
    /// `PIPESTATUS`
    pub pipe_status: Vec<i32>,
    /// Options of `set`.
    pub opts: Options,
    /// Options of `shopt`.
    pub shopts: Shopts,
    /// Functions.
    pub functions: NameMap<Rc<Function>>,
    /// Functions that are exported or read-only, with those flags.
    pub function_attrs: NameMap<u16>,
    /// Aliases.
    pub aliases: Rc<HashMap<String, String>>,
    /// Traps.
    pub traps: Traps,
    /// Jobs.
    pub jobs: Jobs,
    /// Active calls, the newest last.
    pub calls: Vec<Call>,
    /// Where the commands come from, for messages and functions.
    pub source: Rc<str>,
    /// Present line.
    pub line: u32,
    /// Loops around the present command in the present function.
    pub loops: u32,
    /// How many contexts around the present command ignore failures.
    pub ignoring: u32,
    /// Nested functions, sourced files and evaluations.
    pub depth: u32,
    /// Where builtins write instead of to descriptor 1.
    pub capture: Option<Vec<u8>>,
    /// `BASH_SUBSHELL`
    pub subshell: u32,
    /// Process number of the main shell (`$$`).
    pub pid: u32,
    /// Reads commands from a person.
    pub interactive: bool,
    /// Started with `-c`.
    pub command_string: bool,
    /// Reads commands from standard input.
    pub from_stdin: bool,
    /// Paths of commands, with how often each was used.
    pub hash: NameMap<(String, u32)>,
    /// Builtins switched off.
    pub disabled: Vec<String>,
    /// Directories of `pushd`, without the present one.
    pub dir_stack: Vec<String>,
    /// Status of the last command substitution of the present command.
    pub substituted: Option<i32>,
    /// Text of the present command.
    pub command_text: Rc<str>,
    /// State of `RANDOM`.
    pub random: u32,
    /// When `SECONDS` was 0, and what is added.
    pub started: Option<Instant>,
    /// What `SECONDS` was set to.
    pub seconds_base: i64,
    /// Descriptors that redirections of the present commands hide, the newest last.
    pub saved_fds: Vec<crate::exec::SavedFd>,
    /// Process substitutions open for the present command.
    pub process_fds: Vec<u32>,
    /// History of an interactive shell.
    pub history: crate::interactive::History,
    /// State of `getopts` within a clustered argument.
    pub getopts_at: usize,
    /// Present `IFS`, kept for speed; `None` when it has to be looked up.
    pub ifs: Option<Rc<str>>,
    /// Terminal of an interactive shell.
    pub terminal: Option<u32>,
    /// Whether running the DEBUG, ERR or RETURN trap now.
    pub in_trap: bool,
    /// Coprocess descriptors to close.
    pub coproc: Option<(String, u32)>,
    /// Variables of bash's own that lost their meaning by `unset`.
    pub ordinary: Vec<String>,
    /// Bytes of stack that the present commands take, as estimated.
    pub stack: u32,
    /// Where messages go.
    pub error_fd: u32,
    /// The last error was a subscript before the beginning of an array.
    pub bad_subscript: bool,
    /// Completion specifications, by command.
    pub completions: NameMap<String>,
}

impl Shell {
    /// A shell without variables.
    pub fn new(arg0: String) -> Self {
        Self {
            vars: Vars::default(),
            params: Vec::new(),
            arg0,
            status: 0,
            last_background: None,
            last_arg: String::new(),
            pipe_status: vec![0],
            opts: Options::default(),
            shopts: Shopts::default(),
            functions: NameMap::default(),
            function_attrs: NameMap::default(),
            aliases: Rc::default(),
            traps: Traps::default(),
            jobs: Jobs::default(),
            calls: Vec::new(),
            source: Rc::from(""),
            line: 0,
            loops: 0,
            ignoring: 0,
            depth: 0,
            capture: None,
            subshell: 0,
            pid: 0,
            interactive: false,
            command_string: false,
            from_stdin: false,
            hash: NameMap::default(),
            disabled: Vec::new(),
            dir_stack: Vec::new(),
            substituted: None,
            command_text: Rc::from(""),
            random: 0,
            started: None,
            seconds_base: 0,
            saved_fds: Vec::new(),
            process_fds: Vec::new(),
            history: crate::interactive::History::default(),
            getopts_at: 0,
            ifs: None,
            terminal: None,
            in_trap: false,
            coproc: None,
            ordinary: Vec::new(),
            stack: 0,
            error_fd: 2,
            bad_subscript: false,
            completions: NameMap::default(),
        }
    }

    /// How text is parsed now.
    pub fn syntax(&self) -> Syntax {
        Syntax {
            aliases: (self.shopts.expand_aliases && !self.aliases.is_empty()).then(|| Rc::clone(&self.aliases)),
            extglob: self.shopts.extglob,
            source: Rc::clone(&self.source),
        }
    }

    /// Writes to standard output, or where it is captured.
    pub fn write(&mut self, text: &str) -> std::io::Result<()> {
        let bytes = text::encode(text);
        match &mut self.capture {
            Some(buffer) => {
                buffer.extend_from_slice(&bytes);
                Ok(())
            }
            None => sys::write_all(1, &bytes),
        }
    }

    /// Writes to standard output; the status is 1, after a message, if that fails.
    pub fn print(&mut self, name: &str, text: &str) -> i32 {
        match self.write(text) {
            Ok(()) => 0,
            Err(error) => {
                self.error(&format!("{name}: write error: {}", sys::message(&error)));
                1
            }
        }
    }

    /// Writes a line to standard error, after the shell's name and the line number.
    pub fn error(&mut self, message: &str) {
        let line = self.line;
        self.error_at(line, message);
    }

    /// As [`Shell::error`], for a given line.
    pub fn error_at(&mut self, line: u32, message: &str) {
        let numbered = !self.interactive && line > 0 && !(self.command_string && line == 1);
        let name = self
            .calls
            .last()
            .filter(|c| !self.interactive && !c.source.is_empty())
            .map_or(&*self.arg0, |c| &c.source);
        let text = if numbered {
            format!("{name}: line {line}: {message}\n")
        } else {
            format!("{name}: {message}\n")
        };
        // There is nowhere to report a failure of this to.
        let _ = sys::write_all(self.error_fd, &text::encode(&text));
    }

    /// Sets `$?` and makes the flow that ends the present command line.
    pub fn abort(&mut self, message: &str) -> Flow {
        self.error(message);
        self.status = 1;
        Flow::Abort
    }

    /// As [`Shell::abort`], but a shell that is not interactive ends.
    pub fn fatal(&mut self, status: i32, message: &str) -> Flow {
        self.error(message);
        self.status = status;
        if self.interactive { Flow::Abort } else { Flow::Exit }
    }

    /// Status of a shell that a parameter ends: bash tells the shell of `-c` from others.
    pub fn fatal_status(&self) -> i32 {
        if self.command_string && self.subshell == 0 {
            127
        } else {
            1
        }
    }

    /// `$-`
    pub fn flags(&self) -> String {
        let mut flags = self.opts.letters();
        if self.interactive {
            flags.push('i');
        }
        if self.command_string {
            flags.push('c');
        }
        if self.from_stdin {
            flags.push('s');
        }
        let (mut lower, upper): (Vec<char>, Vec<char>) = flags.chars().partition(char::is_ascii_lowercase);
        // bash keeps `c` and `s` behind the others.
        lower.sort_unstable_by_key(|c| (matches!(c, 'c' | 's'), *c));
        let tail: String = lower.iter().filter(|c| matches!(c, 'c' | 's')).collect();
        let head: String = lower.iter().filter(|c| !matches!(c, 'c' | 's')).collect();
        head + &upper.into_iter().collect::<String>() + &tail
    }

    /// Whether the innermost call is a function.
    pub fn in_function(&self) -> bool {
        self.calls.iter().any(|c| c.function)
    }
}

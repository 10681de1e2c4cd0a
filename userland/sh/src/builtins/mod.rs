//! Commands that the shell carries out itself.

pub mod alias;
pub mod complete;
pub mod control;
pub mod declare;
pub mod dirs;
pub mod echo;
pub mod exec;
pub mod getopts;
pub mod help;
pub mod history;
pub mod jobs;
pub mod limits;
pub mod mapfile;
pub mod names;
pub mod printf;
pub mod read;
pub mod set;
pub mod test;
pub mod trap;
pub mod unset;

use crate::ast::Assign;
use crate::shell::{Exec, Shell};

/// What a builtin gets beside its words.
#[derive(Debug, Default)]
pub struct Args<'a> {
    /// Words that are assignments, by their place.
    pub assigns: Vec<(usize, &'a Assign)>,
}

/// A builtin. The first word is its name.
pub type Builtin = fn(&mut Shell, &[String], &Args<'_>) -> Exec;

macro_rules! builtins {
    ($($name:literal => $run:path,)*) => {
        /// Names of all builtins, in order.
        pub const NAMES: &[&str] = &[$($name),*];

        fn find(name: &str) -> Option<Builtin> {
            Some(match name {
                $($name => |sh, argv, args| $run(sh, argv, args).into_exec(),)*
                _ => return None,
            })
        }
    };
}

builtins! {
    "." => control::source,
    ":" => control::yes,
    "[" => test::run,
    "alias" => alias::alias,
    "bg" => jobs::bg,
    "bind" => complete::bind,
    "break" => control::break_,
    "builtin" => names::builtin,
    "caller" => control::caller,
    "cd" => dirs::cd,
    "command" => names::command,
    "compgen" => complete::compgen,
    "complete" => complete::complete,
    "compopt" => complete::compopt,
    "continue" => control::continue_,
    "declare" => declare::declare,
    "dirs" => dirs::dirs,
    "disown" => jobs::disown,
    "echo" => echo::run,
    "enable" => names::enable,
    "eval" => control::eval,
    "exec" => exec::plain,
    "exit" => control::exit,
    "export" => declare::export,
    "false" => control::no,
    "fc" => history::fc,
    "fg" => jobs::fg,
    "getopts" => getopts::run,
    "hash" => names::hash,
    "help" => help::run,
    "history" => history::history,
    "jobs" => jobs::jobs,
    "kill" => jobs::kill,
    "let" => control::let_,
    "local" => declare::local,
    "logout" => control::exit,
    "mapfile" => mapfile::run,
    "popd" => dirs::popd,
    "printf" => printf::run,
    "pushd" => dirs::pushd,
    "pwd" => dirs::pwd,
    "read" => read::run,
    "readarray" => mapfile::run,
    "readonly" => declare::readonly,
    "return" => control::return_,
    "set" => set::set,
    "shift" => control::shift,
    "shopt" => set::shopt,
    "source" => control::source,
    "suspend" => jobs::suspend,
    "test" => test::run,
    "times" => limits::times,
    "trap" => trap::run,
    "true" => control::yes,
    "type" => names::type_,
    "typeset" => declare::declare,
    "ulimit" => limits::ulimit,
    "umask" => limits::umask,
    "unalias" => alias::unalias,
    "unset" => unset::run,
    "wait" => jobs::wait,
}

/// A builtin's result: a status, or a flow.
trait IntoExec {
    fn into_exec(self) -> Exec;
}

impl IntoExec for i32 {
    fn into_exec(self) -> Exec {
        Ok(self)
    }
}

impl IntoExec for Exec {
    fn into_exec(self) -> Exec {
        self
    }
}

impl Shell {
    /// The builtin of a name, if it is switched on.
    pub fn builtin(&self, name: &str) -> Option<Builtin> {
        let found = find(name)?;
        (self.disabled.is_empty() || !self.disabled.iter().any(|d| d == name)).then_some(found)
    }

    /// Whether a name is that of a builtin that is switched on.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin(name).is_some()
    }

    /// A builtin's message for wrong usage; its status.
    pub fn usage(&mut self, name: &str, message: &str) -> i32 {
        self.error(&format!("{name}: {message}"));
        if let Some(usage) = help::usage(name) {
            let text = format!("{name}: usage: {usage}\n");
            let _ = crate::sys::write_all(2, text.as_bytes());
        }
        2
    }
}

/// Runs a builtin by name.
pub fn run(sh: &mut Shell, name: &str, argv: &[String]) -> Exec {
    match find(name) {
        Some(builtin) => builtin(sh, argv, &Args::default()),
        None => Ok(127),
    }
}

/// The options of a builtin, as `getopt(3)` reads them.
pub struct Flags<'a> {
    argv: &'a [String],
    spec: &'static str,
    at: usize,
    inside: usize,
}

/// An option: its letter and its argument; or the wrong letter.
pub type Flag<'a> = Result<(char, Option<&'a str>), char>;

impl<'a> Flags<'a> {
    /// Options in `argv`; a letter of `spec` followed by `:` takes an argument. A `+` in front allows `+x`.
    pub fn new(argv: &'a [String], spec: &'static str) -> Self {
        Self {
            argv,
            spec,
            at: 1,
            inside: 0,
        }
    }

    /// The words after the options.
    pub fn rest(&self) -> &'a [String] {
        self.argv.get(self.at..).unwrap_or_default()
    }

    /// The place of the first word after the options.
    pub fn index(&self) -> usize {
        self.at
    }

    /// The next option. An upper bit of the letter, `'+'`, is reported by [`Flags::plus`].
    pub fn next(&mut self) -> Option<Flag<'a>> {
        let word: &'a str = self.argv.get(self.at)?;
        if self.inside == 0 {
            let plus = self.spec.starts_with('+') && word.starts_with('+');
            if word == "--" {
                self.at += 1;
                return None;
            }
            if word.len() < 2 || !word.starts_with('-') && !plus {
                return None;
            }
            self.inside = 1;
        }
        let c = word[self.inside..].chars().next()?;
        self.inside += c.len_utf8();
        let rest = &word[self.inside..];
        let done = rest.is_empty();
        let found = self.spec.trim_start_matches('+').find(c).filter(|_| c != ':');
        let Some(found) = found else {
            self.step(done);
            return Some(Err(c));
        };
        let takes = self.spec.trim_start_matches('+')[found + c.len_utf8()..].starts_with(':');
        if !takes {
            self.step(done);
            return Some(Ok((c, None)));
        }
        self.step(true);
        if !done {
            return Some(Ok((c, Some(rest))));
        }
        match self.argv.get(self.at) {
            Some(argument) => {
                self.at += 1;
                Some(Ok((c, Some(argument))))
            }
            None => Some(Err(c)),
        }
    }

    fn step(&mut self, done: bool) {
        if done {
            self.at += 1;
            self.inside = 0;
        }
    }
}

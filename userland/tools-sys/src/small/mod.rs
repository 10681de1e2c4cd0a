//! The tools that scripts spawn most, for the smallest program.
//!
//! Each is exact for the options that it takes. One that meets an option it does not know says so by `None` before it
//! did anything, and the program then becomes the multicall one, which has the complete tool of that name: behaviour is
//! never worse, only start-up is.

mod cat;
mod echo;
pub(crate) mod env;
mod escape;
mod expression;
mod head;
mod names;
mod printf;
mod seq;
mod sleep;
mod touch;
mod wc;

use std::ffi::OsString;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status, or `None` if the complete tool of the
/// same name has to do this.
pub type Tool = fn(&[OsString]) -> Option<i32>;

/// The tools by name, sorted by name.
pub const TOOLS: &[(&str, Tool)] = &[
    (":", |_| Some(0)),
    ("[", expression::bracket),
    ("basename", names::basename),
    ("cat", cat::cat),
    ("dirname", names::dirname),
    ("echo", echo::echo),
    ("env", |args| Some(env::env(args))),
    ("false", |args| help_or(args, 1)),
    ("head", head::head),
    ("mkdir", |args| Some(crate::files::mkdir(args.to_vec()))),
    ("printf", printf::printf),
    ("pwd", names::pwd),
    ("rm", |args| Some(crate::files::rm(args.to_vec()))),
    ("rmdir", |args| Some(crate::files::rmdir(args.to_vec()))),
    ("seq", seq::seq),
    ("sleep", sleep::sleep),
    ("test", expression::test),
    ("touch", touch::touch),
    ("true", |args| help_or(args, 0)),
    ("wc", wc::wc),
];

/// The names, sorted.
pub const NAMES: [&str; TOOLS.len()] = {
    let mut names = [""; TOOLS.len()];
    let mut at = 0;
    while at < TOOLS.len() {
        names[at] = TOOLS[at].0;
        at += 1;
    }
    names
};

/// The tool of a name.
pub fn find(name: &str) -> Option<Tool> {
    TOOLS.iter().find(|(tool, _)| *tool == name).map(|(_, run)| *run)
}

/// What a backslash escape stands for, as `printf` reads it, and how many bytes it took.
pub(crate) fn unescape(text: &[u8]) -> (Vec<u8>, usize) {
    let (escape, taken) = escape::read(text, escape::Octal::Plain);
    match escape {
        escape::Escape::Byte(byte) => (vec![byte], taken),
        escape::Escape::Char(c) => (c.to_string().into_bytes(), taken),
        escape::Escape::Stop | escape::Escape::None => (vec![b'\\'], 0),
    }
}

/// `true` and `false` take no options but `--help` and `--version`, and those only alone.
fn help_or(args: &[OsString], status: i32) -> Option<i32> {
    match args {
        [_, only] if only == "--help" || only == "--version" => None,
        _ => Some(status),
    }
}

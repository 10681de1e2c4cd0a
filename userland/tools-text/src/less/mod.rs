//! `less` and `more`: files page by page on a terminal, all at once elsewhere.
//!
//! ```text
//!   files --document (lines as far as needed)--> pager (keys, position, search) --> screen
//! ```

mod document;
mod pager;

use crate::cli::{self, Arg, Parser};
use crate::io::{BLOCK, bytes_of, complain, complain_file, shown, stdout};
use crate::screen::Keyboard;
use document::Document;
use pager::{Pager, Settings};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read, Write};

const SPECS: &[&str] = &[
    "N,LINE-NUMBERS",
    "n,line-numbers",
    "S,chop-long-lines",
    "R,RAW-CONTROL-CHARS",
    "r,raw-control-chars",
    "F,quit-if-one-screen",
    "X,no-init",
    "i,ignore-case",
    "I,IGNORE-CASE",
    "E,QUIT-AT-EOF",
    "e,quit-at-eof",
    "M,LONG-PROMPT",
    "m,long-prompt",
    "s,squeeze-blank-lines",
    "p,pattern=",
    "K,quit-on-intr",
    "q,quiet",
    "Q,QUIET",
    "f,force",
    "x,tabs=",
    "P,prompt=",
    "J,status-column",
    "g,hilite-search",
    "G,HILITE-SEARCH",
    "a,search-skip-screen",
    "c,clear-screen",
    "C,CLEAR-SCREEN",
    "d,dumb",
    "b,buffers=",
    "B,auto-buffers",
    "h,max-back-scroll=",
    "j,jump-target=",
    "k,lesskey-file=",
    "L,no-lessopen",
    "o,log-file=",
    "O,LOG-FILE=",
    "t,tag=",
    "T,tag-file=",
    "u,underline-special",
    "U,UNDERLINE-SPECIAL",
    "w,hilite-unread",
    "W,HILITE-UNREAD",
    "y,max-forw-scroll=",
    "z,window=",
    "D,color=",
    "mouse",
    "use-color",
    "follow-name",
    "tilde",
    "~",
    "help",
    "V,version",
    "l,logical",
    "number=",
];

const HELP: &str = "\
Usage: less [OPTION]... [FILE]...

  -N, -S, -R, -F, -X, -i, -e, -s  line numbers, chop lines, colours, quit if one screen, no init,
                                  ignore case, quit at the end, squeeze blank lines
  +COMMAND                        a command at the beginning, as +G or +/PATTERN
Keys: q quit; space b, d u, j k pages, half pages, lines; g G N% beginning, end, percent;
      /PATTERN ?PATTERN n N search; :n :p next, previous file; = where; h help
";

/// `less`.
pub fn less(args: Vec<OsString>) -> i32 {
    run("less", args, Settings::default())
}

/// `more`: the same, and it ends at the end.
pub fn more(args: Vec<OsString>) -> i32 {
    run(
        "more",
        args,
        Settings {
            more: true,
            quit_at_end: true,
            quit_if_one: true,
            no_init: true,
            ..Settings::default()
        },
    )
}

fn run(name: &'static str, args: Vec<OsString>, mut settings: Settings) -> i32 {
    // `+command` is no option, and what LESS says comes first.
    let mut words: Vec<OsString> = Vec::new();
    let mut commands = Vec::new();
    let environment = std::env::var("LESS").unwrap_or_default();
    for (index, arg) in args.into_iter().enumerate() {
        if index > 0 && bytes_of(&arg).starts_with(b"+") {
            commands.push(shown(&arg)[1..].to_owned());
        } else {
            words.push(arg);
        }
        if index == 0 && name == "less" {
            let options = environment.split_whitespace();
            words.extend(options.map(|word| {
                OsString::from(if word.starts_with('-') {
                    word.to_owned()
                } else {
                    format!("-{word}")
                })
            }));
        }
    }
    let mut files = Vec::new();
    let mut parser = Parser::new(words, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain(name, message);
                eprintln!("Try \"{name} --help\" for more information.");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => files.push(file),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version(name),
            Ok(Some(Arg::Opt(key, value))) => match key {
                "LINE-NUMBERS" => settings.numbers = true,
                "chop-long-lines" => settings.chop = true,
                "RAW-CONTROL-CHARS" | "raw-control-chars" => settings.raw = true,
                "quit-if-one-screen" => settings.quit_if_one = true,
                "no-init" => settings.no_init = true,
                "ignore-case" | "IGNORE-CASE" => settings.fold_case = true,
                "QUIT-AT-EOF" | "quit-at-eof" => settings.quit_at_end = true,
                "squeeze-blank-lines" => settings.squeeze = true,
                "pattern" => commands.push(format!("/{}", shown(&value.unwrap_or_default()))),
                _ => {}
            },
        }
    }
    if files.is_empty() {
        if io::stdin().is_terminal() {
            eprintln!("Missing filename (\"{name} --help\" for help)");
            return 1;
        }
        files.push("-".into());
    }
    match Keyboard::open().ok().filter(|_| io::stdout().is_terminal()) {
        Some(keyboard) => page(name, &files, settings, commands, keyboard),
        None => cat(name, &files),
    }
}

/// Copies everything.
fn cat(name: &str, files: &[OsString]) -> i32 {
    let mut out = stdout();
    let mut buffer = vec![0; BLOCK];
    let mut status = 0;
    for file in files {
        let source: io::Result<Box<dyn Read>> = if file == "-" {
            Ok(Box::new(io::stdin()))
        } else {
            File::open(file).map(|file| Box::new(file) as _)
        };
        let outcome = source.and_then(|mut source| {
            loop {
                match source.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => out.write_all(&buffer[..count])?,
                }
            }
        });
        match outcome {
            Ok(()) => {}
            Err(error) if crate::io::is_closed_pipe(&error) => return 0,
            Err(error) => {
                let _ = out.flush();
                match error.kind() {
                    io::ErrorKind::IsADirectory => eprintln!("{} is a directory", shown(file)),
                    _ if name == "less" => eprintln!("{}: {}", shown(file), crate::io::reason(&error)),
                    _ => complain_file(name, file, &error),
                }
                status = 1;
            }
        }
    }
    if out.flush().is_err() { 1 } else { status }
}

fn page(name: &str, files: &[OsString], settings: Settings, commands: Vec<String>, keyboard: Keyboard) -> i32 {
    let (rows, columns) = keyboard.size();
    let mut documents = Vec::new();
    for file in files {
        let source: io::Result<Box<dyn Read>> = if file == "-" {
            Ok(Box::new(io::stdin()))
        } else {
            match std::fs::metadata(file) {
                Ok(meta) if meta.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
                _ => File::open(file).map(|file| Box::new(file) as _),
            }
        };
        match source {
            Ok(source) => documents.push(Document::new(
                &shown(file),
                Box::new(BufReader::with_capacity(BLOCK, source)),
            )),
            Err(error) => complain_file(name, file, &error),
        }
    }
    if documents.is_empty() {
        return 1;
    }
    let mut pager = Pager::new(documents, settings, rows, columns, stdout(), keyboard);
    match pager.run(&commands) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

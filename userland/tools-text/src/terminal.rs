//! `clear`, `reset`, `tput`: what a terminal that understands ANSI sequences needs.

use crate::io::{complain, print, shown};
use crate::screen;
use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;

/// `clear`: clears the screen and what was scrolled off.
pub fn clear(args: Vec<OsString>) -> i32 {
    let keep = args.iter().any(|arg| arg == "-x");
    print(if keep {
        b"\x1b[H\x1b[2J"
    } else {
        b"\x1b[H\x1b[2J\x1b[3J"
    });
    0
}

/// `reset`: brings the terminal back to its beginnings.
pub fn reset(_args: Vec<OsString>) -> i32 {
    print(b"\x1bc\x1b[!p\x1b[?3;4l\x1b[4l\x1b>");
    0
}

/// Capabilities that are fixed text.
const TEXTS: &[(&str, &str)] = &[
    ("bel", "\x07"),
    ("blink", "\x1b[5m"),
    ("bold", "\x1b[1m"),
    ("civis", "\x1b[?25l"),
    ("clear", "\x1b[H\x1b[2J\x1b[3J"),
    ("cnorm", "\x1b[?12l\x1b[?25h"),
    ("cr", "\r"),
    ("cub1", "\x08"),
    ("cud1", "\n"),
    ("cuf1", "\x1b[C"),
    ("cuu1", "\x1b[A"),
    ("dim", "\x1b[2m"),
    ("ed", "\x1b[J"),
    ("el", "\x1b[K"),
    ("el1", "\x1b[1K"),
    ("home", "\x1b[H"),
    ("invis", "\x1b[8m"),
    ("op", "\x1b[39;49m"),
    ("rc", "\x1b8"),
    ("rev", "\x1b[7m"),
    ("ritm", "\x1b[23m"),
    ("rmcup", "\x1b[?1049l"),
    ("rmkx", "\x1b[?1l\x1b>"),
    ("rmso", "\x1b[27m"),
    ("rmul", "\x1b[24m"),
    ("sc", "\x1b7"),
    ("sgr0", "\x1b(B\x1b[m"),
    ("sitm", "\x1b[3m"),
    ("smcup", "\x1b[?1049h"),
    ("smkx", "\x1b[?1h\x1b="),
    ("smso", "\x1b[7m"),
    ("smul", "\x1b[4m"),
];

/// `tput`.
pub fn tput(args: Vec<OsString>) -> i32 {
    let mut words: Vec<String> = args.iter().skip(1).map(|arg| shown(arg)).collect();
    let mut term = std::env::var("TERM").unwrap_or_default();
    while words.first().is_some_and(|word| word.starts_with('-')) {
        let option = words.remove(0);
        match option.as_str() {
            "-T" if !words.is_empty() => term = words.remove(0),
            "-V" => {
                print(b"ncurses 6.4 (agentOS)\n");
                return 0;
            }
            "-S" => {
                let mut text = String::new();
                let _ = io::Read::read_to_string(&mut io::stdin(), &mut text);
                let lines = text
                    .lines()
                    .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
                return lines
                    .filter(|line| !line.is_empty())
                    .map(|line| capability(&term, &line))
                    .fold(0, i32::max);
            }
            _ if option.len() > 2 && option.starts_with("-T") => term = option[2..].to_owned(),
            _ => {
                eprintln!("usage: tput [-V] [-S] [-T term] capname");
                return 2;
            }
        }
    }
    if words.is_empty() {
        eprintln!("usage: tput [-V] [-S] [-T term] capname");
        return 2;
    }
    capability(&term, &words)
}

fn capability(term: &str, words: &[String]) -> i32 {
    if term.is_empty() {
        complain("tput", "No value for $TERM and no -T specified");
        return 2;
    }
    let dumb = term == "dumb";
    let name = words[0].as_str();
    let numbers: Vec<u32> = words[1..].iter().filter_map(|word| word.parse().ok()).collect();
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
    let (rows, columns) = screen::size(io::stderr().as_fd());
    let many = term.contains("256");
    let text = match name {
        "cols" => format!("{columns}\n"),
        "lines" => format!("{rows}\n"),
        "colors" if dumb => "-1\n".to_owned(),
        "colors" => format!("{}\n", if many { 256 } else { 8 }),
        "it" => "8\n".to_owned(),
        "longname" => format!("{term} terminal"),
        "init" | "reset" => "\x1b[!p\x1b[?3;4l\x1b[4l\x1b>".to_owned(),
        _ if dumb => return if matches!(name, "bel" | "cr" | "cud1") { 0 } else { 1 },
        "setaf" | "setab" => {
            let (base, color) = (if name == "setaf" { 30 } else { 40 }, number(0));
            match color {
                0..=7 => format!("\x1b[{}m", base + color),
                8..=15 if many => format!("\x1b[{}m", base + 60 + color - 8),
                _ if many => format!("\x1b[{};5;{color}m", base + 8),
                _ => format!("\x1b[{}m", base + color % 8),
            }
        }
        "cup" => format!("\x1b[{};{}H", number(0) + 1, number(1) + 1),
        "hpa" => format!("\x1b[{}G", number(0) + 1),
        "vpa" => format!("\x1b[{}d", number(0) + 1),
        "cuu" => format!("\x1b[{}A", number(0)),
        "cud" => format!("\x1b[{}B", number(0)),
        "cuf" => format!("\x1b[{}C", number(0)),
        "cub" => format!("\x1b[{}D", number(0)),
        "il" => format!("\x1b[{}L", number(0)),
        "dl" => format!("\x1b[{}M", number(0)),
        "am" | "bce" | "km" | "mir" | "msgr" | "xenl" => return 0,
        _ => match TEXTS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (*text).to_owned(),
            None => {
                complain("tput", format_args!("unknown terminfo capability '{name}'"));
                return 4;
            }
        },
    };
    print(text.as_bytes());
    0
}

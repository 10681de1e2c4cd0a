//! The command line of `sort`.

use std::ffi::{OsStr, OsString};

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, os, read_all, reason, shown};

use super::TROUBLE;
use super::key::{Key, Kind, Modes, Order, Position};
use crate::usage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Diagnose,
    Quiet,
}

pub(super) struct Options {
    pub(super) order: Order,
    pub(super) files: Vec<OsString>,
    pub(super) output: Option<OsString>,
    pub(super) unique: bool,
    pub(super) merge: bool,
    pub(super) check: Option<Check>,
    pub(super) end: u8,
}

pub(super) enum Parsed {
    Run(Box<Options>),
    Done(i32),
}

const SPECS: &[&str] = &[
    "b,ignore-leading-blanks",
    "d,dictionary-order",
    "f,ignore-case",
    "g,general-numeric-sort",
    "h,human-numeric-sort",
    "i,ignore-nonprinting",
    "M,month-sort",
    "n,numeric-sort",
    "R,random-sort",
    "random-source=",
    "r,reverse",
    "sort=",
    "V,version-sort",
    "batch-size=",
    "c",
    "C",
    "check=?",
    "compress-program=",
    "debug",
    "files0-from=",
    "k,key=",
    "m,merge",
    "o,output=",
    "s,stable",
    "S,buffer-size=",
    "t,field-separator=",
    "T,temporary-directory=",
    "parallel=",
    "u,unique",
    "z,zero-terminated",
    "help",
    "version",
];

const HELP: &str = "Usage: sort [OPTION]... [FILE]...
Write sorted concatenation of all FILE(s) to standard output.

  -b, --ignore-leading-blanks  ignore leading blanks
  -d, --dictionary-order       consider only blanks and alphanumeric characters
  -f, --ignore-case            fold lower case to upper case characters
  -g, --general-numeric-sort   compare according to general numerical value
  -i, --ignore-nonprinting     consider only printable characters
  -M, --month-sort             compare (unknown) < 'JAN' < ... < 'DEC'
  -h, --human-numeric-sort     compare human readable numbers (e.g., 2K 1G)
  -n, --numeric-sort           compare according to string numerical value
  -R, --random-sort            shuffle, but group identical keys
  -r, --reverse                reverse the result of comparisons
  -V, --version-sort           natural sort of (version) numbers within text
  -c, --check, -C              check for sorted input; do not sort
  -k, --key=KEYDEF             sort via a key: F[.C][OPTS][,F[.C][OPTS]]
  -m, --merge                  merge already sorted files; do not sort
  -o, --output=FILE            write result to FILE instead of standard output
  -s, --stable                 stabilize sort by disabling last-resort comparison
  -t, --field-separator=SEP    use SEP instead of non-blank to blank transition
  -u, --unique                 output only the first of an equal run
  -z, --zero-terminated        line delimiter is NUL, not newline
";

struct Builder {
    modes: Modes,
    /// Keys, and whether each has ordering options of its own.
    keys: Vec<(Key, bool)>,
    separator: Option<u8>,
    stable: bool,
    unique: bool,
    merge: bool,
    check: Option<Check>,
    end: u8,
    output: Option<OsString>,
    list: Option<OsString>,
}

pub(super) fn parse(args: Vec<OsString>) -> Parsed {
    let mut builder = Builder {
        modes: Modes::default(),
        keys: Vec::new(),
        separator: None,
        stable: false,
        unique: false,
        merge: false,
        check: None,
        end: b'\n',
        output: None,
        list: None,
    };
    let mut files = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Done(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Done(cli::version("sort")),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = builder.set(key, value.as_deref()) {
                    // A wrong word for an option has a status of its own.
                    let status = if message.starts_with("invalid argument") {
                        1
                    } else {
                        TROUBLE
                    };
                    complain("sort", message);
                    return Parsed::Done(status);
                }
            }
            Ok(Some(Arg::Operand(name))) => files.push(name),
            Err(message) => return Parsed::Done(usage("sort", message, TROUBLE)),
        }
    }
    match builder.finish(files) {
        Ok(options) => Parsed::Run(Box::new(options)),
        Err(message) => {
            complain("sort", message);
            Parsed::Done(TROUBLE)
        }
    }
}

/// Sets what an ordering letter says; false if it is none.
fn ordering(modes: &mut Modes, letter: u8) -> bool {
    match letter {
        b'd' => modes.dictionary = true,
        b'f' => modes.fold = true,
        b'g' => modes.kind = Kind::General,
        b'h' => modes.kind = Kind::Human,
        b'i' => modes.printable = true,
        b'M' => modes.kind = Kind::Month,
        b'n' => modes.kind = Kind::Numeric,
        b'R' => modes.kind = Kind::Random,
        b'r' => modes.reverse = true,
        b'V' => modes.kind = Kind::Version,
        _ => return false,
    }
    true
}

impl Builder {
    fn set(&mut self, key: &str, value: Option<&OsStr>) -> Result<(), String> {
        let text = value.map(shown).unwrap_or_default();
        let letter = match key {
            "dictionary-order" => b'd',
            "ignore-case" => b'f',
            "general-numeric-sort" => b'g',
            "human-numeric-sort" => b'h',
            "ignore-nonprinting" => b'i',
            "month-sort" => b'M',
            "numeric-sort" => b'n',
            "random-sort" => b'R',
            "reverse" => b'r',
            "version-sort" => b'V',
            "sort" => match text.as_str() {
                "general-numeric" => b'g',
                "human-numeric" => b'h',
                "month" => b'M',
                "numeric" => b'n',
                "random" => b'R',
                "version" => b'V',
                _ => return Err(format!("invalid argument '{text}' for '--sort'")),
            },
            _ => 0,
        };
        if letter != 0 {
            ordering(&mut self.modes, letter);
            return Ok(());
        }
        match key {
            "ignore-leading-blanks" => (self.modes.skip_start, self.modes.skip_end) = (true, true),
            "c" => self.check = Some(Check::Diagnose),
            "C" => self.check = Some(Check::Quiet),
            "check" => {
                self.check = Some(match text.as_str() {
                    "" | "diagnose-first" => Check::Diagnose,
                    "quiet" | "silent" => Check::Quiet,
                    _ => return Err(format!("invalid argument '{text}' for '--check'")),
                });
            }
            "key" => {
                let key = key_of(&text)?;
                self.keys.push(key);
            }
            "merge" => self.merge = true,
            "output" => self.output = value.map(OsStr::to_os_string),
            "stable" => self.stable = true,
            "field-separator" => self.separator = Some(separator(value.unwrap_or_default())?),
            "unique" => self.unique = true,
            "zero-terminated" => self.end = 0,
            "files0-from" => self.list = value.map(OsStr::to_os_string),
            // These only say how the original is to use resources.
            _ => {}
        }
        Ok(())
    }

    fn finish(self, mut files: Vec<OsString>) -> Result<Options, String> {
        if let Some(list) = &self.list {
            if let Some(extra) = files.first() {
                return Err(format!(
                    "extra operand '{}'\nfile operands cannot be combined with --files0-from",
                    shown(extra)
                ));
            }
            let text = read_all(list).map_err(|error| format!("open failed: {}: {}", shown(list), reason(&error)))?;
            files = text
                .split(|b| *b == 0)
                .filter(|name| !name.is_empty())
                .map(|name| os(name.to_vec()))
                .collect();
        }
        if files.is_empty() {
            files.push("-".into());
        }
        if self.check.is_some() && files.len() > 1 {
            return Err(format!("extra operand '{}' not allowed with -c", shown(&files[1])));
        }
        if self.check.is_some() && self.output.is_some() {
            return Err("options '-co' are incompatible".to_owned());
        }
        let modes = self.modes;
        // Keys without options of their own take the general ones.
        let inherit = |(mut key, own): (Key, bool)| {
            if !own {
                key.modes = modes;
            }
            key
        };
        let keys: Vec<Key> = self.keys.into_iter().map(inherit).collect();
        let last_resort = !self.stable && !self.unique;
        Ok(Options {
            order: Order::new(keys, modes, self.separator, last_resort),
            files,
            output: self.output,
            unique: self.unique,
            merge: self.merge,
            check: self.check,
            end: self.end,
        })
    }
}

fn separator(text: &OsStr) -> Result<u8, String> {
    match bytes_of(text) {
        [] => Err("empty tab".to_owned()),
        [byte] => Ok(*byte),
        b"\\0" => Ok(0),
        _ => Err(format!("multi-character tab '{}'", shown(text))),
    }
}

/// Reads `F[.C][OPTS][,F[.C][OPTS]]`.
fn key_of(text: &str) -> Result<(Key, bool), String> {
    let (first, second) = text
        .split_once(',')
        .map_or((text, None), |(first, second)| (first, Some(second)));
    let mut modes = Modes::default();
    let mut own = false;
    let (field, char, letters) = position(first, text)?;
    let char = match char {
        Some(0) => {
            return Err(format!(
                "character offset is zero: invalid field specification '{text}'"
            ));
        }
        Some(char) => char - 1,
        None => 0,
    };
    for letter in letters.bytes() {
        own = true;
        match letter {
            b'b' => modes.skip_start = true,
            letter if ordering(&mut modes, letter) => {}
            _ => {
                return Err(format!(
                    "stray character in field spec: invalid field specification '{text}'"
                ));
            }
        }
    }
    let mut end = None;
    if let Some(second) = second {
        let (field, char, letters) = position(second, text)?;
        for letter in letters.bytes() {
            own = true;
            match letter {
                b'b' => modes.skip_end = true,
                letter if ordering(&mut modes, letter) => {}
                _ => {
                    return Err(format!(
                        "stray character in field spec: invalid field specification '{text}'"
                    ));
                }
            }
        }
        end = Some(Position {
            field: field - 1,
            char: char.unwrap_or(0),
        });
    }
    Ok((
        Key {
            start: Position { field: field - 1, char },
            end,
            modes,
        },
        own,
    ))
}

/// Field, character and letters of one end of a key.
fn position<'t>(text: &'t str, whole: &str) -> Result<(usize, Option<usize>, &'t str), String> {
    let number = |text: &'t str| -> (Option<usize>, &'t str) {
        let end = text.bytes().take_while(u8::is_ascii_digit).count();
        let value = if end == 0 {
            None
        } else {
            Some(text[..end].parse().unwrap_or(usize::MAX / 2))
        };
        (value, &text[end..])
    };
    let (field, rest) = number(text);
    let field = field.ok_or_else(|| format!("invalid number at field start: invalid count at start of '{whole}'"))?;
    if field == 0 {
        return Err(format!("field number is zero: invalid field specification '{whole}'"));
    }
    match rest.strip_prefix('.') {
        Some(rest) => {
            let (char, rest) = number(rest);
            let char = char.ok_or_else(|| format!("invalid number after '.': invalid count at start of '{whole}'"))?;
            Ok((field, Some(char), rest))
        }
        None => Ok((field, None, rest)),
    }
}

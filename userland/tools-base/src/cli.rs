//! Command lines in the manner of GNU `getopt_long`, without a dependency and without allocation per option table.
//!
//! A tool describes its options as a list of strings, one per option: aliases separated by commas, single letters being
//! short options, and a suffix that says whether an argument follows: none, `=` (required) or `=?` (optional). The last
//! alias is the key that the parser returns:
//!
//! ```text
//! "i,y,ignore-case"   -i, -y and --ignore-case, key "ignore-case"
//! "e,regexp="         -e PATTERN, --regexp=PATTERN
//! "colour,color=?"    --color[=WHEN], key "color"
//! ```
//!
//! Long names may be abbreviated to any unambiguous prefix; options and operands may be mixed unless the caller asks to
//! stop at the first operand (as `xargs` and `awk` must).

use crate::io::{bytes_of, os};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};

/// One element of a command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Arg {
    /// An option by its key, with its argument where it has one.
    Opt(&'static str, Option<OsString>),
    /// An operand.
    Operand(OsString),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Required,
    Optional,
}

/// Reads a command line element by element.
pub struct Parser {
    specs: &'static [&'static str],
    args: VecDeque<OsString>,
    cluster: Vec<u8>,
    at: usize,
    only_operands: bool,
    in_order: bool,
}

impl Parser {
    /// A parser over `args`, whose first element (the program's name) is skipped.
    pub fn new(args: Vec<OsString>, specs: &'static [&'static str]) -> Self {
        let mut args = VecDeque::from(args);
        args.pop_front();
        Self {
            specs,
            args,
            cluster: Vec::new(),
            at: 0,
            only_operands: false,
            in_order: false,
        }
    }

    /// The same, but everything from the first operand on is an operand.
    pub fn in_order(mut self) -> Self {
        self.in_order = true;
        self
    }

    /// What was not parsed yet.
    pub fn rest(self) -> Vec<OsString> {
        self.args.into()
    }

    /// The next element, `None` at the end.
    ///
    /// # Errors
    ///
    /// A message in the words of `getopt_long` for an unknown or ambiguous option or a missing argument.
    #[allow(clippy::should_implement_trait)] // This one may fail.
    pub fn next(&mut self) -> Result<Option<Arg>, String> {
        if self.at < self.cluster.len() {
            return self.short().map(Some);
        }
        let Some(arg) = self.args.pop_front() else {
            return Ok(None);
        };
        let bytes = bytes_of(&arg);
        if self.only_operands || bytes.len() < 2 || bytes[0] != b'-' {
            self.only_operands |= self.in_order;
            return Ok(Some(Arg::Operand(arg)));
        }
        if bytes == b"--" {
            self.only_operands = true;
            return self.next();
        }
        if let Some(long) = bytes.strip_prefix(b"--") {
            return self.long(long).map(Some);
        }
        self.cluster = bytes[1..].to_vec();
        self.at = 0;
        self.short().map(Some)
    }

    fn short(&mut self) -> Result<Arg, String> {
        let letter = self.cluster[self.at];
        self.at += 1;
        let name = [letter];
        let found = self.specs.iter().find_map(|spec| {
            let (names, takes) = split(spec);
            names
                .split(',')
                .any(|n| n.as_bytes() == name)
                .then(|| (key(names), takes))
        });
        let Some((key, takes)) = found else {
            let shown = String::from_utf8_lossy(&self.cluster[self.at - 1..])
                .chars()
                .next()
                .unwrap_or('?');
            return Err(format!("invalid option -- '{shown}'"));
        };
        let rest = &self.cluster[self.at..];
        let value = match takes {
            Takes::Nothing => return Ok(Arg::Opt(key, None)),
            _ if !rest.is_empty() => Some(os(rest.to_vec())),
            Takes::Optional => None,
            Takes::Required => match self.args.pop_front() {
                Some(value) => Some(value),
                None => return Err(format!("option requires an argument -- '{}'", char::from(letter))),
            },
        };
        self.at = self.cluster.len();
        Ok(Arg::Opt(key, value))
    }

    fn long(&mut self, text: &[u8]) -> Result<Arg, String> {
        let (name, value) = match text.iter().position(|&b| b == b'=') {
            Some(at) => (&text[..at], Some(os(text[at + 1..].to_vec()))),
            None => (text, None),
        };
        let shown = String::from_utf8_lossy(name).into_owned();
        let (full, key, takes) = self.find_long(name, &shown)?;
        match (takes, value) {
            (Takes::Nothing, Some(_)) => Err(format!("option '--{full}' doesn't allow an argument")),
            (Takes::Required, None) => match self.args.pop_front() {
                Some(value) => Ok(Arg::Opt(key, Some(value))),
                None => Err(format!("option '--{full}' requires an argument")),
            },
            (_, value) => Ok(Arg::Opt(key, value)),
        }
    }

    fn find_long(&self, name: &[u8], shown: &str) -> Result<(&'static str, &'static str, Takes), String> {
        let mut prefixed: Vec<(&'static str, &'static str, Takes)> = Vec::new();
        for spec in self.specs {
            let (names, takes) = split(spec);
            for alias in names.split(',').filter(|alias| alias.len() > 1) {
                if alias.as_bytes() == name {
                    return Ok((alias, key(names), takes));
                }
                if alias.as_bytes().starts_with(name) {
                    prefixed.push((alias, key(names), takes));
                }
            }
        }
        match prefixed.as_slice() {
            [] => Err(format!("unrecognized option '--{shown}'")),
            [first, rest @ ..] if rest.iter().all(|other| other.1 == first.1) => Ok(*first),
            many => {
                let names: Vec<String> = many.iter().map(|m| format!("'--{}'", m.0)).collect();
                Err(format!(
                    "option '--{shown}' is ambiguous; possibilities: {}",
                    names.join(" ")
                ))
            }
        }
    }
}

/// Prints `--help` text: a usage line and what the tool does.
pub fn help(text: &str) -> i32 {
    crate::io::print(text.as_bytes());
    0
}

/// Prints `--version`.
pub fn version(tool: &str) -> i32 {
    crate::io::print(format!("{tool} (agentOS) {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    0
}

/// Parses the number of an option's argument, with the multipliers `k`, `M`, `G` where `suffixes` is set.
pub fn number(text: &OsStr, suffixes: bool) -> Option<u64> {
    let text = text.to_str()?.trim();
    let (digits, factor) = match text.char_indices().last() {
        Some((at, unit)) if suffixes && unit.is_ascii_alphabetic() => {
            let factor = match unit {
                'k' | 'K' => 1 << 10,
                'm' | 'M' => 1 << 20,
                'g' | 'G' => 1 << 30,
                'c' | 'B' => 1,
                'b' => 512,
                'w' => 2,
                _ => return None,
            };
            (&text[..at], factor)
        }
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

fn split(spec: &'static str) -> (&'static str, Takes) {
    if let Some(names) = spec.strip_suffix("=?") {
        (names, Takes::Optional)
    } else if let Some(names) = spec.strip_suffix('=') {
        (names, Takes::Required)
    } else {
        (spec, Takes::Nothing)
    }
}

fn key(names: &'static str) -> &'static str {
    names.rsplit(',').next().unwrap_or(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[&str] = &[
        "i,y,ignore-case",
        "e,regexp=",
        "colour,color=?",
        "n",
        "null",
        "null-data",
    ];

    fn parse(words: &[&str]) -> Result<Vec<Arg>, String> {
        let args = std::iter::once("tool")
            .chain(words.iter().copied())
            .map(OsString::from)
            .collect();
        let mut parser = Parser::new(args, SPECS);
        let mut out = Vec::new();
        while let Some(arg) = parser.next()? {
            out.push(arg);
        }
        Ok(out)
    }

    #[test]
    fn clusters_values_and_operands_mix() {
        let found = parse(&["-ine", "x", "f", "--color=always", "-ey", "--", "-i"]).unwrap();
        let value = |text: &str| Some(OsString::from(text));
        let expected = vec![
            Arg::Opt("ignore-case", None),
            Arg::Opt("n", None),
            Arg::Opt("regexp", value("x")),
            Arg::Operand("f".into()),
            Arg::Opt("color", value("always")),
            Arg::Opt("regexp", value("y")),
            Arg::Operand("-i".into()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn long_names_abbreviate_when_unambiguous() {
        assert_eq!(parse(&["--ign"]).unwrap(), vec![Arg::Opt("ignore-case", None)]);
        assert_eq!(parse(&["--null"]).unwrap(), vec![Arg::Opt("null", None)]);
        assert!(parse(&["--nul"]).unwrap_err().contains("ambiguous"));
    }

    #[test]
    fn errors_speak_like_getopt() {
        assert_eq!(parse(&["-q"]).unwrap_err(), "invalid option -- 'q'");
        assert_eq!(parse(&["--what"]).unwrap_err(), "unrecognized option '--what'");
        assert_eq!(parse(&["-e"]).unwrap_err(), "option requires an argument -- 'e'");
        assert_eq!(
            parse(&["--null=1"]).unwrap_err(),
            "option '--null' doesn't allow an argument"
        );
    }

    #[test]
    fn numbers_take_multipliers_only_where_allowed() {
        assert_eq!(number(OsStr::new("2k"), true), Some(2048));
        assert_eq!(number(OsStr::new("2k"), false), None);
        assert_eq!(number(OsStr::new("99999999999999999999"), true), None);
    }
}

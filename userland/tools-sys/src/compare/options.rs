//! The command line of `diff`.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, open, reason, shown};
use regex_automata::meta::Regex;

use crate::{emacs, usage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Normal,
    Context,
    Unified,
    Ed,
    SideBySide,
    Brief,
}

/// What is no difference.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    pub(super) case: bool,
    pub(super) tabs: bool,
    pub(super) trailing: bool,
    pub(super) amount: bool,
    pub(super) all_space: bool,
    pub(super) blank_lines: bool,
    pub(super) matching: Option<Regex>,
}

pub(super) struct Options {
    pub(super) format: Format,
    pub(super) context: usize,
    pub(super) ignore: Ignore,
    pub(super) recursive: bool,
    pub(super) new_file: bool,
    pub(super) only_first_new: bool,
    pub(super) identical: bool,
    pub(super) text: bool,
    pub(super) strip_cr: bool,
    pub(super) labels: Vec<String>,
    pub(super) exclude: Vec<Vec<u8>>,
    pub(super) function: Option<Regex>,
    pub(super) expand: bool,
    pub(super) initial_tab: bool,
    pub(super) width: usize,
    pub(super) left_column: bool,
    pub(super) suppress_common: bool,
    pub(super) follow: bool,
    pub(super) color: bool,
    /// The options as they stand before names of a tree's files.
    pub(super) words: Vec<String>,
}

pub(super) enum Parsed {
    Run(Box<Options>, OsString, OsString),
    Done(i32),
}

const SPECS: &[&str] = &[
    "normal",
    "q,brief",
    "s,report-identical-files",
    "c",
    "C,context=?",
    "u",
    "U,unified=?",
    "e,ed",
    "n,rcs",
    "y,side-by-side",
    "W,width=",
    "left-column",
    "suppress-common-lines",
    "p,show-c-function",
    "F,show-function-line=",
    "L,label=",
    "t,expand-tabs",
    "T,initial-tab",
    "tabsize=",
    "r,recursive",
    "no-dereference",
    "N,new-file",
    "P,unidirectional-new-file",
    "ignore-file-name-case",
    "x,exclude=",
    "X,exclude-from=",
    "S,starting-file=",
    "i,ignore-case",
    "E,ignore-tab-expansion",
    "Z,ignore-trailing-space",
    "b,ignore-space-change",
    "w,ignore-all-space",
    "B,ignore-blank-lines",
    "I,ignore-matching-lines=",
    "a,text",
    "strip-trailing-cr",
    "d,minimal",
    "H,speed-large-files",
    "horizon-lines=",
    "color=?",
    "palette=",
    "help",
    "v,version",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
];

const HELP: &str = "Usage: diff [OPTION]... FILES
Compare FILES line by line.

  -q, --brief                   report only when files differ
  -s, --report-identical-files  report when two files are the same
  -c, -C NUM, --context[=NUM]   output NUM (default 3) lines of copied context
  -u, -U NUM, --unified[=NUM]   output NUM (default 3) lines of unified context
  -e, --ed                      output an ed script
  -y, --side-by-side            output in two columns
  -W, --width=NUM               output at most NUM (default 130) print columns
      --left-column, --suppress-common-lines
  -p, --show-c-function         show which C function each change is in
  -F, --show-function-line=RE   show the most recent line matching RE
      --label LABEL             use LABEL instead of file name and timestamp
  -t, --expand-tabs             expand tabs to spaces in output
  -T, --initial-tab             make tabs line up by prepending a tab
  -r, --recursive               recursively compare any subdirectories found
  -N, --new-file                treat absent files as empty
  -x, --exclude=PAT             exclude files that match PAT
  -i, -E, -Z, -b, -w, -B, -I RE ignore case, tab expansion, trailing space, amount of space, all space, blank
                                lines, lines matching RE
  -a, --text                    treat all files as text
      --strip-trailing-cr       strip trailing carriage return on input
      --color[=WHEN]            color output
";

/// Status of trouble.
pub(super) const TROUBLE: i32 = 2;

pub(super) fn parse(args: Vec<OsString>) -> Parsed {
    let mut options = Options {
        format: Format::Normal,
        context: 3,
        ignore: Ignore::default(),
        recursive: false,
        new_file: false,
        only_first_new: false,
        identical: false,
        text: false,
        strip_cr: false,
        labels: Vec::new(),
        exclude: Vec::new(),
        function: None,
        expand: false,
        initial_tab: false,
        width: 130,
        left_column: false,
        suppress_common: false,
        follow: true,
        color: false,
        words: Vec::new(),
    };
    options.words = args.iter().skip(1).map(|word| shown(word)).collect();
    let mut names = Vec::new();
    // -C and -U take their number as a word of its own too, unlike the long forms.
    let mut parser = Parser::new(numbers_attached(args), SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Done(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Done(cli::version("diff")),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.set(key, value.as_deref()) {
                    return Parsed::Done(usage("diff", message, TROUBLE));
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return Parsed::Done(usage("diff", message, TROUBLE)),
        }
    }
    for name in names.iter().rev() {
        let name = shown(name);
        if let Some(at) = options.words.iter().rposition(|word| *word == name) {
            options.words.remove(at);
        }
    }
    let mut names = names.into_iter();
    match (names.next(), names.next(), names.next()) {
        (Some(from), Some(to), None) => Parsed::Run(Box::new(options), from, to),
        (_, _, Some(extra)) => Parsed::Done(usage(
            "diff",
            format_args!("extra operand '{}'", shown(&extra)),
            TROUBLE,
        )),
        (Some(only), None, _) => Parsed::Done(usage(
            "diff",
            format_args!("missing operand after '{}'", shown(&only)),
            TROUBLE,
        )),
        _ => Parsed::Done(usage("diff", "missing operand after 'diff'", TROUBLE)),
    }
}

fn numbers_attached(args: Vec<OsString>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut words = args.into_iter();
    while let Some(word) = words.next() {
        let text = shown(&word);
        let takes = text.starts_with('-') && !text.starts_with("--") && text.ends_with(['U', 'C']);
        match takes.then(|| words.next()).flatten() {
            Some(next) => out.push(format!("{text}{}", shown(&next)).into()),
            None => out.push(word),
        }
    }
    out
}

impl Options {
    fn lines(&mut self, format: Format, value: Option<&OsStr>) -> Result<(), String> {
        self.format = format;
        if let Some(value) = value {
            let text = shown(value);
            self.context = text.parse().map_err(|_| format!("invalid context length '{text}'"))?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Option<&OsStr>) -> Result<(), String> {
        let text = value.map(shown).unwrap_or_default();
        match key {
            "normal" => self.format = Format::Normal,
            "brief" => self.format = Format::Brief,
            "report-identical-files" => self.identical = true,
            "c" => self.format = Format::Context,
            "context" => self.lines(Format::Context, value)?,
            "u" => self.format = Format::Unified,
            "unified" => self.lines(Format::Unified, value)?,
            "ed" => self.format = Format::Ed,
            "side-by-side" => self.format = Format::SideBySide,
            "width" => self.width = text.parse().map_err(|_| format!("invalid width '{text}'"))?,
            "left-column" => self.left_column = true,
            "suppress-common-lines" => self.suppress_common = true,
            "show-c-function" => {
                self.function = emacs::extended("^[[:alpha:]$_]", false).ok();
                if self.format == Format::Normal {
                    self.format = Format::Context;
                }
            }
            "show-function-line" => self.function = Some(emacs::search(&text)?),
            "label" => self.labels.push(text),
            "expand-tabs" => self.expand = true,
            "initial-tab" => self.initial_tab = true,
            "recursive" => self.recursive = true,
            "no-dereference" => self.follow = false,
            "new-file" => self.new_file = true,
            "unidirectional-new-file" => self.only_first_new = true,
            "exclude" => self.exclude.push(bytes_of(value.unwrap_or_default()).to_vec()),
            "exclude-from" => {
                let name = value.unwrap_or_default();
                let lines = open(name).map_err(|error| format!("{text}: {}", reason(&error)))?;
                self.exclude
                    .extend(std::io::BufRead::split(lines, b'\n').map_while(Result::ok));
            }
            "ignore-case" => self.ignore.case = true,
            "ignore-tab-expansion" => self.ignore.tabs = true,
            "ignore-trailing-space" => self.ignore.trailing = true,
            "ignore-space-change" => self.ignore.amount = true,
            "ignore-all-space" => self.ignore.all_space = true,
            "ignore-blank-lines" => self.ignore.blank_lines = true,
            "ignore-matching-lines" => self.ignore.matching = Some(emacs::search(&text)?),
            "text" => self.text = true,
            "strip-trailing-cr" => self.strip_cr = true,
            "color" => {
                self.color = match text.as_str() {
                    "" | "auto" => std::io::stdout().is_terminal() && (!text.is_empty() || value.is_none()),
                    "always" => true,
                    "never" => false,
                    other => return Err(format!("invalid color '{other}'")),
                };
                if value.is_none() {
                    self.color = std::io::stdout().is_terminal();
                }
            }
            digit if digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit() => {
                self.context = digit.parse().unwrap_or(3);
            }
            "rcs" => return Err("option '--rcs' is not supported".to_owned()),
            _ => {}
        }
        Ok(())
    }
}

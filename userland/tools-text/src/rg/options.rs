//! The command line of `rg`.

use crate::cli::{self, Arg, Parser};
use crate::io::{bytes_of, read_all, reason, shown};
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

const SPECS: &[&str] = &[
    "e,regexp=",
    "f,file=",
    "s,case-sensitive",
    "S,smart-case",
    "i,ignore-case",
    "F,fixed-strings",
    "w,word-regexp",
    "x,line-regexp",
    "v,invert-match",
    "P,pcre2",
    "U,multiline",
    "multiline-dotall",
    "crlf",
    "null-data",
    "a,text",
    "E,encoding=",
    "m,max-count=",
    "n,line-number",
    "N,no-line-number",
    "A,after-context=",
    "B,before-context=",
    "C,context=",
    "passthrough,passthru",
    "o,only-matching",
    "r,replace=",
    "c,count",
    "count-matches",
    "include-zero",
    "l,files-with-matches",
    "files-without-match",
    "q,quiet",
    "heading",
    "no-heading",
    "H,with-filename",
    "I,no-filename",
    "column",
    "no-column",
    "b,byte-offset",
    "0,null",
    "trim",
    "M,max-columns=",
    "max-columns-preview",
    "vimgrep",
    "json",
    "stats",
    "no-stats",
    "p,pretty",
    "color=",
    "colors=",
    "context-separator=",
    "no-context-separator",
    "field-match-separator=",
    "field-context-separator=",
    "path-separator=",
    "g,glob=",
    "iglob=",
    "glob-case-insensitive",
    "t,type=",
    "T,type-not=",
    "type-add=",
    "type-clear=",
    "type-list",
    "files",
    ".,hidden",
    "no-hidden",
    "no-ignore",
    "no-ignore-dot",
    "no-ignore-exclude",
    "no-ignore-files",
    "no-ignore-global",
    "no-ignore-messages",
    "no-ignore-parent",
    "no-ignore-vcs",
    "no-require-git",
    "ignore-file=",
    "u,unrestricted",
    "L,follow",
    "d,maxdepth,max-depth=",
    "max-filesize=",
    "one-file-system",
    "binary",
    "sort=",
    "sortr=",
    "sort-files",
    "j,threads=",
    "line-buffered",
    "block-buffered",
    "mmap",
    "no-mmap",
    "no-config",
    "no-messages",
    "no-unicode",
    "engine=",
    "auto-hybrid-regex",
    "regex-size-limit=",
    "dfa-size-limit=",
    "debug",
    "trace",
    "z,search-zip",
    "hyperlink-format=",
    "stop-on-nonmatch",
    "no-pcre2-unicode",
    "h,help",
    "V,version",
];

/// `--help`.
pub const HELP: &str = "\
Usage: rg [OPTIONS] PATTERN [PATH ...]
       rg [OPTIONS] -e PATTERN ... [PATH ...]
       rg [OPTIONS] --files [PATH ...]
       rg [OPTIONS] --type-list

Searches directories recursively for lines that match a regular expression, leaving out
hidden and binary files and what .gitignore, .ignore and .rgignore name.

  -e PATTERN, -f FILE          patterns; -F literal, -P with look-around, -U across lines
  -i, -s, -S                   ignore case, respect it, or decide by the pattern
  -w, -x, -v                   whole words, whole lines, lines that do not match
  -A N, -B N, -C N, --passthru lines of context
  -n, -N, -H, -I, --column, -b line numbers, file names, columns, byte offsets
  -o, -r TEXT                  only the matching parts, replaced
  -c, --count-matches, -l, --files-without-match, -q
  -m N, -M N, --trim           limits
  -g GLOB, --iglob GLOB, -t TYPE, -T TYPE, --type-list, --files
  -., --hidden, --no-ignore, -u, -uu, -uuu, -L, -d N, --max-filesize N, --sort path
  --heading, --no-heading, --color WHEN, --json, --vimgrep, --stats, -0
";

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    Lines,
    Count,
    CountMatches,
    Names,
    NamesWithout,
    Json,
    Files,
    Types,
}

/// Everything that was asked for.
#[derive(Default)]
pub struct Options {
    pub mode: Mode,
    pub patterns: Vec<String>,
    pub paths: Vec<OsString>,
    pub ignore_case: bool,
    pub smart_case: bool,
    pub fixed: bool,
    pub word: bool,
    pub line: bool,
    pub invert: bool,
    pub perl: bool,
    pub multiline: bool,
    pub dot_all: bool,
    pub crlf: bool,
    pub null_data: bool,
    pub text: bool,
    pub binary: bool,
    pub max_count: Option<u64>,
    pub line_number: Option<bool>,
    pub after: usize,
    pub before: usize,
    pub passthru: bool,
    pub only: bool,
    pub replace: Option<Vec<u8>>,
    pub include_zero: bool,
    pub quiet: bool,
    pub heading: Option<bool>,
    pub with_filename: Option<bool>,
    pub column: Option<bool>,
    pub byte_offset: bool,
    pub null: bool,
    pub trim: bool,
    pub max_columns: Option<u64>,
    pub max_columns_preview: bool,
    pub vimgrep: bool,
    pub stats: bool,
    pub color: bool,
    pub context_separator: Option<Vec<u8>>,
    pub match_separator: Option<Vec<u8>>,
    pub field_context_separator: Option<Vec<u8>>,
    /// Globs, and whether case is ignored.
    pub globs: Vec<(String, bool)>,
    pub globs_fold: bool,
    /// Name, and whether it is excluded.
    pub types: Vec<(String, bool)>,
    pub type_adds: Vec<String>,
    pub type_clears: Vec<String>,
    pub hidden: bool,
    pub no_ignore: bool,
    pub no_ignore_dot: bool,
    pub no_ignore_exclude: bool,
    pub no_ignore_parent: bool,
    pub no_ignore_vcs: bool,
    pub no_require_git: bool,
    pub ignore_files: Vec<OsString>,
    pub follow: bool,
    pub max_depth: Option<usize>,
    pub max_filesize: Option<u64>,
    pub sort: Option<(String, bool)>,
    pub line_buffered: bool,
    pub no_messages: bool,
    pub no_unicode: bool,
    pub stop_on_nonmatch: bool,
    unrestricted: usize,
    given: bool,
    color_choice: String,
}

/// The outcome of parsing.
pub enum Parsed {
    Run(Box<Options>),
    Help,
    Version,
    Wrong(String),
}

/// Parses the command line.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let mut options = Options::default();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => return Parsed::Wrong(message),
            Ok(None) => break,
            Ok(Some(Arg::Operand(operand))) => options.paths.push(operand),
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Help,
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Version,
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.apply(key, &value.unwrap_or_default()) {
                    return Parsed::Wrong(message);
                }
            }
        }
    }
    options.finish()
}

fn count(key: &str, value: &OsStr) -> Result<u64, String> {
    cli::number(value, false).ok_or_else(|| {
        format!("error parsing flag --{key}: value is not a valid number: invalid digit found in string")
    })
}

fn size(value: &OsStr) -> Result<u64, String> {
    cli::number(value, true).ok_or_else(|| format!("invalid size '{}'", shown(value)))
}

impl Options {
    fn apply(&mut self, key: &'static str, value: &OsStr) -> Result<(), String> {
        let bytes = || super::unescape(bytes_of(value));
        match key {
            "regexp" => self.add_pattern(value)?,
            "file" => {
                let text = read_all(value).map_err(|error| format!("{}: {}", shown(value), reason(&error)))?;
                self.given = true;
                let text = String::from_utf8_lossy(&text).into_owned();
                self.patterns.extend(text.lines().map(str::to_owned));
            }
            "case-sensitive" => (self.ignore_case, self.smart_case) = (false, false),
            "smart-case" => (self.ignore_case, self.smart_case) = (false, true),
            "ignore-case" => (self.ignore_case, self.smart_case) = (true, false),
            "fixed-strings" => self.fixed = true,
            "word-regexp" => (self.word, self.line) = (true, false),
            "line-regexp" => (self.line, self.word) = (true, false),
            "invert-match" => self.invert = true,
            "pcre2" => self.perl = true,
            "multiline" => self.multiline = true,
            "multiline-dotall" => self.dot_all = true,
            "crlf" => self.crlf = true,
            "null-data" => self.null_data = true,
            "text" => self.text = true,
            "binary" => self.binary = true,
            "max-count" => self.max_count = Some(count(key, value)?),
            "line-number" => self.line_number = Some(true),
            "no-line-number" => self.line_number = Some(false),
            "after-context" => self.after = count(key, value)? as usize,
            "before-context" => self.before = count(key, value)? as usize,
            "context" => {
                self.after = count(key, value)? as usize;
                self.before = self.after;
            }
            "passthru" => self.passthru = true,
            "only-matching" => self.only = true,
            "replace" => self.replace = Some(bytes_of(value).to_vec()),
            "count" => self.mode = Mode::Count,
            "count-matches" => self.mode = Mode::CountMatches,
            "include-zero" => self.include_zero = true,
            "files-with-matches" => self.mode = Mode::Names,
            "files-without-match" => self.mode = Mode::NamesWithout,
            "json" => self.mode = Mode::Json,
            "files" => self.mode = Mode::Files,
            "type-list" => self.mode = Mode::Types,
            "quiet" => self.quiet = true,
            "heading" => self.heading = Some(true),
            "no-heading" => self.heading = Some(false),
            "with-filename" => self.with_filename = Some(true),
            "no-filename" => self.with_filename = Some(false),
            "column" => self.column = Some(true),
            "no-column" => self.column = Some(false),
            "byte-offset" => self.byte_offset = true,
            "null" => self.null = true,
            "trim" => self.trim = true,
            "max-columns" => self.max_columns = Some(count(key, value)?).filter(|&n| n > 0),
            "max-columns-preview" => self.max_columns_preview = true,
            "vimgrep" => self.vimgrep = true,
            "stats" => self.stats = true,
            "no-stats" => self.stats = false,
            "pretty" => {
                self.color_choice = "always".into();
                self.heading = Some(true);
                self.line_number = Some(true);
            }
            "color" => self.color_choice = shown(value),
            "context-separator" => self.context_separator = Some(bytes()),
            "no-context-separator" => self.context_separator = Some(Vec::new()),
            "field-match-separator" => self.match_separator = Some(bytes()),
            "field-context-separator" => self.field_context_separator = Some(bytes()),
            _ => return self.apply_selection(key, value),
        }
        Ok(())
    }

    /// Options about which files are searched.
    fn apply_selection(&mut self, key: &'static str, value: &OsStr) -> Result<(), String> {
        match key {
            "glob" => self.globs.push((shown(value), false)),
            "iglob" => self.globs.push((shown(value), true)),
            "glob-case-insensitive" => self.globs_fold = true,
            "type" => self.types.push((shown(value), false)),
            "type-not" => self.types.push((shown(value), true)),
            "type-add" => self.type_adds.push(shown(value)),
            "type-clear" => self.type_clears.push(shown(value)),
            "hidden" => self.hidden = true,
            "no-hidden" => self.hidden = false,
            "no-ignore" => self.no_ignore = true,
            "no-ignore-dot" => self.no_ignore_dot = true,
            "no-ignore-exclude" => self.no_ignore_exclude = true,
            "no-ignore-parent" => self.no_ignore_parent = true,
            "no-ignore-vcs" => self.no_ignore_vcs = true,
            "no-require-git" => self.no_require_git = true,
            "ignore-file" => self.ignore_files.push(value.to_owned()),
            "unrestricted" => self.unrestricted += 1,
            "follow" => self.follow = true,
            "max-depth" => self.max_depth = Some(count(key, value)? as usize),
            "max-filesize" => self.max_filesize = Some(size(value)?),
            "sort" | "sortr" => {
                let by = shown(value);
                if !matches!(by.as_str(), "none" | "path" | "modified" | "accessed" | "created") {
                    return Err(format!("error parsing flag --{key}: choice '{by}' is unrecognized"));
                }
                self.sort = (by != "none").then_some((by, key == "sortr"));
            }
            "sort-files" => self.sort = Some(("path".into(), false)),
            "line-buffered" => self.line_buffered = true,
            "no-messages" => self.no_messages = true,
            "no-unicode" => self.no_unicode = true,
            "stop-on-nonmatch" => self.stop_on_nonmatch = true,
            "engine" => self.perl = value == "pcre2",
            "search-zip" => return Err("searching in compressed files is not supported; use zcat".into()),
            _ => {}
        }
        Ok(())
    }

    fn add_pattern(&mut self, value: &OsStr) -> Result<(), String> {
        self.given = true;
        match value.to_str() {
            Some(text) => self.patterns.push(text.to_owned()),
            None => return Err("pattern given is not valid UTF-8".into()),
        }
        Ok(())
    }

    fn finish(mut self) -> Parsed {
        let needs_pattern = !matches!(self.mode, Mode::Files | Mode::Types);
        if needs_pattern && !self.given {
            if self.paths.is_empty() {
                return Parsed::Wrong("ripgrep requires at least one pattern to execute a search".to_owned());
            }
            let pattern = self.paths.remove(0);
            if let Err(message) = self.add_pattern(&pattern) {
                return Parsed::Wrong(message);
            }
        }
        self.no_ignore |= self.unrestricted >= 1;
        self.hidden |= self.unrestricted >= 2;
        self.binary |= self.unrestricted >= 3;
        let terminal = std::io::stdout().is_terminal();
        self.color = match self.color_choice.as_str() {
            "always" | "ansi" => true,
            "never" => false,
            _ => terminal && !self.vimgrep && std::env::var_os("NO_COLOR").is_none(),
        };
        if self.heading.is_none() {
            self.heading = Some(terminal && !self.vimgrep);
        }
        if self.vimgrep {
            self.column = Some(true);
            self.with_filename = Some(true);
        }
        let numbered = terminal || self.column == Some(true) || self.mode == Mode::Json;
        if self.line_number.is_none() {
            self.line_number = Some(numbered);
        }
        Parsed::Run(Box::new(self))
    }
}

//! The command line of `grep`.

use crate::cli::{Arg, Parser, number};
use crate::io::{bytes_of, read_all, reason, shown};
use crate::regex::Syntax;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

/// What to print about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Selected lines.
    Lines,
    /// Only the matching parts.
    Parts,
    /// The number of selected lines.
    Count,
    /// The name, if a line is selected.
    Names,
    /// The name, if no line is selected.
    NamesWithout,
}

/// What to do with binary files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// Say that they match.
    Report,
    /// Treat them as text.
    Text,
    /// Treat them as not matching.
    Skip,
}

/// What to do with directories named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directories {
    /// Read them like files, which fails.
    Read,
    /// Skip them.
    Skip,
    /// Descend; symbolic links met on the way are not followed.
    Recurse,
    /// Descend and follow symbolic links.
    Follow,
}

/// The parsed command line.
#[derive(Debug)]
pub struct Options {
    pub patterns: Vec<Vec<u8>>,
    pub syntax: Syntax,
    pub ignore_case: bool,
    pub invert: bool,
    pub word: bool,
    pub line: bool,
    pub output: Output,
    pub quiet: bool,
    pub no_messages: bool,
    pub max_count: Option<u64>,
    pub names: Option<bool>,
    pub null_names: bool,
    pub line_numbers: bool,
    pub byte_offsets: bool,
    pub initial_tab: bool,
    pub before: usize,
    pub after: usize,
    pub separator: Option<Vec<u8>>,
    pub delimiter: u8,
    pub binary: Binary,
    pub directories: Directories,
    pub skip_devices: bool,
    pub include: Vec<Vec<u8>>,
    pub exclude: Vec<Vec<u8>>,
    pub exclude_dir: Vec<Vec<u8>>,
    pub color: bool,
    pub line_buffered: bool,
    pub label: String,
    pub files: Vec<OsString>,
}

/// Outcome of parsing.
pub enum Parsed {
    Run(Box<Options>),
    Help,
    Version,
    /// A usage error.
    Wrong(String),
    /// An error that needs no usage message.
    Fatal(String),
}

const SPECS: &[&str] = &[
    "E,extended-regexp",
    "F,fixed-strings",
    "G,basic-regexp",
    "P,perl-regexp",
    "e,regexp=",
    "f,file=",
    "i,y,ignore-case",
    "no-ignore-case",
    "w,word-regexp",
    "x,line-regexp",
    "z,null-data",
    "s,no-messages",
    "v,invert-match",
    "V,version",
    "help",
    "m,max-count=",
    "b,byte-offset",
    "n,line-number",
    "line-buffered",
    "H,with-filename",
    "h,no-filename",
    "label=",
    "o,only-matching",
    "q,quiet",
    "silent",
    "binary-files=",
    "a,text",
    "I",
    "d,directories=",
    "D,devices=",
    "r,recursive",
    "R,dereference-recursive",
    "include=",
    "exclude=",
    "exclude-from=",
    "exclude-dir=",
    "L,files-without-match",
    "l,files-with-matches",
    "c,count",
    "T,initial-tab",
    "Z,null",
    "B,before-context=",
    "A,after-context=",
    "C,context=",
    "group-separator=",
    "no-group-separator",
    "colour,color=?",
    "U,binary",
    "u,unix-byte-offsets",
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

/// Text of `--help`.
pub const HELP: &str = "\
Usage: grep [OPTION]... PATTERNS [FILE]...
Search for PATTERNS in each FILE; without FILE, in standard input, or in '.' with -r.

  -G, -E, -F, -P            basic (default), extended, fixed or Perl-compatible patterns
  -e PATTERNS, -f FILE      patterns, one per line, from the command line or a file
  -i, -w, -x, -v            ignore case; whole words; whole lines; select lines that do not match
  -c, -l, -L, -q, -o        count; names of files with / without a match; nothing; only matching parts
  -m NUM                    stop after NUM selected lines of a file
  -n, -b, -H, -h, -Z, -T    line numbers; byte offsets; with / without names; NUL after names; aligned tab
  -A NUM, -B NUM, -C NUM    lines of context after, before, around (also -NUM)
  --group-separator=SEP, --no-group-separator
  -a, -I, --binary-files=TYPE   treat binary files as text; skip them; 'binary', 'text', 'without-match'
  -r, -R                    recurse into directories, without / with following links
  -d ACTION, -D ACTION      what to do with directories ('read', 'skip', 'recurse') and devices
  --include=GLOB, --exclude=GLOB, --exclude-from=FILE, --exclude-dir=GLOB
  -s, -z, --color[=WHEN], --line-buffered, --label=NAME, --help, -V

Exit status is 0 if a line is selected, 1 if not, 2 if an error occurred (0 with -q and a selected line).
";

struct Builder {
    options: Options,
    given: bool,
    context: Option<usize>,
    before: Option<usize>,
    after: Option<usize>,
    digits: String,
    only: bool,
    count: bool,
    list: Option<Output>,
}

/// Parses the command line.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let mut parser = Parser::new(args, SPECS);
    let mut builder = Builder::new();
    loop {
        match parser.next() {
            Err(message) => return Parsed::Wrong(message),
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => builder.options.files.push(file),
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Help,
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Version,
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = builder.option(key, &value.unwrap_or_default()) {
                    return Parsed::Fatal(message);
                }
            }
        }
    }
    builder.finish()
}

impl Builder {
    fn new() -> Self {
        let options = Options {
            patterns: Vec::new(),
            syntax: Syntax::Basic,
            ignore_case: false,
            invert: false,
            word: false,
            line: false,
            output: Output::Lines,
            quiet: false,
            no_messages: false,
            max_count: None,
            names: None,
            null_names: false,
            line_numbers: false,
            byte_offsets: false,
            initial_tab: false,
            before: 0,
            after: 0,
            separator: Some(b"--".to_vec()),
            delimiter: b'\n',
            binary: Binary::Report,
            directories: Directories::Read,
            skip_devices: false,
            include: Vec::new(),
            exclude: Vec::new(),
            exclude_dir: Vec::new(),
            color: false,
            line_buffered: false,
            label: "(standard input)".into(),
            files: Vec::new(),
        };
        Self {
            options,
            given: false,
            context: None,
            before: None,
            after: None,
            digits: String::new(),
            only: false,
            count: false,
            list: None,
        }
    }

    fn option(&mut self, key: &'static str, value: &OsStr) -> Result<(), String> {
        let o = &mut self.options;
        match key {
            "extended-regexp" => o.syntax = Syntax::Extended,
            "fixed-strings" => o.syntax = Syntax::Fixed,
            "basic-regexp" => o.syntax = Syntax::Basic,
            "perl-regexp" => o.syntax = Syntax::Perl,
            "ignore-case" => o.ignore_case = true,
            "no-ignore-case" => o.ignore_case = false,
            "word-regexp" => o.word = true,
            "line-regexp" => o.line = true,
            "null-data" => o.delimiter = 0,
            "no-messages" => o.no_messages = true,
            "invert-match" => o.invert = true,
            "byte-offset" => o.byte_offsets = true,
            "line-number" => o.line_numbers = true,
            "line-buffered" => o.line_buffered = true,
            "with-filename" => o.names = Some(true),
            "no-filename" => o.names = Some(false),
            "label" => o.label = shown(value),
            "quiet" | "silent" => o.quiet = true,
            "text" => o.binary = Binary::Text,
            "I" => o.binary = Binary::Skip,
            "recursive" => o.directories = Directories::Recurse,
            "dereference-recursive" => o.directories = Directories::Follow,
            "include" => o.include.push(bytes_of(value).to_vec()),
            "exclude" => o.exclude.push(bytes_of(value).to_vec()),
            "exclude-dir" => o.exclude_dir.push(trim_slashes(bytes_of(value)).to_vec()),
            "initial-tab" => o.initial_tab = true,
            "null" => o.null_names = true,
            "group-separator" => o.separator = Some(bytes_of(value).to_vec()),
            "no-group-separator" => o.separator = None,
            "binary" | "unix-byte-offsets" => {}
            _ => return self.valued(key, value),
        }
        Ok(())
    }

    fn valued(&mut self, key: &'static str, value: &OsStr) -> Result<(), String> {
        match key {
            "regexp" => self.patterns(bytes_of(value)),
            "file" => {
                let text = read_all(value).map_err(|error| format!("{}: {}", shown(value), reason(&error)))?;
                self.given = true;
                if !text.is_empty() {
                    self.patterns(text.strip_suffix(b"\n").unwrap_or(&text));
                }
            }
            "exclude-from" => {
                let text = read_all(value).map_err(|error| format!("{}: {}", shown(value), reason(&error)))?;
                let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
                self.options.exclude.extend(lines.map(<[u8]>::to_vec));
            }
            "max-count" => self.options.max_count = max_count(value)?,
            "binary-files" => self.options.binary = binary_files(value)?,
            "directories" => self.options.directories = directories(value)?,
            "devices" => self.options.skip_devices = value == "skip",
            "only-matching" => self.only = true,
            "count" => self.count = true,
            "files-with-matches" => self.list = Some(Output::Names),
            "files-without-match" => self.list = Some(Output::NamesWithout),
            "before-context" => self.before = Some(context(value)?),
            "after-context" => self.after = Some(context(value)?),
            "context" => self.context = Some(context(value)?),
            "color" => self.options.color = color(value)?,
            digit => {
                self.digits.push_str(digit);
                self.context = Some(context(OsStr::new(&self.digits))?);
            }
        }
        Ok(())
    }

    fn patterns(&mut self, text: &[u8]) {
        self.given = true;
        self.options
            .patterns
            .extend(text.split(|&b| b == b'\n').map(<[u8]>::to_vec));
    }

    fn finish(mut self) -> Parsed {
        if !self.given {
            if self.options.files.is_empty() {
                return Parsed::Wrong(String::new());
            }
            let pattern = self.options.files.remove(0);
            self.patterns(bytes_of(&pattern));
        }
        let o = &mut self.options;
        o.before = self.before.or(self.context).unwrap_or(0);
        o.after = self.after.or(self.context).unwrap_or(0);
        o.output = match (self.list, self.count, self.only) {
            (Some(list), _, _) => list,
            (None, true, _) => Output::Count,
            (None, false, true) => Output::Parts,
            (None, false, false) => Output::Lines,
        };
        if o.output != Output::Lines {
            (o.before, o.after) = if o.output == Output::Parts {
                (o.before, o.after)
            } else {
                (0, 0)
            };
        }
        if o.line {
            o.word = false;
        }
        Parsed::Run(Box::new(self.options))
    }
}

/// Removes slashes at the end of a name, as long as something is left.
pub fn trim_slashes(name: &[u8]) -> &[u8] {
    let mut name = name;
    while name.len() > 1 && name.ends_with(b"/") {
        name = &name[..name.len() - 1];
    }
    name
}

fn context(value: &OsStr) -> Result<usize, String> {
    number(value, false)
        .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
        .ok_or_else(|| format!("{}: invalid context length argument", shown(value)))
}

fn max_count(value: &OsStr) -> Result<Option<u64>, String> {
    let text = shown(value);
    if text.starts_with('-') && text[1..].parse::<u64>().is_ok() {
        return Ok(None);
    }
    number(value, true)
        .map(Some)
        .ok_or_else(|| "invalid max count".to_owned())
}

fn binary_files(value: &OsStr) -> Result<Binary, String> {
    match value.to_str() {
        Some("binary") => Ok(Binary::Report),
        Some("text") => Ok(Binary::Text),
        Some("without-match") => Ok(Binary::Skip),
        _ => Err("invalid argument for --binary-files".to_owned()),
    }
}

fn directories(value: &OsStr) -> Result<Directories, String> {
    match value.to_str() {
        Some("read") => Ok(Directories::Read),
        Some("skip") => Ok(Directories::Skip),
        Some("recurse") => Ok(Directories::Recurse),
        _ => Err(format!("invalid argument '{}' for '--directories'", shown(value))),
    }
}

fn color(value: &OsStr) -> Result<bool, String> {
    match value.to_str() {
        Some("always" | "yes" | "force") => Ok(true),
        Some("never" | "no" | "none") => Ok(false),
        Some("" | "auto" | "tty" | "if-tty") => {
            let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
            Ok(!dumb && std::io::stdout().is_terminal())
        }
        _ => Err(format!("invalid argument '{}' for '--color'", shown(value))),
    }
}

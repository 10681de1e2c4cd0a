//! The command line of `ls`.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, shown};

use super::color::Colors;
use super::quote::Style;
use crate::human::Units;
use crate::usage;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Long,
    Single,
    Columns,
    Across,
    Commas,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Name,
    None,
    Size,
    Time,
    Version,
    Extension,
    Width,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    Modified,
    Changed,
    Accessed,
    Born,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hidden {
    Skip,
    AllButDots,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Never,
    CommandLineDirs,
    CommandLine,
    Always,
}

/// Marks after names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    None,
    Slash,
    Type,
    Classify,
}

/// When a date is written how: format of recent and of other dates.
#[derive(Debug, Clone)]
pub(super) struct TimeStyle {
    pub(super) recent: Vec<u8>,
    pub(super) other: Vec<u8>,
}

pub(super) struct Options {
    pub(super) tool: &'static str,
    pub(super) format: Format,
    pub(super) sort: Sort,
    pub(super) reverse: bool,
    pub(super) stamp: Stamp,
    pub(super) hidden: Hidden,
    pub(super) follow: Follow,
    pub(super) mark: Mark,
    pub(super) directories_as_files: bool,
    pub(super) recursive: bool,
    pub(super) directories_first: bool,
    pub(super) inode: bool,
    pub(super) blocks: bool,
    pub(super) owner: bool,
    pub(super) group: bool,
    pub(super) author: bool,
    pub(super) numeric: bool,
    pub(super) size: Units,
    pub(super) block: Units,
    pub(super) style: Style,
    pub(super) question_marks: bool,
    pub(super) width: usize,
    pub(super) tab: usize,
    pub(super) time: TimeStyle,
    pub(super) colors: Option<Colors>,
    pub(super) ignore: Vec<Vec<u8>>,
    pub(super) hide: Vec<Vec<u8>>,
    pub(super) end: u8,
    pub(super) context: bool,
}

pub(super) enum Parsed {
    Run(Box<Options>, Vec<OsString>),
    Done(i32),
}

const SPECS: &[&str] = &[
    "a,all",
    "A,almost-all",
    "author",
    "b,escape",
    "B,ignore-backups",
    "c",
    "C",
    "color=?",
    "d,directory",
    "D,dired",
    "f",
    "F,classify=?",
    "file-type",
    "format=",
    "full-time",
    "g",
    "G,no-group",
    "group-directories-first",
    "h,human-readable",
    "si",
    "H,dereference-command-line",
    "dereference-command-line-symlink-to-dir",
    "hide=",
    "hyperlink=?",
    "i,inode",
    "I,ignore=",
    "indicator-style=",
    "k,kibibytes",
    "l",
    "L,dereference",
    "m",
    "n,numeric-uid-gid",
    "N,literal",
    "o",
    "p",
    "q,hide-control-chars",
    "show-control-chars",
    "Q,quote-name",
    "quoting-style=",
    "r,reverse",
    "R,recursive",
    "s,size",
    "S",
    "sort=",
    "t",
    "T,tabsize=",
    "time=",
    "time-style=",
    "u",
    "U",
    "v",
    "w,width=",
    "x",
    "X",
    "Z,context",
    "zero",
    "1",
    "block-size=",
    "help",
    "version",
];

const HELP: &str = "Usage: ls [OPTION]... [FILE]...
List information about the FILEs (the current directory by default).

  -a, --all                  do not ignore entries starting with .
  -A, --almost-all           do not list implied . and ..
  -C, -x, -m, -1             columns, across, commas, one per line
      --color[=WHEN]         color the output WHEN: always, auto, never
  -d, --directory            list directories themselves, not their contents
  -F, --classify[=WHEN]      append indicator (one of */=>@|) to entries
  -g, -o, -n, -G             long without owner, without group, with numbers, without group
      --group-directories-first
  -h, --human-readable       print sizes like 1K 234M 2G
  -i, --inode                print the index number of each file
  -I, --ignore=PATTERN       do not list entries matching shell PATTERN
  -l                         use a long listing format
  -L, --dereference          show information for what a symbolic link references
  -Q, -b, -N, -q             names quoted, escaped, as they are, with ? for control characters
  -r, --reverse              reverse order while sorting
  -R, --recursive            list subdirectories recursively
  -s, --size                 print the allocated size of each file, in blocks
  -S, -t, -v, -X, -U         sort by size, time, version, extension, not at all
  -c, -u, --time=WORD        show and sort by ctime, atime, WORD
      --time-style=STYLE     full-iso, long-iso, iso, locale, or +FORMAT
";

/// Reads the command line.
pub(super) fn parse(tool: &'static str, args: Vec<OsString>, format: Option<Format>) -> Parsed {
    let mut builder = Builder::new(tool, format);
    let mut operands = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Done(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Done(cli::version(tool)),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = builder.set(key, value.as_deref()) {
                    return Parsed::Done(usage(tool, message, 1));
                }
            }
            Ok(Some(Arg::Operand(name))) => operands.push(name),
            Err(message) => return Parsed::Done(usage(tool, message, 2)),
        }
    }
    if operands.is_empty() {
        operands.push(".".into());
    }
    Parsed::Run(Box::new(builder.finish()), operands)
}

struct Builder {
    options: Options,
    format: Option<Format>,
    sort: Option<Sort>,
    style: Option<Style>,
    follow: Option<Follow>,
    stamp: Option<Stamp>,
    time_style: Option<String>,
    color: bool,
    question_marks: Option<bool>,
    terminal: bool,
}

/// The choice that an argument names, which may be abbreviated.
fn choose<T: Copy>(option: &str, value: Option<&OsStr>, choices: &[(&str, T)]) -> Result<T, String> {
    let text = value.map(shown).unwrap_or_default();
    let found: Vec<&(&str, T)> = choices.iter().filter(|(name, _)| name.starts_with(&text)).collect();
    match found
        .iter()
        .find(|(name, _)| *name == text)
        .or(if found.len() == 1 { found.first() } else { None })
    {
        Some((_, choice)) => Ok(*choice),
        None => {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("  - '{name}'")).collect();
            let what = if found.is_empty() { "invalid" } else { "ambiguous" };
            Err(format!(
                "{what} argument '{text}' for '--{option}'\nValid arguments are:\n{}",
                names.join("\n")
            ))
        }
    }
}

const WHEN: &[(&str, Option<bool>)] = &[
    ("always", Some(true)),
    ("yes", Some(true)),
    ("force", Some(true)),
    ("never", Some(false)),
    ("no", Some(false)),
    ("none", Some(false)),
    ("auto", None),
    ("tty", None),
    ("if-tty", None),
];

impl Builder {
    fn new(tool: &'static str, format: Option<Format>) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let options = Options {
            tool,
            format: Format::Single,
            sort: Sort::Name,
            reverse: false,
            stamp: Stamp::Modified,
            hidden: Hidden::Skip,
            follow: Follow::Never,
            mark: Mark::None,
            directories_as_files: false,
            recursive: false,
            directories_first: false,
            inode: false,
            blocks: false,
            owner: true,
            group: true,
            author: false,
            numeric: false,
            size: Units::Bytes(1),
            block: Units::Bytes(1024),
            style: Style::Literal,
            question_marks: false,
            width: width(terminal),
            tab: 8,
            time: TimeStyle {
                recent: Vec::new(),
                other: Vec::new(),
            },
            colors: None,
            ignore: Vec::new(),
            hide: Vec::new(),
            end: b'\n',
            context: false,
        };
        Self {
            options,
            format,
            sort: None,
            style: (tool != "ls").then_some(Style::Escape),
            follow: None,
            stamp: None,
            time_style: None,
            color: false,
            question_marks: None,
            terminal,
        }
    }

    fn set(&mut self, key: &str, value: Option<&OsStr>) -> Result<(), String> {
        if self.flag(key) {
            return Ok(());
        }
        if key == "classify" && self.when(key, value)? {
            self.options.mark = Mark::Classify;
        }
        let text = value.map(shown).unwrap_or_default();
        let options = &mut self.options;
        match key {
            "color" => self.color = self.when("color", value)?,
            "format" => {
                let choices = [
                    ("verbose", Format::Long),
                    ("long", Format::Long),
                    ("commas", Format::Commas),
                    ("horizontal", Format::Across),
                    ("across", Format::Across),
                    ("vertical", Format::Columns),
                    ("single-column", Format::Single),
                ];
                self.format = Some(choose(key, value, &choices)?);
            }
            "sort" => {
                let choices = [
                    ("none", Sort::None),
                    ("size", Sort::Size),
                    ("time", Sort::Time),
                    ("version", Sort::Version),
                    ("extension", Sort::Extension),
                    ("width", Sort::Width),
                    ("name", Sort::Name),
                ];
                self.sort = Some(choose(key, value, &choices)?);
            }
            "time" => {
                let choices = [
                    ("atime", Stamp::Accessed),
                    ("access", Stamp::Accessed),
                    ("use", Stamp::Accessed),
                    ("ctime", Stamp::Changed),
                    ("status", Stamp::Changed),
                    ("mtime", Stamp::Modified),
                    ("modification", Stamp::Modified),
                    ("birth", Stamp::Born),
                    ("creation", Stamp::Born),
                ];
                self.stamp = Some(choose(key, value, &choices)?);
            }
            "indicator-style" => {
                let choices = [
                    ("none", Mark::None),
                    ("slash", Mark::Slash),
                    ("file-type", Mark::Type),
                    ("classify", Mark::Classify),
                ];
                options.mark = choose(key, value, &choices)?;
            }
            "quoting-style" => self.style = Some(choose(key, value, Style::CHOICES)?),
            "time-style" => self.time_style = Some(text),
            "hide" => options.hide.push(bytes_of(value.unwrap_or_default()).to_vec()),
            "ignore" => options.ignore.push(bytes_of(value.unwrap_or_default()).to_vec()),
            "width" => options.width = text.parse().map_err(|_| format!("invalid line width: '{text}'"))?,
            "tabsize" => options.tab = text.parse().map_err(|_| format!("invalid tab size: '{text}'"))?,
            "block-size" => {
                let units = Units::parse(&text).ok_or_else(|| format!("invalid --block-size argument '{text}'"))?;
                (options.size, options.block) = (units, units);
            }
            _ => {}
        }
        Ok(())
    }

    fn when(&self, option: &str, value: Option<&OsStr>) -> Result<bool, String> {
        match value {
            None => Ok(true),
            Some(_) => Ok(choose(option, value, WHEN)?.unwrap_or(self.terminal)),
        }
    }

    /// Options without arguments; false if it is none of them.
    fn flag(&mut self, key: &str) -> bool {
        let options = &mut self.options;
        match key {
            "all" => options.hidden = Hidden::All,
            "almost-all" => options.hidden = Hidden::AllButDots,
            "author" => options.author = true,
            "escape" => self.style = Some(Style::Escape),
            "ignore-backups" => options.ignore.extend([b"*~".to_vec(), b".*~".to_vec()]),
            "c" => self.stamp = Some(Stamp::Changed),
            "u" => self.stamp = Some(Stamp::Accessed),
            "C" => self.format = Some(Format::Columns),
            "x" => self.format = Some(Format::Across),
            "m" => self.format = Some(Format::Commas),
            "l" => self.format = Some(Format::Long),
            "1" if self.format != Some(Format::Long) => self.format = Some(Format::Single),
            "1" => {}
            "directory" => options.directories_as_files = true,
            "f" => {
                (options.hidden, self.sort) = (Hidden::All, Some(Sort::None));
            }
            "file-type" => options.mark = Mark::Type,
            "p" => options.mark = Mark::Slash,
            "full-time" => (self.format, self.time_style) = (Some(Format::Long), Some("full-iso".to_owned())),
            "g" => (self.format, options.owner) = (Some(Format::Long), false),
            "o" => (self.format, options.group) = (Some(Format::Long), false),
            "no-group" => options.group = false,
            "numeric-uid-gid" => (self.format, options.numeric) = (Some(Format::Long), true),
            "group-directories-first" => options.directories_first = true,
            "human-readable" => (options.size, options.block) = (Units::Binary, Units::Binary),
            "si" => (options.size, options.block) = (Units::Decimal, Units::Decimal),
            "kibibytes" => options.block = Units::Bytes(1024),
            "dereference-command-line" => self.follow = Some(Follow::CommandLine),
            "dereference-command-line-symlink-to-dir" => self.follow = Some(Follow::CommandLineDirs),
            "dereference" => self.follow = Some(Follow::Always),
            "inode" => options.inode = true,
            "literal" => self.style = Some(Style::Literal),
            "quote-name" => self.style = Some(Style::C),
            "hide-control-chars" => self.question_marks = Some(true),
            "show-control-chars" => self.question_marks = Some(false),
            "reverse" => options.reverse = true,
            "recursive" => options.recursive = true,
            "size" => options.blocks = true,
            "S" => self.sort = Some(Sort::Size),
            "t" => self.sort = Some(Sort::Time),
            "U" => self.sort = Some(Sort::None),
            "v" => self.sort = Some(Sort::Version),
            "X" => self.sort = Some(Sort::Extension),
            "context" => options.context = true,
            "zero" => {
                (options.end, self.style, self.question_marks) = (0, Some(Style::Literal), Some(false));
                self.color = false;
                if self.format != Some(Format::Long) {
                    self.format = Some(Format::Single);
                }
            }
            "dired" | "hyperlink" => {}
            _ => return false,
        }
        true
    }

    fn finish(mut self) -> Options {
        let options = &mut self.options;
        options.format = self
            .format
            .unwrap_or(if self.terminal { Format::Columns } else { Format::Single });
        options.style = self.style.or_else(from_environment).unwrap_or(if self.terminal {
            Style::ShellEscape
        } else {
            Style::Literal
        });
        options.question_marks = self.question_marks.unwrap_or(self.terminal && options.tool == "ls");
        options.stamp = self.stamp.unwrap_or(Stamp::Modified);
        // A time that is asked for but not shown is what to sort by.
        let by_time = self.stamp.is_some() && options.format != Format::Long;
        options.sort = self.sort.unwrap_or(if by_time { Sort::Time } else { Sort::Name });
        let plain = options.format == Format::Long || options.directories_as_files || options.mark == Mark::Classify;
        options.follow = self
            .follow
            .unwrap_or(if plain { Follow::Never } else { Follow::CommandLineDirs });
        let style = self
            .time_style
            .or_else(|| std::env::var("TIME_STYLE").ok())
            .unwrap_or_default();
        options.time = time_style(&style);
        options.colors = self.color.then(Colors::from_environment);
        self.options
    }
}

fn from_environment() -> Option<Style> {
    let name = std::env::var_os("QUOTING_STYLE")?;
    choose("quoting-style", Some(&name), Style::CHOICES).ok()
}

fn time_style(text: &str) -> TimeStyle {
    let both = |pattern: &str| TimeStyle {
        recent: pattern.into(),
        other: pattern.into(),
    };
    let text = text.strip_prefix("posix-").unwrap_or(text);
    match text {
        "full-iso" => both("%Y-%m-%d %H:%M:%S.%N %z"),
        "long-iso" => both("%Y-%m-%d %H:%M"),
        "iso" => TimeStyle {
            recent: "%m-%d %H:%M".into(),
            other: "%Y-%m-%d ".into(),
        },
        _ => match text.strip_prefix('+') {
            Some(pattern) => match pattern.split_once('\n') {
                Some((other, recent)) => TimeStyle {
                    recent: recent.into(),
                    other: other.into(),
                },
                None => both(pattern),
            },
            None => TimeStyle {
                recent: "%b %e %H:%M".into(),
                other: "%b %e  %Y".into(),
            },
        },
    }
}

/// Columns of a line: the terminal's, those of `COLUMNS`, or 80.
fn width(terminal: bool) -> usize {
    let told = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|n| *n > 0);
    told.or_else(|| {
        if terminal {
            crate::screen::size().map(|(_, columns)| columns)
        } else {
            None
        }
    })
    .unwrap_or(80)
}

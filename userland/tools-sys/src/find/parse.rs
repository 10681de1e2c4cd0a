//! The command line of `find`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::fs::File;

use agentos_tools_base::cli;
use agentos_tools_base::io::{bytes_of, complain, reason, shown};
use agentos_tools_base::platform::MetadataExt;

use super::expr::{Bits, Compare, Expr, Sink, Which};
use super::print;
use super::run::Command;
use crate::clock::{DAY, Instant, Zone};
use crate::mode::Change;
use crate::{dates, emacs, mode, users};

/// What to do.
pub(super) struct Plan {
    pub(super) roots: Vec<OsString>,
    pub(super) follow: Follow,
    pub(super) expr: Expr,
    pub(super) depth_first: bool,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) one_filesystem: bool,
    pub(super) quiet_races: bool,
    pub(super) files: Vec<File>,
}

/// Which links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Never,
    Roots,
    Always,
}

const HELP: &str = "Usage: find [-H] [-L] [-P] [path...] [expression]

Default path is the current directory; default expression is -print.
Operators: ( EXPR )  ! EXPR  -not EXPR  EXPR1 -a EXPR2  EXPR1 EXPR2  EXPR1 -o EXPR2  EXPR1 , EXPR2
Options: -daystart -depth -follow -ignore_readdir_race -maxdepth N -mindepth N -mount -regextype TYPE -xdev
Tests (N can be +N or -N or N): -amin -anewer -atime -cmin -cnewer -ctime -empty -executable -false -fstype
  -gid -group -ilname -iname -inum -ipath -iregex -links -lname -mmin -mtime -name -newer -newerXY -nogroup
  -nouser -path -perm -readable -regex -samefile -size -true -type -uid -used -user -writable -xtype
Actions: -delete -exec -execdir -fls -fprint -fprint0 -fprintf -ls -ok -okdir -print -print0 -printf -prune -quit
";

struct Parser {
    words: Vec<OsString>,
    at: usize,
    plan: Plan,
    acts: bool,
    /// Ages count from the end of this day.
    daystart: bool,
    now: Instant,
    syntax: emacs::Syntax,
    names: Vec<OsString>,
}

/// Reads the command line; `None` when help or a version was all that was asked for.
pub(super) fn parse(args: Vec<OsString>) -> Result<Option<Plan>, String> {
    let mut words: Vec<OsString> = args.into_iter().skip(1).collect();
    let mut follow = Follow::Never;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match bytes_of(word) {
            b"-H" => follow = Follow::Roots,
            b"-L" => follow = Follow::Always,
            b"-P" => follow = Follow::Never,
            b"--" => {
                at += 1;
                break;
            }
            b"-D" => at += 1,
            other if other.starts_with(b"-O") => {}
            _ => break,
        }
        at += 1;
    }
    words.drain(..at.min(words.len()));
    let starts = |word: &OsString| {
        let bytes = bytes_of(word);
        (bytes.len() > 1 && bytes[0] == b'-') || matches!(bytes, b"(" | b")" | b"!" | b",")
    };
    let end = words.iter().position(starts).unwrap_or(words.len());
    let rest = words.split_off(end);
    if rest.iter().any(|word| word == "-help" || word == "--help") {
        cli::help(HELP);
        return Ok(None);
    }
    if rest.iter().any(|word| word == "-version" || word == "--version") {
        cli::version("find");
        return Ok(None);
    }
    let mut parser = Parser::new(rest, words, follow);
    let expr = parser.whole()?;
    let mut plan = parser.plan;
    plan.expr = expr;
    Ok(Some(plan))
}

impl Parser {
    fn new(words: Vec<OsString>, mut roots: Vec<OsString>, follow: Follow) -> Self {
        if roots.is_empty() {
            roots.push(".".into());
        }
        let plan = Plan {
            roots,
            follow,
            expr: Expr::True,
            depth_first: false,
            min: 0,
            max: usize::MAX,
            one_filesystem: false,
            quiet_races: false,
            files: Vec::new(),
        };
        Self {
            words,
            at: 0,
            plan,
            acts: false,
            daystart: false,
            now: Instant::now(),
            syntax: emacs::Syntax::Emacs,
            names: Vec::new(),
        }
    }

    fn peek(&self) -> Option<&[u8]> {
        self.words.get(self.at).map(|word| bytes_of(word))
    }

    fn whole(&mut self) -> Result<Expr, String> {
        let expr = if self.words.is_empty() {
            Expr::True
        } else {
            self.comma()?
        };
        if let Some(word) = self.words.get(self.at) {
            return Err(match bytes_of(word) {
                b")" => "invalid expression; you have too many ')'".to_owned(),
                _ => format!("paths must precede expression: `{}'", shown(word)),
            });
        }
        Ok(if self.acts {
            expr
        } else {
            Expr::And(vec![expr, Expr::Print(Sink::Standard, b'\n')])
        })
    }

    fn comma(&mut self) -> Result<Expr, String> {
        let mut list = vec![self.or()?];
        while self.peek() == Some(b",") {
            self.at += 1;
            list.push(self.or()?);
        }
        Ok(one_or(list, Expr::Comma))
    }

    fn or(&mut self) -> Result<Expr, String> {
        let mut list = vec![self.and()?];
        while matches!(self.peek(), Some(b"-o" | b"-or")) {
            self.at += 1;
            list.push(self.and()?);
        }
        Ok(one_or(list, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut list = vec![self.not()?];
        loop {
            match self.peek() {
                Some(b"-a" | b"-and") => self.at += 1,
                None | Some(b"-o" | b"-or" | b"," | b")") => break,
                Some(_) => {}
            }
            list.push(self.not()?);
        }
        Ok(one_or(list, Expr::And))
    }

    fn not(&mut self) -> Result<Expr, String> {
        let mut negate = false;
        while matches!(self.peek(), Some(b"!" | b"-not")) {
            self.at += 1;
            negate = !negate;
        }
        let inner = self.primary()?;
        Ok(if negate { Expr::Not(Box::new(inner)) } else { inner })
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let Some(word) = self.words.get(self.at).cloned() else {
            let last = self.words.last().map(|word| shown(word)).unwrap_or_default();
            return Err(format!("expected an expression after '{last}'"));
        };
        self.at += 1;
        let name = shown(&word);
        match name.as_str() {
            "(" => {
                if self.peek() == Some(b")") {
                    return Err("invalid expression; empty parentheses are not allowed.".to_owned());
                }
                let inner = self.comma()?;
                if self.peek() != Some(b")") {
                    return Err(
                        "invalid expression; I was expecting to find a ')' somewhere but did not see one.".to_owned(),
                    );
                }
                self.at += 1;
                Ok(inner)
            }
            ")" => Err("invalid expression; expected to find an expression before ')'".to_owned()),
            "-o" | "-or" | "-a" | "-and" | "," => Err(format!(
                "invalid expression; you have used a binary operator '{name}' with nothing before it."
            )),
            _ if !name.starts_with('-') => Err(format!("paths must precede expression: `{name}'")),
            _ => match self.option(&name)? {
                Some(expr) => Ok(expr),
                None => match self.test(&name)? {
                    Some(expr) => Ok(expr),
                    None => self.action(&name)?.ok_or_else(|| format!("unknown predicate `{name}'")),
                },
            },
        }
    }

    fn argument(&mut self, name: &str) -> Result<OsString, String> {
        let word = self
            .words
            .get(self.at)
            .cloned()
            .ok_or_else(|| format!("missing argument to `{name}'"))?;
        self.at += 1;
        Ok(word)
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        self.argument(name).map(|word| shown(&word))
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, String> {
        self.argument(name).map(|word| bytes_of(&word).to_vec())
    }

    /// Options, which hold for the whole and are true.
    fn option(&mut self, name: &str) -> Result<Option<Expr>, String> {
        match name {
            "-depth" | "-d" => self.plan.depth_first = true,
            "-mount" | "-xdev" => self.plan.one_filesystem = true,
            "-follow" => self.plan.follow = Follow::Always,
            "-daystart" => {
                self.daystart = true;
                // Midnight that ends this day in the local zone.
                let civil = Zone::local().civil(self.now);
                let into = i64::from(civil.hour * 3600 + civil.minute * 60 + civil.second);
                self.now = Instant::new(self.now.secs - into + DAY, 0);
            }
            "-maxdepth" | "-mindepth" => {
                let text = self.text(name)?;
                let number = text
                    .parse::<usize>()
                    .map_err(|_| format!("Expected a positive decimal integer argument to {name}, but got '{text}'"))?;
                *(if name == "-maxdepth" {
                    &mut self.plan.max
                } else {
                    &mut self.plan.min
                }) = number;
            }
            "-ignore_readdir_race" => self.plan.quiet_races = true,
            "-noignore_readdir_race" => self.plan.quiet_races = false,
            "-noleaf" | "-warn" | "-nowarn" => {}
            "-regextype" => {
                let text = self.text(name)?;
                self.syntax =
                    emacs::Syntax::parse(&text).ok_or_else(|| format!("Unknown regular expression type '{text}'"))?;
            }
            _ => return Ok(None),
        }
        Ok(Some(Expr::True))
    }

    fn test(&mut self, name: &str) -> Result<Option<Expr>, String> {
        let fold = name.starts_with("-i");
        Ok(Some(match name {
            "-true" => Expr::True,
            "-false" => Expr::False,
            "-name" | "-iname" => Expr::Name {
                pattern: self.bytes(name)?,
                fold,
            },
            "-path" | "-wholename" | "-ipath" | "-iwholename" => Expr::Path {
                pattern: self.bytes(name)?,
                fold,
            },
            "-lname" | "-ilname" => Expr::Link {
                pattern: self.bytes(name)?,
                fold,
            },
            "-regex" | "-iregex" => {
                let pattern = self.text(name)?;
                Expr::Regex(Box::new(emacs::compile(&pattern, self.syntax, fold)?))
            }
            "-type" | "-xtype" => Expr::Type(self.letters(name)?, name == "-xtype"),
            "-size" => self.size(name)?,
            "-empty" => Expr::Empty,
            "-atime" | "-ctime" | "-mtime" => self.age(name, DAY)?,
            "-amin" | "-cmin" | "-mmin" => self.age(name, 60)?,
            "-newer" | "-anewer" | "-cnewer" => {
                let which = if name == "-newer" {
                    Which::Modify
                } else {
                    which(name.as_bytes()[1]).unwrap_or(Which::Modify)
                };
                Expr::Newer {
                    which,
                    than: self.reference(name, Which::Modify)?,
                }
            }
            "-used" => Expr::Used(self.number(name)?),
            "-perm" => Expr::Perm(self.perm(name)?),
            "-user" | "-uid" => Expr::User(self.id(name, users::uid_of)?),
            "-group" | "-gid" => Expr::Group(self.id(name, users::gid_of)?),
            "-nouser" => Expr::NoUser,
            "-nogroup" => Expr::NoGroup,
            "-links" => Expr::Links(self.number(name)?),
            "-inum" => Expr::Inode(self.number(name)?),
            "-samefile" => {
                let file = self.argument(name)?;
                let meta = fs::metadata(&file).map_err(|error| format!("'{}': {}", shown(&file), reason(&error)))?;
                Expr::Same(meta.dev(), meta.ino())
            }
            "-readable" => Expr::Access(crate::access::READ),
            "-writable" => Expr::Access(crate::access::WRITE),
            "-executable" => Expr::Access(crate::access::EXECUTE),
            "-fstype" => Expr::FsType(self.text(name)?),
            _ => return self.newer(name),
        }))
    }

    /// `-newerXY`.
    fn newer(&mut self, name: &str) -> Result<Option<Expr>, String> {
        let Some([x, y]) = name.strip_prefix("-newer").map(str::as_bytes) else {
            return Ok(None);
        };
        let Some(mine) = which(*x) else { return Ok(None) };
        let than = if *y == b't' {
            let text = self.text(name)?;
            dates::parse(&text, Instant::now(), false)
                .ok_or_else(|| format!("I cannot figure out how to interpret '{text}' as a date or time"))?
        } else {
            let Some(theirs) = which(*y) else { return Ok(None) };
            self.reference(name, theirs)?
        };
        Ok(Some(Expr::Newer { which: mine, than }))
    }

    fn reference(&mut self, name: &str, which: Which) -> Result<Instant, String> {
        let file = self.argument(name)?;
        let meta = fs::metadata(&file).map_err(|error| format!("'{}': {}", shown(&file), reason(&error)))?;
        super::expr::time(&meta, which).ok_or_else(|| format!("'{}': no such time is known", shown(&file)))
    }

    fn letters(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let text = self.bytes(name)?;
        let letters: Vec<u8> = text.split(|b| *b == b',').flatten().copied().collect();
        let valid = text
            .split(|b| *b == b',')
            .all(|part| part.len() == 1 && b"bcdpflsD".contains(&part[0]));
        if !valid {
            return Err(format!(
                "Unknown argument to {name}: {}",
                String::from_utf8_lossy(&text)
            ));
        }
        Ok(letters)
    }

    fn compare(&self, name: &str, text: &str) -> Result<Compare, String> {
        let invalid = || format!("invalid argument `{text}' to `{name}'");
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| invalid());
        match text.as_bytes().first() {
            Some(b'+') => number(&text[1..]).map(Compare::More),
            Some(b'-') => number(&text[1..]).map(Compare::Less),
            _ => number(text).map(Compare::Exactly),
        }
    }

    fn number(&mut self, name: &str) -> Result<Compare, String> {
        let text = self.text(name)?;
        self.compare(name, &text)
    }

    fn size(&mut self, name: &str) -> Result<Expr, String> {
        let text = self.text(name)?;
        let (digits, unit) = match text.bytes().last() {
            Some(b'c') => (&text[..text.len() - 1], 1),
            Some(b'w') => (&text[..text.len() - 1], 2),
            Some(b'b') => (&text[..text.len() - 1], 512),
            Some(b'k') => (&text[..text.len() - 1], 1 << 10),
            Some(b'M') => (&text[..text.len() - 1], 1 << 20),
            Some(b'G') => (&text[..text.len() - 1], 1 << 30),
            Some(last) if last.is_ascii_alphabetic() => {
                return Err(format!("invalid -size type `{}'", char::from(last)));
            }
            _ => (text.as_str(), 512),
        };
        let compare = self
            .compare(name, digits)
            .map_err(|_| format!("Invalid argument `{text}' to {name}"))?;
        Ok(Expr::Size(compare, unit))
    }

    fn age(&mut self, name: &str, unit: i64) -> Result<Expr, String> {
        let text = self.text(name)?;
        let which = which(name.as_bytes()[1]).unwrap_or(Which::Modify);
        // A fraction counts in seconds.
        if text.contains('.') {
            let (sign, digits) = text.split_at(usize::from(text.starts_with(['+', '-'])));
            let value: f64 = digits
                .parse()
                .map_err(|_| format!("invalid argument `{text}' to `{name}'"))?;
            let seconds = (value * unit as f64) as u64;
            let compare = match sign {
                "+" => Compare::More(seconds),
                "-" => Compare::Less(seconds),
                _ => Compare::Exactly(seconds),
            };
            return Ok(Expr::Age {
                which,
                compare,
                unit: 1,
                from: self.now,
            });
        }
        Ok(Expr::Age {
            which,
            compare: self.compare(name, &text)?,
            unit,
            from: self.now,
        })
    }

    fn id(&mut self, name: &str, find: fn(&str) -> Option<u32>) -> Result<Compare, String> {
        let text = self.text(name)?;
        let by_name = matches!(name, "-user" | "-group").then(|| find(&text)).flatten();
        if let Some(id) = by_name {
            return Ok(Compare::Exactly(u64::from(id)));
        }
        self.compare(name, &text).map_err(|invalid| match name {
            "-user" => format!("'{text}' is not the name of a known user"),
            "-group" => format!("'{text}' is not the name of an existing group"),
            _ => invalid,
        })
    }

    fn perm(&mut self, name: &str) -> Result<Bits, String> {
        let text = self.text(name)?;
        let (how, rest) = match text.as_bytes().first() {
            Some(b'-') => (b'-', &text[1..]),
            Some(b'/') => (b'/', &text[1..]),
            _ => (b'=', text.as_str()),
        };
        let change = mode::parse(rest).ok_or_else(|| format!("invalid mode '{text}'"))?;
        let bits = match change {
            Change::Bits { bits, .. } => bits,
            clauses => clauses.apply(0, false, 0),
        };
        Ok(match how {
            b'-' => Bits::All(bits),
            b'/' => Bits::Any(bits),
            _ => Bits::Exactly(bits),
        })
    }

    fn sink(&mut self, name: &str) -> Result<Sink, String> {
        let file = self.argument(name)?;
        if file == "/dev/stdout" {
            return Ok(Sink::Standard);
        }
        if let Some(at) = self.names.iter().position(|known| *known == file) {
            return Ok(Sink::File(at));
        }
        let open = File::create(&file).map_err(|error| format!("'{}': {}", shown(&file), reason(&error)))?;
        self.plan.files.push(open);
        self.names.push(file);
        Ok(Sink::File(self.names.len() - 1))
    }

    fn action(&mut self, name: &str) -> Result<Option<Expr>, String> {
        let expr = match name {
            "-print" => Expr::Print(Sink::Standard, b'\n'),
            "-print0" => Expr::Print(Sink::Standard, 0),
            "-fprint" => Expr::Print(self.sink(name)?, b'\n'),
            "-fprint0" => Expr::Print(self.sink(name)?, 0),
            "-printf" => Expr::Printf(Sink::Standard, print::pieces(&self.bytes(name)?)?),
            "-fprintf" => {
                let sink = self.sink(name)?;
                Expr::Printf(sink, print::pieces(&self.bytes(name)?)?)
            }
            "-ls" => Expr::Ls(Sink::Standard),
            "-fls" => Expr::Ls(self.sink(name)?),
            "-exec" | "-execdir" | "-ok" | "-okdir" => Expr::Exec(Box::new(self.command(name)?)),
            "-delete" => {
                self.plan.depth_first = true;
                Expr::Delete
            }
            "-prune" => return Ok(Some(Expr::Prune)),
            "-quit" => Expr::Quit,
            _ => return Ok(None),
        };
        if name != "-quit" {
            self.acts = true;
        }
        Ok(Some(expr))
    }

    fn command(&mut self, name: &str) -> Result<Command, String> {
        let mut words = Vec::new();
        let many = loop {
            let Some(word) = self.words.get(self.at).cloned() else {
                return Err(format!("missing argument to `{name}'"));
            };
            self.at += 1;
            if word == ";" {
                break false;
            }
            let ends = words.last().is_some_and(|last: &OsString| last == "{}");
            if word == "+" && ends && !name.starts_with("-ok") {
                break true;
            }
            words.push(word);
        };
        if words.is_empty() {
            return Err(format!(
                "invalid argument `{}' to `{name}'",
                if many { "+" } else { ";" }
            ));
        }
        let in_directory = name.ends_with("dir");
        if in_directory && path_is_unsafe() {
            complain(
                "find",
                "The current directory is included in the PATH environment variable; -execdir is not safe",
            );
            return Err("refusing to run".to_owned());
        }
        Ok(Command::new(words, many, in_directory, name.starts_with("-ok")))
    }
}

fn path_is_unsafe() -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|dir| !dir.is_absolute() && dir.as_os_str() != OsStr::new(""))
    })
}

fn which(letter: u8) -> Option<Which> {
    Some(match letter {
        b'a' => Which::Access,
        b'B' => Which::Birth,
        b'c' => Which::Change,
        b'm' => Which::Modify,
        _ => return None,
    })
}

fn one_or(mut list: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            many(list)
        }
        None => Expr::True,
    }
}

//! The command line of `tar`, old style (`tar xzf`) included.

use super::names::{Rules, Transform};
use crate::cli::{Arg, Parser};
use crate::codec::Format;
use crate::io::{bytes_of, os, read_all, reason, shown};
use std::ffi::{OsStr, OsString};

const SPECS: &[&str] = &[
    "c,create",
    "x,get,extract",
    "t,list",
    "r,append",
    "u,update",
    "A,concatenate",
    "d,compare,diff",
    "delete",
    "f,file=",
    "C,directory=",
    "z,ungzip,gunzip,gzip",
    "j,bzip2",
    "J,xz",
    "lzma",
    "zstd",
    "a,auto-compress",
    "I,use-compress-program=",
    "v,verbose",
    "p,same-permissions,preserve-permissions",
    "P,absolute-names",
    "O,to-stdout",
    "k,keep-old-files",
    "skip-old-files",
    "overwrite",
    "U,unlink-first",
    "keep-newer-files",
    "exclude=",
    "X,exclude-from=",
    "exclude-vcs",
    "exclude-backups",
    "strip-components=",
    "wildcards",
    "no-wildcards",
    "wildcards-match-slash",
    "no-wildcards-match-slash",
    "anchored",
    "no-anchored",
    "ignore-case",
    "T,files-from=",
    "null",
    "verbatim-files-from",
    "xform,transform=",
    "h,dereference",
    "hard-dereference",
    "owner=",
    "group=",
    "mode=",
    "mtime=",
    "numeric-owner",
    "no-recursion",
    "recursion",
    "sort=",
    "m,touch",
    "o,no-same-owner",
    "same-owner",
    "no-same-permissions",
    "one-file-system",
    "H,format=",
    "remove-files",
    "totals=?",
    "b,blocking-factor=",
    "B,read-full-records",
    "S,sparse",
    "i,ignore-zeros",
    "warning=",
    "checkpoint=?",
    "record-size=",
    "posix",
    "old-archive",
    "W,verify",
    "full-time",
    "force-local",
    "show-transformed-names",
    "no-overwrite-dir",
    "occurrence=?",
    "R,block-number",
    "level=",
    "help",
    "version",
    "w,interactive",
    "s,preserve-order",
    "delay-directory-restore",
    "no-delay-directory-restore",
    "acls",
    "no-acls",
    "xattrs",
    "no-xattrs",
    "selinux",
    "no-selinux",
    "no-auto-compress",
    "pax-option=",
    "quoting-style=",
    "add-file=",
    "clamp-mtime",
    "ignore-failed-read",
    "unlink",
];

/// `--help`.
pub const HELP: &str = "\
Usage: tar [OPTION...] [FILE]...

  -c, -x, -t, -r, -u           create, extract, list, append, append newer
  -f ARCHIVE                   the archive; - is standard input or output
  -z, -j, -J, --lzma, --zstd   compress; -a chooses by the archive's name; reading recognises all
  -C DIR                       change to DIR
  -v, -O, -p, -P, -k, -m, -h   verbose, to stdout, permissions, absolute names, keep files, touch, follow links
  --exclude=PATTERN, -X FILE, --exclude-vcs, --no-recursion, -T FILE, --null
  --strip-components=N, --transform=EXPR, --wildcards, --sort=name
  --owner=NAME, --group=NAME, --mode=MODE, --mtime=TIME, --numeric-owner, --remove-files
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Create,
    Extract,
    List,
    Append,
    Update,
}

/// An operand, and the directory it is relative to.
#[derive(Clone, Debug)]
pub struct Member {
    pub name: Vec<u8>,
    pub folder: Option<OsString>,
}

/// Everything that was asked for.
pub struct Options {
    pub mode: Mode,
    pub archive: OsString,
    pub format: Option<Format>,
    pub level: Option<u32>,
    pub members: Vec<Member>,
    /// The last `-C`, where extraction goes.
    pub folder: Option<OsString>,
    pub verbose: usize,
    pub permissions: Option<bool>,
    pub absolute: bool,
    pub to_stdout: bool,
    pub keep_old: bool,
    pub skip_old: bool,
    pub keep_newer: bool,
    pub rules: Rules,
    pub strip: usize,
    pub transforms: Vec<Transform>,
    pub dereference: bool,
    pub owner: Option<(String, Option<u64>)>,
    pub group: Option<(String, Option<u64>)>,
    pub file_mode: Option<u32>,
    pub mtime: Option<u64>,
    pub numeric: bool,
    pub recursive: bool,
    pub touch: bool,
    pub same_owner: Option<bool>,
    pub remove: bool,
    pub ignore_zeros: bool,
    pub ignore_failed_read: bool,
}

/// The outcome of parsing.
pub enum Parsed {
    Run(Box<Options>),
    Help,
    Version,
    Wrong(String),
}

struct Builder {
    options: Options,
    mode: Option<Mode>,
    auto: bool,
    null: bool,
    file: Option<OsString>,
}

/// Parses the command line.
pub fn parse(args: Vec<OsString>) -> Parsed {
    let options = Options {
        mode: Mode::List,
        archive: "-".into(),
        format: None,
        level: None,
        members: Vec::new(),
        folder: None,
        verbose: 0,
        permissions: None,
        absolute: false,
        to_stdout: false,
        keep_old: false,
        skip_old: false,
        keep_newer: false,
        rules: Rules::default(),
        strip: 0,
        transforms: Vec::new(),
        dereference: false,
        owner: None,
        group: None,
        file_mode: None,
        mtime: None,
        numeric: false,
        recursive: true,
        touch: false,
        same_owner: None,
        remove: false,
        ignore_zeros: false,
        ignore_failed_read: false,
    };
    let mut builder = Builder {
        options,
        mode: None,
        auto: false,
        null: false,
        file: None,
    };
    let mut parser = Parser::new(modern(args), SPECS);
    loop {
        let outcome = match parser.next() {
            Err(message) => return Parsed::Wrong(message),
            Ok(None) => break,
            Ok(Some(Arg::Operand(name))) => {
                builder.member(bytes_of(&name).to_vec());
                Ok(())
            }
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Help,
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Version,
            Ok(Some(Arg::Opt(key, value))) => builder.apply(key, &value.unwrap_or_default()),
        };
        if let Err(message) = outcome {
            return Parsed::Wrong(message);
        }
    }
    builder.finish()
}

/// Rewrites a first word of bare letters into options, their arguments in the same order.
fn modern(args: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = args
        .get(1)
        .filter(|first| !bytes_of(first).starts_with(b"-") && !first.is_empty())
    else {
        return args;
    };
    let letters = bytes_of(first).to_vec();
    let mut rest = args[2..].iter();
    let mut out = vec![args[0].clone()];
    for letter in letters {
        out.push(os(vec![b'-', letter]));
        let name = [letter];
        let takes = SPECS.iter().any(|spec| {
            let names = spec.trim_end_matches('?').strip_suffix('=');
            names.is_some_and(|names| names.split(',').any(|alias| alias.as_bytes() == name))
        });
        if takes {
            out.extend(rest.next().cloned());
        }
    }
    out.extend(rest.cloned());
    out
}

type Outcome = Result<(), String>;

impl Builder {
    fn member(&mut self, name: Vec<u8>) {
        self.options.members.push(Member {
            name,
            folder: self.options.folder.clone(),
        });
    }

    fn set_mode(&mut self, mode: Mode) -> Outcome {
        if self.mode.is_some_and(|old| old != mode) {
            return Err("You may not specify more than one '-Acdtrux', '--delete' or  '--test-label' option".into());
        }
        self.mode = Some(mode);
        Ok(())
    }

    fn apply(&mut self, key: &'static str, value: &OsStr) -> Outcome {
        let o = &mut self.options;
        match key {
            "create" => return self.set_mode(Mode::Create),
            "extract" => return self.set_mode(Mode::Extract),
            "list" => return self.set_mode(Mode::List),
            "append" => return self.set_mode(Mode::Append),
            "update" => return self.set_mode(Mode::Update),
            "concatenate" | "diff" | "delete" => return Err(format!("--{key} is not supported")),
            "file" => self.file = Some(value.to_owned()),
            "directory" => {
                o.folder = Some(match &o.folder {
                    Some(folder) => std::path::Path::new(folder).join(value).into_os_string(),
                    None => value.to_owned(),
                });
            }
            "gzip" => o.format = Some(Format::Gzip),
            "bzip2" => o.format = Some(Format::Bzip2),
            "xz" => o.format = Some(Format::Xz),
            "lzma" => o.format = Some(Format::Lzma),
            "zstd" => o.format = Some(Format::Zstd),
            "auto-compress" => self.auto = true,
            "use-compress-program" => self.program(value)?,
            "verbose" => o.verbose += 1,
            "preserve-permissions" => o.permissions = Some(true),
            "no-same-permissions" => o.permissions = Some(false),
            "absolute-names" => o.absolute = true,
            "to-stdout" => o.to_stdout = true,
            "keep-old-files" => o.keep_old = true,
            "skip-old-files" => o.skip_old = true,
            "keep-newer-files" => o.keep_newer = true,
            "dereference" => o.dereference = true,
            "numeric-owner" => o.numeric = true,
            "no-recursion" => o.recursive = false,
            "recursion" => o.recursive = true,
            "touch" => o.touch = true,
            "no-same-owner" => o.same_owner = Some(false),
            "same-owner" => o.same_owner = Some(true),
            "remove-files" => o.remove = true,
            "ignore-zeros" => o.ignore_zeros = true,
            "ignore-failed-read" => o.ignore_failed_read = true,
            "null" => self.null = true,
            _ => return self.apply_names(key, value),
        }
        Ok(())
    }

    /// Options about names and metadata.
    fn apply_names(&mut self, key: &'static str, value: &OsStr) -> Outcome {
        let o = &mut self.options;
        let text = shown(value);
        match key {
            "exclude" => o.rules.exclude.push(bytes_of(value).to_vec()),
            "exclude-from" => {
                let lines = lines_of(value, b'\n')?;
                o.rules.exclude.extend(lines);
            }
            "exclude-vcs" => o.rules.exclude_vcs(),
            "exclude-backups" => o
                .rules
                .exclude
                .extend([b".#*".to_vec(), b"*~".to_vec(), b"#*#".to_vec()]),
            "wildcards" => o.rules.wildcards = true,
            "no-wildcards" => o.rules.wildcards = false,
            "anchored" => o.rules.anchored = true,
            "no-anchored" => o.rules.anchored = false,
            "no-wildcards-match-slash" => o.rules.slash = false,
            "ignore-case" => o.rules.fold_case = true,
            "files-from" => {
                let end = if self.null { 0 } else { b'\n' };
                for name in lines_of(value, end)? {
                    self.member(name);
                }
            }
            "strip-components" => {
                o.strip = text
                    .parse()
                    .map_err(|_| format!("{text}: Invalid number of elements"))?;
            }
            "transform" => o.transforms.extend(Transform::parse(bytes_of(value))?),
            "owner" => o.owner = Some(identity(&text)),
            "group" => o.group = Some(identity(&text)),
            "mode" => {
                let mode =
                    u32::from_str_radix(&text, 8).map_err(|_| format!("{text}: Invalid mode given on option"))?;
                o.file_mode = Some(mode & 0o7777);
            }
            "mtime" => {
                let time = super::names::time(&text).ok_or_else(|| format!("{text}: unknown date format"))?;
                o.mtime = Some(time);
            }
            "level" => o.level = text.parse().ok(),
            "add-file" => self.member(bytes_of(value).to_vec()),
            _ => {}
        }
        Ok(())
    }

    /// `-I`: only programs that are built in.
    fn program(&mut self, value: &OsStr) -> Outcome {
        let text = shown(value);
        let mut words = text.split_whitespace();
        let program = words.next().unwrap_or_default();
        self.options.format = Some(match program.rsplit('/').next().unwrap_or_default() {
            "gzip" | "pigz" => Format::Gzip,
            "bzip2" | "pbzip2" => Format::Bzip2,
            "xz" | "pixz" => Format::Xz,
            "lzma" => Format::Lzma,
            "zstd" | "zstdmt" => Format::Zstd,
            _ => return Err(format!("{program}: only gzip, bzip2, xz, lzma and zstd are built in")),
        });
        self.options.level = words.find_map(|word| word.strip_prefix('-')?.parse().ok());
        Ok(())
    }

    fn finish(mut self) -> Parsed {
        let Some(mode) = self.mode else {
            return Parsed::Wrong(
                "You must specify one of the '-Acdtrux', '--delete' or '--test-label' options".to_owned(),
            );
        };
        self.options.mode = mode;
        if let Some(file) = self.file.or_else(|| std::env::var_os("TAPE")) {
            self.options.archive = file;
        }
        if self.auto && self.options.format.is_none() {
            self.options.format = Format::of_name(bytes_of(&self.options.archive));
        }
        if mode == Mode::Create && self.options.members.is_empty() {
            return Parsed::Wrong("Cowardly refusing to create an empty archive".to_owned());
        }
        Parsed::Run(Box::new(self.options))
    }
}

fn lines_of(file: &OsStr, end: u8) -> Result<Vec<Vec<u8>>, String> {
    let text = read_all(file).map_err(|error| format!("{}: Cannot open: {}", shown(file), reason(&error)))?;
    Ok(text
        .split(|&b| b == end)
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

/// `name`, `number` or `name:number`.
fn identity(text: &str) -> (String, Option<u64>) {
    if let Some((name, number)) = text.split_once(':') {
        return (name.to_owned(), number.parse().ok());
    }
    let digits = text.strip_prefix('+').unwrap_or(text);
    match digits.parse() {
        Ok(number) => (String::new(), Some(number)),
        Err(_) => (text.to_owned(), None),
    }
}

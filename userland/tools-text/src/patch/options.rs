//! The command line of `patch`.

use crate::cli::{self, Arg, Parser};
use crate::io::{bytes_of, shown};
use std::ffi::OsString;

const SPECS: &[&str] = &[
    "p,strip=",
    "F,fuzz=",
    "l,ignore-whitespace",
    "c,context",
    "e,ed",
    "n,normal",
    "u,unified",
    "N,forward",
    "R,reverse",
    "i,input=",
    "o,output=",
    "r,reject-file=",
    "D,ifdef=",
    "merge=?",
    "E,remove-empty-files",
    "Z,set-utc",
    "T,set-time",
    "quoting-style=",
    "b,backup",
    "backup-if-mismatch",
    "no-backup-if-mismatch",
    "V,version-control=",
    "B,prefix=",
    "Y,basename-prefix=",
    "z,suffix=",
    "g,get=",
    "t,batch",
    "f,force",
    "s,silent,quiet",
    "verbose",
    "dry-run",
    "posix",
    "d,directory=",
    "reject-format=",
    "binary",
    "read-only=",
    "follow-symlinks",
    "x,debug=",
    "v,version",
    "help",
];

/// `--help`.
pub const HELP: &str = "\
Usage: patch [OPTION]... [ORIGFILE [PATCHFILE]]

  -p NUM, -F NUM, -l          strip components; lines of fuzz; ignore blanks
  -N, -R, -f, -t              skip what is applied, reverse, assume yes, batch
  -i FILE, -o FILE, -r FILE   read the patch, write the output, write rejects
  -E, -b, -z SUF, -B PRE      remove empty files; back up
  -d DIR, --dry-run, -s, --verbose
";

/// Everything that was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub strip: Option<usize>,
    pub fuzz: usize,
    pub ignore_blanks: bool,
    pub forward: bool,
    pub reverse: bool,
    pub input: Option<OsString>,
    pub output: Option<OsString>,
    pub rejects: Option<OsString>,
    pub remove_empty: bool,
    pub backup: bool,
    pub backup_on_mismatch: bool,
    pub suffix: Vec<u8>,
    pub prefix: Vec<u8>,
    pub batch: bool,
    pub force: bool,
    pub quiet: bool,
    pub dry_run: bool,
    pub directory: Option<OsString>,
    pub original: Option<OsString>,
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
    let mut options = Options {
        strip: None,
        fuzz: 2,
        ignore_blanks: false,
        forward: false,
        reverse: false,
        input: None,
        output: None,
        rejects: None,
        remove_empty: false,
        backup: false,
        backup_on_mismatch: true,
        suffix: b".orig".to_vec(),
        prefix: Vec::new(),
        batch: false,
        force: false,
        quiet: false,
        dry_run: false,
        directory: None,
        original: None,
    };
    let mut parser = Parser::new(args, SPECS);
    let mut operands = Vec::new();
    loop {
        match parser.next() {
            Err(message) => return Parsed::Wrong(message),
            Ok(None) => break,
            Ok(Some(Arg::Operand(operand))) => operands.push(operand),
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Help,
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Version,
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.apply(key, value.unwrap_or_default()) {
                    return Parsed::Wrong(message);
                }
            }
        }
    }
    let mut operands = operands.into_iter();
    options.original = operands.next();
    if let Some(input) = operands.next() {
        options.input = Some(input);
    }
    match operands.next() {
        Some(extra) => Parsed::Wrong(format!("{}: extra operand", shown(&extra))),
        None => Parsed::Run(Box::new(options)),
    }
}

impl Options {
    fn apply(&mut self, key: &'static str, value: OsString) -> Result<(), String> {
        let number = |what: &str| {
            let found = cli::number(&value, false).and_then(|n| usize::try_from(n).ok());
            found.ok_or_else(|| format!("{what} {} is not a number", shown(&value)))
        };
        match key {
            "strip" => self.strip = Some(number("strip count")?),
            "fuzz" => self.fuzz = number("fuzz factor")?,
            "ignore-whitespace" => self.ignore_blanks = true,
            "forward" => self.forward = true,
            "reverse" => self.reverse = true,
            "input" => self.input = Some(value),
            "output" => self.output = Some(value),
            "reject-file" => self.rejects = Some(value),
            "remove-empty-files" => self.remove_empty = true,
            "backup" => self.backup = true,
            "backup-if-mismatch" => self.backup_on_mismatch = true,
            "no-backup-if-mismatch" | "posix" => self.backup_on_mismatch = false,
            "suffix" => self.suffix = bytes_of(&value).to_vec(),
            "prefix" => {
                self.prefix = bytes_of(&value).to_vec();
                self.suffix = Vec::new();
            }
            "batch" => self.batch = true,
            "force" => self.force = true,
            "quiet" => self.quiet = true,
            "dry-run" => self.dry_run = true,
            "directory" => self.directory = Some(value),
            "ed" => return Err("ed scripts are not supported".into()),
            "ifdef" | "merge" => return Err(format!("--{key} is not supported")),
            _ => {}
        }
        Ok(())
    }
}

//! The command line of the compressors.

use super::Tool;
use crate::cli::{Arg, Parser};
use crate::codec::Format;
use crate::io::{complain, shown};
use std::ffi::OsString;

const SPECS: &[&str] = &[
    "c,stdout,to-stdout",
    "d,uncompress,decompress",
    "z,compress",
    "k,keep",
    "f,force",
    "l,list",
    "t,test",
    "n,no-name",
    "N,name",
    "r,recursive",
    "q,quiet",
    "v,verbose",
    "S,suffix=",
    "h,help",
    "V,version",
    "1,fast",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9,best",
    "0",
    "T,threads=",
    "e,extreme",
    "s,small",
    "F,format=",
    "rm",
    "ultra",
    "long=?",
    "o,output=",
    "no-progress",
    "rsyncable",
    "synchronous",
    "memlimit=",
    "M,memory=",
    "C,check=",
    "adapt",
    "no-check",
    "D=",
    "L,license",
    "no-sparse",
    "sparse",
    "single-thread",
];

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub tool: Tool,
    pub decompress: bool,
    pub to_stdout: bool,
    pub keep: bool,
    pub force: bool,
    pub list: bool,
    pub test: bool,
    /// Restore, and store, the original name and time.
    pub name: Option<bool>,
    pub recursive: bool,
    pub quiet: bool,
    pub verbose: bool,
    pub level: Option<u32>,
    pub suffix: Vec<u8>,
    pub output: Option<OsString>,
    pub files: Vec<OsString>,
}

/// The outcome of parsing.
pub enum Parsed {
    Run(Options),
    Help,
    Version,
    Wrong(String),
}

impl Options {
    /// Prints a warning unless told not to.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            complain(self.tool.name, text);
        }
    }
}

/// `--help`.
pub fn help(tool: Tool) -> String {
    let Tool { name, suffix, .. } = tool;
    format!(
        "Usage: {name} [OPTION]... [FILE]...\nCompress or uncompress FILEs (by default, compress FILEs to *{suffix}).\n\n\
         \x20 -c, --stdout      write on standard output, keep original files\n\
         \x20 -d, --decompress  decompress\n\
         \x20 -f, --force       force overwrite of output file\n\
         \x20 -k, --keep        keep input files\n\
         \x20 -l, --list        list compressed file contents\n\
         \x20 -t, --test        test compressed file integrity\n\
         \x20 -n, -N            do not save or restore, save and restore name and time\n\
         \x20 -r, --recursive   operate recursively on directories\n\
         \x20 -q, -v            fewer, more messages\n\
         \x20 -S SUF            use suffix SUF on compressed files\n\
         \x20 -1 ... -9         compress faster ... better\n\n\
         With no FILE, or when FILE is -, read standard input.\n"
    )
}

/// Parses the command line.
pub fn parse(tool: Tool, args: Vec<OsString>, decompress: bool, to_stdout: bool) -> Parsed {
    let mut options = Options {
        tool,
        decompress,
        to_stdout,
        keep: tool.keeps,
        force: false,
        list: false,
        test: false,
        name: None,
        recursive: false,
        quiet: false,
        verbose: false,
        level: None,
        suffix: tool.suffix.as_bytes().to_vec(),
        output: None,
        files: Vec::new(),
    };
    let mut parser = Parser::new(zstd_levels(tool, &mut options, args), SPECS);
    loop {
        match parser.next() {
            Err(message) => return Parsed::Wrong(message),
            Ok(None) => break,
            Ok(Some(Arg::Operand(file))) => options.files.push(file),
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Help,
            Ok(Some(Arg::Opt("version" | "license", _))) => return Parsed::Version,
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = options.apply(key, value.unwrap_or_default()) {
                    return Parsed::Wrong(message);
                }
            }
        }
    }
    Parsed::Run(options)
}

/// `zstd` takes levels of two digits, which no other does.
fn zstd_levels(tool: Tool, options: &mut Options, args: Vec<OsString>) -> Vec<OsString> {
    if tool.format != Format::Zstd {
        return args;
    }
    let level = |arg: &OsString| -> Option<u32> {
        let digits = arg.to_str()?.strip_prefix('-')?;
        (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse().ok())
            .flatten()
    };
    args.into_iter()
        .filter(|arg| level(arg).map(|found| options.level = Some(found)).is_none())
        .collect()
}

impl Options {
    fn apply(&mut self, key: &'static str, value: OsString) -> Result<(), String> {
        match key {
            "to-stdout" => self.to_stdout = true,
            "decompress" => self.decompress = true,
            "compress" => self.decompress = false,
            "keep" => self.keep = true,
            "rm" => self.keep = false,
            "force" => self.force = true,
            "list" => self.list = true,
            "test" => (self.test, self.decompress) = (true, true),
            "no-name" => self.name = Some(false),
            "name" => self.name = Some(true),
            "recursive" => self.recursive = true,
            "quiet" => self.quiet = true,
            "verbose" => self.verbose = true,
            "suffix" => {
                self.suffix = value.as_encoded_bytes().to_vec();
                if !self.suffix.starts_with(b".") && self.tool.format != Format::Gzip {
                    self.suffix.insert(0, b'.');
                }
            }
            "fast" => self.level = Some(1),
            "best" => self.level = Some(9),
            "output" => self.output = Some(value),
            "format" => match value.to_str() {
                Some("xz" | "auto") => self.tool.format = Format::Xz,
                Some("lzma" | "alone") => {
                    self.tool.format = Format::Lzma;
                    self.suffix = b".lzma".to_vec();
                }
                _ => return Err(format!("{}: Unknown file format type", shown(&value))),
            },
            digit if digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit() => self.level = digit.parse().ok(),
            _ => {}
        }
        Ok(())
    }
}

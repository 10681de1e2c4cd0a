//! `gzip`, `bzip2`, `xz`, `lzma`, `zstd` and their kin: one command line over the streaming [`crate::codec`].
//!
//! The tools differ in suffixes, defaults and words, which [`Tool`] holds; everything else is one.

mod files;
mod options;

use crate::cli;
use crate::codec::Format;
use crate::io::{complain, shown};
use options::{Options, Parsed};
use std::ffi::OsString;

/// What distinguishes the tools.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Name in messages.
    pub name: &'static str,
    /// Format that is written.
    pub format: Format,
    /// Suffix of compressed files.
    pub suffix: &'static str,
    /// Suffixes taken off, and what takes their place.
    pub suffixes: &'static [(&'static str, &'static str)],
    /// The source stays.
    pub keeps: bool,
    /// Status of a warning.
    pub warning: i32,
}

const GZIP: Tool = Tool {
    name: "gzip",
    format: Format::Gzip,
    suffix: ".gz",
    suffixes: &[
        (".gz", ""),
        (".tgz", ".tar"),
        (".taz", ".tar"),
        (".z", ""),
        ("-gz", ""),
        ("-z", ""),
        (".Z", ""),
    ],
    keeps: false,
    warning: 2,
};
const BZIP2: Tool = Tool {
    name: "bzip2",
    format: Format::Bzip2,
    suffix: ".bz2",
    suffixes: &[(".bz2", ""), (".bz", ""), (".tbz2", ".tar"), (".tbz", ".tar")],
    keeps: false,
    warning: 1,
};
const XZ: Tool = Tool {
    name: "xz",
    format: Format::Xz,
    suffix: ".xz",
    suffixes: &[(".xz", ""), (".txz", ".tar"), (".lzma", ""), (".tlz", ".tar")],
    keeps: false,
    warning: 2,
};
const LZMA: Tool = Tool {
    format: Format::Lzma,
    suffix: ".lzma",
    ..XZ
};
const ZSTD: Tool = Tool {
    name: "zstd",
    format: Format::Zstd,
    suffix: ".zst",
    suffixes: &[(".zst", ""), (".tzst", ".tar"), (".gz", ""), (".xz", ""), (".lzma", "")],
    keeps: true,
    warning: 1,
};

macro_rules! applets {
    ($($name:ident $tool:ident $decompress:literal $to_stdout:literal),* $(,)?) => {
        $(
            #[doc = concat!("The applet `", stringify!($name), "`.")]
            pub fn $name(args: Vec<OsString>) -> i32 {
                run($tool, args, $decompress, $to_stdout)
            }
        )*
    };
}

applets! {
    gzip GZIP false false, gunzip GZIP true false, zcat GZIP true true,
    bzip2 BZIP2 false false, bunzip2 BZIP2 true false, bzcat BZIP2 true true,
    xz XZ false false, unxz XZ true false, xzcat XZ true true,
    lzma LZMA false false, unlzma LZMA true false, lzcat LZMA true true,
    zstd ZSTD false false, unzstd ZSTD true false, zstdcat ZSTD true true,
}

fn run(tool: Tool, args: Vec<OsString>, decompress: bool, to_stdout: bool) -> i32 {
    let mut options = match options::parse(tool, args, decompress, to_stdout) {
        Parsed::Run(options) => options,
        Parsed::Help => return cli::help(&options::help(tool)),
        Parsed::Version => return cli::version(tool.name),
        Parsed::Wrong(message) => {
            complain(tool.name, message);
            eprintln!("Try `{} --help' for more information.", tool.name);
            return 1;
        }
    };
    if options.files.is_empty() {
        options.files.push("-".into());
    }
    if options.list {
        return files::list(&options);
    }
    let mut status = 0;
    for file in options.files.clone() {
        let outcome = if file == "-" {
            files::stdin(&options)
        } else {
            one(&options, &file)
        };
        // An error outweighs a warning.
        status = match (status, outcome) {
            (1, _) | (_, 0) => status,
            (_, worse) => worse,
        };
    }
    status
}

fn one(options: &Options, file: &OsString) -> i32 {
    let path = std::path::Path::new(file);
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            if options.recursive {
                return folder(options, path);
            }
            let name = shown(file);
            let text = match options.tool.name {
                "gzip" => format!("{name} is a directory -- ignored"),
                "bzip2" => format!("Input file {name} is a directory."),
                _ => format!("{name}: Is a directory, skipping"),
            };
            options.warn(&text);
            options.tool.warning
        }
        _ => files::file(options, path),
    }
}

fn folder(options: &Options, path: &std::path::Path) -> i32 {
    let Ok(entries) = std::fs::read_dir(path) else {
        complain(
            options.tool.name,
            format_args!("{}: cannot read directory", path.display()),
        );
        return 1;
    };
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    names.sort();
    names
        .into_iter()
        .map(|name| one(options, &name.into_os_string()))
        .fold(0, |sum, status| sum.max(status))
}

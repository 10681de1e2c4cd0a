//! `file`: what a file holds, by its first bytes.

mod magic;
mod text;

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, read_all, reason, shown, stdout};
use crate::platform::FileTypeExt;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Write};

const SPECS: &[&str] = &[
    "b,brief",
    "i,mime",
    "mime-type",
    "mime-encoding",
    "L,dereference",
    "h,no-dereference",
    "f,files-from=",
    "F,separator=",
    "N,no-pad",
    "0,print0",
    "z,uncompress",
    "k,keep-going",
    "s,special-files",
    "n,no-buffer",
    "p,preserve-date",
    "r,raw",
    "m,magic-file=",
    "e,exclude=",
    "P,parameter=",
    "E",
    "c,checking-printout",
    "extension",
    "apple",
    "S,no-sandbox",
    "help",
    "v,version",
];

const HELP: &str = "\
Usage: file [OPTION...] [FILE...]
Determine type of FILEs.

  -b, --brief          do not prepend filenames to output lines
  -i, --mime           output MIME type strings; --mime-type, --mime-encoding one of them
  -L, --dereference    follow symlinks
  -f, --files-from FILE  read the filenames to be examined from FILE
  -F, --separator STRING  use string as separator instead of `:'
  -N, --no-pad         do not pad output; -0, --print0: NUL after names
";

/// Bytes looked at.
const HEAD: u64 = 1 << 20;

/// What a file holds, in words and as a MIME type.
pub struct Kind {
    /// In words.
    pub words: String,
    /// `type/subtype`.
    pub mime: String,
    /// Character set, or `binary`.
    pub encoding: &'static str,
}

impl Kind {
    /// A kind that is no text.
    pub fn binary(words: impl Into<String>, mime: &str) -> Self {
        Self {
            words: words.into(),
            mime: mime.to_owned(),
            encoding: "binary",
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Words,
    Mime,
    Type,
    Encoding,
}

/// The applet.
pub fn file(args: Vec<OsString>) -> i32 {
    let (mut brief, mut show, mut follow, mut pad, mut nul) = (false, Show::Words, false, true, false);
    let mut separator = ":".to_owned();
    let mut files: Vec<OsString> = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("file", message);
                eprint!("{HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(name))) => files.push(name),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("file"),
            Ok(Some(Arg::Opt(key, value))) => match key {
                "brief" => brief = true,
                "mime" => show = Show::Mime,
                "mime-type" => show = Show::Type,
                "mime-encoding" => show = Show::Encoding,
                "dereference" => follow = true,
                "no-dereference" => follow = false,
                "no-pad" => pad = false,
                "print0" => nul = true,
                "separator" => separator = shown(&value.unwrap_or_default()),
                "files-from" => {
                    let list = value.unwrap_or_default();
                    match read_all(&list) {
                        Ok(text) => {
                            let lines = text.split(|&b| b == b'\n').filter(|line| !line.is_empty());
                            files.extend(lines.map(|line| crate::io::os(line.to_vec())));
                        }
                        Err(error) => {
                            complain(
                                "file",
                                format_args!("Cannot open `{}': {}", shown(&list), reason(&error)),
                            );
                            return 1;
                        }
                    }
                }
                _ => {}
            },
        }
    }
    if files.is_empty() {
        eprint!("{HELP}");
        return 1;
    }
    let width = files.iter().map(|name| shown(name).chars().count()).max().unwrap_or(0);
    let mut out = stdout();
    for name in &files {
        let kind = examine(name, follow);
        let what = match show {
            Show::Words => kind.words,
            Show::Mime => format!("{}; charset={}", kind.mime, kind.encoding),
            Show::Type => kind.mime,
            Show::Encoding => kind.encoding.to_owned(),
        };
        let label = if name == "-" {
            "/dev/stdin".to_owned()
        } else {
            shown(name)
        };
        let line = if brief {
            format!("{what}\n")
        } else {
            let fill = if pad && !nul {
                width.saturating_sub(label.chars().count())
            } else {
                0
            };
            let end = if nul { "\0" } else { "" };
            format!("{label}{end}{separator} {}{what}\n", " ".repeat(fill))
        };
        if out.write_all(line.as_bytes()).is_err() {
            return 1;
        }
    }
    i32::from(out.flush().is_err())
}

fn examine(name: &OsStr, follow: bool) -> Kind {
    if name == "-" {
        let mut head = Vec::new();
        return match io::stdin().lock().take(HEAD).read_to_end(&mut head) {
            Ok(_) => contents(&head),
            Err(error) => Kind::binary(format!("cannot read ({})", reason(&error)), "inode/x-error"),
        };
    }
    let found = if follow {
        fs::metadata(name)
    } else {
        fs::symlink_metadata(name)
    };
    let meta = match found {
        Ok(meta) => meta,
        Err(error) => {
            let words = format!("cannot open `{}' ({})", shown(name), reason(&error));
            return Kind {
                mime: words.clone(),
                words,
                encoding: "binary",
            };
        }
    };
    let kind = meta.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(name).unwrap_or_default();
        let broken = fs::metadata(name).is_err();
        let words = format!(
            "{}symbolic link to {}",
            if broken { "broken " } else { "" },
            target.display()
        );
        return Kind::binary(words, "inode/symlink");
    }
    if kind.is_dir() {
        return Kind::binary("directory", "inode/directory");
    }
    if kind.is_fifo() {
        return Kind::binary("fifo (named pipe)", "inode/fifo");
    }
    if kind.is_socket() {
        return Kind::binary("socket", "inode/socket");
    }
    if kind.is_char_device() {
        return Kind::binary("character special", "inode/chardevice");
    }
    if kind.is_block_device() {
        return Kind::binary("block special", "inode/blockdevice");
    }
    let mut head = Vec::new();
    match File::open(name).and_then(|file| file.take(HEAD).read_to_end(&mut head)) {
        Ok(_) => contents(&head),
        Err(_) => Kind::binary("regular file, no read permission", "application/octet-stream"),
    }
}

fn contents(head: &[u8]) -> Kind {
    if head.is_empty() {
        return Kind::binary("empty", "inode/x-empty");
    }
    magic::of(head)
        .or_else(|| text::of(head))
        .unwrap_or_else(|| Kind::binary("data", "application/octet-stream"))
}

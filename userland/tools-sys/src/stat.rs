//! `stat`: metadata of files and filesystems.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{bytes_of, complain, reason, shown};
use agentos_tools_base::platform::{FileTypeExt, MetadataExt};

use crate::clock::{self, Instant, Zone};
use crate::ls::{Style, major, minor, quoted};
use crate::{mode, statfs, usage, write};

const SPECS: &[&str] = &[
    "L,dereference",
    "f,file-system",
    "c,format=",
    "printf=",
    "t,terse",
    "cached=",
    "help",
    "version",
];

const HELP: &str = "Usage: stat [OPTION]... FILE...
Display file or file system status.

  -L, --dereference     follow links
  -f, --file-system     display file system status instead of file status
  -c, --format=FORMAT   use the specified FORMAT instead of the default; output a newline after each use
      --printf=FORMAT   like --format, but interpret backslash escapes, and do not output a newline
  -t, --terse           print the information in terse form
";

const FILE: &str = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\n";
const TERSE: &str = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o\n";
const FS: &str = "  File: \"%n\"\n    ID: %-8i Namelen: %-7l Type: %T\nBlock size: %-10s Fundamental block size: %S\n\
                  Blocks: Total: %-10b Free: %-10f Available: %a\nInodes: Total: %-10c Free: %d\n";
const FS_TERSE: &str = "%n %i %l %t %s %S %b %f %a %c %d\n";

struct Options {
    follow: bool,
    filesystem: bool,
    terse: bool,
    format: Option<Vec<u8>>,
    escapes: bool,
}

pub(crate) fn stat(args: Vec<OsString>) -> i32 {
    let mut options = Options {
        follow: false,
        filesystem: false,
        terse: false,
        format: None,
        escapes: false,
    };
    let mut names = Vec::new();
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let bytes = value.as_deref().map(|text| bytes_of(text).to_vec());
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("stat"),
                    "dereference" => options.follow = true,
                    "file-system" => options.filesystem = true,
                    "terse" => options.terse = true,
                    "format" => (options.format, options.escapes) = (bytes, false),
                    "printf" => (options.format, options.escapes) = (bytes, true),
                    _ => {}
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(name),
            Err(message) => return usage("stat", message, 1),
        }
    }
    if names.is_empty() {
        return usage("stat", "missing operand", 1);
    }
    let mut context = Context { zone: Zone::local() };
    names
        .iter()
        .fold(0, |status, name| status | i32::from(!options.one(name, &mut context)))
}

struct Context {
    zone: Zone,
}

impl Options {
    fn one(&self, name: &OsStr, context: &mut Context) -> bool {
        let mut out = Vec::new();
        let done = if self.filesystem {
            self.filesystem(name, &mut out)
        } else {
            self.file(name, context, &mut out)
        };
        match done {
            Ok(()) => write::all("stat", &out) == 0,
            Err(error) => {
                let what = if self.filesystem {
                    "cannot read file system information for"
                } else {
                    "cannot statx"
                };
                complain("stat", format_args!("{what} '{}': {}", shown(name), reason(&error)));
                false
            }
        }
    }

    fn file(&self, name: &OsStr, context: &mut Context, out: &mut Vec<u8>) -> io::Result<()> {
        let path = if name == "-" {
            Path::new("/dev/stdin")
        } else {
            Path::new(name)
        };
        let meta = if self.follow || name == "-" {
            fs::metadata(path)?
        } else {
            fs::symlink_metadata(path)?
        };
        let file = File {
            name,
            meta: &meta,
            always: self.format.is_some(),
        };
        match &self.format {
            Some(format) => self.custom(format, out, &mut |field, out| file.field(field, context, out)),
            None => {
                let text = if self.terse { TERSE.to_owned() } else { default(&meta) };
                expand(text.as_bytes(), false, out, &mut |field, out| {
                    file.field(field, context, out)
                });
            }
        }
        Ok(())
    }

    fn filesystem(&self, name: &OsStr, out: &mut Vec<u8>) -> io::Result<()> {
        let found = statfs::of(Path::new(name))?;
        let mut field = |field: &Field, out: &mut Vec<u8>| filesystem_field(&found, name, field, out);
        match &self.format {
            Some(format) => self.custom(format, out, &mut field),
            None => expand(
                if self.terse { FS_TERSE } else { FS }.as_bytes(),
                false,
                out,
                &mut field,
            ),
        }
        Ok(())
    }

    fn custom(&self, format: &[u8], out: &mut Vec<u8>, field: &mut dyn FnMut(&Field, &mut Vec<u8>) -> bool) {
        expand(format, self.escapes, out, field);
        if !self.escapes {
            out.push(b'\n');
        }
    }
}

fn default(meta: &Metadata) -> String {
    let special = meta.file_type().is_char_device() || meta.file_type().is_block_device();
    let device = if special {
        "Device: %Hd,%Ld\tInode: %-10i  Links: %-5h Device type: %Hr,%Lr\n"
    } else {
        "Device: %Hd,%Ld\tInode: %-11i Links: %h\n"
    };
    format!(
        "{FILE}{device}Access: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n"
    )
}

/// A directive: `%` flags width precision, perhaps `H` or `L`, and a letter.
struct Field {
    flags: Vec<u8>,
    width: usize,
    precision: Option<usize>,
    half: u8,
    letter: u8,
}

/// Widest field, so that a format cannot ask for all memory.
const WIDEST: usize = 4096;

fn expand(format: &[u8], escapes: bool, out: &mut Vec<u8>, field: &mut dyn FnMut(&Field, &mut Vec<u8>) -> bool) {
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' if escapes => {
                let (bytes, taken) = crate::small::unescape(rest);
                out.extend_from_slice(&bytes);
                rest = &rest[taken..];
            }
            b'%' if rest.first() == Some(&b'%') => {
                out.push(b'%');
                rest = &rest[1..];
            }
            b'%' => {
                let (directive, taken) = read(rest);
                match directive {
                    Some(directive) => {
                        if !field(&directive, out) {
                            out.push(b'?');
                        }
                        rest = &rest[taken..];
                    }
                    None => out.push(b'%'),
                }
            }
            _ => out.push(byte),
        }
    }
}

fn read(text: &[u8]) -> (Option<Field>, usize) {
    let flags = text.iter().take_while(|b| b"#'0- +I".contains(b)).count();
    let mut at = flags;
    let number = |at: &mut usize| -> usize {
        let digits = text[*at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let value = String::from_utf8_lossy(&text[*at..*at + digits]).parse().unwrap_or(0);
        *at += digits;
        usize::min(value, WIDEST)
    };
    let width = number(&mut at);
    let precision = (text.get(at) == Some(&b'.')).then(|| {
        at += 1;
        number(&mut at)
    });
    let mut half = 0;
    if let (Some(b'H' | b'L'), Some(b'd' | b'r')) = (text.get(at), text.get(at + 1)) {
        half = text[at];
        at += 1;
    }
    match text.get(at) {
        Some(&letter) => (
            Some(Field {
                flags: text[..flags].to_vec(),
                width,
                precision,
                half,
                letter,
            }),
            at + 1,
        ),
        None => (None, 0),
    }
}

impl Field {
    fn has(&self, flag: u8) -> bool {
        self.flags.contains(&flag)
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let text = &text[..text.len().min(self.precision.unwrap_or(usize::MAX))];
        self.pad(text, false, out)
    }

    fn number(&self, digits: &str, out: &mut Vec<u8>) -> bool {
        self.pad(digits.as_bytes(), self.has(b'0'), out)
    }

    fn pad(&self, text: &[u8], zeros: bool, out: &mut Vec<u8>) -> bool {
        let fill = self.width.saturating_sub(String::from_utf8_lossy(text).chars().count());
        if self.has(b'-') {
            out.extend_from_slice(text);
            out.resize(out.len() + fill, b' ');
        } else {
            out.resize(out.len() + fill, if zeros { b'0' } else { b' ' });
            out.extend_from_slice(text);
        }
        true
    }
}

struct File<'a> {
    name: &'a OsStr,
    meta: &'a Metadata,
    always: bool,
}

impl File<'_> {
    fn field(&self, field: &Field, context: &mut Context, out: &mut Vec<u8>) -> bool {
        let meta = self.meta;
        let device = |device: u64| match field.half {
            b'H' => major(device),
            b'L' => minor(device),
            _ => device,
        };
        let special = meta.file_type().is_char_device() || meta.file_type().is_block_device();
        let rdev = if special { meta.rdev() } else { 0 };
        match field.letter {
            b'a' if field.has(b'#') => field.number(&format!("0{:o}", meta.mode() & 0o7777), out),
            b'a' => field.number(&format!("{:o}", meta.mode() & 0o7777), out),
            b'A' => field.text(mode::shown(meta.mode()).as_bytes(), out),
            b'b' => field.number(&meta.blocks().to_string(), out),
            b'B' => field.number("512", out),
            b'C' => field.text(b"?", out),
            b'd' => field.number(&device(meta.dev()).to_string(), out),
            b'D' => field.number(&format!("{:x}", meta.dev()), out),
            b'f' => field.number(&format!("{:x}", meta.mode()), out),
            b'F' => field.text(kind(meta).as_bytes(), out),
            b'g' => field.number(&meta.gid().to_string(), out),
            b'G' => field.text(
                crate::users::group_by_gid(meta.gid())
                    .map_or("UNKNOWN", |g| &g.name)
                    .as_bytes(),
                out,
            ),
            b'h' => field.number(&meta.nlink().to_string(), out),
            b'i' => field.number(&meta.ino().to_string(), out),
            b'm' => field.text(bytes_of(statfs::mount_point(Path::new(self.name)).as_os_str()), out),
            b'n' => field.text(bytes_of(self.name), out),
            b'N' => field.text(&self.quoted(), out),
            b'o' => field.number(&meta.blksize().to_string(), out),
            b'r' => field.number(&device(rdev).to_string(), out),
            b'R' => field.number(&format!("{rdev:x}"), out),
            b's' => field.number(&meta.len().to_string(), out),
            b't' => field.number(&format!("{:x}", major(rdev)), out),
            b'T' => field.number(&format!("{:x}", minor(rdev)), out),
            b'u' => field.number(&meta.uid().to_string(), out),
            b'U' => field.text(
                crate::users::by_uid(meta.uid())
                    .map_or("UNKNOWN", |u| &u.name)
                    .as_bytes(),
                out,
            ),
            b'w' | b'x' | b'y' | b'z' => self.date(field, context, out),
            b'W' | b'X' | b'Y' | b'Z' => self.seconds(field, out),
            _ => false,
        }
    }

    /// The name in quotes and, of a link, where it leads. Only the default form leaves quotes off where none is needed.
    fn quoted(&self) -> Vec<u8> {
        let style = if self.always {
            Style::ShellEscapeAlways
        } else {
            Style::ShellEscape
        };
        let mut text = quoted(bytes_of(self.name), style, false);
        if self.meta.is_symlink()
            && let Ok(target) = fs::read_link(self.name)
        {
            text.extend_from_slice(b" -> ");
            text.extend(quoted(bytes_of(target.as_os_str()), style, false));
        }
        text
    }

    fn time(&self, letter: u8) -> Option<Instant> {
        let meta = self.meta;
        Some(match letter.to_ascii_lowercase() {
            b'x' => Instant::new(meta.atime(), meta.atime_nsec()),
            b'y' => Instant::new(meta.mtime(), meta.mtime_nsec()),
            b'z' => Instant::new(meta.ctime(), meta.ctime_nsec()),
            _ => meta.created().ok()?.into(),
        })
    }

    fn date(&self, field: &Field, context: &Context, out: &mut Vec<u8>) -> bool {
        let Some(at) = self.time(field.letter) else {
            return field.text(b"-", out);
        };
        let mut text = Vec::new();
        clock::format(b"%Y-%m-%d %H:%M:%S.%N %z", &context.zone.civil(at), &mut text);
        field.text(&text, out)
    }

    fn seconds(&self, field: &Field, out: &mut Vec<u8>) -> bool {
        let at = self.time(field.letter).unwrap_or_default();
        let text = match field.precision {
            None | Some(0) => at.secs.to_string(),
            Some(digits) => {
                let nanos = format!("{:09}", at.nanos);
                format!("{}.{:0<digits$}", at.secs, &nanos[..digits.min(9)])
            }
        };
        field.number(&text, out)
    }
}

fn kind(meta: &Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_dir() {
        "directory"
    } else if kind.is_symlink() {
        "symbolic link"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_char_device() {
        "character special file"
    } else if kind.is_block_device() {
        "block special file"
    } else if meta.len() == 0 {
        "regular empty file"
    } else {
        "regular file"
    }
}

fn filesystem_field(fs: &statfs::Filesystem, name: &OsStr, field: &Field, out: &mut Vec<u8>) -> bool {
    match field.letter {
        b'a' => field.number(&fs.available.to_string(), out),
        b'b' => field.number(&fs.blocks.to_string(), out),
        b'c' => field.number(&fs.files.to_string(), out),
        b'd' => field.number(&fs.files_free.to_string(), out),
        b'f' => field.number(&fs.free.to_string(), out),
        b'i' => field.number("0", out),
        b'l' => field.number(&fs.name_max.to_string(), out),
        b'n' => field.text(bytes_of(name), out),
        b's' | b'S' => field.number(&fs.block_size.to_string(), out),
        b't' => field.number(&format!("{:x}", fs.kind), out),
        b'T' => field.text(statfs::kind_name(fs.kind).as_bytes(), out),
        _ => false,
    }
}

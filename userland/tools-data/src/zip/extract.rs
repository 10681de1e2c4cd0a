//! `unzip` and `zipinfo`.
//!
//! Names never lead out of the target directory: members with a leading slash or `..` have those parts cut off, and
//! symbolic links are made after everything else.

use crate::cli::{self, Arg, Parser};
use crate::codec;
use crate::io::{BLOCK, Out, bytes_of, complain, path as path_of, reason, shown, stdout};
use agentos_tools_base::platform::{PermissionsExt, symlink};
use agentos_tools_text::glob::{self, Flags};
use chrono::DateTime;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use zip_crate::ZipArchive;

const SPECS: &[&str] = &[
    "l", "v", "t", "p", "c", "o", "n", "u", "f", "j", "q", "x=", "d=", "C", "L", "a", "b", "P=", "Z", "1", "2", "z",
    "K", "X", "D", "U", "W", ":", "h,help", "version", "B", "m", "M", "O=", "I=", "T", "s",
];

const HELP: &str = "\
Usage: unzip [-opts[modifiers]] file[.zip] [list] [-x xlist] [-d exdir]

  -p  extract files to pipe, no messages     -l  list files (short format)
  -f  freshen existing files, create none    -t  test compressed archive data
  -u  update files, create if necessary      -v  list verbosely
  -x  exclude files that follow (in xlist)   -d  extract files into exdir
modifiers:
  -n  never overwrite existing files         -q  quiet mode (-qq => quieter)
  -o  overwrite files WITHOUT prompting      -j  junk paths (do not make directories)
  -C  match filenames case-insensitively     -L  make (some) names lowercase
";

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Extract,
    List,
    Verbose,
    Names,
    Test,
    Pipe,
    Console,
}

struct Options {
    mode: Mode,
    overwrite: Option<bool>,
    update: bool,
    freshen: bool,
    junk: bool,
    quiet: usize,
    exclude: Vec<Vec<u8>>,
    folder: Option<OsString>,
    fold_case: bool,
    lower: bool,
    archive: OsString,
    members: Vec<Vec<u8>>,
}

type Archive = ZipArchive<BufReader<File>>;

/// `unzip`.
pub fn unzip(args: Vec<OsString>) -> i32 {
    let options = match parse(args) {
        Ok(options) => options,
        Err(status) => return status,
    };
    let mut out = stdout();
    let status = run(&options, &mut out);
    let flushed = out.flush();
    match (status, flushed) {
        (Ok(status), Ok(())) => status,
        (Err(error), _) | (_, Err(error)) if crate::io::is_closed_pipe(&error) => 0,
        (Err(error), _) | (_, Err(error)) => {
            complain("unzip", reason(&error));
            50
        }
    }
}

/// `zipinfo`: names, or the verbose list.
pub fn zipinfo(mut args: Vec<OsString>) -> i32 {
    let short = args.iter().any(|arg| arg == "-1");
    args.retain(|arg| arg != "-1");
    args.insert(1.min(args.len()), if short { "-1" } else { "-v" }.into());
    unzip(args)
}

fn parse(args: Vec<OsString>) -> Result<Options, i32> {
    let mut o = Options {
        mode: Mode::Extract,
        overwrite: None,
        update: false,
        freshen: false,
        junk: false,
        quiet: 0,
        exclude: Vec::new(),
        folder: None,
        fold_case: false,
        lower: false,
        archive: OsString::new(),
        members: Vec::new(),
    };
    let mut operands = Vec::new();
    let mut excluding = false;
    let mut info = false;
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("unzip", message);
                return Err(10);
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) if excluding => o.exclude.push(bytes_of(&word).to_vec()),
            Ok(Some(Arg::Operand(word))) => operands.push(word),
            Ok(Some(Arg::Opt("help", _))) => return Err(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Err(cli::version("unzip")),
            Ok(Some(Arg::Opt(key, value))) => {
                excluding = false;
                match key {
                    "l" => o.mode = Mode::List,
                    "v" => o.mode = Mode::Verbose,
                    "t" => o.mode = Mode::Test,
                    "p" => o.mode = Mode::Pipe,
                    "c" => o.mode = Mode::Console,
                    "1" => o.mode = Mode::Names,
                    "Z" => info = true,
                    "o" => o.overwrite = Some(true),
                    "n" => o.overwrite = Some(false),
                    "u" => o.update = true,
                    "f" => o.freshen = true,
                    "j" => o.junk = true,
                    "q" => o.quiet += 1,
                    "C" => o.fold_case = true,
                    "L" => o.lower = true,
                    "d" => o.folder = value,
                    "x" => {
                        o.exclude.push(bytes_of(&value.unwrap_or_default()).to_vec());
                        excluding = true;
                    }
                    _ => {}
                }
            }
        }
    }
    if info && o.mode == Mode::Extract {
        o.mode = Mode::Verbose;
    }
    let mut operands = operands.into_iter();
    match operands.next() {
        Some(archive) => o.archive = archive,
        None => {
            crate::io::print(HELP.as_bytes());
            return Err(if o.mode == Mode::Verbose { 0 } else { 10 });
        }
    }
    o.members = operands.map(|word| bytes_of(&word).to_vec()).collect();
    Ok(o)
}

fn open(o: &Options) -> Result<(PathBuf, Archive), i32> {
    let name = shown(&o.archive);
    let candidates = [name.clone(), format!("{name}.zip"), format!("{name}.ZIP")];
    let Some(path) = candidates.iter().map(PathBuf::from).find(|path| path.is_file()) else {
        eprintln!("unzip:  cannot find or open {name}, {name}.zip or {name}.ZIP.");
        return Err(9);
    };
    let file = File::open(&path).map_err(|error| {
        eprintln!("unzip:  cannot open {}: {}", path.display(), reason(&error));
        9
    })?;
    match ZipArchive::new(BufReader::with_capacity(BLOCK, file)) {
        Ok(archive) => Ok((path, archive)),
        Err(_) => {
            let shown = path.display();
            crate::io::print(format!("Archive:  {shown}\n").as_bytes());
            eprintln!(
                "  End-of-central-directory signature not found.  Either this file is not\n  a zipfile, or it constitutes one disk of a \
                 multi-part archive.  In the\n  latter case the central directory and zipfile comment will be found on\n  the last \
                 disk(s) of this archive.\nunzip:  cannot find zipfile directory in {shown},\n        and cannot find {shown}.zip, period."
            );
            Err(9)
        }
    }
}

fn run(o: &Options, out: &mut Out) -> io::Result<i32> {
    let (path, mut archive) = match open(o) {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let names: Vec<Vec<u8>> = archive.file_names_raw().map(<[u8]>::to_vec).collect();
    let flags = Flags {
        pathname: false,
        fold_case: o.fold_case,
    };
    let mut used = vec![false; o.members.len()];
    let mut chosen = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let mut wanted = o.members.is_empty();
        for (at, pattern) in o.members.iter().enumerate() {
            if glob::matches(pattern, name, flags) {
                used[at] = true;
                wanted = true;
            }
        }
        if wanted && !o.exclude.iter().any(|pattern| glob::matches(pattern, name, flags)) {
            chosen.push(index);
        }
    }
    if o.quiet == 0 && !matches!(o.mode, Mode::Pipe | Mode::Names) {
        writeln!(out, "Archive:  {}", path.display())?;
    }
    let mut status = match o.mode {
        Mode::List | Mode::Verbose | Mode::Names => {
            list(o, &mut archive, &chosen, out)?;
            0
        }
        Mode::Test => test(o, &path, &mut archive, &chosen, out)?,
        Mode::Pipe | Mode::Console => to_stdout(o, &mut archive, &chosen, out)?,
        Mode::Extract => extract(o, &mut archive, &chosen, out)?,
    };
    for (pattern, _) in o.members.iter().zip(&used).filter(|(_, used)| !**used) {
        out.flush()?;
        eprintln!("caution: filename not matched:  {}", String::from_utf8_lossy(pattern));
        status = if status == 0 { 11 } else { status };
    }
    Ok(status)
}

/// Ratio of compression in percent.
fn ratio(size: u64, compressed: u64) -> i64 {
    if size == 0 {
        0
    } else {
        ((size as i64 - compressed as i64) * 200 / size as i64 + 1).div_euclid(2)
    }
}

fn list(o: &Options, archive: &mut Archive, chosen: &[usize], out: &mut Out) -> io::Result<()> {
    let (mut total, mut packed) = (0, 0);
    let quiet = o.quiet > 0;
    match o.mode {
        Mode::List if !quiet => out.write_all(b"  Length      Date    Time    Name\n---------  ---------- -----   ----\n")?,
        Mode::Verbose if !quiet => out.write_all(
            b" Length   Method    Size  Cmpr    Date    Time   CRC-32   Name\n--------  ------  ------- ---- ---------- ----- --------  ----\n",
        )?,
        _ => {}
    }
    for &index in chosen {
        let member = archive.by_index_raw(index).map_err(io::Error::other)?;
        let entry = super::entry_of(&member);
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let time = DateTime::from_timestamp(entry.mtime, 0)
            .unwrap_or_default()
            .format("%Y-%m-%d %H:%M");
        total += entry.size;
        packed += entry.compressed;
        match o.mode {
            Mode::Names => writeln!(out, "{name}")?,
            Mode::List => writeln!(out, "{:>9}  {time}   {name}", entry.size)?,
            _ => {
                let method = match entry.method {
                    0 => "Stored",
                    8 => "Defl:N",
                    12 => "BZip2 ",
                    14 => "LZMA  ",
                    _ => "Unk   ",
                };
                let saved = ratio(entry.size, entry.compressed);
                writeln!(
                    out,
                    "{:>8}  {method} {:>8} {saved:>3}% {time} {:08x}  {name}",
                    entry.size, entry.compressed, entry.crc
                )?;
            }
        }
    }
    let files = if chosen.len() == 1 { "file" } else { "files" };
    match o.mode {
        Mode::List if !quiet => writeln!(
            out,
            "---------                     -------\n{total:>9}                     {} {files}",
            chosen.len()
        ),
        Mode::Verbose if !quiet => {
            let saved = ratio(total, packed);
            writeln!(out, "--------          -------  ---                            -------")?;
            writeln!(
                out,
                "{total:>8}         {packed:>8} {saved:>3}%                            {} {files}",
                chosen.len()
            )
        }
        _ => Ok(()),
    }
}

fn test(o: &Options, path: &Path, archive: &mut Archive, chosen: &[usize], out: &mut Out) -> io::Result<i32> {
    let mut bad = 0;
    for &index in chosen {
        let (name, outcome) = match archive.by_index(index) {
            Ok(mut member) => {
                let name = String::from_utf8_lossy(member.name_raw()).into_owned();
                let outcome = codec::copy(&mut member, &mut io::sink()).map(|_| ());
                (name, outcome)
            }
            Err(error) => (format!("member {index}"), Err(io::Error::other(error))),
        };
        let word = match &outcome {
            Ok(()) => "OK".to_owned(),
            Err(error) => format!(" {error}"),
        };
        bad += usize::from(outcome.is_err());
        if o.quiet == 0 || outcome.is_err() {
            writeln!(out, "    testing: {name:<22}   {word}")?;
        }
    }
    if o.quiet < 2 {
        let shown = path.display();
        match bad {
            0 => writeln!(out, "No errors detected in compressed data of {shown}.")?,
            1 => writeln!(out, "At least one error was detected in {shown}.")?,
            _ => writeln!(out, "At least one error was detected in {shown}.")?,
        }
    }
    Ok(if bad > 0 { 2 } else { 0 })
}

fn to_stdout(o: &Options, archive: &mut Archive, chosen: &[usize], out: &mut Out) -> io::Result<i32> {
    let mut status = 0;
    for &index in chosen {
        let outcome = archive
            .by_index(index)
            .map_err(io::Error::other)
            .and_then(|mut member| {
                if member.is_dir() {
                    return Ok(());
                }
                if o.mode == Mode::Console {
                    let verb = if member.compression() == zip_crate::CompressionMethod::Stored {
                        " extracting"
                    } else {
                        "  inflating"
                    };
                    let name = String::from_utf8_lossy(member.name_raw()).into_owned();
                    writeln!(out, "{verb}: {name:<22}  ")?;
                }
                codec::copy(&mut member, out)?;
                if o.mode == Mode::Console {
                    writeln!(out)?;
                }
                Ok(())
            });
        if let Err(error) = outcome {
            if crate::io::is_closed_pipe(&error) {
                return Err(error);
            }
            out.flush()?;
            complain("unzip", error);
            status = 2;
        }
    }
    Ok(status)
}

/// What the user wants done with files that exist.
struct Answers {
    all: Option<bool>,
}

impl Answers {
    /// Whether to replace `path`; asks as the original does, and without an answer replaces nothing.
    fn replace(&mut self, path: &Path, out: &mut Out) -> io::Result<bool> {
        if let Some(all) = self.all {
            return Ok(all);
        }
        loop {
            out.flush()?;
            eprint!("replace {}? [y]es, [n]o, [A]ll, [N]one, [r]ename: ", path.display());
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            match line.chars().next() {
                Some('y') => return Ok(true),
                Some('n' | 'r') => return Ok(false),
                Some('A') => self.all = Some(true),
                Some('N') => self.all = Some(false),
                None => {
                    eprintln!(" NULL\n(EOF or read error, treating as \"[N]one\" ...)");
                    self.all = Some(false);
                }
                Some(_) => continue,
            }
            return Ok(self.all.unwrap_or(false));
        }
    }
}

fn extract(o: &Options, archive: &mut Archive, chosen: &[usize], out: &mut Out) -> io::Result<i32> {
    let base = o.folder.as_ref().map(PathBuf::from).unwrap_or_default();
    let mut answers = Answers { all: o.overwrite };
    let mut links: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut folders: Vec<(PathBuf, u32, i64)> = Vec::new();
    let mut status = 0;
    if !base.as_os_str().is_empty() {
        fs::create_dir_all(&base)?;
    }
    for &index in chosen {
        let mut member = match archive.by_index(index) {
            Ok(member) => member,
            Err(error) => {
                out.flush()?;
                complain("unzip", error);
                status = 81;
                continue;
            }
        };
        let entry = super::entry_of(&member);
        let Some(name) = target_name(o, &entry.name) else {
            continue;
        };
        let path = base.join(path_of(&name));
        let outcome = if entry.name.ends_with(b"/") {
            if o.junk {
                continue;
            }
            folders.push((path.clone(), entry.mode, entry.mtime));
            make_folder(o, &path, out)
        } else if entry.mode & 0o170_000 == 0o120_000 {
            let mut target = Vec::new();
            member.by_ref().take(1 << 16).read_to_end(&mut target)?;
            if o.quiet == 0 {
                writeln!(
                    out,
                    "    linking: {:<22}  -> {} ",
                    path.display(),
                    String::from_utf8_lossy(&target)
                )?;
            }
            links.push((path.clone(), path_of(&target)));
            Ok(())
        } else {
            let stored = member.compression() == zip_crate::CompressionMethod::Stored;
            place(o, &mut member, &entry, stored, &path, &mut answers, out)
        };
        if let Err(error) = outcome {
            out.flush()?;
            complain("unzip", format_args!("{}: {}", path.display(), reason(&error)));
            status = if error.kind() == io::ErrorKind::InvalidData {
                2
            } else {
                50
            };
        }
    }
    finish(o, links, folders, out)?;
    Ok(status)
}

/// The name below the target directory.
fn target_name(o: &Options, name: &[u8]) -> Option<Vec<u8>> {
    let parts = name
        .split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"." | b".."));
    let parts: Vec<&[u8]> = parts.collect();
    let mut safe = if o.junk {
        parts.last()?.to_vec()
    } else {
        parts.join(&b'/')
    };
    if o.lower {
        safe.make_ascii_lowercase();
    }
    (!safe.is_empty() && !safe.contains(&0)).then_some(safe)
}

fn make_folder(o: &Options, path: &Path, out: &mut Out) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path)?;
    if o.quiet == 0 {
        writeln!(out, "   creating: {}/", path.display())?;
    }
    Ok(())
}

fn place(
    o: &Options,
    member: &mut dyn Read,
    entry: &super::format::Entry,
    stored: bool,
    path: &Path,
    answers: &mut Answers,
    out: &mut Out,
) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match path.symlink_metadata() {
        Err(_) if o.freshen => return Ok(()),
        Err(_) => {}
        Ok(existing) => {
            let passed = existing
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let current = passed.is_some_and(|passed| passed.as_secs() as i64 >= entry.mtime);
            if (o.update || o.freshen) && current {
                return Ok(());
            }
            if !answers.replace(path, out)? {
                return Ok(());
            }
            if !existing.is_dir() {
                fs::remove_file(path)?;
            }
        }
    }
    if o.quiet == 0 {
        let verb = if stored { " extracting" } else { "  inflating" };
        writeln!(out, "{verb}: {:<22}  ", path.display().to_string())?;
    }
    let file = File::create(path)?;
    let mut target = BufWriter::with_capacity(BLOCK, file);
    codec::copy(member, &mut target)?;
    let file = target.into_inner().map_err(io::IntoInnerError::into_error)?;
    if entry.mtime > 0 {
        let time = UNIX_EPOCH + Duration::from_secs(entry.mtime as u64);
        let _ = file.set_times(FileTimes::new().set_modified(time));
    }
    if entry.mode & 0o777 != 0 {
        let _ = fs::set_permissions(path, Permissions::from_mode(entry.mode & 0o777));
    }
    Ok(())
}

/// Links, and the modes and times of directories, when all files are there.
fn finish(
    o: &Options,
    links: Vec<(PathBuf, PathBuf)>,
    folders: Vec<(PathBuf, u32, i64)>,
    out: &mut Out,
) -> io::Result<()> {
    if !links.is_empty() && o.quiet == 0 {
        writeln!(out, "finishing deferred symbolic links:")?;
    }
    for (path, target) in links {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent)?;
        }
        if path.symlink_metadata().is_ok() {
            if o.overwrite != Some(true) {
                continue;
            }
            fs::remove_file(&path)?;
        }
        symlink(&target, &path)?;
        if o.quiet == 0 {
            writeln!(out, "  {:<22} -> {}", path.display().to_string(), target.display())?;
        }
    }
    for (path, mode, mtime) in folders.into_iter().rev() {
        if mtime > 0 {
            let time = UNIX_EPOCH + Duration::from_secs(mtime as u64);
            let _ = File::open(&path).and_then(|file| file.set_times(FileTimes::new().set_modified(time)));
        }
        if mode & 0o777 != 0 && path.is_dir() {
            let _ = fs::set_permissions(&path, Permissions::from_mode(mode & 0o777));
        }
    }
    Ok(())
}

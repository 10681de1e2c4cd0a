//! `zip`.

use super::format::{Entry, Target, Writer};
use crate::cli::{self, Arg, Parser};
use crate::io::{BLOCK, Out, bytes_of, complain, reason, shown, stdout};
use agentos_tools_base::platform::{MetadataExt, PermissionsExt};
use agentos_tools_text::glob::{self, Flags};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use zip_crate::ZipArchive;

const SPECS: &[&str] = &[
    "r,recurse-paths",
    "q,quiet",
    "v,verbose",
    "j,junk-paths",
    "x,exclude=",
    "i,include=",
    "@,names-stdin",
    "u,update",
    "f,freshen",
    "d,delete",
    "m,move",
    "y,symlinks",
    "X,no-extra",
    "D,no-dir-entries",
    "T,test",
    "o,latest-time",
    "e,encrypt",
    "P,password=",
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
    "Z,compression-method=",
    "n,suffixes=",
    "l,to-crlf",
    "FS,filesync",
    "b,temp-path=",
    "z,archive-comment",
    "h,help",
    "version",
    "g,grow",
    "k,DOS-names",
    "R,recurse-patterns",
    "L,license",
    "sf,show-files",
    "s,split-size=",
];

const HELP: &str = "\
Usage: zip [-options] [zipfile list] [-xi list]

  -r   recurse into directories     -j   junk (don't record) directory names
  -q   quiet operation              -0 ... -9   store only ... compress better
  -u   update: only changed or new files   -f   freshen: only changed files
  -d   delete entries in zipfile    -m   move into zipfile (delete files)
  -x   exclude the following names  -i   include only the following names
  -y   store symbolic links as the link    -D   do not add directory entries
  -@   read names from stdin        -T   test zipfile integrity
";

struct Options {
    recurse: bool,
    quiet: bool,
    junk: bool,
    exclude: Vec<Vec<u8>>,
    include: Vec<Vec<u8>>,
    update: bool,
    freshen: bool,
    delete: bool,
    remove: bool,
    symlinks: bool,
    no_dirs: bool,
    test: bool,
    level: u32,
    archive: OsString,
    names: Vec<OsString>,
}

enum Parsed {
    Run(Box<Options>),
    Done(i32),
}

/// The applet.
pub fn zip(args: Vec<OsString>) -> i32 {
    let options = match parse(args) {
        Parsed::Run(options) => options,
        Parsed::Done(status) => return status,
    };
    match run(&options) {
        Ok(status) => status,
        Err(error) if crate::io::is_closed_pipe(&error) => 14,
        Err(error) => {
            println_error(&format!("zip error: {} ({})", reason(&error), shown(&options.archive)));
            15
        }
    }
}

/// Messages go to standard output like everything else.
fn println_error(text: &str) {
    crate::io::print(format!("\n{text}\n").as_bytes());
}

fn warn(o: &Options, text: &str) {
    let line = format!("\tzip warning: {text}\n");
    if o.archive == "-" {
        let _ = io::stderr().write_all(line.as_bytes());
    } else {
        crate::io::print(line.as_bytes());
    }
}

fn parse(args: Vec<OsString>) -> Parsed {
    let mut o = Options {
        recurse: false,
        quiet: false,
        junk: false,
        exclude: Vec::new(),
        include: Vec::new(),
        update: false,
        freshen: false,
        delete: false,
        remove: false,
        symlinks: false,
        no_dirs: false,
        test: false,
        level: 6,
        archive: OsString::new(),
        names: Vec::new(),
    };
    // The lists of -x and -i go on up to the next option.
    let mut list: Option<bool> = None;
    let mut operands = Vec::new();
    let mut from_stdin = false;
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Err(message) => {
                complain("zip", message);
                return Parsed::Done(16);
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => match list {
                Some(true) => o.exclude.push(bytes_of(&word).to_vec()),
                Some(false) => o.include.push(bytes_of(&word).to_vec()),
                None => operands.push(word),
            },
            Ok(Some(Arg::Opt("help", _))) => return Parsed::Done(cli::help(HELP)),
            Ok(Some(Arg::Opt("version", _))) => return Parsed::Done(cli::version("zip")),
            Ok(Some(Arg::Opt(key, value))) => {
                let value = value.unwrap_or_default();
                list = None;
                match key {
                    "recurse-paths" => o.recurse = true,
                    "quiet" => o.quiet = true,
                    "junk-paths" => o.junk = true,
                    "exclude" => {
                        o.exclude.push(bytes_of(&value).to_vec());
                        list = Some(true);
                    }
                    "include" => {
                        o.include.push(bytes_of(&value).to_vec());
                        list = Some(false);
                    }
                    "names-stdin" => from_stdin = true,
                    "update" => o.update = true,
                    "freshen" => o.freshen = true,
                    "delete" => o.delete = true,
                    "move" => o.remove = true,
                    "symlinks" => o.symlinks = true,
                    "no-dir-entries" => o.no_dirs = true,
                    "test" => o.test = true,
                    "compression-method" if value == "store" => o.level = 0,
                    "encrypt" | "password" => {
                        complain("zip", "encryption is not supported");
                        return Parsed::Done(16);
                    }
                    digit if digit.len() == 1 && digit.as_bytes()[0].is_ascii_digit() => {
                        o.level = digit.parse().unwrap_or(6);
                    }
                    _ => {}
                }
            }
        }
    }
    let mut operands = operands.into_iter();
    let Some(archive) = operands.next() else {
        crate::io::print(HELP.as_bytes());
        return Parsed::Done(16);
    };
    o.archive = archive;
    o.names = operands.collect();
    if from_stdin {
        let lines = io::stdin().lock().lines();
        o.names.extend(
            lines
                .map_while(Result::ok)
                .filter(|line| !line.is_empty())
                .map(OsString::from),
        );
    }
    Parsed::Run(Box::new(o))
}

/// A file to add: its name in the archive and where it is.
struct Found {
    stored: Vec<u8>,
    path: PathBuf,
    meta: fs::Metadata,
}

fn run(o: &Options) -> io::Result<i32> {
    let pipe = o.archive == "-";
    let name = archive_path(&o.archive);
    let mut old = if pipe || !name.is_file() {
        None
    } else {
        match ZipArchive::new(BufReader::with_capacity(BLOCK, File::open(&name)?)) {
            Ok(archive) => Some(archive),
            Err(error) => {
                println_error(&format!(
                    "zip error: Zip file structure invalid ({}: {error})",
                    name.display()
                ));
                return Ok(3);
            }
        }
    };
    let known: Vec<Vec<u8>> = old
        .as_ref()
        .map(|old| old.file_names_raw().map(<[u8]>::to_vec).collect())
        .unwrap_or_default();
    if o.delete {
        return delete(o, &name, old, &known);
    }
    if o.test && o.names.is_empty() {
        return Ok(test(&name));
    }
    let mut found = Vec::new();
    for operand in &o.names {
        if operand == "-" {
            continue;
        }
        collect(o, operand, &mut found);
    }
    if let (true, Some(old)) = (o.update || o.freshen, old.as_mut()) {
        found.retain(|file| newer(o, file, old));
    }
    let from_stdin = o.names.iter().any(|name| name == "-");
    if found.is_empty() && !from_stdin {
        if o.update || o.freshen {
            return Ok(12);
        }
        println_error(&format!("zip error: Nothing to do! ({})", name.display()));
        return Ok(12);
    }
    if pipe {
        let target: Target<BufWriter<File>, Out> = Target::Pipe(stdout());
        let mut writer = Writer::new(target);
        add_all(o, &mut writer, &found, &known, from_stdin)?;
        writer.finish(b"")?;
    } else {
        let temporary = temporary(&name);
        let outcome = rewrite(o, &temporary, old.as_mut(), &found, &known, from_stdin);
        if let Err(error) = outcome.and_then(|()| fs::rename(&temporary, &name)) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
    }
    if o.remove {
        for file in found.iter().rev() {
            let _ = if file.meta.is_dir() {
                fs::remove_dir(&file.path)
            } else {
                fs::remove_file(&file.path)
            };
        }
    }
    if o.test && !pipe {
        return Ok(test(&name));
    }
    Ok(0)
}

fn archive_path(name: &OsString) -> PathBuf {
    let path = PathBuf::from(name);
    if path.extension().is_none() && !path.exists() {
        path.with_extension("zip")
    } else {
        path
    }
}

fn temporary(name: &Path) -> PathBuf {
    let mut file = OsString::from(".zi");
    file.push(std::process::id().to_string());
    name.with_file_name(file)
}

type FileWriter = Writer<BufWriter<File>, Out>;

fn rewrite(
    o: &Options,
    temporary: &Path,
    old: Option<&mut ZipArchive<BufReader<File>>>,
    found: &[Found],
    known: &[Vec<u8>],
    from_stdin: bool,
) -> io::Result<()> {
    let target = Target::File(BufWriter::with_capacity(BLOCK, File::create(temporary)?));
    let mut writer: FileWriter = Writer::new(target);
    let mut comment = Vec::new();
    let mut done = vec![false; found.len()];
    if let Some(old) = old {
        comment = old.comment().to_vec();
        for (index, name) in known.iter().enumerate() {
            match found.iter().position(|file| file.stored == *name) {
                Some(at) => {
                    add(o, &mut writer, &found[at], "updating")?;
                    done[at] = true;
                }
                None => keep(&mut writer, old, index)?,
            }
        }
    }
    for (file, _) in found.iter().zip(&done).filter(|(_, done)| !**done) {
        add(o, &mut writer, file, "  adding")?;
    }
    if from_stdin {
        add_stdin(o, &mut writer)?;
    }
    writer.finish(&comment)
}

/// Copies a member as it is.
fn keep(writer: &mut FileWriter, old: &mut ZipArchive<BufReader<File>>, index: usize) -> io::Result<()> {
    let mut member = old.by_index_raw(index).map_err(io::Error::other)?;
    let entry = super::entry_of(&member);
    writer.add_raw(entry, &mut member).map(|_| ())
}

fn add_all<W: Write + io::Seek, P: Write>(
    o: &Options,
    writer: &mut Writer<W, P>,
    found: &[Found],
    known: &[Vec<u8>],
    from_stdin: bool,
) -> io::Result<()> {
    for file in found {
        let verb = if known.contains(&file.stored) {
            "updating"
        } else {
            "  adding"
        };
        add(o, writer, file, verb)?;
    }
    if from_stdin {
        add_stdin(o, writer)?;
    }
    Ok(())
}

fn add_stdin<W: Write + io::Seek, P: Write>(o: &Options, writer: &mut Writer<W, P>) -> io::Result<()> {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.as_secs() as i64);
    let entry = Entry {
        name: b"-".to_vec(),
        mode: 0o010_600,
        mtime: now,
        ..Entry::default()
    };
    let entry = writer.add(entry, &mut io::stdin().lock(), o.level)?;
    report(o, "  adding", &entry);
    Ok(())
}

fn add<W: Write + io::Seek, P: Write>(
    o: &Options,
    writer: &mut Writer<W, P>,
    file: &Found,
    verb: &str,
) -> io::Result<()> {
    let entry = Entry {
        name: file.stored.clone(),
        mode: file.meta.permissions().mode(),
        mtime: file.meta.mtime(),
        ..Entry::default()
    };
    let mut source: Box<dyn Read> = if file.meta.is_dir() {
        Box::new(io::empty())
    } else if file.meta.is_symlink() {
        let target = fs::read_link(&file.path)?;
        Box::new(io::Cursor::new(bytes_of(target.as_os_str()).to_vec()))
    } else {
        match File::open(&file.path) {
            Ok(file) => Box::new(file),
            Err(error) => {
                eprintln!(
                    "        zip warning: could not open for reading: {} ({})",
                    file.path.display(),
                    reason(&error)
                );
                return Ok(());
            }
        }
    };
    let level = if file.meta.is_dir() { 0 } else { o.level };
    let entry = writer.add(entry, &mut source, level)?;
    report(o, verb, &entry);
    Ok(())
}

fn report(o: &Options, verb: &str, entry: &Entry) {
    if o.quiet {
        return;
    }
    let method = if entry.method == 0 { "stored" } else { "deflated" };
    let line = format!(
        "{verb}: {} ({method} {}%)\n",
        String::from_utf8_lossy(&entry.name),
        entry.saved()
    );
    if o.archive == "-" {
        let _ = io::stderr().write_all(line.as_bytes());
    } else {
        crate::io::print(line.as_bytes());
    }
}

fn selected(o: &Options, name: &[u8]) -> bool {
    let hit = |patterns: &[Vec<u8>]| {
        patterns
            .iter()
            .any(|pattern| glob::matches(pattern, name, Flags::default()))
    };
    (o.include.is_empty() || hit(&o.include)) && !hit(&o.exclude)
}

fn collect(o: &Options, operand: &OsString, found: &mut Vec<Found>) {
    let path = PathBuf::from(operand);
    let meta = if o.symlinks {
        fs::symlink_metadata(&path)
    } else {
        fs::metadata(&path)
    };
    let Ok(meta) = meta else {
        warn(o, &format!("name not matched: {}", shown(operand)));
        return;
    };
    visit(o, &path, meta, 0, found);
}

fn visit(o: &Options, path: &Path, meta: fs::Metadata, depth: usize, found: &mut Vec<Found>) {
    let mut name = bytes_of(path.as_os_str());
    while let Some(rest) = name
        .strip_prefix(b"./")
        .or_else(|| name.strip_prefix(b"/"))
        .or_else(|| name.strip_prefix(b"../"))
    {
        name = rest;
    }
    let mut stored = name.to_vec();
    if o.junk {
        stored = path.file_name().map(|name| bytes_of(name).to_vec()).unwrap_or_default();
    }
    if meta.is_dir() {
        if !stored.is_empty() && !stored.ends_with(b"/") {
            stored.push(b'/');
        }
        let here = matches!(stored.as_slice(), b"" | b"./" | b"../");
        if !here && !o.no_dirs && !o.junk && selected(o, &stored) {
            found.push(Found {
                stored,
                path: path.to_owned(),
                meta,
            });
        }
        if !o.recurse || depth > 1000 {
            return;
        }
        let Ok(entries) = fs::read_dir(path) else { return };
        let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            let inner = if path == Path::new(".") {
                PathBuf::from(&name)
            } else {
                path.join(&name)
            };
            let meta = if o.symlinks {
                fs::symlink_metadata(&inner)
            } else {
                fs::metadata(&inner)
            };
            if let Ok(meta) = meta {
                visit(o, &inner, meta, depth + 1, found);
            }
        }
    } else if (meta.is_file() || meta.is_symlink()) && selected(o, &stored) {
        let archive = fs::metadata(archive_path(&o.archive)).ok();
        let same = archive.is_some_and(|archive| archive.dev() == meta.dev() && archive.ino() == meta.ino());
        if !same && !found.iter().any(|file| file.stored == stored) {
            found.push(Found {
                stored,
                path: path.to_owned(),
                meta,
            });
        }
    }
}

/// Whether `-u` or `-f` takes a file.
fn newer(o: &Options, file: &Found, old: &mut ZipArchive<BufReader<File>>) -> bool {
    let Some(index) = old.index_for_name_raw(&file.stored) else {
        return !o.freshen;
    };
    let Ok(member) = old.by_index_raw(index) else {
        return true;
    };
    // Times in archives have two seconds' resolution.
    file.meta.mtime() > super::entry_of(&member).mtime + 1
}

fn delete(o: &Options, name: &Path, old: Option<ZipArchive<BufReader<File>>>, known: &[Vec<u8>]) -> io::Result<i32> {
    let Some(mut old) = old else {
        println_error(&format!("zip error: Nothing to do! ({})", name.display()));
        return Ok(12);
    };
    let gone = |member: &[u8]| {
        o.names
            .iter()
            .any(|pattern| glob::matches(bytes_of(pattern), member, Flags::default()))
    };
    for pattern in &o.names {
        if !known
            .iter()
            .any(|member| glob::matches(bytes_of(pattern), member, Flags::default()))
        {
            warn(o, &format!("name not matched: {}", shown(pattern)));
        }
    }
    if !known.iter().any(|member| gone(member)) {
        println_error(&format!("zip error: Nothing to do! ({})", name.display()));
        return Ok(12);
    }
    let temporary = temporary(name);
    let target = Target::File(BufWriter::with_capacity(BLOCK, File::create(&temporary)?));
    let mut writer: FileWriter = Writer::new(target);
    let mut left = 0;
    for (index, member) in known.iter().enumerate() {
        if gone(member) {
            if !o.quiet {
                crate::io::print(format!("deleting: {}\n", String::from_utf8_lossy(member)).as_bytes());
            }
            continue;
        }
        left += 1;
        keep(&mut writer, &mut old, index)?;
    }
    writer.finish(old.comment())?;
    if left == 0 {
        warn(o, "zip file empty");
        fs::remove_file(&temporary)?;
        fs::remove_file(name)?;
    } else {
        fs::rename(&temporary, name)?;
    }
    Ok(0)
}

fn test(name: &Path) -> i32 {
    let good = File::open(name)
        .map_err(zip_crate::result::ZipError::from)
        .and_then(|file| {
            let mut archive = ZipArchive::new(BufReader::with_capacity(BLOCK, file))?;
            for index in 0..archive.len() {
                io::copy(&mut archive.by_index(index)?, &mut io::sink())?;
            }
            Ok(())
        });
    match good {
        Ok(()) => {
            crate::io::print(format!("test of {} OK\n", name.display()).as_bytes());
            0
        }
        Err(error) => {
            println_error(&format!("zip error: Zip file invalid ({}: {error})", name.display()));
            8
        }
    }
}

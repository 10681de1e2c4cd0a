//! `tar`, in the manner of GNU tar; archives are recognised whatever compresses them.
//!
//! ```text
//!   create:  files --headers--> [compress] --> archive
//!   extract: archive --> [decompress by magic] --> members --safe names--> files
//! ```

mod create;
mod extract;
mod list;
mod names;
mod options;
mod users;

use crate::cli;
use crate::codec::{self, Encoder, Format};
use crate::io::{BLOCK, Out, complain, is_closed_pipe, reason, shown, stdout};
use agentos_tools_base::platform::MetadataExt;
use create::Creator;
use extract::Reader;
use options::{Mode, Options, Parsed};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// The applet.
pub fn tar(args: Vec<OsString>) -> i32 {
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help => return cli::help(options::HELP),
        Parsed::Version => {
            crate::io::print(b"tar (GNU tar) 1.34 (agentOS)\n");
            return 0;
        }
        Parsed::Wrong(message) => {
            complain("tar", message);
            eprintln!("Try 'tar --help' or 'tar --usage' for more information.");
            return 2;
        }
    };
    let writes = options.mode == Mode::Create && options.archive == "-";
    let mut run = Run {
        status: 0,
        out: stdout(),
        to_stderr: writes || options.to_stdout,
    };
    let outcome = match options.mode {
        Mode::Create => create(&options, &mut run),
        Mode::Append | Mode::Update => append(&options, &mut run),
        Mode::Extract | Mode::List => read(&options, &mut run),
    };
    let outcome = outcome.and_then(|()| Ok(run.out.flush()?));
    match outcome {
        Ok(()) => {}
        Err(Failure::Io(error)) if is_closed_pipe(&error) => return 2,
        Err(Failure::Io(error)) => {
            let text = match error.kind() {
                io::ErrorKind::UnexpectedEof => "Unexpected EOF in archive".to_owned(),
                _ => reason(&error),
            };
            run.complain(text);
            complain("tar", "Error is not recoverable: exiting now");
            return 2;
        }
        Err(Failure::Message(message)) => {
            run.complain(message);
            complain("tar", "Error is not recoverable: exiting now");
            return 2;
        }
    }
    if run.status == 2 {
        run.complain("Exiting with failure status due to previous errors");
    }
    run.status
}

enum Failure {
    Io(io::Error),
    Message(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

type Outcome = Result<(), Failure>;

/// What a run prints and remembers.
pub struct Run {
    /// The exit status so far.
    pub status: i32,
    /// Standard output.
    pub out: Out,
    to_stderr: bool,
}

impl Run {
    /// Prints a message behind everything printed before.
    pub fn complain(&mut self, message: impl Display) {
        let _ = self.out.flush();
        complain("tar", message);
    }

    /// Prints a message about something that fails the run in the end.
    pub fn fail(&mut self, message: impl Display) {
        self.complain(message);
        self.status = 2;
    }

    /// Prints the name of a member, if asked for.
    pub fn show(&mut self, verbose: bool, name: &[u8]) {
        if verbose {
            let mut line = list::quoted(name);
            line.push(b'\n');
            let _ = self.write_shown(&line);
        }
    }

    /// Prints a line where lines about members go.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn write_shown(&mut self, line: &[u8]) -> io::Result<()> {
        if self.to_stderr {
            io::stderr().write_all(line)
        } else {
            self.out.write_all(line)
        }
    }
}

fn cannot_open(options: &Options, error: &io::Error) -> Failure {
    Failure::Message(format!("{}: Cannot open: {}", shown(&options.archive), reason(error)))
}

fn create(options: &Options, run: &mut Run) -> Outcome {
    let (target, own): (Box<dyn Write>, _) = if options.archive == "-" {
        (Box::new(io::stdout()), None)
    } else {
        let file = File::create(&options.archive).map_err(|error| cannot_open(options, &error))?;
        let own = file.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
        (Box::new(file), own)
    };
    let target = BufWriter::with_capacity(BLOCK, target);
    match options.format {
        None => {
            let mut creator = Creator::new(options, run, target, 0, own);
            creator.add_all(&options.members)?;
            creator.finish()?.flush()?;
        }
        Some(format) => {
            let encoder = BufWriter::with_capacity(BLOCK, Encoder::new(format, target, options.level)?);
            let mut creator = Creator::new(options, run, encoder, 0, own);
            creator.add_all(&options.members)?;
            let encoder = creator.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            encoder.finish()?.flush()?;
        }
    }
    Ok(())
}

fn read(options: &Options, run: &mut Run) -> Outcome {
    if let Some(folder) = &options.folder
        && !std::path::Path::new(folder).is_dir()
    {
        let error = std::fs::read_dir(folder)
            .err()
            .map_or_else(String::new, |error| reason(&error));
        return Err(Failure::Message(format!("{}: Cannot open: {error}", shown(folder))));
    }
    let source: Box<dyn Read> = if options.archive == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&options.archive).map_err(|error| cannot_open(options, &error))?)
    };
    let mut source = BufReader::with_capacity(BLOCK, source);
    let head = source.fill_buf()?;
    let looks_like = head.len() >= 512 && head.get(257..262) == Some(b"ustar");
    let found = if looks_like { None } else { Format::of_magic(head) };
    if found.is_none() && !looks_like && !plausible(head) {
        if options.format == Some(Format::Gzip) {
            complain("gzip", "stdin: not in gzip format");
        }
        run.complain("This does not look like a tar archive");
        run.fail("Exiting with failure status due to previous errors");
        run.status = 0;
        return Err(Failure::Message("Child returned status 1".into()));
    }
    let mut reader = Reader::new(options, run);
    match found {
        None => reader.read(&mut source)?,
        Some(format) => {
            let mut decoder = BufReader::with_capacity(BLOCK, codec::decoder(format, Box::new(source))?);
            let head = decoder.fill_buf()?;
            if head.get(257..262) != Some(b"ustar") && !plausible(head) {
                return Err(Failure::Message("This does not look like a tar archive".into()));
            }
            reader.read(&mut decoder)?;
        }
    }
    Ok(())
}

/// Whether a first record without a magic is a header nevertheless: empty, or one whose checksum is right.
fn plausible(head: &[u8]) -> bool {
    let Some(record) = head.get(..512) else {
        return head.is_empty();
    };
    if record.iter().all(|&b| b == 0) {
        return true;
    }
    let header = tar::Header::from_byte_slice(record);
    let sum: u32 = record
        .iter()
        .enumerate()
        .map(|(at, &b)| if (148..156).contains(&at) { 32 } else { u32::from(b) })
        .sum();
    header.cksum().is_ok_and(|claimed| claimed == sum)
}

/// `-r` and `-u`: writes over the end of an archive that is not compressed.
fn append(options: &Options, run: &mut Run) -> Outcome {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&options.archive);
    let file = file.as_mut().map_err(|error| cannot_open(options, error))?;
    let mut head = [0; 16];
    let count = file.read(&mut head)?;
    if Format::of_magic(&head[..count]).is_some() {
        return Err(Failure::Message("Cannot update compressed archives".into()));
    }
    file.seek(SeekFrom::Start(0))?;
    let (end, known) = scan(&mut BufReader::with_capacity(BLOCK, &mut *file))?;
    let own = file.metadata().ok().map(|meta| (meta.dev(), meta.ino()));
    file.seek(SeekFrom::Start(end))?;
    let mut creator = Creator::new(options, run, BufWriter::with_capacity(BLOCK, &mut *file), end, own);
    if options.mode == Mode::Update {
        creator.only_newer(known);
    }
    creator.add_all(&options.members)?;
    creator.finish()?.flush()?;
    let length = file.stream_position()?;
    file.set_len(length)?;
    Ok(())
}

/// Where the members of an archive end, and their times by name.
fn scan(source: &mut dyn Read) -> Result<(u64, HashMap<Vec<u8>, u64>), Failure> {
    let mut archive = tar::Archive::new(source);
    let mut end = 0;
    let mut known = HashMap::new();
    for entry in archive.entries()? {
        let entry = entry?;
        end = entry.raw_file_position() + entry.header().entry_size()?.div_ceil(512) * 512;
        let time = entry.header().mtime().unwrap_or(0);
        known.insert(names::trim(&entry.path_bytes()).to_vec(), time);
    }
    Ok((end, known))
}

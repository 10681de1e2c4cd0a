//! `dd`: copies blocks and converts them.

mod convert;
mod options;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use agentos_tools_base::cli;
use agentos_tools_base::io::{complain, reason, shown};

use convert::Converter;
use options::{Amount, Options, Status};

/// `dd`.
pub(crate) fn dd(args: Vec<OsString>) -> i32 {
    match args.get(1).map(|arg| shown(arg)).as_deref() {
        Some("--help") => return cli::help(options::HELP),
        Some("--version") => return cli::version("dd"),
        _ => {}
    }
    let options = match options::parse(&args[1.min(args.len())..]) {
        Ok(options) => options,
        Err(message) => return crate::usage("dd", message, 1),
    };
    match Copy::new(options) {
        Ok(copy) => copy.run(),
        Err(message) => {
            complain("dd", message);
            1
        }
    }
}

/// Whole and partial blocks.
#[derive(Default)]
struct Records {
    whole: u64,
    partial: u64,
}

struct Copy {
    options: Options,
    input: File,
    output: File,
    read: Records,
    written: Records,
    bytes: u64,
    truncated: u64,
    begin: Instant,
    told: Instant,
    status: i32,
}

fn open_input(options: &Options) -> Result<File, String> {
    match &options.input {
        Some(name) => File::open(name).map_err(|error| format!("failed to open '{}': {}", shown(name), reason(&error))),
        None => {
            let fd = io::stdin().as_fd().try_clone_to_owned();
            fd.map(File::from)
                .map_err(|error| format!("failed to open 'standard input': {}", reason(&error)))
        }
    }
}

fn open_output(options: &Options) -> Result<File, String> {
    let Some(name) = &options.output else {
        let fd = io::stdout().as_fd().try_clone_to_owned();
        return fd
            .map(File::from)
            .map_err(|error| format!("failed to open 'standard output': {}", reason(&error)));
    };
    let mut how = OpenOptions::new();
    how.write(true).append(options.append);
    if options.exclusive {
        how.create_new(true);
    } else {
        how.create(!options.no_create);
    }
    let file = how
        .open(name)
        .map_err(|error| format!("failed to open '{}': {}", shown(name), reason(&error)))?;
    if !options.keep && !options.append {
        // What lies before the place that is written to stays.
        let length = options.seek.in_bytes(options.obs);
        let regular = file.metadata().is_ok_and(|meta| meta.is_file());
        if regular && let Err(error) = file.set_len(length) {
            return Err(format!(
                "failed to truncate to {length} bytes in output file '{}': {}",
                shown(name),
                reason(&error)
            ));
        }
    }
    Ok(file)
}

impl Copy {
    fn new(options: Options) -> Result<Self, String> {
        let input = open_input(&options)?;
        let output = open_output(&options)?;
        let now = Instant::now();
        let mut copy = Self {
            options,
            input,
            output,
            read: Records::default(),
            written: Records::default(),
            bytes: 0,
            truncated: 0,
            begin: now,
            told: now,
            status: 0,
        };
        copy.skip()?;
        copy.seek()?;
        Ok(copy)
    }

    fn input_name(&self) -> String {
        self.options
            .input
            .as_deref()
            .map_or_else(|| "standard input".to_owned(), shown)
    }

    fn output_name(&self) -> String {
        self.options
            .output
            .as_deref()
            .map_or_else(|| "standard output".to_owned(), shown)
    }

    fn skip(&mut self) -> Result<(), String> {
        let bytes = self.options.skip.in_bytes(self.options.ibs);
        if bytes == 0 {
            return Ok(());
        }
        let name = self.input_name();
        if self.input.metadata().is_ok_and(|meta| meta.is_file()) {
            let here = self.input.stream_position().unwrap_or(0);
            let size = self.input.metadata().map_or(0, |meta| meta.len());
            if here.saturating_add(bytes) > size {
                complain("dd", format_args!("'{name}': cannot skip to specified offset"));
            }
            let moved = self.input.seek(SeekFrom::Start(here.saturating_add(bytes)));
            return moved
                .map(drop)
                .map_err(|error| format!("'{name}': cannot skip: {}", reason(&error)));
        }
        let skipped = io::copy(&mut Read::by_ref(&mut self.input).take(bytes), &mut io::sink());
        match skipped {
            Ok(n) if n < bytes => complain("dd", format_args!("'{name}': cannot skip to specified offset")),
            Ok(_) => {}
            Err(error) => return Err(format!("error reading '{name}': {}", reason(&error))),
        }
        Ok(())
    }

    fn seek(&mut self) -> Result<(), String> {
        let bytes = self.options.seek.in_bytes(self.options.obs);
        if bytes == 0 {
            return Ok(());
        }
        let name = self.output_name();
        self.output
            .seek(SeekFrom::Current(i64::try_from(bytes).unwrap_or(i64::MAX)))
            .map(drop)
            .or_else(|_| {
                // What cannot be moved in is filled.
                let mut zeros = io::repeat(0).take(bytes);
                io::copy(&mut zeros, &mut self.output).map(drop)
            })
            .map_err(|error| format!("'{name}': cannot seek: {}", reason(&error)))
    }

    fn run(mut self) -> i32 {
        if let Err(message) = self.blocks() {
            self.summary();
            complain("dd", message);
            return 1;
        }
        if self.options.sync_data || self.options.sync_all {
            let done = if self.options.sync_all {
                self.output.sync_all()
            } else {
                self.output.sync_data()
            };
            if let Err(error) = done {
                complain(
                    "dd",
                    format_args!("fsync failed for '{}': {}", self.output_name(), reason(&error)),
                );
                self.status = 1;
            }
        }
        self.summary();
        self.status
    }

    fn blocks(&mut self) -> Result<(), String> {
        let mut block = vec![0; self.options.ibs];
        let mut converter = Converter::new(&self.options);
        let mut held: Vec<u8> = Vec::new();
        let direct = self.options.ibs == self.options.obs && converter.is_plain();
        let mut left = self.options.count;
        loop {
            let room = match &mut left {
                Some(Amount::Blocks(0) | Amount::Bytes(0)) => break,
                Some(Amount::Blocks(n)) => {
                    *n -= 1;
                    block.len()
                }
                Some(Amount::Bytes(n)) => block.len().min(usize::try_from(*n).unwrap_or(usize::MAX)),
                None => block.len(),
            };
            let n = self.fill(&mut block[..room])?;
            if n == 0 {
                break;
            }
            if let Some(Amount::Bytes(left)) = &mut left {
                *left -= n as u64;
            }
            let mut data = &mut block[..n];
            if n < self.options.ibs {
                self.read.partial += 1;
                if let Some(pad) = self.options.pad {
                    block[n..].fill(pad);
                    data = &mut block[..];
                }
            } else {
                self.read.whole += 1;
            }
            if direct {
                self.put(data)?;
            } else {
                converter.run(data, &mut held);
                self.drain(&mut held, false)?;
            }
            self.progress();
        }
        self.truncated = converter.finish(&mut held);
        self.drain(&mut held, true)
    }

    /// Reads a block; as much of it as one read gives, unless whole blocks were asked for.
    fn fill(&mut self, block: &mut [u8]) -> Result<usize, String> {
        let mut n = 0;
        while n < block.len() {
            match self.input.read(&mut block[n..]) {
                Ok(0) => break,
                Ok(more) => {
                    n += more;
                    if !self.options.full_blocks {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let message = format!("error reading '{}': {}", self.input_name(), reason(&error));
                    if !self.options.no_error {
                        return Err(message);
                    }
                    complain("dd", message);
                    self.status = 1;
                    break;
                }
            }
        }
        Ok(n)
    }

    /// Writes what makes whole blocks of output and, in the end, the rest.
    fn drain(&mut self, held: &mut Vec<u8>, all: bool) -> Result<(), String> {
        let size = self.options.obs;
        let mut at = 0;
        while held.len() - at >= size {
            let piece = held[at..at + size].to_vec();
            self.put(&piece)?;
            at += size;
        }
        held.drain(..at);
        if all && !held.is_empty() {
            let piece = std::mem::take(held);
            self.put(&piece)?;
        }
        Ok(())
    }

    fn put(&mut self, piece: &[u8]) -> Result<(), String> {
        let sparse = self.options.sparse && piece.iter().all(|b| *b == 0);
        let done = if sparse {
            self.output.seek(SeekFrom::Current(piece.len() as i64)).and_then(|end| {
                let length = self.output.metadata()?.len().max(end);
                self.output.set_len(length)
            })
        } else {
            self.output.write_all(piece)
        };
        done.map_err(|error| format!("error writing '{}': {}", self.output_name(), reason(&error)))?;
        self.bytes += piece.len() as u64;
        if piece.len() == self.options.obs {
            self.written.whole += 1;
        } else {
            self.written.partial += 1;
        }
        Ok(())
    }

    fn progress(&mut self) {
        if self.options.status == Status::Progress && self.told.elapsed() >= Duration::from_secs(1) {
            self.told = Instant::now();
            let line = format!("\r{}", self.rate());
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn rate(&self) -> String {
        let seconds = self.begin.elapsed().as_secs_f64();
        let per_second = if seconds > 0.0 {
            (self.bytes as f64 / seconds) as u64
        } else {
            0
        };
        let plural = if self.bytes == 1 { "byte" } else { "bytes" };
        let size = match self.bytes {
            0..1000 => String::new(),
            1000..1024 => format!(" ({})", decimal(self.bytes)),
            _ => format!(" ({}, {})", decimal(self.bytes), binary(self.bytes)),
        };
        format!(
            "{} {plural}{size} copied, {} s, {}/s",
            self.bytes,
            significant(seconds),
            decimal(per_second)
        )
    }

    fn summary(&self) {
        if self.options.status == Status::None {
            return;
        }
        let mut text = String::new();
        if self.options.status == Status::Progress {
            text.push('\n');
        }
        let (read, written) = (&self.read, &self.written);
        text.push_str(&format!(
            "{}+{} records in\n{}+{} records out\n",
            read.whole, read.partial, written.whole, written.partial
        ));
        if self.truncated > 0 {
            let plural = if self.truncated == 1 { "record" } else { "records" };
            text.push_str(&format!("{} truncated {plural}\n", self.truncated));
        }
        if self.options.status != Status::NoTransfer {
            text.push_str(&format!("{}\n", self.rate()));
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn scaled(bytes: u64, base: f64, units: [&str; 7]) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    if unit > 0 && value < 9.95 {
        format!("{value:.1} {}", units[unit])
    } else {
        format!("{value:.0} {}", units[unit])
    }
}

fn decimal(bytes: u64) -> String {
    scaled(bytes, 1000.0, ["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

fn binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// Six significant digits, as `%g` has it.
fn significant(seconds: f64) -> String {
    if seconds == 0.0 {
        return "0".to_owned();
    }
    let exponent = seconds.log10().floor() as i32;
    if exponent < -4 {
        return format!("{seconds:.5e}");
    }
    let text = format!("{seconds:.*}", usize::try_from(5 - exponent).unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

//! One file, or standard input, in or out.

use super::options::Options;
use crate::codec::{self, Encoder, Format, GzipReader, Header};
use crate::io::{BLOCK, bytes_of, complain, is_closed_pipe, path as path_of, reason, stdout};
use agentos_tools_base::platform::PermissionsExt;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

type Source = Box<dyn BufRead>;

/// Standard input to standard output.
pub fn stdin(options: &Options) -> i32 {
    let source: Source = Box::new(BufReader::with_capacity(BLOCK, io::stdin()));
    let mut out = stdout();
    let outcome = if options.test {
        convert(options, source, None, &mut io::sink())
    } else {
        convert(options, source, None, &mut out)
    };
    let outcome = outcome.and_then(|done| out.flush().map(|()| done).map_err(Trouble::Io));
    settle(options, "stdin", outcome.map(|_| ()))
}

/// What went wrong with a file.
enum Trouble {
    Io(io::Error),
    /// Not in the format; nothing was written.
    Format,
    /// Complete, but something stood behind it.
    Garbage,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Done {
    bytes_in: u64,
    bytes_out: u64,
    header: Option<Header>,
}

/// Compresses or decompresses a stream.
fn convert(
    options: &Options,
    mut source: Source,
    meta: Option<&Header>,
    target: &mut dyn Write,
) -> Result<Done, Trouble> {
    if !options.decompress {
        return compress(options, &mut source, meta, target);
    }
    let head = source.fill_buf()?;
    let found = Format::of_magic(head);
    let accepted = match options.tool.format {
        Format::Xz | Format::Lzma => matches!(found, Some(Format::Xz | Format::Lzma)),
        Format::Zstd => found.is_some(),
        format => found == Some(format),
    };
    if !accepted {
        if options.force && options.to_stdout {
            let count = codec::copy(&mut source, target)?;
            return Ok(Done {
                bytes_in: count,
                bytes_out: count,
                header: None,
            });
        }
        if head.is_empty() && options.tool.format != Format::Zstd {
            return Err(Trouble::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        return Err(Trouble::Format);
    }
    let format = found.unwrap_or(options.tool.format);
    if format == Format::Gzip {
        let mut reader = GzipReader::new(source);
        let bytes_out = codec::copy(&mut reader, target)?;
        if reader.garbage {
            target.flush()?;
            return Err(Trouble::Garbage);
        }
        return Ok(Done {
            bytes_in: 0,
            bytes_out,
            header: reader.header,
        });
    }
    let bytes_out = codec::copy(&mut codec::decoder(format, source)?, target)?;
    Ok(Done {
        bytes_in: 0,
        bytes_out,
        header: None,
    })
}

fn compress(
    options: &Options,
    source: &mut Source,
    meta: Option<&Header>,
    target: &mut dyn Write,
) -> Result<Done, Trouble> {
    let mut counted = Counted { target, count: 0 };
    let mut encoder = match (options.tool.format, meta) {
        (Format::Gzip, Some(meta)) => {
            let mut builder = flate2::GzBuilder::new().mtime(meta.mtime).operating_system(3);
            if let Some(name) = &meta.name {
                builder = builder.filename(name.as_slice());
            }
            let level = flate2::Compression::new(options.level.unwrap_or(6).min(9));
            Encoder::Gzip(builder.write(&mut counted, level))
        }
        (format, _) => Encoder::new(format, &mut counted, options.level)?,
    };
    let bytes_in = codec::copy(source, &mut encoder)?;
    encoder.finish()?.flush()?;
    Ok(Done {
        bytes_in,
        bytes_out: counted.count,
        header: None,
    })
}

struct Counted<'a> {
    target: &'a mut dyn Write,
    count: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.target.write(bytes)?;
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

/// Reports trouble; the status.
fn settle(options: &Options, name: &str, outcome: Result<(), Trouble>) -> i32 {
    let tool = options.tool;
    match outcome {
        Ok(()) => 0,
        Err(Trouble::Garbage) => {
            options.warn(&format!("{name}: decompression OK, trailing garbage ignored"));
            tool.warning
        }
        Err(Trouble::Format) => {
            let text = match tool.format {
                Format::Gzip => format!("{name}: not in gzip format"),
                Format::Bzip2 => format!("{name} is not a bzip2 file."),
                Format::Zstd => format!("{name}: unsupported format"),
                _ => format!("{name}: File format not recognized"),
            };
            complain(tool.name, text);
            if tool.format == Format::Bzip2 { 2 } else { 1 }
        }
        Err(Trouble::Io(error)) if is_closed_pipe(&error) => 1,
        Err(Trouble::Io(error)) => {
            let text = match error.kind() {
                io::ErrorKind::UnexpectedEof => "unexpected end of file".to_owned(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if tool.format == Format::Gzip => {
                    format!("invalid compressed data--{error}")
                }
                _ => reason(&error),
            };
            complain(tool.name, format_args!("{name}: {text}"));
            1
        }
    }
}

/// One file by its name.
pub fn file(options: &Options, path: &Path) -> i32 {
    let name = path.display().to_string();
    let mut source_path = path.to_owned();
    let mut opened = File::open(&source_path);
    if options.decompress
        && opened
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        // The suffix may be left off.
        let mut longer = bytes_of(path.as_os_str()).to_vec();
        longer.extend_from_slice(&options.suffix);
        let longer = path_of(&longer);
        if let Ok(file) = File::open(&longer) {
            source_path = longer;
            opened = Ok(file);
        }
    }
    let source = match opened {
        Ok(source) => source,
        Err(error) => {
            let text = match options.tool.name {
                "bzip2" => format!("Can't open input file {name}: {}.", reason(&error)),
                _ => format!("{name}: {}", reason(&error)),
            };
            complain(options.tool.name, text);
            return 1;
        }
    };
    let name = source_path.display().to_string();
    if options.test || options.to_stdout {
        return through(options, source, &source_path, &name);
    }
    let target = match (&options.output, target_name(options, &source_path)) {
        (Some(output), _) => PathBuf::from(output),
        (None, Ok(target)) => target,
        (None, Err(message)) => {
            options.warn(&message);
            return match options.tool.name {
                "gzip" if !options.decompress => 0,
                "xz" if options.decompress => 1,
                _ => options.tool.warning,
            };
        }
    };
    let details = source
        .metadata()
        .ok()
        .map(|meta| (meta, header_for(options, &source, &source_path)));
    let mut source: Source = Box::new(BufReader::with_capacity(BLOCK, source));
    if options.decompress
        && source
            .fill_buf()
            .is_ok_and(|head| Format::of_magic(head).is_none() && !head.is_empty())
    {
        return settle(options, &name, Err(Trouble::Format));
    }
    if !options.force && target.symlink_metadata().is_ok() {
        let shown = target.display();
        let text = match options.tool.name {
            "gzip" => format!("{shown} already exists;\tnot overwritten"),
            "bzip2" => format!("Output file {shown} already exists."),
            "zstd" => format!("{shown} already exists; not overwritten"),
            _ => format!("{shown}: File exists"),
        };
        complain(options.tool.name, text);
        return if options.tool.name == "gzip" { 2 } else { 1 };
    }
    replace(options, source, &details, &source_path, &target, &name)
}

/// A file to standard output, or to nowhere for a test.
fn through(options: &Options, source: File, path: &Path, name: &str) -> i32 {
    let meta = header_for(options, &source, path);
    let source: Source = Box::new(BufReader::with_capacity(BLOCK, source));
    let mut out = stdout();
    let outcome = if options.test {
        convert(options, source, meta.as_ref(), &mut io::sink())
    } else {
        convert(options, source, meta.as_ref(), &mut out)
    };
    let outcome = outcome.and_then(|done| out.flush().map(|()| done).map_err(Trouble::Io));
    if options.test && options.verbose && outcome.is_ok() {
        eprintln!("{name}:\t OK");
    }
    settle(options, name, outcome.map(|_| ()))
}

/// Name and time that a gzip header takes.
fn header_for(options: &Options, source: &File, path: &Path) -> Option<Header> {
    if options.decompress || options.name == Some(false) {
        return None;
    }
    let modified = source.metadata().and_then(|found| found.modified()).ok()?;
    let seconds = modified.duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs());
    let name = path.file_name().map(|name| bytes_of(name).to_vec());
    Some(Header {
        name,
        mtime: u32::try_from(seconds).unwrap_or(0),
    })
}

fn target_name(options: &Options, path: &Path) -> Result<PathBuf, String> {
    let name = bytes_of(path.as_os_str());
    let shown = path.display();
    if !options.decompress {
        if name.ends_with(&options.suffix) && !options.force {
            let suffix = String::from_utf8_lossy(&options.suffix).into_owned();
            return Err(match options.tool.name {
                "gzip" => format!("{shown} already has {suffix} suffix -- unchanged"),
                "bzip2" => format!("Input file {shown} already has {suffix} suffix."),
                _ => format!("{shown}: File already has `{suffix}' suffix, skipping"),
            });
        }
        return Ok(path_of(&[name, &options.suffix].concat()));
    }
    let own = (std::str::from_utf8(&options.suffix).unwrap_or(""), "");
    let found = std::iter::once(&own)
        .chain(options.tool.suffixes)
        .find(|(suffix, _)| name.len() > suffix.len() && !suffix.is_empty() && name.ends_with(suffix.as_bytes()));
    match found {
        Some((suffix, instead)) => Ok(path_of(
            &[&name[..name.len() - suffix.len()], instead.as_bytes()].concat(),
        )),
        None if options.tool.name == "bzip2" => Ok(path_of(&[name, b".out"].concat())),
        None => Err(match options.tool.name {
            "gzip" => format!("{shown}: unknown suffix -- ignored"),
            "zstd" => format!(
                "{shown}: unknown suffix ({} expected). Can't derive the output file name.",
                options.tool.suffix
            ),
            _ => format!("{shown}: Filename has an unknown suffix, skipping"),
        }),
    }
}

/// Converts a file into another one beside it, and removes it in the end.
fn replace(
    options: &Options,
    source: Source,
    details: &Option<(fs::Metadata, Option<Header>)>,
    path: &Path,
    target: &Path,
    name: &str,
) -> i32 {
    let meta = details.as_ref().map(|(meta, _)| meta);
    let header = details.as_ref().and_then(|(_, header)| header.as_ref());
    let length = meta.map_or(0, fs::Metadata::len);
    let mut create = OpenOptions::new();
    create.write(true).create(true).truncate(true);
    if !options.force {
        create.create_new(true);
    }
    let output = match create.open(target) {
        Ok(output) => output,
        Err(error) => {
            complain(
                options.tool.name,
                format_args!("{}: {}", target.display(), reason(&error)),
            );
            return 1;
        }
    };
    let mut writer = BufWriter::with_capacity(BLOCK, output);
    let outcome = convert(options, source, header, &mut writer);
    let outcome = match (outcome, writer.into_inner()) {
        (Ok(done), Ok(output)) => {
            restore(options, &output, target, meta, &done);
            if options.verbose {
                let bytes_in = if options.decompress { length } else { done.bytes_in };
                report(options, name, target, bytes_in, done.bytes_out);
            }
            Ok(done)
        }
        (Ok(_), Err(error)) => Err(Trouble::Io(error.into_error())),
        (Err(trouble), _) => Err(trouble),
    };
    let complete = matches!(outcome, Ok(_) | Err(Trouble::Garbage));
    let status = settle(options, name, outcome.map(|_| ()));
    if !complete {
        let _ = fs::remove_file(target);
    } else if !options.keep
        && let Err(error) = fs::remove_file(path)
    {
        complain(options.tool.name, format_args!("{name}: {}", reason(&error)));
        return 1;
    }
    status
}

/// Gives the output the mode and time of its source.
fn restore(options: &Options, output: &File, target: &Path, meta: Option<&fs::Metadata>, done: &Done) {
    let Some(meta) = meta else { return };
    let mut modified = meta.modified().ok();
    if let (Some(true), Some(header)) = (options.name, done.header.as_ref().filter(|header| header.mtime != 0)) {
        modified = Some(UNIX_EPOCH + Duration::from_secs(u64::from(header.mtime)));
    }
    if let Some(modified) = modified {
        let _ = output.set_times(FileTimes::new().set_modified(modified));
    }
    let mode = fs::Permissions::from_mode(meta.permissions().mode() & 0o777);
    let _ = fs::set_permissions(target, mode);
}

fn report(options: &Options, name: &str, target: &Path, bytes_in: u64, bytes_out: u64) {
    let (large, small) = if options.decompress {
        (bytes_out, bytes_in)
    } else {
        (bytes_in, bytes_out)
    };
    let saved = ratio(large, small);
    let verb = if options.keep { "created" } else { "replaced with" };
    match options.tool.name {
        "zstd" => eprintln!("{name} : {bytes_in} => {bytes_out} bytes ({})", target.display()),
        _ => eprintln!("{name}:\t{saved:5.1}% -- {verb} {}", target.display()),
    }
}

fn ratio(large: u64, small: u64) -> f64 {
    if large == 0 {
        0.0
    } else {
        (large as f64 - small as f64) * 100.0 / large as f64
    }
}

/// `-l`.
pub fn list(options: &Options) -> i32 {
    let mut status = 0;
    let mut rows = String::new();
    for file in &options.files {
        let path = Path::new(file);
        let name = path.display().to_string();
        let outcome = File::open(path).map_err(Trouble::Io).and_then(|source| {
            let compressed = source.metadata()?.len();
            let mut source: Source = Box::new(BufReader::with_capacity(BLOCK, source));
            let Some(format) = Format::of_magic(source.fill_buf()?) else {
                return Err(Trouble::Format);
            };
            let plain = codec::copy(&mut codec::decoder(format, source)?, &mut io::sink())?;
            Ok((compressed, plain))
        });
        match outcome {
            Ok((compressed, plain)) => {
                let target = target_name(
                    &Options {
                        decompress: true,
                        ..options.clone()
                    },
                    path,
                );
                let target = target.map_or(name, |target| target.display().to_string());
                let saved = ratio(plain, compressed.saturating_sub(18));
                rows.push_str(&format!("{compressed:>19} {plain:>19} {saved:>5.1}% {target}\n"));
            }
            Err(trouble) => status = settle(options, &name, Err(trouble)),
        }
    }
    crate::io::print(format!("         compressed        uncompressed  ratio uncompressed_name\n{rows}").as_bytes());
    status
}

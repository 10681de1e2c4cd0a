//! Bytes in, bytes out: the few things every tool of this crate does with files and streams.
//!
//! Names and contents are bytes throughout; nothing here assumes UTF-8. Output is collected in large blocks, because a
//! system call of a guest costs more than copying a few kilobytes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, StdoutLock, Write};
use std::path::PathBuf;

#[cfg(unix)]
use std::os::unix::ffi::OsStringExt;
#[cfg(target_os = "wasi")]
use std::os::wasi::ffi::OsStringExt;

/// Block size of reads and writes, in bytes.
pub const BLOCK: usize = 64 * 1024;

/// Buffered standard output.
pub type Out = BufWriter<StdoutLock<'static>>;

/// Standard output in blocks of [`BLOCK`] bytes; the caller flushes.
pub fn stdout() -> Out {
    BufWriter::with_capacity(BLOCK, io::stdout().lock())
}

/// Writes `bytes` to standard output at once, ignoring a reader that went away.
pub fn print(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// The bytes of an argument or a file name.
pub fn bytes_of(text: &OsStr) -> &[u8] {
    text.as_encoded_bytes()
}

/// An argument or file name of the given bytes.
pub fn os(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

/// A path of the given bytes.
pub fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(os(bytes.to_vec()))
}

/// A file name for a message: its bytes, with what is not UTF-8 replaced.
pub fn shown(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

/// What `strerror` says about an error, without the number that Rust appends.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// What to say about a call of the network: why the VM's policy refused it, where it did; else the error's own words.
pub fn network_reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        match agentos_guest::process::last_denial() {
            Ok(text) if !text.is_empty() => return text,
            _ => {}
        }
    }
    let text = reason(error);
    let words = text.strip_prefix("failed to lookup address information: ");
    words.map_or(text.clone(), str::to_owned)
}

/// Prints `tool: message` on standard error.
pub fn complain(tool: &str, message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{tool}: {message}");
}

/// Prints `tool: name: reason` on standard error.
pub fn complain_file(tool: &str, name: &OsStr, error: &io::Error) {
    complain(tool, format_args!("{}: {}", shown(name), reason(error)));
}

/// A file or, for `-`, standard input, with a large buffer.
///
/// # Errors
///
/// What opening the file says; a directory is `EISDIR` at the first read.
pub fn open(name: &OsStr) -> io::Result<Box<dyn BufRead>> {
    if name == "-" {
        return Ok(Box::new(BufReader::with_capacity(BLOCK, io::stdin().lock())));
    }
    Ok(Box::new(BufReader::with_capacity(BLOCK, File::open(name)?)))
}

/// All of a file or, for `-`, of standard input.
///
/// # Errors
///
/// What opening or reading says.
pub fn read_all(name: &OsStr) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if name == "-" {
        io::stdin().lock().read_to_end(&mut bytes)?;
    } else {
        File::open(name)?.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Replaces `line` by the next record up to and including `delimiter`; false at the end of input.
///
/// # Errors
///
/// What reading says.
pub fn read_record(input: &mut dyn BufRead, delimiter: u8, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(input.read_until(delimiter, line)? > 0)
}

/// Whether an error only says that nobody reads our output any more.
pub fn is_closed_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// How often `byte` occurs.
pub fn count(byte: u8, bytes: &[u8]) -> u64 {
    // Short enough runs fit their count into a byte, which lets the compiler compare many bytes at once.
    bytes
        .chunks(255)
        .map(|run| u64::from(run.iter().map(|b| u8::from(*b == byte)).sum::<u8>()))
        .sum()
}

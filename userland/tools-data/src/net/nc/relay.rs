//! Copying both ways until the other side ends.

use super::Options;
use crate::io::BLOCK;
use crate::net::wire::Stream;
use std::borrow::Cow;
use std::io::{self, Read, Write};

#[cfg(target_os = "wasi")]
pub(super) fn run(o: &Options, mut stream: Stream) -> io::Result<()> {
    use crate::net::wire;
    use std::fs::File;
    use std::os::fd::AsFd;
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut open = !o.detach;
    let mut idle = o.timeout;
    let mut buffer = vec![0; BLOCK];
    let mut out = io::stdout().lock();
    loop {
        let ready = match open {
            true => wire::wait(&[stream.as_fd(), input.as_fd()], idle)?,
            false => wire::wait(&[stream.as_fd()], idle)?,
        };
        if !ready.contains(&true) {
            return Ok(());
        }
        if ready[0] {
            let count = stream.read(&mut buffer)?;
            if count == 0 && !stream.is_datagram() {
                return Ok(());
            }
            out.write_all(&buffer[..count])?;
            out.flush()?;
        }
        if ready.get(1) == Some(&true) {
            let count = input.read(&mut buffer)?;
            if count == 0 {
                open = false;
                stream.shut_down_writing();
                idle = o.quit.or(idle);
            } else {
                stream.write_all(&lines(o.crlf, &buffer[..count]))?;
            }
        }
    }
}

#[cfg(not(target_os = "wasi"))]
pub(super) fn run(o: &Options, mut stream: Stream) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    if !o.detach {
        let mut sink = stream.try_clone()?;
        let crlf = o.crlf;
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = io::stdin().lock().read_to_end(&mut text);
            let _ = sink.write_all(&lines(crlf, &text));
            sink.shut_down_writing();
        });
    }
    let mut out = io::stdout().lock();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 && !stream.is_datagram() {
            return Ok(());
        }
        out.write_all(&buffer[..count])?;
        out.flush()?;
    }
}

/// What goes out: with `-C`, a carriage return before each newline that has none.
fn lines(crlf: bool, bytes: &[u8]) -> Cow<'_, [u8]> {
    if !crlf {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let mut last = 0;
    for byte in bytes {
        if *byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        last = *byte;
    }
    Cow::Owned(out)
}

//! Collecting a child's output.

use super::abi::{self, PollEntry};
use super::{ChildPipe, Command, ExitStatus, Stdio};
use crate::io;
use crate::os::fd::AsRawFd;

/// Bytes asked for at a time: as much as a pipe holds by default.
const CHUNK: usize = 64 * 1024;

pub fn output(command: &mut Command) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let (mut process, mut pipes) = command.spawn(Stdio::MakePipe, false)?;
    drop(pipes.stdin.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    match (pipes.stdout.take(), pipes.stderr.take()) {
        (Some(out), Some(err)) => read_output(out, &mut stdout, err, &mut stderr)?,
        (Some(out), None) => out.read_to_end(&mut stdout).map(drop)?,
        (None, Some(err)) => err.read_to_end(&mut stderr).map(drop)?,
        (None, None) => {}
    }
    Ok((process.wait()?, stdout, stderr))
}

/// Reads both pipes to their ends, whichever has data: read in turn, a child that fills the second while we wait for
/// the first would never end.
pub fn read_output(out: ChildPipe, stdout: &mut Vec<u8>, err: ChildPipe, stderr: &mut Vec<u8>) -> io::Result<()> {
    let mut entries = [entry(&out), entry(&err)];
    loop {
        let mut ready = 0;
        // SAFETY: the entries live through the call and their number is right; no signal mask is passed.
        abi::retry(|| unsafe { abi::fd_poll(entries.as_mut_ptr(), 2, -1, core::ptr::null(), &mut ready) })?;
        if entries[0].revents != 0 && read_some(&out, stdout)? == 0 {
            return err.read_to_end(stderr).map(drop);
        }
        if entries[1].revents != 0 && read_some(&err, stderr)? == 0 {
            return out.read_to_end(stdout).map(drop);
        }
    }
}

fn entry(pipe: &ChildPipe) -> PollEntry {
    PollEntry { kind: abi::POLL_FD, id: pipe.as_raw_fd(), events: abi::POLLIN, revents: 0 }
}

/// Reads once from a pipe that is known to be readable.
fn read_some(pipe: &ChildPipe, into: &mut Vec<u8>) -> io::Result<usize> {
    into.try_reserve(CHUNK)?;
    let filled = into.len();
    into.resize(filled + CHUNK, 0);
    let read = loop {
        match pipe.read(&mut into[filled..]) {
            Err(error) if error.is_interrupted() => {}
            result => break result,
        }
    };
    into.truncate(filled + *read.as_ref().unwrap_or(&0));
    read
}

//! An executor of toy programs: lines of steps that the kernel's calls carry out in a thread.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use crate::common::block;
use agentos_kernel::fd::{IoResult, StatusFlags};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{
    Dir, Disposition, Executor, Gate, Kernel, LockCommand, LockKind, OpenHow, Process, Program, Range, Signal,
};
use agentos_kernel::vfs::{InodeHandle, Mode, OpenOptions};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Runs files that begin with `TOY `: `upper` copies input to output in capitals, `line` the first that it reads, `exit N` ends, `sleep` waits for
/// a signal, `sleep WORD` says the word before, and `locks` does what the lines of its input say (see [`locks`]).
pub struct Toy;

struct ToyProgram(String);

impl Executor for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"TOY ")
    }

    fn load(&self, _: &Kernel, file: &InodeHandle, _: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        let mut buf = [0; 64];
        let count = file.read_at(0, &mut buf)?;
        Poll::Ready(Ok(Box::new(ToyProgram(
            String::from_utf8_lossy(&buf[4..count]).trim().to_owned(),
        ))))
    }
}

impl Program for ToyProgram {
    fn start(self: Box<Self>, process: Arc<Process>) {
        std::thread::spawn(move || {
            if let Some(status) = self.run(&process) {
                process.exit(status);
            }
            process.finish();
        });
    }
}

impl ToyProgram {
    fn run(&self, process: &Arc<Process>) -> Option<u32> {
        let once = self.0 == "line";
        if self.0 == "locks" {
            let _ = process.set_disposition(Signal::PIPE, Disposition::Ignore);
            return Some(locks(process));
        }
        match self.0.split_once(' ') {
            Some(("exit", status)) => return status.parse().ok(),
            Some(("sleep", word)) if write(process, format!("{word}\n").as_bytes()) => {
                sleep(process);
                return None;
            }
            _ if self.0 == "sleep" => {
                sleep(process);
                return None;
            }
            _ => {}
        }
        let mut buf = [0; 4096];
        loop {
            match block(|waker| process.read(Fd(0), &mut buf, Some(waker))) {
                Ok(0) => return Some(0),
                Ok(count) => {
                    buf.make_ascii_uppercase();
                    if !write(process, &buf[..count]) {
                        return Some(1);
                    }
                    if once {
                        return Some(0);
                    }
                }
                Err(error) => return Some(error.errno().raw().unsigned_abs()),
            }
        }
    }
}

/// Opens files and locks them, a line of input for each step, and says after each what came of it: `ok`, an error, or a lock.
///
/// `open PATH` opens the next descriptor, from 3 on; `dup FD`, `close FD`; `flock FD sh|ex|un [now]`; `set|wait|test FD r|w|u START LEN`;
/// `pid`. And FIFOs: `fifo PATH r|w|rw [now]`, `read FD`, `write FD TEXT`.
fn locks(process: &Arc<Process>) -> u32 {
    let mut input = Vec::new();
    let mut buf = [0; 256];
    loop {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = input.drain(..=end).collect();
            let line = String::from_utf8(line).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let said = step(process, &words).unwrap_or_else(|error| format!("{:?}", error.errno()));
            if !write(process, format!("{said}\n").as_bytes()) {
                return 1;
            }
        }
        match block(|waker| process.read(Fd(0), &mut buf, Some(waker))) {
            Ok(0) => return 0,
            Ok(count) => input.extend_from_slice(&buf[..count]),
            Err(_) => return 1,
        }
    }
}

fn step(process: &Arc<Process>, words: &[&str]) -> agentos_kernel::Result<String> {
    let fd = || Fd(words[1].parse().unwrap());
    let how = OpenHow {
        options: OpenOptions {
            read: true,
            write: true,
            create: true,
            mode: Mode::new(0o666),
            ..OpenOptions::default()
        },
        ..OpenHow::default()
    };
    match words[0] {
        "pid" => return Ok(process.pid().to_string()),
        "open" => {
            let fd = block(|waker| process.open(Dir::Cwd, words[1].as_bytes(), &how, Some(waker)))?;
            return Ok(fd.to_string());
        }
        "dup" => return Ok(process.dup(fd(), Fd(3), false)?.to_string()),
        "close" => process.close(fd())?,
        "fifo" | "read" | "write" => return fifo_step(process, words),
        "flock" => {
            let kind = match words[2] {
                "sh" => LockKind::Read,
                "ex" => LockKind::Write,
                _ => LockKind::Unlock,
            };
            block(|waker| process.flock(fd(), kind, words.len() > 3, Some(waker)))?;
        }
        _ => {
            let mut range = Range {
                kind: match words[2] {
                    "r" => LockKind::Read,
                    "w" => LockKind::Write,
                    _ => LockKind::Unlock,
                },
                whence: 0,
                start: words[3].parse().unwrap(),
                len: words[4].parse().unwrap(),
                pid: Pid(0),
            };
            let command = match words[0] {
                "set" => LockCommand::Set,
                "wait" => LockCommand::Wait,
                _ => LockCommand::Test,
            };
            block(|waker| process.record_lock(fd(), command, &mut range, Some(waker)))?;
            if command == LockCommand::Test && range.kind != LockKind::Unlock {
                let kind = if range.kind == LockKind::Read { "r" } else { "w" };
                return Ok(format!("{kind} {} {} {}", range.start, range.len, range.pid));
            }
        }
    }
    Ok("ok".into())
}

fn fifo_step(process: &Arc<Process>, words: &[&str]) -> agentos_kernel::Result<String> {
    let fd = || Fd(words[1].parse().unwrap());
    if words[0] == "read" {
        let mut buf = [0; 4096];
        let count = block(|waker| process.read(fd(), &mut buf, Some(waker)))?;
        return Ok(match count {
            0 => "end".into(),
            _ => String::from_utf8_lossy(&buf[..count]).into_owned(),
        });
    }
    if words[0] == "write" {
        return Ok(block(|waker| process.write(fd(), words[2].as_bytes(), Some(waker)))?.to_string());
    }
    let mut how = OpenHow::default();
    how.options.read = words[2].contains('r');
    how.options.write = words[2].contains('w');
    how.status.set(StatusFlags::NONBLOCK, words.contains(&"now"));
    let fd = block(|waker| process.open(Dir::Cwd, words[1].as_bytes(), &how, Some(waker)))?;
    Ok(fd.to_string())
}

/// Waits for a signal that ends the process.
fn sleep(process: &Arc<Process>) {
    let gate = block(|waker| {
        process.watch(waker);
        match process.gate(Some(waker)) {
            Poll::Ready(Gate::Die) => Poll::Ready(Gate::Die),
            _ => Poll::Pending,
        }
    });
    assert_eq!(gate, Gate::Die);
}

/// Writes everything to the output, and says whether that worked.
fn write(process: &Arc<Process>, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match block(|waker| process.write(Fd(1), bytes, Some(waker))) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => return false,
        }
    }
    true
}

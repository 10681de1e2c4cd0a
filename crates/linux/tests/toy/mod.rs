//! An executor of toy programs: lines of steps that the kernel's calls carry out in a thread.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use crate::common::block;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Executor, Gate, Kernel, Process, Program};
use agentos_kernel::vfs::InodeHandle;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Runs files that begin with `TOY `: `upper` copies input to output in capitals, `line` the first that it reads, `exit N` ends, `sleep` waits for
/// a signal, and `sleep WORD` says the word before.
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

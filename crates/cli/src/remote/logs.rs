//! `logs`: what a process wrote, as far as the server keeps it.
//!
//! A server keeps the beginning and the end of each stream and counts what was in between. To follow a process is to look again
//! and again and to print what is new; the counts say where that begins, so nothing is printed twice, and what was discarded
//! before it was seen is said to be missing.

use super::args::LogsArgs;
use crate::error::{Error, Exit};
use crate::report;
use agentos_client::StreamLog;
use serde_json::json;
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Prints the log of a process, once or until it ends.
pub(super) async fn print(args: &LogsArgs) -> Result<Exit, Error> {
    let vm = super::vm(&args.target).await?;
    let mut printed = [0, 0];
    loop {
        let log = vm.process_log(args.pid).await?;
        let (stdout, stderr, complete) = (Log::of(&log.stdout), Log::of(&log.stderr), log.complete);
        if args.target.json && !args.follow {
            report::json(&json!({ "stdout": stdout.to_json(), "stderr": stderr.to_json(), "complete": complete }))?;
            return Ok(Exit::SUCCESS);
        }
        report::bytes(&next(&stdout, &mut printed[0]))?;
        report::error_text(&String::from_utf8_lossy(&next(&stderr, &mut printed[1])))?;
        if complete || !args.follow {
            return Ok(Exit::SUCCESS);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What of a stream was not printed yet.
fn next(log: &Log, printed: &mut u64) -> Vec<u8> {
    let new = log.after(*printed);
    *printed = log.end();
    if new.missing > 0 {
        report::progress(&format!("agentos: {} bytes are not kept", new.missing));
    }
    new.bytes
}

/// One stream as the server keeps it.
#[derive(Debug, Default)]
struct Log {
    head: Vec<u8>,
    tail: Vec<u8>,
    discarded: u64,
}

/// What is printed of a stream.
#[derive(Debug, PartialEq, Eq)]
struct New {
    /// Bytes in front that are not kept any more.
    missing: u64,
    bytes: Vec<u8>,
}

impl Log {
    fn of(stream: &StreamLog) -> Self {
        Self {
            head: stream.head.to_vec(),
            tail: stream.tail.to_vec(),
            discarded: stream.discarded,
        }
    }

    /// Bytes of the stream so far.
    fn end(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.discarded
    }

    /// What follows the first `printed` bytes of the stream.
    fn after(&self, printed: u64) -> New {
        let head = self.head.len() as u64;
        let tail = head + self.discarded;
        let skip = |bytes: &[u8], count: u64| {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
            bytes.get(count..).unwrap_or_default().to_vec()
        };
        let mut bytes = skip(&self.head, printed);
        bytes.extend(skip(&self.tail, printed.saturating_sub(tail)));
        New {
            missing: tail.saturating_sub(printed.max(head)),
            bytes,
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        json!({ "head": text(&self.head), "tail": text(&self.tail), "discarded": self.discarded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_begins_where_the_last_look_ended() {
        let log = Log {
            head: b"abc".to_vec(),
            tail: b"hij".to_vec(),
            discarded: 4,
        };
        let new = |printed| {
            let new = log.after(printed);
            (new.missing, String::from_utf8(new.bytes).unwrap())
        };
        assert_eq!(log.end(), 10);
        assert_eq!(new(0), (4, "abchij".to_owned()));
        assert_eq!(new(2), (4, "chij".to_owned()));
        assert_eq!(new(5), (2, "hij".to_owned()));
        assert_eq!(new(8), (0, "ij".to_owned()));
        assert_eq!(new(10), (0, String::new()));
        // A server that keeps nothing of a process any more has only counted.
        let forgotten = Log {
            discarded: 10,
            ..Log::default()
        };
        assert_eq!(
            forgotten.after(7),
            New {
                missing: 3,
                bytes: vec![]
            }
        );
    }
}

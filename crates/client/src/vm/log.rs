//! What a process wrote, as far as a server keeps it.

use crate::error::{Error, Result};
use agentos_value::Value;
use bytes::Bytes;

/// What a process that `spawn` started wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessLog {
    /// Its standard output.
    pub stdout: StreamLog,
    /// Its standard error.
    pub stderr: StreamLog,
    /// Whether that is all it wrote: it has ended.
    pub complete: bool,
}

/// Both ends of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamLog {
    /// Its beginning.
    pub head: Bytes,
    /// What of its end does not belong to the beginning.
    pub tail: Bytes,
    /// Bytes that lay between the two and are not kept.
    pub discarded: u64,
}

impl StreamLog {
    /// Bytes of the stream so far, kept or not.
    pub fn end(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.discarded
    }
}

impl ProcessLog {
    pub(super) fn read(value: &Value) -> Result<Self> {
        let complete = match value.get("complete") {
            Some(Value::Bool(complete)) => *complete,
            _ => return Err(shape("complete")),
        };
        Ok(Self {
            stdout: stream(value, "stdout")?,
            stderr: stream(value, "stderr")?,
            complete,
        })
    }
}

fn stream(log: &Value, name: &str) -> Result<StreamLog> {
    let stream = log.get(name).ok_or_else(|| shape(name))?;
    let bytes = |end: &str| {
        let bytes = stream.get(end).and_then(Value::as_bytes);
        bytes.cloned().ok_or_else(|| shape(name))
    };
    let discarded = stream.get("discarded").and_then(Value::as_int);
    Ok(StreamLog {
        head: bytes("head")?,
        tail: bytes("tail")?,
        discarded: discarded
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| shape(name))?,
    })
}

fn shape(member: &str) -> Error {
    Error::Protocol(format!("result of getProcessLog: {member} is not as it should be"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_whole_or_not_at_all() {
        let bytes = |text: &'static str| Value::Bytes(Bytes::from_static(text.as_bytes()));
        let stream =
            |discarded: Value| Value::object([("head", bytes("ab")), ("tail", bytes("yz")), ("discarded", discarded)]);
        let log = |discarded| {
            ProcessLog::read(&Value::object([
                ("stdout", stream(Value::from(22))),
                ("stderr", stream(discarded)),
                ("complete", Value::Bool(true)),
            ]))
        };
        let read = log(Value::from(0)).unwrap();
        assert_eq!(
            (&*read.stdout.head, read.stdout.end(), read.complete),
            (&b"ab"[..], 26, true)
        );
        assert!(log(Value::from(-1)).is_err() && ProcessLog::read(&Value::Null).is_err());
    }
}

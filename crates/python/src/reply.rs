//! What a call gives: JSON for shapes, bytes beside it.

use agentos::{DirectoryEntry, EntryKind, ExecOutput, ProcessInfo, Stat, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

/// A result.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) json: Value,
    pub(crate) blobs: Vec<Bytes>,
}

impl From<Value> for Reply {
    fn from(json: Value) -> Self {
        Self {
            json,
            blobs: Vec::new(),
        }
    }
}

impl From<()> for Reply {
    fn from((): ()) -> Self {
        Value::Null.into()
    }
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self {
            json: Value::Null,
            blobs: vec![bytes],
        }
    }
}

impl From<ExecOutput> for Reply {
    fn from(output: ExecOutput) -> Self {
        let json = json!({
            "exit_code": output.exit_code,
            "timed_out": output.timed_out,
            "stdout_truncated": output.stdout_truncated,
            "stderr_truncated": output.stderr_truncated,
            "limit": output.limit.map(|limit| limit.to_string()),
        });
        Self {
            json,
            blobs: vec![output.stdout, output.stderr],
        }
    }
}

/// Attributes of a file; times in seconds since 1970.
pub(crate) fn stat(stat: &Stat) -> Value {
    let seconds = |nanos: i64| nanos as f64 / 1e9;
    json!({
        "mode": stat.mode, "size": stat.size, "type": kind(stat.kind), "ino": stat.ino, "nlink": stat.nlink,
        "uid": stat.uid, "gid": stat.gid,
        "atime": seconds(stat.atime_ns), "mtime": seconds(stat.mtime_ns), "ctime": seconds(stat.ctime_ns),
    })
}

/// One entry of a recursive listing.
pub(crate) fn entry(entry: &DirectoryEntry) -> Value {
    json!({ "path": entry.path, "type": kind(entry.kind), "size": entry.size })
}

/// What a VM uses; times in seconds.
pub(crate) fn usage(usage: &Usage) -> Value {
    let limits: Vec<Value> = usage
        .limits
        .iter()
        .map(|limit| json!({ "name": limit.limit, "observed": limit.observed, "capacity": limit.capacity }))
        .collect();
    json!({
        "processes": usage.processes, "processes_started": usage.processes_started, "open_fds": usage.open_fds,
        "filesystem_bytes": usage.filesystem_bytes, "inodes": usage.inodes, "memory_bytes": usage.memory_bytes,
        "peak_memory_bytes": usage.peak_memory_bytes, "cpu_time": usage.cpu_time.as_secs_f64(), "limits": limits,
    })
}

/// A process of the VM.
pub(crate) fn process(info: &ProcessInfo) -> Value {
    json!({
        "pid": info.pid, "ppid": info.ppid, "command": info.command, "args": info.args, "cwd": info.cwd,
        "exit_code": info.exit_code,
    })
}

fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "symlink",
        _ => "other",
    }
}

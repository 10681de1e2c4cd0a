//! Results as clients know them (api.md section 5.1): names and kinds of members exactly as the documentation has them.

use crate::errors::{limit_value, number};
use agentos::{DirectoryEntry, EntryKind, ExecOutput, LimitUsage, LimitWarning, ProcessInfo, ProcessTree, Stat};
use agentos_value::{Object, Value};
use bytes::Bytes;

/// Name of the executor in `ProcessInfo.driver`.
const DRIVER: &str = "wasm";

/// How output is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputAs {
    /// Text; bytes that are not UTF-8 become replacement characters.
    Text,
    /// The bytes.
    Bytes,
}

/// `VirtualStat`.
pub(crate) fn stat(stat: &Stat) -> Value {
    let ms = |nanos: i64| Value::number(nanos as f64 / 1e6);
    Value::object([
        ("mode", Value::from(stat.mode)),
        ("size", number(stat.size)),
        ("blocks", number(stat.blocks)),
        ("dev", number(stat.dev)),
        ("rdev", number(stat.rdev)),
        ("isDirectory", Value::Bool(stat.kind == EntryKind::Directory)),
        ("isSymbolicLink", Value::Bool(stat.kind == EntryKind::Symlink)),
        ("atimeMs", ms(stat.atime_ns)),
        ("mtimeMs", ms(stat.mtime_ns)),
        ("ctimeMs", ms(stat.ctime_ns)),
        ("birthtimeMs", ms(stat.birthtime_ns)),
        ("ino", number(stat.ino)),
        ("nlink", Value::from(stat.nlink)),
        ("uid", Value::from(stat.uid)),
        ("gid", Value::from(stat.gid)),
    ])
}

/// One entry of `readdirRecursive`; FIFOs, sockets and devices count as files.
pub(crate) fn entry(entry: DirectoryEntry) -> Value {
    let kind = match entry.kind {
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "symlink",
        _ => "file",
    };
    Value::object([
        ("path", Value::from(entry.path)),
        ("type", Value::from(kind)),
        ("size", number(entry.size)),
    ])
}

/// `ExecResult`.
pub(crate) fn exec_result(output: ExecOutput, form: OutputAs, captured: bool) -> Value {
    let shown = |bytes: Bytes| match form {
        OutputAs::Text => Value::Text(String::from_utf8_lossy(&bytes).into_owned()),
        OutputAs::Bytes => Value::Bytes(bytes),
    };
    let mut object = Object::new();
    object.insert("exitCode", output.exit_code);
    let (stdout, stderr) = match captured {
        true => (output.stdout, output.stderr),
        false => (Bytes::new(), Bytes::new()),
    };
    object.insert("stdout", shown(stdout));
    object.insert("stderr", shown(stderr));
    let flags = [
        ("timedOut", output.timed_out),
        ("stdoutTruncated", captured && output.stdout_truncated),
        ("stderrTruncated", captured && output.stderr_truncated),
    ];
    for (name, _) in flags.into_iter().filter(|(_, set)| *set) {
        object.insert(name, true);
    }
    if let Some(limit) = &output.limit {
        object.insert("limit", limit_value(limit));
    }
    Value::Object(object)
}

/// `ProcessInfo`.
pub(crate) fn process_info(info: &ProcessInfo) -> Object {
    let mut object = Object::with_capacity(12);
    for (name, id) in [
        ("pid", info.pid),
        ("ppid", info.ppid),
        ("pgid", info.pgid),
        ("sid", info.sid),
    ] {
        object.insert(name, id);
    }
    object.insert("driver", DRIVER);
    object.insert("command", info.command.as_str());
    object.insert("args", info.args.clone());
    object.insert("cwd", info.cwd.as_str());
    object.insert("status", if info.exit_code.is_none() { "running" } else { "exited" });
    object.insert("exitCode", info.exit_code);
    object.insert("startTime", info.start_time_ms);
    object.insert("exitTime", info.exit_time_ms);
    object
}

/// `ProcessTreeNode`: a `ProcessInfo` with `children`.
pub(crate) fn process_tree(node: &ProcessTree) -> Value {
    let mut object = process_info(&node.process);
    let children: Vec<Value> = node.children.iter().map(process_tree).collect();
    object.insert("children", children);
    Value::Object(object)
}

/// The payload of the event `limitWarning`.
pub fn limit_warning(warning: &LimitWarning) -> Value {
    Value::object([
        ("limit", Value::from(warning.limit)),
        ("category", Value::from(warning.category)),
        ("observed", number(warning.observed)),
        ("capacity", number(warning.capacity)),
        ("fillPercent", number(warning.fill_percent)),
        ("message", Value::from(warning.message.as_str())),
    ])
}

/// Limits with their usage, as `vmStatus` shows them.
pub(crate) fn limits(limits: &[LimitUsage]) -> Value {
    let shown = |limit: &LimitUsage| {
        Value::object([
            ("name", Value::from(limit.limit)),
            ("observed", number(limit.observed)),
            ("capacity", number(limit.capacity)),
        ])
    };
    Value::Array(limits.iter().map(shown).collect())
}

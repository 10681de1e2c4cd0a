//! What would add a further wall, or what limits what works. Nothing depends on it.

use super::Probe;
use crate::sys;
use std::io;

pub(super) fn optional(probe: &mut Probe) {
    let namespaces = sys::try_namespaces().map(|()| "ok".to_owned());
    let purpose = "a further wall: processes that the host's others cannot name (not used yet)";
    probe.note("user and pid namespaces", false, purpose, namespaces);
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let purpose = "scope 1 lets a supervisor see its descendants only, so a daemon's calls that pass memory fail";
    let scope = match scope.as_deref().map(str::trim) {
        Ok(scope @ "0") => Ok(format!("scope {scope}")),
        Err(_) => Ok("no Yama".to_owned()),
        Ok(_) if sys::may_trace() => Ok("the right to trace is held".to_owned()),
        Ok(scope) => Err(io::Error::other(format!("scope {scope}"))),
    };
    probe.note("Yama", false, purpose, scope);
}

//! What would add a further wall, or what limits what works. Nothing depends on it.

use super::Probe;
use crate::sys;
use std::io;
use std::path::PathBuf;

pub(super) fn optional(probe: &mut Probe) {
    let namespaces = sys::try_namespaces().map(|()| "ok".to_owned());
    let purpose = "a further wall: processes that the host's others cannot name (not used yet)";
    probe.note("user and pid namespaces", false, purpose, namespaces);
    let group = cgroup();
    let purpose = "a further wall: exact limits of memory and CPU (not used yet)";
    probe.note("a cgroup v2 of one's own", false, purpose, group);
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

/// Makes a group below the own one, and removes it.
fn cgroup() -> io::Result<String> {
    let own = std::fs::read_to_string("/proc/self/cgroup")?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.ok_or_else(|| io::Error::other("this machine has no cgroup v2"))?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let root = mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        after
            .starts_with("cgroup2 ")
            .then(|| before.split(' ').nth(4))
            .flatten()
    });
    let root = PathBuf::from(root.ok_or_else(|| io::Error::other("cgroup v2 is not mounted"))?);
    let place = root.join(own.trim_start_matches('/'));
    let controllers = std::fs::read_to_string(place.join("cgroup.controllers"))?;
    // A number alone may be that of a process of another namespace, or of one that was killed here.
    let group = place.join(format!("agentos-probe-{}-{:016x}", std::process::id(), sys::random()?));
    std::fs::create_dir(&group)?;
    std::fs::remove_dir(&group)?;
    match controllers.split_ascii_whitespace().any(|name| name == "memory") {
        true => Ok(format!("controllers {}", controllers.trim())),
        false => Err(io::Error::other("the memory controller is not delegated")),
    }
}

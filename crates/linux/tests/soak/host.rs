//! What this process has on the host: descriptors, threads, descendants, mounts, files, memory.
#![allow(unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// How many there are of each kind of thing.
pub type Stock = BTreeMap<String, usize>;

fn add(stock: &mut Stock, kind: String) {
    *stock.entry(kind).or_default() += 1;
}

/// What a link of a descriptor says, without what makes it one of many.
fn kind(link: &str) -> String {
    if link.contains("agentos-linux-") {
        let tail = link.rsplit('/').next().unwrap_or_default();
        let what = if tail.starts_with("agentos-linux-") {
            "a place"
        } else {
            "in a place"
        };
        return format!("descriptor: {what}");
    }
    let plain: String = link.chars().filter(|c| !c.is_ascii_digit()).collect();
    format!("descriptor: {}", plain.replace("/proc//", "/proc/N/"))
}

/// All processes below this one, with what they execute.
fn descendants(stock: &mut Stock) {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let (Some(start), Some(end)) = (stat.find('('), stat.rfind(')')) else {
            continue;
        };
        let mut fields = stat[end + 2..].split(' ');
        let state = fields.next().unwrap_or_default().to_owned();
        let parent: u32 = fields.next().and_then(|field| field.parse().ok()).unwrap_or(0);
        parents.insert(pid, (parent, format!("{} {state}", &stat[start..=end])));
    }
    let mut own = BTreeSet::from([std::process::id()]);
    loop {
        let more: Vec<u32> = parents
            .iter()
            .filter(|(pid, (parent, _))| own.contains(parent) && !own.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            break;
        }
        own.extend(more);
    }
    own.remove(&std::process::id());
    for pid in own {
        let zombie = parents[&pid].1.ends_with('Z');
        add(
            stock,
            format!("process: {}", if zombie { "a zombie" } else { &parents[&pid].1 }),
        );
    }
}

/// What there is now. `places` are directories of whose entries it is said how many there are.
pub fn stock() -> Stock {
    let mut stock = Stock::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap().flatten() {
        if let Ok(link) = fs::read_link(entry.path()) {
            add(&mut stock, kind(&link.to_string_lossy()));
        }
    }
    for entry in fs::read_dir("/proc/self/task").unwrap().flatten() {
        if let Ok(name) = fs::read_to_string(entry.path().join("comm")) {
            add(&mut stock, format!("thread: {}", name.trim()));
        }
    }
    descendants(&mut stock);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    stock.insert("mounts".into(), mounts.lines().count());
    for place in crate::common::places::places_of(std::process::id()) {
        for _ in fs::read_dir(&place).into_iter().flatten() {
            add(&mut stock, "file: in a place".into());
        }
        add(&mut stock, "file: a place".into());
    }
    stock
}

/// Memory of this process, in KiB.
pub fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What there is more of than before.
pub fn more(before: &Stock, now: &Stock) -> Vec<String> {
    let grown = now.iter().filter_map(|(kind, count)| {
        let had = before.get(kind).copied().unwrap_or(0);
        (*count > had + slack(kind)).then(|| format!("{kind}: {count}, before {had}"))
    });
    grown.collect()
}

/// What is kept on purpose, up to a number: programs and libraries that were planned a moment ago (`plans.rs`).
fn slack(kind: &str) -> usize {
    let is_kept = ["descriptor: /usr/", "descriptor: /lib", "descriptor: /bin"]
        .iter()
        .any(|start| kind.starts_with(start));
    if is_kept { 32 } else { 0 }
}

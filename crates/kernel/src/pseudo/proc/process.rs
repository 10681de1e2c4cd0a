//! Files of one process.

use super::node::Item;
use super::state_letter;
use crate::id::Pid;
use crate::process::{Footprint, INFINITY, Kernel, Process, RESOURCE_NAMES, SigSet, Signal};
use std::fmt::Write as _;

/// Size of a page, in which memory is reported.
const PAGE: u64 = 4096;
/// Ticks per second of CPU times.
const TICK_NS: u64 = 10_000_000;

/// Content of a file of a process.
pub(super) fn text(kernel: &Kernel, process: &Process, item: Item, caller: Pid) -> Vec<u8> {
    match item {
        Item::PCgroup => b"0::/\n".to_vec(),
        Item::PCmdLine => joined(&process.image().argv, process),
        Item::PEnviron => joined(&process.image().env, process),
        Item::PComm => [process.shown_name().as_slice(), b"\n"].concat(),
        Item::PMaps => process.shown_maps(),
        Item::POomScore | Item::POomScoreAdj => b"0\n".to_vec(),
        Item::PWchan => b"0".to_vec(),
        Item::PIo => io(process).into_bytes(),
        Item::PLimits => limits(process).into_bytes(),
        Item::PMounts => mounts(kernel),
        Item::PMountInfo => mount_info(kernel),
        Item::PStat => stat(kernel, process, caller),
        Item::PStatm => statm(process).into_bytes(),
        Item::PStatus => status(process, caller),
        _ => Vec::new(),
    }
}

/// Strings with a NUL after each; nothing for a zombie, as on Linux.
fn joined(strings: &[Vec<u8>], process: &Process) -> Vec<u8> {
    if process.exit_status().is_some() {
        return Vec::new();
    }
    let mut all = Vec::with_capacity(strings.iter().map(|string| string.len() + 1).sum());
    for string in strings {
        all.extend_from_slice(string);
        all.push(0);
    }
    all
}

fn stat(kernel: &Kernel, process: &Process, caller: Pid) -> Vec<u8> {
    let mut text = format!("{} (", process.pid()).into_bytes();
    text.extend_from_slice(&process.shown_name());
    let (state, _) = state_letter(process, caller);
    let terminal = kernel.ptys_if_any().and_then(|ptys| ptys.controlling(process.sid()));
    let number = terminal.as_ref().map_or(0, |pty| pty.attr().rdev);
    let foreground = terminal
        .and_then(|pty| pty.foreground())
        .map_or(-1, |group| i64::from(group.0));
    let times = process.times();
    let nice = process.nice_value();
    let started = process.start_instant().since(kernel.boot_instant()) / TICK_NS;
    let Footprint { mapped, resident } = process.shown_footprint();
    let signals = process.shown_signals();
    let status = process.exit_status().map_or(0, |status| match status.signal() {
        Some(signal) => signal.number(),
        None => u32::from(status.code()) << 8,
    });
    let [user, sys, cuser, csys] =
        [times.user, times.sys, times.children_user, times.children_sys].map(|ns| ns / TICK_NS);
    let rest = format!(
        ") {state} {} {} {} {number} {foreground} 0 0 0 0 0 {user} {sys} {cuser} {csys} {} {nice} {} 0 {started} {mapped} {} \
         18446744073709551615 0 0 0 0 0 {} {} {} {} 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 {status}\n",
        process.ppid(),
        process.pgid(),
        process.sid(),
        20 + nice,
        process.shown_threads().len(),
        resident / PAGE,
        standard(process.sig_pending()),
        standard(signals.blocked),
        standard(signals.ignored),
        standard(signals.caught),
    );
    text.extend_from_slice(rest.as_bytes());
    text
}

/// The standard signals of a set, as a number.
fn standard(set: SigSet) -> u64 {
    set.0 & ((1 << (Signal::RT_MIN - 1)) - 1)
}

fn statm(process: &Process) -> String {
    let Footprint { mapped, resident } = process.shown_footprint();
    let (mapped, resident) = (mapped / PAGE, resident / PAGE);
    format!("{mapped} {resident} 0 0 0 {resident} 0\n")
}

fn status(process: &Process, caller: Pid) -> Vec<u8> {
    let mut text = b"Name:\t".to_vec();
    text.extend_from_slice(&process.shown_name());
    let (letter, word) = state_letter(process, caller);
    let cred = process.cred();
    let groups: String = cred.groups.iter().map(|gid| format!("{gid} ")).collect();
    let usage = process.usage();
    let Footprint { mapped, resident } = process.shown_footprint();
    let (mapped, resident) = (mapped / 1024, resident / 1024);
    let peak = resident.max(usage.max_rss / 1024);
    let most = peak.max(mapped);
    let signals = process.shown_signals();
    let pid = process.pid();
    let rest = format!(
        "\nUmask:\t{:04o}\nState:\t{letter} ({word})\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t{}\nTracerPid:\t0\n\
         Uid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t{}\nGroups:\t{groups}\nNStgid:\t{pid}\nNSpid:\t{pid}\n\
         NSpgid:\t{}\nNSsid:\t{}\nVmPeak:\t{most:8} kB\nVmSize:\t{mapped:8} kB\nVmHWM:\t{peak:8} kB\nVmRSS:\t{resident:8} kB\n\
         Threads:\t{}\nSigQ:\t0/1024\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\n\
         SigCgt:\t{:016x}\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
         CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\nCpus_allowed_list:\t0-{}\n\
         voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
        process.umask(None).bits(),
        process.ppid(),
        cred.ruid,
        cred.euid,
        cred.suid,
        cred.euid,
        cred.rgid,
        cred.egid,
        cred.sgid,
        cred.egid,
        process.shown_descriptors().len().next_power_of_two().max(64),
        process.pgid(),
        process.sid(),
        process.shown_threads().len(),
        0,
        process.sig_pending().0,
        signals.blocked.0,
        signals.ignored.0,
        signals.caught.0,
        process.kernel().limits().cpu_count.saturating_sub(1),
    );
    text.extend_from_slice(rest.as_bytes());
    text
}

fn io(process: &Process) -> String {
    let (read, written) = process.io_bytes();
    format!(
        "rchar: {read}\nwchar: {written}\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
    )
}

fn limits(process: &Process) -> String {
    let shown = |value: u64| {
        if value == INFINITY {
            "unlimited".to_owned()
        } else {
            value.to_string()
        }
    };
    let mut text = format!(
        "{:<25} {:<20} {:<20} {:<10}\n",
        "Limit", "Soft Limit", "Hard Limit", "Units"
    );
    for (resource, name, unit) in RESOURCE_NAMES {
        let limit = process.resource_limit(resource);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{name:<25} {:<20} {:<20} {unit:<10}",
            shown(limit.soft),
            shown(limit.hard)
        );
    }
    text
}

fn mounts(kernel: &Kernel) -> Vec<u8> {
    let mut text = Vec::new();
    for mount in kernel.vfs().mounts() {
        escape(mount.source.as_bytes(), &mut text);
        text.push(b' ');
        escape(&mount.path, &mut text);
        text.extend_from_slice(format!(" {} {} 0 0\n", mount.kind, options(&mount)).as_bytes());
    }
    text
}

fn mount_info(kernel: &Kernel) -> Vec<u8> {
    let mut text = Vec::new();
    for (id, mount) in (1..).zip(kernel.vfs().mounts()) {
        let dev = mount.dev.0;
        let parent = u32::from(id > 1);
        text.extend_from_slice(format!("{id} {parent} {}:{} / ", dev >> 8, dev & 0xff).as_bytes());
        escape(&mount.path, &mut text);
        text.extend_from_slice(format!(" {} - {} ", options(&mount), mount.kind).as_bytes());
        escape(mount.source.as_bytes(), &mut text);
        text.extend_from_slice(if mount.read_only { b" ro\n" } else { b" rw\n" });
    }
    text
}

fn options(mount: &crate::vfs::MountInfo) -> String {
    let access = if mount.read_only { "ro" } else { "rw" };
    let times = if mount.atime { "relatime" } else { "noatime" };
    format!("{access},nosuid,nodev,{times}")
}

/// Blanks, line ends and backslashes as octal numbers, as in `fstab(5)`.
fn escape(bytes: &[u8], text: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => text.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            byte => text.push(*byte),
        }
    }
}

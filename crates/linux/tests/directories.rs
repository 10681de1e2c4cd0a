//! Directories of many files: nothing gets slower with their number, none is lost or seen twice, for programs of either kind.
//!
//! `AGENTOS_FILES=N cargo test --release -p agentos-linux --test directories -- --nocapture` says what each step took with so many.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::limits::Counter;
use agentos_kernel::process::{Dir, OpenHow};
use agentos_kernel::vfs::{CappedFs, Filesystem, FsQuota, HostDirFs, MemoryFs, MountOptions, OpenOptions, OverlayFs};
use common::{RealClock, Vm, compile, ready};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// A VM with the program, whose directories are of this filesystem if one is given.
fn vm(fs: Option<Arc<dyn Filesystem>>) -> Option<Vm> {
    let vm = Vm::new()?;
    let program = compile(include_str!("directories/many.c"), &["-static", "-O1"])?;
    vm.put("/home/many", &program, 0o755);
    vm.sh("mkdir /tmp/many").ok();
    if let Some(fs) = fs {
        let mounted = vm.kernel.vfs().mount(b"/tmp/many", fs, MountOptions::default());
        mounted.unwrap();
    }
    vm.sh("mkdir -p /tmp/many/d").ok();
    Some(vm)
}

fn step(vm: &Vm, what: &str, count: usize) -> String {
    let start = Instant::now();
    let said = vm.run(&["/home/many", what, &count.to_string()]).ok();
    println!("{what:>8} of {count}: {:?}", start.elapsed());
    said
}

/// The names as a program of another kind reads them: a piece at a time, from the place where the last one ended.
fn names(vm: &Vm) -> BTreeSet<Vec<u8>> {
    let init = vm.kernel.init();
    let options = OpenOptions {
        read: true,
        ..OpenOptions::default()
    };
    let how = OpenHow {
        options,
        ..OpenHow::default()
    };
    let fd = ready(init.open(Dir::Cwd, b"/tmp/many/d", &how, None)).unwrap();
    let (mut names, mut position) = (BTreeSet::new(), 0);
    loop {
        let mut left = 500;
        init.readdir(fd, position, &mut |entry| {
            position = entry.next;
            left -= 1;
            let is_new = entry.name.starts_with(b".") || names.insert(entry.name.to_vec());
            assert!(is_new, "it came twice");
            match left {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        })
        .unwrap();
        if left > 0 {
            break;
        }
    }
    init.close(fd).unwrap();
    names
}

/// What is made, read, moved and removed, by both kinds.
fn life(vm: &Vm, count: usize) {
    assert_eq!(step(vm, "make", count), format!("made {count}\n"));
    assert_eq!(step(vm, "read", count), format!("all {count}\nhalves {count}\n"));
    assert_eq!(step(vm, "look", count), format!("found {count}\n"));
    let start = Instant::now();
    assert_eq!(names(vm).len(), count);
    println!("   other of {count}: {:?}", start.elapsed());
    let half = count / 2;
    let halved = format!("stayed {half}, gone {half}\nleft {half}\n");
    assert_eq!(step(vm, "halve", count), halved);
    let quarter = (1..count - 2).step_by(4).count();
    assert_eq!(step(vm, "rename", count), format!("renamed {quarter}\n"));
    let left = names(vm);
    assert_eq!(left.len(), half - quarter);
    // The other kind takes some away, which is seen at once.
    let some: Vec<_> = left.iter().take(100).collect();
    for name in &some {
        let path = [b"/tmp/many/d/", &name[..]].concat();
        vm.kernel.init().unlink(Dir::Cwd, &path).unwrap();
    }
    let left = left.len() - some.len();
    let start = Instant::now();
    let script =
        "cd /tmp/many; ls d | wc -l; ls -f d | wc -l; find d -name 'f*' | wc -l; find d -type f -size +0c | wc -l";
    assert_eq!(vm.sh(script).ok(), format!("{left}\n{}\n{left}\n0\n", left + 2));
    println!("    list of {left}: {:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(vm.sh("rm -rf /tmp/many/d; ls /tmp/many").ok(), "");
    println!("  remove of {left}: {:?}", start.elapsed());
}

/// As many as are asked for.
fn count_or(count: usize) -> usize {
    let given = std::env::var("AGENTOS_FILES").ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(count)
}

/// A filesystem in memory that has room for so many inodes.
fn memory(inodes: u64) -> Arc<MemoryFs> {
    let counter = |path, most| Counter::new(path, "", most, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes", 1 << 40),
        inodes: counter("inodes", inodes),
    });
    MemoryFs::new(Arc::new(RealClock::new()), quota)
}

#[test]
fn a_directory_of_many_files_is_one_as_any_other() {
    let Some(vm) = vm(None) else { return };
    life(&vm, count_or(100_000));
}

#[test]
fn those_of_other_filesystems_are_too() {
    let count = count_or(3_000);
    let host = tempfile::tempdir().unwrap();
    let mount = HostDirFs::open(host.path(), false).unwrap();
    let Some(vm) = vm(Some(mount)) else { return };
    life(&vm, count);
    // Working copies of each file that a Linux program writes.
    life(&vm_on(CappedFs::new(memory(1 << 40), Some(1 << 40), None)), count);
    // Layers, of which one is the host's: half of the files lie there, and are made anew above.
    let lower = tempfile::tempdir().unwrap();
    std::fs::create_dir(lower.path().join("d")).unwrap();
    let lower = HostDirFs::open(lower.path(), true).unwrap();
    life(&vm_on(OverlayFs::new(memory(1 << 40), vec![lower]).unwrap()), count);
}

fn vm_on(fs: Arc<dyn Filesystem>) -> Vm {
    vm(Some(fs)).unwrap()
}

/// What lies below is listed with what lies above, once each, however large the host's positions are.
#[test]
fn layers_of_the_host_are_listed_once() {
    let lower = tempfile::tempdir().unwrap();
    let dir = lower.path().join("d");
    std::fs::create_dir(&dir).unwrap();
    (0..1_000).for_each(|i| std::fs::write(dir.join(format!("f{i}")), "").unwrap());
    let lower = HostDirFs::open(lower.path(), true).unwrap();
    let Some(vm) = vm(Some(OverlayFs::new(memory(1 << 40), vec![lower]).unwrap())) else {
        return;
    };
    let above = "cd /tmp/many/d; rm f0 f1 f2; for i in 5 6 7 1000 1001; do echo x > f$i; done; ls | wc -l";
    assert_eq!(vm.sh(above).ok(), "999\n");
    assert_eq!(step(&vm, "read", 1_002), "all 999\nhalves 999\n");
    assert_eq!(names(&vm).len(), 999);
    assert_eq!(step(&vm, "halve", 1_002), "stayed 500, gone 499\nleft 500\n");
}

#[test]
fn where_there_is_no_room_for_another_file_the_call_says_so() {
    let Some(vm) = vm(Some(memory(1_000))) else { return };
    // Besides the directory itself.
    assert_eq!(step(&vm, "make", 2_000), "made 999, No space left on device\n");
    assert_eq!(step(&vm, "read", 999), "all 999\nhalves 999\n");
    assert_eq!(
        vm.sh("mkdir /tmp/many/e 2>&1; ln -s x /tmp/many/l 2>&1; rm /tmp/many/d/f7; mkdir /tmp/many/e")
            .out
            .lines()
            .count(),
        2
    );
    assert_eq!(vm.sh("rm -rf /tmp/many/d /tmp/many/e; ls /tmp/many").ok(), "");
}

//! Locks between Linux programs and programs of another kind, on every sort of file.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod toy;

use agentos_kernel::fd::OpenFile;
use agentos_kernel::process::{Dir, LockKind, OpenHow};
use agentos_kernel::vfs::{CappedFs, HostDirFs, MountOptions, OpenOptions};
use common::{Vm, executor, has, ready};
use std::sync::Arc;
use std::task::Poll;
use toy::Toy;

fn vm() -> Option<Vm> {
    let vm = Vm::with(vec![executor()?, Arc::new(Toy)], Default::default());
    vm.put("/tmp/locks", b"TOY locks\n", 0o755);
    vm.put("/tmp/both.py", include_bytes!("locks/both.py"), 0o644);
    has("/usr/bin/python3").then_some(vm)
}

fn both(vm: &Vm, dir: &str) {
    assert_eq!(vm.run(&["/usr/bin/python3", "/tmp/both.py", dir]).ok(), "done\n");
}

#[test]
fn on_files_in_memory() {
    let Some(vm) = vm() else { return };
    both(&vm, "/tmp");
}

#[test]
fn on_files_of_the_host() {
    let Some(vm) = vm() else { return };
    let dir = tempfile::tempdir().unwrap();
    let host = HostDirFs::open(dir.path(), false).unwrap();
    vm.root_dir("host");
    vm.kernel.vfs().mount(b"/host", host, MountOptions::default()).unwrap();
    both(&vm, "/host");
}

#[test]
fn on_working_copies() {
    let Some(vm) = vm() else { return };
    let dir = tempfile::tempdir().unwrap();
    let host = HostDirFs::open(dir.path(), false).unwrap();
    let capped = CappedFs::new(host, Some(1 << 20), None);
    vm.root_dir("capped");
    vm.kernel
        .vfs()
        .mount(b"/capped", capped, MountOptions::default())
        .unwrap();
    both(&vm, "/capped");
}

/// Opens a file as the kernel's first process.
fn open(vm: &Vm, path: &str) -> (agentos_kernel::id::Fd, Arc<OpenFile>) {
    let how = OpenHow {
        options: OpenOptions {
            read: true,
            write: true,
            ..OpenOptions::default()
        },
        ..OpenHow::default()
    };
    let init = vm.kernel.init();
    let fd = ready(init.open(Dir::Cwd, path.as_bytes(), &how, None)).unwrap();
    (fd, init.file(fd).unwrap())
}

const TRY: &str = "import fcntl, sys
f = open('/tmp/lock')
try: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB); print('free')
except BlockingIOError: print('taken')";

#[test]
fn a_lock_of_a_description_that_both_kinds_have_is_one() {
    let Some(vm) = vm() else { return };
    vm.put("/tmp/lock", b"", 0o666);
    let init = vm.kernel.init();
    let (fd, file) = open(&vm, "/tmp/lock");
    let attempt = || vm.run(&["/usr/bin/python3", "-c", TRY]).ok();
    let flock = |how: &str| {
        let child = vm.spawn(&["/usr/bin/flock", how, "9"], &[(9, &file)]).unwrap();
        common::wait(&child).code()
    };
    // As `exec 9>lock; flock 9` of a shell that is not a Linux program.
    assert_eq!(flock("-xn"), 0);
    assert_eq!(attempt(), "taken\n");
    // Who has taken it is gone, and the description goes on having it.
    let (other, _) = open(&vm, "/tmp/lock");
    let busy = init.flock(other, LockKind::Read, true, None);
    assert!(matches!(busy, Poll::Ready(Err(error)) if error == agentos_kernel::Errno::EAGAIN));
    assert_eq!(flock("-u"), 0);
    assert_eq!(attempt(), "free\n");
    // Taken by the one kind and given up by the other.
    ready(init.flock(fd, LockKind::Write, true, None)).unwrap();
    assert_eq!(attempt(), "taken\n");
    assert_eq!(flock("-u"), 0);
    assert_eq!(attempt(), "free\n");
    // It goes with its last descriptor.
    assert_eq!(flock("-x"), 0);
    assert_eq!(attempt(), "taken\n");
    drop(file);
    init.close(fd).unwrap();
    assert_eq!(attempt(), "free\n");
    ready(init.flock(other, LockKind::Write, true, None)).unwrap();
    assert_eq!(vm.kernel.vfs().locks().len(), 1);
}

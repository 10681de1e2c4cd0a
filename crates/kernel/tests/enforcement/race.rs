//! Two threads: one moves an ancestor, the other uses what is below it. No moment exists in which a rule does not hold.

use crate::world::World;
use agentos_kernel::Errno;
use agentos_kernel::process::Dir;
use agentos_kernel::vfs::RenameFlags;
use core::sync::atomic::{AtomicBool, Ordering};
use serde_json::json;

const CWD: Dir = Dir::Cwd;
const TIMES: usize = 6000;

#[test]
fn a_file_that_only_ever_is_in_a_protected_place_is_never_read() {
    let w = World::denying(&["read", "write", "stat"], &["/vault/**"]);
    w.dir("/vault");
    w.dir("/free");
    w.dir("/free/d");
    w.dir("/free/d/x");
    let dir = w.open("/free/d", "p").unwrap();
    let done = AtomicBool::new(false);
    // A long stay in the directory, in which it is moved and the key is made.
    let (stay, here) = (
        format!("/free/d/{}key", "x/../".repeat(800)),
        format!("{}key", "x/../".repeat(800)),
    );
    let paths: [(Dir, &[u8]); 7] = [
        (CWD, stay.as_bytes()),
        (Dir::Fd(dir), here.as_bytes()),
        (CWD, b"/free/d/key"),
        (CWD, b"/free/./d/../d/key"),
        (CWD, b"/vault/d/key"),
        (Dir::Fd(dir), b"key"),
        (Dir::Fd(dir), b"../d/key"),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let rename = |old: &[u8], new: &[u8]| {
                w.trusted(|vfs, cx| vfs.rename(cx, None, old, None, new, RenameFlags::Replace))
                    .unwrap();
            };
            for _ in 0..TIMES {
                rename(b"/free/d", b"/vault/d");
                w.file("/vault/d/key", "hidden");
                w.trusted(|vfs, cx| vfs.unlink(cx, None, b"/vault/d/key")).unwrap();
                rename(b"/vault/d", b"/free/d");
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            for (from, path) in paths {
                let error = w
                    .open_at(from, path, "r")
                    .expect_err("it is never where it may be read");
                assert!([Errno::ENOENT, Errno::EACCES].contains(&error.errno()), "{error}");
            }
        }
    });
}

#[test]
fn what_must_not_come_to_a_place_does_not_come_with_its_directory() {
    let w = World::with(&json!([
        { "mode": "deny", "operations": ["rename", "write"], "paths": ["/out/d/keep"] }]));
    w.dir("/work");
    w.dir("/out");
    w.dir("/work/d");
    let dir = w.open("/work/d", "p").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut moved, process) = (0, &w.process);
            while moved < TIMES / 10 {
                let there = process.rename((CWD, b"/work/d"), (CWD, b"/out/d"), RenameFlags::Replace);
                if there.is_err() {
                    // The other thread is between making and removing.
                    std::thread::yield_now();
                    continue;
                }
                moved += 1;
                let kept = w.trusted(|vfs, cx| vfs.stat(cx, None, b"/out/d/keep", false));
                assert_eq!(kept.unwrap_err(), Errno::ENOENT);
                process
                    .rename((CWD, b"/out/d"), (CWD, b"/work/d"), RenameFlags::Replace)
                    .unwrap();
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            if let Ok(fd) = w.open_at(Dir::Fd(dir), b"keep", "wcx") {
                w.process.close(fd).unwrap();
            }
            let _ = w.process.unlink(Dir::Fd(dir), b"keep");
        }
    });
}

//! T12: what POSIX promises about files and pipes that several use at once. Other parts of T12 have tests where their subject
//! is: EINTR, SIGCHLD and SIGPIPE in `process/signals.rs`, orphans in `process/lifecycle.rs`, more about locks in
//! `process/files.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/mod.rs"]
mod common;
#[path = "enforcement/world.rs"]
mod world;

use agentos_kernel::fd::PIPE_BUF;
use agentos_kernel::id::Fd;
use agentos_kernel::process::Dir;
use agentos_kernel::vfs::RenameFlags;
use agentos_kernel::{Errno, Error};
use common::{ready, wait};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use serde_json::json;
use world::World;

const CWD: Dir = Dir::Cwd;
const WRITERS: usize = 4;

/// Each kind of policy, as rules take another path through the kernel.
fn worlds() -> [World; 2] {
    let rules = json!([{ "mode": "deny", "paths": ["/nowhere/**"] }]);
    [World::under(&json!("default")), World::with(&rules)]
}

fn content(world: &World, path: &str) -> Vec<u8> {
    let fd = world.open(path, "r").unwrap();
    let mut all = Vec::new();
    let mut buf = [0; 4096];
    loop {
        match ready(world.process.read(fd, &mut buf, None)).unwrap() {
            0 => break,
            count => all.extend_from_slice(&buf[..count]),
        }
    }
    world.process.close(fd).unwrap();
    all
}

#[test]
fn t12_o_append_writes_whole_records_at_the_end() {
    for w in worlds() {
        let fds: Vec<Fd> = (0..WRITERS).map(|_| w.open("/tmp/log", "wca").unwrap()).collect();
        std::thread::scope(|scope| {
            for (letter, fd) in (b'a'..).zip(&fds) {
                let process = &w.process;
                scope.spawn(move || {
                    for _ in 0..500 {
                        assert_eq!(ready(process.write(*fd, &[letter; 37], None)).unwrap(), 37);
                    }
                });
            }
        });
        let all = content(&w, "/tmp/log");
        assert_eq!(all.len(), WRITERS * 500 * 37);
        assert!(
            all.chunks(37)
                .all(|record| record.iter().all(|byte| *byte == record[0]))
        );
    }
}

#[test]
fn t12_a_shared_offset_is_taken_once() {
    for w in worlds() {
        let fd = w.open("/tmp/shared", "wc").unwrap();
        std::thread::scope(|scope| {
            for letter in (b'a'..).take(WRITERS) {
                let process = &w.process;
                scope.spawn(move || {
                    for _ in 0..500 {
                        assert_eq!(ready(process.write(fd, &[letter; 11], None)).unwrap(), 11);
                    }
                });
            }
        });
        let all = content(&w, "/tmp/shared");
        assert_eq!(all.len(), WRITERS * 500 * 11);
        assert!(
            all.chunks(11)
                .all(|record| record.iter().all(|byte| *byte == record[0]))
        );
    }
}

#[test]
fn t12_o_excl_has_one_winner() {
    for w in worlds() {
        for round in 0..200 {
            let path = format!("/tmp/lock{round}");
            let winners = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..WRITERS {
                    scope.spawn(|| match w.open(&path, "wcx") {
                        Ok(_) => drop(winners.fetch_add(1, Ordering::AcqRel)),
                        Err(error) => assert_eq!(error, Errno::EEXIST),
                    });
                }
            });
            assert_eq!(winners.load(Ordering::Acquire), 1);
            w.process
                .descriptors()
                .into_iter()
                .for_each(|fd| w.process.close(fd).unwrap());
        }
    }
}

#[test]
fn t12_rename_replaces_at_once() {
    for w in worlds() {
        let done = AtomicBool::new(false);
        w.file("/tmp/current", "0");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..1000 {
                    w.file("/tmp/next", &round.to_string());
                    w.process
                        .rename((CWD, b"/tmp/next"), (CWD, b"/tmp/current"), RenameFlags::Replace)
                        .unwrap();
                }
                done.store(true, Ordering::Release);
            });
            let mut last = 0;
            while !done.load(Ordering::Acquire) {
                // There at every moment, whole, and never older than before.
                let text = String::from_utf8(content(&w, "/tmp/current")).unwrap();
                let round: u32 = text.parse().unwrap();
                assert!(round >= last);
                last = round;
            }
        });
    }
}

#[test]
fn t12_an_exchange_has_no_moment_without_either() {
    for w in worlds() {
        w.file("/tmp/a", "a");
        w.file("/tmp/b", "b");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let (a, b): (&[u8], &[u8]) = (b"/tmp/a", b"/tmp/b");
                    w.process.rename((CWD, a), (CWD, b), RenameFlags::Exchange).unwrap();
                }
                done.store(true, Ordering::Release);
            });
            while !done.load(Ordering::Acquire) {
                for path in ["/tmp/a", "/tmp/b"] {
                    assert_eq!(content(&w, path).len(), 1);
                }
            }
        });
    }
}

#[test]
fn t12_pipe_buf_writes_are_not_torn() {
    for w in worlds() {
        let (read, write) = w.process.pipe(false, false).unwrap();
        let total = WRITERS * 200 * PIPE_BUF;
        std::thread::scope(|scope| {
            for letter in (b'a'..).take(WRITERS) {
                let process = &w.process;
                scope.spawn(move || {
                    let record = vec![letter; PIPE_BUF];
                    for _ in 0..200 {
                        let count = wait(|waker| process.file(write).unwrap().write(&record, waker)).unwrap();
                        assert_eq!(count, PIPE_BUF);
                    }
                });
            }
            let mut all = Vec::with_capacity(total);
            let mut buf = [0; 10_000];
            while all.len() < total {
                let count = wait(|waker| w.process.file(read).unwrap().read(&mut buf, waker)).unwrap();
                all.extend_from_slice(&buf[..count]);
            }
            assert!(
                all.chunks(PIPE_BUF)
                    .all(|record| record.iter().all(|byte| *byte == record[0]))
            );
        });
    }
}

#[test]
fn t12_an_unlinked_file_lives_as_long_as_it_is_open() {
    for w in worlds() {
        let fd = w.open("/tmp/gone", "rwc").unwrap();
        w.process.unlink(CWD, b"/tmp/gone").unwrap();
        assert_eq!(ready(w.process.write(fd, b"still", None)).unwrap(), 5);
        let mut buf = [0; 8];
        assert_eq!(ready(w.process.pread(fd, 0, &mut buf, None)).unwrap(), 5);
        assert_eq!(w.open("/tmp/gone", "r").unwrap_err(), Errno::ENOENT);
    }
}

#[test]
fn t12_a_refusal_is_eacces_and_nothing_happened() {
    let w = World::denying(&["write"], &["/tmp/no"]);
    let before = w.kernel.quota().inodes.used();
    assert!(matches!(w.open("/tmp/no", "wc"), Err(Error::Denied(_))));
    assert_eq!(w.kernel.quota().inodes.used(), before);
    assert_eq!(w.process.descriptors().len(), 0);
}

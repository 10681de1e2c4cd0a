//! A process that writes files and says which are durable is killed with `SIGKILL` at some moment.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::vfs::{FileType, Filesystem, Mode, NewNode, RenameFlags};
use agentos_store::fs::DurableFs;

use super::common::Still;
use super::{number, open};

/// Where the process that is to be killed works.
const PLACE: &str = "AGENTOS_CRASH_PLACE";

fn node() -> NewNode {
    NewNode {
        kind: FileType::Regular,
        mode: Mode::new(0o644),
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
    }
}

/// What file `number` holds; some are longer than a block.
fn content(number: u64) -> Vec<u8> {
    let line = format!("this is file {number}\n");
    line.repeat(1 + (number % 7 * 90) as usize).into_bytes()
}

/// Not a test of its own: what the killed process does.
#[test]
fn victim() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let fs = open(
        place.as_ref(),
        None,
        &Arc::new(Still::default()),
        Duration::from_millis(5),
    )
    .unwrap();
    let root = fs.root();
    let mut out = std::io::stdout();
    for number in 0..100_000 {
        // As editors save: a new file, which then replaces the old one.
        let name = format!("f{}", number % 50);
        let made = fs.create(root, b"new", &node()).unwrap();
        fs.write(made.ino, 0, &content(number)).unwrap();
        fs.rename(root, b"new", root, name.as_bytes(), RenameFlags::Replace)
            .unwrap();
        if number % 3 == 0 {
            fs.sync().unwrap();
            writeln!(out, "durable {number}").unwrap();
            out.flush().unwrap();
        }
    }
}

#[test]
fn a_killed_process_leaves_what_it_acknowledged() {
    for round in 0..number("AGENTOS_CRASH_KILLS", 8) {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::victim", "--nocapture"])
            .env(PLACE, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut last = None;
        for line in lines {
            let line = line.unwrap();
            if let Some((_, number)) = line.split_once("durable ") {
                last = number.parse::<u64>().ok();
            }
            if last.is_some_and(|last| last >= 60 + round * 33) {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let last = last.unwrap();
        let fs = open(dir.path(), None, &Arc::new(Still::default()), Duration::ZERO).unwrap();
        let report = DurableFs::check(fs.database()).unwrap();
        assert!(report.is_sound(), "{report:?}");
        for slot in 0..50 {
            let name = format!("f{slot}");
            let attr = fs.lookup(fs.root(), name.as_bytes()).unwrap();
            let mut bytes = vec![0; attr.size as usize + 1];
            let count = fs.read(attr.ino, 0, &mut bytes).unwrap();
            bytes.truncate(count);
            let text = String::from_utf8(bytes.clone()).unwrap();
            let first = text.lines().next().unwrap();
            let number: u64 = first.rsplit(' ').next().unwrap().parse().unwrap();
            assert_eq!(bytes, content(number), "{name} is whole");
            let due = last - (last + 50 - slot) % 50;
            assert!(
                number >= due && number % 50 == slot,
                "{name} holds {number}, {due} was acknowledged"
            );
        }
    }
}

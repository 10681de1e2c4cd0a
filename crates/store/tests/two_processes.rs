//! Two processes on one data directory: the second is refused, and told by whom. The lock goes with the process, however it
//! ends.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use agentos_store::{DataDir, Error};

const CHILD: &str = "AGENTOS_TEST_DATA_DIR";

/// Not a test of its own: what the child process does.
#[test]
fn child_holds_the_directory() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let data = DataDir::open(Path::new(&path)).unwrap();
    let _vm = data.open_vm("abc").unwrap();
    // After a line break of its own: the harness has written the test's name before.
    println!("\nheld");
    std::thread::park();
}

fn spawn_holder(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_holds_the_directory", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "held"));
    child
}

#[test]
fn the_second_process_is_refused_and_told_by_whom() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let mut child = spawn_holder(&path);
    let refused = DataDir::open(&path).unwrap_err();
    assert_eq!(
        refused,
        Error::Locked {
            path: path.clone(),
            pid: Some(child.id())
        }
    );
    assert_eq!(
        refused.to_string(),
        format!("{} is in use by process {}", path.display(), child.id())
    );
    child.kill().unwrap();
    child.wait().unwrap();
    let data = DataDir::open(&path).unwrap();
    assert!(data.open_vm("abc").unwrap().generation() > 1);
}

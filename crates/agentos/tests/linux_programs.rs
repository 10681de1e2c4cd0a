//! Real programs of Linux, unmodified, in VMs with `host` as image, compared with the same programs run by the host itself.
//!
//! `linux/<topic>/<name>.<kind>` are the cases: scripts for bash (`sh`), Node (`js`, `mjs`) and Python (`py`), and programs of
//! C and Rust that the host's compilers make (`c`, `rs`). Each runs twice, in an empty directory of the host and in a VM that holds
//! nothing else; standard output, standard error, exit status and the files that are left must be the same. Cases of `mixed` run in the
//! VM by the bundled shell, too (`mixed/<name>.sh@bundled`), and with the bundled tools first on the `PATH`; of what programs of
//! different makers say on standard error only that they say something counts.
//!
//! A line `needs: NAME...` at the top of a case leaves it out on hosts without these programs. `linux/differences.txt` lists where a VM is
//! known to differ, with the reason, and is checked both ways: a listed case that passes is a failure too.
//!
//! `AGENTOS_LINUX=git/` runs only the cases whose names hold this.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "linux_runner/host.rs"]
mod host;
#[path = "linux_runner/outcome.rs"]
mod outcome;
#[path = "linux_runner/vm.rs"]
mod vm;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A case that takes longer has hung.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Cases that run at the same time.
const AT_ONCE: usize = 3;
/// Where the host and the VM look for programs.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program to run.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    /// What runs it; itself if it is a program.
    interpreter: Option<&'static str>,
    /// Name of its file.
    file: String,
    content: Vec<u8>,
    /// Whether programs of both kinds take part.
    mixed: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes, and depends on the programs that the host has: run it with --ignored"]
async fn programs_do_in_a_vm_what_they_do_on_the_host() {
    if !vm::runs_linux_programs().await {
        return;
    }
    let only = std::env::var("AGENTOS_LINUX").unwrap_or_default();
    let known = differences();
    let (mut report, mut ran, mut differ) = (String::new(), 0, 0);
    let mut waiting = cases(&only).into_iter().rev().collect::<Vec<_>>();
    let mut running = tokio::task::JoinSet::new();
    let mut seen = Vec::new();
    loop {
        while running.len() < AT_ONCE {
            let Some(case) = waiting.pop() else { break };
            running.spawn(both_ways(case));
        }
        let Some(done) = running.join_next().await else { break };
        for (name, result) in done.unwrap() {
            ran += 1;
            match (result, known.get(&name)) {
                (Ok(()), None) => {}
                (Err(_), Some(_)) => differ += 1,
                (Ok(()), Some(reason)) => {
                    let _ = writeln!(report, "{name}: is listed as different ({reason}), and is not");
                }
                (Err(difference), None) => {
                    let _ = writeln!(report, "=== {name}\n{difference}");
                }
            }
            seen.push(name);
        }
    }
    let sources = files();
    for name in known.keys() {
        let file = name.split('@').next().unwrap_or_default();
        if !sources.contains_key(file) {
            let _ = writeln!(report, "{name}: is listed as different, and does not exist");
        }
    }
    println!("{ran} cases, {differ} known differences");
    assert!(
        !only.is_empty() || sources.len() >= 60,
        "only {} cases were found",
        sources.len()
    );
    assert!(report.is_empty(), "{report}");
}

/// Runs a case on the host and in VMs, and says for each VM how it differs.
async fn both_ways(case: Case) -> Vec<(String, Result<(), String>)> {
    let on_host = tokio::task::spawn_blocking({
        let case = case.clone();
        move || host::run(&case)
    });
    let wanted = on_host.await.unwrap();
    let mut results = Vec::new();
    let found = vm::run(&case, case.interpreter).await;
    results.push((case.name.clone(), wanted.compare(&found, !case.mixed)));
    if case.mixed {
        let found = vm::run(&case, Some("/opt/agentos/bin/bash")).await;
        results.push((format!("{}@bundled", case.name), wanted.compare(&found, false)));
    }
    results
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/linux")
}

/// Every case by name.
fn files() -> BTreeMap<String, PathBuf> {
    let mut files = BTreeMap::new();
    for topic in std::fs::read_dir(folder()).unwrap().flatten() {
        if !topic.path().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(topic.path()).unwrap().flatten() {
            let name = format!(
                "{}/{}",
                topic.file_name().to_str().unwrap(),
                file.file_name().to_str().unwrap()
            );
            files.insert(name, file.path());
        }
    }
    files
}

/// The cases that this host can run.
fn cases(only: &str) -> Vec<Case> {
    let chosen = files().into_iter().filter(|(name, _)| name.contains(only));
    chosen.filter_map(|(name, path)| case(name, &path)).collect()
}

fn case(name: String, path: &Path) -> Option<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut needs: Vec<&str> = text
        .lines()
        .take(3)
        .filter_map(|line| line.split_once("needs: "))
        .flat_map(|(_, needs)| needs.split_whitespace())
        .collect();
    let interpreter = match path.extension().unwrap().to_str().unwrap() {
        "sh" => Some("/usr/bin/bash"),
        "js" | "mjs" => Some("/usr/bin/node"),
        "py" => Some("/usr/bin/python3"),
        _ => None,
    };
    needs.extend(interpreter);
    if let Some(missing) = needs.iter().find(|name| !is_there(name)) {
        println!("SKIPPED {name}: this host has no {missing}");
        return None;
    }
    let mixed = name.starts_with("mixed/");
    let file = path.file_name().unwrap().to_str().unwrap();
    let (file, content) = match interpreter {
        Some(_) => (file.to_owned(), text.into_bytes()),
        None => {
            let Some(program) = host::compile(path) else {
                println!("SKIPPED {name}: this host cannot compile it");
                return None;
            };
            ("program".to_owned(), program)
        }
    };
    Some(Case {
        name,
        interpreter,
        file,
        content,
        mixed,
    })
}

/// Whether the host has a program, by name or by path.
fn is_there(name: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(name).exists())
}

/// Known differences and their reasons.
fn differences() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder().join("differences.txt")).unwrap();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, reason) = line.split_once(": ").expect("NAME: REASON");
            (name.to_owned(), reason.to_owned())
        })
        .collect()
}

/// Variables of every case, given the folder that stands for its world.
fn environment(root: &str) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", PATH.to_owned()),
        ("HOME", format!("{root}/home")),
        ("TMPDIR", format!("{root}/tmp")),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("USER", "user".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
        ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
    ]
}

/// Folders in a case's world: its own file, where it runs, home and temporary files.
const FOLDERS: [&str; 4] = ["case", "work", "home", "tmp"];

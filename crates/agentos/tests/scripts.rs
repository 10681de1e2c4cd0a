//! A corpus of small shell scripts, run in VMs and compared with what bash 5.2 does.
//!
//! `scripts/<topic>/<name>.sh` are the scripts; each runs in a fresh, empty directory. `scripts/expected/<topic>.txt` record
//! what bash 5.2 with the GNU tools printed, its exit code, and whether anything came on standard error; they are written by
//! `AGENTOS_BLESS=1` from the bash of the host. `scripts/differences.txt` lists where a VM is known to differ, with the
//! reason. It is checked both ways: a listed script that passes is a failure too.
//!
//! `AGENTOS_SCRIPTS=array` runs only the scripts whose names hold "array". Where the host's bash is 5.2, the recordings are compared with it as well (all of them with `AGENTOS_SCRIPTS_HOST=all`;
//! otherwise those of the shell itself, as other hosts have other versions of the tools).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use agentos::{AgentOs, Snapshot};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Topics whose results depend on the versions of tools.
const TOOLS: &[&str] = &["archives", "awk", "coreutils", "find", "grep", "jq", "programs", "sed"];
/// A script that takes longer has hung.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Environment of every script, besides `PATH`.
const ENVIRONMENT: &[(&str, &str)] = &[("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("HOME", "/")];

/// What a script did.
#[derive(Debug, Clone)]
struct Outcome {
    exit: i32,
    /// Whether standard error had anything. Messages differ; that there are any does not.
    complains: bool,
    stdout: Vec<u8>,
    /// What exactly it complained about, for reports.
    stderr: Vec<u8>,
}

impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        (self.exit, self.complains, &self.stdout) == (other.exit, other.complains, &other.stdout)
    }
}

type Scripts = BTreeMap<String, String>;
type Outcomes = BTreeMap<String, Outcome>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_behave_as_in_bash() {
    let scripts = scripts();
    let only = std::env::var("AGENTOS_SCRIPTS").unwrap_or_default();
    assert!(
        !only.is_empty() || scripts.len() >= 400,
        "only {} scripts were found",
        scripts.len()
    );
    if only.is_empty() && std::env::var_os("AGENTOS_BLESS").is_some() {
        bless(&scripts);
    }
    let expected = recorded();
    let known = differences();
    let mut report = String::new();
    let mut differ = 0;
    for (name, found) in in_vms(&scripts).await {
        let Some(wanted) = expected.get(&name) else {
            let _ = writeln!(report, "{name}: nothing is recorded; record it with AGENTOS_BLESS=1");
            continue;
        };
        match (found == *wanted, known.get(&name)) {
            (true, None) => {}
            (false, Some(_)) => differ += 1,
            (true, Some(reason)) => {
                let _ = writeln!(report, "{name}: is listed as different ({reason}), and is not");
            }
            (false, None) => describe(&mut report, &name, &scripts[&name], wanted, &found),
        }
    }
    for name in known
        .keys()
        .filter(|name| only.is_empty() && !scripts.contains_key(*name))
    {
        let _ = writeln!(report, "{name}: is listed as different, and does not exist");
    }
    println!("{} scripts, {differ} known differences", scripts.len());
    assert!(report.is_empty(), "{report}");
}

#[test]
fn recordings_are_those_of_the_hosts_bash() {
    let Some(bash) = bash() else {
        println!("no bash 5.2 here; the recordings stand for it");
        return;
    };
    let all = std::env::var("AGENTOS_SCRIPTS_HOST").is_ok_and(|which| which == "all");
    let expected = recorded();
    let mut report = String::new();
    for (name, script) in scripts() {
        let topic = name.split('/').next().unwrap_or_default();
        if TOOLS.contains(&topic) && !all {
            continue;
        }
        let found = on_host(&bash, &script);
        match expected.get(&name) {
            Some(wanted) if found == *wanted => {}
            Some(wanted) => describe(&mut report, &name, &script, wanted, &found),
            None => drop(writeln!(report, "{name}: nothing is recorded")),
        }
    }
    assert!(report.is_empty(), "{report}");
}

/// Runs every script in a VM of its own, a few at a time.
async fn in_vms(scripts: &Scripts) -> Outcomes {
    let mut builder = AgentOs::builder().cwd("/tmp/work");
    for (name, value) in ENVIRONMENT {
        builder = builder.env(*name, *value);
    }
    let base = builder.create().await.unwrap();
    base.mkdir("/tmp/work").await.unwrap();
    let empty = base.snapshot().await.unwrap();
    let mut waiting: Vec<_> = scripts.clone().into_iter().rev().collect();
    let mut running = tokio::task::JoinSet::new();
    let mut outcomes = Outcomes::new();
    loop {
        while running.len() < 4 {
            let Some((name, script)) = waiting.pop() else { break };
            running.spawn(in_vm(empty.clone(), name, script));
        }
        let Some(done) = running.join_next().await else {
            return outcomes;
        };
        outcomes.extend([done.unwrap()]);
    }
}

async fn in_vm(empty: Snapshot, name: String, script: String) -> (String, Outcome) {
    let vm = empty.create().await.unwrap();
    let output = vm.exec_argv(["bash", "-c", &script]).timeout(TIMEOUT).await.unwrap();
    let outcome = Outcome {
        exit: output.exit_code,
        complains: !output.stderr.is_empty(),
        stdout: output.stdout.to_vec(),
        stderr: output.stderr.to_vec(),
    };
    (name, outcome)
}

/// The bash of the host, if it is the version that the recordings are from.
fn bash() -> Option<PathBuf> {
    let output = Command::new("bash").arg("--version").output().ok()?;
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    version.contains("version 5.2").then(|| PathBuf::from("bash"))
}

fn on_host(bash: &Path, script: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["120", &bash.to_string_lossy(), "-c", script])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(ENVIRONMENT.iter().copied())
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Outcome {
        exit: output.status.code().unwrap_or(-1),
        complains: !output.stderr.is_empty(),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

/// Records what the host's bash does, after making sure that it does so twice.
fn bless(scripts: &Scripts) {
    let bash = bash().expect("recordings are made with bash 5.2");
    let mut topics: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, script) in scripts {
        let outcome = on_host(&bash, script);
        assert_eq!(outcome, on_host(&bash, script), "{name} is not the same every time");
        let (topic, _) = name.split_once('/').unwrap();
        topics.entry(topic).or_default().extend(record(name, &outcome));
    }
    for (topic, text) in topics {
        std::fs::write(directory().join("expected").join(format!("{topic}.txt")), text).unwrap();
    }
}

/// One recording: a head line, then the output with a mark before each line.
fn record(name: &str, outcome: &Outcome) -> Vec<u8> {
    let complains = if outcome.complains { "some" } else { "none" };
    let mut text = format!("== {name} exit={} stderr={complains}\n", outcome.exit).into_bytes();
    for line in outcome.stdout.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.ends_with(b"\n");
        text.push(if whole { b'|' } else { b'\\' });
        text.extend_from_slice(line);
        if !whole {
            text.push(b'\n');
        }
    }
    text
}

fn recorded() -> Outcomes {
    let mut outcomes = Outcomes::new();
    for file in files(&directory().join("expected"), "txt") {
        let text = std::fs::read(&file).unwrap();
        let mut name = String::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if let Some(head) = line.strip_prefix(b"== ") {
                let (next, outcome) = head_line(&String::from_utf8_lossy(head));
                name = next;
                outcomes.insert(name.clone(), outcome);
                continue;
            }
            let outcome = outcomes.get_mut(&name).expect("a head line comes first");
            match line.split_first() {
                Some((b'|', rest)) => outcome.stdout.extend_from_slice(rest),
                Some((b'\\', rest)) => outcome.stdout.extend_from_slice(&rest[..rest.len() - 1]),
                _ => panic!("{}: {}", file.display(), String::from_utf8_lossy(line)),
            }
        }
    }
    outcomes
}

fn head_line(head: &str) -> (String, Outcome) {
    let mut words = head.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let exit = words.next().and_then(|word| word.strip_prefix("exit=")?.parse().ok());
    let outcome = Outcome {
        exit: exit.unwrap_or_else(|| panic!("no exit code: {head}")),
        complains: words.next() == Some("stderr=some"),
        stdout: Vec::new(),
        stderr: Vec::new(),
    };
    (name, outcome)
}

fn differences() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(directory().join("differences.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
            (name.to_owned(), reason.to_owned())
        })
        .collect()
}

fn scripts() -> Scripts {
    let only = std::env::var("AGENTOS_SCRIPTS").unwrap_or_default();
    let mut scripts = Scripts::new();
    for topic in std::fs::read_dir(directory()).unwrap() {
        let topic = topic.unwrap().path();
        if !topic.is_dir() {
            continue;
        }
        for file in files(&topic, "sh") {
            let part = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            scripts.insert(format!("{}/{}", part(&topic), part(&file)), text);
        }
    }
    scripts.retain(|name, _| name.contains(&only));
    scripts
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts")
}

fn describe(report: &mut String, name: &str, script: &str, wanted: &Outcome, found: &Outcome) {
    let text = |outcome: &Outcome| {
        let stdout = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let stderr = if outcome.complains { "some" } else { "none" };
        format!("exit={} stderr={stderr}\n{stdout}", outcome.exit)
    };
    let stderr = String::from_utf8_lossy(&found.stderr);
    let (wanted, found) = (text(wanted), text(found));
    let _ = writeln!(
        report,
        "=== {name}\n{script}--- wanted {wanted}--- found {found}--- stderr\n{stderr}"
    );
}

//! `agentos run` as a user meets it: statuses, streams, mounts, limits, JSON.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use support::{agentos, run, run_with};

#[test]
fn output_goes_where_it_belongs() {
    let ran = run(&["run", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!(
        (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
        (Some(3), "out\n", "err\n")
    );
}

#[test]
fn a_command_keeps_its_words() {
    let ran = run(&["run", "--", "printf", "%s|", "a b", "$HOME", "--json"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "a b|$HOME|--json|"));
    assert_eq!(run(&["run", "echo", "-n", "hello"]).stdout, "hello");
}

#[test]
fn statuses_are_those_of_a_shell() {
    assert_eq!(run(&["run", "false"]).status, Some(1));
    assert_eq!(run(&["run", "-c", "kill -TERM $$"]).status, Some(143));
    assert_eq!(run(&["run", "-c", "kill -KILL $$"]).status, Some(137));
    assert_eq!(run(&["run", "/etc/passwd"]).status, Some(126));
    let missing = run(&["run", "no-such-command"]);
    assert_eq!(
        (missing.status, missing.stderr.as_str()),
        (Some(127), "agentos: command not found: no-such-command\n")
    );
    let missing = run(&["run", "-c", "no-such-command"]);
    assert_eq!(missing.status, Some(127));
    assert!(
        missing.stderr.contains("no-such-command: command not found"),
        "{}",
        missing.stderr
    );
}

#[test]
fn input_is_passed_on() {
    let ran = run_with(&["run", "sort"], "b\na\n");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(0), "a\nb\n"));
    assert_eq!(run_with(&["run", "true"], "nobody reads this\n").status, Some(0));
}

#[test]
fn time_runs_out_with_124() {
    let ran = run(&["run", "--timeout", "300ms", "-c", "echo start; sleep 1000"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(124), "start\n"));
    let stubborn = run(&["run", "--timeout", "100ms", "-c", "trap '' TERM; while :; do :; done"]);
    assert_eq!(stubborn.status, Some(124));
}

#[test]
fn a_reader_that_goes_away_ends_the_command() {
    let mut child = agentos().args(["run", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!((line.as_str(), child.wait().unwrap().code()), ("y\n", Some(128 + 13)));
}

#[test]
fn signals_reach_the_guest() {
    let mut child = agentos()
        .args([
            "run",
            "-c",
            "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 1; done",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("caught\n", Some(7)));
}

#[test]
fn json_tells_everything() {
    let ran = run_with(&["run", "--json", "-c", "cat; echo err >&2; exit 5"], "in");
    let value: Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(5), ""));
    assert_eq!(
        (&value["exitCode"], &value["stdout"], &value["stderr"]),
        (&5.into(), &"in".into(), &"err\n".into())
    );
    assert_eq!(
        (&value["timedOut"], &value["stdoutTruncated"]),
        (&false.into(), &false.into())
    );
    for field in ["createUs", "runUs", "cpuUs", "peakMemoryBytes"] {
        assert!(
            value[field].as_u64().is_some_and(|number| number > 0),
            "{field}: {value}"
        );
    }
    let ran = run(&["run", "--json", "--timeout", "100ms", "sleep", "1000"]);
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&value["exitCode"], &value["timedOut"], ran.status),
        (&124.into(), &true.into(), Some(124))
    );
    let ran = run(&[
        "run",
        "--json",
        "--limit",
        "maxCapturedOutputBytes=10",
        "-c",
        "yes | head -c 100",
    ]);
    let value: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (value["stdout"].as_str().map(str::len), &value["stdoutTruncated"]),
        (Some(10), &true.into())
    );
}

#[test]
fn stats_go_to_standard_error() {
    let ran = run(&["run", "--stats", "echo", "hello"]);
    assert_eq!(ran.stdout, "hello\n");
    assert!(
        ran.stderr.starts_with("VM created in ") && ran.stderr.contains("peak memory"),
        "{}",
        ran.stderr
    );
}

#[test]
fn mounts_are_read_only_unless_asked() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("file"), "host\n").unwrap();
    let at = |mode: &str| format!("{}:/src{mode}", host.path().display());
    assert_eq!(run(&["run", "--mount", &at(""), "cat", "/src/file"]).stdout, "host\n");
    let refused = run(&["run", "--mount", &at(":ro"), "-c", "echo x > /src/new"]);
    assert!(refused.stderr.contains("Read-only file system"), "{}", refused.stderr);
    assert_eq!(
        run(&["run", "--mount", &at(":rw"), "--cwd", "/src", "-c", "echo guest > new"]).status,
        Some(0)
    );
    assert_eq!(std::fs::read_to_string(host.path().join("new")).unwrap(), "guest\n");
}

#[test]
fn environment_and_directory_are_set() {
    let ran = run(&[
        "run",
        "--env",
        "A=1",
        "--env",
        "B=x=y",
        "--cwd",
        "/tmp",
        "-c",
        "echo $A $B; pwd",
    ]);
    assert_eq!(ran.stdout, "1 x=y\n/tmp\n");
    // Nothing of the host's environment leaks in.
    let mut command = agentos();
    let output = command.env("SECRET", "s3cr3t").args(["run", "env"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stdout).contains("s3cr3t"));
}

#[test]
fn limits_bind() {
    let ran = run(&[
        "run",
        "--limit",
        "maxFilesystemBytes=1MiB",
        "-c",
        "head -c 2000000 /dev/zero > big",
    ]);
    assert_ne!(ran.status, Some(0));
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
}

#[test]
fn a_configuration_file_is_read_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/file"), "mounted\n").unwrap();
    let file = folder.path().join("vm.toml");
    std::fs::write(
        &file,
        "cwd = '/data'\nmounts = [{ host = 'data', guest = '/data' }]\n[env]\nA = 'file'\nB = 'file'\n\
         [limits.resources]\nmaxOpenFds = 100\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let ran = run(&[
        "run",
        "--config",
        file,
        "--env",
        "B=line",
        "-c",
        "cat file; echo $A $B; ulimit -n",
    ]);
    assert_eq!(ran.stdout, "mounted\nfile line\n100\n", "{}", ran.stderr);
}

#[test]
fn commands_are_listed() {
    let listed = run(&["commands"]).stdout;
    let names: Vec<&str> = listed.lines().collect();
    assert!(names.is_sorted(), "{listed}");
    for name in ["sh", "bash", "ls", "grep", "sed", "find", "xargs", "sort"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    let json: Vec<String> = serde_json::from_str(&run(&["commands", "--json"]).stdout).unwrap();
    assert_eq!(json, names);
}

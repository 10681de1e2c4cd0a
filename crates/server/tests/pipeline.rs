//! The example of a coordinator with two VMs, killed with SIGKILL between its steps and inside of them, and started again each
//! time on the same data: what was finished is not done again, and the result is right.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may fail")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "../examples/pipeline.rs"]
#[allow(dead_code, reason = "only its entry is used")]
mod pipeline;

const DIRECTORY: &str = "AGENTOS_TEST_PIPELINE";
const COUNT: &str = "AGENTOS_TEST_COUNT";
const STOP: &str = "AGENTOS_TEST_STOP";

/// Not a test of its own: what the child process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_runs_the_example() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let count = std::env::var(COUNT).ok().map(|count| count.parse().unwrap());
    if let Ok(line) = std::env::var(STOP) {
        pipeline::STOP.set(line).unwrap();
    }
    let (lines, sum) = pipeline::run(directory.into(), count).await.unwrap();
    println!("result: {lines} {sum}");
}

/// Runs the example; kills it once it has printed `until`, where it goes no further. Returns what it printed.
fn run(directory: &Path, count: Option<&str>, until: Option<&str>) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_runs_the_example", "--nocapture"]);
    command.env(DIRECTORY, directory).stdout(Stdio::piped());
    for (name, value) in [(COUNT, count), (STOP, until)] {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let mut child = command.spawn().unwrap();
    let mut printed = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        // The harness may have begun the line with the test's name.
        let line = line.unwrap().split(" ... ").last().unwrap_or_default().to_owned();
        let stop = until == Some(line.as_str());
        printed.push(line);
        if stop {
            child.kill().unwrap();
            break;
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(status.success(), until.is_none(), "{until:?}: {printed:?}");
    printed
}

fn has(printed: &[String], line: &str) -> bool {
    printed.iter().any(|printed| printed == line)
}

/// How often a step has begun, as the files of its VM say.
fn runs(printed: &[String], step: &str) -> u32 {
    let start = format!("runs of {step}: ");
    let count = printed.iter().find_map(|line| line.strip_prefix(&start));
    count.unwrap_or_else(|| panic!("{printed:?}")).parse().unwrap()
}

#[test]
fn the_workflow_survives_a_kill_between_and_inside_of_its_steps() {
    let directory = tempfile::tempdir().unwrap();
    // In this order on the same data: before anything was done, in the middle of a step with half of its work in the VM's
    // files, with all of it done and the step not yet finished, and after it.
    let kills = [
        "begun: make",
        "half: make",
        "done: make",
        "finished: make",
        "half: carry",
        "finished: carry",
        "half: count",
        "finished: count",
        "begun: report",
        "finished: report",
    ];
    let mut finished: Vec<&str> = Vec::new();
    for (turn, kill) in kills.into_iter().enumerate() {
        // Nobody asks again after the first time: the registry itself wakes the coordinator, which goes on.
        let printed = run(directory.path(), (turn == 0).then_some("1000"), Some(kill));
        for step in &finished {
            assert!(
                !has(&printed, &format!("begun: {step}")),
                "{step} again, {kill}: {printed:?}"
            );
        }
        finished.extend(kill.strip_prefix("finished: "));
    }
    let last = run(directory.path(), None, None);
    assert!(!last.iter().any(|line| line.starts_with("begun: ")), "{last:?}");
    assert!(
        has(&last, "result: 1000 500500") && has(&last, "report: 1000 numbers, sum 500500"),
        "{last:?}"
    );
    // Once for each time that the step had begun and was cut short after its first command, and once to its end.
    assert_eq!((runs(&last, "make"), runs(&last, "count")), (3, 2), "{last:?}");
}

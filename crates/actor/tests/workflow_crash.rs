//! The example of workflows, killed with SIGKILL after each of its steps, and started again: what was finished is not
//! repeated, and the outcome is the same.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

#[path = "../examples/workflow.rs"]
#[allow(dead_code, reason = "only its entry is used")]
mod workflow;

const DIRECTORY: &str = "AGENTOS_TEST_WORKFLOW";
const TEXT: &str = "AGENTOS_TEST_TEXT";

/// Not a test of its own: what the child process does.
#[tokio::test]
async fn child_runs_the_example() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let words = workflow::run(directory.into(), std::env::var(TEXT).ok()).await.unwrap();
    println!("words: {words}");
}

/// Runs the example; kills it once it has printed `until`. Returns what it printed.
fn run(directory: &Path, text: Option<&str>, until: Option<&str>) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_runs_the_example", "--nocapture"]);
    command.env(DIRECTORY, directory).stdout(Stdio::piped());
    if let Some(text) = text {
        command.env(TEXT, text);
    }
    let mut child = command.spawn().unwrap();
    let mut printed = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The harness may have begun the line with the test's name.
        let line = line.split(" ... ").last().unwrap_or_default().to_owned();
        let stop = until == Some(line.as_str());
        printed.push(line);
        if stop {
            child.kill().unwrap();
            break;
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(status.success(), until.is_none(), "{printed:?}");
    printed
}

fn calls(printed: &[String], worker: &str) -> u32 {
    let start = format!("calls of {worker}: ");
    printed
        .iter()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn finished_steps_are_not_repeated_after_a_kill() {
    const SENTENCE: &str = "one two three four five six seven";
    for step in ["split", "left", "right", "sum"] {
        let directory = tempfile::tempdir().unwrap();
        let before = run(directory.path(), Some(SENTENCE), Some(&format!("finished: {step}")));
        // Nobody asks again: the registry itself wakes the coordinator, which goes on.
        let after = run(directory.path(), None, None);
        assert!(after.contains(&"words: 7".to_owned()), "{step}: {after:?}");
        for worker in ["left", "right"] {
            let finished = before.contains(&format!("finished: {worker}"));
            let made = calls(&after, worker);
            // A step that was cut short is done again; one that was finished is not.
            assert!(
                made == 1 || (!finished && made == 2),
                "killed after {step}: {worker} was called {made} times"
            );
        }
    }
}

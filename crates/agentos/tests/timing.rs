//! `TimingMitigation::Freeze`: a process cannot measure how long it computes, nor can what it starts.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may fail")]

use agentos::{AgentOs, TimingMitigation};
use std::time::Duration;

/// Shell code that computes for a while, in the shell itself.
const COMPUTE: &str = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done";

/// What the command says, a number each: times in microseconds.
async fn times(vm: &AgentOs, mitigation: TimingMitigation, command: &str) -> Vec<u64> {
    let output = vm.exec(command).timing_mitigation(mitigation).await.unwrap();
    assert_eq!(output.exit_code, 0, "{output:?}");
    let text = output.stdout_text();
    let micros = |word: &str| word.replace('.', "").parse().unwrap();
    text.split_whitespace().map(micros).collect()
}

#[tokio::test]
async fn clocks_stand_still_while_a_process_computes() {
    let vm = AgentOs::create().await.unwrap();
    let command = format!("a=$EPOCHREALTIME; {COMPUTE}; echo $a $EPOCHREALTIME");
    let frozen = times(&vm, TimingMitigation::Freeze, &command).await;
    assert_eq!(frozen[0], frozen[1]);
    let running = times(&vm, TimingMitigation::Off, &command).await;
    assert!(running[0] < running[1], "{running:?}");
    // Children are treated alike, whatever they run.
    let child = format!("sh -c 'a=$EPOCHREALTIME; {COMPUTE}; echo $a $EPOCHREALTIME'; true");
    let frozen = times(&vm, TimingMitigation::Freeze, &child).await;
    assert_eq!(frozen[0], frozen[1]);
}

#[tokio::test]
async fn clocks_run_while_a_process_waits() {
    let vm = AgentOs::create().await.unwrap();
    let command =
        format!("a=$EPOCHREALTIME; sleep 0.05; b=$EPOCHREALTIME; {COMPUTE}; sleep 0.05; echo $a $b $EPOCHREALTIME");
    let seen = times(&vm, TimingMitigation::Freeze, &command).await;
    assert!(seen[1] - seen[0] >= 50_000 && seen[2] - seen[1] >= 50_000, "{seen:?}");
    // An absolute moment is on the clock that the process sees.
    let timeout = vm
        .exec("read -t 0.05 x; echo $?")
        .timing_mitigation(TimingMitigation::Freeze);
    let output = timeout.timeout(Duration::from_secs(60)).await.unwrap();
    assert!(!output.timed_out && output.stdout_text() != "0\n", "{output:?}");
}

#[tokio::test]
async fn files_and_counters_tell_no_time_either() {
    let vm = AgentOs::create().await.unwrap();
    let command = format!("{COMPUTE}; : > /tmp/f; a=$(stat -c %.6Y /tmp/f); echo $a $EPOCHREALTIME");
    let seen = times(&vm, TimingMitigation::Freeze, &command).await;
    assert!(seen[0] <= seen[1], "a file of the future: {seen:?}");
    let counters = vm.exec(format!("{COMPUTE}; times"));
    let output = counters
        .timing_mitigation(TimingMitigation::Freeze)
        .await
        .unwrap()
        .stdout_text();
    let digits: Vec<char> = output.chars().filter(char::is_ascii_digit).collect();
    assert!(
        !digits.is_empty() && digits.iter().all(|digit| *digit == '0'),
        "{output}"
    );
}

#[tokio::test]
async fn spawned_processes_can_be_frozen_too() {
    let vm = AgentOs::create().await.unwrap();
    let script = format!("a=$EPOCHREALTIME; {COMPUTE}; b=$EPOCHREALTIME; [ $a = $b ]");
    let spawn = vm.spawn("sh", ["-c", script.as_str()]);
    let mut process = spawn.timing_mitigation(TimingMitigation::Freeze).start().await.unwrap();
    assert_eq!(process.wait().await.unwrap(), 0);
}

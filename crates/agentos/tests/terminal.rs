//! An interactive shell on a terminal of the VM, used as a person would: by keys, watching the screen.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use agentos::{AgentOs, Shell, ShellOptions};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A shell on a terminal, and what its screen has shown.
struct Terminal {
    shell: Shell,
    raw: Vec<u8>,
    /// The same without control sequences, which the line editor sends.
    screen: String,
    /// How much of the screen was looked at.
    seen: usize,
}

/// What the shell prints when it waits for a command.
const PROMPT: &str = "%% ";
/// When a test gives up instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

impl Terminal {
    async fn open(vm: &AgentOs) -> Self {
        let options = ShellOptions::new("sh")
            .args(&["-i"])
            .env("PS1", PROMPT)
            .env("PS2", "> ")
            .size(80, 24);
        let shell = vm.open_shell(options).await.expect("a shell");
        let mut terminal = Self {
            shell,
            raw: Vec::new(),
            screen: String::new(),
            seen: 0,
        };
        terminal.until(PROMPT).await;
        terminal
    }

    async fn keys(&mut self, keys: &str) {
        self.shell
            .write_all(keys.as_bytes())
            .await
            .expect("the terminal is open");
    }

    /// Waits until the screen shows `text` after what was looked at before, and gives what came with it.
    async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                let end = self.seen + at + text.len();
                let shown = self.screen[self.seen..end].to_owned();
                self.seen = end;
                return shown;
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.shell.read(&mut bytes));
            let Ok(read) = read.await else {
                panic!(
                    "waited in vain for {text:?}; the screen shows {:?}",
                    &self.screen[self.seen..]
                );
            };
            let count = read.expect("the terminal is open");
            assert!(
                count > 0,
                "ended before {text:?}; the screen shows {:?}",
                &self.screen[self.seen..]
            );
            self.raw.extend_from_slice(&bytes[..count]);
            self.screen = plain(&self.raw);
        }
    }

    /// Runs a command and gives what it printed, up to the next prompt.
    async fn run(&mut self, command: &str) -> String {
        self.keys(&format!("{command}\r")).await;
        self.until("\n").await;
        let shown = self.until(PROMPT).await;
        shown.trim_end_matches(PROMPT).replace('\r', "")
    }

    async fn end(mut self) -> i32 {
        let mut rest = Vec::new();
        self.shell.read_to_end(&mut rest).await.expect("the terminal is open");
        self.shell.wait().await.expect("it ended")
    }
}

/// What was printed, without sequences of the kind `ESC [ ... letter`. An unfinished one is kept back.
fn plain(raw: &[u8]) -> String {
    let mut text = String::new();
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == 0x1b && bytes.peek() == Some(&b'[') {
            let _ = bytes.by_ref().skip(1).find(u8::is_ascii_alphabetic);
        } else {
            // Keys and answers of these tests are ASCII.
            text.push(char::from(byte));
        }
    }
    text
}

#[tokio::test]
async fn commands_run_and_ctrl_d_leaves() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    assert_eq!(terminal.run("echo hello; pwd").await, "hello\n/home/user\n");
    assert_eq!(terminal.run("tty; stty size").await, "/dev/pts/0\n24 80\n");
    assert_eq!(terminal.run("printf 'b\\na\\n' | sort").await, "a\nb\n");
    assert_eq!(terminal.run("x=kept; false").await, "");
    assert_eq!(terminal.run("echo $? $x").await, "1 kept\n");
    assert_eq!(terminal.run("(exit 3)").await, "");
    terminal.keys("\x04").await;
    assert_eq!(terminal.end().await, 3);
}

#[tokio::test]
async fn a_line_is_edited_before_it_runs() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    // Erase, kill a word, kill the line.
    assert_eq!(terminal.run("echo wrongx\x7f\x7f").await, "wron\n");
    assert_eq!(terminal.run("echo one two\x17three").await, "one three\n");
    assert_eq!(terminal.run("echo nothing of this\x15echo that").await, "that\n");
    // A line that goes on.
    terminal.keys("echo 'two\r").await;
    terminal.until("> ").await;
    assert_eq!(terminal.run("lines'").await, "two\nlines\n");
}

#[tokio::test]
async fn the_last_commands_come_back() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    assert_eq!(terminal.run("echo first").await, "first\n");
    assert_eq!(terminal.run("echo second").await, "second\n");
    assert_eq!(terminal.run("\x1b[A\x1b[A").await, "first\n");
}

#[tokio::test]
async fn ctrl_c_ends_the_program_and_not_the_shell() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    terminal.keys("echo go; sleep 1000\r").await;
    terminal.until("\ngo\r\n").await;
    terminal.keys("\x03").await;
    terminal.until(PROMPT).await;
    assert_eq!(terminal.run("echo $?").await, "130\n");
    // A line that was not finished is thrown away.
    terminal.keys("echo unwanted").await;
    terminal.until("unwanted").await;
    terminal.keys("\x03").await;
    terminal.until("\n").await;
    terminal.until(PROMPT).await;
    assert_eq!(terminal.run("echo fine").await, "fine\n");
    // A whole pipeline is one foreground group.
    terminal.keys("echo go; sleep 1000 | cat | cat\r").await;
    terminal.until("\ngo\r\n").await;
    terminal.keys("\x03").await;
    terminal.until(PROMPT).await;
    assert_eq!(terminal.run("jobs").await, "");
}

/// However early after a command the key comes: the shell may not have given the terminal to the next one yet.
#[tokio::test]
async fn ctrl_c_is_never_lost() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    for _ in 0..50 {
        terminal.keys("echo go; sleep 1000\r").await;
        terminal.until("\ngo\r\n").await;
        terminal.keys("\x03").await;
        terminal.until("\n").await;
        terminal.until(PROMPT).await;
    }
    terminal.keys("echo go; while :; do :; done\r").await;
    terminal.until("\ngo\r\n").await;
    terminal.keys("\x03").await;
    terminal.until("\n").await;
    terminal.until(PROMPT).await;
    assert_eq!(terminal.run("echo $?").await, "130\n");
}

#[tokio::test]
async fn jobs_stop_and_go_on() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    terminal.keys("echo go; cat\r").await;
    terminal.until("\ngo\r\n").await;
    terminal.keys("line\r").await;
    terminal.until("line\r\nline\r\n").await;
    terminal.keys("\x1a").await;
    terminal.until("Stopped").await;
    terminal.until(PROMPT).await;
    let jobs = terminal.run("jobs").await;
    assert!(
        jobs.contains("[1]") && jobs.contains("Stopped") && jobs.contains("cat"),
        "{jobs:?}"
    );
    terminal.keys("fg\r").await;
    terminal.until("\n").await;
    terminal.until("cat\r\n").await;
    terminal.keys("again\r").await;
    terminal.until("again\r\nagain\r\n").await;
    terminal.keys("\x04").await;
    terminal.until(PROMPT).await;
    assert_eq!(terminal.run("echo $?; jobs").await, "0\n");
}

#[tokio::test]
async fn a_stopped_job_ends_in_the_background() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    terminal
        .keys("echo go; sleep 0.2; echo over\x15(echo go; sleep 0.2)\r")
        .await;
    terminal.until("\ngo\r\n").await;
    terminal.keys("\x1a").await;
    terminal.until("Stopped").await;
    terminal.until(PROMPT).await;
    let resumed = terminal.run("bg").await;
    assert!(resumed.contains('&'), "{resumed:?}");
    let waited = terminal.run("wait; echo waited $?").await;
    assert!(waited.contains("waited 0\n"), "{waited:?}");
    assert_eq!(
        terminal
            .run("sleep 1000 & kill %1; wait %1; echo $?")
            .await
            .lines()
            .last(),
        Some("143")
    );
}

#[tokio::test]
async fn a_background_reader_is_stopped() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    terminal.run("cat &").await;
    // The shell notices at one of the next prompts.
    let mut jobs = terminal.run("jobs").await;
    for _ in 0..1000 {
        if jobs.contains("Stopped") {
            break;
        }
        jobs = terminal.run("sleep 0.01; jobs").await;
    }
    assert!(jobs.contains("Stopped"), "{jobs:?}");
    terminal.run("kill -9 %1; wait %1").await;
    assert_eq!(terminal.run("echo fine").await, "fine\n");
}

#[tokio::test]
async fn a_new_size_reaches_the_foreground() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    terminal.shell.resize(100, 30).unwrap();
    assert_eq!(terminal.run("stty size").await, "30 100\n");
    terminal
        .keys("sh -c 'trap \"stty size; exit\" WINCH; echo go; while :; do sleep 0.05; done'\r")
        .await;
    terminal.until("\ngo\r\n").await;
    terminal.shell.resize(132, 43).unwrap();
    terminal.until("43 132\r\n").await;
    terminal.until(PROMPT).await;
}

#[tokio::test]
async fn a_program_may_take_the_keys_raw_and_give_them_back() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    terminal
        .keys("stty raw -echo; echo go; head -c 3 | od -An -tx1; stty sane; echo back\r")
        .await;
    terminal.until("\ngo").await;
    terminal.keys("\x03\r\x04").await;
    terminal.until("03 0d 04").await;
    terminal.until("back").await;
    terminal.until(PROMPT).await;
    assert_eq!(terminal.run("echo fine").await, "fine\n");
}

#[tokio::test]
async fn what_a_program_prints_is_not_lost_when_nobody_looks() {
    let vm = AgentOs::create().await.unwrap();
    let mut terminal = Terminal::open(&vm).await;
    // More than the terminal holds: the program waits for the reader.
    terminal.keys("seq 1 50000; echo done\r").await;
    let shown = terminal.until("\ndone\r\n").await;
    let numbers = shown.lines().filter_map(|line| line.trim().parse::<u32>().ok());
    assert!(numbers.eq(1..=50_000));
}

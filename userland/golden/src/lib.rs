//! Golden cases: each file under `tests/cases` holds shell commands with the output and the status they must have.
//!
//! A case looks like this; the expectation is what the GNU tools of a Debian system printed:
//!
//! ```text
//! ### name of the case
//! printf 'a\nb\n' | grep b
//! --- status 0
//! b
//! ```
//!
//! The test binary plays the tools itself: it makes a directory of symbolic links to itself, one per tool, puts that
//! directory first on `PATH` and runs each command with `sh` in an empty directory. With `GOLDEN_RECORD=1` the tools of
//! the host run instead and the expectations are written anew; review the difference before committing it. A file or
//! case whose name is given in `GOLDEN_ONLY` runs alone. A case that takes longer than [`PATIENCE`] has hung: it is ended
//! with everything that it started, and fails.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// Shell commands.
    pub command: String,
    /// What they must come to, in the form of [`expectation`].
    pub expected: Vec<u8>,
}

/// How long a case may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The `main` of a test binary: plays `applets`, or runs the cases in the folder `cases`.
///
/// # Panics
///
/// When the machine cannot run the cases at all.
pub fn main(applets: &[(&str, Applet)], cases: &str) -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(status) = play_tool(applets, &args) {
        return ExitCode::from(u8::try_from(status & 0xff).unwrap_or(1));
    }
    let record = std::env::var_os("GOLDEN_RECORD").is_some();
    let scratch = std::env::temp_dir().join(format!("golden-{}", std::process::id()));
    let bin = scratch.join("bin");
    fs::create_dir_all(&bin).expect("scratch directory");
    let this = std::env::current_exe().expect("own path");
    for (name, _) in applets {
        std::os::unix::fs::symlink(&this, bin.join(name)).expect("link");
    }
    let mut failed = 0;
    let mut passed = 0;
    for file in case_files(cases) {
        let (ok, bad) = run_file(&file, &scratch, &bin, record);
        passed += ok;
        failed += bad;
    }
    let _ = fs::remove_dir_all(&scratch);
    println!("golden: {passed} passed, {failed} failed");
    assert!(passed > 0 || failed > 0, "no cases found");
    ExitCode::from(u8::from(failed > 0))
}

fn play_tool(applets: &[(&str, Applet)], args: &[OsString]) -> Option<i32> {
    let name = Path::new(args.first()?).file_name()?.to_str()?;
    let (_, applet) = applets.iter().find(|(tool, _)| *tool == name)?;
    Some(applet(args.to_vec()))
}

fn case_files(cases: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(cases)
        .expect("cases")
        .map(|entry| entry.expect("entry").path())
        .collect();
    files.sort();
    files
}

fn run_file(file: &Path, scratch: &Path, bin: &Path, record: bool) -> (usize, usize) {
    let text = fs::read(file).expect("case file");
    let stem = file
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
        .to_owned();
    let only = std::env::var("GOLDEN_ONLY").ok();
    let mut written: Vec<u8> = Vec::new();
    let (mut ok, mut bad) = (0, 0);
    for case in parse(&text) {
        let label = format!("{stem}: {}", case.name);
        if only.as_deref().is_some_and(|only| only != stem && only != case.name) {
            continue;
        }
        let found = run_case(&case, scratch, (!record).then_some(bin));
        written.extend_from_slice(format!("### {}\n{}\n", case.name, case.command).as_bytes());
        written.extend_from_slice(&found);
        if record || found == case.expected {
            ok += 1;
            continue;
        }
        bad += 1;
        println!("FAILED {label}\n$ {}", case.command);
        println!("expected:\n{}", String::from_utf8_lossy(&case.expected));
        println!("found:\n{}", String::from_utf8_lossy(&found));
    }
    if record && only.as_deref().is_none_or(|only| only == stem) {
        fs::write(file, written).expect("write cases");
    }
    (ok, bad)
}

/// Runs a case in an empty directory; the result has the form of an expectation.
fn run_case(case: &Case, scratch: &Path, bin: Option<&Path>) -> Vec<u8> {
    let work = scratch.join("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).expect("work directory");
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(&case.command)
        .current_dir(&work)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
    command.env_remove("GREP_COLORS").env_remove("POSIXLY_CORRECT");
    if let Some(bin) = bin {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", bin.display()));
    }
    match bounded(&mut command) {
        Some(output) => expectation(output.status.code().unwrap_or(-1), &output.stdout),
        None => format!("still running after {PATIENCE:?}\n").into_bytes(),
    }
}

/// Runs a command in a process group of its own; `None` if it had to be ended.
fn bounded(command: &mut Command) -> Option<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().expect("sh");
    let group = child.id();
    let (sender, receiver) = mpsc::channel();
    let waiting = std::thread::spawn(move || sender.send(child.wait_with_output()));
    let ended = receiver.recv_timeout(PATIENCE).ok();
    if ended.is_none() {
        let end = format!("kill -KILL -{group}");
        Command::new("sh").args(["-c", &end]).status().expect("sh");
    }
    let _ = waiting.join();
    ended.map(|output| output.expect("the output of sh"))
}

/// The recorded form of a result: the status, then standard output with a mark where its last line has no end.
pub fn expectation(status: i32, stdout: &[u8]) -> Vec<u8> {
    let mut text = format!("--- status {status}\n").into_bytes();
    text.extend_from_slice(stdout);
    if !text.ends_with(b"\n") {
        text.extend_from_slice(b"\\ no newline\n");
    }
    text
}

/// The cases of a file, in their order.
pub fn parse(text: &[u8]) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut in_command = false;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"### ") {
            let name = String::from_utf8_lossy(name).trim_end().to_owned();
            cases.push(Case {
                name,
                command: String::new(),
                expected: Vec::new(),
            });
            in_command = true;
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        in_command &= !line.starts_with(b"--- status ");
        if in_command {
            case.command.push_str(&String::from_utf8_lossy(line));
        } else {
            case.expected.extend_from_slice(line);
        }
    }
    for case in &mut cases {
        case.command = case.command.trim_end().to_owned();
    }
    cases
}

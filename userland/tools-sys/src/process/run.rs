//! Tools that start a command in some way: `nohup`, `nice`, `setsid`, `flock`; and `renice`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agentos_guest::process as guest;
use agentos_guest::signal;
use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::{CommandExt, shell_status};

use crate::small::env::exec;
use crate::{duration, usage, users, write};

const OWN_FAILURE: i32 = 125;

pub(crate) fn nohup(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: nohup COMMAND [ARG]...\nRun COMMAND, ignoring hangup signals.\n";
    let words = match args.get(1) {
        Some(first) if first == "--help" => return cli::help(HELP),
        Some(first) if first == "--version" => return cli::version("nohup"),
        Some(first) if first == "--" => &args[2..],
        Some(_) => &args[1..],
        None => return usage("nohup", "missing operand", OWN_FAILURE),
    };
    let Some(program) = words.first() else {
        return usage("nohup", "missing operand", OWN_FAILURE);
    };
    let mut command = Command::new(program);
    command.args(&words[1..]);
    let (input, output, error) = (
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    );
    if input {
        command.stdin(Stdio::null());
    }
    let mut notes = Vec::new();
    if input && !output {
        notes.push("ignoring input".to_owned());
    }
    if output {
        match log_file() {
            Ok((file, name)) => {
                let lead = if input {
                    "ignoring input and appending output to"
                } else {
                    "appending output to"
                };
                notes.push(format!("{lead} '{name}'"));
                if error && let Ok(copy) = file.try_clone() {
                    command.stderr(copy);
                }
                command.stdout(file);
            }
            Err(error) => {
                complain("nohup", format_args!("failed to open 'nohup.out': {}", reason(&error)));
                return OWN_FAILURE;
            }
        }
    } else if error && let Ok(copy) = std::io::stdout().as_fd().try_clone_to_owned() {
        notes.push("redirecting stderr to stdout".to_owned());
        command.stderr(copy);
    }
    for note in notes {
        complain("nohup", note);
    }
    let _ = signal::set_disposition(signal::SIGHUP, signal::Disposition::Ignore);
    let failure = command.exec();
    complain(
        "nohup",
        format_args!("failed to run command '{}': {}", shown(program), reason(&failure)),
    );
    if failure.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

fn log_file() -> std::io::Result<(File, String)> {
    let open = |path: &str| File::options().append(true).create(true).open(path);
    match open("nohup.out") {
        Ok(file) => Ok((file, "nohup.out".to_owned())),
        Err(error) => {
            let home = std::env::var("HOME").map_err(|_| error)?;
            let path = format!("{home}/nohup.out");
            open(&path).map(|file| (file, path))
        }
    }
}

pub(crate) fn nice(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: nice [-n N] [COMMAND [ARG]...]\n\
                        Run COMMAND with an adjusted niceness, or print the current one.\n";
    // The old form `nice -5`.
    let mut args = args;
    if let Some(text) = args.get(1).map(|arg| shown(arg))
        && let Some(number) = text
            .strip_prefix('-')
            .filter(|n| n.trim_start_matches(['-', '+']).parse::<u32>().is_ok())
    {
        args.splice(1..2, [OsString::from("-n"), OsString::from(number)]);
    }
    let mut parser = Parser::new(args, &["n,adjustment=", "help", "version"]).in_order();
    let (mut change, mut given, mut words) = (10, false, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("nice"),
            Ok(Some(Arg::Opt(_, value))) => {
                let text = value.as_deref().map(shown).unwrap_or_default();
                match text.parse::<i32>() {
                    Ok(number) => (change, given) = (number, true),
                    Err(_) => return usage("nice", format_args!("invalid adjustment '{text}'"), OWN_FAILURE),
                }
            }
            Ok(Some(Arg::Operand(word))) => words.push(word),
            Err(message) => return usage("nice", message, OWN_FAILURE),
        }
    }
    let current = guest::nice(0).unwrap_or(0);
    if words.is_empty() {
        if given {
            return usage("nice", "a command must be given with an adjustment", OWN_FAILURE);
        }
        return write::all("nice", format!("{current}\n").as_bytes());
    }
    if let Err(error) = guest::set_nice(0, current.saturating_add(change).clamp(-20, 19)) {
        complain("nice", format_args!("cannot set niceness: {}", reason(&error)));
    }
    exec("nice", &words, None)
}

pub(crate) fn renice(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: renice [-n] PRIORITY [-p|-g|-u] ID...\nAlter the priority of running processes.\n";
    let mut words = args
        .into_iter()
        .skip(1)
        .map(|word| shown(&word))
        .collect::<Vec<_>>()
        .into_iter()
        .peekable();
    if words.peek().is_some_and(|word| word == "--help") {
        return cli::help(HELP);
    }
    let mut relative = false;
    let mut first = words.next();
    if matches!(first.as_deref(), Some("-n" | "--priority" | "--relative")) {
        relative = first.as_deref() == Some("--relative");
        first = words.next();
    }
    let Some(priority) = first.and_then(|text| text.parse::<i32>().ok()) else {
        return usage("renice", "not enough arguments", 1);
    };
    let mut kind = 'p';
    let mut status = 0;
    for word in words {
        match word.as_str() {
            "-p" | "--pid" => kind = 'p',
            "-g" | "--pgrp" => kind = 'g',
            "-u" | "--user" => kind = 'u',
            target => {
                let pids: Vec<u32> = match kind {
                    'p' => target.parse().into_iter().collect(),
                    'g' => members(|process| process.pgid.to_string() == target),
                    _ => members(|process| Some(process.uid) == users::uid_of(target)),
                };
                if pids.is_empty() {
                    complain("renice", format_args!("bad value: {target}"));
                    status = 1;
                }
                for pid in pids {
                    status |= change(pid, priority, relative);
                }
            }
        }
    }
    status
}

fn members(is: impl Fn(&super::table::Process) -> bool) -> Vec<u32> {
    super::table::all()
        .into_iter()
        .filter(is)
        .filter_map(|process| u32::try_from(process.pid).ok())
        .collect()
}

fn change(pid: u32, priority: i32, relative: bool) -> i32 {
    let old = guest::nice(pid).unwrap_or(0);
    let new = if relative { old + priority } else { priority };
    match guest::set_nice(pid, new.clamp(-20, 19)) {
        Ok(set) => write::all(
            "renice",
            format!("{pid} (process ID) old priority {old}, new priority {set}\n").as_bytes(),
        ),
        Err(error) => {
            complain(
                "renice",
                format_args!("failed to set priority for {pid} (process ID): {}", reason(&error)),
            );
            1
        }
    }
}

pub(crate) fn setsid(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: setsid [-c] [-f] [-w] PROGRAM [ARG]...\nRun a program in a new session.\n";
    let mut parser = Parser::new(args, &["c,ctty", "f,fork", "w,wait", "help", "V,version"]).in_order();
    let (mut terminal, mut fork, mut wait, mut words) = (false, false, false, Vec::new());
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt("help", _))) => return cli::help(HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("setsid"),
            Ok(Some(Arg::Opt("ctty", _))) => terminal = true,
            Ok(Some(Arg::Opt("fork", _))) => fork = true,
            Ok(Some(Arg::Opt(..))) => wait = true,
            Ok(Some(Arg::Operand(word))) => words.push(word),
            Err(message) => return usage("setsid", message, 1),
        }
    }
    if words.is_empty() {
        return usage("setsid", "no command specified", 1);
    }
    let ids = guest::ids();
    if fork || ids.pid == ids.pgid {
        // A leader of a group cannot make a session; a child of it can.
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        session(&mut command);
        return match command.spawn() {
            Ok(mut child) if wait => child.wait().map_or(1, shell_status),
            Ok(_) => 0,
            Err(error) => {
                complain(
                    "setsid",
                    format_args!("failed to execute {}: {}", shown(&words[0]), reason(&error)),
                );
                if error.kind() == std::io::ErrorKind::NotFound {
                    127
                } else {
                    126
                }
            }
        };
    }
    if let Err(error) = guest::setsid() {
        complain("setsid", format_args!("setsid failed: {}", reason(&error)));
        return 1;
    }
    if terminal && let Err(error) = agentos_guest::tty::set_controlling(std::io::stdin().as_fd()) {
        complain(
            "setsid",
            format_args!("failed to set the controlling terminal: {}", reason(&error)),
        );
    }
    exec("setsid", &words, None)
}

#[cfg(target_os = "wasi")]
fn session(command: &mut Command) {
    command.setsid(true);
}

/// The same on a host, where tests run and std has no stable name for it.
#[cfg(not(target_os = "wasi"))]
fn session(command: &mut Command) {
    command.process_group(0);
}

pub(crate) fn flock(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: flock [OPTION]... FILE|DIRECTORY COMMAND [ARG]...
  or:  flock [OPTION]... FILE|DIRECTORY -c COMMAND
  or:  flock [OPTION]... NUMBER
Manage file locks from shell scripts.

  -s, --shared             get a shared lock
  -x, --exclusive          get an exclusive lock (default)
  -u, --unlock             remove a lock
  -n, --nonblock           fail rather than wait
  -w, --timeout SECONDS    wait for a limited amount of time
  -E, --conflict-exit-code NUMBER  exit code after conflict or timeout
  -c, --command COMMAND    run a single command string through the shell
";
    const SPECS: &[&str] = &[
        "s,shared",
        "x,e,exclusive",
        "u,unlock",
        "n,nb,nonblock",
        "w,wait,timeout=",
        "E,conflict-exit-code=",
        "o,close",
        "c,command=",
        "F,no-fork",
        "verbose",
        "help",
        "V,version",
    ];
    use agentos_guest::raw::fd::{LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN};
    let (mut operation, mut nonblock, mut limit, mut conflict) = (LOCK_EX, false, None, 1);
    let (mut words, mut shell) = (Vec::new(), None);
    let mut args = args.into_iter();
    let tool = args.next().unwrap_or_default();
    let mut rest: Vec<OsString> = args.collect();
    // Options stand before the file; -c may stand after it.
    if let Some(at) = rest
        .iter()
        .position(|word| word == "-c" || word == "--command")
        .filter(|at| *at > 0)
    {
        let tail = rest.split_off(at);
        shell = tail.into_iter().nth(1);
    }
    rest.insert(0, tool);
    let mut parser = Parser::new(rest, SPECS).in_order();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => match key {
                "help" => return cli::help(HELP),
                "version" => return cli::version("flock"),
                "shared" => operation = LOCK_SH,
                "exclusive" => operation = LOCK_EX,
                "unlock" => operation = LOCK_UN,
                "nonblock" => nonblock = true,
                "timeout" => match value.as_deref().and_then(duration::parse) {
                    Some(time) => limit = Some(time),
                    None => return usage("flock", "invalid timeout value", 64),
                },
                "conflict-exit-code" => conflict = value.and_then(|text| shown(&text).parse().ok()).unwrap_or(1),
                "command" => shell = value,
                _ => {}
            },
            Ok(Some(Arg::Operand(word))) => words.push(word),
            Err(message) => return usage("flock", message, 64),
        }
    }
    let Some(target) = words.first().cloned() else {
        return usage("flock", "requires file descriptor, file or directory", 64);
    };
    let command: Vec<OsString> = match shell {
        Some(text) => {
            let sh = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
            vec![sh, "-c".into(), text]
        }
        None => words.split_off(1),
    };
    let by_number = command.is_empty();
    let number = shown(&target).parse::<u32>().ok().filter(|_| by_number);
    if by_number && number.is_none() {
        return usage("flock", format_args!("bad file descriptor: {}", shown(&target)), 64);
    }
    let file = match number {
        Some(_) => None,
        None => match File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&target)
            .or_else(|_| File::open(&target))
        {
            Ok(file) => Some(file),
            Err(error) => {
                complain(
                    "flock",
                    format_args!("cannot open lock file {}: {}", shown(&target), reason(&error)),
                );
                return 66;
            }
        },
    };
    let lock = |operation: u32| match (&file, number) {
        (Some(file), _) => agentos_guest::fd::flock(file.as_fd(), operation),
        (None, Some(number)) => agentos_guest::fd::flock_raw(number, operation),
        (None, None) => Ok(()),
    };
    let flag = if nonblock || limit.is_some() { LOCK_NB } else { 0 };
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        match lock(operation | flag) {
            Ok(()) => break,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if nonblock || end.is_none_or(|end| Instant::now() >= end) {
                    return conflict;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(error) => {
                complain("flock", format_args!("{}: {}", shown(&target), reason(&error)));
                return 65;
            }
        }
    }
    if by_number {
        return 0;
    }
    match Command::new(&command[0]).args(&command[1..]).status() {
        Ok(status) => shell_status(status),
        Err(error) => {
            complain(
                "flock",
                format_args!("failed to execute {}: {}", shown(&command[0]), reason(&error)),
            );
            69
        }
    }
}

/// What is known of the machine's boot, for `uptime`.
pub(super) fn boot_time(uptime: f64) -> i64 {
    let told = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|text| text.trim().parse().ok())
        .unwrap_or_else(|| crate::clock::Instant::now().secs - uptime as i64)
}

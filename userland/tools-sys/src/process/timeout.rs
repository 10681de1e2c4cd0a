//! `timeout`: runs a command for a limited time.
//!
//! It waits for the child and for signals at once; signals that it gets go on to the child.

use std::ffi::OsString;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use agentos_guest::signal;
use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use agentos_tools_base::platform::shell_status;

use crate::{duration, usage};

const HELP: &str = "Usage: timeout [OPTION] DURATION COMMAND [ARG]...
Start COMMAND, and kill it if still running after DURATION.

      --preserve-status       exit with the same status as COMMAND, even when it times out
      --foreground            allow COMMAND to read from the terminal and get its signals
  -k, --kill-after=DURATION   also send a KILL signal if COMMAND is still running this long after the first
  -s, --signal=SIGNAL         specify the signal to be sent on timeout
  -v, --verbose               diagnose to standard error any signal sent upon timeout
";

const TIMED_OUT: i32 = 124;
const OWN_FAILURE: i32 = 125;

struct Options {
    preserve: bool,
    foreground: bool,
    kill_after: Option<Duration>,
    signal: u32,
    verbose: bool,
}

pub(crate) fn timeout(args: Vec<OsString>) -> i32 {
    const SPECS: &[&str] = &[
        "preserve-status",
        "f,foreground",
        "k,kill-after=",
        "s,signal=",
        "v,verbose",
        "p",
        "help",
        "version",
    ];
    let mut options = Options {
        preserve: false,
        foreground: false,
        kill_after: None,
        signal: signal::SIGTERM,
        verbose: false,
    };
    let mut words = Vec::new();
    let mut parser = Parser::new(args, SPECS).in_order();
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let value = value.unwrap_or_default();
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("timeout"),
                    "preserve-status" | "p" => options.preserve = true,
                    "foreground" => options.foreground = true,
                    "verbose" => options.verbose = true,
                    "kill-after" => match duration::parse(&value) {
                        Some(time) => options.kill_after = Some(time),
                        None => return invalid(&value),
                    },
                    _ => match signal::parse(&shown(&value)) {
                        Some(number) => options.signal = number,
                        None => {
                            return usage(
                                "timeout",
                                format_args!("'{}': invalid signal", shown(&value)),
                                OWN_FAILURE,
                            );
                        }
                    },
                }
            }
            Ok(Some(Arg::Operand(word))) => words.push(word),
            Err(message) => return usage("timeout", message, OWN_FAILURE),
        }
    }
    if words.len() < 2 {
        return usage("timeout", "missing operand", OWN_FAILURE);
    }
    match duration::parse(&words[0]) {
        Some(limit) => options.run(limit, &words[1..]),
        None => invalid(&words[0]),
    }
}

fn invalid(text: &OsString) -> i32 {
    usage(
        "timeout",
        format_args!("invalid time interval '{}'", shown(text)),
        OWN_FAILURE,
    )
}

impl Options {
    fn run(&self, limit: Duration, words: &[OsString]) -> i32 {
        if !self.foreground {
            // A group of its own, so that what the command starts can be killed with it.
            let _ = agentos_guest::process::setpgid(0, 0);
        }
        for number in FORWARDED {
            let _ = signal::set_disposition(*number, signal::Disposition::Catch);
        }
        let mut child = match Command::new(&words[0]).args(&words[1..]).spawn() {
            Ok(child) => child,
            Err(error) => {
                complain(
                    "timeout",
                    format_args!("failed to run command '{}': {}", shown(&words[0]), reason(&error)),
                );
                return if error.kind() == std::io::ErrorKind::NotFound {
                    127
                } else {
                    126
                };
            }
        };
        // Zero is no limit.
        let limit = (!limit.is_zero()).then_some(limit);
        if let Some(status) = wait(&mut child, limit) {
            return status;
        }
        self.send(&child, self.signal, &words[0]);
        let mut killed = self.signal == signal::SIGKILL;
        let mut status = wait(&mut child, self.kill_after);
        if status.is_none() {
            self.send(&child, signal::SIGKILL, &words[0]);
            killed = true;
            status = wait(&mut child, None);
        }
        let status = status.unwrap_or(OWN_FAILURE);
        match (self.preserve, killed) {
            (true, _) => status,
            (false, true) => 128 + signal::SIGKILL as i32,
            (false, false) => TIMED_OUT,
        }
    }

    fn send(&self, child: &Child, number: u32, name: &OsString) {
        if self.verbose {
            let signal_name = signal::name(number).unwrap_or_default();
            complain(
                "timeout",
                format_args!("sending signal {signal_name} to command '{}'", shown(name)),
            );
        }
        let pid = child.id() as i32;
        let _ = signal::kill(pid, number);
        if number != signal::SIGKILL && number != signal::SIGSTOP && number != signal::SIGCONT {
            if !self.foreground {
                let _ = signal::set_disposition(number, signal::Disposition::Ignore);
                let _ = signal::kill(0, number);
            }
            // One that is stopped could not act on the signal.
            let _ = signal::kill(pid, signal::SIGCONT);
        }
    }
}

const FORWARDED: &[u32] = &[
    signal::SIGHUP,
    signal::SIGINT,
    signal::SIGQUIT,
    signal::SIGTERM,
    signal::SIGUSR1,
    signal::SIGUSR2,
];

/// Waits for the child; `None` when the time was up first.
fn wait(child: &mut Child, limit: Option<Duration>) -> Option<i32> {
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(shell_status(status)),
            Ok(None) => {}
            Err(_) => return Some(OWN_FAILURE),
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return None;
        }
        pause(child, left);
    }
}

/// Waits until the child changes, a signal comes or the time is up; passes signals on.
#[cfg(target_family = "wasm")]
fn pause(child: &Child, left: Option<Duration>) {
    use agentos_guest::fd::{Source, poll};
    let _ = poll(&[Source::Child(Some(child.id())), Source::Signal], left);
    while let Ok(Some(info)) = signal::take(signal::SigSet::of(FORWARDED)) {
        let _ = signal::kill(child.id() as i32, info.signo);
    }
}

/// The same on a host, where tests run.
#[cfg(not(target_family = "wasm"))]
fn pause(_child: &Child, left: Option<Duration>) {
    std::thread::sleep(left.unwrap_or(Duration::MAX).min(Duration::from_millis(2)));
}

//! `time` and `watch`: a command measured, and a command repeated.

use crate::cli::{self, Arg, Parser};
use crate::io::{complain, print, reason, shown};
use crate::platform::shell_status;
use crate::screen;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const TIME_SPECS: &[&str] = &[
    "p,portability",
    "f,format=",
    "o,output=",
    "a,append",
    "v,verbose",
    "q,quiet",
    "h,help",
    "V,version",
];

const TIME_HELP: &str = "\
Usage: time [-apqv] [-f FORMAT] [-o FILE] COMMAND [ARG]...

  -p         POSIX output format; -v: everything
  -f FORMAT  %E %e real time, %U user, %S system, %P CPU, %C command, %x exit status
  -o FILE    write to FILE; -a: append
";

/// `time`.
pub fn time(args: Vec<OsString>) -> i32 {
    let mut format = None;
    let mut output = None;
    let mut append = false;
    let mut command: Vec<OsString> = Vec::new();
    let mut parser = Parser::new(args, TIME_SPECS).in_order();
    loop {
        match parser.next() {
            Err(message) => {
                complain("time", message);
                eprint!("{TIME_HELP}");
                return 125;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => command.push(word),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(TIME_HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("time"),
            Ok(Some(Arg::Opt(key, value))) => match key {
                "portability" => format = Some("real %e\nuser %U\nsys %S".to_owned()),
                "format" => format = value.map(|value| shown(&value)),
                "output" => output = value,
                "append" => append = true,
                "verbose" => {
                    format = Some(
                        "\tCommand being timed: \"%C\"\n\tUser time (seconds): %U\n\tSystem time (seconds): %S\n\
                         \tElapsed (wall clock) time (h:mm:ss or m:ss): %E\n\tExit status: %x"
                            .to_owned(),
                    );
                }
                _ => {}
            },
        }
    }
    let Some((program, rest)) = command.split_first() else {
        eprint!("{TIME_HELP}");
        return 125;
    };
    let before = own_children_time();
    let start = Instant::now();
    let outcome = Command::new(program).args(rest).status();
    let real = start.elapsed();
    let user = own_children_time().saturating_sub(before);
    let status = match outcome {
        Ok(status) => shell_status(status),
        Err(error) => {
            complain(
                "time",
                format_args!("cannot run {}: {}", shown(program), reason(&error)),
            );
            if error.kind() == io::ErrorKind::NotFound {
                127
            } else {
                126
            }
        }
    };
    let format = format.unwrap_or_else(|| "\nreal\t%M\nuser\t%N\nsys\t%K".to_owned());
    let words: Vec<String> = command.iter().map(|word| shown(word)).collect();
    let text = expand(&format, real, user, status, &words.join(" "));
    let written = match output {
        None => {
            eprintln!("{text}");
            Ok(())
        }
        Some(name) => {
            let mut options = std::fs::OpenOptions::new();
            options.create(true);
            if append {
                options.append(true)
            } else {
                options.write(true).truncate(true)
            };
            options.open(name).and_then(|mut file| writeln!(file, "{text}"))
        }
    };
    if let Err(error) = written {
        complain("time", reason(&error));
        return 125;
    }
    status
}

/// CPU time of the children waited for, from the kernel's table of processes; zero where it does not tell.
fn own_children_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(13) + ticks(14)) * 10)
}

fn expand(format: &str, real: Duration, user: Duration, status: i32, command: &str) -> String {
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let minutes = |time: Duration| format!("{}m{:.3}s", time.as_secs() / 60, time.as_secs_f64() % 60.0);
    let clock = |time: Duration| format!("{}:{:05.2}", time.as_secs() / 60, time.as_secs_f64() % 60.0);
    let mut out = String::new();
    let mut letters = format.chars();
    while let Some(c) = letters.next() {
        match c {
            '%' => match letters.next() {
                Some('e') => out.push_str(&seconds(real)),
                Some('E') => out.push_str(&clock(real)),
                Some('U') => out.push_str(&seconds(user)),
                Some('S') => out.push_str("0.00"),
                Some('M') if format.starts_with("\nreal") => out.push_str(&minutes(real)),
                Some('N') => out.push_str(&minutes(user)),
                Some('K') => out.push_str(&minutes(Duration::ZERO)),
                Some('M') => out.push('0'),
                Some('P') => {
                    let share = if real.is_zero() {
                        0.0
                    } else {
                        user.as_secs_f64() / real.as_secs_f64() * 100.0
                    };
                    out.push_str(&format!("{share:.0}%"));
                }
                Some('C') => out.push_str(command),
                Some('x') => out.push_str(&status.to_string()),
                Some('%') => out.push('%'),
                Some(other) => {
                    out.push('?');
                    out.push(other);
                }
                None => out.push('%'),
            },
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            _ => out.push(c),
        }
    }
    out
}

const WATCH_SPECS: &[&str] = &[
    "n,interval=",
    "d,differences=?",
    "t,no-title",
    "e,errexit",
    "g,chgexit",
    "q,equexit=",
    "x,exec",
    "c,color",
    "b,beep",
    "p,precise",
    "w,no-wrap",
    "C,no-color",
    "r,no-rerun",
    "h,help",
    "v,version",
];

const WATCH_HELP: &str = "\
Usage: watch [options] command

  -n SECS   seconds between updates (2)
  -d        highlight changed lines
  -t, -e, -g, -q N  no title; exit if the command fails, when its output changes, after N equal outputs
  -x, -c, -b  run without a shell, keep colours, beep if it fails
";

/// `watch`.
pub fn watch(args: Vec<OsString>) -> i32 {
    let mut w = Watch::default();
    let mut command: Vec<OsString> = Vec::new();
    let mut parser = Parser::new(args, WATCH_SPECS).in_order();
    loop {
        match parser.next() {
            Err(message) => {
                complain("watch", message);
                eprint!("{WATCH_HELP}");
                return 1;
            }
            Ok(None) => break,
            Ok(Some(Arg::Operand(word))) => command.push(word),
            Ok(Some(Arg::Opt("help", _))) => return cli::help(WATCH_HELP),
            Ok(Some(Arg::Opt("version", _))) => return cli::version("watch"),
            Ok(Some(Arg::Opt(key, value))) => {
                if let Err(message) = w.apply(key, value) {
                    complain("watch", message);
                    return 1;
                }
            }
        }
    }
    if command.is_empty() {
        eprint!("{WATCH_HELP}");
        return 1;
    }
    w.run(&command)
}

struct Watch {
    interval: Duration,
    differences: bool,
    title: bool,
    exit_on_error: bool,
    exit_on_change: bool,
    equal_limit: Option<u64>,
    direct: bool,
    color: bool,
    beep: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            differences: false,
            title: true,
            exit_on_error: false,
            exit_on_change: false,
            equal_limit: None,
            direct: false,
            color: false,
            beep: false,
        }
    }
}

impl Watch {
    fn apply(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        match key {
            "interval" => {
                let text = shown(&value.unwrap_or_default());
                let seconds: f64 = text
                    .replace(',', ".")
                    .parse()
                    .map_err(|_| format!("failed to parse argument: '{text}'"))?;
                let seconds = if seconds.is_finite() {
                    seconds.clamp(0.1, 2_678_400.0)
                } else {
                    2.0
                };
                self.interval = Duration::from_secs_f64(seconds);
            }
            "differences" => self.differences = true,
            "no-title" => self.title = false,
            "errexit" => self.exit_on_error = true,
            "chgexit" => self.exit_on_change = true,
            "equexit" => self.equal_limit = value.and_then(|value| shown(&value).parse().ok()),
            "exec" => self.direct = true,
            "color" => self.color = true,
            "beep" => self.beep = true,
            _ => {}
        }
        Ok(())
    }

    fn run(&self, command: &[OsString]) -> i32 {
        let words: Vec<String> = command.iter().map(|word| shown(word)).collect();
        let shown_command = words.join(" ");
        let mut last: Option<Vec<u8>> = None;
        let mut equal = 0;
        loop {
            let (output, status) = match self.output(command, &shown_command) {
                Ok(found) => found,
                Err(error) => {
                    complain("watch", format_args!("{}: {}", words[0], reason(&error)));
                    return 1;
                }
            };
            let failed = !status.success();
            self.draw(&shown_command, &output, last.as_deref(), failed);
            if failed && self.exit_on_error {
                return shell_status(status);
            }
            let changed = last.as_ref().is_some_and(|last| *last != output);
            if changed && self.exit_on_change {
                return 0;
            }
            equal = if last.is_some() && !changed { equal + 1 } else { 0 };
            if self.equal_limit.is_some_and(|limit| equal >= limit) {
                return 0;
            }
            last = Some(output);
            std::thread::sleep(self.interval);
        }
    }

    fn output(&self, command: &[OsString], text: &str) -> io::Result<(Vec<u8>, ExitStatus)> {
        let mut child = if self.direct {
            let mut direct = Command::new(&command[0]);
            direct.args(&command[1..]);
            direct
        } else {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(text);
            shell
        };
        let output = child.stdin(Stdio::null()).output()?;
        Ok(([output.stdout, output.stderr].concat(), output.status))
    }

    fn draw(&self, command: &str, output: &[u8], last: Option<&[u8]>, failed: bool) {
        let (rows, columns) = screen::size(io::stdout().as_fd());
        let mut frame = b"\x1b[H\x1b[2J".to_vec();
        let mut left = rows;
        if self.title {
            let mut title = format!("Every {:.1}s: {command}", self.interval.as_secs_f64());
            if title.chars().count() > columns {
                title = title.chars().take(columns).collect();
            }
            frame.extend_from_slice(title.as_bytes());
            frame.extend_from_slice(b"\r\n\r\n");
            left = left.saturating_sub(2);
        }
        let text = String::from_utf8_lossy(output);
        let before = last.map(String::from_utf8_lossy);
        let before: Vec<&str> = before.as_deref().map(|text| text.lines().collect()).unwrap_or_default();
        for (index, line) in text.lines().take(left).enumerate() {
            let shown: String = if self.color {
                line.to_owned()
            } else {
                line.chars()
                    .filter(|c| !c.is_control() || *c == '\t')
                    .take(columns)
                    .collect()
            };
            let differs = self.differences && last.is_some() && before.get(index) != Some(&line);
            let shown = if differs {
                format!("\x1b[7m{shown}\x1b[27m")
            } else {
                shown
            };
            if index > 0 {
                frame.extend_from_slice(b"\r\n");
            }
            frame.extend_from_slice(shown.as_bytes());
        }
        if failed && self.beep {
            frame.push(7);
        }
        print(&frame);
    }
}

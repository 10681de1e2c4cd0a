//! `kill`, `pkill`, `pgrep`, `pidof`, `killall`.

use std::ffi::OsString;
use std::time::Duration;

use agentos_guest::signal;
use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, reason, shown};
use regex_automata::meta::Regex;

use super::ps::exists;
use super::table::{self, Process};
use crate::emacs;
use crate::{usage, users, write};

fn send(pid: i32, number: u32) -> std::io::Result<()> {
    signal::kill(pid, number)
}

pub(crate) fn kill(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: kill [-s SIGNAL | -SIGNAL] PID...
  or:  kill -l [SIGNAL]...
  or:  kill -L
Send signals to processes, or list signals.
";
    let words: Vec<String> = args.iter().skip(1).map(|word| shown(word)).collect();
    let mut number = signal::SIGTERM;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let Some(option) = word.strip_prefix('-').filter(|option| !option.is_empty()) else {
            break;
        };
        at += 1;
        let named = match option {
            "-" => break,
            "l" | "-list" => return list(&words[at..]),
            "L" | "t" | "-table" => return table(),
            "-help" => return cli::help(HELP),
            "-version" => return cli::version("kill"),
            "s" | "n" | "-signal" => {
                at += 1;
                match words.get(at - 1) {
                    Some(name) => name.as_str(),
                    None => return usage("kill", format_args!("option requires an argument -- '{option}'"), 1),
                }
            }
            other => other
                .strip_prefix("-signal=")
                .or(other
                    .strip_prefix('s')
                    .filter(|s| !s.is_empty() && signal::parse(s).is_some() && signal::parse(other).is_none()))
                .unwrap_or(other),
        };
        match signal::parse(named) {
            Some(found) => number = found,
            None => {
                complain("kill", format_args!("'{named}': invalid signal"));
                return 1;
            }
        }
        // Only the first of these is a signal: -9 -5 means group 5.
        if words.get(at).is_some_and(|next| next.starts_with('-') && next != "--") {
            break;
        }
    }
    let targets = &words[at.min(words.len())..];
    let targets = if targets.first().is_some_and(|first| first == "--") {
        &targets[1..]
    } else {
        targets
    };
    if targets.is_empty() {
        return usage("kill", "no process ID specified", 1);
    }
    let mut status = 0;
    for target in targets {
        let Ok(pid) = target.parse::<i32>() else {
            complain("kill", format_args!("'{target}': invalid process id"));
            status = 1;
            continue;
        };
        if let Err(error) = send(pid, number) {
            complain("kill", format_args!("({target}) - {}", reason(&error)));
            status = 1;
        }
    }
    status
}

/// `kill -l`: names, or what the operands mean.
fn list(words: &[String]) -> i32 {
    let mut out = String::new();
    if words.is_empty() {
        let mut line = String::new();
        for number in 1..=31 {
            let name = signal::name(number).unwrap_or_default();
            if line.len() + 1 + name.len() > 78 {
                out.push_str(&format!("{line}\n"));
                line.clear();
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&name);
        }
        out.push_str(&format!("{line}\n"));
    }
    let mut status = 0;
    for word in words {
        // A status of a shell stands for the signal that it tells of.
        let number = word.parse::<u32>().ok().map(|n| if n > 128 { n - 128 } else { n });
        let text = match number {
            Some(0) => Some("EXIT".to_owned()),
            Some(number) => signal::name(number),
            None => signal::parse(word).map(|number| number.to_string()),
        };
        match text {
            Some(text) => out.push_str(&format!("{text}\n")),
            None => {
                complain("kill", format_args!("'{word}': invalid signal"));
                status = 1;
            }
        }
    }
    write::all("kill", out.as_bytes()).max(status)
}

fn table() -> i32 {
    let mut out = String::new();
    for number in (1..=31).chain(signal::SIGRTMIN..=signal::SIGRTMAX) {
        let name = signal::name(number).unwrap_or_default();
        let text = signal::description(number).unwrap_or("Real-time signal");
        out.push_str(&format!("{number:>2} {name:<9} {text}\n"));
    }
    write::all("kill", out.as_bytes())
}

#[derive(Default)]
struct Filter {
    pattern: Option<Regex>,
    exact: bool,
    full: bool,
    inverse: bool,
    newest: bool,
    oldest: bool,
    parents: Vec<i32>,
    groups: Vec<i32>,
    sessions: Vec<i32>,
    uids: Vec<u32>,
    terminals: Vec<String>,
}

impl Filter {
    fn matches(&self, process: &Process) -> bool {
        let within = |list: &[i32], value: i32| list.is_empty() || list.contains(&value);
        let text = if self.full { &process.command } else { &process.name };
        let named = self
            .pattern
            .as_ref()
            .is_none_or(|pattern| match pattern.find(text.as_bytes()) {
                Some(found) => !self.exact || (found.start() == 0 && found.end() == text.len()),
                None => false,
            });
        let found = named
            && within(&self.parents, process.ppid)
            && within(&self.groups, process.pgid)
            && within(&self.sessions, process.sid)
            && (self.uids.is_empty() || self.uids.contains(&process.uid))
            && (self.terminals.is_empty() || self.terminals.contains(&process.terminal()));
        found != self.inverse
    }

    fn find(&self) -> Vec<Process> {
        let own = table::own();
        let mut found: Vec<Process> = table::all()
            .into_iter()
            .filter(|process| process.pid != own && self.matches(process))
            .collect();
        let pick = if self.newest {
            found.iter().max_by_key(|process| (process.start, process.pid)).cloned()
        } else if self.oldest {
            found.iter().min_by_key(|process| (process.start, process.pid)).cloned()
        } else {
            return found;
        };
        found = pick.into_iter().collect();
        found
    }
}

pub(crate) fn pgrep(args: Vec<OsString>) -> i32 {
    search("pgrep", args)
}

pub(crate) fn pkill(args: Vec<OsString>) -> i32 {
    search("pkill", args)
}

fn search(tool: &'static str, args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: pgrep|pkill [OPTION]... PATTERN
Find or signal processes by name and other attributes.

  -SIGNAL, --signal SIG  signal to send (pkill)
  -a, --list-full        list PID and full command line (pgrep)
  -c, --count            count of matching processes
  -d, --delimiter STR    specify output delimiter (pgrep)
  -e, --echo             display what is killed (pkill)
  -f, --full             use full process name to match
  -g, --pgroup LIST      match process group IDs
  -i, --ignore-case      match case insensitively
  -l, --list-name        list PID and process name (pgrep)
  -n, -o                 select most recently started, least recently started
  -P, --parent LIST      match only child processes of the given parent
  -s, --session LIST     match session IDs
  -t, --terminal LIST    match by controlling terminal
  -u, -U, --euid LIST    match by user IDs
  -v, --inverse          negates the matching
  -x, --exact            match exactly with the command name
";
    const SPECS: &[&str] = &[
        "a,list-full",
        "c,count",
        "d,delimiter=",
        "e,echo",
        "f,full",
        "g,pgroup=",
        "i,ignore-case",
        "l,list-name",
        "n,newest",
        "o,oldest",
        "P,parent=",
        "s,session=",
        "t,terminal=",
        "u,U,euid,uid=",
        "v,inverse",
        "x,exact",
        "signal=",
        "help",
        "V,version",
    ];
    let (mut number, args) = match signal_option(tool, args) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let mut filter = Filter::default();
    let (mut fold, mut count, mut echo, mut long, mut full) = (false, false, false, false, false);
    let (mut delimiter, mut names) = ("\n".to_owned(), Vec::new());
    let mut criteria = false;
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_deref().map(shown).unwrap_or_default();
                let numbers = || -> Vec<i32> { text.split(',').filter_map(|word| word.parse().ok()).collect() };
                criteria |= matches!(key, "pgroup" | "parent" | "session" | "terminal" | "uid");
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version(tool),
                    "list-full" => full = true,
                    "count" => count = true,
                    "delimiter" => delimiter = text,
                    "echo" => echo = true,
                    "full" => filter.full = true,
                    "pgroup" => filter.groups = numbers(),
                    "ignore-case" => fold = true,
                    "list-name" => long = true,
                    "newest" => filter.newest = true,
                    "oldest" => filter.oldest = true,
                    "parent" => filter.parents = numbers(),
                    "session" => filter.sessions = numbers(),
                    "terminal" => filter.terminals = text.split(',').map(str::to_owned).collect(),
                    "uid" => {
                        for word in text.split(',') {
                            match users::uid_of(word) {
                                Some(uid) => filter.uids.push(uid),
                                None => return usage(tool, format_args!("invalid user name: {word}"), 2),
                            }
                        }
                    }
                    "inverse" => filter.inverse = true,
                    "exact" => filter.exact = true,
                    _ => match signal::parse(&text) {
                        Some(found) => number = found,
                        None => return usage(tool, format_args!("Unknown signal \"{text}\"."), 2),
                    },
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(shown(&name)),
            Err(message) => return usage(tool, message, 2),
        }
    }
    match names.as_slice() {
        [] if criteria || filter.newest || filter.oldest => {}
        [] => return usage(tool, "no matching criteria specified", 2),
        [pattern] => match emacs::extended(pattern, fold) {
            Ok(regex) => filter.pattern = Some(regex),
            Err(message) => {
                complain(tool, message);
                return 2;
            }
        },
        _ => return usage(tool, "only one pattern can be provided", 2),
    }
    let found = filter.find();
    if tool == "pkill" {
        return signal_all(&found, number, echo, count);
    }
    if count {
        let status = write::all(tool, format!("{}\n", found.len()).as_bytes());
        return if found.is_empty() { 1 } else { status };
    }
    let lines: Vec<String> = found
        .iter()
        .map(|process| match (full, long) {
            (true, _) => format!("{} {}", process.pid, process.command),
            (_, true) => format!("{} {}", process.pid, process.name),
            _ => process.pid.to_string(),
        })
        .collect();
    if lines.is_empty() {
        return 1;
    }
    write::all(tool, format!("{}\n", lines.join(&delimiter)).as_bytes())
}

/// Takes `-SIGNAL` out of the arguments.
fn signal_option(tool: &str, mut args: Vec<OsString>) -> Result<(u32, Vec<OsString>), i32> {
    if tool == "pkill" || tool == "killall" {
        let found = args.iter().enumerate().skip(1).find_map(|(at, arg)| {
            let name = shown(arg);
            let name = name.strip_prefix('-')?;
            let plain = name.chars().all(|c| c.is_ascii_digit())
                || name.chars().next().is_some_and(|c| c.is_ascii_uppercase()) && name.len() > 2;
            Some((at, signal::parse(name).filter(|_| plain && !name.is_empty())?))
        });
        if let Some((at, number)) = found {
            args.remove(at);
            return Ok((number, args));
        }
    }
    Ok((signal::SIGTERM, args))
}

fn signal_all(found: &[Process], number: u32, echo: bool, count: bool) -> i32 {
    let mut sent = 0;
    for process in found {
        match send(process.pid, number) {
            Ok(()) => {
                sent += 1;
                if echo {
                    let _ = write::raw(format!("{} killed (pid {})\n", process.name, process.pid).as_bytes());
                }
            }
            Err(error) => complain(
                "pkill",
                format_args!("killing pid {} failed: {}", process.pid, reason(&error)),
            ),
        }
    }
    if count {
        let _ = write::raw(format!("{sent}\n").as_bytes());
    }
    i32::from(sent == 0)
}

pub(crate) fn pidof(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: pidof [-sqx] [-o PID] [-S SEP] PROGRAM...\nFind the process ID of a running program.\n";
    const SPECS: &[&str] = &[
        "s,single-shot",
        "q,quiet",
        "x",
        "c,check-root",
        "w",
        "o,omit-pid=",
        "S,separator=",
        "help",
        "V,version",
    ];
    let (mut single, mut quiet, mut omit, mut separator, mut names) =
        (false, false, Vec::new(), " ".to_owned(), Vec::new());
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_deref().map(shown).unwrap_or_default();
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("pidof"),
                    "single-shot" => single = true,
                    "quiet" => quiet = true,
                    "omit-pid" => omit.extend(text.split(',').filter_map(|word| word.parse::<i32>().ok())),
                    "separator" => separator = text,
                    _ => {}
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(shown(&name)),
            Err(message) => return usage("pidof", message, 1),
        }
    }
    let own = table::own();
    let mut found: Vec<i32> = table::all()
        .into_iter()
        .filter(|process| {
            process.pid != own && !omit.contains(&process.pid) && names.iter().any(|name| is_called(process, name))
        })
        .map(|process| process.pid)
        .collect();
    found.reverse();
    if single {
        found.truncate(1);
    }
    if found.is_empty() {
        return 1;
    }
    if quiet {
        return 0;
    }
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    write::all("pidof", format!("{}\n", text.join(&separator)).as_bytes())
}

/// Whether a process runs a program of this name, also as a script.
fn is_called(process: &Process, name: &str) -> bool {
    let base = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
    let mut words = process.command.split(' ');
    process.name == base(name) || words.next().is_some_and(|word| word == name || base(word) == name)
}

pub(crate) fn killall(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: killall [-SIGNAL] [-qvwIe] [-u USER] NAME...\nKill processes by name.\n";
    const SPECS: &[&str] = &[
        "e,exact",
        "I,ignore-case",
        "i,interactive",
        "l,list",
        "q,quiet",
        "s,signal=",
        "u,user=",
        "v,verbose",
        "w,wait",
        "r,regexp",
        "g,process-group",
        "help",
        "V,version",
    ];
    let (mut number, args) = match signal_option("killall", args) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let (mut fold, mut quiet, mut verbose, mut wait, mut uid, mut names) =
        (false, false, false, false, None, Vec::new());
    let mut pattern = false;
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_deref().map(shown).unwrap_or_default();
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("killall"),
                    "list" => return list(&[]),
                    "ignore-case" => fold = true,
                    "quiet" => quiet = true,
                    "verbose" => verbose = true,
                    "wait" => wait = true,
                    "regexp" => pattern = true,
                    "user" => match users::uid_of(&text) {
                        Some(found) => uid = Some(found),
                        None => return usage("killall", format_args!("Cannot find user {text}"), 1),
                    },
                    "signal" => match signal::parse(&text) {
                        Some(found) => number = found,
                        None => return usage("killall", format_args!("{text}: unknown signal"), 1),
                    },
                    _ => {}
                }
            }
            Ok(Some(Arg::Operand(name))) => names.push(shown(&name)),
            Err(message) => return usage("killall", message, 1),
        }
    }
    if names.is_empty() && uid.is_none() {
        return usage("killall", "no process name specified", 1);
    }
    let own = table::own();
    let mut status = 0;
    let mut waited = Vec::new();
    for name in &names {
        let regex = pattern.then(|| emacs::extended(name, fold).ok()).flatten();
        let matches = |process: &Process| match &regex {
            Some(regex) => regex.is_match(process.name.as_bytes()),
            None if fold => process.name.eq_ignore_ascii_case(name),
            None => is_called(process, name),
        };
        let found: Vec<Process> = table::all()
            .into_iter()
            .filter(|p| p.pid != own && uid.is_none_or(|uid| uid == p.uid) && matches(p))
            .collect();
        if found.is_empty() {
            if !quiet {
                complain(name, "no process found");
            }
            status = 1;
        }
        for process in found {
            match send(process.pid, number) {
                Ok(()) if verbose => complain(
                    "killall",
                    format_args!("Killed {}({}) with signal {number}", process.name, process.pid),
                ),
                Ok(()) => {}
                Err(error) => {
                    complain(&format!("{}({})", process.name, process.pid), reason(&error));
                    status = 1;
                }
            }
            waited.push(process.pid);
        }
    }
    while wait && waited.iter().any(|pid| exists(*pid)) {
        std::thread::sleep(Duration::from_millis(50));
    }
    status
}

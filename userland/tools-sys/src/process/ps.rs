//! `ps`: options of UNIX (`-ef`), BSD (`aux`) and GNU (`--sort`).

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs;

use agentos_tools_base::cli;
use agentos_tools_base::io::{complain, shown};

use super::table::{self, PAGE, Process, TICKS};
use crate::clock::{self, DAY, Instant, Zone};
use crate::users::{self, Names};
use crate::write;

const HELP: &str = "Usage: ps [OPTION]...
Show processes.

  -e, -A, ax            all processes
  -f, u, j, l           full, user, job and long formats
  -o, o, --format LIST  columns: pid,ppid,user,group,comm,args,stat,time,etime,pcpu,pmem,rss,vsz,tty,ni,start,lstart ...
  -p, p, --pid LIST     processes by number
  -u, -U, U LIST        processes by user
  -C LIST               processes by name
  -t, --tty LIST        processes by terminal
  -g, -s LIST           processes by session
      --ppid LIST       processes by parent
  -N, --deselect        all others
  --sort KEYS           order by columns, - before one reverses
  f, --forest           show the tree
  h, --no-headers       no line of titles
  w                     wide lines
";

/// A column: its title, how it is aligned, how wide it is at least.
struct Column {
    key: &'static str,
    title: String,
    left: bool,
    width: usize,
}

const COLUMNS: &[(&str, &[&str], &str, bool, usize)] = &[
    ("pid", &["tgid"], "PID", false, 7),
    ("ppid", &[], "PPID", false, 7),
    ("pgid", &["pgrp"], "PGID", false, 7),
    ("sid", &["sess", "session"], "SID", false, 7),
    ("tpgid", &[], "TPGID", false, 5),
    ("uid", &["euid"], "UID", false, 5),
    ("ruid", &[], "RUID", false, 5),
    ("gid", &["egid"], "GID", false, 5),
    ("user", &["euser", "uname", "ruser", "suser"], "USER", true, 8),
    ("group", &["egroup", "rgroup"], "GROUP", true, 8),
    ("comm", &["ucmd", "ucomm"], "COMMAND", true, 15),
    ("args", &["cmd", "command"], "COMMAND", true, 27),
    ("stat", &[], "STAT", true, 4),
    ("s", &["state"], "S", true, 1),
    ("time", &["cputime"], "TIME", false, 8),
    ("bsdtime", &[], "TIME", false, 6),
    ("etime", &[], "ELAPSED", false, 11),
    ("etimes", &[], "ELAPSED", false, 7),
    ("times", &["cputimes"], "TIME", false, 8),
    ("pcpu", &["%cpu", "c_percent"], "%CPU", false, 4),
    ("c", &[], "C", false, 2),
    ("pmem", &["%mem"], "%MEM", false, 4),
    ("rss", &["rssize", "rsz"], "RSS", false, 5),
    ("vsz", &["vsize"], "VSZ", false, 6),
    ("sz", &[], "SZ", false, 5),
    ("tty", &["tt", "tname"], "TTY", true, 8),
    ("ni", &["nice"], "NI", false, 3),
    ("pri", &["priority"], "PRI", false, 3),
    ("nlwp", &["thcount"], "NLWP", false, 4),
    ("stime", &["start_time"], "STIME", true, 5),
    ("start", &["bsdstart"], "START", true, 5),
    ("lstart", &[], "STARTED", true, 24),
    ("f", &["flag", "flags"], "F", false, 1),
    ("wchan", &[], "WCHAN", true, 6),
    ("addr", &[], "ADDR", true, 4),
    ("psr", &[], "PSR", false, 3),
    ("lwp", &["tid", "spid"], "LWP", false, 5),
];

#[derive(Default)]
struct Options {
    columns: Vec<Column>,
    all: bool,
    own_terminal: bool,
    without_terminal: bool,
    pids: Vec<i32>,
    ppids: Vec<i32>,
    sids: Vec<i32>,
    uids: Vec<u32>,
    names: Vec<String>,
    terminals: Vec<String>,
    selected: bool,
    negate: bool,
    no_header: bool,
    wide: bool,
    forest: bool,
    format: &'static str,
    bsd: bool,
    sort: Vec<(String, bool)>,
}

pub(crate) fn ps(args: Vec<OsString>) -> i32 {
    let mut options = Options::default();
    let words: Vec<String> = args.iter().skip(1).map(|word| shown(word)).collect();
    match options.read(&words) {
        Ok(None) => {}
        Ok(Some(status)) => return status,
        Err(message) => {
            complain("ps", format_args!("error: {message}"));
            return 1;
        }
    }
    options.run()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).filter(|word| !word.is_empty())
}

impl Options {
    fn read(&mut self, words: &[String]) -> Result<Option<i32>, String> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            let mut next = |attached: &str| -> Result<String, String> {
                if !attached.is_empty() {
                    return Ok(attached.to_owned());
                }
                let value = words.get(at).cloned().ok_or("list of process IDs must follow -p")?;
                at += 1;
                Ok(value)
            };
            if let Some(long) = word.strip_prefix("--") {
                let (name, attached) = long.split_once('=').unwrap_or((long, ""));
                match name {
                    "help" => return Ok(Some(cli::help(HELP))),
                    "version" => return Ok(Some(cli::version("ps"))),
                    "no-headers" | "no-headings" | "noheaders" => self.no_header = true,
                    "headers" => self.no_header = false,
                    "forest" => self.forest = true,
                    "deselect" => self.negate = true,
                    "cols" | "columns" | "width" | "rows" | "lines" => {
                        next(attached)?;
                    }
                    "sort" => self.sorted(&next(attached)?),
                    "pid" => self.pids(&next(attached)?)?,
                    "ppid" => self.ppids(&next(attached)?)?,
                    "user" | "User" => self.users(&next(attached)?)?,
                    "tty" => self.ttys(&next(attached)?),
                    "format" => self.formatted(&next(attached)?)?,
                    "sid" => self.sids(&next(attached)?)?,
                    _ => return Err(format!("unknown gnu long option '--{name}'")),
                }
                continue;
            }
            let (bsd, cluster) = match word.strip_prefix('-') {
                Some(cluster) => (false, cluster),
                None => (true, word.as_str()),
            };
            if bsd && cluster.bytes().all(|b| b.is_ascii_digit() || b == b',') {
                self.pids(cluster)?;
                continue;
            }
            for (index, letter) in cluster.char_indices() {
                let attached = &cluster[index + letter.len_utf8()..];
                let takes = if bsd { "opUtkO" } else { "opuUGgtCsOq" };
                if takes.contains(letter) {
                    let value = next(attached)?;
                    self.valued(bsd, letter, &value)?;
                    break;
                }
                self.letter(bsd, letter)?;
            }
        }
        Ok(None)
    }

    fn valued(&mut self, bsd: bool, letter: char, value: &str) -> Result<(), String> {
        match letter {
            'o' | 'O' => self.formatted(value),
            'p' | 'q' => self.pids(value),
            'u' | 'U' => self.users(value),
            'k' => {
                self.sorted(value);
                Ok(())
            }
            't' => {
                self.ttys(value);
                Ok(())
            }
            'C' => {
                self.names.extend(list(value).map(str::to_owned));
                self.selected = true;
                Ok(())
            }
            'g' | 's' => self.sids(value),
            'G' => Ok(()),
            _ => Err(format!("unsupported option '{}{letter}'", if bsd { "" } else { "-" })),
        }
    }

    fn letter(&mut self, bsd: bool, letter: char) -> Result<(), String> {
        match (bsd, letter) {
            (false, 'e' | 'A') => self.all = true,
            (false, 'a') => (self.bsd, self.own_terminal) = (true, true),
            (true, 'a') => (self.all, self.bsd) = (self.without_terminal, true),
            (true, 'x') => {
                (self.without_terminal, self.bsd) = (true, true);
            }
            (false, 'f') => self.format = "full",
            (false, 'F') => self.format = "extra",
            (false, 'l') => self.format = "long",
            (false, 'j') => self.format = "jobs",
            (true, 'u') => (self.format, self.bsd) = ("user", true),
            (true, 'l') => (self.format, self.bsd) = ("bsdlong", true),
            (true, 'j') => (self.format, self.bsd) = ("bsdjobs", true),
            (true, 'v' | 's' | 'e' | 'r' | 'T' | 'g' | 'n' | 'c' | 'S' | 'm') => self.bsd = true,
            (true, 'f') | (false, 'H') => self.forest = true,
            (true, 'h') => self.no_header = true,
            (_, 'w') => self.wide = true,
            (false, 'N' | 'd') => self.negate = letter == 'N',
            (false, 'y' | 'L' | 'T' | 'm' | 'c' | 'M' | 'P' | 'x' | 'V') => {}
            _ => return Err(format!("unsupported option '{}{letter}'", if bsd { "" } else { "-" })),
        }
        if bsd {
            match letter {
                'a' => self.own_terminal = true,
                'x' if self.own_terminal => self.all = true,
                _ => {}
            }
        }
        Ok(())
    }

    fn numbers(text: &str) -> Result<Vec<i32>, String> {
        list(text)
            .map(|word| word.parse().map_err(|_| "process ID list syntax error".to_owned()))
            .collect()
    }

    fn pids(&mut self, text: &str) -> Result<(), String> {
        self.pids.extend(Self::numbers(text)?);
        self.selected = true;
        Ok(())
    }

    fn ppids(&mut self, text: &str) -> Result<(), String> {
        self.ppids.extend(Self::numbers(text)?);
        self.selected = true;
        Ok(())
    }

    fn sids(&mut self, text: &str) -> Result<(), String> {
        self.sids.extend(Self::numbers(text)?);
        self.selected = true;
        Ok(())
    }

    fn users(&mut self, text: &str) -> Result<(), String> {
        for word in list(text) {
            self.uids
                .push(users::uid_of(word).ok_or_else(|| "user name does not exist".to_owned())?);
        }
        self.selected = true;
        Ok(())
    }

    fn ttys(&mut self, text: &str) {
        self.terminals
            .extend(list(text).map(|word| word.trim_start_matches("/dev/").to_owned()));
        self.selected = true;
    }

    fn sorted(&mut self, text: &str) {
        for word in list(text) {
            let (reverse, key) = match word.strip_prefix('-') {
                Some(key) => (true, key),
                None => (false, word.strip_prefix('+').unwrap_or(word)),
            };
            self.sort.push((key.to_owned(), reverse));
        }
    }

    fn formatted(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find([',', ' ']).unwrap_or(rest.len());
            let word = &rest[..end];
            // A title takes the rest of the list.
            if let Some((name, title)) = word.split_once('=') {
                let title = if end < rest.len() && !title.is_empty() {
                    &rest[name.len() + 1..]
                } else {
                    title
                };
                self.columns.push(column(name, Some(title))?);
                if !title.is_empty() {
                    return Ok(());
                }
            } else if !word.is_empty() {
                self.columns.push(column(word, None)?);
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        Ok(())
    }

    fn wanted(&self, process: &Process, me: &Process) -> bool {
        let found = if self.selected {
            self.pids.contains(&process.pid)
                || self.ppids.contains(&process.ppid)
                || self.sids.contains(&process.sid)
                || self.uids.contains(&process.uid)
                || self.names.contains(&process.name)
                || self.terminals.contains(&process.terminal())
                || self.all
        } else if self.all {
            true
        } else if self.bsd && self.own_terminal {
            process.tty != 0
        } else if self.bsd && self.without_terminal {
            process.uid == me.uid
        } else {
            process.uid == me.uid && process.tty == me.tty && process.sid == me.sid
        };
        found != self.negate
    }

    fn run(mut self) -> i32 {
        if self.columns.is_empty() {
            let names: &[&str] = match self.format {
                "full" => &["user", "pid", "ppid", "c", "stime", "tty", "time", "args"],
                "extra" => &[
                    "user", "pid", "ppid", "c", "sz", "rss", "psr", "stime", "tty", "time", "args",
                ],
                "long" => &[
                    "f", "s", "uid", "pid", "ppid", "c", "pri", "ni", "addr", "sz", "wchan", "tty", "time", "comm",
                ],
                "jobs" => &["pid", "pgid", "sid", "tty", "time", "comm"],
                "user" => &[
                    "user", "pid", "pcpu", "pmem", "vsz", "rss", "tty", "stat", "start", "bsdtime", "args",
                ],
                "bsdlong" => &[
                    "f", "uid", "pid", "ppid", "pri", "ni", "vsz", "rss", "wchan", "stat", "tty", "bsdtime", "args",
                ],
                "bsdjobs" => &[
                    "ppid", "pid", "pgid", "sid", "tty", "tpgid", "stat", "uid", "bsdtime", "args",
                ],
                _ if self.bsd => &["pid", "tty", "stat", "bsdtime", "args"],
                _ => &["pid", "tty", "time", "comm"],
            };
            for name in names {
                let title = match (*name, self.format) {
                    ("user", "full" | "extra") => Some("UID"),
                    ("comm" | "args", "full" | "extra" | "long" | "jobs" | "") if !self.bsd => Some("CMD"),
                    _ => None,
                };
                if let Ok(column) = column(name, title) {
                    self.columns.push(column);
                }
            }
        }
        let me = Process::of(table::own()).unwrap_or_default();
        let mut found: Vec<Process> = table::all()
            .into_iter()
            .filter(|process| self.wanted(process, &me))
            .collect();
        let context = Context {
            uptime: table::uptime().0,
            memory: table::memory("MemTotal"),
            zone: Zone::local(),
        };
        for (key, reverse) in self.sort.iter().rev() {
            found.sort_by(|a, b| {
                let order = compare(key, a, b, &context);
                if *reverse { order.reverse() } else { order }
            });
        }
        let depths = if self.forest {
            forest(&mut found)
        } else {
            vec![0; found.len()]
        };
        let status = i32::from(found.is_empty());
        write::all("ps", self.table(&found, &depths, &context).as_bytes()).max(status)
    }

    fn table(&self, found: &[Process], depths: &[usize], context: &Context) -> String {
        let mut names = Names::default();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for (process, depth) in found.iter().zip(depths) {
            let mut row: Vec<String> = self
                .columns
                .iter()
                .map(|column| context.cell(process, column.key, &mut names))
                .collect();
            if *depth > 0 {
                let branch = format!("{}\\_ ", " ".repeat((depth - 1) * 4 + 1));
                for (cell, column) in row.iter_mut().zip(&self.columns) {
                    if matches!(column.key, "args" | "comm") {
                        *cell = format!("{branch}{cell}");
                    }
                }
            }
            rows.push(row);
        }
        let header = !self.no_header && self.columns.iter().any(|column| !column.title.is_empty());
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let widest = rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
                let fits = if matches!(column.key, "user" | "group") {
                    column.width
                } else {
                    widest
                };
                column
                    .width
                    .max(column.title.len())
                    .max(if widest > 40 { 0 } else { fits })
            })
            .collect();
        let mut lines = Vec::new();
        if header {
            lines.push(self.columns.iter().map(|column| column.title.clone()).collect());
        }
        lines.extend(rows);
        let mut text = String::new();
        for line in lines {
            for (at, (cell, column)) in line.iter().zip(&self.columns).enumerate() {
                let (last, width) = (at + 1 == line.len(), widths[at]);
                if at > 0 {
                    text.push(' ');
                }
                match (column.left, last) {
                    (true, true) => text.push_str(cell),
                    (true, false) => text.push_str(&format!("{cell:<width$}")),
                    (false, _) => text.push_str(&format!("{cell:>width$}")),
                }
            }
            text.push('\n');
        }
        text
    }
}

fn column(name: &str, title: Option<&str>) -> Result<Column, String> {
    let lower = name.to_ascii_lowercase();
    let found = COLUMNS
        .iter()
        .find(|(key, aliases, ..)| *key == lower || aliases.contains(&lower.as_str()));
    let (key, _, default, left, width) =
        found.ok_or_else(|| format!("unknown user-defined format specifier \"{name}\""))?;
    let given = match (title, lower.as_str()) {
        (Some(title), _) => title.to_owned(),
        (None, "cmd") => "CMD".to_owned(),
        (None, "state" | "euid" | "pgrp" | "nice") => default.to_string(),
        (None, "tt") => "TT".to_owned(),
        (None, _) => (*default).to_owned(),
    };
    Ok(Column {
        key,
        title: given,
        left: *left,
        width: *width,
    })
}

/// Puts children after their parents; returns how deep each stands.
fn forest(found: &mut Vec<Process>) -> Vec<usize> {
    let mut left = std::mem::take(found);
    let mut depths = Vec::new();
    let pids: Vec<i32> = left.iter().map(|process| process.pid).collect();
    let mut stack: Vec<(Process, usize)> = Vec::new();
    let mut roots: Vec<Process> = Vec::new();
    left.retain(|process| {
        let is_root = !pids.contains(&process.ppid) || process.ppid == process.pid;
        if is_root {
            roots.push(process.clone());
        }
        !is_root
    });
    for root in roots.into_iter().rev() {
        stack.push((root, 0));
    }
    while let Some((process, depth)) = stack.pop() {
        let (children, others): (Vec<Process>, Vec<Process>) = left.into_iter().partition(|p| p.ppid == process.pid);
        left = others;
        found.push(process);
        depths.push(depth);
        stack.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
    }
    depths
}

struct Context {
    uptime: f64,
    memory: u64,
    zone: Zone,
}

fn compare(key: &str, a: &Process, b: &Process, context: &Context) -> Ordering {
    let number = |p: &Process| -> f64 {
        match key {
            "pid" => f64::from(p.pid),
            "ppid" => f64::from(p.ppid),
            "pcpu" | "%cpu" | "cpu" => p.cpu(context.uptime),
            "pmem" | "%mem" | "rss" | "mem" => p.resident as f64,
            "vsz" | "size" => p.size as f64,
            "time" | "cputime" => p.ticks() as f64,
            "start_time" | "start" | "lstart" => p.start as f64,
            "etime" | "etimes" => -(p.start as f64),
            "uid" => f64::from(p.uid),
            "ni" | "nice" => p.nice as f64,
            _ => 0.0,
        }
    };
    match key {
        "comm" | "ucmd" => a.name.cmp(&b.name),
        "args" | "cmd" | "command" => a.command.cmp(&b.command),
        "user" | "uname" => a.uid.cmp(&b.uid),
        "tty" => a.tty.cmp(&b.tty),
        _ => number(a).total_cmp(&number(b)),
    }
}

impl Context {
    fn cell(&self, process: &Process, key: &str, names: &mut Names) -> String {
        let percent = |value: f64| format!("{value:.1}");
        match key {
            "pid" | "lwp" => process.pid.to_string(),
            "ppid" => process.ppid.to_string(),
            "pgid" => process.pgid.to_string(),
            "sid" => process.sid.to_string(),
            "tpgid" => process.tpgid.to_string(),
            "uid" | "ruid" => process.uid.to_string(),
            "gid" => process.gid.to_string(),
            "user" => fitting(names.user(process.uid), process.uid),
            "group" => fitting(names.group(process.gid), process.gid),
            "comm" => process.name.clone(),
            "args" => process.command.clone(),
            "stat" => state(process),
            "s" => process.state.to_string(),
            "time" => duration(process.ticks() / TICKS),
            "bsdtime" => format!("{}:{:02}", process.ticks() / TICKS / 60, process.ticks() / TICKS % 60),
            "times" => (process.ticks() / TICKS).to_string(),
            "etime" => elapsed(process.age(self.uptime) as u64),
            "etimes" => (process.age(self.uptime) as u64).to_string(),
            "pcpu" => percent(process.cpu(self.uptime)),
            "c" => (process.cpu(self.uptime) as u64).min(99).to_string(),
            "pmem" => percent(process.resident as f64 / 1024.0 * 100.0 / self.memory.max(1) as f64),
            "rss" => (process.resident / 1024).to_string(),
            "vsz" => (process.size / 1024).to_string(),
            "sz" => (process.size / PAGE).to_string(),
            "tty" => process.terminal(),
            "ni" => process.nice.to_string(),
            "pri" => (39 - process.priority).to_string(),
            "nlwp" => process.threads.to_string(),
            "stime" | "start" => self.started(process, false),
            "lstart" => self.started(process, true),
            "f" | "psr" => "0".to_owned(),
            "wchan" | "addr" => "-".to_owned(),
            _ => String::new(),
        }
    }

    fn started(&self, process: &Process, long: bool) -> String {
        let now = Instant::now();
        let at = Instant::new(now.secs - process.age(self.uptime) as i64, 0);
        let pattern: &[u8] = match () {
            () if long => b"%a %b %e %H:%M:%S %Y",
            () if now.secs - at.secs < DAY => b"%H:%M",
            () => b"%b%d",
        };
        let mut text = Vec::new();
        clock::format(pattern, &self.zone.civil(at), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// A name that fits its column, else the number.
fn fitting(name: &str, id: u32) -> String {
    if name.len() > 8 {
        if name.len() > 20 {
            id.to_string()
        } else {
            format!("{}+", &name.chars().take(7).collect::<String>())
        }
    } else {
        name.to_owned()
    }
}

fn state(process: &Process) -> String {
    let mut text = process.state.to_string();
    if process.nice < 0 {
        text.push('<');
    } else if process.nice > 0 {
        text.push('N');
    }
    if process.sid == process.pid {
        text.push('s');
    }
    if process.threads > 1 {
        text.push('l');
    }
    if process.tpgid == process.pgid && process.tty != 0 {
        text.push('+');
    }
    text
}

/// `[DD-]HH:MM:SS`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days > 0 { format!("{days}-{clock}") } else { clock }
}

/// `[[DD-]HH:]MM:SS`.
fn elapsed(seconds: u64) -> String {
    if seconds >= 3600 {
        duration(seconds)
    } else {
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }
}

/// Whether a process still exists.
pub(super) fn exists(pid: i32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok()
}

//! `top`: what processes do, again and again.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use agentos_guest::tty;
use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::shown;

use super::load::headline;
use super::table::{self, Process, TICKS};
use crate::users::{self, Names};
use crate::{duration, screen, usage, write};

/// Home and clear: the screen is drawn anew from the top.
const HOME: &str = "\x1b[H\x1b[2J";

pub(crate) fn top(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: top [-b] [-n N] [-d SECONDS] [-p PID,...] [-u USER] [-o FIELD] [-c] [-i]
Display processes. Keys: q quits, P, M, N, T sort by CPU, memory, PID, time, c shows command lines, k kills.
";
    const SPECS: &[&str] = &[
        "b,batch",
        "c",
        "d,delay=",
        "n,iterations=",
        "p,pid=",
        "u,U=",
        "o,sort-override=",
        "i",
        "H",
        "S",
        "1",
        "w=?",
        "E=",
        "e=",
        "help",
        "h",
        "v,V,version",
    ];
    let mut options = Top {
        batch: false,
        full: false,
        delay: Duration::from_secs(3),
        rounds: u64::MAX,
        pids: Vec::new(),
        uid: None,
        sort: "%CPU".to_owned(),
        reverse: false,
        busy: false,
        before: HashMap::new(),
        last: None,
    };
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                if matches!(key, "help" | "h") {
                    return cli::help(HELP);
                }
                if key == "version" {
                    return cli::version("top");
                }
                if let Err(message) = options.set(key, value) {
                    return usage("top", message, 1);
                }
            }
            Ok(Some(Arg::Operand(name))) => {
                return usage("top", format_args!("unknown argument '{}'", shown(&name)), 1);
            }
            Err(message) => return usage("top", message, 1),
        }
    }
    options.run()
}

struct Top {
    batch: bool,
    full: bool,
    delay: Duration,
    rounds: u64,
    pids: Vec<i32>,
    uid: Option<u32>,
    sort: String,
    reverse: bool,
    busy: bool,
    /// CPU ticks at the time before, by process.
    before: HashMap<i32, u64>,
    last: Option<Instant>,
}

impl Top {
    fn set(&mut self, key: &str, value: Option<OsString>) -> Result<(), String> {
        let text = value.as_deref().map(shown).unwrap_or_default();
        match key {
            "batch" => self.batch = true,
            "c" => self.full = true,
            "delay" => {
                self.delay = value
                    .as_deref()
                    .and_then(duration::parse)
                    .ok_or_else(|| format!("bad delay interval '{text}'"))?
            }
            "iterations" => self.rounds = text.parse().map_err(|_| format!("bad iterations argument '{text}'"))?,
            "pid" => self
                .pids
                .extend(text.split(',').filter_map(|word| word.parse::<i32>().ok())),
            "U" => self.uid = Some(users::uid_of(&text).ok_or("Invalid user")?),
            "sort-override" => {
                self.reverse = text.starts_with('+');
                self.sort = text.trim_start_matches(['-', '+']).to_uppercase();
            }
            "i" => self.busy = true,
            _ => {}
        }
        Ok(())
    }

    fn run(&mut self) -> i32 {
        let terminal = std::io::stdout().is_terminal() && !self.batch;
        let raw = terminal.then(RawInput::enter).flatten();
        let mut round = 0;
        while round < self.rounds {
            let (rows, columns) = if terminal {
                screen::size().unwrap_or((24, 80))
            } else {
                (usize::MAX, 512)
            };
            let text = self.page(rows, columns);
            let text = if terminal {
                format!("{HOME}{}", text.trim_end().replace('\n', "\r\n"))
            } else {
                text
            };
            if write::raw(text.as_bytes()).is_err() {
                return 1;
            }
            round += 1;
            if round == self.rounds {
                break;
            }
            if !terminal {
                duration::wait(self.delay);
                let _ = write::raw(b"\n");
                continue;
            }
            match raw.as_ref().and_then(|raw| raw.key(self.delay)) {
                Some(b'q' | 3) => break,
                Some(b'P') => self.sort = "%CPU".to_owned(),
                Some(b'M') => self.sort = "%MEM".to_owned(),
                Some(b'N') => self.sort = "PID".to_owned(),
                Some(b'T') => self.sort = "TIME+".to_owned(),
                Some(b'R') => self.reverse = !self.reverse,
                Some(b'c') => self.full = !self.full,
                Some(b'i') => self.busy = !self.busy,
                _ if raw.is_none() => duration::wait(self.delay),
                _ => {}
            }
        }
        if terminal {
            let _ = write::raw(b"\r\n");
        }
        0
    }

    fn page(&mut self, rows: usize, columns: usize) -> String {
        let (uptime, _) = table::uptime();
        let all = table::all();
        let now = Instant::now();
        let passed = self.last.map(|last| now.duration_since(last).as_secs_f64());
        let share = |process: &Process| match (passed, self.before.get(&process.pid)) {
            (Some(seconds), Some(before)) if seconds > 0.0 => {
                process.ticks().saturating_sub(*before) as f64 / TICKS as f64 * 100.0 / seconds
            }
            _ => process.cpu(uptime),
        };
        let memory = table::memory("MemTotal").max(1);
        let mut list: Vec<(Process, f64)> = all.iter().map(|process| (process.clone(), share(process))).collect();
        self.before = all.iter().map(|process| (process.pid, process.ticks())).collect();
        self.last = Some(now);
        list.retain(|(process, cpu)| {
            (self.pids.is_empty() || self.pids.contains(&process.pid))
                && self.uid.is_none_or(|uid| uid == process.uid)
                && (!self.busy || *cpu > 0.0)
        });
        list.sort_by(|a, b| {
            let order = match self.sort.as_str() {
                "PID" => b.0.pid.cmp(&a.0.pid),
                "%MEM" | "RES" => b.0.resident.cmp(&a.0.resident),
                "TIME+" | "TIME" => b.0.ticks().cmp(&a.0.ticks()),
                "COMMAND" => b.0.name.cmp(&a.0.name),
                "VIRT" => b.0.size.cmp(&a.0.size),
                _ => b.1.total_cmp(&a.1),
            };
            let order = order.then(a.0.pid.cmp(&b.0.pid));
            if self.reverse { order.reverse() } else { order }
        });
        let mut text = summary(&all, list.iter().map(|(_, cpu)| cpu).sum());
        text.push_str("\n    PID USER      PR  NI    VIRT    RES    SHR S  %CPU  %MEM     TIME+ COMMAND\n");
        let mut names = Names::default();
        for (process, cpu) in list.iter().take(rows.saturating_sub(7)) {
            let hundredths = process.ticks() * 100 / TICKS;
            let percent = process.resident as f64 / 1024.0 * 100.0 / memory as f64;
            let command = if self.full { &process.command } else { &process.name };
            let user: String = names.user(process.uid).chars().take(8).collect();
            let line = format!(
                "{:>7} {user:<8} {:>3} {:>3} {:>7} {:>6} {:>6} {} {cpu:>5.1} {percent:>5.1} {:>3}:{:02}.{:02} {command}",
                process.pid,
                process.priority,
                process.nice,
                process.size / 1024,
                process.resident / 1024,
                0,
                process.state,
                hundredths / 6000,
                hundredths / 100 % 60,
                hundredths % 100,
            );
            text.extend(line.chars().take(columns));
            text.push('\n');
        }
        text
    }
}

fn summary(all: &[Process], busy: f64) -> String {
    let count = |states: &str| all.iter().filter(|process| states.contains(process.state)).count();
    let mib = |key: &str| table::memory(key) as f64 / 1024.0;
    let (total, free) = (mib("MemTotal"), mib("MemFree"));
    let available = mib("MemAvailable").max(free);
    let cache = mib("Buffers") + mib("Cached");
    let cpus = f64::from(agentos_guest::sys::cpus().unwrap_or(1).max(1));
    let used = (busy / cpus).min(100.0);
    format!(
        "top -{}\nTasks: {:>3} total, {:>3} running, {:>3} sleeping, {:>3} stopped, {:>3} zombie\n\
         %Cpu(s): {used:>4.1} us,  0.0 sy,  0.0 ni, {:>4.1} id,  0.0 wa,  0.0 hi,  0.0 si,  0.0 st\n\
         MiB Mem : {total:>8.1} total, {free:>8.1} free, {:>8.1} used, {cache:>8.1} buff/cache\n\
         MiB Swap: {:>8.1} total, {:>8.1} free, {:>8.1} used. {available:>8.1} avail Mem\n",
        headline(),
        all.len(),
        count("R"),
        count("SDI"),
        count("Tt"),
        count("Z"),
        100.0 - used,
        total - available,
        mib("SwapTotal"),
        mib("SwapFree"),
        mib("SwapTotal") - mib("SwapFree"),
    )
}

/// The terminal without echo and lines, until it is dropped.
struct RawInput {
    before: tty::Termios,
}

impl RawInput {
    fn enter() -> Option<Self> {
        use crate::terminal::{ECHO, ICANON};
        let input = std::io::stdin();
        let before = tty::get(input.as_fd()).ok()?;
        let mut new = before;
        new.lflag &= !(ICANON | ECHO);
        tty::set(input.as_fd(), tty::When::Now, &new).ok()?;
        Some(Self { before })
    }

    /// A key, if one is pressed in that time.
    fn key(&self, limit: Duration) -> Option<u8> {
        use agentos_guest::fd::{POLLIN, Source, poll};
        use std::io::Read;
        let ready = poll(&[Source::Fd(0, POLLIN)], Some(limit)).ok()?;
        if ready.first().is_none_or(|bits| bits & POLLIN == 0) {
            return None;
        }
        let mut byte = [0];
        let mut input = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
        (input.read(&mut byte).ok()? == 1).then_some(byte[0])
    }
}

impl Drop for RawInput {
    fn drop(&mut self) {
        let _ = tty::set(std::io::stdin().as_fd(), tty::When::Now, &self.before);
    }
}

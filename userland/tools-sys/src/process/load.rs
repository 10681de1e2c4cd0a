//! What the machine does: `free`, `uptime`, `w`, `who`, `users`.

use std::ffi::OsString;

use agentos_tools_base::cli::{self, Arg, Parser};
use agentos_tools_base::io::{complain, shown};

use super::{run, table};
use crate::clock::{self, Instant, Zone};
use crate::human::Units;
use crate::system::flags;
use crate::users::Names;
use crate::{usage, write};

pub(crate) fn free(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: free [OPTION]...
Display amount of free and used memory.

  -b, -k, -m, -g, --bytes, --kibi, --mebi, --gibi  show output in these units
  -h, --human       show human-readable output
      --si          use powers of 1000, not 1024
  -l, --lohi        show detailed low and high memory statistics
  -t, --total       show total for RAM + swap
  -w, --wide        wide output
  -s N, --seconds N repeat printing every N seconds
  -c N, --count N   repeat printing N times, then exit
";
    const SPECS: &[&str] = &[
        "b,bytes",
        "k,kibi",
        "m,mebi",
        "g,gibi",
        "tebi",
        "kilo",
        "mega",
        "giga",
        "h,human",
        "si",
        "l,lohi",
        "t,total",
        "w,wide",
        "s,seconds=",
        "c,count=",
        "v,committed",
        "L,line",
        "help",
        "V,version",
    ];
    let (mut units, mut human, mut si, mut total, mut wide) = (1024_u64, false, false, false, false);
    let (mut seconds, mut count): (Option<f64>, Option<u64>) = (None, None);
    let mut parser = Parser::new(args, SPECS);
    loop {
        match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Opt(key, value))) => {
                let text = value.as_deref().map(shown).unwrap_or_default();
                match key {
                    "help" => return cli::help(HELP),
                    "version" => return cli::version("free"),
                    "bytes" => units = 1,
                    "kibi" => units = 1 << 10,
                    "mebi" => units = 1 << 20,
                    "gibi" => units = 1 << 30,
                    "tebi" => units = 1 << 40,
                    "kilo" => units = 1000,
                    "mega" => units = 1_000_000,
                    "giga" => units = 1_000_000_000,
                    "human" => human = true,
                    "si" => si = true,
                    "total" => total = true,
                    "wide" => wide = true,
                    "seconds" => match text.parse() {
                        Ok(number) if number > 0.0 => seconds = Some(number),
                        _ => return usage("free", format_args!("seconds argument failed: '{text}'"), 1),
                    },
                    "count" => match text.parse() {
                        Ok(number) if number > 0 => count = Some(number),
                        _ => return usage("free", format_args!("failed to parse count argument: '{text}'"), 1),
                    },
                    _ => {}
                }
            }
            Ok(Some(Arg::Operand(name))) => {
                return usage("free", format_args!("unexpected operand '{}'", shown(&name)), 1);
            }
            Err(message) => return usage("free", message, 1),
        }
    }
    let show = |kib: u64| -> String {
        let bytes = kib.saturating_mul(1024);
        match (human, si) {
            (true, false) => binary(bytes),
            (true, true) => Units::Decimal.show(bytes),
            _ => (bytes / units).to_string(),
        }
    };
    let rounds = count.unwrap_or(if seconds.is_some() { u64::MAX } else { 1 });
    for round in 0..rounds {
        if write::all("free", memory(&show, total, wide).as_bytes()) != 0 {
            return 1;
        }
        if round + 1 < rounds {
            crate::duration::wait(std::time::Duration::from_secs_f64(seconds.unwrap_or(1.0)));
            if write::raw(b"\n").is_err() {
                return 1;
            }
        }
    }
    0
}

/// `1.5Gi`: as `free` writes sizes.
fn binary(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    const UNITS: [&str; 6] = ["B", "Ki", "Mi", "Gi", "Ti", "Pi"];
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes}B"),
        _ if value < 10.0 => format!("{value:.1}{}", UNITS[unit]),
        _ => format!("{value:.0}{}", UNITS[unit]),
    }
}

fn memory(show: &dyn Fn(u64) -> String, total: bool, wide: bool) -> String {
    let all = table::memory("MemTotal");
    let free = table::memory("MemFree");
    let buffers = table::memory("Buffers");
    let cached = table::memory("Cached") + table::memory("SReclaimable");
    let available = table::memory("MemAvailable").max(free.min(all));
    let used = all.saturating_sub(available);
    let (swap, swap_free) = (table::memory("SwapTotal"), table::memory("SwapFree"));
    let row = |name: &str, cells: &[u64]| {
        let cells: String = cells.iter().map(|cell| format!("{:>12}", show(*cell))).collect();
        format!("{name:<8}{cells}\n")
    };
    let titles: &[&str] = if wide {
        &["total", "used", "free", "shared", "buffers", "cache", "available"]
    } else {
        &["total", "used", "free", "shared", "buff/cache", "available"]
    };
    let head: String = titles.iter().map(|title| format!("{title:>12}")).collect();
    let shared = table::memory("Shmem");
    let mut text = format!("{:8}{head}\n", "");
    if wide {
        text.push_str(&row("Mem:", &[all, used, free, shared, buffers, cached, available]));
    } else {
        text.push_str(&row("Mem:", &[all, used, free, shared, buffers + cached, available]));
    }
    text.push_str(&row("Swap:", &[swap, swap.saturating_sub(swap_free), swap_free]));
    if total {
        text.push_str(&row(
            "Total:",
            &[all + swap, used + swap.saturating_sub(swap_free), free + swap_free],
        ));
    }
    text
}

/// ` 10:20:30 up 1 day,  2:03,  1 user,  load average: 0.00, 0.01, 0.05`
pub(super) fn headline() -> String {
    let (up, _) = table::uptime();
    let mut now = Vec::new();
    clock::format(b"%H:%M:%S", &Zone::local().civil(Instant::now()), &mut now);
    let count = terminals().len();
    let users = if count == 1 { "user" } else { "users" };
    format!(
        " {} up {},  {count} {users},  load average: {}",
        String::from_utf8_lossy(&now),
        span(up as u64),
        table::load().join(", ")
    )
}

fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    if hours > 0 {
        format!("{days}{hours:>2}:{minutes:02}")
    } else {
        format!("{days}{minutes} min")
    }
}

pub(crate) fn uptime(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: uptime [-p] [-s]\nTell how long the system has been running.\n";
    let (flags, _) = match flags("uptime", args, &["p,pretty", "s,since", "help", "V,version"], HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let (up, _) = table::uptime();
    let text = match flags.last() {
        Some(&"pretty") => pretty(up as u64),
        Some(&"since") => {
            let mut text = Vec::new();
            let boot = Instant::new(run::boot_time(up), 0);
            clock::format(b"%Y-%m-%d %H:%M:%S", &Zone::local().civil(boot), &mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
        _ => headline(),
    };
    write::all("uptime", format!("{text}\n").as_bytes())
}

fn pretty(seconds: u64) -> String {
    let parts = [
        (seconds / 604_800, "week"),
        (seconds / 86_400 % 7, "day"),
        (seconds / 3600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
    ];
    let mut shown: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    if shown.is_empty() {
        shown.push("0 minutes".to_owned());
    }
    format!("up {}", shown.join(", "))
}

/// Leaders of sessions with a terminal, which is what somebody's login is here.
fn terminals() -> Vec<table::Process> {
    table::all()
        .into_iter()
        .filter(|process| process.tty != 0 && process.pid == process.sid)
        .collect()
}

fn started(process: &table::Process, pattern: &[u8]) -> String {
    let (up, _) = table::uptime();
    let at = Instant::new(Instant::now().secs - process.age(up) as i64, 0);
    let mut text = Vec::new();
    clock::format(pattern, &Zone::local().civil(at), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

pub(crate) fn who(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: who [-abHmqsu] [am i]\nPrint information about users who are currently logged in.\n";
    const SPECS: &[&str] = &[
        "a,all",
        "b,boot",
        "d,dead",
        "H,heading",
        "l,login",
        "lookup",
        "m",
        "p,process",
        "q,count",
        "r,runlevel",
        "s,short",
        "t,time",
        "T,w,mesg",
        "u,users",
        "help",
        "version",
    ];
    let (flags, names) = match flags("who", args, SPECS, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let mut logins = terminals();
    if flags.contains(&"m") || names.len() == 2 {
        let own = table::Process::of(table::own()).map_or(0, |process| process.tty);
        logins.retain(|process| process.tty == own);
    }
    let mut list = Names::default();
    let mut out = String::new();
    if flags.contains(&"count") {
        let users: Vec<String> = logins.iter().map(|process| list.user(process.uid).to_owned()).collect();
        out = format!("{}\n# users={}\n", users.join(" "), users.len());
        return write::all("who", out.as_bytes());
    }
    if flags.contains(&"heading") {
        out.push_str("NAME     LINE         TIME             COMMENT\n");
    }
    if flags.contains(&"boot") || flags.contains(&"all") {
        let (up, _) = table::uptime();
        let mut text = Vec::new();
        clock::format(
            b"%Y-%m-%d %H:%M",
            &Zone::local().civil(Instant::new(run::boot_time(up), 0)),
            &mut text,
        );
        out.push_str(&format!("         system boot  {}\n", String::from_utf8_lossy(&text)));
    }
    if !flags.contains(&"boot") || flags.contains(&"all") {
        for process in &logins {
            let since = started(process, b"%Y-%m-%d %H:%M");
            out.push_str(&format!(
                "{:<8} {:<12} {since}\n",
                list.user(process.uid),
                process.terminal()
            ));
        }
    }
    write::all("who", out.as_bytes())
}

pub(crate) fn users(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: users\nOutput who is currently logged in.\n";
    if let Err(status) = flags("users", args, &["help", "version"], HELP) {
        return status;
    }
    let mut list = Names::default();
    let mut names: Vec<String> = terminals()
        .iter()
        .map(|process| list.user(process.uid).to_owned())
        .collect();
    names.sort_unstable();
    let end = if names.is_empty() { "" } else { "\n" };
    write::all("users", format!("{}{end}", names.join(" ")).as_bytes())
}

pub(crate) fn w(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: w [-hs] [USER]\nShow who is logged on and what they are doing.\n";
    const SPECS: &[&str] = &[
        "h,no-header",
        "s,short",
        "f,from",
        "i,ip-addr",
        "o,old-style",
        "u,no-current",
        "help",
        "V,version",
    ];
    let (flags, names) = match flags("w", args, SPECS, HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let mut list = Names::default();
    let mut out = String::new();
    if !flags.contains(&"no-header") {
        out.push_str(&headline());
        out.push_str("\nUSER     TTY      FROM             LOGIN@   IDLE   JCPU   PCPU WHAT\n");
    }
    let all = table::all();
    for process in terminals() {
        let user = list.user(process.uid).to_owned();
        if names.first().is_some_and(|name| shown(name) != user) {
            continue;
        }
        // What runs in the foreground of the terminal.
        let front = all
            .iter()
            .filter(|other| other.tty == process.tty && other.pgid == process.tpgid)
            .max_by_key(|other| other.pid);
        let what = front.unwrap_or(&process);
        let ticks: u64 = all
            .iter()
            .filter(|other| other.tty == process.tty)
            .map(table::Process::ticks)
            .sum();
        let seconds = |ticks: u64| format!("{:.2}s", ticks as f64 / table::TICKS as f64);
        out.push_str(&format!(
            "{user:<8} {:<8} -                {}    0.00s {:>6} {:>6} {}\n",
            process.terminal(),
            started(&process, b"%H:%M"),
            seconds(ticks),
            seconds(what.ticks()),
            what.command
        ));
    }
    if let (Some(name), true) = (names.first(), names.len() > 1) {
        complain("w", format_args!("only '{}' is shown", shown(name)));
    }
    write::all("w", out.as_bytes())
}

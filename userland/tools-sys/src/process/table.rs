//! The process table, from `/proc`.

use std::fs;
use std::path::Path;

use agentos_tools_base::platform::MetadataExt;

/// Ticks of a second in `/proc`.
pub(super) const TICKS: u64 = 100;

/// Bytes of a page in `/proc/PID/statm`.
pub(super) const PAGE: u64 = 4096;

/// A process.
#[derive(Debug, Clone, Default)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) ppid: i32,
    pub(super) pgid: i32,
    pub(super) sid: i32,
    pub(super) tty: u64,
    pub(super) tpgid: i32,
    pub(super) state: char,
    pub(super) name: String,
    /// Arguments, joined with blanks; the name in brackets if there are none.
    pub(super) command: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// CPU time in ticks.
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) nice: i64,
    pub(super) priority: i64,
    pub(super) threads: u64,
    /// Ticks after boot.
    pub(super) start: u64,
    /// Bytes.
    pub(super) size: u64,
    pub(super) resident: u64,
}

impl Process {
    /// A process by its number.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let dir = format!("/proc/{pid}");
        let stat = fs::read(format!("{dir}/stat")).ok()?;
        let mut found = parse(&String::from_utf8_lossy(&stat))?;
        if let Ok(meta) = fs::metadata(Path::new(&dir)) {
            (found.uid, found.gid) = (meta.uid(), meta.gid());
        }
        let words = fs::read(format!("{dir}/cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&words);
        // A line of a listing is a process.
        let plain = |c: char| {
            if c == '\0' || c.is_whitespace() {
                ' '
            } else if c.is_control() {
                '?'
            } else {
                c
            }
        };
        let text: String = text.trim_end_matches('\0').chars().map(plain).collect();
        found.command = if text.is_empty() {
            format!("[{}]", found.name)
        } else {
            text
        };
        Some(found)
    }

    /// CPU time in ticks.
    pub(super) fn ticks(&self) -> u64 {
        self.user + self.system
    }

    /// Seconds since it began.
    pub(super) fn age(&self, uptime: f64) -> f64 {
        (uptime - self.start as f64 / TICKS as f64).max(0.0)
    }

    /// Share of a CPU over its whole life, in percent.
    pub(super) fn cpu(&self, uptime: f64) -> f64 {
        let age = self.age(uptime);
        if age <= 0.0 {
            0.0
        } else {
            self.ticks() as f64 / TICKS as f64 * 100.0 / age
        }
    }

    /// Its terminal as `ps` names it.
    pub(super) fn terminal(&self) -> String {
        let (major, minor) = (crate::ls::major(self.tty), crate::ls::minor(self.tty));
        match (self.tty, major) {
            (0, _) => "?".to_owned(),
            (_, 136..=143) => format!("pts/{}", (major - 136) * 256 + minor),
            (_, 4) => format!("tty{minor}"),
            (_, 5) => "console".to_owned(),
            _ => format!("{major}:{minor}"),
        }
    }
}

fn parse(stat: &str) -> Option<Process> {
    // The name stands in parentheses and may hold any character.
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(open + 1..close)?.to_owned();
    let rest: Vec<&str> = stat[close + 1..].split_whitespace().collect();
    let int = |at: usize| rest.get(at).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    let whole = |at: usize| rest.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    Some(Process {
        pid: stat[..open].trim().parse().ok()?,
        state: rest.first()?.chars().next()?,
        ppid: int(1) as i32,
        pgid: int(2) as i32,
        sid: int(3) as i32,
        tty: int(4) as u64,
        tpgid: int(5) as i32,
        user: whole(11),
        system: whole(12),
        priority: int(15),
        nice: int(16),
        threads: whole(17).max(1),
        start: whole(19),
        size: whole(20),
        resident: whole(21).saturating_mul(PAGE),
        name,
        ..Process::default()
    })
}

/// All processes, by number.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut found: Vec<Process> = pids.filter_map(Process::of).collect();
    found.sort_by_key(|process| process.pid);
    found
}

/// Seconds since boot, and seconds that CPUs were idle.
pub(super) fn uptime() -> (f64, f64) {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|text| text.parse().ok());
    (numbers.next().unwrap_or(0.0), numbers.next().unwrap_or(0.0))
}

/// Load over 1, 5 and 15 minutes.
pub(super) fn load() -> [String; 3] {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut words = text.split_whitespace().map(str::to_owned);
    std::array::from_fn(|_| words.next().unwrap_or_else(|| "0.00".to_owned()))
}

/// A field of `/proc/meminfo` in KiB.
pub(super) fn memory(key: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// Own process number.
pub(super) fn own() -> i32 {
    std::process::id() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let line = "7 (a) b (c) R 1 2 3 34817 4 0 0 0 0 0 50 60 0 0 20 5 1 0 900 8192 2 0";
        let found = parse(line).unwrap();
        assert_eq!(
            (found.pid, found.name.as_str(), found.state, found.ppid),
            (7, "a) b (c", 'R', 1)
        );
        assert_eq!((found.user, found.system, found.nice, found.start), (50, 60, 5, 900));
        assert_eq!(
            (found.size, found.resident, found.terminal().as_str()),
            (8192, 8192, "pts/1")
        );
        assert!(parse("").is_none() && parse("1 (x").is_none());
    }
}

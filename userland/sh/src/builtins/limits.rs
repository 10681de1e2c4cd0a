//! `ulimit`, `umask`, `times`

use super::{Args, Flags};
use crate::exec::minutes;
use crate::shell::Shell;
use crate::sys;

/// A resource: option letter, Linux's number, what it limits, bytes in a unit.
type Resource = (char, u32, &'static str, &'static str, u64);

const RESOURCES: &[Resource] = &[
    ('c', 4, "core file size", "blocks, -c", 512),
    ('d', 2, "data seg size", "kbytes, -d", 1024),
    ('e', 13, "scheduling priority", "-e", 1),
    ('f', 1, "file size", "blocks, -f", 1024),
    ('i', 11, "pending signals", "-i", 1),
    ('l', 8, "max locked memory", "kbytes, -l", 1024),
    ('m', 5, "max memory size", "kbytes, -m", 1024),
    ('n', 7, "open files", "-n", 1),
    ('q', 12, "POSIX message queues", "bytes, -q", 1),
    ('r', 14, "real-time priority", "-r", 1),
    ('s', 3, "stack size", "kbytes, -s", 1024),
    ('t', 0, "cpu time", "seconds, -t", 1),
    ('u', 6, "max user processes", "-u", 1),
    ('v', 9, "virtual memory", "kbytes, -v", 1024),
    ('x', 10, "file locks", "-x", 1),
];

fn shown(value: u64, unit: u64) -> String {
    if value == u64::MAX {
        "unlimited".to_owned()
    } else {
        (value / unit).to_string()
    }
}

/// `ulimit`
pub fn ulimit(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut soft, mut hard, mut all) = (false, false, false);
    let mut chosen: Vec<&Resource> = Vec::new();
    let mut flags = Flags::new(argv, "SHacdefilmnqrstuvx");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('S', _)) => soft = true,
            Ok(('H', _)) => hard = true,
            Ok(('a', _)) => all = true,
            Ok((c, _)) => chosen.extend(RESOURCES.iter().find(|r| r.0 == c)),
            Err(c) => return sh.usage("ulimit", &format!("-{c}: invalid option")),
        }
    }
    if all {
        let mut out = String::new();
        for (_, number, name, unit, size) in RESOURCES {
            if let Ok((now, max)) = sys::limit(*number) {
                let value = shown(if hard { max } else { now }, *size);
                let unit = format!("({unit})");
                out.push_str(&format!("{name:<20} {unit:>16} {value}\n"));
            }
        }
        return sh.print("ulimit", &out);
    }
    if chosen.is_empty() {
        chosen.extend(RESOURCES.iter().find(|r| r.0 == 'f'));
    }
    match flags.rest().first() {
        None => show(sh, &chosen, hard),
        Some(word) => chosen
            .iter()
            .fold(0, |status, r| status | change(sh, r, word, soft, hard)),
    }
}

fn show(sh: &mut Shell, chosen: &[&Resource], hard: bool) -> i32 {
    let mut out = String::new();
    for (_, number, name, unit, size) in chosen {
        match sys::limit(*number) {
            Ok((now, max)) => {
                let value = shown(if hard { max } else { now }, *size);
                if chosen.len() > 1 {
                    let unit = format!("({unit})");
                    out.push_str(&format!("{name:<20} {unit:>16} {value}\n"));
                } else {
                    out.push_str(&format!("{value}\n"));
                }
            }
            Err(error) => {
                sh.error(&format!("ulimit: {name}: cannot get limit: {}", sys::message(&error)));
                return 1;
            }
        }
    }
    sh.print("ulimit", &out)
}

fn change(sh: &mut Shell, resource: &Resource, word: &str, soft: bool, hard: bool) -> i32 {
    let (_, number, name, _, size) = resource;
    let Ok((now, max)) = sys::limit(*number) else {
        sh.error(&format!("ulimit: {name}: cannot get limit"));
        return 1;
    };
    let value = match word {
        "unlimited" => u64::MAX,
        "hard" => max,
        "soft" => now,
        word => match word.parse::<u64>().ok().and_then(|n| n.checked_mul(*size)) {
            Some(n) => n,
            None => {
                sh.error(&format!("ulimit: {word}: invalid number"));
                return 1;
            }
        },
    };
    let both = soft == hard;
    let (new, top) = (
        if both || soft { value } else { now.min(value) },
        if both || hard { value } else { max },
    );
    match sys::set_limit(*number, new, top) {
        Ok(()) => 0,
        Err(error) => {
            sh.error(&format!(
                "ulimit: {name}: cannot modify limit: {}",
                sys::message(&error)
            ));
            1
        }
    }
}

/// `umask`
pub fn umask(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let (mut symbolic, mut reusable) = (false, false);
    let mut at = 1;
    while let Some(word) = argv
        .get(at)
        .filter(|w| matches!(w.as_str(), "-S" | "-p" | "-pS" | "-Sp" | "--"))
    {
        symbolic |= word.contains('S');
        reusable |= word.contains('p');
        at += 1;
    }
    let mask = sys::umask(None);
    let Some(word) = argv.get(at) else {
        let value = if symbolic { symbols(mask) } else { format!("{mask:04o}") };
        let text = match (reusable, symbolic) {
            (true, true) => format!("umask -S {value}\n"),
            (true, false) => format!("umask {value}\n"),
            _ => format!("{value}\n"),
        };
        return sh.print("umask", &text);
    };
    let new = if word.starts_with(|c: char| c.is_ascii_digit()) {
        u32::from_str_radix(word, 8).ok().filter(|m| *m <= 0o777)
    } else {
        symbolic_mask(word, mask)
    };
    match new {
        Some(mask) => {
            sys::umask(Some(mask));
            0
        }
        None => {
            let what = if word.starts_with(|c: char| c.is_ascii_digit()) {
                "octal number out of range"
            } else {
                "invalid symbolic mode operator"
            };
            sh.error(&format!("umask: {word}: {what}"));
            1
        }
    }
}

fn symbols(mask: u32) -> String {
    let one = |shift: u32| {
        let bits = !mask >> shift & 7;
        [(4, 'r'), (2, 'w'), (1, 'x')]
            .iter()
            .filter(|(b, _)| bits & b != 0)
            .map(|(_, c)| *c)
            .collect::<String>()
    };
    format!("u={},g={},o={}", one(6), one(3), one(0))
}

fn symbolic_mask(text: &str, mask: u32) -> Option<u32> {
    let mut allowed = !mask & 0o777;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let mut places = 0;
        for c in who.chars() {
            places |= match c {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        if who.is_empty() {
            places = 0o777;
        }
        let mut bits = 0;
        for c in rest[1..].chars() {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                _ => return None,
            };
        }
        match rest.as_bytes()[0] {
            b'+' => allowed |= bits & places,
            b'-' => allowed &= !(bits & places),
            _ => allowed = allowed & !places | bits & places,
        }
    }
    Some(!allowed & 0o777)
}

/// `times`
pub fn times(sh: &mut Shell, _: &[String], _: &Args<'_>) -> i32 {
    let t = sys::times();
    let text = format!(
        "{} {}\n{} {}\n",
        minutes(t.user),
        minutes(t.sys),
        minutes(t.children_user),
        minutes(t.children_sys)
    );
    sh.print("times", &text)
}

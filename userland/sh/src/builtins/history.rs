//! `history` and `fc`

use super::{Args, Flags};
use crate::shell::{Exec, Shell};

/// `history`
pub fn history(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let mut flags = Flags::new(argv, "cd:awrnps");
    let mut show = true;
    while let Some(flag) = flags.next() {
        show = false;
        match flag {
            Ok(('c', _)) => sh.history.clear(),
            Ok(('d', Some(place))) => {
                let Some(n) = place.parse::<i64>().ok().and_then(|n| sh.history.place(n)) else {
                    sh.error(&format!("history: {place}: history position out of range"));
                    return 1;
                };
                sh.history.remove(n);
            }
            Ok(('a' | 'w', _)) => {
                let path = file(sh, flags.rest());
                sh.history.save(&path);
            }
            Ok(('r' | 'n', _)) => {
                let path = file(sh, flags.rest());
                sh.history.load(&path);
            }
            Ok(('s', _)) => {
                let line = flags.rest().join(" ");
                sh.history.replace_last(line);
                return 0;
            }
            Ok(('p', _)) => {
                let text: String = flags.rest().iter().map(|w| format!("{w}\n")).collect();
                return sh.print("history", &text);
            }
            Ok(_) => {}
            Err(c) => return sh.usage("history", &format!("-{c}: invalid option")),
        }
    }
    if !show {
        return 0;
    }
    let count = match flags.rest().first() {
        None => usize::MAX,
        Some(word) => match word.parse() {
            Ok(n) => n,
            Err(_) => {
                sh.error(&format!("history: {word}: numeric argument required"));
                return 1;
            }
        },
    };
    let text: String = sh
        .history
        .numbered(count)
        .iter()
        .map(|(n, line)| format!("{n:>5}  {line}\n"))
        .collect();
    sh.print("history", &text)
}

fn file(sh: &Shell, rest: &[String]) -> String {
    rest.first()
        .cloned()
        .or_else(|| sh.vars.text("HISTFILE").map(str::to_owned))
        .unwrap_or_default()
}

/// `fc`: listing (`-l`) and running again (`-s`).
pub fn fc(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut list, mut bare, mut reverse, mut again) = (false, false, false, false);
    let mut at = 1;
    while let Some(word) = argv
        .get(at)
        .filter(|w| w.len() > 1 && w.starts_with('-') && !w[1..].starts_with(|c: char| c.is_ascii_digit()))
    {
        for c in word[1..].chars() {
            match c {
                'l' => list = true,
                'n' => bare = true,
                'r' => reverse = true,
                's' => again = true,
                'e' => at += 1,
                c => return Ok(sh.usage("fc", &format!("-{c}: invalid option"))),
            }
        }
        at += 1;
    }
    let words = argv.get(at..).unwrap_or_default();
    let all = sh.history.numbered(usize::MAX);
    // The command itself is the last entry.
    let all = &all[..all.len().saturating_sub(1)];
    if all.is_empty() {
        return Ok(if list { 0 } else { 1 });
    }
    let find = |word: &str| -> Option<usize> {
        match word.parse::<i64>() {
            Ok(n) if n <= 0 => all.len().checked_sub(n.unsigned_abs().max(1) as usize),
            Ok(n) => all.iter().position(|(number, _)| *number as i64 == n),
            Err(_) => all.iter().rposition(|(_, line)| line.starts_with(word)),
        }
    };
    if again || !list {
        let (change, word) = match words {
            [first, rest @ ..] if first.contains('=') => (first.split_once('='), rest.first()),
            rest => (None, rest.first()),
        };
        let Some(n) = word.map_or(Some(all.len() - 1), |w| find(w)) else {
            sh.error("fc: no command found");
            return Ok(1);
        };
        let mut line = all[n].1.clone();
        if let Some((old, new)) = change {
            line = line.replace(old, new);
        }
        let _ = crate::sys::write_all(2, format!("{line}\n").as_bytes());
        sh.history.replace_last(line.clone());
        return sh.run_text(&line);
    }
    let first = words.first().map_or(Some(all.len().saturating_sub(16)), |w| find(w));
    let last = words.get(1).map_or(Some(all.len() - 1), |w| find(w));
    let (Some(first), Some(last)) = (first, last) else {
        sh.error("fc: history specification out of range");
        return Ok(1);
    };
    let mut lines: Vec<String> = all[first.min(last)..=first.max(last)]
        .iter()
        .map(|(n, line)| {
            if bare {
                format!("\t {line}\n")
            } else {
                format!("{n}\t {line}\n")
            }
        })
        .collect();
    if reverse != (first > last) {
        lines.reverse();
    }
    Ok(sh.print("fc", &lines.concat()))
}

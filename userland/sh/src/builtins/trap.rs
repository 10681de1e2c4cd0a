//! `trap`

use super::{Args, Flags};
use crate::shell::{Exec, Shell};
use crate::text;
use crate::traps;

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut list, mut print) = (false, false);
    let mut flags = Flags::new(argv, "lp");
    // `trap - SIG` and `trap -- ...` are no options; a lone dash ends them.
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('l', _)) => list = true,
            Ok(_) => print = true,
            Err(c) => return Ok(sh.usage("trap", &format!("-{c}: invalid option"))),
        }
    }
    let words = flags.rest();
    if list {
        return super::run(sh, "kill", &["kill".to_owned(), "-l".to_owned()]);
    }
    if print || words.is_empty() {
        return Ok(show(sh, words));
    }
    let first = words[0].as_str();
    if words.len() == 1 {
        let Some(number) = traps::number(first) else {
            return Ok(sh.usage("trap", &format!("{first}: invalid signal specification")));
        };
        sh.traps.reset(number);
        return Ok(0);
    }
    // `trap 2 3`: a number in front resets all of them.
    let numeric = first.parse::<u32>().is_ok_and(|n| n <= 64);
    let (action, names) = match first {
        "-" => (None, &words[1..]),
        _ if numeric => (None, words),
        action => (Some(action), &words[1..]),
    };
    let mut status = 0;
    for name in names {
        match (traps::number(name), action) {
            (None, _) => {
                sh.error(&format!("trap: {name}: invalid signal specification"));
                status = 1;
            }
            (Some(number), Some(action)) => sh.traps.set(number, action),
            (Some(number), None) => sh.traps.reset(number),
        }
    }
    Ok(status)
}

fn show(sh: &mut Shell, names: &[String]) -> i32 {
    let mut status = 0;
    let mut wanted = Vec::new();
    for name in names {
        match traps::number(name) {
            Some(number) => wanted.push(number),
            None => {
                sh.error(&format!("trap: {name}: invalid signal specification"));
                status = 1;
            }
        }
    }
    let shown = sh.traps.shown();
    let line =
        |(number, action): &(u32, String)| format!("trap -- {} {}\n", text::quote_single(action), traps::name(*number));
    let out: String = if names.is_empty() {
        shown.iter().map(line).collect()
    } else {
        wanted
            .iter()
            .filter_map(|n| shown.iter().find(|(number, _)| number == n))
            .map(line)
            .collect()
    };
    match sh.print("trap", &out) {
        0 => status,
        failed => failed,
    }
}

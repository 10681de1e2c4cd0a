//! `complete`, `compgen`, `compopt`, `bind`: programmable completion is accepted and listed; `compgen` makes lists.

use super::{Args, Flags, NAMES};
use crate::shell::{Exec, Shell};

/// `complete`
pub fn complete(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    if argv.len() == 1 || argv[1] == "-p" {
        let mut all: Vec<_> = sh.completions.values().cloned().collect();
        all.sort_unstable();
        let text: String = all.iter().map(|l| format!("{l}\n")).collect();
        return sh.print("complete", &text);
    }
    let mut flags = Flags::new(argv, "abcdefgjksuvrDEIo:A:G:W:F:C:X:P:S:");
    let mut remove = false;
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('r', _)) => remove = true,
            Ok(_) => {}
            Err(c) => return sh.usage("complete", &format!("-{c}: invalid option")),
        }
    }
    let names = flags.rest();
    let options = argv[1..argv.len() - names.len()].join(" ");
    for name in names {
        if remove {
            sh.completions.remove(name);
        } else {
            sh.completions
                .insert(name.clone(), format!("complete {options} {name}"));
        }
    }
    0
}

/// `compopt`
pub fn compopt(_: &mut Shell, _: &[String], _: &Args<'_>) -> i32 {
    0
}

/// `bind`
pub fn bind(_: &mut Shell, _: &[String], _: &Args<'_>) -> i32 {
    0
}

/// `compgen`
pub fn compgen(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let mut flags = Flags::new(argv, "abcdefgjksuvo:A:G:W:F:C:X:P:S:");
    let mut found: Vec<String> = Vec::new();
    let mut kinds: Vec<char> = Vec::new();
    let (mut words, mut prefix, mut suffix) = (None, String::new(), String::new());
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('W', text)) => words = text.map(str::to_owned),
            Ok(('P', text)) => prefix = text.unwrap_or_default().to_owned(),
            Ok(('S', text)) => suffix = text.unwrap_or_default().to_owned(),
            Ok(('A', text)) => kinds.push(match text.unwrap_or_default() {
                "function" => 'F',
                "alias" => 'a',
                "builtin" => 'b',
                "command" => 'c',
                "directory" => 'd',
                "file" => 'f',
                "keyword" => 'k',
                "variable" => 'v',
                _ => ' ',
            }),
            Ok((c, _)) => kinds.push(c),
            Err(c) => return Ok(sh.usage("compgen", &format!("-{c}: invalid option"))),
        }
    }
    let start = flags.rest().first().cloned().unwrap_or_default();
    if let Some(words) = words {
        let text = sh.expand_value(&words);
        found.extend(text.split_whitespace().map(str::to_owned));
    }
    for kind in kinds {
        found.extend(candidates(sh, kind, &start));
    }
    let text: String = found
        .iter()
        .filter(|w| w.starts_with(&start))
        .map(|w| format!("{prefix}{w}{suffix}\n"))
        .collect();
    if text.is_empty() {
        return Ok(1);
    }
    Ok(sh.print("compgen", &text))
}

fn candidates(sh: &mut Shell, kind: char, start: &str) -> Vec<String> {
    let sorted = |mut all: Vec<String>| {
        all.sort_unstable();
        all
    };
    match kind {
        'a' => sorted(sh.aliases.keys().cloned().collect()),
        'b' => NAMES.iter().map(|n| (*n).to_owned()).collect(),
        'k' => super::names::KEYWORDS.iter().map(|n| (*n).to_owned()).collect(),
        'v' => sh.vars.names(),
        'e' => sh.vars.environment().iter().map(|(n, _)| (*n).to_owned()).collect(),
        'F' => sorted(sh.functions.keys().cloned().collect()),
        'c' => crate::interactive::commands(sh, start),
        'f' => crate::interactive::files(start, false),
        'd' => crate::interactive::files(start, true),
        _ => Vec::new(),
    }
}

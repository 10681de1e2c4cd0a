//! `alias` and `unalias`

use std::rc::Rc;

use super::{Args, Flags};
use crate::shell::Shell;
use crate::text::quote_single;

fn line(name: &str, text: &str) -> String {
    format!("alias {name}={}\n", quote_single(text))
}

/// `alias`
pub fn alias(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let words: Vec<&String> = argv[1..].iter().filter(|w| *w != "-p" && *w != "--").collect();
    let mut out = String::new();
    let mut status = 0;
    if words.is_empty() || argv.get(1).is_some_and(|w| w == "-p") {
        let mut all: Vec<_> = sh.aliases.iter().collect();
        all.sort_unstable();
        out = all.into_iter().map(|(name, text)| line(name, text)).collect();
    }
    for word in words {
        match word.split_once('=').filter(|(name, _)| !name.is_empty()) {
            Some((name, text)) => {
                Rc::make_mut(&mut sh.aliases).insert(name.to_owned(), text.to_owned());
            }
            None => match sh.aliases.get(word) {
                Some(text) => out.push_str(&line(word, text)),
                None => {
                    sh.error(&format!("alias: {word}: not found"));
                    status = 1;
                }
            },
        }
    }
    match sh.print("alias", &out) {
        0 => status,
        failed => failed,
    }
}

/// `unalias`
pub fn unalias(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let mut flags = Flags::new(argv, "a");
    match flags.next() {
        None => {}
        Some(Ok(_)) => {
            sh.aliases = Rc::default();
            return 0;
        }
        Some(Err(c)) => return sh.usage("unalias", &format!("-{c}: invalid option")),
    }
    if flags.rest().is_empty() {
        return sh.usage("unalias", "name required");
    }
    let mut status = 0;
    for name in flags.rest() {
        if Rc::make_mut(&mut sh.aliases).remove(name).is_none() {
            sh.error(&format!("unalias: {name}: not found"));
            status = 1;
        }
    }
    status
}

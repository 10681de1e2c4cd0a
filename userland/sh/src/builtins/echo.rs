//! `echo`

use super::Args;
use crate::shell::Shell;
use crate::text::{self, Dialect};

/// Runs it.
pub fn run(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let mut newline = true;
    let mut escapes = sh.shopts.xpg_echo;
    let mut words = &argv[1..];
    while let Some(word) = words.first() {
        let letters = word.strip_prefix('-').unwrap_or_default();
        if letters.is_empty() || !letters.bytes().all(|b| matches!(b, b'n' | b'e' | b'E')) {
            break;
        }
        for letter in letters.bytes() {
            match letter {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = &words[1..];
    }
    let mut out = String::with_capacity(words.iter().map(|w| w.len() + 1).sum());
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        if !escapes {
            out.push_str(word);
            continue;
        }
        let (text, stop) = text::unescape(word, Dialect::Echo);
        out.push_str(&text);
        if stop {
            return sh.print("echo", &out);
        }
    }
    if newline {
        out.push('\n');
    }
    sh.print("echo", &out)
}

//! File names that match a pattern.

use std::fs;

use crate::options::Shopts;
use crate::pattern::{Pattern, is_special};
use crate::sys;
use crate::text::{from_os, to_os};

/// Deepest directory that `**` goes down to.
const MAX_DEPTH: usize = 64;

/// Paths that match, sorted; none if none do.
pub fn glob(pattern: &str, shopts: &Shopts) -> Vec<String> {
    let (mut base, rest) = match pattern.strip_prefix('/') {
        Some(rest) => ("/".to_owned(), rest),
        None => (String::new(), pattern),
    };
    let mut rest = rest;
    while let Some(r) = rest.strip_prefix('/') {
        base.push('/');
        rest = r;
    }
    let pieces: Vec<&str> = split(rest);
    let mut found = Vec::new();
    walk(&base, &pieces, shopts, &mut found, 0);
    found.sort_unstable();
    found.dedup();
    found
}

/// Splits at slashes that are not inside an extended pattern or a bracket expression.
fn split(pattern: &str) -> Vec<&str> {
    let bytes = pattern.as_bytes();
    let (mut pieces, mut start, mut parens, mut i) = (Vec::new(), 0, 0usize, 0);
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            b'(' if i > 0 && b"?*+@!".contains(&bytes[i - 1]) => parens += 1,
            b')' => parens = parens.saturating_sub(1),
            b'/' if parens == 0 => {
                pieces.push(&pattern[start..i]);
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    pieces.push(&pattern[start..]);
    pieces
}

fn walk(base: &str, pieces: &[&str], shopts: &Shopts, found: &mut Vec<String>, depth: usize) {
    let Some((piece, rest)) = pieces.split_first() else {
        found.push(base.to_owned());
        return;
    };
    if *piece == "**" && shopts.globstar && depth < MAX_DEPTH {
        return globstar(base, rest, shopts, found, depth);
    }
    if piece.is_empty() {
        // Slashes in a row, or at the end: only directories.
        if !sys::stat(base, true).is_ok_and(|s| s.is_dir()) {
            return;
        }
        let base = if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}/")
        };
        return walk(&base, rest, shopts, found, depth);
    }
    if !is_special(piece, shopts.extglob) {
        let path = format!("{base}{}", unescape(piece));
        if sys::stat(&path, !rest.is_empty()).is_err() {
            return;
        }
        return descend(path, rest, shopts, found, depth);
    }
    let pattern = Pattern::new(piece, shopts.extglob, shopts.nocaseglob);
    for (name, is_dir) in entries(base) {
        let hidden = name.starts_with('.') && !shopts.dotglob && !pattern.begins_with_dot();
        if hidden || !rest.is_empty() && is_dir == Some(false) || !pattern.matches(&name) {
            continue;
        }
        descend(format!("{base}{name}"), rest, shopts, found, depth);
    }
    if pattern.begins_with_dot() && !shopts.globskipdots {
        for name in [".", ".."] {
            if pattern.matches(name) {
                descend(format!("{base}{name}"), rest, shopts, found, depth);
            }
        }
    }
}

fn descend(path: String, rest: &[&str], shopts: &Shopts, found: &mut Vec<String>, depth: usize) {
    if rest.is_empty() {
        found.push(path);
    } else {
        walk(&format!("{path}/"), rest, shopts, found, depth);
    }
}

fn globstar(base: &str, rest: &[&str], shopts: &Shopts, found: &mut Vec<String>, depth: usize) {
    if rest.is_empty() {
        if !base.is_empty() {
            found.push(base.to_owned());
        }
    } else {
        walk(base, rest, shopts, found, depth);
    }
    for (name, is_dir) in entries(base) {
        if name.starts_with('.') && !shopts.dotglob {
            continue;
        }
        let path = format!("{base}{name}");
        let is_dir = is_dir.unwrap_or(false);
        if is_dir && depth < MAX_DEPTH {
            let inner = format!("{path}/");
            if rest.is_empty() {
                found.push(path);
                globstar_below(&inner, shopts, found, depth + 1);
            } else {
                globstar(&inner, rest, shopts, found, depth + 1);
            }
        } else if rest.is_empty() {
            found.push(path);
        }
    }
}

/// Everything below a directory.
fn globstar_below(base: &str, shopts: &Shopts, found: &mut Vec<String>, depth: usize) {
    for (name, is_dir) in entries(base) {
        if name.starts_with('.') && !shopts.dotglob {
            continue;
        }
        let path = format!("{base}{name}");
        let inner = format!("{path}/");
        found.push(path);
        if is_dir == Some(true) && depth < MAX_DEPTH {
            globstar_below(&inner, shopts, found, depth + 1);
        }
    }
}

/// Names in a directory; whether each is one itself (unknown for links).
fn entries(base: &str) -> Vec<(String, Option<bool>)> {
    let path = if base.is_empty() { "." } else { base };
    let Ok(dir) = fs::read_dir(to_os(path)) else {
        return Vec::new();
    };
    dir.flatten()
        .map(|entry| {
            let kind = entry.file_type().ok();
            let is_dir = kind.filter(|k| !k.is_symlink()).map(|k| k.is_dir());
            (from_os(entry.file_name()), is_dir)
        })
        .filter(|(name, _)| name != "." && name != "..")
        .collect()
}

fn unescape(piece: &str) -> String {
    let mut out = String::with_capacity(piece.len());
    let mut chars = piece.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or('\\') } else { c });
    }
    out
}

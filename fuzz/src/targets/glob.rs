//! Path patterns: the compiled matcher against a recursive one.

use agentos::Policy;
use agentos::policy::Operation;
use serde_json::json;

/// The first line is the pattern, the others are paths.
pub(crate) fn run(bytes: &[u8]) {
    // Letters that meet often, so that random bytes are patterns.
    let letters: String = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect();
    for text in [String::from_utf8_lossy(bytes).as_ref(), letters.as_str()] {
        let mut lines = text.lines();
        let Some(pattern) = lines.next() else { continue };
        let config = json!({ "fs": { "rules": [{ "mode": "allow", "paths": [pattern] }] } });
        let Ok(policy) = Policy::from_json(&config) else {
            continue;
        };
        for path in lines.filter(|path| is_real(path)).take(32) {
            let expected = matches!(pattern, "*" | "**") || matches(&parts(pattern), &parts(path));
            let found = policy.check(Operation::FsRead, path.as_bytes()).is_ok();
            assert_eq!(found, expected, "{pattern:?} on {path:?}");
        }
    }
}

fn is_real(path: &str) -> bool {
    let normal = |part: &str| !matches!(part, "" | "." | "..");
    path == "/" || (path.len() < 64 && path.starts_with('/') && path.split('/').skip(1).all(normal))
}

fn parts(path: &str) -> Vec<&[u8]> {
    path.split('/')
        .filter(|part| !part.is_empty())
        .map(str::as_bytes)
        .collect()
}

fn matches(pattern: &[&[u8]], parts: &[&[u8]]) -> bool {
    match (pattern, parts) {
        ([], []) => true,
        ([b"**", rest @ ..], _) => (0..=parts.len()).any(|skip| matches(rest, &parts[skip..])),
        ([segment, rest @ ..], [part, others @ ..]) => glob(segment, part) && matches(rest, others),
        _ => false,
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        ([b'?', rest @ ..], [_, others @ ..]) => glob(rest, others),
        ([wanted, rest @ ..], [byte, others @ ..]) => wanted == byte && glob(rest, others),
        _ => false,
    }
}

const LETTERS: &[u8] = b"//ab.*?*\n/a";

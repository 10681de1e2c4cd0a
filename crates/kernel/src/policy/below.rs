//! Whether rules tell apart what lies below a directory.
//!
//! Renaming a directory renames everything in it. Most rules are about whole trees (`/work/**`), and then one answer holds for
//! all that is below a directory and nobody needs to look at every entry.

use super::glob;
use super::operation::Scope;
use super::policy::Policy;
use super::rules::kind;

/// How a pattern relates to the paths below a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// It matches none of them.
    None,
    /// It matches all of them.
    All,
    /// It may match some.
    Some,
}

impl Policy {
    /// Whether every decision about files is the same for all paths below directory `dir`, itself not included. May say no where
    /// that is so.
    pub(crate) fn is_uniform_below(&self, dir: &[u8]) -> bool {
        let Some(rules) = self.rule_set(Scope::Fs) else {
            return true;
        };
        let mut patterns = rules.rules.iter().flat_map(|rule| &rule.patterns);
        patterns.all(|pattern| relation(pattern, dir) != Relation::Some)
    }
}

fn relation(pattern: &str, dir: &[u8]) -> Relation {
    if glob::is_everything(kind(Scope::Fs), pattern) {
        return Relation::All;
    }
    let mut parts = pattern.as_bytes().split(|byte| *byte == b'/').skip(1).peekable();
    let names = dir.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    for name in names {
        match parts.next() {
            // The pattern names something above, or the directory itself.
            None => return Relation::None,
            Some(b"**") => return any_depth(parts.peek().is_none()),
            Some(part) if segment(part, name) => {}
            Some(_) => return Relation::None,
        }
    }
    match parts.next() {
        None => Relation::None,
        Some(b"**") => any_depth(parts.peek().is_none()),
        Some(_) => Relation::Some,
    }
}

fn any_depth(is_last: bool) -> Relation {
    match is_last {
        true => Relation::All,
        false => Relation::Some,
    }
}

/// Whether a segment of a pattern matches a name.
fn segment(part: &[u8], name: &[u8]) -> bool {
    // Where to go on after the last `*`, if what followed it did not fit: one byte further in the name.
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        match part.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
            }
            Some(byte) if *byte == b'?' || name.get(n) == Some(byte) => (p, n) = (p + 1, n + 1),
            _ => match retry {
                Some((after, at)) => {
                    (p, n) = (after, at);
                    retry = Some((after, at + 1));
                }
                None => return false,
            },
        }
    }
    part.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_relate_to_what_is_below() {
        for (pattern, dir, expected) in [
            ("/work/**", "/work", Relation::All),
            ("/work/**", "/work/a", Relation::All),
            ("/work/**", "/", Relation::Some),
            ("/work/**", "/worker", Relation::None),
            ("/**", "/x", Relation::All),
            ("/work/*", "/work", Relation::Some),
            ("/work/*", "/work/a", Relation::None),
            ("/work/*/b", "/work/a", Relation::Some),
            ("/w?rk/**", "/work/a/b", Relation::All),
            ("/**/.env", "/work", Relation::Some),
            ("/work/a", "/work/a", Relation::None),
            ("/work/a/b", "/work/a", Relation::Some),
            ("/work/ab*/x/**", "/work/abc/x/y", Relation::All),
            ("/work/ab*/x/**", "/work/bbc/x/y", Relation::None),
        ] {
            assert_eq!(relation(pattern, dir.as_bytes()), expected, "{pattern} below {dir}");
        }
    }

    #[test]
    fn segments_match_as_globs_do() {
        for (part, name, expected) in [
            ("*", "abc", true),
            ("a*c", "abcbc", true),
            ("a*c", "ab", false),
            ("a?c", "abc", true),
            ("*a*b*", "xxaxbx", true),
            ("*a*b", "xxaxbx", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(segment(part.as_bytes(), name.as_bytes()), expected, "{part} {name}");
        }
    }
}

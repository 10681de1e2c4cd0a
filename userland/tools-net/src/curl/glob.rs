//! `{a,b}` and `[1-9]` in URLs, and `#1` in file names.

use crate::engine::{Exit, Failure, Result};

/// A URL with what its sets and ranges were in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) url: String,
    pub(super) values: Vec<String>,
}

/// All URLs that a pattern means.
pub(super) fn expand(pattern: &str) -> Result<Vec<Expanded>> {
    let mut all = vec![Expanded {
        url: String::new(),
        values: Vec::new(),
    }];
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let (choices, used) = match first {
            '{' => set(rest)?,
            '[' => match range(rest)? {
                Some(found) => found,
                None => {
                    // An IPv6 address keeps its brackets.
                    let end = rest.find(']').map_or(rest.len(), |at| at + 1);
                    let (literal, after) = rest.split_at(end);
                    all.iter_mut().for_each(|one| one.url.push_str(literal));
                    rest = after;
                    continue;
                }
            },
            '}' | ']' => return Err(bad("unmatched close brace/bracket", pattern)),
            _ => {
                let (c, used) = literal(rest);
                all.iter_mut().for_each(|one| one.url.push(c));
                rest = rest.get(used..).unwrap_or_default();
                continue;
            }
        };
        if all.len().saturating_mul(choices.len()) > MOST {
            return Err(bad("range overflow", pattern));
        }
        all = multiplied(&all, &choices);
        rest = rest.get(used..).unwrap_or_default();
    }
    Ok(all)
}

/// `#1` to `#9` in a name replaced by what the pattern's parts were.
pub(super) fn substitute(name: &str, values: &[String]) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('#') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let digits = after[1..].bytes().take_while(u8::is_ascii_digit).count();
        let number = after.get(1..=digits).and_then(|digits| digits.parse::<usize>().ok());
        match number.and_then(|number| values.get(number.checked_sub(1)?)) {
            Some(value) => {
                out.push_str(&value.replace(['/', '\\'], "_"));
                rest = after.get(1 + digits..).unwrap_or_default();
            }
            None => {
                out.push('#');
                rest = &after[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn multiplied(all: &[Expanded], choices: &[String]) -> Vec<Expanded> {
    all.iter()
        .flat_map(|one| {
            choices.iter().map(|choice| {
                let mut next = one.clone();
                next.url.push_str(choice);
                next.values.push(choice.clone());
                next
            })
        })
        .collect()
}

/// A character, which a backslash before a brace or bracket protects.
fn literal(text: &str) -> (char, usize) {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(c @ ('{' | '}' | '[' | ']'))) => (c, 2),
        (Some(c), _) => (c, c.len_utf8()),
        (None, _) => ('\0', 1),
    }
}

fn set(text: &str) -> Result<(Vec<String>, usize)> {
    let mut choices = vec![String::new()];
    let mut rest = &text[1..];
    loop {
        let used = match rest.chars().next() {
            None => return Err(bad("unmatched brace", text)),
            Some('}') => {
                let used = text.len() - rest.len() + 1;
                return Ok((choices, used));
            }
            Some('{' | '[') => return Err(bad("nested brace", text)),
            Some(',') => {
                choices.push(String::new());
                1
            }
            Some(_) => {
                let (c, used) = literal(rest);
                if let Some(last) = choices.last_mut() {
                    last.push(c);
                }
                used
            }
        };
        rest = rest.get(used..).unwrap_or_default();
    }
}

/// `[1-5]`, `[001-100:10]`, `[a-z]`; `None` for an address.
fn range(text: &str) -> Result<Option<(Vec<String>, usize)>> {
    let end = text.find(']').ok_or_else(|| bad("bad range", text))?;
    let inner = text.get(1..end).unwrap_or_default();
    if inner.contains("::") || inner.matches(':').count() > 1 {
        return Ok(None);
    }
    let (bounds, step) = inner.split_once(':').unwrap_or((inner, "1"));
    let (first, last) = bounds.split_once('-').ok_or_else(|| bad("bad range", text))?;
    let step: u64 = step
        .parse()
        .ok()
        .filter(|step| *step > 0)
        .ok_or_else(|| bad("bad range", text))?;
    let choices = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(from), Ok(to)) => {
            let width = if first.starts_with('0') { first.len() } else { 0 };
            steps(from, to, step, text)?
                .into_iter()
                .map(|n| format!("{n:0width$}"))
                .collect()
        }
        _ => letters(first, last, step, text)?,
    };
    Ok(Some((choices, end + 1)))
}

fn letters(first: &str, last: &str, step: u64, text: &str) -> Result<Vec<String>> {
    let (&[from], &[to]) = (first.as_bytes(), last.as_bytes()) else {
        return Err(bad("bad range", text));
    };
    if !from.is_ascii_alphabetic() || !to.is_ascii_alphabetic() {
        return Err(bad("bad range", text));
    }
    let codes = steps(u64::from(from), u64::from(to), step, text)?;
    Ok(codes
        .into_iter()
        .filter_map(|code| u8::try_from(code).ok())
        .map(|code| char::from(code).to_string())
        .collect())
}

fn steps(from: u64, to: u64, step: u64, text: &str) -> Result<Vec<u64>> {
    if from > to || (to - from) / step >= MOST as u64 {
        return Err(bad("bad range", text));
    }
    let count = (to - from) / step;
    Ok((0..=count).map(|at| from + at * step).collect())
}

fn bad(what: &str, pattern: &str) -> Failure {
    Failure::new(Exit::UrlMalformed, format!("{what} in URL pattern: {pattern}"))
}

/// Most URLs of a pattern.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(pattern: &str) -> Vec<String> {
        expand(pattern).unwrap().into_iter().map(|one| one.url).collect()
    }

    #[test]
    fn sets_and_ranges_multiply() {
        assert_eq!(urls("h/{a,b}[1-2]"), ["h/a1", "h/a2", "h/b1", "h/b2"]);
        assert_eq!(urls("h/[08-12:2]"), ["h/08", "h/10", "h/12"]);
        assert_eq!(urls("h/[a-c]"), ["h/a", "h/b", "h/c"]);
        assert_eq!(urls("h/\\{a\\}"), ["h/{a}"]);
        assert_eq!(
            urls("http://[::1]:80/[1-2]"),
            ["http://[::1]:80/1", "http://[::1]:80/2"]
        );
    }

    #[test]
    fn names_take_the_values() {
        let one = &expand("h/{a/x,b}/[7-7]").unwrap()[0];
        assert_eq!(substitute("f_#1_#2_#3_#", &one.values), "f_a_x_7_#3_#");
    }

    #[test]
    fn broken_patterns_are_refused() {
        for bad in [
            "h/{a",
            "h/[1-",
            "h/[5-1]",
            "h/a}",
            "h/{a{b}}",
            "h/[1-999999999]",
            "h/[1-9:0]",
            "h/[1-a]",
        ] {
            assert_eq!(expand(bad).unwrap_err().exit, Exit::UrlMalformed, "{bad}");
        }
    }
}

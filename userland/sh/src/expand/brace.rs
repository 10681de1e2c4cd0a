//! `{a,b}` and `{1..9}`, on words as they were parsed.

use crate::ast::{Part, Word};

/// Most words that one word becomes.
pub(super) const MAX_WORDS: usize = 1_000_000;

/// A character that may belong to a brace expression, or a part that cannot.
#[derive(Debug, Clone)]
enum Item {
    Char(char),
    Part(Part),
}

/// The words that a word stands for; `None` if they are too many.
pub(super) fn expand(word: &Word) -> Option<Vec<Word>> {
    let mut over = false;
    let mut items = Vec::new();
    for part in &word.parts {
        match part {
            Part::Lit(text) => items.extend(text.chars().map(Item::Char)),
            other => items.push(Item::Part(other.clone())),
        }
    }
    let all = expand_items(&items, 0, &mut over);
    (!over).then(|| all.into_iter().map(|items| rebuild(word, items)).collect())
}

fn rebuild(word: &Word, items: Vec<Item>) -> Word {
    let mut parts = Vec::new();
    let mut text = String::new();
    for item in items {
        match item {
            Item::Char(c) => text.push(c),
            Item::Part(part) => {
                if !text.is_empty() {
                    parts.push(Part::Lit(std::mem::take(&mut text)));
                }
                parts.push(part);
            }
        }
    }
    if !text.is_empty() {
        parts.push(Part::Lit(text));
    }
    if let Some(Part::Lit(text)) = parts.first()
        && let Some(rest) = text.strip_prefix('~')
        && word.raw.starts_with('{')
    {
        let end = rest.find('/').unwrap_or(rest.len());
        let (name, tail) = (rest[..end].to_owned(), rest[end..].to_owned());
        parts[0] = Part::Lit(tail);
        parts.insert(0, Part::Tilde(name));
    }
    Word {
        parts,
        raw: word.raw.clone(),
        braces: false,
        assign: None,
    }
}

fn expand_items(items: &[Item], depth: usize, over: &mut bool) -> Vec<Vec<Item>> {
    if depth > 50 {
        return vec![items.to_vec()];
    }
    let mut from = 0;
    while let Some(open) = position(items, from, '{') {
        let Some((close, alternatives)) = group(items, open, depth, over) else {
            from = open + 1;
            continue;
        };
        let tails = expand_items(&items[close + 1..], depth + 1, over);
        *over |= alternatives.len().saturating_mul(tails.len()) > MAX_WORDS;
        if *over {
            return Vec::new();
        }
        let mut all = Vec::new();
        for middle in alternatives {
            for tail in &tails {
                let mut one = items[..open].to_vec();
                one.extend(middle.iter().cloned());
                one.extend(tail.iter().cloned());
                all.push(one);
            }
        }
        return all;
    }
    vec![items.to_vec()]
}

fn position(items: &[Item], from: usize, wanted: char) -> Option<usize> {
    (from..items.len()).find(|i| matches!(items[*i], Item::Char(c) if c == wanted))
}

/// The end of the group that opens at `open`, and what it stands for.
fn group(items: &[Item], open: usize, depth: usize, over: &mut bool) -> Option<(usize, Vec<Vec<Item>>)> {
    let mut level = 0usize;
    let mut commas = Vec::new();
    for (i, item) in items.iter().enumerate().skip(open) {
        let Item::Char(c) = item else { continue };
        match c {
            '{' => level += 1,
            '}' => {
                level -= 1;
                if level == 0 {
                    return close(items, open, i, &commas, (depth, over)).map(|all| (i, all));
                }
            }
            ',' if level == 1 => commas.push(i),
            _ => {}
        }
    }
    None
}

fn close(
    items: &[Item],
    open: usize,
    end: usize,
    commas: &[usize],
    (depth, over): (usize, &mut bool),
) -> Option<Vec<Vec<Item>>> {
    if commas.is_empty() {
        let text: Option<String> = items[open + 1..end]
            .iter()
            .map(|item| match item {
                Item::Char(c) => Some(*c),
                Item::Part(_) => None,
            })
            .collect();
        let words = sequence(&text?, over)?;
        return Some(words.into_iter().map(|w| w.chars().map(Item::Char).collect()).collect());
    }
    let mut all = Vec::new();
    let mut start = open + 1;
    for stop in commas.iter().copied().chain([end]) {
        all.extend(expand_items(&items[start..stop], depth + 1, over));
        start = stop + 1;
    }
    Some(all)
}

/// `a..b` and `a..b..step`.
fn sequence(text: &str, over: &mut bool) -> Option<Vec<String>> {
    let mut pieces = text.split("..");
    let (first, last, step) = (pieces.next()?, pieces.next()?, pieces.next());
    if pieces.next().is_some() {
        return None;
    }
    let step: i64 = match step {
        Some(step) => step.parse().ok()?,
        None => 1,
    };
    if let (Ok(a), Ok(b)) = (first.parse::<i64>(), last.parse::<i64>()) {
        let padded = |t: &str| t.trim_start_matches('-').starts_with('0') && t.trim_start_matches('-').len() > 1;
        let width = if padded(first) || padded(last) {
            first.len().max(last.len())
        } else {
            0
        };
        return Some(range(a, b, step, over).into_iter().map(|n| pad(n, width)).collect());
    }
    let single = |t: &str| {
        let mut chars = t.chars();
        let c = chars.next()?;
        (chars.next().is_none() && c.is_ascii_alphabetic()).then_some(c)
    };
    let (a, b) = (single(first)?, single(last)?);
    let codes = range(a as i64, b as i64, step, over);
    Some(
        codes
            .into_iter()
            .filter_map(|n| char::from_u32(n as u32).map(String::from))
            .collect(),
    )
}

fn pad(n: i64, width: usize) -> String {
    if n < 0 {
        format!("-{:0width$}", n.unsigned_abs(), width = width.saturating_sub(1))
    } else {
        format!("{n:0width$}")
    }
}

fn range(from: i64, to: i64, step: i64, over: &mut bool) -> Vec<i64> {
    let step = step.checked_abs().filter(|s| *s != 0).unwrap_or(1);
    let mut all = Vec::new();
    let mut n = from;
    loop {
        *over |= all.len() >= MAX_WORDS;
        if from <= to && n > to || from > to && n < to || *over {
            return all;
        }
        all.push(n);
        let next = if from <= to {
            n.checked_add(step)
        } else {
            n.checked_sub(step)
        };
        match next {
            Some(next) => n = next,
            None => return all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let all = expand(&Word::literal(text)).unwrap();
        all.iter()
            .map(|w| w.as_literal().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn braces() {
        assert_eq!(words("a{b,c}d"), ["abd", "acd"]);
        assert_eq!(words("{1..3}"), ["1", "2", "3"]);
        assert_eq!(words("{01..10..5}"), ["01", "06"]);
        assert_eq!(words("{c..a}"), ["c", "b", "a"]);
        assert_eq!(words("{a,b{1,2}}"), ["a", "b1", "b2"]);
        assert_eq!(words("{a}"), ["{a}"]);
        assert_eq!(words("{,x}y"), ["y", "xy"]);
        assert_eq!(words("a{b"), ["a{b"]);
        assert_eq!(words("{a,b}{1,2}"), ["a1", "a2", "b1", "b2"]);
        assert!(expand(&Word::literal("{1..99999999999}")).is_none());
        assert!(expand(&Word::literal(&"{1..100}".repeat(9))).is_none());
    }
}

//! The `s` and `y` commands.

use super::script::{Case, Part, Substitute, Translate};
use crate::regex::{Groups, Regex};

/// Carries out `s` on `space`; returns whether anything was replaced. `out` and `groups` are scratch.
pub fn substitute(
    found: &Substitute,
    regex: &Regex,
    space: &mut Vec<u8>,
    out: &mut Vec<u8>,
    groups: &mut Groups,
) -> bool {
    let mut from = 0;
    let mut copied = 0;
    let mut count = 0;
    let mut last_end = None;
    let mut replaced = false;
    out.clear();
    while from <= space.len() {
        let Some((start, end)) = search(found, regex, space, from, groups) else {
            break;
        };
        if start == end && last_end == Some(start) {
            from = start + step(space, start);
            continue;
        }
        count += 1;
        last_end = Some(end);
        if count >= found.number.max(1) {
            out.extend_from_slice(&space[copied..start]);
            append(out, &found.replacement, space, groups);
            copied = end;
            replaced = true;
            if !found.global {
                break;
            }
        }
        from = if start == end { end + step(space, end) } else { end };
    }
    if replaced {
        out.extend_from_slice(&space[copied.min(space.len())..]);
        std::mem::swap(space, out);
    }
    replaced
}

fn search(found: &Substitute, regex: &Regex, space: &[u8], from: usize, groups: &mut Groups) -> Option<(usize, usize)> {
    if found.needs_groups {
        return regex.captures_at(space, from, groups).then(|| groups[0]).flatten();
    }
    let whole = regex.find_at(space, from)?;
    groups.clear();
    groups.push(Some(whole));
    Some(whole)
}

/// Length of the character at `at`.
fn step(space: &[u8], at: usize) -> usize {
    if at >= space.len() {
        1
    } else {
        crate::regex::literal_at(&space[at..]).1
    }
}

fn append(out: &mut Vec<u8>, parts: &[Part], space: &[u8], groups: &Groups) {
    let mut case: Option<Case> = None;
    let mut once: Option<Case> = None;
    for part in parts {
        let text = match part {
            Part::Case(Case::End) => {
                (case, once) = (None, None);
                continue;
            }
            Part::Case(next @ (Case::UpperNext | Case::LowerNext)) => {
                once = Some(*next);
                continue;
            }
            Part::Case(next) => {
                if (*next, once) == (Case::Upper, Some(Case::LowerNext)) {
                    once = None;
                }
                case = Some(*next);
                continue;
            }
            Part::Literal(text) => text.as_slice(),
            Part::Group(number) => match groups.get(*number).copied().flatten() {
                Some((start, end)) => &space[start..end],
                None => continue,
            },
        };
        if case.is_none() && once.is_none() {
            out.extend_from_slice(text);
        } else if !text.is_empty() {
            convert(out, text, case, once.take());
        }
    }
}

fn convert(out: &mut Vec<u8>, text: &[u8], case: Option<Case>, once: Option<Case>) {
    let shown = String::from_utf8_lossy(text);
    let mut first = once;
    for character in shown.chars() {
        let mode = first.take().or(case);
        let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        match mode {
            Some(Case::Upper | Case::UpperNext) => character.to_uppercase().for_each(&mut push),
            Some(Case::Lower | Case::LowerNext) => character.to_lowercase().for_each(&mut push),
            _ => push(character),
        }
    }
}

/// Carries out `y` on `space`.
pub fn translate(table: &Translate, space: &mut Vec<u8>) {
    if table.chars.is_empty() {
        for byte in space.iter_mut() {
            *byte = table.bytes[usize::from(*byte)];
        }
        return;
    }
    let mut out = Vec::with_capacity(space.len());
    let mut at = 0;
    while at < space.len() {
        let length = step(space, at);
        let unit = &space[at..at + length];
        at += length;
        let character = std::str::from_utf8(unit).ok().and_then(|text| text.chars().next());
        match table.chars.iter().find(|(from, _)| Some(*from) == character) {
            Some((_, to)) => out.extend_from_slice(to),
            None if length == 1 => out.push(table.bytes[usize::from(unit[0])]),
            None => out.extend_from_slice(unit),
        }
    }
    *space = out;
}

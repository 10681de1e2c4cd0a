//! `match`, `split`, `patsplit`, `sub`, `gsub` and `gensub`.

use super::ast::{Expr, special};
use super::interp::{Interp, Run, Stop, key};
use super::record::{self, Splitter};
use super::regexes::Compiled;
use super::value::{Cell, Value};
use super::{splitting, text};
use crate::regex::Groups;
use std::rc::Rc;

impl<'p> Interp<'p> {
    /// `match(text, regex[, array])`.
    pub(super) fn match_function(&mut self, args: &'p [Expr]) -> Run<f64> {
        let subject = self.text(&args[0])?;
        let compiled = self.compiled(&args[1])?;
        let mut groups = std::mem::take(&mut self.groups);
        let found = match args.get(2) {
            Some(_) => compiled
                .regex
                .captures_at(&subject, 0, &mut groups)
                .then(|| groups[0])
                .flatten(),
            None => compiled.regex.find_at(&subject, 0),
        };
        let place = |from: usize, to: usize| (text::length(&subject[..from]) + 1, text::length(&subject[from..to]));
        if let Some(array) = args.get(2) {
            let array = self.array_argument(array)?;
            let mut array = array.borrow_mut();
            array.clear();
            if found.is_some() {
                for (number, group) in groups.iter().enumerate() {
                    let Some((from, to)) = *group else { continue };
                    let (start, length) = place(from, to);
                    let name = number.to_string().into_bytes();
                    let part = |suffix: &[u8]| key([&name, self.subsep.as_slice(), suffix].concat());
                    array.insert(part(b"start"), Value::Number(start as f64));
                    array.insert(part(b"length"), Value::Number(length as f64));
                    array.insert(key(name), Value::input(&subject[from..to]));
                }
            }
        }
        self.groups = groups;
        let (start, length) = match found {
            Some((from, to)) => {
                let (start, length) = place(from, to);
                (start as f64, length as f64)
            }
            None => (0.0, -1.0),
        };
        self.globals[special::RSTART] = Cell::Scalar(Value::Number(start));
        self.globals[special::RLENGTH] = Cell::Scalar(Value::Number(length));
        Ok(start)
    }

    /// `split(text, array[, separator[, separators]])` and `patsplit`.
    pub(super) fn split(&mut self, args: &'p [Expr], by_content: bool) -> Run<f64> {
        let subject = self.text(&args[0])?;
        let splitter = match args.get(2) {
            Some(Expr::Regex(regex)) if by_content => Splitter::Content(Rc::clone(regex)),
            Some(Expr::Regex(regex)) if !self.cache.ignores_case() => {
                // `/ /` is one blank, unlike `" "`.
                if regex.source == b" " {
                    Splitter::Byte(b' ')
                } else {
                    Splitter::Regex(Rc::clone(regex))
                }
            }
            Some(separator) => {
                let separator = self.text(separator)?;
                if by_content {
                    Splitter::Content(self.cache.get(&separator)?)
                } else {
                    splitting::splitter(&separator, &mut self.cache)?
                }
            }
            None if by_content => Splitter::Content(self.cache.get(b"[^[:space:]]+")?),
            None => {
                let Cell::Scalar(fs) = &self.globals[special::FS] else {
                    return Ok(0.0);
                };
                splitting::splitter(&fs.to_text(b"%.6g"), &mut self.cache)?
            }
        };
        let array = self.array_argument(&args[1])?;
        let mut extents = Vec::new();
        record::split(&subject, &splitter, false, |start, end| extents.push((start, end)));
        let mut array = array.borrow_mut();
        array.clear();
        for (index, (start, end)) in extents.iter().enumerate() {
            array.insert(
                key((index + 1).to_string().into_bytes()),
                Value::input(&subject[*start..*end]),
            );
        }
        drop(array);
        if let Some(separators) = args.get(3) {
            let separators = self.array_argument(separators)?;
            let mut separators = separators.borrow_mut();
            separators.clear();
            let first = if by_content || matches!(splitter, Splitter::Blanks) {
                0
            } else {
                1
            };
            let bounds: Vec<usize> = std::iter::once(0)
                .chain(extents.iter().flat_map(|(start, end)| [*start, *end]))
                .chain(std::iter::once(subject.len()))
                .collect();
            for (number, pair) in bounds.chunks(2).enumerate().skip(first) {
                let inner = number > 0 && number < extents.len();
                if inner || (first == 0 && pair[1] > pair[0]) {
                    separators.insert(
                        key(number.to_string().into_bytes()),
                        Value::text(&subject[pair[0]..pair[1]]),
                    );
                }
            }
        }
        Ok(extents.len() as f64)
    }

    /// `sub` and `gsub`.
    pub(super) fn substitute(&mut self, args: &'p [Expr], all: bool) -> Run<f64> {
        let compiled = self.compiled(&args[0])?;
        let replacement = self.text(&args[1])?;
        let subject = match args.get(2) {
            Some(target) => self.text(target)?,
            None => Rc::new(self.record.text(&self.ofs, &self.convfmt).to_vec()),
        };
        let parts = plain_parts(&replacement);
        let mut out = Vec::new();
        let which = if all { 0 } else { 1 };
        let count = replace(&compiled, &subject, which, &parts, &mut out, &mut self.groups);
        if count > 0 {
            let value = Value::text(out);
            match args.get(2) {
                Some(target @ (Expr::Var(_) | Expr::Field(_) | Expr::Element(..))) => self.assign(target, value)?,
                Some(_) => {}
                None => self.set_field(0, value)?,
            }
        }
        Ok(count as f64)
    }

    /// `gensub(regex, replacement, how[, target])`.
    pub(super) fn gensub(&mut self, args: &'p [Expr]) -> Run<Value> {
        let compiled = self.compiled(&args[0])?;
        let replacement = self.text(&args[1])?;
        let how = self.eval(&args[2])?;
        let subject = match args.get(3) {
            Some(target) => self.text(target)?,
            None => Rc::new(self.record.text(&self.ofs, &self.convfmt).to_vec()),
        };
        let how_text = how.to_text(b"%.6g");
        let which = if matches!(how_text.first(), Some(b'g' | b'G')) {
            0
        } else {
            let number = how.number();
            if number < 1.0 { 1 } else { number as usize }
        };
        let parts = group_parts(&replacement);
        let mut out = Vec::new();
        let count = replace(&compiled, &subject, which, &parts, &mut out, &mut self.groups);
        if count == 0 {
            return Ok(Value::Text(subject));
        }
        if out.len() > 1 << 30 {
            return Err(Stop::Error(
                "fatal: string exceeds the limit of 1073741824 bytes".into(),
            ));
        }
        Ok(Value::text(out))
    }
}

/// A part of a replacement.
enum Part {
    Literal(Vec<u8>),
    Group(usize),
}

fn push_literal(parts: &mut Vec<Part>, byte: u8) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(byte),
        _ => parts.push(Part::Literal(vec![byte])),
    }
}

/// `&` is the match, `\&` an ampersand, `\\&` a backslash and the match.
fn plain_parts(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match &text[at..] {
            [b'\\', b'\\', b'\\', b'&', ..] => {
                push_literal(&mut parts, b'\\');
                push_literal(&mut parts, b'&');
                at += 4;
            }
            [b'\\', b'\\', b'&', ..] => {
                push_literal(&mut parts, b'\\');
                parts.push(Part::Group(0));
                at += 3;
            }
            [b'\\', b'&', ..] => {
                push_literal(&mut parts, b'&');
                at += 2;
            }
            [b'&', ..] => {
                parts.push(Part::Group(0));
                at += 1;
            }
            _ => {
                push_literal(&mut parts, text[at]);
                at += 1;
            }
        }
    }
    parts
}

/// As [`plain_parts`], and `\1` to `\9` are groups.
fn group_parts(text: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match &text[at..] {
            [b'\\', digit @ b'0'..=b'9', ..] => {
                parts.push(Part::Group(usize::from(digit - b'0')));
                at += 2;
            }
            [b'\\', next @ (b'&' | b'\\'), ..] => {
                push_literal(&mut parts, *next);
                at += 2;
            }
            [b'&', ..] => {
                parts.push(Part::Group(0));
                at += 1;
            }
            _ => {
                push_literal(&mut parts, text[at]);
                at += 1;
            }
        }
    }
    parts
}

/// Replaces match number `which`, or all of them when it is 0; returns how many.
fn replace(
    compiled: &Compiled,
    subject: &[u8],
    which: usize,
    parts: &[Part],
    out: &mut Vec<u8>,
    groups: &mut Groups,
) -> usize {
    let needs_groups = parts
        .iter()
        .any(|part| matches!(part, Part::Group(number) if *number > 0));
    let (mut from, mut copied, mut seen, mut count) = (0, 0, 0, 0);
    let mut behind = None;
    while from <= subject.len() {
        let found = if needs_groups {
            compiled
                .regex
                .captures_at(subject, from, groups)
                .then(|| groups[0])
                .flatten()
        } else {
            compiled.regex.find_at(subject, from)
        };
        let Some((start, end)) = found else { break };
        let step = |at: usize| {
            if at < subject.len() {
                text::char_length(subject, at)
            } else {
                1
            }
        };
        if start == end && behind == Some(start) {
            from = start + step(start);
            continue;
        }
        seen += 1;
        behind = Some(end);
        if which == 0 || seen == which {
            out.extend_from_slice(&subject[copied..start]);
            for part in parts {
                match part {
                    Part::Literal(text) => out.extend_from_slice(text),
                    Part::Group(0) => out.extend_from_slice(&subject[start..end]),
                    Part::Group(number) => {
                        if let Some((from, to)) = groups.get(*number).copied().flatten() {
                            out.extend_from_slice(&subject[from..to]);
                        }
                    }
                }
            }
            copied = end;
            count += 1;
            if which != 0 {
                break;
            }
        }
        from = if start == end { end + step(end) } else { end };
    }
    if count > 0 {
        out.extend_from_slice(&subject[copied..]);
    }
    count
}

//! Keys: where they lie in a line, and how two of them compare.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use super::number;
use crate::version;

/// By what keys are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Text,
    Numeric,
    Human,
    General,
    Month,
    Version,
    Random,
}

/// Ordering options of a key or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Modes {
    pub(super) kind: Kind,
    pub(super) reverse: bool,
    pub(super) fold: bool,
    pub(super) dictionary: bool,
    pub(super) printable: bool,
    pub(super) skip_start: bool,
    pub(super) skip_end: bool,
}

/// One end of a key: field and character, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) field: usize,
    pub(super) char: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) start: Position,
    /// The field where it ends, and the character after the last; 0 characters are all of the field.
    pub(super) end: Option<Position>,
    pub(super) modes: Modes,
}

/// How lines are ordered.
pub(super) struct Order {
    pub(super) keys: Vec<Key>,
    pub(super) modes: Modes,
    pub(super) separator: Option<u8>,
    /// Lines whose keys are equal are compared as a whole.
    pub(super) last_resort: bool,
    pub(super) head_reversed: bool,
    hasher: RandomState,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n')
}

impl Order {
    pub(super) fn new(keys: Vec<Key>, modes: Modes, separator: Option<u8>, last_resort: bool) -> Self {
        let first = keys.first().map_or(modes, |key| key.modes);
        Self {
            keys,
            modes,
            separator,
            last_resort,
            head_reversed: first.reverse,
            hasher: RandomState::new(),
        }
    }

    /// Bits by which most lines compare; those of equal bits have to be compared in full.
    pub(super) fn head(&self, line: &[u8]) -> u64 {
        let (text, modes) = match self.keys.first() {
            Some(key) => (self.extract(key, line), key.modes),
            None if self.modes.skip_start => (skip_blanks(line), self.modes),
            None => (line, self.modes),
        };
        match modes.kind {
            Kind::Text if !(modes.fold || modes.dictionary || modes.printable) => {
                let mut bytes = [0; 8];
                let n = text.len().min(8);
                bytes[..n].copy_from_slice(&text[..n]);
                u64::from_be_bytes(bytes)
            }
            Kind::Numeric => number::read(text, false).head(),
            Kind::Human => number::read(text, true).head(),
            _ => 0,
        }
    }

    pub(super) fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        if self.keys.is_empty() {
            let cut = |line| if self.modes.skip_start { skip_blanks(line) } else { line };
            let found = self.values(&self.modes, cut(a), cut(b));
            if found.is_ne() {
                return if self.modes.reverse { found.reverse() } else { found };
            }
        }
        for key in &self.keys {
            let found = self.values(&key.modes, self.extract(key, a), self.extract(key, b));
            if found.is_ne() {
                return if key.modes.reverse { found.reverse() } else { found };
            }
        }
        if !self.last_resort {
            return Ordering::Equal;
        }
        let found = a.cmp(b);
        if self.modes.reverse { found.reverse() } else { found }
    }

    fn values(&self, modes: &Modes, a: &[u8], b: &[u8]) -> Ordering {
        match modes.kind {
            Kind::Text if modes.fold || modes.dictionary || modes.printable => {
                translated(modes, a).cmp(translated(modes, b))
            }
            Kind::Text => a.cmp(b),
            Kind::Numeric => number::read(a, false).compare(&number::read(b, false)),
            Kind::Human => number::read(a, true).compare(&number::read(b, true)),
            Kind::General => general(a, b),
            Kind::Month => month(a).cmp(&month(b)),
            Kind::Version => version::compare(a, b),
            Kind::Random => self
                .hasher
                .hash_one(a)
                .cmp(&self.hasher.hash_one(b))
                .then_with(|| a.cmp(b)),
        }
    }

    /// The part of a line that a key names.
    fn extract<'l>(&self, key: &Key, line: &'l [u8]) -> &'l [u8] {
        let start = self.begin(key, line);
        let end = self.limit(key, line).max(start);
        &line[start..end]
    }

    /// Where the field after `fields` others begins.
    fn field(&self, line: &[u8], fields: usize) -> usize {
        let mut at = 0;
        for _ in 0..fields {
            match self.separator {
                Some(separator) => match line[at..].iter().position(|b| *b == separator) {
                    Some(found) => at += found + 1,
                    None => return line.len(),
                },
                None => {
                    at += line[at..].iter().take_while(|b| is_blank(**b)).count();
                    at += line[at..].iter().take_while(|b| !is_blank(**b)).count();
                }
            }
        }
        at
    }

    /// Where the field that begins at `at` ends.
    fn field_end(&self, line: &[u8], at: usize) -> usize {
        let rest = &line[at..];
        match self.separator {
            Some(separator) => at + rest.iter().position(|b| *b == separator).unwrap_or(rest.len()),
            None => {
                let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
                at + blanks + rest[blanks..].iter().take_while(|b| !is_blank(**b)).count()
            }
        }
    }

    fn begin(&self, key: &Key, line: &[u8]) -> usize {
        let mut at = self.field(line, key.start.field);
        if key.modes.skip_start {
            at += line[at..].iter().take_while(|b| is_blank(**b)).count();
        }
        (at + key.start.char).min(line.len())
    }

    fn limit(&self, key: &Key, line: &[u8]) -> usize {
        let Some(end) = key.end else { return line.len() };
        let at = self.field(line, end.field);
        if end.char == 0 {
            return self.field_end(line, at);
        }
        let blanks = if key.modes.skip_end {
            line[at..].iter().take_while(|b| is_blank(**b)).count()
        } else {
            0
        };
        (at + blanks + end.char).min(line.len())
    }
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    &line[line.iter().take_while(|b| is_blank(**b)).count()..]
}

/// A text with what does not count left out, in upper case if case does not count.
fn translated<'a>(modes: &'a Modes, text: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
    let counts = move |byte: &&u8| {
        !(modes.dictionary && !(byte.is_ascii_alphanumeric() || is_blank(**byte)) && byte.is_ascii()
            || modes.printable && !(b' '..=b'~').contains(*byte))
    };
    text.iter()
        .filter(counts)
        .map(move |byte| if modes.fold { byte.to_ascii_uppercase() } else { *byte })
}

/// What is no number comes first, then not-a-number, then numbers.
fn general(a: &[u8], b: &[u8]) -> Ordering {
    match (number::float(a), number::float(b)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(x), Some(y)) => match (x.is_nan(), y.is_nan()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => x.partial_cmp(&y).unwrap_or(Ordering::Equal),
        },
    }
}

/// Number of a month by its first three letters; 0 for anything else.
fn month(text: &[u8]) -> usize {
    const NAMES: [&[u8; 3]; 12] = [
        b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC",
    ];
    let text = skip_blanks(text);
    let found = text
        .get(..3)
        .and_then(|head| NAMES.iter().position(|name| head.eq_ignore_ascii_case(*name)));
    found.map_or(0, |at| at + 1)
}

//! The current record: its text, its fields, and how one follows from the other.
//!
//! Fields are extents of the buffer that the record was read into until a program assigns one; `$0` is put together
//! again only when somebody looks at it.

use super::number;
use super::regexes::Compiled;
use super::value::Value;
use std::rc::Rc;

/// How a record is taken apart.
#[derive(Clone)]
pub enum Splitter {
    /// Runs of blanks and newlines, none at the ends.
    Blanks,
    /// One byte.
    Byte(u8),
    /// Matches of an expression.
    Regex(Rc<Compiled>),
    /// Every character.
    Characters,
    /// `FPAT`: the fields are the matches.
    Content(Rc<Compiled>),
    /// `FIELDWIDTHS`: columns, skipped and taken.
    Widths(Rc<Vec<(usize, usize)>>),
}

/// A field.
#[derive(Clone)]
enum Field {
    Extent(usize, usize),
    Assigned(Value),
}

/// Most fields of a record that an assignment may make.
const FIELD_LIMIT: usize = 1 << 22;

/// The current record.
pub struct Record {
    /// What the extents point into.
    base: Vec<u8>,
    fields: Vec<Field>,
    split: bool,
    /// `$0` after fields changed, put together when asked for.
    rebuilt: Option<Vec<u8>>,
    stale: bool,
    /// How the next record is split.
    pub splitter: Splitter,
    /// A newline separates fields too (paragraph mode).
    pub paragraph: bool,
}

impl Record {
    /// An empty record.
    pub fn new() -> Self {
        Self {
            base: Vec::new(),
            fields: Vec::new(),
            split: true,
            rebuilt: None,
            stale: false,
            splitter: Splitter::Blanks,
            paragraph: false,
        }
    }

    /// Replaces the record; `fill` appends the text to an empty buffer.
    pub fn replace(&mut self, fill: impl FnOnce(&mut Vec<u8>)) {
        self.base.clear();
        fill(&mut self.base);
        self.fields.clear();
        self.split = false;
        self.rebuilt = None;
        self.stale = false;
    }

    /// Replaces the record by the text in `buffer`, which gets the old one's room.
    pub fn exchange(&mut self, buffer: &mut Vec<u8>) {
        std::mem::swap(&mut self.base, buffer);
        self.fields.clear();
        self.split = false;
        self.rebuilt = None;
        self.stale = false;
    }

    /// The separator is about to change: this record keeps the old one.
    pub fn before_separator_change(&mut self) {
        self.ensure_split();
    }

    /// `$0`.
    pub fn text(&mut self, ofs: &[u8], convfmt: &[u8]) -> &[u8] {
        if self.stale {
            let mut out = Vec::with_capacity(self.base.len());
            for (index, field) in self.fields.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(ofs);
                }
                match field {
                    Field::Extent(start, end) => out.extend_from_slice(&self.base[*start..*end]),
                    Field::Assigned(value) => value.push_to(&mut out, convfmt),
                }
            }
            self.rebuilt = Some(out);
            self.stale = false;
        }
        self.rebuilt.as_deref().unwrap_or(&self.base)
    }

    fn ensure_split(&mut self) {
        if self.split {
            return;
        }
        self.split = true;
        let fields = &mut self.fields;
        split(&self.base, &self.splitter, self.paragraph, |start, end| {
            fields.push(Field::Extent(start, end))
        });
    }

    /// Number of fields.
    pub fn count(&mut self) -> usize {
        self.ensure_split();
        self.fields.len()
    }

    /// Field `index`, from 1, as a number.
    pub fn number(&mut self, index: usize) -> f64 {
        self.ensure_split();
        match self.fields.get(index - 1) {
            Some(Field::Extent(start, end)) => number::value(&self.base[*start..*end]),
            Some(Field::Assigned(value)) => value.number(),
            None => 0.0,
        }
    }

    /// Field `index`, from 1.
    pub fn value(&mut self, index: usize) -> Value {
        self.ensure_split();
        match self.fields.get(index - 1) {
            Some(Field::Extent(start, end)) => Value::input(&self.base[*start..*end]),
            Some(Field::Assigned(value)) => value.clone(),
            None => Value::input(Vec::new()),
        }
    }

    /// The text of field `index`, from 1, when it is an unchanged part of the record.
    pub fn slice(&mut self, index: usize) -> Option<&[u8]> {
        self.ensure_split();
        match self.fields.get(index - 1) {
            Some(Field::Extent(start, end)) => Some(&self.base[*start..*end]),
            Some(Field::Assigned(_)) => None,
            None => Some(b""),
        }
    }

    /// Assigns field `index`, from 1; fields in between come into being empty.
    ///
    /// # Errors
    ///
    /// When the record would have too many fields.
    pub fn assign(&mut self, index: usize, value: Value) -> Result<(), String> {
        self.ensure_split();
        if index > FIELD_LIMIT {
            return Err(format!(
                "fatal: field number {index} exceeds the limit of {FIELD_LIMIT}"
            ));
        }
        if index > self.fields.len() {
            self.fields.resize(index, Field::Assigned(Value::Unset));
        }
        self.rebuilt = None;
        self.fields[index - 1] = Field::Assigned(value);
        self.stale = true;
        Ok(())
    }

    /// Sets the number of fields.
    ///
    /// # Errors
    ///
    /// When there would be too many.
    pub fn set_count(&mut self, count: usize) -> Result<(), String> {
        self.ensure_split();
        if count > FIELD_LIMIT {
            return Err(format!(
                "fatal: NF set to {count}, which exceeds the limit of {FIELD_LIMIT}"
            ));
        }
        self.rebuilt = None;
        self.fields.resize(count, Field::Assigned(Value::Unset));
        self.stale = true;
        Ok(())
    }
}

/// Finds the fields of `text`.
pub fn split(text: &[u8], splitter: &Splitter, paragraph: bool, mut emit: impl FnMut(usize, usize)) {
    match splitter {
        Splitter::Blanks => {
            let mut at = 0;
            loop {
                while at < text.len() && matches!(text[at], b' ' | b'\t' | b'\n') {
                    at += 1;
                }
                if at >= text.len() {
                    return;
                }
                let start = at;
                while at < text.len() && !matches!(text[at], b' ' | b'\t' | b'\n') {
                    at += 1;
                }
                emit(start, at);
            }
        }
        Splitter::Byte(byte) => {
            if text.is_empty() {
                return;
            }
            let mut start = 0;
            if paragraph {
                for at in memchr::memchr2_iter(*byte, b'\n', text) {
                    emit(start, at);
                    start = at + 1;
                }
            } else {
                for at in memchr::memchr_iter(*byte, text) {
                    emit(start, at);
                    start = at + 1;
                }
            }
            emit(start, text.len());
        }
        Splitter::Regex(regex) => by_matches(text, paragraph, |from| regex.regex.find_at(text, from), emit),
        Splitter::Characters => {
            let mut at = 0;
            while at < text.len() {
                let length = super::text::char_length(text, at);
                emit(at, at + length);
                at += length;
            }
        }
        Splitter::Content(regex) => by_content(text, regex, emit),
        Splitter::Widths(widths) => {
            let mut at = 0;
            for (skip, width) in widths.iter() {
                at = (at + super::text::offset_of(&text[at..], *skip)).min(text.len());
                if at >= text.len() {
                    return;
                }
                let end = at + super::text::offset_of(&text[at..], *width);
                emit(at, end);
                at = end;
            }
        }
    }
}

/// The matches as fields; an empty match right behind a field is none.
fn by_content(text: &[u8], regex: &Compiled, mut emit: impl FnMut(usize, usize)) {
    let mut from = 0;
    let mut behind = None;
    while from <= text.len() && !text.is_empty() {
        let Some((start, end)) = regex.regex.find_at(text, from) else {
            return;
        };
        if end > start {
            emit(start, end);
            behind = Some(end);
            from = end;
            continue;
        }
        if behind != Some(start) {
            emit(start, start);
        }
        from = start
            + if start < text.len() {
                super::text::char_length(text, start)
            } else {
                1
            };
    }
}

fn by_matches(
    text: &[u8],
    paragraph: bool,
    find: impl Fn(usize) -> Option<(usize, usize)>,
    mut emit: impl FnMut(usize, usize),
) {
    if text.is_empty() {
        return;
    }
    let (mut start, mut from) = (0, 0);
    while from <= text.len() {
        let mut found = find(from);
        if paragraph {
            let newline = memchr::memchr(b'\n', &text[from..]).map(|at| (from + at, from + at + 1));
            found = match (found, newline) {
                (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
                (a, b) => a.or(b),
            };
        }
        let Some((first, last)) = found else { break };
        if first == last {
            from = last
                + if last < text.len() {
                    super::text::char_length(text, last)
                } else {
                    1
                };
            continue;
        }
        emit(start, first);
        start = last;
        from = last;
    }
    emit(start, text.len());
}

//! What follows a `$`.

use std::rc::Rc;

use super::word::Mode;
use super::{Parser, Result};
use crate::ast::{Arith, Case, Name, Op, Param, Part, Subscript, Substitution, When, Where, Word};
use crate::text::is_name_byte;

const SPECIAL: &[u8] = b"@*#?-$!";

impl Parser<'_> {
    /// The expansion at the current `$`; `None`, with the `$` taken, if it is a plain one.
    pub(super) fn dollar(&mut self, quoted: bool) -> Result<Option<Part>> {
        self.bump();
        let Some(b) = self.peek()? else { return Ok(None) };
        match b {
            b'(' => self.parenthesis().map(Some),
            b'{' => {
                self.bump();
                self.deeper(|p| p.braced(quoted))
                    .map(|param| Some(Part::Param(Rc::new(param))))
            }
            b'[' => {
                self.bump();
                let text = self.balanced(b'[', b']')?;
                Ok(Some(Part::Arith(self.arith(text)?)))
            }
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let name = self.name();
                Ok(Some(plain(Name::Var(name))))
            }
            b if b.is_ascii_digit() => {
                self.bump();
                Ok(Some(plain(positional(usize::from(b - b'0')))))
            }
            b if SPECIAL.contains(&b) => {
                self.bump();
                Ok(Some(plain(Name::Special(char::from(b)))))
            }
            _ => Ok(None),
        }
    }

    /// The name at the current position.
    pub(super) fn name(&mut self) -> String {
        let len = self.bytes()[self.input.pos..]
            .iter()
            .take_while(|b| is_name_byte(**b))
            .count();
        let start = self.input.pos;
        self.input.pos += len;
        self.input.buf[start..start + len].to_owned()
    }

    /// `$(...)` or `$((...))`, at the parenthesis.
    fn parenthesis(&mut self) -> Result<Part> {
        if self.at(1) == Some(b'(')
            && let Some(text) = self.double_paren()?
        {
            return Ok(Part::Arith(self.arith(text)?));
        }
        self.bump();
        self.substitution().map(Part::Command)
    }

    /// The body of a substitution, after its opening parenthesis.
    pub(super) fn substitution(&mut self) -> Result<Rc<Substitution>> {
        let pending = std::mem::take(&mut self.pending);
        let body = self.deeper(Self::compound_list)?;
        self.blanks()?;
        if self.peek()? != Some(b')') {
            return Err(if self.peek()?.is_none() {
                self.eof(')')
            } else {
                self.unexpected()
            });
        }
        self.bump();
        self.pending = pending;
        Ok(Rc::new(Substitution { body }))
    }

    /// If `((` at the current position is closed by `))`, takes all of it and returns what is between.
    pub(super) fn double_paren(&mut self) -> Result<Option<String>> {
        let start = self.input.pos;
        self.input.pos += 2;
        let inner = match self.balanced(b'(', b')') {
            Ok(text) => text,
            Err(error) => {
                if self.input.ended {
                    self.input.pos = start;
                    return Ok(None);
                }
                return Err(error);
            }
        };
        if self.at(0) == Some(b')') {
            self.bump();
            return Ok(Some(inner));
        }
        self.input.pos = start;
        Ok(None)
    }

    /// The text up to the bracket that closes one already taken; takes that too.
    pub(super) fn balanced(&mut self, open: u8, close: u8) -> Result<String> {
        let start = self.input.pos;
        let mut depth = 1;
        loop {
            let Some(b) = self.raw()? else {
                return Err(self.eof(char::from(close)));
            };
            match b {
                b'\\' => {
                    self.bump();
                    self.raw()?;
                }
                b'\'' | b'"' | b'`' => {
                    self.skip_quoted(b)?;
                    continue;
                }
                b if b == open => depth += 1,
                b if b == close => depth -= 1,
                _ => {}
            }
            self.bump();
            if depth == 0 {
                return Ok(self.input.buf[start..self.input.pos - 1].to_owned());
            }
        }
    }

    fn skip_quoted(&mut self, quote: u8) -> Result<()> {
        self.bump();
        loop {
            match self.raw()? {
                None => return Err(self.eof(char::from(quote))),
                Some(b'\\') if quote != b'\'' => {
                    self.bump();
                    self.raw()?;
                    self.bump();
                }
                Some(b) => {
                    self.bump();
                    if b == quote {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// An arithmetic text.
    pub(super) fn arith(&mut self, text: String) -> Result<Arith> {
        let word = self.nested(text, |p| p.whole_word(Mode::Arith))?;
        Ok(Arith::new(word))
    }

    /// `${...}` after its brace.
    fn braced(&mut self, quoted: bool) -> Result<Param> {
        let start = self.input.pos;
        let param = self.braced_inner(quoted, start)?;
        match self.peek()? {
            Some(b'}') => {
                self.bump();
                Ok(param)
            }
            None => Err(self.eof('}')),
            Some(_) => self.bad(start),
        }
    }

    /// A `${...}` that means nothing: an error when it is expanded, as bash has it.
    fn bad(&mut self, start: usize) -> Result<Param> {
        self.input.pos = start;
        let text = self.balanced(b'{', b'}')?;
        Ok(Param {
            name: Name::Special('?'),
            index: None,
            indirect: false,
            op: Op::Bad(format!("${{{text}}}")),
        })
    }

    fn braced_inner(&mut self, quoted: bool, start: usize) -> Result<Param> {
        let first = self.peek()?;
        let length = first == Some(b'#') && self.is_length();
        let indirect = first == Some(b'!') && self.at(1).is_some_and(|b| is_name_byte(b) || b"@*#!?-".contains(&b));
        if length || indirect {
            self.bump();
        }
        let Some(name) = self.parameter()? else {
            return Ok(unfinished(start));
        };
        let index = self.subscript(&name)?;
        if length {
            return Ok(param(name, index, false, Op::Length));
        }
        if indirect {
            let next = self.peek()?;
            if next == Some(b'}') && matches!(index, Some(Subscript::At | Subscript::Star)) {
                return Ok(param(name, index, false, Op::Keys));
            }
            if index.is_none() && matches!(next, Some(b'*' | b'@')) && self.at(1) == Some(b'}') {
                self.bump();
                return Ok(param(name, None, false, Op::Names(next == Some(b'@'))));
            }
        }
        let op = self.operation(quoted)?;
        Ok(param(name, index, indirect, op))
    }

    /// Whether `#` at the current position asks for a length rather than being the parameter `$#`.
    fn is_length(&self) -> bool {
        match self.at(1) {
            None | Some(b'}' | b':' | b'%' | b'+' | b'=' | b'/' | b'^' | b',') => false,
            Some(b'#' | b'-' | b'?') => self.at(2) == Some(b'}'),
            Some(_) => true,
        }
    }

    fn parameter(&mut self) -> Result<Option<Name>> {
        let Some(b) = self.peek()? else {
            return Err(self.eof('}'));
        };
        if b.is_ascii_digit() {
            let digits = self.name();
            return Ok(digits.parse().ok().map(positional));
        }
        if is_name_byte(b) {
            return Ok(Some(Name::Var(self.name())));
        }
        if SPECIAL.contains(&b) {
            self.bump();
            return Ok(Some(Name::Special(char::from(b))));
        }
        Ok(None)
    }

    fn subscript(&mut self, name: &Name) -> Result<Option<Subscript>> {
        if !matches!(name, Name::Var(_)) || self.peek()? != Some(b'[') {
            return Ok(None);
        }
        self.bump();
        let text = self.balanced(b'[', b']')?;
        Ok(Some(match text.as_str() {
            "@" => Subscript::At,
            "*" => Subscript::Star,
            _ => Subscript::Word(self.nested(text, |p| p.whole_word(Mode::All))?),
        }))
    }

    fn operation(&mut self, quoted: bool) -> Result<Op> {
        let operand = if quoted { Mode::QuotedBrace } else { Mode::Brace };
        let Some(b) = self.peek()? else {
            return Err(self.eof('}'));
        };
        match b {
            b'}' => Ok(Op::Plain),
            b':' => {
                self.bump();
                match self.peek()? {
                    Some(b'-' | b'=' | b'?' | b'+') => self.when(true, operand),
                    _ => self.substring(),
                }
            }
            b'-' | b'=' | b'?' | b'+' => self.when(false, operand),
            b'#' | b'%' => {
                self.bump();
                let long = self.peek()? == Some(b);
                if long {
                    self.bump();
                }
                let pattern = self.word(Mode::Brace)?;
                Ok(if b == b'#' {
                    Op::TrimPrefix(long, pattern)
                } else {
                    Op::TrimSuffix(long, pattern)
                })
            }
            b'/' => self.replace(operand),
            b'^' | b',' | b'~' => self.case(b),
            b'@' => {
                self.bump();
                match self.raw()? {
                    Some(c) if self.at(1) == Some(b'}') && c.is_ascii_alphabetic() => {
                        self.bump();
                        Ok(Op::Transform(char::from(c)))
                    }
                    _ => Ok(Op::Plain),
                }
            }
            _ => Ok(Op::Plain),
        }
    }

    fn when(&mut self, colon: bool, mode: Mode) -> Result<Op> {
        let when = match self.peek()? {
            Some(b'-') => When::Default,
            Some(b'=') => When::Assign,
            Some(b'?') => When::Error,
            _ => When::Alternate,
        };
        self.bump();
        Ok(Op::When(when, colon, self.word(mode)?))
    }

    fn case(&mut self, b: u8) -> Result<Op> {
        self.bump();
        let all = self.peek()? == Some(b);
        if all {
            self.bump();
        }
        let pattern = match self.peek()? {
            Some(b'}') => None,
            _ => Some(self.word(Mode::Brace)?),
        };
        let case = match b {
            b'^' => Case::Upper,
            b',' => Case::Lower,
            _ => Case::Toggle,
        };
        Ok(Op::Case(case, all, pattern))
    }

    fn replace(&mut self, operand: Mode) -> Result<Op> {
        self.bump();
        let place = match self.peek()? {
            Some(b'/') => Where::All,
            Some(b'#') => Where::Prefix,
            Some(b'%') => Where::Suffix,
            _ => Where::First,
        };
        if place != Where::First {
            self.bump();
        }
        // A slash that comes first belongs to the pattern.
        let mut pattern = Word::default();
        if self.peek()? == Some(b'/') && place == Where::First {
            self.bump();
            pattern = Word::literal("/");
        }
        let rest = self.word(Mode::Replace)?;
        pattern.raw = Rc::from(format!("{}{}", pattern.raw, rest.raw));
        pattern.parts.extend(rest.parts);
        let string = if self.peek()? == Some(b'/') {
            self.bump();
            let mode = if operand == Mode::QuotedBrace {
                Mode::QuotedReplacement
            } else {
                operand
            };
            Some(self.word(mode)?)
        } else {
            None
        };
        Ok(Op::Replace(place, pattern, string))
    }

    fn substring(&mut self) -> Result<Op> {
        let (text, more) = self.offset_text()?;
        let offset = self.arith(text)?;
        let length = if more {
            let (text, _) = self.offset_text()?;
            Some(self.arith(text)?)
        } else {
            None
        };
        Ok(Op::Substring(offset, length))
    }

    /// The text up to the `:` (taken, `true`) or `}` (left) that ends an offset; `?:` pairs and brackets are skipped.
    fn offset_text(&mut self) -> Result<(String, bool)> {
        let start = self.input.pos;
        let (mut depth, mut questions) = (0usize, 0usize);
        loop {
            let Some(b) = self.raw()? else {
                return Err(self.eof('}'));
            };
            match b {
                b'(' | b'{' | b'[' => depth += 1,
                b'}' if depth == 0 => return Ok((self.input.buf[start..self.input.pos].to_owned(), false)),
                b')' | b'}' | b']' => depth = depth.saturating_sub(1),
                b'?' if depth == 0 => questions += 1,
                b':' if depth == 0 && questions > 0 => questions -= 1,
                b':' if depth == 0 => {
                    self.bump();
                    return Ok((self.input.buf[start..self.input.pos - 1].to_owned(), true));
                }
                b'\'' | b'"' | b'`' => {
                    self.skip_quoted(b)?;
                    continue;
                }
                _ => {}
            }
            self.bump();
        }
    }
}

fn positional(n: usize) -> Name {
    if n == 0 {
        Name::Special('0')
    } else {
        Name::Positional(n)
    }
}

fn plain(name: Name) -> Part {
    Part::Param(Rc::new(param(name, None, false, Op::Plain)))
}

fn param(name: Name, index: Option<Subscript>, indirect: bool, op: Op) -> Param {
    Param {
        name,
        index,
        indirect,
        op,
    }
}

/// Stands for a parameter that is none; the missing `}` then makes it a bad substitution.
fn unfinished(_start: usize) -> Param {
    param(Name::Special('?'), None, false, Op::Bad("${}".to_owned()))
}

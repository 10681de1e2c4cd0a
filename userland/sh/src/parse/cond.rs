//! `[[ ... ]]`.

use super::word::{Mode, is_meta};
use super::{Parser, Result};
use crate::ast::{Cond, Word};

const BINARY: &[&str] = &[
    "==", "=~", "=", "!=", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef", "<", ">",
];

/// Whether `text` is an operator of one operand.
pub fn is_unary(text: &str) -> bool {
    matches!(text.as_bytes(), [b'-', c] if b"abcdefghknoprstuvwxzGLNORS".contains(c))
}

impl Parser<'_> {
    /// The expression after `[[`, with the closing `]]`.
    pub(super) fn cond(&mut self) -> Result<Cond> {
        let cond = self.cond_or()?;
        self.newlines()?;
        if !self.word_is("]]") {
            return Err(self.cond_error());
        }
        self.input.pos += 2;
        Ok(cond)
    }

    fn cond_error(&mut self) -> super::Error {
        match self.peek() {
            Ok(Some(b'\n' | b';')) | Ok(Some(_)) => {
                let token = self.token();
                self.syntax(format!(
                    "syntax error in conditional expression: unexpected token `{token}'"
                ))
            }
            Ok(None) => self.eof(']'),
            Err(error) => error,
        }
    }

    fn cond_or(&mut self) -> Result<Cond> {
        let mut left = self.cond_and()?;
        loop {
            self.newlines()?;
            if !self.eat("||")? {
                return Ok(left);
            }
            left = Cond::Or(Box::new(left), Box::new(self.cond_and()?));
        }
    }

    fn cond_and(&mut self) -> Result<Cond> {
        let mut left = self.cond_not()?;
        loop {
            self.newlines()?;
            if !self.eat("&&")? {
                return Ok(left);
            }
            left = Cond::And(Box::new(left), Box::new(self.cond_not()?));
        }
    }

    fn cond_not(&mut self) -> Result<Cond> {
        self.deeper(|p| {
            p.newlines()?;
            if p.word_is("!") {
                p.bump();
                return Ok(Cond::Not(Box::new(p.cond_not()?)));
            }
            if p.peek()? == Some(b'(') {
                p.bump();
                let inner = p.cond_or()?;
                p.newlines()?;
                if !p.eat(")")? {
                    return Err(p.cond_error());
                }
                return Ok(Cond::Paren(Box::new(inner)));
            }
            p.cond_primary()
        })
    }

    fn cond_primary(&mut self) -> Result<Cond> {
        let first = self.cond_word(Mode::Normal)?;
        if first.as_literal().is_some_and(is_unary) {
            self.blanks()?;
            let operand = match self.peek()? {
                Some(b) if !is_meta(b) && !self.word_is("]]") => self.binary_operator().is_none(),
                _ => false,
            };
            if operand {
                let word = self.cond_word(Mode::Normal)?;
                return Ok(Cond::Unary(first.raw.to_string(), word));
            }
        }
        self.blanks()?;
        let Some(op) = self.binary_operator() else {
            return Ok(Cond::Word(first));
        };
        self.input.pos += op.len();
        self.blanks()?;
        let extglob = std::mem::replace(&mut self.syntax.extglob, true);
        let right = self.cond_word(if op == "=~" { Mode::Regex } else { Mode::Normal });
        self.syntax.extglob = extglob;
        Ok(Cond::Binary(first, op.to_owned(), right?))
    }

    fn binary_operator(&self) -> Option<&'static str> {
        BINARY
            .iter()
            .find(|op| {
                self.looking_at(op)
                    && (matches!(**op, "<" | ">") || self.at(op.len()).is_none_or(|b| b.is_ascii_whitespace()))
            })
            .copied()
    }

    fn cond_word(&mut self, mode: Mode) -> Result<Word> {
        self.blanks()?;
        match self.peek()? {
            Some(b'(') if mode == Mode::Regex => self.word(mode),
            Some(b) if !is_meta(b) && !self.word_is("]]") => self.word(mode),
            _ => Err(self.cond_error()),
        }
    }
}

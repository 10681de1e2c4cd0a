//! Here-documents: their bodies begin after the newline that ends the line they were asked for on.

use std::rc::Rc;

use super::word::Mode;
use super::{Error, Parser, Result};
use crate::ast::{HereDoc, Part, Word};

impl Parser<'_> {
    /// The delimiter after `<<`, remembered until its body comes.
    pub(super) fn here_doc(&mut self, strip: bool) -> Result<Rc<HereDoc>> {
        self.blanks()?;
        match self.peek()? {
            Some(b) if !super::word::is_meta(b) => {}
            _ => return Err(self.unexpected()),
        }
        let start = self.input.pos;
        let word = self.word(Mode::Normal)?;
        let raw = &self.input.buf[start..self.input.pos];
        let quoted = raw.contains(['\'', '"', '\\']);
        let delimiter = if quoted { unquoted(&word.parts) } else { raw.to_owned() };
        let doc = Rc::new(HereDoc {
            delimiter,
            quoted,
            strip,
            body: std::cell::OnceCell::new(),
        });
        self.pending.push(Rc::clone(&doc));
        Ok(doc)
    }

    /// Reads the bodies of all documents asked for on the line that just ended.
    pub(super) fn here_bodies(&mut self) -> Result<()> {
        for doc in std::mem::take(&mut self.pending) {
            let text = self.here_text(&doc)?;
            let word = if doc.quoted {
                Word {
                    parts: vec![Part::Quoted(text.clone())],
                    raw: Rc::from(text),
                    ..Word::default()
                }
            } else {
                self.nested(text, |p| p.whole_word(Mode::Here))?
            };
            // Only this function fills a body, once for each document.
            let _ = doc.body.set(word);
        }
        Ok(())
    }

    fn here_text(&mut self, doc: &HereDoc) -> Result<String> {
        let mut text = String::new();
        loop {
            if self.raw()?.is_none() {
                // The end of input ends it too; bash warns and goes on.
                return Ok(text);
            }
            let mut line = self.here_line()?;
            if doc.strip {
                line.drain(..line.len() - line.trim_start_matches('\t').len());
            }
            if line.trim_end_matches('\n') == doc.delimiter {
                return Ok(text);
            }
            // In a substitution the delimiter may be followed by the closing parenthesis at once.
            if self.depth > 0 && closes(&line, &doc.delimiter) {
                let back = line.len() - doc.delimiter.len();
                self.input.pos -= back;
                return Ok(text);
            }
            text.push_str(&line);
        }
    }

    /// A line with its newline; an unquoted body joins lines that end in a backslash when it is expanded.
    fn here_line(&mut self) -> std::result::Result<String, Error> {
        let start = self.input.pos;
        while self.at(0).is_some_and(|b| b != b'\n') {
            self.bump();
        }
        if self.at(0).is_some() {
            self.bump();
        }
        Ok(self.input.buf[start..self.input.pos].to_owned())
    }
}

fn closes(line: &str, delimiter: &str) -> bool {
    !delimiter.is_empty()
        && line
            .strip_prefix(delimiter)
            .is_some_and(|rest| rest.trim_start().starts_with(')'))
}

fn unquoted(parts: &[Part]) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Lit(text) | Part::Quoted(text) => out.push_str(text),
            Part::Double(parts) => out.push_str(&unquoted(parts)),
            Part::Tilde(name) => {
                out.push('~');
                out.push_str(name);
            }
            _ => {}
        }
    }
    out
}

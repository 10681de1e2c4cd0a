//! Simple commands: assignments, words, redirections, aliases.

use std::rc::Rc;

use super::word::{Mode, is_meta};
use super::{Parser, Result};
use crate::ast::{Assign, AssignValue, Command, Element, Simple, Word};
use crate::text::is_name_byte;

/// Commands whose arguments may be assignments.
const DECLARATIONS: &[&str] = &["declare", "typeset", "local", "export", "readonly"];

impl Parser<'_> {
    /// A simple command, or the definition of a function.
    pub(super) fn simple(&mut self) -> Result<Command> {
        let mut command = Simple {
            line: self.line(),
            ..Simple::default()
        };
        let mut alias_next = true;
        loop {
            self.blanks()?;
            if let Some(redir) = self.redirection()? {
                command.redirs.push(redir);
                continue;
            }
            match self.peek()? {
                Some(b'<' | b'>') => {}
                Some(b) if !is_meta(b) => {}
                Some(b'(') if command.words.len() == 1 && command.assigns.is_empty() && command.redirs.is_empty() => {
                    return self.definition(command);
                }
                Some(b'(') => return Err(self.unexpected()),
                _ => break,
            }
            if command.words.is_empty()
                && let Some(assign) = self.assignment()?
            {
                command.assigns.push(assign);
                continue;
            }
            if alias_next {
                match self.alias()? {
                    Some(goes_on) => {
                        alias_next = command.words.is_empty() || goes_on;
                        if command.words.is_empty() && command.assigns.is_empty() && self.reserved_after_alias()? {
                            return self.command_after_alias(command);
                        }
                        continue;
                    }
                    None => alias_next = false,
                }
            }
            let word = self.argument(&command)?;
            command.words.push(word);
            if self.after_alias_blank() {
                alias_next = true;
            }
        }
        if command.words.is_empty() && command.assigns.is_empty() && command.redirs.is_empty() {
            return Err(self.unexpected());
        }
        // As in bash, a command that spans lines is on its last.
        command.line = self.line();
        Ok(Command::Simple(command))
    }

    fn argument(&mut self, command: &Simple) -> Result<Word> {
        let name = command
            .words
            .iter()
            .filter_map(Word::as_literal)
            .find(|t| !matches!(*t, "command" | "builtin"));
        if name.is_some_and(|name| DECLARATIONS.contains(&name)) {
            let start = self.input.pos;
            if let Some(assign) = self.assignment()? {
                let raw = Rc::from(&self.input.buf[start..self.input.pos]);
                return Ok(Word {
                    raw,
                    assign: Some(Box::new(assign)),
                    ..Word::default()
                });
            }
        }
        self.word(Mode::Normal)
    }

    /// `name=value` and its kin at the current position.
    fn assignment(&mut self) -> Result<Option<Assign>> {
        let rest = &self.bytes()[self.input.pos..];
        let len = rest.iter().take_while(|b| is_name_byte(**b)).count();
        if len == 0 || rest[0].is_ascii_digit() {
            return Ok(None);
        }
        let start = self.input.pos;
        let name = self.input.buf[start..start + len].to_owned();
        let index = match rest.get(len) {
            Some(b'=') => None,
            Some(b'+') if rest.get(len + 1) == Some(&b'=') => None,
            Some(b'[') => {
                self.input.pos += len + 1;
                let text = match self.balanced(b'[', b']') {
                    Ok(text) if matches!(self.at(0), Some(b'=')) || self.looking_at("+=") => text,
                    _ => {
                        self.input.pos = start;
                        return Ok(None);
                    }
                };
                let end = self.input.pos;
                let word = self.nested(text, |p| p.whole_word(Mode::All))?;
                self.input.pos = end;
                Some(word)
            }
            _ => return Ok(None),
        };
        if index.is_none() {
            self.input.pos += len;
        }
        let append = self.at(0) == Some(b'+');
        self.input.pos += if append { 2 } else { 1 };
        let value = self.assigned_value()?;
        Ok(Some(Assign {
            name,
            index,
            append,
            value,
        }))
    }

    fn assigned_value(&mut self) -> Result<AssignValue> {
        Ok(match self.peek()? {
            Some(b'(') => {
                self.bump();
                AssignValue::Array(self.array_elements()?)
            }
            Some(b) if !is_meta(b) || (matches!(b, b'<' | b'>') && self.at(1) == Some(b'(')) => {
                AssignValue::Word(self.word(Mode::Assign)?)
            }
            _ => AssignValue::Word(Word::default()),
        })
    }

    /// Elements up to the closing parenthesis, which is taken.
    pub(super) fn array_elements(&mut self) -> Result<Vec<Element>> {
        let mut elements = Vec::new();
        loop {
            self.newlines()?;
            match self.peek()? {
                None => return Err(self.eof(')')),
                Some(b')') => {
                    self.bump();
                    return Ok(elements);
                }
                Some(b'<' | b'>') if self.at(1) == Some(b'(') => {}
                Some(b) if is_meta(b) => return Err(self.unexpected()),
                Some(_) => {}
            }
            elements.push(self.element()?);
        }
    }

    fn element(&mut self) -> Result<Element> {
        if self.at(0) == Some(b'[') {
            let start = self.input.pos;
            self.bump();
            let text = self.balanced(b'[', b']')?;
            let append = self.looking_at("+=");
            if append || self.at(0) == Some(b'=') {
                self.input.pos += if append { 2 } else { 1 };
                let index = Some(self.nested(text, |p| p.whole_word(Mode::All))?);
                let value = match self.peek()? {
                    Some(b) if !is_meta(b) => self.word(Mode::Assign)?,
                    _ => Word::default(),
                };
                return Ok(Element { index, append, value });
            }
            self.input.pos = start;
        }
        Ok(Element {
            index: None,
            append: false,
            value: self.word(Mode::Normal)?,
        })
    }

    /// `name ( )` and the function's body.
    fn definition(&mut self, command: Simple) -> Result<Command> {
        let Some(word) = command.words.first() else {
            return Err(self.unexpected());
        };
        let (name, line) = (word.raw.to_string(), command.line);
        self.bump();
        self.blanks()?;
        if self.peek()? != Some(b')') {
            return Err(self.unexpected());
        }
        self.bump();
        if name.contains(['$', '`', '\'', '"', '\\']) {
            return Err(self.syntax(format!("`{name}': not a valid identifier")));
        }
        self.function(name, line)
    }

    /// Replaces the alias at the current position by its text. The flag says that its text ends in a blank.
    fn alias(&mut self) -> Result<Option<bool>> {
        let Some(aliases) = self.syntax.aliases.clone() else {
            return Ok(None);
        };
        let start = self.input.pos;
        let len = self.bytes()[start..].iter().take_while(|b| !is_meta(**b)).count();
        let name = &self.input.buf[start..start + len];
        let Some(text) = aliases.get(name) else { return Ok(None) };
        let remaining = self.input.buf.len() - start;
        self.expanding.retain(|(_, end)| *end < remaining);
        if self.expanding.iter().any(|(active, _)| active == name) {
            return Ok(None);
        }
        let name = name.to_owned();
        let rest = self.input.buf.len() - start - len;
        self.input.buf.replace_range(start..start + len, text);
        self.expanding.push((name, rest));
        Ok(Some(text.ends_with([' ', '\t'])))
    }

    /// Whether an alias whose text ended in a blank just ended here, so that the next word is checked too.
    fn after_alias_blank(&self) -> bool {
        let Some(aliases) = &self.syntax.aliases else {
            return false;
        };
        let remaining = self.input.buf.len() - self.input.pos;
        self.expanding.iter().any(|(name, end)| {
            remaining <= end + 1 && remaining + 1 >= *end && aliases.get(name).is_some_and(|t| t.ends_with([' ', '\t']))
        })
    }

    fn reserved_after_alias(&mut self) -> Result<bool> {
        self.blanks()?;
        Ok(self.peek()? == Some(b'(') || self.reserved()?.is_some())
    }

    fn command_after_alias(&mut self, command: Simple) -> Result<Command> {
        if !command.redirs.is_empty() {
            return Err(self.unexpected());
        }
        self.command_again()
    }
}

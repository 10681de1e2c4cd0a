//! Words: quoting, and what is expanded inside.

use std::rc::Rc;

use super::{Error, Parser, Result};
use crate::ast::{Part, Word};
use crate::text::{self, Dialect};

/// Where a word ends and what is special in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A word of a command: ends at a metacharacter.
    Normal,
    /// As `Normal`, and a tilde may follow each `:`.
    Assign,
    /// The right side of `=~`: parentheses and bars belong to it.
    Regex,
    /// An operand in `${...}`: ends at `}`.
    Brace,
    /// A pattern in `${x/...}`: ends at `/` or `}`.
    Replace,
    /// An operand in `"${...}"`: ends at `}`, single quotes are plain.
    QuotedBrace,
    /// The replacement of `"${x/...}"`: as `QuotedBrace`, and a backslash quotes a slash.
    QuotedReplacement,
    /// Inside double quotes: ends at `"`.
    Double,
    /// To the end of the text, as in double quotes, `"` being plain.
    Here,
    /// To the end of the text, as in double quotes, `"` being dropped.
    Arith,
    /// To the end of the text.
    All,
}

impl Mode {
    fn quoted(self) -> bool {
        matches!(
            self,
            Self::QuotedBrace | Self::QuotedReplacement | Self::Double | Self::Here | Self::Arith
        )
    }

    /// Whether it is an operand in `"${...}"`.
    fn quoted_operand(self) -> bool {
        matches!(self, Self::QuotedBrace | Self::QuotedReplacement)
    }

    fn command(self) -> bool {
        matches!(self, Self::Normal | Self::Assign | Self::Regex)
    }
}

/// Whether a byte ends a word of a command.
pub(super) fn is_meta(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
}

/// Parts being gathered.
#[derive(Default)]
struct Builder {
    parts: Vec<Part>,
    lit: String,
    braces: bool,
    /// Open parentheses of extended patterns or of a regular expression.
    parens: usize,
    /// Inside `[...]` of a regular expression.
    bracket: bool,
}

impl Builder {
    fn flush(&mut self) {
        if !self.lit.is_empty() {
            self.parts.push(Part::Lit(std::mem::take(&mut self.lit)));
        }
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.parts.push(part);
    }

    fn quoted(&mut self, text: &str) {
        self.flush();
        match self.parts.last_mut() {
            Some(Part::Quoted(before)) => before.push_str(text),
            _ => self.parts.push(Part::Quoted(text.to_owned())),
        }
    }
}

impl Parser<'_> {
    /// The word at the current position, which must not be at its end yet.
    pub(super) fn word(&mut self, mode: Mode) -> Result<Word> {
        let start = self.input.pos;
        let (parts, braces) = self.deeper(|p| p.parts(mode))?;
        Ok(Word {
            parts,
            raw: Rc::from(&self.input.buf[start..self.input.pos]),
            braces,
            assign: None,
        })
    }

    /// The rest of the text as a word.
    pub(super) fn whole_word(&mut self, mode: Mode) -> Result<Word> {
        self.word(mode)
    }

    fn parts(&mut self, mode: Mode) -> Result<(Vec<Part>, bool)> {
        let mut b = Builder::default();
        if !mode.quoted() {
            self.tilde(mode, &mut b)?;
        }
        while let Some(byte) = self.peek()? {
            if self.ends(mode, byte, &b) {
                break;
            }
            if mode.quoted() {
                self.quoted_byte(mode, byte, &mut b)?;
            } else {
                self.plain_byte(mode, byte, &mut b)?;
            }
        }
        if mode.command() && b.parens > 0 && self.raw()?.is_none() {
            return Err(self.eof(')'));
        }
        b.flush();
        Ok((b.parts, b.braces))
    }

    fn ends(&self, mode: Mode, byte: u8, b: &Builder) -> bool {
        match mode {
            Mode::Regex => match byte {
                b'\n' => b.parens == 0,
                b' ' | b'\t' => b.parens == 0 && !b.bracket,
                b')' => b.parens == 0 && !b.bracket,
                b'&' | b';' | b'<' | b'>' => b.parens == 0 && !b.bracket,
                _ => false,
            },
            Mode::Normal | Mode::Assign => {
                b.parens == 0 && is_meta(byte) && !(matches!(byte, b'<' | b'>') && self.at(1) == Some(b'('))
            }
            Mode::Brace | Mode::QuotedBrace | Mode::QuotedReplacement => byte == b'}',
            Mode::Replace => byte == b'}' || byte == b'/',
            Mode::Double => byte == b'"',
            Mode::Here | Mode::Arith | Mode::All => false,
        }
    }

    /// A byte outside quotes.
    fn plain_byte(&mut self, mode: Mode, byte: u8, b: &mut Builder) -> Result<()> {
        match byte {
            b'\'' => {
                let text = self.single_quoted()?;
                b.quoted(&text);
            }
            b'"' => {
                self.bump();
                let (parts, _) = self.deeper(|p| p.parts(Mode::Double))?;
                if !self.eat("\"")? {
                    return Err(self.eof('"'));
                }
                b.push(Part::Double(parts));
            }
            b'\\' => {
                self.bump();
                match self.raw()? {
                    Some(_) => {
                        let c = self.take_char();
                        b.quoted(c.encode_utf8(&mut [0; 4]));
                    }
                    None => b.quoted("\\"),
                }
            }
            b'$' => self.dollar_into(false, b)?,
            b'`' => {
                let part = self.backquoted(false)?;
                b.push(part);
            }
            b'<' | b'>' if self.at(1) == Some(b'(') && mode != Mode::Regex && b.parens == 0 => {
                let read = byte == b'<';
                self.input.pos += 2;
                let body = self.substitution()?;
                b.push(Part::Process(read, body));
            }
            _ => self.literal_byte(mode, byte, b)?,
        }
        Ok(())
    }

    fn literal_byte(&mut self, mode: Mode, byte: u8, b: &mut Builder) -> Result<()> {
        match byte {
            b'{' => b.braces = true,
            b'(' if b.parens > 0 => b.parens += 1,
            b')' => b.parens = b.parens.saturating_sub(1),
            b'[' if mode == Mode::Regex => b.bracket = true,
            b']' if mode == Mode::Regex => b.bracket = false,
            b'(' if mode == Mode::Regex => b.parens += 1,
            b'?' | b'*' | b'+' | b'@' | b'!'
                if self.syntax.extglob && mode.command() && mode != Mode::Regex && self.at(1) == Some(b'(') =>
            {
                b.lit.push(char::from(byte));
                self.bump();
                b.parens += 1;
            }
            _ => {}
        }
        let c = self.take_char();
        b.lit.push(c);
        // `echo a=~` is expanded like an assignment.
        let assigns =
            c == '=' && mode == Mode::Normal && b.parts.is_empty() && text::is_name(&b.lit[..b.lit.len() - 1]);
        if c == ':' && mode == Mode::Assign || assigns {
            self.tilde(mode, b)?;
        }
        Ok(())
    }

    /// A byte inside double quotes or their like.
    fn quoted_byte(&mut self, mode: Mode, byte: u8, b: &mut Builder) -> Result<()> {
        match byte {
            b'\\' => {
                self.bump();
                let special = match self.raw()? {
                    Some(b'$' | b'`' | b'\\') => true,
                    Some(b'"') => mode != Mode::Here,
                    Some(b'}') => mode.quoted_operand(),
                    Some(b'/') => mode == Mode::QuotedReplacement,
                    _ => false,
                };
                if special {
                    let c = self.take_char();
                    b.lit.push(c);
                } else {
                    b.lit.push('\\');
                    // An escaped quote begins nothing.
                    if mode.quoted_operand() && self.raw()? == Some(b'\'') {
                        let c = self.take_char();
                        b.lit.push(c);
                    }
                }
            }
            b'$' => self.dollar_into(true, b)?,
            b'`' => {
                let part = self.backquoted(mode != Mode::Here)?;
                b.push(part);
            }
            b'"' if mode == Mode::Arith => self.bump(),
            b'"' if mode.quoted_operand() => {
                self.bump();
                let (parts, _) = self.deeper(|p| p.parts(Mode::Double))?;
                if !self.eat("\"")? {
                    return Err(self.eof('"'));
                }
                b.push(Part::Double(parts));
            }
            b'\'' if mode.quoted_operand() => {
                // The quotes are plain, but a brace between two of them does not end the operand.
                let rest = &self.input.buf[self.input.pos + 1..];
                let len = rest.find(['\'', '"', '\n']).filter(|n| rest.as_bytes()[*n] == b'\'');
                let end = len.map_or(0, |n| n + 1) + 1;
                let start = self.input.pos;
                self.input.pos += end;
                b.lit.push_str(&self.input.buf[start..start + end]);
            }
            _ => {
                let c = self.take_char();
                b.lit.push(c);
            }
        }
        Ok(())
    }

    /// The character at the current position, which is buffered.
    pub(super) fn take_char(&mut self) -> char {
        let c = self.input.buf[self.input.pos..].chars().next().unwrap_or('\0');
        self.input.pos += c.len_utf8();
        c
    }

    fn dollar_into(&mut self, quoted: bool, b: &mut Builder) -> Result<()> {
        match self.at(1) {
            Some(b'\'') if !quoted => {
                self.bump();
                let text = self.ansi_quoted()?;
                b.quoted(&text);
            }
            Some(b'"') if !quoted => self.bump(),
            _ => match self.dollar(quoted)? {
                Some(part) => b.push(part),
                None => {
                    b.lit.push('$');
                }
            },
        }
        Ok(())
    }

    /// The text in single quotes at the current position.
    fn single_quoted(&mut self) -> Result<String> {
        self.bump();
        let start = self.input.pos;
        loop {
            match self.raw()? {
                None => return Err(self.eof('\'')),
                Some(b'\'') => break,
                Some(_) => self.bump(),
            }
        }
        let text = self.input.buf[start..self.input.pos].to_owned();
        self.bump();
        Ok(text)
    }

    fn ansi_quoted(&mut self) -> Result<String> {
        self.bump();
        let start = self.input.pos;
        loop {
            match self.raw()? {
                None => return Err(self.eof('\'')),
                Some(b'\'') => break,
                Some(b'\\') => {
                    self.bump();
                    self.raw()?;
                    self.bump();
                }
                Some(_) => self.bump(),
            }
        }
        let (text, _) = text::unescape(&self.input.buf[start..self.input.pos], Dialect::Ansi);
        self.bump();
        Ok(text.split('\0').next().unwrap_or_default().to_owned())
    }

    /// `~` or `~name` at the current position.
    fn tilde(&mut self, mode: Mode, b: &mut Builder) -> Result<()> {
        if self.peek()? != Some(b'~') {
            return Ok(());
        }
        let rest = &self.bytes()[self.input.pos + 1..];
        let len = rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || b"_.+-".contains(b))
            .count();
        let ended = match rest.get(len) {
            None | Some(b'/') => true,
            Some(b':') => mode == Mode::Assign,
            Some(b'}') => mode == Mode::Brace,
            Some(b) => mode.command() && is_meta(*b),
        };
        if ended {
            let start = self.input.pos + 1;
            let name = self.input.buf[start..start + len].to_owned();
            self.input.pos = start + len;
            b.push(Part::Tilde(name));
        }
        Ok(())
    }

    /// `` `...` ``
    fn backquoted(&mut self, in_double: bool) -> Result<Part> {
        self.bump();
        let mut text = String::new();
        loop {
            match self.raw()? {
                None => return Err(self.eof('`')),
                Some(b'`') => break,
                Some(b'\\') => {
                    self.bump();
                    match self.raw()? {
                        Some(c @ (b'$' | b'`' | b'\\')) => text.push(char::from(c)),
                        Some(b'"') if in_double => text.push('"'),
                        Some(_) => {
                            text.push('\\');
                            continue;
                        }
                        None => return Err(self.eof('`')),
                    }
                    self.bump();
                }
                Some(_) => {
                    let c = self.take_char();
                    text.push(c);
                }
            }
        }
        self.bump();
        let body = self.nested(text, |p| {
            let list = p.compound_list()?;
            match p.peek()? {
                None => Ok(list),
                Some(_) => Err(p.unexpected()),
            }
        });
        let body = body.map_err(|error| match error {
            Error::Eof(line, message) => Error::Syntax(line, message),
            other => other,
        })?;
        Ok(Part::Command(Rc::new(crate::ast::Substitution { body })))
    }
}

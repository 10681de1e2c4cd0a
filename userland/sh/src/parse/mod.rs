//! From text to syntax tree.
//!
//! One hand-written recursive descent over one buffer. The buffer grows line by line as the parser asks for more, so a
//! script on standard input is read no further than its current command, and an interactive line can go on over
//! several. [`Parser::next`] gives one complete command line at a time, since aliases and `shopt` change how the rest
//! is read. Nesting is bounded: the parser's own stack is the guest's.

mod command;
mod cond;
mod dollar;
mod heredoc;
mod redirect;
mod simple;
mod word;

use std::collections::HashMap;
use std::rc::Rc;

use crate::ast::{HereDoc, List, Word};

/// Deepest nesting of commands, substitutions and words.
const MAX_DEPTH: usize = 400;

/// Why a text was not parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It is wrong; line and message.
    Syntax(u32, String),
    /// It ended too early; line and message.
    Eof(u32, String),
    /// Reading more of it was interrupted.
    Interrupted,
}

/// A parser's result.
pub type Result<T> = std::result::Result<T, Error>;

/// More input: its next line (`None` at its end). The flag says that a command has begun.
pub type More<'a> = &'a mut dyn FnMut(bool) -> Result<Option<String>>;

/// What of the shell's state changes how text is read.
#[derive(Debug, Clone, Default)]
pub struct Syntax {
    /// Aliases, when they are expanded.
    pub aliases: Option<Rc<HashMap<String, String>>>,
    /// `shopt -s extglob`
    pub extglob: bool,
    /// Name of the source, for functions.
    pub source: Rc<str>,
}

/// Text being parsed, kept from one command to the next.
#[derive(Debug, Default)]
pub struct Input {
    buf: String,
    pos: usize,
    line: u32,
    line_pos: usize,
    ended: bool,
}

impl Input {
    /// Input that is all there already.
    pub fn whole(text: String, line: u32) -> Self {
        Self {
            buf: text,
            line,
            ended: true,
            ..Self::default()
        }
    }

    /// Input that arrives by lines.
    pub fn lines() -> Self {
        Self {
            line: 1,
            ..Self::default()
        }
    }

    /// Whether nothing but blanks is left of a whole input: what was parsed last was its last command.
    pub fn is_spent(&self) -> bool {
        self.ended && self.buf[self.pos..].bytes().all(|b| b.is_ascii_whitespace())
    }

    /// The text of the command parsed last.
    pub fn consumed(&self) -> &str {
        &self.buf[..self.pos]
    }

    fn compact(&mut self) {
        self.count_lines();
        self.buf.drain(..self.pos);
        self.pos = 0;
        self.line_pos = 0;
    }

    fn count_lines(&mut self) {
        if self.pos > self.line_pos {
            let newlines = self.buf.as_bytes()[self.line_pos..self.pos]
                .iter()
                .filter(|b| **b == b'\n');
            self.line += newlines.count() as u32;
            self.line_pos = self.pos;
        }
    }
}

/// A parser over an input.
pub struct Parser<'a> {
    input: &'a mut Input,
    more: More<'a>,
    syntax: Syntax,
    pending: Vec<Rc<HereDoc>>,
    depth: usize,
    began: bool,
    /// Aliases being expanded, each with the distance from the buffer's end at which its text ends.
    expanding: Vec<(String, usize)>,
}

impl<'a> Parser<'a> {
    /// A parser that asks `more` when `input` runs out.
    pub fn new(input: &'a mut Input, more: More<'a>, syntax: Syntax) -> Self {
        Self {
            input,
            more,
            syntax,
            pending: Vec::new(),
            depth: 0,
            began: false,
            expanding: Vec::new(),
        }
    }

    /// The next command line; `None` at the end.
    pub fn next(&mut self) -> Result<Option<List>> {
        self.input.compact();
        loop {
            self.blanks()?;
            match self.peek()? {
                None => return Ok(None),
                Some(b'\n') => self.bump(),
                Some(_) => break,
            }
        }
        self.began = true;
        let list = self.line_list()?;
        self.blanks()?;
        match self.peek()? {
            None => {}
            Some(b'\n') => self.newline()?,
            Some(_) => return Err(self.unexpected()),
        }
        if !self.pending.is_empty() {
            self.here_bodies()?;
        }
        Ok(Some(list))
    }

    /// The bytes of the buffer.
    fn bytes(&self) -> &[u8] {
        self.input.buf.as_bytes()
    }

    /// Line number at the current position.
    fn line(&mut self) -> u32 {
        self.input.count_lines();
        self.input.line
    }

    /// Reads another line into the buffer; `false` at the end of input.
    fn fill(&mut self) -> Result<bool> {
        if self.input.ended {
            return Ok(false);
        }
        match (self.more)(self.began)? {
            Some(line) => {
                self.expanding.iter_mut().for_each(|(_, end)| *end += line.len());
                self.input.buf.push_str(&line);
                Ok(true)
            }
            None => {
                self.input.ended = true;
                Ok(false)
            }
        }
    }

    /// The next byte as it is.
    fn raw(&mut self) -> Result<Option<u8>> {
        while self.input.pos >= self.input.buf.len() {
            if !self.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.bytes()[self.input.pos]))
    }

    /// The next byte after removing escaped newlines.
    fn peek(&mut self) -> Result<Option<u8>> {
        loop {
            match self.raw()? {
                Some(b'\\') if self.at(1) == Some(b'\n') => {
                    self.input.pos += 2;
                    // A continued line of an interactive shell is asked for at once.
                    if self.raw()?.is_none() {
                        return Ok(None);
                    }
                }
                byte => return Ok(byte),
            }
        }
    }

    /// A byte further on, of what is buffered.
    fn at(&self, n: usize) -> Option<u8> {
        self.bytes().get(self.input.pos + n).copied()
    }

    /// Goes on by a byte, but not beyond what is buffered.
    fn bump(&mut self) {
        self.input.pos = (self.input.pos + 1).min(self.input.buf.len());
    }

    /// Whether the buffer goes on with `text`.
    fn looking_at(&self, text: &str) -> bool {
        self.bytes()[self.input.pos..].starts_with(text.as_bytes())
    }

    /// Takes `text` if it comes next.
    fn eat(&mut self, text: &str) -> Result<bool> {
        self.peek()?;
        let found = self.looking_at(text);
        if found {
            self.input.pos += text.len();
        }
        Ok(found)
    }

    /// Skips blanks and a comment.
    fn blanks(&mut self) -> Result<()> {
        while let Some(b) = self.peek()? {
            match b {
                b' ' | b'\t' => self.bump(),
                b'#' => {
                    while self.at(0).is_some_and(|b| b != b'\n') {
                        self.bump();
                    }
                    return Ok(());
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Takes a newline and the here-documents that begin after it.
    fn newline(&mut self) -> Result<()> {
        self.bump();
        if self.pending.is_empty() {
            Ok(())
        } else {
            self.here_bodies()
        }
    }

    /// Skips blanks, comments and newlines.
    fn newlines(&mut self) -> Result<()> {
        loop {
            self.blanks()?;
            if self.peek()? != Some(b'\n') {
                return Ok(());
            }
            self.newline()?;
        }
    }

    /// The error for the token at the current position.
    fn unexpected(&mut self) -> Error {
        let line = self.line();
        match self.peek() {
            Err(error) => error,
            Ok(None) => Error::Eof(line, "syntax error: unexpected end of file".to_owned()),
            Ok(Some(_)) => Error::Syntax(line, format!("syntax error near unexpected token `{}'", self.token())),
        }
    }

    /// The token at the current position, for messages.
    fn token(&self) -> String {
        let rest = &self.input.buf[self.input.pos..];
        for op in [
            "&&", "||", ";;&", ";;", ";&", "<<-", "<<<", "<<", ">>", "<&", ">&", "|&", "&>", "<>", ">|",
        ] {
            if rest.starts_with(op) {
                return op.to_owned();
            }
        }
        match rest.bytes().next() {
            Some(b'\n') | None => "newline".to_owned(),
            Some(b) if word::is_meta(b) => char::from(b).to_string(),
            Some(_) => rest
                .split(|c: char| c.is_ascii() && word::is_meta(c as u8))
                .next()
                .unwrap_or(rest)
                .to_owned(),
        }
    }

    fn syntax(&mut self, message: impl Into<String>) -> Error {
        Error::Syntax(self.line(), message.into())
    }

    fn eof(&mut self, what: char) -> Error {
        let message = format!("unexpected EOF while looking for matching `{what}'");
        Error::Eof(self.line(), message)
    }

    /// Runs `f` one level deeper.
    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.syntax(format!("syntax error: nested too deeply (limit {MAX_DEPTH})")));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// Parses a text of its own with the same settings.
    fn nested<T>(&mut self, text: String, f: impl FnOnce(&mut Parser<'_>) -> Result<T>) -> Result<T> {
        let line = self.line();
        let mut input = Input::whole(text, line);
        let mut more = |_| Ok(None);
        let mut parser = Parser::new(&mut input, &mut more, self.syntax.clone());
        parser.depth = self.depth + 1;
        if parser.depth >= MAX_DEPTH {
            return Err(self.syntax(format!("syntax error: nested too deeply (limit {MAX_DEPTH})")));
        }
        f(&mut parser)
    }
}

/// Parses a text into the word that it would be in double quotes: prompts, here-documents, arithmetic.
pub fn quoted_word(text: &str, syntax: Syntax) -> Result<Word> {
    let mut input = Input::whole(text.to_owned(), 1);
    let mut more = |_| Ok(None);
    Parser::new(&mut input, &mut more, syntax).whole_word(word::Mode::Here)
}

/// Parses a text into one unquoted word that runs to its end, as in a subscript.
pub fn plain_word(text: &str, syntax: Syntax) -> Result<Word> {
    let mut input = Input::whole(text.to_owned(), 1);
    let mut more = |_| Ok(None);
    Parser::new(&mut input, &mut more, syntax).whole_word(word::Mode::All)
}

/// Parses all of a text.
pub fn program(text: &str, syntax: Syntax) -> Result<List> {
    let mut input = Input::whole(text.to_owned(), 1);
    let mut more = |_| Ok(None);
    let mut parser = Parser::new(&mut input, &mut more, syntax);
    let mut all = List::default();
    while let Some(list) = parser.next()? {
        all.items.extend(list.items);
    }
    Ok(all)
}

/// Parses the elements of an array literal given as text, such as `(a b [3]=c)`.
pub fn array_literal(text: &str, syntax: Syntax) -> Result<Vec<crate::ast::Element>> {
    let mut input = Input::whole(text.to_owned(), 1);
    let mut more = |_| Ok(None);
    let mut parser = Parser::new(&mut input, &mut more, syntax);
    parser.bump();
    parser.array_elements()
}

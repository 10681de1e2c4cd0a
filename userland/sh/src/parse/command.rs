//! Lists, pipelines and compound commands.

use std::rc::Rc;

use super::word::{Mode, is_meta};
use super::{Parser, Result};
use crate::ast::{
    AndOr, Arith, CaseEnd, CaseItem, Command, Compound, Function, Item, List, Pipeline, Redir, RedirFd, RedirKind,
    Timed, Word,
};

/// Reserved words, recognised where a command may begin.
const RESERVED: &[&str] = &[
    "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "select", "function",
    "time", "coproc", "{", "}", "!", "[[",
];

/// Those that end a list.
const CLOSING: &[&str] = &["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl Parser<'_> {
    /// Commands up to the end of the line.
    pub(super) fn line_list(&mut self) -> Result<List> {
        let mut list = List::default();
        loop {
            self.blanks()?;
            if matches!(self.peek()?, None | Some(b'\n')) {
                return Ok(list);
            }
            let item = self.item()?;
            let more = item.1;
            list.items.push(item.0);
            if !more {
                return Ok(list);
            }
        }
    }

    /// Commands up to a closing word, a closing parenthesis, `;;` or the end.
    pub(super) fn compound_list(&mut self) -> Result<List> {
        let mut list = List::default();
        loop {
            self.newlines()?;
            if self.at_close()? {
                return Ok(list);
            }
            let (item, more) = self.item()?;
            list.items.push(item);
            if !more && self.peek()? != Some(b'\n') {
                return Ok(list);
            }
        }
    }

    /// A compound list that must not be empty.
    fn body(&mut self) -> Result<List> {
        let list = self.compound_list()?;
        if list.items.is_empty() {
            Err(self.unexpected())
        } else {
            Ok(list)
        }
    }

    fn at_close(&mut self) -> Result<bool> {
        Ok(match self.peek()? {
            None | Some(b')') => true,
            Some(b';') => self.looking_at(";;") || self.looking_at(";&"),
            Some(_) => self.reserved()?.is_some_and(|word| CLOSING.contains(&word)),
        })
    }

    /// One and-or list with its terminator; whether another may follow on the same line.
    fn item(&mut self) -> Result<(Item, bool)> {
        let start = self.input.pos;
        let and_or = self.and_or()?;
        let text = Rc::from(self.input.buf[start..self.input.pos].trim_end());
        self.blanks()?;
        let (background, more) = match self.peek()? {
            Some(b';') if !self.looking_at(";;") && !self.looking_at(";&") => {
                self.bump();
                (false, true)
            }
            Some(b'&') => {
                self.bump();
                (true, true)
            }
            _ => (false, false),
        };
        let item = Item {
            and_or,
            background,
            text,
        };
        Ok((item, more))
    }

    fn and_or(&mut self) -> Result<AndOr> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks()?;
            let and = if self.eat("&&")? {
                true
            } else if self.eat("||")? {
                false
            } else {
                return Ok(AndOr { first, rest });
            };
            self.newlines()?;
            rest.push((and, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline> {
        let (negated, timed) = self.pipeline_prefix()?;
        self.blanks()?;
        if (negated || timed.is_some()) && self.ends_pipeline()? {
            return Ok(Pipeline {
                stages: Vec::new(),
                negated,
                timed,
            });
        }
        let mut stages = vec![self.command()?];
        loop {
            self.blanks()?;
            if self.peek()? != Some(b'|') || self.at(1) == Some(b'|') {
                return Ok(Pipeline { stages, negated, timed });
            }
            self.bump();
            if self.eat("&")?
                && let Some(stage) = stages.last_mut()
            {
                join_outputs(stage);
            }
            self.newlines()?;
            stages.push(self.command()?);
        }
    }

    fn pipeline_prefix(&mut self) -> Result<(bool, Option<Timed>)> {
        let (mut negated, mut timed) = (false, None);
        loop {
            self.blanks()?;
            match self.reserved()? {
                Some("!") => {
                    self.bump();
                    negated = !negated;
                }
                Some("time") if timed.is_none() => {
                    self.input.pos += 4;
                    self.blanks()?;
                    timed = Some(if self.word_is("-p") {
                        self.input.pos += 2;
                        Timed::Posix
                    } else {
                        Timed::Bash
                    });
                }
                _ => return Ok((negated, timed)),
            }
        }
    }

    fn ends_pipeline(&mut self) -> Result<bool> {
        Ok(matches!(self.peek()?, None | Some(b'\n' | b';' | b')' | b'&')))
    }

    /// Whether the unquoted word at the current position is `text`.
    pub(super) fn word_is(&self, text: &str) -> bool {
        self.looking_at(text) && self.at(text.len()).is_none_or(is_meta)
    }

    /// The reserved word at the current position, not taken.
    pub(super) fn reserved(&mut self) -> Result<Option<&'static str>> {
        self.peek()?;
        Ok(RESERVED.iter().find(|word| self.word_is(word)).copied())
    }

    /// Takes a reserved word that must come next.
    fn expect(&mut self, word: &str) -> Result<()> {
        self.newlines()?;
        if !self.word_is(word) {
            return Err(self.unexpected());
        }
        self.input.pos += word.len();
        Ok(())
    }

    fn command(&mut self) -> Result<Command> {
        self.deeper(Self::command_inner)
    }

    /// A command where an alias was replaced by a text that begins with a reserved word.
    pub(super) fn command_again(&mut self) -> Result<Command> {
        self.command()
    }

    fn command_inner(&mut self) -> Result<Command> {
        self.blanks()?;
        let line = self.line();
        if self.peek()? == Some(b'(') {
            let compound = self.parenthesised()?;
            return self.with_redirections(compound, line);
        }
        let Some(word) = self.reserved()? else {
            return self.simple();
        };
        if CLOSING.contains(&word) {
            return Err(self.unexpected());
        }
        match word {
            "function" => return self.function_keyword(),
            "coproc" => return self.coproc(),
            "!" | "time" => return self.nested_pipeline(line),
            _ => {}
        }
        let compound = self.compound(word)?;
        self.with_redirections(compound, line)
    }

    /// `! cmd` or `time cmd` as a stage of a pipeline.
    fn nested_pipeline(&mut self, line: u32) -> Result<Command> {
        let start = self.input.pos;
        let (negated, timed) = self.pipeline_prefix()?;
        let command = self.command()?;
        let first = Pipeline {
            stages: vec![command],
            negated,
            timed,
        };
        let item = Item {
            and_or: AndOr {
                first,
                rest: Vec::new(),
            },
            background: false,
            text: Rc::from(self.input.buf[start..self.input.pos].trim_end()),
        };
        Ok(Command::Compound(
            Rc::new(Compound::Group(List { items: vec![item] })),
            Vec::new(),
            line,
        ))
    }

    fn with_redirections(&mut self, compound: Compound, line: u32) -> Result<Command> {
        let redirs = self.redirections()?;
        Ok(Command::Compound(Rc::new(compound), redirs, line))
    }

    /// A compound command that begins with a reserved word or a parenthesis.
    fn any_compound(&mut self) -> Result<Compound> {
        self.newlines()?;
        if self.peek()? == Some(b'(') {
            return self.parenthesised();
        }
        match self.reserved()? {
            Some(word) if !CLOSING.contains(&word) => self.compound(word),
            _ => Err(self.unexpected()),
        }
    }

    fn compound(&mut self, word: &'static str) -> Result<Compound> {
        self.input.pos += word.len();
        match word {
            "{" => {
                let list = self.body()?;
                self.expect("}")?;
                Ok(Compound::Group(list))
            }
            "[[" => self.cond().map(Compound::Cond),
            "if" => self.if_command(),
            "while" | "until" => {
                let condition = self.body()?;
                Ok(Compound::While(word == "while", condition, self.do_group()?))
            }
            "for" => self.for_command(),
            "select" => {
                let name = self.loop_name()?;
                let words = self.loop_words()?;
                Ok(Compound::Select(name, words, self.loop_body()?))
            }
            "case" => self.case_command(),
            _ => Err(self.unexpected()),
        }
    }

    fn parenthesised(&mut self) -> Result<Compound> {
        if self.at(1) == Some(b'(')
            && let Some(text) = self.double_paren()?
        {
            return Ok(Compound::Arith(self.arith(text)?));
        }
        self.bump();
        let list = self.body()?;
        self.newlines()?;
        if self.peek()? != Some(b')') {
            return Err(self.unexpected());
        }
        self.bump();
        Ok(Compound::Subshell(list))
    }

    fn do_group(&mut self) -> Result<List> {
        self.expect("do")?;
        let body = self.body()?;
        self.expect("done")?;
        Ok(body)
    }

    fn if_command(&mut self) -> Result<Compound> {
        let mut branches = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect("then")?;
            branches.push((condition, self.body()?));
            self.newlines()?;
            match self.reserved()? {
                Some("elif") => self.input.pos += 4,
                Some("else") => {
                    self.input.pos += 4;
                    let otherwise = self.body()?;
                    self.expect("fi")?;
                    return Ok(Compound::If(branches, Some(otherwise)));
                }
                _ => {
                    self.expect("fi")?;
                    return Ok(Compound::If(branches, None));
                }
            }
        }
    }

    fn for_command(&mut self) -> Result<Compound> {
        self.blanks()?;
        if self.looking_at("((") {
            let Some(text) = self.double_paren()? else {
                return Err(self.unexpected());
            };
            let clauses = self.for_clauses(&text)?;
            return Ok(Compound::ArithFor(Box::new(clauses), self.loop_body()?));
        }
        let name = self.loop_name()?;
        let words = self.loop_words()?;
        Ok(Compound::For(name, words, self.loop_body()?))
    }

    fn for_clauses(&mut self, text: &str) -> Result<[Arith; 3]> {
        let clauses: Vec<&str> = text.split(';').collect();
        let [init, test, step] = clauses.as_slice() else {
            return Err(self.syntax("syntax error: arithmetic expression required"));
        };
        Ok([
            self.arith((*init).to_owned())?,
            self.arith((*test).to_owned())?,
            self.arith((*step).to_owned())?,
        ])
    }

    fn loop_name(&mut self) -> Result<String> {
        self.blanks()?;
        let start = self.input.pos;
        match self.peek()? {
            Some(b) if !is_meta(b) => self.word(Mode::Normal)?,
            _ => return Err(self.unexpected()),
        };
        Ok(self.input.buf[start..self.input.pos].to_owned())
    }

    fn loop_words(&mut self) -> Result<Option<Vec<Word>>> {
        self.blanks()?;
        if self.peek()? == Some(b';') {
            self.bump();
            return Ok(None);
        }
        self.newlines()?;
        if !self.word_is("in") {
            return Ok(None);
        }
        self.input.pos += 2;
        let mut words = Vec::new();
        loop {
            self.blanks()?;
            match self.peek()? {
                Some(b';') => {
                    self.bump();
                    break;
                }
                Some(b'\n') | None => break,
                Some(b'<' | b'>') if self.at(1) == Some(b'(') => words.push(self.word(Mode::Normal)?),
                Some(b) if is_meta(b) => return Err(self.unexpected()),
                Some(_) => words.push(self.word(Mode::Normal)?),
            }
        }
        Ok(Some(words))
    }

    fn loop_body(&mut self) -> Result<List> {
        self.blanks()?;
        if self.peek()? == Some(b';') {
            self.bump();
        }
        self.newlines()?;
        if self.word_is("{") {
            self.bump();
            let list = self.body()?;
            self.expect("}")?;
            return Ok(list);
        }
        self.do_group()
    }

    fn case_command(&mut self) -> Result<Compound> {
        self.blanks()?;
        let subject = match self.peek()? {
            Some(b) if !is_meta(b) => self.word(Mode::Normal)?,
            _ => return Err(self.unexpected()),
        };
        self.expect("in")?;
        let mut items = Vec::new();
        loop {
            self.newlines()?;
            if self.word_is("esac") {
                self.input.pos += 4;
                return Ok(Compound::Case(subject, items));
            }
            items.push(self.case_item()?);
        }
    }

    fn case_item(&mut self) -> Result<CaseItem> {
        if self.peek()? == Some(b'(') {
            self.bump();
        }
        let mut patterns = Vec::new();
        loop {
            self.blanks()?;
            match self.peek()? {
                Some(b) if !is_meta(b) => patterns.push(self.word(Mode::Normal)?),
                _ => return Err(self.unexpected()),
            }
            self.blanks()?;
            match self.peek()? {
                Some(b'|') => self.bump(),
                Some(b')') => break,
                _ => return Err(self.unexpected()),
            }
        }
        self.bump();
        let body = self.compound_list()?;
        self.newlines()?;
        let end = if self.eat(";;&")? {
            CaseEnd::Test
        } else if self.eat(";;")? {
            CaseEnd::Break
        } else if self.eat(";&")? {
            CaseEnd::Fall
        } else if self.word_is("esac") {
            CaseEnd::Break
        } else {
            return Err(self.unexpected());
        };
        Ok(CaseItem { patterns, body, end })
    }

    fn function_keyword(&mut self) -> Result<Command> {
        self.input.pos += "function".len();
        let line = self.line();
        let name = self.loop_name()?;
        self.blanks()?;
        if self.peek()? == Some(b'(') && self.at(1) != Some(b'(') {
            self.bump();
            self.blanks()?;
            if !self.eat(")")? {
                return Err(self.unexpected());
            }
        }
        self.function(name, line)
    }

    /// The body of a function.
    pub(super) fn function(&mut self, name: String, line: u32) -> Result<Command> {
        let body = Rc::new(self.any_compound()?);
        let redirs = self.redirections()?;
        Ok(Command::Function(Rc::new(Function {
            name,
            body,
            redirs,
            line,
            source: Rc::clone(&self.syntax.source),
        })))
    }

    fn coproc(&mut self) -> Result<Command> {
        self.input.pos += "coproc".len();
        self.blanks()?;
        let start = self.input.pos;
        if self.reserved()?.is_none() && self.peek()?.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') {
            let name = self.name();
            self.blanks()?;
            let compound = self.peek()? == Some(b'(') || self.reserved()?.is_some_and(|w| !CLOSING.contains(&w));
            if compound && self.input.pos > start {
                return Ok(Command::Coproc(name, Box::new(self.command()?)));
            }
            self.input.pos = start;
        }
        Ok(Command::Coproc("COPROC".to_owned(), Box::new(self.command()?)))
    }
}

/// What `|&` adds to the stage before it.
fn join_outputs(stage: &mut Command) {
    let redir = Redir {
        fd: RedirFd::Number(2),
        kind: RedirKind::Dup(Word::literal("1"), false),
    };
    match stage {
        Command::Simple(simple) => simple.redirs.push(redir),
        Command::Compound(_, redirs, _) => redirs.push(redir),
        Command::Function(_) | Command::Coproc(..) => {}
    }
}

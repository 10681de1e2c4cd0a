//! Redirections.

use super::word::{Mode, is_meta};
use super::{Parser, Result};
use crate::ast::{Redir, RedirFd, RedirKind, Word};
use crate::text::is_name;

impl Parser<'_> {
    /// The redirection at the current position, if there is one.
    pub(super) fn redirection(&mut self) -> Result<Option<Redir>> {
        let Some(b) = self.peek()? else { return Ok(None) };
        let fd = match b {
            b'0'..=b'9' => match self.redirected_number() {
                Some(fd) => Some(RedirFd::Number(fd)),
                None => return Ok(None),
            },
            b'{' => match self.redirected_name() {
                Some(name) => Some(RedirFd::Named(name)),
                None => return Ok(None),
            },
            b'&' if self.at(1) == Some(b'>') => {
                self.bump();
                return self.both().map(Some);
            }
            b'<' | b'>' if self.at(1) != Some(b'(') => None,
            _ => return Ok(None),
        };
        self.operator(fd).map(Some)
    }

    /// All redirections at the current position.
    pub(super) fn redirections(&mut self) -> Result<Vec<Redir>> {
        let mut all = Vec::new();
        loop {
            self.blanks()?;
            match self.redirection()? {
                Some(redir) => all.push(redir),
                None => return Ok(all),
            }
        }
    }

    fn redirected_number(&mut self) -> Option<u32> {
        let rest = &self.bytes()[self.input.pos..];
        let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if !matches!(rest.get(len), Some(b'<' | b'>')) {
            return None;
        }
        let number = self.input.buf[self.input.pos..self.input.pos + len].parse().ok()?;
        self.input.pos += len;
        Some(number)
    }

    fn redirected_name(&mut self) -> Option<String> {
        let rest = &self.input.buf[self.input.pos + 1..];
        let len = rest.find('}')?;
        let name = &rest[..len];
        let base = name.split('[').next().unwrap_or_default();
        let whole = base.len() == len || name.ends_with(']');
        if !whole || !is_name(base) || !matches!(rest.as_bytes().get(len + 1), Some(b'<' | b'>')) {
            return None;
        }
        let name = name.to_owned();
        self.input.pos += len + 2;
        Some(name)
    }

    fn both(&mut self) -> Result<Redir> {
        self.bump();
        let append = self.eat(">")?;
        let word = self.target()?;
        Ok(Redir {
            fd: RedirFd::Both,
            kind: if append {
                RedirKind::Append(word)
            } else {
                RedirKind::Write(word, false)
            },
        })
    }

    fn operator(&mut self, fd: Option<RedirFd>) -> Result<Redir> {
        for (op, number) in [
            ("<<<", 0),
            ("<<-", 0),
            ("<<", 0),
            ("<>", 0),
            ("<&", 0),
            ("<", 0),
            (">>", 1),
            (">|", 1),
            (">&", 1),
            (">", 1),
        ] {
            if !self.eat(op)? {
                continue;
            }
            let implied = fd.is_none();
            let fd = fd.unwrap_or(RedirFd::Number(number));
            let kind = match op {
                "<<-" => RedirKind::HereDoc(self.here_doc(true)?),
                "<<" => RedirKind::HereDoc(self.here_doc(false)?),
                "<<<" => RedirKind::HereString(self.target()?),
                "<>" => RedirKind::ReadWrite(self.target()?),
                "<&" => RedirKind::Dup(self.target()?, true),
                "<" => RedirKind::Read(self.target()?),
                ">>" => RedirKind::Append(self.target()?),
                ">|" => RedirKind::Write(self.target()?, true),
                ">&" => return self.duplicate(fd, implied),
                _ => RedirKind::Write(self.target()?, false),
            };
            return Ok(Redir { fd, kind });
        }
        Err(self.unexpected())
    }

    /// `>&word`: a duplicate, or, with no number written and a word that is none, both outputs to a file.
    fn duplicate(&mut self, fd: RedirFd, implied: bool) -> Result<Redir> {
        let word = self.target()?;
        let number = word
            .as_literal()
            .is_none_or(|t| t == "-" || t.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit()));
        Ok(if implied && !number {
            Redir {
                fd: RedirFd::Both,
                kind: RedirKind::Write(word, false),
            }
        } else {
            Redir {
                fd,
                kind: RedirKind::Dup(word, false),
            }
        })
    }

    fn target(&mut self) -> Result<Word> {
        self.blanks()?;
        match self.peek()? {
            Some(b'<' | b'>') if self.at(1) == Some(b'(') => self.word(Mode::Normal),
            Some(b) if !is_meta(b) => self.word(Mode::Normal),
            _ => Err(self.unexpected()),
        }
    }
}

//! What can be done without a process of its own though bash would fork: commands whose expansion changes nothing in
//! the shell, cannot fail fatally, and reads nothing from standard input.

use crate::ast::{Name, Op, Param, Part, RedirFd, RedirKind, Simple, Subscript, When, Word};
use crate::shell::Shell;
use crate::sys;

/// How a simple command in a subshell can be run.
pub(super) enum Stage {
    /// As a program started directly, with these arguments.
    Program(Vec<String>),
    /// Here: a builtin that only writes.
    Output,
    /// Only in a copy of the shell.
    Fork,
}

/// Builtins that do nothing but write.
const OUTPUT: &[&str] = &["echo", "printf", "pwd", "true", "false", ":", "test", "[", "type"];

impl Shell {
    /// How to run a simple command that bash would run in a subshell. `nested` allows substitutions in its words.
    pub(super) fn classify(&mut self, simple: &Simple, nested: bool) -> Stage {
        if !simple
            .assigns
            .iter()
            .all(|a| a.index.is_none() && self.is_pure_assign(a, nested))
            || self.traps.has_debug()
        {
            return Stage::Fork;
        }
        if simple.words.is_empty()
            || !simple
                .words
                .iter()
                .all(|w| w.assign.is_none() && self.is_pure(w, nested))
        {
            return Stage::Fork;
        }
        if !simple.redirs.iter().all(|r| self.is_pure_redir(&r.fd, &r.kind, nested)) {
            return Stage::Fork;
        }
        if let Some(name) = simple.words[0].as_literal() {
            if self.functions.contains_key(name) {
                return Stage::Fork;
            }
            if self.is_builtin(name) {
                return match name {
                    _ if !simple.redirs.iter().all(keeps_output) => Stage::Fork,
                    "command" => self.classify_command(simple),
                    _ if OUTPUT.contains(&name) && simple.assigns.is_empty() && !sets_variable(simple) => Stage::Output,
                    _ => Stage::Fork,
                };
            }
        }
        self.classify_program(simple)
    }

    fn classify_program(&mut self, simple: &Simple) -> Stage {
        let status = self.status;
        let argv = self.expand_words(&simple.words);
        match argv {
            Ok(argv)
                if argv
                    .first()
                    .is_some_and(|name| !self.functions.contains_key(name) && !self.is_builtin(name)) =>
            {
                Stage::Program(argv)
            }
            _ => {
                self.status = status;
                Stage::Fork
            }
        }
    }

    /// `command -v name`
    fn classify_command(&self, simple: &Simple) -> Stage {
        match simple.words.get(1).and_then(Word::as_literal) {
            Some("-v" | "-V") => Stage::Output,
            _ => Stage::Fork,
        }
    }

    fn is_pure_assign(&self, assign: &crate::ast::Assign, nested: bool) -> bool {
        match &assign.value {
            crate::ast::AssignValue::Word(word) => {
                self.is_pure(word, nested)
                    && self
                        .vars
                        .get(&assign.name)
                        .is_none_or(|v| v.attrs & !crate::vars::attr::EXPORT == 0)
            }
            crate::ast::AssignValue::Array(_) => false,
        }
    }

    fn is_pure(&self, word: &Word, nested: bool) -> bool {
        !self.shopts.failglob && self.are_pure(&word.parts, nested)
    }

    fn are_pure(&self, parts: &[Part], nested: bool) -> bool {
        parts.iter().all(|part| match part {
            Part::Lit(_) | Part::Quoted(_) | Part::Tilde(_) => true,
            Part::Double(inner) => self.are_pure(inner, nested),
            Part::Param(param) => self.is_pure_param(param, nested),
            Part::Command(_) => nested,
            Part::Arith(_) | Part::Process(..) => false,
        })
    }

    fn is_pure_param(&self, param: &Param, nested: bool) -> bool {
        let index = match &param.index {
            None | Some(Subscript::At | Subscript::Star) => true,
            Some(Subscript::Word(word)) => word.as_literal().is_some_and(|t| t.parse::<u32>().is_ok()),
        };
        if !index || param.indirect || self.opts.nounset && !self.is_surely_set(param) {
            return false;
        }
        if matches!(&param.name, Name::Var(name) if matches!(name.as_str(), "RANDOM" | "SRANDOM" | "BASHPID" | "BASH_SUBSHELL"))
        {
            return false;
        }
        match &param.op {
            Op::Plain | Op::Length => true,
            Op::When(When::Default | When::Alternate, _, word)
            | Op::TrimPrefix(_, word)
            | Op::TrimSuffix(_, word)
            | Op::Case(_, _, Some(word))
            | Op::Replace(_, word, None) => self.is_pure(word, nested),
            Op::Replace(_, word, Some(with)) => self.is_pure(word, nested) && self.is_pure(with, nested),
            Op::Case(_, _, None) | Op::Keys | Op::Names(_) => true,
            Op::When(..) | Op::Substring(..) | Op::Transform(_) | Op::Bad(_) => false,
        }
    }

    fn is_surely_set(&self, param: &Param) -> bool {
        match &param.name {
            Name::Var(name) => param.index.is_none() && self.vars.text(name).is_some(),
            Name::Positional(n) => self.params.len() >= *n,
            Name::Special(c) => *c != '!',
        }
    }

    /// Named pipes are opened by a process of their own, since that may wait.
    fn is_pure_redir(&mut self, fd: &RedirFd, kind: &RedirKind, nested: bool) -> bool {
        if matches!(fd, RedirFd::Named(_)) {
            return false;
        }
        match kind {
            RedirKind::Read(word)
            | RedirKind::Write(word, _)
            | RedirKind::Append(word)
            | RedirKind::ReadWrite(word) => {
                let Some(path) = word.as_literal() else {
                    // The name is not known before it is expanded, so a named pipe cannot be ruled out.
                    return self.is_pure(word, false) && nested_target_is_file(self, word);
                };
                path.starts_with("/dev/") || !sys::stat(path, true).is_ok_and(|s| s.is_fifo())
            }
            RedirKind::Dup(word, _) | RedirKind::HereString(word) => self.is_pure(word, nested),
            RedirKind::HereDoc(doc) => doc.body.get().is_none_or(|word| self.is_pure(word, nested)),
        }
    }
}

/// Whether a redirection leaves what a builtin writes to standard output alone, as its being captured wants.
fn keeps_output(redir: &crate::ast::Redir) -> bool {
    matches!(
        (&redir.fd, &redir.kind),
        (
            RedirFd::Number(0),
            RedirKind::Read(_) | RedirKind::HereDoc(_) | RedirKind::HereString(_)
        ) | (RedirFd::Number(2), RedirKind::Write(..) | RedirKind::Append(_))
    )
}

fn nested_target_is_file(shell: &mut Shell, word: &Word) -> bool {
    let status = shell.status;
    let path = shell.expand_text(word);
    shell.status = status;
    path.is_ok_and(|path| !sys::stat(&path, true).is_ok_and(|s| s.is_fifo()))
}

/// `printf -v`
fn sets_variable(simple: &Simple) -> bool {
    simple.words[0].as_literal() == Some("printf")
        && simple
            .words
            .get(1)
            .is_none_or(|w| w.as_literal().is_none_or(|t| t.starts_with("-v")))
}

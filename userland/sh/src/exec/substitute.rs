//! Command and process substitution.

use super::pure::Stage;
use crate::ast::{Command, List, RedirKind, Simple, Substitution};
use crate::shell::{Exec, Flow, Shell};
use crate::sys::{self, Group};
use crate::text;

impl Shell {
    /// `$( )`: what the commands write, without newlines at its end.
    pub fn substitute(&mut self, body: &Substitution) -> Exec<String> {
        self.enter(super::cost::SUBSTITUTION)?;
        let result = self.substitute_inner(body);
        self.stack -= super::cost::SUBSTITUTION;
        result
    }

    fn substitute_inner(&mut self, body: &Substitution) -> Exec<String> {
        if let Some(simple) = only_simple(&body.body) {
            if let Some(text) = self.file_substitution(simple)? {
                return Ok(text);
            }
            match self.classify(simple, true) {
                Stage::Program(argv) => return self.substitute_program(simple, argv),
                Stage::Output if !self.opts.xtrace => return self.substitute_builtin(simple),
                _ => {}
            }
        }
        if body.body.items.is_empty() {
            self.substituted = Some(0);
            self.status = 0;
            return Ok(String::new());
        }
        self.substitute_forked(&body.body)
    }

    /// `$(< file)`
    fn file_substitution(&mut self, simple: &Simple) -> Exec<Option<String>> {
        let [redir] = simple.redirs.as_slice() else {
            return Ok(None);
        };
        let RedirKind::Read(word) = &redir.kind else {
            return Ok(None);
        };
        if !simple.words.is_empty() || !simple.assigns.is_empty() {
            return Ok(None);
        }
        let path = self.expand_text(word)?;
        let read = sys::open(
            &path,
            sys::Open {
                read: true,
                ..Default::default()
            },
            0,
        )
        .and_then(|fd| {
            let bytes = sys::read_to_end(fd);
            sys::close(fd);
            bytes
        });
        match read {
            Ok(bytes) => {
                self.finish_substitution(0);
                Ok(Some(trimmed(bytes)))
            }
            Err(error) => {
                self.error(&format!("{path}: {}", sys::message(&error)));
                self.finish_substitution(1);
                Ok(Some(String::new()))
            }
        }
    }

    fn finish_substitution(&mut self, status: i32) {
        self.status = status;
        self.substituted = Some(status);
    }

    fn substitute_builtin(&mut self, simple: &Simple) -> Exec<String> {
        let before = self.capture.replace(Vec::new());
        let (ignoring, line) = (self.ignoring, self.line);
        let last_arg = self.last_arg.clone();
        let result = self.run_simple(simple, false);
        self.ignoring = ignoring;
        self.line = line;
        self.last_arg = last_arg;
        let text = std::mem::replace(&mut self.capture, before).unwrap_or_default();
        let status = match result {
            Ok(status) => status,
            // In its subshell it would have been the end of the subshell only.
            Err(Flow::Abort | Flow::Exit | Flow::Return | Flow::Break(_) | Flow::Continue(_)) => self.status,
        };
        self.finish_substitution(status);
        Ok(trimmed(text))
    }

    fn substitute_program(&mut self, simple: &Simple, argv: Vec<String>) -> Exec<String> {
        let (read, write) = self.pipe()?;
        let line = std::mem::replace(&mut self.line, simple.line);
        let proc = self.start_program(simple, argv, &[(Some(write), 1)], Group::default());
        self.line = line;
        sys::close(write);
        let text = self.read_child(read);
        sys::close(read);
        let proc = proc?;
        let text = text?;
        let status = if proc.pid == 0 {
            proc.status()
        } else {
            self.wait_child(proc.pid)?
        };
        self.finish_substitution(status);
        Ok(trimmed(text))
    }

    fn substitute_forked(&mut self, list: &List) -> Exec<String> {
        let (read, write) = self.pipe()?;
        let forked = self.fork(Group::default(), &mut |sh| {
            sys::close(read);
            let _ = sys::dup_to(write, 1);
            sys::close(write);
            if !sh.shopts.inherit_errexit && !sh.opts.posix {
                sh.opts.errexit = false;
            }
            sh.run_list(list, true)
        });
        sys::close(write);
        let text = self.read_child(read);
        sys::close(read);
        let proc = self.forked(forked)?;
        let text = text?;
        let status = self.wait_child(proc.pid)?;
        self.finish_substitution(status);
        Ok(trimmed(text))
    }

    /// `<( )` (`read`) and `>( )`: a path under which the commands' output or input is found.
    pub fn process_substitution(&mut self, read: bool, body: &Substitution) -> Exec<String> {
        let (read_end, write_end) = self.pipe()?;
        let (ours, theirs, number) = if read {
            (read_end, write_end, 1)
        } else {
            (write_end, read_end, 0)
        };
        let others = self.process_fds.clone();
        let forked = self.fork(Group::default(), &mut |sh| {
            others.iter().copied().for_each(sys::close);
            sh.process_fds.clear();
            sys::close(ours);
            let _ = sys::dup_to(theirs, number);
            sys::close(theirs);
            sh.run_list(&body.body, true)
        });
        sys::close(theirs);
        let proc = self.forked(forked)?;
        self.last_background = Some(proc.pid);
        self.jobs.remember(proc.pid);
        let fd =
            sys::dup(ours, 60, false).map_err(|error| self.abort(&format!("/dev/fd: {}", sys::message(&error))))?;
        sys::close(ours);
        self.process_fds.push(fd);
        Ok(format!("/dev/fd/{fd}"))
    }
}

/// The command of a list that is one simple command.
fn only_simple(list: &List) -> Option<&Simple> {
    let [item] = list.items.as_slice() else { return None };
    let pipeline = &item.and_or.first;
    if item.background || !item.and_or.rest.is_empty() || pipeline.negated || pipeline.timed.is_some() {
        return None;
    }
    match pipeline.stages.as_slice() {
        [Command::Simple(simple)] => Some(simple),
        _ => None,
    }
}

fn trimmed(mut bytes: Vec<u8>) -> String {
    if bytes.contains(&0) {
        bytes.retain(|b| *b != 0);
    }
    while bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    text::decode(bytes)
}

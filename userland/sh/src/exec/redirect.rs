//! Redirections.
//!
//! They are carried out on the shell's own descriptors for builtins, functions and compound commands, what they hide
//! being kept above [`sys::PRIVATE_FD`] until the command ends; a program gets them as spawn actions instead.

use crate::assign::split_subscript;
use crate::ast::{Redir, RedirFd, RedirKind, Word};
use crate::shell::{Exec, Shell};
use crate::sys::{self, Open, PRIVATE_FD};
use crate::text;

/// Most bytes of a here-document that go through a pipe; more go through a file.
const PIPE_BYTES: usize = 48 * 1024;

/// A descriptor that a redirection hides.
#[derive(Debug, Clone, Copy)]
pub struct SavedFd {
    /// Its number.
    pub fd: u32,
    /// Where it is kept; `None` if it was closed.
    pub copy: Option<u32>,
}

/// What a descriptor becomes.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A file just opened.
    Opened(u32),
    /// A copy of another one.
    Copy(u32),
    /// A copy of another one, which is closed then.
    Move(u32),
    /// Nothing.
    Closed,
}

/// Descriptors for a new program.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// `(from, to)` in order; no `from` closes.
    pub fds: Vec<(Option<u32>, u32)>,
    /// Opened for it, to be closed when it has started.
    pub opened: Vec<u32>,
}

impl Plan {
    /// The present number of what the program's standard error will be.
    pub(super) fn stderr(&self) -> u32 {
        let mut now: Vec<(u32, u32)> = Vec::new();
        let find = |now: &[(u32, u32)], fd: u32| now.iter().rfind(|(to, _)| *to == fd).map_or(fd, |(_, from)| *from);
        for (from, to) in &self.fds {
            if let Some(from) = from {
                let source = find(&now, *from);
                now.push((*to, source));
            }
        }
        find(&now, 2)
    }
}

impl Shell {
    /// Runs `f` with redirections in force.
    pub(super) fn redirected(&mut self, redirs: &[Redir], f: impl FnOnce(&mut Self) -> Exec) -> Exec {
        self.enter(super::cost::REDIRECTED)?;
        let mark = self.saved_fds.len();
        let result = match self.apply_redirs(redirs) {
            Ok(true) => f(self),
            Ok(false) => Ok(1),
            Err(flow) => Err(flow),
        };
        self.restore_fds(mark);
        self.stack -= super::cost::REDIRECTED;
        result
    }

    /// Carries redirections out, to be undone by [`Shell::restore_fds`]; `false`, after a message, if one failed.
    pub(super) fn apply_redirs(&mut self, redirs: &[Redir]) -> Exec<bool> {
        let processes = self.process_fds.len();
        for redir in redirs {
            let Some(source) = self.source(redir)? else {
                return Ok(false);
            };
            match &redir.fd {
                RedirFd::Number(to) => self.install(source, *to),
                RedirFd::Both => {
                    self.install(source, 1);
                    self.install(Source::Copy(1), 2);
                }
                RedirFd::Named(name) => self.install_named(source, name)?,
            }
        }
        for fd in self.process_fds.drain(processes..) {
            sys::close(fd);
        }
        Ok(true)
    }

    fn install(&mut self, source: Source, to: u32) {
        match source {
            Source::Opened(from) if from == to => {
                // The number was free, so that this is what had to be kept.
                self.saved_fds.push(SavedFd { fd: to, copy: None });
                let _ = sys::set_cloexec(to, false);
            }
            Source::Opened(from) => {
                self.replace_fd(from, to);
                sys::close(from);
            }
            Source::Copy(from) => self.replace_fd(from, to),
            Source::Move(from) => {
                self.replace_fd(from, to);
                if from != to {
                    self.hide_fd(from);
                    sys::close(from);
                }
            }
            Source::Closed => {
                self.hide_fd(to);
                sys::close(to);
            }
        }
    }

    fn install_named(&mut self, source: Source, name: &str) -> Exec<()> {
        let fd = match source {
            Source::Closed => {
                let text = match split_subscript(name) {
                    Some((base, index)) => {
                        let key = self.key_of_text(base, index)?;
                        self.get_element(base, &key)
                    }
                    None => self.get(name),
                };
                if let Some(fd) = text.and_then(|t| t.parse().ok()) {
                    sys::close(fd);
                }
                return Ok(());
            }
            Source::Opened(from) | Source::Copy(from) | Source::Move(from) => {
                let fd = sys::dup(from, 10, false);
                if !matches!(source, Source::Copy(_)) {
                    sys::close(from);
                }
                fd.map_err(|error| self.abort(&format!("{name}: {}", sys::message(&error))))?
            }
        };
        match split_subscript(name) {
            Some((base, index)) => {
                let key = self.key_of_text(base, index)?;
                self.assign(base, Some(key), fd.to_string(), false)
            }
            None => self.set(name, &fd.to_string()),
        }
    }

    /// Keeps what a descriptor is until [`Shell::restore_fds`].
    fn hide_fd(&mut self, fd: u32) {
        let copy = sys::dup(fd, PRIVATE_FD, true).ok();
        self.saved_fds.push(SavedFd { fd, copy });
    }

    /// Makes `to` a copy of `from`, keeping what it was.
    pub(super) fn replace_fd(&mut self, from: u32, to: u32) {
        self.hide_fd(to);
        let _ = sys::dup_to(from, to);
    }

    /// Brings back the descriptors hidden since there were `mark` of them.
    pub(super) fn restore_fds(&mut self, mark: usize) {
        while self.saved_fds.len() > mark {
            let Some(saved) = self.saved_fds.pop() else { return };
            match saved.copy {
                Some(copy) => {
                    let _ = sys::dup_to(copy, saved.fd);
                    sys::close(copy);
                }
                None => sys::close(saved.fd),
            }
        }
    }

    /// Lets the redirections since `mark` stay, as `exec` without a command does.
    pub fn keep_fds(&mut self, mark: usize) {
        for saved in self.saved_fds.drain(mark..) {
            saved.copy.into_iter().for_each(sys::close);
        }
    }

    /// Number of hidden descriptors.
    pub fn fd_mark(&self) -> usize {
        self.saved_fds.len()
    }

    /// Redirections as actions for a new program; `None`, after a message, if one failed.
    pub(super) fn plan_redirs(&mut self, redirs: &[Redir]) -> Exec<Option<Plan>> {
        let mut plan = Plan::default();
        for redir in redirs {
            let source = match self.source(redir) {
                Ok(Some(source)) => source,
                failed => {
                    plan.opened.into_iter().for_each(sys::close);
                    return failed.map(|_| None);
                }
            };
            let from = match source {
                Source::Opened(fd) => {
                    // Out of the way of the numbers that the actions write to.
                    let fd = self.moved_up(fd);
                    plan.opened.push(fd);
                    Some(fd)
                }
                Source::Copy(fd) | Source::Move(fd) => Some(fd),
                Source::Closed => None,
            };
            match &redir.fd {
                RedirFd::Number(to) => plan.fds.push((from, *to)),
                RedirFd::Both => plan.fds.extend([(from, 1), (Some(1), 2)]),
                RedirFd::Named(name) => {
                    let name = name.clone();
                    self.install_named(source, &name)?;
                    plan.opened.pop();
                }
            }
            if let Source::Move(fd) = source {
                plan.fds.push((None, fd));
            }
        }
        Ok(Some(plan))
    }

    fn moved_up(&mut self, fd: u32) -> u32 {
        if fd >= 10 {
            return fd;
        }
        match sys::dup(fd, PRIVATE_FD, true) {
            Ok(moved) => {
                sys::close(fd);
                moved
            }
            Err(_) => fd,
        }
    }

    /// What a redirection is from; `None`, after a message, if that fails.
    fn source(&mut self, redir: &Redir) -> Exec<Option<Source>> {
        let read = Open {
            read: true,
            ..Open::default()
        };
        let write = Open {
            write: true,
            create: true,
            ..Open::default()
        };
        match &redir.kind {
            RedirKind::Read(word) => self.opened(word, read),
            RedirKind::Write(word, force) => self.opened_for_writing(word, *force),
            RedirKind::Append(word) => self.opened(word, Open { append: true, ..write }),
            RedirKind::ReadWrite(word) => self.opened(word, Open { read: true, ..write }),
            RedirKind::HereString(word) => {
                let text = self.expand_text(word)? + "\n";
                self.here(&text)
            }
            RedirKind::HereDoc(doc) => match doc.body.get() {
                None => self.here(""),
                Some(word) if doc.quoted => {
                    let text = word.raw.to_string();
                    self.here(&text)
                }
                Some(word) => {
                    let text = self.expand_quoted(word)?;
                    self.here(&text)
                }
            },
            RedirKind::Dup(word, _) => self.duplicate(word),
        }
    }

    /// The path that a redirection names.
    fn target(&mut self, word: &Word) -> Exec<Option<String>> {
        let mut paths = self.expand_words(std::slice::from_ref(word))?;
        if paths.len() != 1 {
            self.error(&format!("{}: ambiguous redirect", word.raw));
            return Ok(None);
        }
        Ok(paths.pop())
    }

    fn opened(&mut self, word: &Word, how: Open) -> Exec<Option<Source>> {
        let Some(path) = self.target(word)? else {
            return Ok(None);
        };
        Ok(self.open_source(&path, how))
    }

    fn open_source(&mut self, path: &str, how: Open) -> Option<Source> {
        match sys::open(path, how, 0o666) {
            Ok(fd) => Some(Source::Opened(fd)),
            Err(error) => {
                self.error(&format!("{path}: {}", sys::message(&error)));
                None
            }
        }
    }

    fn opened_for_writing(&mut self, word: &Word, force: bool) -> Exec<Option<Source>> {
        let Some(path) = self.target(word)? else {
            return Ok(None);
        };
        let write = Open {
            write: true,
            create: true,
            ..Open::default()
        };
        if self.opts.noclobber && !force {
            if sys::stat(&path, true).is_ok_and(|s| s.is_file()) {
                self.error(&format!("{path}: cannot overwrite existing file"));
                return Ok(None);
            }
            return Ok(self.open_source(&path, write));
        }
        Ok(self.open_source(
            &path,
            Open {
                truncate: true,
                ..write
            },
        ))
    }

    fn duplicate(&mut self, word: &Word) -> Exec<Option<Source>> {
        let Some(text) = self.target(word)? else {
            return Ok(None);
        };
        if text == "-" {
            return Ok(Some(Source::Closed));
        }
        let (digits, moves) = match text.strip_suffix('-') {
            Some(digits) => (digits, true),
            None => (text.as_str(), false),
        };
        let Ok(fd) = digits.parse::<u32>() else {
            self.error(&format!("{text}: ambiguous redirect"));
            return Ok(None);
        };
        if (PRIVATE_FD..PRIVATE_FD + 100).contains(&fd) || !sys::is_open(fd) {
            self.error(&format!("{fd}: Bad file descriptor"));
            return Ok(None);
        }
        Ok(Some(if moves { Source::Move(fd) } else { Source::Copy(fd) }))
    }

    /// A descriptor from which a text can be read.
    fn here(&mut self, text: &str) -> Exec<Option<Source>> {
        let bytes = text::encode(text);
        if bytes.len() <= PIPE_BYTES {
            let (read, write) = self.pipe()?;
            // Both ends are here and the pipe holds it all, so that this neither waits nor fails.
            let _ = sys::write_all(write, &bytes);
            sys::close(write);
            return Ok(Some(Source::Opened(read)));
        }
        let path = format!("/tmp/sh-here-{}-{}", sys::pid(), self.saved_fds.len());
        let how = Open {
            write: true,
            create: true,
            exclusive: true,
            ..Open::default()
        };
        let written = sys::open(&path, how, 0o600).and_then(|fd| {
            let result = sys::write_all(fd, &bytes);
            sys::close(fd);
            result
        });
        let opened = written.and_then(|()| {
            sys::open(
                &path,
                Open {
                    read: true,
                    ..Open::default()
                },
                0,
            )
        });
        let _ = std::fs::remove_file(&path);
        match opened {
            Ok(fd) => Ok(Some(Source::Opened(fd))),
            Err(error) => {
                self.error(&format!(
                    "cannot create temp file for here-document: {}",
                    sys::message(&error)
                ));
                Ok(None)
            }
        }
    }
}

//! The loop of an interactive shell.

use super::editor::{Line, read_line};
use crate::builtins::control::run_file;
use crate::parse::{self, Input, Parser};
use crate::shell::{Flow, Shell};
use crate::{sys, text};

/// Signals that an interactive shell keeps away from itself: INT, QUIT, TERM, TSTP, TTIN, TTOU, WINCH.
const PROTECTED: [u32; 7] = [2, 3, 15, 20, 21, 22, 28];

/// Which start-up files are read.
#[derive(Debug, Clone, Default)]
pub struct Startup {
    /// `/etc/profile` and `~/.profile`.
    pub login: bool,
    /// Not even those of a login shell.
    pub no_profile: bool,
    /// No `~/.bashrc`.
    pub no_rc: bool,
    /// Another file instead of `~/.bashrc`.
    pub rc_file: Option<String>,
}

/// Runs start-up files; `false` if one of them ended the shell.
pub fn start(sh: &mut Shell, startup: &Startup) -> bool {
    let home = sh.vars.text("HOME").unwrap_or_default().to_owned();
    let mut files = Vec::new();
    if startup.login && !startup.no_profile {
        files.push("/etc/profile".to_owned());
        let own = [".bash_profile", ".bash_login", ".profile"].map(|f| format!("{home}/{f}"));
        files.extend(own.into_iter().find(|f| sys::stat(f, true).is_ok()));
    } else if sh.interactive && !startup.no_rc {
        match &startup.rc_file {
            Some(file) => files.push(file.clone()),
            None => files.extend(["/etc/bash.bashrc".to_owned(), format!("{home}/.bashrc")]),
        }
    }
    files.iter().all(|file| source_if_there(sh, file))
}

/// Runs a file if it exists; `false` if it ended the shell.
pub fn source_if_there(sh: &mut Shell, file: &str) -> bool {
    let Ok(bytes) = std::fs::read(text::to_os(file)) else {
        return true;
    };
    let result = run_file(sh, file, text::decode(bytes), &[]);
    result != Err(Flow::Exit)
}

/// Runs an interactive shell to its end.
pub fn run(sh: &mut Shell, startup: &Startup) {
    prepare(sh);
    if !start(sh, startup) {
        return finish(sh);
    }
    let file = sh.vars.text("HISTFILE").unwrap_or_default().to_owned();
    let size = sh.vars.text("HISTSIZE").and_then(|t| t.parse().ok());
    sh.history.set_limit(size);
    sh.history.load(&file);
    let mut input = Input::lines();
    loop {
        sh.notify_jobs();
        sh.take_terminal();
        if let Some(command) = sh.vars.text("PROMPT_COMMAND").map(str::to_owned) {
            let status = sh.status;
            let _ = sh.run_text(&command);
            sh.status = status;
        }
        match read_command(sh, &mut input) {
            Ok(Some(list)) => {
                if sh.run_list(&list, false) == Err(Flow::Exit) {
                    if leave(sh) {
                        return finish(sh);
                    }
                    continue;
                }
                let _ = sh.run_pending_traps();
            }
            Ok(None) => {
                if leave(sh) {
                    let _ = sys::write_all(2, b"exit\n");
                    return finish(sh);
                }
                input = Input::lines();
            }
            Err(parse::Error::Interrupted) => {
                sh.status = 130;
                input = Input::lines();
            }
            Err(parse::Error::Syntax(_, message) | parse::Error::Eof(_, message)) => {
                sh.error(&message);
                sh.status = 2;
                input = Input::lines();
            }
        }
    }
}

/// Whether the shell may end: stopped jobs are warned of once.
fn leave(sh: &mut Shell) -> bool {
    if sh.jobs.all().iter().any(|j| j.is_stopped()) && sh.vars.get("_agentos_warned").is_none() {
        let _ = sys::write_all(2, b"There are stopped jobs.\n");
        sh.vars.set("_agentos_warned", "1");
        return false;
    }
    true
}

fn prepare(sh: &mut Shell) {
    for signal in PROTECTED {
        sh.traps.protect(signal);
    }
    sh.shopts.expand_aliases = true;
    sh.opts.history = true;
    sh.opts.histexpand = true;
    sh.opts.emacs = true;
    let terminal = sys::dup(2, sys::PRIVATE_FD, true).ok().filter(|fd| sys::is_tty(*fd));
    sh.terminal = terminal;
    if let Some(fd) = terminal {
        let pid = sh.shell_pid();
        if sys::pgrp() != pid {
            let _ = sys::set_pgrp(0, 0);
        }
        sh.opts.monitor = sys::set_tty_group(fd, sys::pgrp()).is_ok() || sys::tty_group(fd).is_ok();
    }
    for (name, value) in [("PS1", "\\u@\\h:\\w\\$ "), ("PS2", "> ")] {
        if sh.vars.text(name).is_none() {
            sh.vars.set(name, value);
        }
    }
    if sh.vars.text("HISTFILE").is_none()
        && let Some(home) = sh.vars.text("HOME")
    {
        let file = format!("{home}/.bash_history");
        sh.vars.set("HISTFILE", file);
    }
}

fn finish(sh: &mut Shell) {
    let file = sh.vars.text("HISTFILE").unwrap_or_default().to_owned();
    sh.history.save(&file);
    for job in sh.jobs.all() {
        if job.keep {
            continue;
        }
        if let Some(pgid) = job.pgid {
            let _ = sys::kill(-(pgid as i32), 1);
            let _ = sys::kill(-(pgid as i32), 18);
        }
    }
}

/// Reads a command, which may go on over several lines.
fn read_command(sh: &mut Shell, input: &mut Input) -> parse::Result<Option<crate::ast::List>> {
    let syntax = sh.syntax();
    let mut text = String::new();
    let mut more = |began: bool| {
        let line = next_line(sh, began)?;
        text.push_str(line.as_deref().unwrap_or_default());
        Ok(line)
    };
    let result = Parser::new(input, &mut more, syntax).next();
    if !text.trim().is_empty() {
        let control = sh.vars.text("HISTCONTROL").unwrap_or_default().to_owned();
        sh.history.add(text.trim_start_matches('\n'), &control);
        sh.command_text = std::rc::Rc::from(text.trim());
    }
    result
}

fn next_line(sh: &mut Shell, began: bool) -> parse::Result<Option<String>> {
    let name = if began { "PS2" } else { "PS1" };
    let value = sh.vars.text(name).unwrap_or_default().to_owned();
    let prompt = sh.prompt_text(&value);
    match read_line(sh, 0, &prompt) {
        Line::Cancelled => Err(parse::Error::Interrupted),
        Line::Eof => Ok(None),
        Line::Text(line) => {
            if !sh.opts.histexpand {
                return Ok(Some(line));
            }
            match sh.history.expand(&line) {
                Ok(None) => Ok(Some(line)),
                Ok(Some(expanded)) => {
                    let _ = sys::write_all(2, &text::encode(&expanded));
                    Ok(Some(expanded))
                }
                Err(message) => {
                    sh.error(&message);
                    Err(parse::Error::Interrupted)
                }
            }
        }
    }
}

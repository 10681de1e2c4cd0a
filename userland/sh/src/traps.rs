//! Traps and signals.
//!
//! A trapped signal is queued by the kernel; it is taken between commands, and by `wait` and `read` when it interrupts
//! them.

use crate::parse;
use crate::shell::{Exec, Flow, Shell};
use crate::sys;

/// The signal of the interrupt key.
const INTERRUPT: u32 = 2;
/// Number of EXIT among traps; signals have their own.
pub const EXIT: u32 = 0;
/// Number of DEBUG.
pub const DEBUG: u32 = 100;
/// Number of ERR.
pub const ERR: u32 = 101;
/// Number of RETURN.
pub const RETURN: u32 = 102;

/// Signals that end a shell after its EXIT trap: HUP, INT, QUIT, ILL, TRAP, ABRT, USR1, USR2, PIPE, ALRM, TERM.
const FATAL: [u32; 11] = [1, 2, 3, 4, 5, 6, 10, 12, 13, 14, 15];

/// All traps.
#[derive(Debug, Default)]
pub struct Traps {
    set: Vec<(u32, String)>,
    /// What the parent of this copy of the shell had, for `trap -p`.
    inherited: Vec<(u32, String)>,
    /// Signals that an interactive shell keeps away from itself.
    own: u64,
    /// Signals caught only so that EXIT runs before they end the shell.
    fatal: u64,
    /// Signals taken whose traps are yet to run.
    taken: Vec<u32>,
    /// DEBUG is not in force in the present function.
    debug_hidden: bool,
    /// Nor is RETURN.
    return_hidden: bool,
}

impl Traps {
    /// The action of a trap.
    pub fn get(&self, number: u32) -> Option<&str> {
        self.set
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, action)| action.as_str())
    }

    /// Whether a trap is set.
    pub fn is_set(&self, number: u32) -> bool {
        self.get(number).is_some()
    }

    /// Whether any is set.
    pub fn is_any(&self) -> bool {
        !self.set.is_empty() || self.own != 0
    }

    /// Whether none is set that looks at single commands.
    pub fn is_quiet(&self) -> bool {
        self.set.is_empty()
    }

    /// Whether DEBUG is in force.
    pub fn has_debug(&self) -> bool {
        !self.set.is_empty() && !self.debug_hidden && self.is_set(DEBUG)
    }

    /// All of them, for `trap -p`.
    pub fn shown(&self) -> Vec<(u32, String)> {
        let mut all = if self.set.is_empty() {
            self.inherited.clone()
        } else {
            self.set.clone()
        };
        all.sort_by_key(|(n, _)| *n);
        all
    }

    /// Sets a trap; the empty action ignores.
    pub fn set(&mut self, number: u32, action: &str) {
        self.inherited.clear();
        self.set.retain(|(n, _)| *n != number);
        self.set.push((number, action.to_owned()));
        match number {
            DEBUG => self.debug_hidden = false,
            RETURN => self.return_hidden = false,
            _ => {}
        }
        if (1..=64).contains(&number) {
            self.fatal &= !bit(number);
            if action.is_empty() {
                sys::ignore_signal(number)
            } else {
                sys::catch_signal(number)
            }
        }
        if number == EXIT && !action.is_empty() {
            self.watch_fatal();
        }
    }

    /// Catches the signals that would end the shell without its EXIT trap.
    fn watch_fatal(&mut self) {
        for number in FATAL {
            if !self.is_set(number) && (self.own | self.fatal) & bit(number) == 0 && !sys::is_ignored(number) {
                self.fatal |= bit(number);
                sys::catch_signal(number);
            }
        }
    }

    /// Whether a signal is to end the shell after its EXIT trap.
    pub fn is_fatal(&self, number: u32) -> bool {
        self.fatal & bit(number) != 0
    }

    /// Puts a signal back whose trap runs later.
    pub fn defer(&mut self, number: u32) {
        self.taken.push(number);
    }

    /// The next signal that arrived.
    pub fn take(&mut self) -> Option<u32> {
        if self.taken.is_empty() {
            sys::take_signal()
        } else {
            Some(self.taken.remove(0))
        }
    }

    /// Removes a trap.
    pub fn reset(&mut self, number: u32) {
        self.inherited.clear();
        self.set.retain(|(n, _)| *n != number);
        if (1..=64).contains(&number) {
            if self.own & bit(number) != 0 {
                self.protect(number)
            } else {
                sys::default_signal(number)
            }
            if self.is_set(EXIT) {
                self.watch_fatal();
            }
        }
        if number == EXIT {
            (1..=64)
                .filter(|n| self.fatal & bit(*n) != 0)
                .for_each(sys::default_signal);
            self.fatal = 0;
        }
    }

    /// Keeps a signal away from an interactive shell.
    pub fn protect(&mut self, number: u32) {
        self.own |= bit(number);
        if matches!(number, 2 | 28) {
            sys::catch_signal(number)
        } else {
            sys::ignore_signal(number)
        }
    }

    /// Signals whose default action a new program gets back.
    pub fn to_reset(&self) -> u64 {
        let ignored = self.set.iter().filter(|(n, a)| (1..=64).contains(n) && a.is_empty());
        (self.own | self.fatal) & !ignored.fold(0, |set, (n, _)| set | bit(*n))
    }

    /// This is a copy of the shell: only ignored signals stay as they are.
    pub fn enter_subshell(&mut self, interactive: bool) {
        self.inherited = self.set.clone();
        let set = std::mem::take(&mut self.set);
        for (number, action) in set {
            if action.is_empty() && number != EXIT {
                self.set.push((number, action));
            } else if (1..=64).contains(&number) {
                sys::default_signal(number);
            }
        }
        (1..=64)
            .filter(|n| self.fatal & bit(*n) != 0)
            .for_each(sys::default_signal);
        self.fatal = 0;
        self.taken.clear();
        if interactive {
            (1..=64)
                .filter(|n| self.own & bit(*n) != 0)
                .for_each(sys::default_signal);
        }
        self.own = 0;
    }

    /// Puts DEBUG and RETURN out of force in a function that does not inherit them.
    pub fn enter_function(&mut self, inherits: bool) -> (bool, bool) {
        let before = (self.debug_hidden, self.return_hidden);
        if !inherits {
            self.debug_hidden = true;
            self.return_hidden = true;
        }
        before
    }

    /// Ends what [`Traps::enter_function`] began.
    pub fn leave_function(&mut self, before: (bool, bool)) {
        (self.debug_hidden, self.return_hidden) = before;
    }

    /// Whether RETURN is in force.
    pub fn has_return(&self) -> bool {
        !self.set.is_empty() && !self.return_hidden && self.is_set(RETURN)
    }
}

fn bit(number: u32) -> u64 {
    number.checked_sub(1).and_then(|n| 1u64.checked_shl(n)).unwrap_or(0)
}

/// Name of a trap.
pub fn name(number: u32) -> String {
    match number {
        EXIT => "EXIT".to_owned(),
        DEBUG => "DEBUG".to_owned(),
        ERR => "ERR".to_owned(),
        RETURN => "RETURN".to_owned(),
        _ => format!(
            "SIG{}",
            agentos_guest::signal::name(number).unwrap_or_else(|| number.to_string())
        ),
    }
}

/// Number of a trap from its name or number.
pub fn number(text: &str) -> Option<u32> {
    match text.to_ascii_uppercase().as_str() {
        "DEBUG" => Some(DEBUG),
        "ERR" => Some(ERR),
        "RETURN" => Some(RETURN),
        _ => agentos_guest::signal::parse(text),
    }
}

impl Shell {
    /// Runs the actions of signals that arrived. An interrupt that an interactive shell has no trap for ends the command line.
    pub fn run_pending_traps(&mut self) -> Exec<()> {
        while let Some(signal) = self.traps.take() {
            if !self.run_signal_trap(signal)? && signal == INTERRUPT && self.interactive {
                let _ = sys::write_all(2, b"\n");
                self.status = 130;
                return Err(Flow::Abort);
            }
        }
        Ok(())
    }

    /// A wait for a child was interrupted: signals that end the shell do so now, traps run after the wait.
    pub fn interrupted(&mut self) -> Exec<()> {
        while let Some(signal) = sys::take_signal() {
            if self.traps.is_fatal(signal) && signal != INTERRUPT {
                return Err(self.die(signal));
            }
            self.traps.defer(signal);
        }
        Ok(())
    }

    /// Ends the shell by a signal, after its EXIT trap.
    fn die(&mut self, signal: u32) -> Flow {
        self.status = 128 + signal as i32;
        self.run_exit_trap();
        sys::default_signal(signal);
        let _ = sys::kill(sys::pid() as i32, signal);
        self.status = 128 + signal as i32;
        Flow::Exit
    }

    /// Takes the signals that arrived for an interactive shell while a job has the terminal. An interrupt was typed before the
    /// job had it, and was meant for the job. The others are given back, for after the job.
    pub fn pass_interrupts(&self, pgid: u32) -> Vec<u32> {
        let mut others = Vec::new();
        while let Some(signal) = sys::take_signal() {
            if signal == INTERRUPT && !self.traps.is_set(INTERRUPT) {
                let _ = sys::kill(-(pgid as i32), INTERRUPT);
            } else {
                others.push(signal);
            }
        }
        others
    }

    /// Runs the action of one signal; whether there was one.
    pub fn run_signal_trap(&mut self, signal: u32) -> Exec<bool> {
        let Some(action) = self.traps.get(signal).map(str::to_owned) else {
            return if self.traps.is_fatal(signal) {
                Err(self.die(signal))
            } else {
                Ok(false)
            };
        };
        if !action.is_empty() {
            self.run_action(&action)?;
        }
        Ok(true)
    }

    /// Runs a trap's action; `$?` is as before after it.
    fn run_action(&mut self, action: &str) -> Exec<()> {
        let status = self.status;
        let line = self.line;
        let pipe_status = self.pipe_status.clone();
        let result = self.run_text(action);
        self.line = line;
        if result != Err(Flow::Exit) {
            self.status = status;
        }
        self.pipe_status = pipe_status;
        match result {
            Ok(_) => Ok(()),
            Err(flow) => Err(flow),
        }
    }

    /// Parses and runs a text in the present shell.
    pub fn run_text(&mut self, text: &str) -> Exec {
        self.in_text(|sh| sh.run_text_inner(text))
    }

    fn run_text_inner(&mut self, text: &str) -> Exec {
        let mut input = parse::Input::whole(text.to_owned(), self.line.max(1));
        let mut status = 0;
        loop {
            let mut more = |_| Ok(None);
            let syntax = self.syntax();
            match parse::Parser::new(&mut input, &mut more, syntax).next() {
                Ok(None) => return Ok(status),
                Ok(Some(list)) => status = self.run_list(&list, false)?,
                Err(parse::Error::Syntax(line, message) | parse::Error::Eof(line, message)) => {
                    self.error_at(line, &message);
                    self.status = 2;
                    return Ok(2);
                }
                Err(parse::Error::Interrupted) => return Ok(130),
            }
        }
    }

    fn run_once(&mut self, number: u32) -> Exec<()> {
        if self.in_trap {
            return Ok(());
        }
        let Some(action) = self.traps.get(number).map(str::to_owned) else {
            return Ok(());
        };
        self.in_trap = true;
        let result = self.run_action(&action);
        self.in_trap = false;
        result
    }

    /// DEBUG
    pub fn run_debug_trap(&mut self) -> Exec<()> {
        self.run_once(DEBUG)
    }

    /// ERR
    pub fn run_err_trap(&mut self, status: i32) -> Exec<()> {
        if !self.traps.is_set(ERR) || self.in_function() && !self.opts.errtrace {
            return Ok(());
        }
        self.status = status;
        self.run_once(ERR)
    }

    /// RETURN
    pub fn run_return_trap(&mut self) -> Exec<()> {
        self.run_once(RETURN)
    }

    /// EXIT, once; `$?` is the status the shell ends with.
    pub fn run_exit_trap(&mut self) {
        let Some(action) = self.traps.get(EXIT).map(str::to_owned) else {
            return;
        };
        self.traps.reset(EXIT);
        let status = self.status;
        self.in_trap = false;
        match self.run_text(&action) {
            Err(Flow::Exit) => {}
            _ => self.status = status,
        }
    }
}

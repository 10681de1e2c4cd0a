//! Running the syntax tree.
//!
//! The walk is plain recursion on the guest's stack; how deep functions may go is bounded. Whatever bash does in a
//! subshell is a process of its own, made by [`Shell::fork`]; a program is started directly.

mod call;
mod compound;
mod cond;
mod external;
mod fork;
mod pipeline;
mod pure;
mod redirect;
mod simple;
mod substitute;

pub use cond::{binary_test, unary_test};
pub use external::Lookup;
pub use pipeline::minutes;
pub use redirect::SavedFd;

use crate::ast::{AndOr, Command, Compound, Function, Item, List};
use crate::shell::{Exec, Flow, Shell};
use std::rc::Rc;

/// Bytes of stack that commands in one another may take, as measured; a guest has 1 MiB, and the innermost needs some.
const MAX_STACK: u32 = 850_000;
/// What a simple command, a compound command and the ways between them take.
pub(crate) mod cost {
    pub const SIMPLE: u32 = 950;
    pub const COMPOUND: u32 = 800;
    pub const GROUP: u32 = 550;
    pub const ITEM: u32 = 350;
    pub const REDIRECTED: u32 = 300;
    pub const TEXT: u32 = 700;
    pub const SUBSTITUTION: u32 = 1500;
}

impl Shell {
    /// Runs a list. `tail` says that the process has nothing to do after it.
    pub fn run_list(&mut self, list: &List, tail: bool) -> Exec {
        let mut status = self.status;
        let last = list.items.len().saturating_sub(1);
        for (i, item) in list.items.iter().enumerate() {
            let tail = tail && i == last;
            // The commonest case by far, kept short: how deep functions may go depends on the frames between them.
            status = match (item.and_or.rest.as_slice(), item.and_or.first.stages.as_slice()) {
                ([], [command]) if item.is_plain() && !self.opts.noexec => {
                    let status = self.run_command(command, tail)?;
                    self.finish_command(command, status)?
                }
                _ => self.run_item(item, tail)?,
            };
        }
        Ok(status)
    }

    #[inline(never)]
    fn run_item(&mut self, item: &Item, tail: bool) -> Exec {
        if self.opts.noexec && !self.interactive {
            return Ok(0);
        }
        if item.background {
            self.status = self.run_background(item)?;
            return Ok(self.status);
        }
        self.enter(cost::ITEM)?;
        let result = self.run_and_or(&item.and_or, tail);
        self.stack -= cost::ITEM;
        result
    }

    pub(super) fn run_and_or(&mut self, list: &AndOr, tail: bool) -> Exec {
        if list.rest.is_empty() {
            return self.run_pipeline(&list.first, tail);
        }
        let mut status = self.ignoring(|sh| sh.run_pipeline(&list.first, false))?;
        let last = list.rest.len() - 1;
        for (i, (and, pipeline)) in list.rest.iter().enumerate() {
            if (status == 0) != *and {
                continue;
            }
            status = if i == last {
                self.run_pipeline(pipeline, tail)?
            } else {
                self.ignoring(|sh| sh.run_pipeline(pipeline, false))?
            };
        }
        Ok(status)
    }

    /// Runs `f` where failures do not count for `errexit`.
    pub(super) fn ignoring<T>(&mut self, f: impl FnOnce(&mut Self) -> Exec<T>) -> Exec<T> {
        self.ignoring += 1;
        let result = f(self);
        self.ignoring -= 1;
        result
    }

    /// Runs one command; `$?` and `PIPESTATUS` are the caller's to set.
    pub(super) fn run_command(&mut self, command: &Command, tail: bool) -> Exec {
        let cost = match command {
            Command::Simple(_) => cost::SIMPLE,
            Command::Compound(compound, ..) if matches!(**compound, Compound::Group(_) | Compound::If(..)) => {
                cost::GROUP
            }
            _ => cost::COMPOUND,
        };
        self.enter(cost)?;
        let result = match command {
            Command::Simple(simple) => self.run_simple(simple, tail),
            Command::Compound(compound, redirs, line) if redirs.is_empty() => self.run_compound(compound, tail, *line),
            other => self.run_other(other),
        };
        self.stack -= cost;
        result
    }

    #[inline(never)]
    fn run_other(&mut self, command: &Command) -> Exec {
        match command {
            Command::Simple(simple) => self.run_simple(simple, false),
            Command::Compound(compound, redirs, line) => {
                self.line = *line;
                self.redirected(redirs, |sh| sh.run_compound(compound, false, *line))
            }
            Command::Function(function) => Ok(self.define(function)),
            Command::Coproc(name, command) => self.coprocess(name, command),
        }
    }

    /// Counts stack that is about to be used. Too much of it, by functions, `eval` and compound commands in one another, is an
    /// error instead of the end of the process.
    pub(super) fn enter(&mut self, cost: u32) -> Exec<()> {
        if self.stack + cost > MAX_STACK {
            return Err(self.too_deep());
        }
        self.stack += cost;
        Ok(())
    }

    #[inline(never)]
    fn too_deep(&mut self) -> Flow {
        let depth = self.depth;
        self.abort(&format!(
            "commands are nested too deeply ({depth} functions, files and evaluations)"
        ))
    }

    /// Runs `f` counting the stack of a text that is parsed and run.
    pub fn in_text<T>(&mut self, f: impl FnOnce(&mut Self) -> Exec<T>) -> Exec<T> {
        self.enter(cost::TEXT)?;
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        self.stack -= cost::TEXT;
        result
    }

    /// What follows a command that is a whole pipeline: `PIPESTATUS`, `$?`, the ERR trap, signals.
    pub(super) fn finish_command(&mut self, command: &Command, status: i32) -> Exec {
        if !matches!(command, Command::Compound(compound, ..) if compound.keeps_pipe_status()) {
            self.set_pipe_status(status);
        }
        self.status = status;
        if status != 0 && Self::counts(command) {
            self.failed(status)?;
        }
        if self.traps.is_any() {
            self.run_pending_traps()?;
        }
        Ok(self.status)
    }

    fn define(&mut self, function: &Rc<Function>) -> i32 {
        if self
            .function_attrs
            .get(&function.name)
            .is_some_and(|a| a & crate::vars::attr::READONLY != 0)
        {
            self.error(&format!("{}: readonly function", function.name));
            return 1;
        }
        self.functions.insert(function.name.clone(), Rc::clone(function));
        0
    }

    /// Whether a failure of this command itself ends the shell under `errexit`.
    fn counts(command: &Command) -> bool {
        match command {
            Command::Simple(_) => true,
            Command::Compound(compound, ..) => matches!(
                **compound,
                Compound::Subshell(_) | Compound::Arith(_) | Compound::Cond(_)
            ),
            Command::Function(_) | Command::Coproc(..) => false,
        }
    }

    /// After a command that failed: the ERR trap and `errexit`.
    pub(super) fn failed(&mut self, status: i32) -> Exec {
        if status == 0 || self.ignoring > 0 {
            return Ok(status);
        }
        self.run_err_trap(status)?;
        if self.opts.errexit {
            self.status = status;
            return Err(Flow::Exit);
        }
        Ok(status)
    }
}

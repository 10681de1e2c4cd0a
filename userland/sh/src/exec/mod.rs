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

impl Shell {
    /// Runs a list. `tail` says that the process has nothing to do after it.
    pub fn run_list(&mut self, list: &List, tail: bool) -> Exec {
        let mut status = self.status;
        let last = list.items.len().saturating_sub(1);
        for (i, item) in list.items.iter().enumerate() {
            status = self.run_item(item, tail && i == last)?;
        }
        Ok(status)
    }

    fn run_item(&mut self, item: &Item, tail: bool) -> Exec {
        if self.opts.noexec && !self.interactive {
            return Ok(0);
        }
        if item.background {
            self.status = self.run_background(item)?;
            return Ok(self.status);
        }
        self.run_and_or(&item.and_or, tail)
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
        match command {
            Command::Simple(simple) => self.run_simple(simple, tail),
            Command::Compound(compound, redirs, line) => {
                if redirs.is_empty() {
                    return self.run_compound(compound, tail, *line);
                }
                self.line = *line;
                self.redirected(redirs, |sh| sh.run_compound(compound, false, *line))
            }
            Command::Function(function) => Ok(self.define(function)),
            Command::Coproc(name, command) => self.coprocess(name, command),
        }
    }

    fn define(&mut self, function: &Rc<Function>) -> i32 {
        if self.function_attrs.get(&function.name).is_some_and(|a| a & crate::vars::attr::READONLY != 0) {
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
            Command::Compound(compound, ..) => matches!(**compound, Compound::Subshell(_) | Compound::Arith(_) | Compound::Cond(_)),
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

//! Simple commands.

use std::rc::Rc;

use crate::ast::{Simple, Word};
use crate::builtins::{self, Args};
use crate::shell::{Exec, Flow, Shell};

impl Shell {
    pub(super) fn run_simple(&mut self, simple: &Simple, tail: bool) -> Exec {
        self.line = simple.line;
        self.substituted = None;
        if self.traps.has_debug() || !self.traps.is_quiet() {
            self.before_simple(simple)?;
        }
        let processes = self.process_fds.len();
        let result = self.run_simple_inner(simple, tail);
        if self.process_fds.len() > processes {
            self.process_fds.drain(processes..).for_each(crate::sys::close);
        }
        result
    }

    fn before_simple(&mut self, simple: &Simple) -> Exec<()> {
        let text = crate::print::simple(simple);
        self.before_command(&text)
    }

    /// `BASH_COMMAND` and the DEBUG trap.
    pub(super) fn before_command(&mut self, text: &str) -> Exec<()> {
        if self.traps.is_quiet() {
            return Ok(());
        }
        if !self.in_trap {
            self.command_text = Rc::from(text);
        }
        if self.traps.has_debug() {
            self.run_debug_trap()
        } else {
            Ok(())
        }
    }

    fn run_simple_inner(&mut self, simple: &Simple, tail: bool) -> Exec {
        if simple.words.is_empty() {
            return self.run_assigns(simple);
        }
        let (argv, args) = self.arguments(simple)?;
        let Some(name) = argv.first() else {
            return self.run_assigns(simple);
        };
        if !self.functions.is_empty()
            && let Some(function) = self.functions.get(name.as_str())
        {
            let function = Rc::clone(function);
            return self.run_function(simple, &function, argv);
        }
        if let Some(builtin) = self.builtin(name) {
            return self.run_builtin(simple, builtin, argv, args);
        }
        self.run_named(simple, argv, tail)
    }

    fn run_function(&mut self, simple: &Simple, function: &Rc<crate::ast::Function>, argv: Vec<String>) -> Exec {
        self.trace_argv(&argv);
        if simple.assigns.is_empty() && simple.redirs.is_empty() {
            return self.call(function, argv);
        }
        self.with_assigns(simple, |sh| sh.redirected(&simple.redirs, |sh| sh.call(function, argv)))
    }

    /// A command that is neither function nor builtin.
    #[inline(never)]
    fn run_named(&mut self, simple: &Simple, argv: Vec<String>, tail: bool) -> Exec {
        if self.interactive && self.shopts.autocd && crate::sys::stat(&argv[0], true).is_ok_and(|s| s.is_dir()) {
            let argv = vec!["cd".to_owned(), "--".to_owned(), argv[0].clone()];
            return builtins::run(self, "cd", &argv);
        }
        self.run_program(simple, argv, tail)
    }

    /// Runs words as a program, functions and builtins not being looked at.
    pub fn run_words(&mut self, words: &[String]) -> Exec {
        self.run_program(
            &Simple {
                line: self.line,
                ..Simple::default()
            },
            words.to_vec(),
            false,
        )
    }

    /// Expands a command's words. Arguments that are assignments keep their array literals aside.
    fn arguments<'a>(&mut self, simple: &'a Simple) -> Exec<(Vec<String>, Args<'a>)> {
        let mut args = Args::default();
        if simple.words.iter().all(|w| w.assign.is_none()) {
            return Ok((self.expand_words(&simple.words)?, args));
        }
        let mut argv = Vec::new();
        for word in &simple.words {
            match &word.assign {
                None => argv.extend(self.expand_words(std::slice::from_ref(word))?),
                Some(assign) => {
                    args.assigns.push((argv.len(), assign));
                    argv.push(self.assign_argument(word, assign)?);
                }
            }
        }
        Ok((argv, args))
    }

    fn assign_argument(&mut self, word: &Word, assign: &crate::ast::Assign) -> Exec<String> {
        let op = if assign.append { "+=" } else { "=" };
        let index = match &assign.index {
            Some(index) => format!("[{}]", self.expand_text(index)?),
            None => String::new(),
        };
        Ok(match &assign.value {
            crate::ast::AssignValue::Word(value) => {
                format!("{}{index}{op}{}", assign.name, self.expand_assigned(value)?)
            }
            crate::ast::AssignValue::Array(_) => word.raw.to_string(),
        })
    }

    /// A command without a name: its assignments are the shell's.
    #[inline(never)]
    fn run_assigns(&mut self, simple: &Simple) -> Exec {
        if !simple.redirs.is_empty() {
            let status = self.redirected(&simple.redirs, |_| Ok(0))?;
            if status != 0 {
                return Ok(status);
            }
        }
        for assign in &simple.assigns {
            self.run_assign(assign)?
        }
        Ok(self.substituted.unwrap_or(0))
    }

    fn with_assigns(&mut self, simple: &Simple, f: impl FnOnce(&mut Self) -> Exec) -> Exec {
        if simple.assigns.is_empty() {
            return f(self);
        }
        let result = self.push_assigns(&simple.assigns).and_then(|()| f(self));
        self.vars.pop();
        for assign in &simple.assigns {
            self.changed(&assign.name);
        }
        result
    }

    #[inline(never)]
    fn run_builtin(&mut self, simple: &Simple, builtin: builtins::Builtin, argv: Vec<String>, args: Args<'_>) -> Exec {
        self.trace_argv(&argv);
        if argv[0] == "exec" {
            return self.run_exec(simple, &argv);
        }
        let status = if simple.redirs.is_empty() && simple.assigns.is_empty() {
            builtin(self, &argv, &args)
        } else {
            self.with_assigns(simple, |sh| {
                sh.redirected(&simple.redirs, |sh| builtin(sh, &argv, &args))
            })
        };
        // What fails in a builtin is its status; only where it runs commands may that end the line.
        let runs = matches!(
            argv[0].as_str(),
            "." | "builtin" | "command" | "eval" | "exit" | "source" | "trap" | "fc"
        );
        if let Some(last) = argv.into_iter().next_back() {
            self.last_arg = last;
        }
        match status {
            Err(Flow::Abort) if !runs && !self.interactive => Ok(self.status),
            other => other,
        }
    }

    /// `exec`: its redirections stay.
    fn run_exec(&mut self, simple: &Simple, argv: &[String]) -> Exec {
        let mark = self.fd_mark();
        if !self.apply_redirs(&simple.redirs)? {
            self.restore_fds(mark);
            self.status = 1;
            return if self.interactive { Ok(1) } else { Err(Flow::Exit) };
        }
        if !simple.assigns.is_empty() {
            self.push_assigns(&simple.assigns)?;
        }
        let result = builtins::exec::run(self, argv);
        match result {
            Ok(0) => self.keep_fds(mark),
            _ => self.restore_fds(mark),
        }
        result
    }
}

//! Copies of the shell.

use crate::ast::{Command, List};
use crate::shell::{Exec, Flow, Shell};
use crate::sys::{self, Group};

impl Shell {
    /// Starts a copy of this process that runs `body` on its copy of the shell and exits with its status.
    pub(super) fn fork(&mut self, group: Group, body: &mut dyn FnMut(&mut Shell) -> Exec) -> std::io::Result<u32> {
        // `$$` is the main shell's in every copy.
        self.shell_pid();
        sys::clone(group, &mut || {
            self.enter_subshell();
            let result = body(self);
            self.leave_subshell(result)
        })
    }

    fn enter_subshell(&mut self) {
        let stopped = self.interactive;
        self.subshell += 1;
        // A copy begins on a stack of its own.
        self.stack = 0;
        self.interactive = false;
        self.terminal = None;
        self.opts.monitor = false;
        self.capture = None;
        self.jobs.forget();
        self.traps.enter_subshell(stopped);
        self.history.detach();
    }

    /// The exit status of a copy, after its EXIT trap.
    fn leave_subshell(&mut self, result: Exec) -> i32 {
        match result {
            Ok(status) => self.status = status,
            Err(Flow::Exit | Flow::Abort | Flow::Return | Flow::Break(_) | Flow::Continue(_)) => {}
        }
        self.run_exit_trap();
        self.status
    }

    /// `( list )`
    pub(super) fn run_subshell(&mut self, list: &List, tail: bool) -> Exec {
        if tail && self.subshell > 0 && !self.traps.is_any() && self.process_fds.is_empty() {
            // This process ends with it anyway.
            self.subshell += 1;
            return self.run_list(list, true);
        }
        let group = self.job_group(true);
        let forked = self.fork(group, &mut |sh| sh.run_list(list, true));
        let proc = self.forked(forked)?;
        let pgid = group.pgid.map(|_| proc.pid);
        let statuses = self.wait_foreground(vec![proc], pgid)?;
        Ok(statuses.last().copied().unwrap_or(0))
    }

    /// `coproc`
    pub(super) fn coprocess(&mut self, name: &str, command: &Command) -> Exec {
        let (to_read, to_write) = self.pipe()?;
        let (from_read, from_write) = self.pipe()?;
        let group = self.job_group(false);
        let forked = self.fork(group, &mut |sh| {
            let _ = sys::dup_to(to_read, 0);
            let _ = sys::dup_to(from_write, 1);
            [to_read, to_write, from_read, from_write]
                .into_iter()
                .for_each(sys::close);
            sh.run_command(command, true)
        });
        sys::close(to_read);
        sys::close(from_write);
        let proc = self.forked(forked)?;
        let place = |fd: u32| -> u32 {
            let moved = sys::dup(fd, 60, true).unwrap_or(fd);
            if moved != fd {
                sys::close(fd);
            }
            moved
        };
        let (read, write) = (place(from_read), place(to_write));
        self.vars.unset(name);
        for (i, fd) in [(0, read), (1, write)] {
            self.assign(name, Some(crate::assign::Key::Index(i)), fd.to_string(), false)?;
        }
        self.vars.set(&format!("{name}_PID"), proc.pid.to_string());
        self.last_background = Some(proc.pid);
        self.coproc = Some((name.to_owned(), proc.pid));
        let pgid = group.pgid.map(|_| proc.pid);
        self.jobs.add(vec![proc], pgid, format!("coproc {name}"));
        Ok(0)
    }
}

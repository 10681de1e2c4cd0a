//! Programs.

use super::redirect::Plan;
use crate::ast::Simple;
use crate::jobs::Proc;
use crate::shell::{Exec, Flow, Shell};
use crate::sys::{self, Group, Program};
use crate::vars::attr;

/// Where programs are looked for when `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Result of looking a command up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Its file.
    Found(String),
    /// A file that cannot be executed.
    Denied(String),
    /// Nothing.
    Missing,
}

impl Shell {
    /// The file of a command.
    pub fn lookup(&mut self, name: &str) -> Lookup {
        if name.contains('/') {
            return Lookup::Found(name.to_owned());
        }
        if let Some((path, hits)) = self.hash.get_mut(name) {
            *hits += 1;
            return Lookup::Found(path.clone());
        }
        let found = self.search_path(name);
        if let Lookup::Found(path) = &found
            && self.opts.hashall
        {
            self.hash.insert(name.to_owned(), (path.clone(), 1));
        }
        found
    }

    /// As [`Shell::lookup`], in `PATH` only.
    pub fn search_path(&self, name: &str) -> Lookup {
        let path = self.vars.text("PATH").unwrap_or(DEFAULT_PATH);
        Self::search(path, name)
    }

    /// Looks a command up in the default path.
    pub fn search_default(name: &str) -> Lookup {
        Self::search(DEFAULT_PATH, name)
    }

    fn search(path: &str, name: &str) -> Lookup {
        let mut denied = None;
        if name.is_empty() {
            return Lookup::Missing;
        }
        for dir in path.split(':') {
            let file = match dir {
                "" => format!("./{name}"),
                dir => format!("{}/{name}", dir.trim_end_matches('/')),
            };
            match sys::stat(&file, true) {
                Ok(stat) if stat.is_dir() => {}
                Ok(stat) if stat.mode & 0o111 != 0 && sys::access(&file, 1) => return Lookup::Found(file),
                Ok(_) => denied = denied.or(Some(file)),
                Err(_) => {}
            }
        }
        denied.map_or(Lookup::Missing, Lookup::Denied)
    }

    /// Starts a program as a stage or a foreground command. One that cannot be started has its status already.
    pub(super) fn start_program(
        &mut self,
        simple: &Simple,
        argv: Vec<String>,
        fds: &[(Option<u32>, u32)],
        group: Group,
    ) -> Exec<Proc> {
        self.trace_argv(&argv);
        let Some(mut plan) = self.plan_redirs(&simple.redirs)? else {
            return Ok(Proc::done(1));
        };
        plan.fds.splice(0..0, fds.iter().copied());
        let frame = !simple.assigns.is_empty();
        if frame && let Err(flow) = self.push_assigns(&simple.assigns) {
            self.vars.pop();
            plan.opened.into_iter().for_each(sys::close);
            return Err(flow);
        }
        // What cannot be started is told where the program would have told it.
        self.error_fd = plan.stderr();
        let result = self.spawn(&argv, &plan, group);
        self.error_fd = 2;
        if frame {
            self.vars.pop();
            self.changed("PATH");
        }
        plan.opened.into_iter().for_each(sys::close);
        self.last_arg = argv.last().cloned().unwrap_or_default();
        Ok(match result {
            Ok(pid) => Proc::running(pid),
            Err(status) => Proc::done(status),
        })
    }

    fn spawn(&mut self, argv: &[String], plan: &Plan, group: Group) -> Result<u32, i32> {
        let path = self.program_path(&argv[0])?;
        let defaults = self.traps.to_reset();
        let (pid, path) = {
            let env = self.vars.environment();
            let program = Program {
                path: &path,
                argv,
                env: &env,
                fds: &plan.fds,
                group,
                defaults,
            };
            (sys::spawn(&program), path.clone())
        };
        match pid {
            Ok(pid) => Ok(pid),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.hash.remove(&argv[0]).is_some() => {
                // The remembered file is gone; look again.
                self.spawn(argv, plan, group)
            }
            Err(error) if sys::is_enoexec(&error) && is_script(&path) => {
                let argv = script_argv(&path, argv);
                let env = self.vars.environment();
                let program = Program {
                    path: "/bin/sh",
                    argv: &argv,
                    env: &env,
                    fds: &plan.fds,
                    group,
                    defaults,
                };
                sys::spawn(&program).map_err(|_| 126)
            }
            Err(error) => Err(self.spawn_error(&path, &error)),
        }
    }

    /// The file to run, or the status after a message.
    fn program_path(&mut self, name: &str) -> Result<String, i32> {
        match self.lookup(name) {
            Lookup::Found(path) => Ok(path),
            Lookup::Denied(path) => {
                self.error(&format!("{path}: Permission denied"));
                Err(126)
            }
            Lookup::Missing => {
                self.error(&format!("{name}: command not found"));
                Err(127)
            }
        }
    }

    fn spawn_error(&mut self, path: &str, error: &std::io::Error) -> i32 {
        let not_found = error.kind() == std::io::ErrorKind::NotFound;
        if sys::stat(path, true).is_ok_and(|s| s.is_dir()) {
            self.error(&format!("{path}: Is a directory"));
            return 126;
        }
        if sys::is_enoexec(error) {
            self.error(&format!("{path}: cannot execute binary file: Exec format error"));
            return 126;
        }
        if not_found && sys::stat(path, true).is_ok() {
            self.error(&format!("{path}: cannot execute: required file not found"));
            return 127;
        }
        self.error(&format!("{path}: {}", sys::message(error)));
        if not_found || error.kind() == std::io::ErrorKind::NotADirectory {
            127
        } else {
            126
        }
    }

    /// Replaces this process by a program. Returns only if that fails, with the status.
    pub fn exec_program(&mut self, argv: &[String], arg0: Option<&str>, env: bool) -> i32 {
        let path = match self.program_path(&argv[0]) {
            Ok(path) => path,
            Err(status) => return status,
        };
        let mut argv = argv.to_vec();
        if let Some(arg0) = arg0 {
            argv[0] = arg0.to_owned();
        }
        let environment = if env { self.vars.environment() } else { Vec::new() };
        let run = |path: &str, argv: &[String]| {
            sys::exec(&Program {
                path,
                argv,
                env: &environment,
                fds: &[],
                group: Group::default(),
                defaults: self.traps.to_reset(),
            })
        };
        let error = run(&path, &argv);
        if sys::is_enoexec(&error) && is_script(&path) {
            run("/bin/sh", &script_argv(&path, &argv));
        }
        self.spawn_error(&path, &error)
    }

    /// Assignments before a command, in a frame of their own that the caller ends; exported.
    pub(super) fn push_assigns(&mut self, assigns: &[crate::ast::Assign]) -> Exec<()> {
        self.vars.push(true);
        for assign in assigns {
            let name = self.vars.resolve(&assign.name).to_owned();
            self.vars.hide(&name);
            match self.run_assign(assign) {
                // The message was written; the command runs all the same.
                Err(crate::shell::Flow::Abort) if self.is_readonly(&name) => continue,
                other => other?,
            }
            self.vars.entry(&name).attrs |= attr::EXPORT;
        }
        Ok(())
    }

    /// Runs a program in the foreground.
    pub(super) fn run_program(&mut self, simple: &Simple, argv: Vec<String>, tail: bool) -> Exec {
        if tail && self.may_exec() {
            return self.exec_in_place(simple, &argv);
        }
        let group = self.job_group(true);
        let proc = self.start_program(simple, argv, &[], group)?;
        self.close_process_fds();
        if proc.pid == 0 {
            return Ok(proc.status());
        }
        let pgid = group.pgid.map(|_| proc.pid);
        let statuses = self.wait_foreground(vec![proc], pgid)?;
        Ok(statuses.last().copied().unwrap_or(0))
    }

    /// Whether this process may become its last program.
    fn may_exec(&self) -> bool {
        !self.interactive && !self.traps.is_any() && self.jobs.is_empty() && !self.opts.monitor
    }

    fn exec_in_place(&mut self, simple: &Simple, argv: &[String]) -> Exec {
        self.trace_argv(argv);
        if !self.apply_redirs(&simple.redirs)? {
            return Ok(1);
        }
        if !simple.assigns.is_empty() {
            self.push_assigns(&simple.assigns)?;
        }
        self.status = self.exec_program(argv, None, true);
        Err(Flow::Exit)
    }

    pub(super) fn trace_argv(&mut self, argv: &[String]) {
        if self.opts.xtrace {
            let words: Vec<String> = argv.iter().map(|a| crate::text::quote_if_needed(a)).collect();
            self.trace(&words.join(" "));
        }
    }

    pub(super) fn close_process_fds(&mut self) {
        self.process_fds.drain(..).for_each(sys::close);
    }
}

/// Whether a file that is no program may be a script without `#!`.
fn is_script(path: &str) -> bool {
    let Ok(fd) = sys::open(
        path,
        sys::Open {
            read: true,
            ..Default::default()
        },
        0,
    ) else {
        return false;
    };
    let mut head = [0; 128];
    let n = sys::read(fd, &mut head).unwrap_or(0);
    sys::close(fd);
    let line = head[..n].split(|b| *b == b'\n').next().unwrap_or_default();
    !line.contains(&0)
}

fn script_argv(path: &str, argv: &[String]) -> Vec<String> {
    let mut all = vec!["sh".to_owned(), path.to_owned()];
    all.extend_from_slice(&argv[1..]);
    all
}

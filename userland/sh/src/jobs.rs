//! Children: foreground waits, background jobs, job control.

use std::collections::BTreeMap;

use crate::shell::{Exec, Flow, Shell};
use crate::sys::{self, State};

/// Statuses of finished background children that are kept for `wait`.
const MAX_REMEMBERED: usize = 4096;

/// A process of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proc {
    /// Its number; 0 if it needed no process.
    pub pid: u32,
    /// What became of it.
    pub state: Option<State>,
    /// Status of one that needed no process.
    code: i32,
}

impl Proc {
    /// A process just started.
    pub fn running(pid: u32) -> Self {
        Self {
            pid,
            state: None,
            code: 0,
        }
    }

    /// A stage that is done already.
    pub fn done(code: i32) -> Self {
        Self {
            pid: 0,
            state: Some(State::Exited(code as u8)),
            code,
        }
    }

    /// Its status.
    pub fn status(&self) -> i32 {
        match self.state {
            Some(state) if self.pid != 0 => state.status(),
            _ => self.code,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.state, Some(State::Exited(_) | State::Signaled(_)))
    }
}

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: usize,
    /// Its process group, under job control.
    pub pgid: Option<u32>,
    /// Its processes.
    pub procs: Vec<Proc>,
    /// Its text.
    pub text: String,
    /// Whether the user was told of its present state.
    pub notified: bool,
    /// `disown -h`
    pub keep: bool,
    /// When it became the current job.
    order: u64,
}

impl Job {
    /// Whether all its processes ended.
    pub fn is_done(&self) -> bool {
        self.procs.iter().all(Proc::is_over)
    }

    /// Whether it is stopped.
    pub fn is_stopped(&self) -> bool {
        !self.is_done() && self.procs.iter().any(|p| matches!(p.state, Some(State::Stopped(_))))
    }

    /// Status of its last process.
    pub fn status(&self) -> i32 {
        self.procs.last().map_or(0, Proc::status)
    }

    /// Number of its last process.
    pub fn last_pid(&self) -> u32 {
        self.procs.last().map_or(0, |p| p.pid)
    }

    /// Its state in words.
    pub fn state_text(&self) -> String {
        if self.is_stopped() {
            return "Stopped".to_owned();
        }
        if !self.is_done() {
            return "Running".to_owned();
        }
        match self.procs.last().and_then(|p| p.state) {
            Some(State::Exited(0)) | None => "Done".to_owned(),
            Some(State::Exited(code)) => format!("Exit {code}"),
            Some(State::Signaled(signal)) => description(u32::from(signal)),
            Some(_) => "Running".to_owned(),
        }
    }
}

/// A signal in words.
pub fn description(signal: u32) -> String {
    agentos_guest::signal::description(signal).map_or_else(|| format!("Signal {signal}"), str::to_owned)
}

/// All jobs.
#[derive(Debug, Default)]
pub struct Jobs {
    list: Vec<Job>,
    /// Statuses of finished children that are in no job.
    finished: BTreeMap<u32, i32>,
    /// Running children that are in no job but may be waited for.
    others: Vec<u32>,
    clock: u64,
    /// Jobs of the shell that this is a copy of.
    inherited: Vec<Job>,
}

impl Jobs {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All jobs in the order of their numbers.
    pub fn all(&self) -> &[Job] {
        &self.list
    }

    /// All jobs, to change.
    pub fn all_mut(&mut self) -> &mut [Job] {
        &mut self.list
    }

    /// Adds a job; returns its number.
    pub fn add(&mut self, procs: Vec<Proc>, pgid: Option<u32>, text: String) -> usize {
        let id = self.list.last().map_or(1, |j| j.id + 1);
        self.clock += 1;
        self.list.push(Job {
            id,
            pgid,
            procs,
            text,
            notified: true,
            keep: false,
            order: self.clock,
        });
        id
    }

    /// Remembers a child that is in no job.
    pub fn remember(&mut self, pid: u32) {
        self.others.push(pid);
    }

    /// This is a copy of the shell, and the jobs are not its children: they can be listed and sent signals, no more.
    pub fn forget(&mut self) {
        let inherited = std::mem::take(&mut self.list);
        *self = Self::default();
        self.inherited = inherited;
    }

    /// The jobs to list: those of the parent where there are none of this copy's own.
    pub fn shown(&self) -> &[Job] {
        if self.list.is_empty() {
            &self.inherited
        } else {
            &self.list
        }
    }

    /// Removes a job.
    pub fn remove(&mut self, id: usize) {
        self.list.retain(|j| j.id != id);
    }

    /// Makes a job the current one.
    pub fn touch(&mut self, id: usize) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(job) = self.list.iter_mut().find(|j| j.id == id) {
            job.order = clock;
        }
    }

    /// Numbers of the current job and of the one before.
    pub fn current(&self) -> (Option<usize>, Option<usize>) {
        let mut order: Vec<&Job> = self.shown().iter().collect();
        order.sort_by_key(|j| std::cmp::Reverse((j.is_stopped(), j.order)));
        (order.first().map(|j| j.id), order.get(1).map(|j| j.id))
    }

    /// The job of a specification such as `%1`, `%+`, `%name`, `%?text`.
    pub fn find(&self, spec: &str) -> Option<&Job> {
        let spec = spec.strip_prefix('%').unwrap_or(spec);
        let (current, previous) = self.current();
        let id = match spec {
            "" | "%" | "+" => current,
            "-" => previous,
            _ => match spec.parse() {
                Ok(id) => Some(id),
                Err(_) => match spec.strip_prefix('?') {
                    Some(text) => self.shown().iter().find(|j| j.text.contains(text)).map(|j| j.id),
                    None => self.shown().iter().find(|j| j.text.starts_with(spec)).map(|j| j.id),
                },
            },
        };
        self.shown().iter().find(|j| Some(j.id) == id)
    }

    /// Notes a change of a child.
    fn note(&mut self, pid: u32, state: State) {
        for job in &mut self.list {
            if let Some(proc) = job.procs.iter_mut().find(|p| p.pid == pid) {
                let state = if state == State::Continued { None } else { Some(state) };
                job.notified &= proc.state == state;
                proc.state = state;
                return;
            }
        }
        if matches!(state, State::Exited(_) | State::Signaled(_)) {
            self.others.retain(|p| *p != pid);
            self.finished.insert(pid, state.status());
            while self.finished.len() > MAX_REMEMBERED {
                self.finished.pop_first();
            }
        }
    }

    /// The status of a child that ended, forgetting it.
    pub fn take_finished(&mut self, pid: u32) -> Option<i32> {
        if let Some(job) = self
            .list
            .iter()
            .find(|j| j.procs.iter().any(|p| p.pid == pid && p.is_over()))
        {
            let status = job.procs.iter().find(|p| p.pid == pid).map(Proc::status);
            if job.is_done() {
                let id = job.id;
                self.finished.insert(pid, job.status());
                self.remove(id);
            }
            return status;
        }
        self.finished.get(&pid).copied()
    }

    /// Whether a number is that of a child not known to have ended.
    pub fn is_running(&self, pid: u32) -> bool {
        self.others.contains(&pid)
            || self
                .list
                .iter()
                .any(|j| j.procs.iter().any(|p| p.pid == pid && !p.is_over()))
    }

    /// Any child not known to have ended.
    pub fn any_running(&self) -> bool {
        !self.others.is_empty() || self.list.iter().any(|j| !j.is_done() && !j.is_stopped())
    }
}

impl Shell {
    /// Waits for one child of no job, whatever interrupts.
    pub fn wait_child(&mut self, pid: u32) -> Exec {
        loop {
            match sys::wait(Some(pid), true) {
                Ok(Some(waited)) if matches!(waited.state, State::Exited(_) | State::Signaled(_)) => {
                    return Ok(waited.state.status());
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.interrupted()?,
                Err(_) => return Ok(127),
            }
        }
    }

    /// Reads what a child writes to the end, whatever interrupts.
    pub fn read_child(&mut self, fd: u32) -> Exec<Vec<u8>> {
        let mut all = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match sys::read(fd, &mut buf) {
                Ok(0) => return Ok(all),
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.interrupted()?,
                Err(_) => return Ok(all),
            }
        }
    }

    /// Waits for the processes of a foreground job; their statuses. A job that stops becomes a background job.
    pub fn wait_foreground(&mut self, procs: Vec<Proc>, pgid: Option<u32>) -> Exec<Vec<i32>> {
        let mut signals = Vec::new();
        let result = self.wait_job(procs, pgid, &mut signals);
        for signal in signals {
            self.run_signal_trap(signal)?;
        }
        result
    }

    /// Waits for a foreground job; `signals` are those that came for an interactive shell meanwhile.
    fn wait_job(&mut self, mut procs: Vec<Proc>, pgid: Option<u32>, signals: &mut Vec<u32>) -> Exec<Vec<i32>> {
        let mut stopped = false;
        let job = pgid.filter(|pgid| *pgid > 0 && self.interactive && self.opts.monitor);
        signals.extend(job.map(|pgid| self.pass_interrupts(pgid)).unwrap_or_default());
        for proc in &mut procs {
            while proc.pid != 0 && !proc.is_over() {
                match sys::wait(Some(proc.pid), true) {
                    Ok(Some(waited)) => proc.state = Some(waited.state),
                    Ok(None) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                        match job {
                            Some(pgid) => signals.extend(self.pass_interrupts(pgid)),
                            None => self.interrupted()?,
                        }
                        continue;
                    }
                    Err(_) => proc.state = Some(State::Exited(127)),
                }
                if self.opts.monitor && matches!(proc.state, Some(State::Stopped(_))) {
                    stopped = true;
                    break;
                }
            }
        }
        self.take_terminal();
        let statuses: Vec<i32> = procs.iter().map(Proc::status).collect();
        if stopped {
            let text = self.command_line_text();
            let id = self.jobs.add(procs, pgid, text);
            self.show_job(id, "\n");
            return Ok(statuses);
        }
        self.report_deaths(&procs);
        let interrupted = procs.iter().any(|p| p.state == Some(State::Signaled(2)));
        if interrupted && self.interactive {
            let _ = sys::write_all(2, b"\n");
            self.pipe_status = statuses;
            self.status = 130;
            return Err(Flow::Abort);
        }
        Ok(statuses)
    }

    fn command_line_text(&self) -> String {
        self.command_text.to_string()
    }

    /// Tells of children killed by a signal, but not of those that the user or a pipe ended.
    fn report_deaths(&mut self, procs: &[Proc]) {
        for proc in procs {
            let Some(State::Signaled(signal)) = proc.state else {
                continue;
            };
            if matches!(signal, 2 | 13) || self.subshell > 0 && procs.len() == 1 && signal == 15 {
                continue;
            }
            let text = description(u32::from(signal));
            if self.interactive {
                let _ = sys::write_all(2, format!("{text}\n").as_bytes());
            } else {
                self.error(&format!("{:>5} {text}", proc.pid));
            }
        }
    }

    /// Gives the terminal back to an interactive shell.
    pub fn take_terminal(&mut self) {
        if let Some(fd) = self.terminal
            && self.opts.monitor
        {
            let _ = sys::set_tty_group(fd, sys::pgrp());
        }
    }

    /// Notes all children that changed, without waiting.
    pub fn reap(&mut self) {
        if self.jobs.list.is_empty() && self.jobs.others.is_empty() {
            return;
        }
        while let Ok(Some(waited)) = sys::wait(None, false) {
            self.jobs.note(waited.pid, waited.state);
        }
    }

    /// Waits until some child changes; `false` if there is none, an error if a signal came first.
    pub fn wait_any(&mut self) -> std::io::Result<bool> {
        match sys::wait(None, true) {
            Ok(Some(waited)) => {
                self.jobs.note(waited.pid, waited.state);
                Ok(true)
            }
            Ok(None) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// One line of `jobs`.
    pub fn job_line(&self, job: &Job, long: bool) -> String {
        let (current, previous) = self.jobs.current();
        let mark = match Some(job.id) {
            id if id == current => '+',
            id if id == previous => '-',
            _ => ' ',
        };
        let state = job.state_text();
        let running = if state == "Running" { " &" } else { "" };
        if long {
            return format!(
                "[{}]{mark} {:>5} {state:<23} {}{running}\n",
                job.id,
                job.last_pid(),
                job.text
            );
        }
        format!("[{}]{mark}  {state:<23} {}{running}\n", job.id, job.text)
    }

    fn show_job(&mut self, id: usize, before: &str) {
        let Some(job) = self.jobs.list.iter().find(|j| j.id == id) else {
            return;
        };
        let line = format!("{before}{}", self.job_line(job, false));
        let _ = sys::write_all(2, &crate::text::encode(&line));
        if let Some(job) = self.jobs.list.iter_mut().find(|j| j.id == id) {
            job.notified = true;
        }
    }

    /// Tells an interactive user of jobs that changed, and forgets those that ended.
    pub fn notify_jobs(&mut self) {
        self.reap();
        let changed: Vec<usize> = self
            .jobs
            .list
            .iter()
            .filter(|j| !j.notified || j.is_done())
            .map(|j| j.id)
            .collect();
        for id in changed {
            if self.interactive {
                self.show_job(id, "");
            }
            if let Some(job) = self.jobs.list.iter().find(|j| j.id == id && j.is_done()) {
                let (pid, status) = (job.last_pid(), job.status());
                self.jobs.finished.insert(pid, status);
                self.jobs.remove(id);
            }
        }
    }
}

//! Pipelines, `time`, background commands.

use std::time::Instant;

use super::pure::Stage;
use crate::ast::{Command, Item, Pipeline, Simple, Timed};
use crate::jobs::Proc;
use crate::shell::{Exec, Shell};
use crate::sys::{self, Group};

/// Most bytes that a builtin at the head of a pipeline may write without a process of its own; less than a pipe holds.
const HEAD_BYTES: usize = 32 * 1024;

impl Shell {
    pub(super) fn run_pipeline(&mut self, pipeline: &Pipeline, tail: bool) -> Exec {
        if let Some(timed) = pipeline.timed {
            return self.timed(pipeline, timed);
        }
        self.run_stages(pipeline, tail)
    }

    fn run_stages(&mut self, pipeline: &Pipeline, tail: bool) -> Exec {
        if pipeline.negated {
            let status = self.ignoring(|sh| sh.run_plain(pipeline, false))?;
            if let [_] = pipeline.stages.as_slice() {
                self.set_pipe_status(status);
            }
            self.status = i32::from(status == 0);
            return Ok(self.status);
        }
        let status = self.run_plain(pipeline, tail)?;
        match pipeline.stages.as_slice() {
            [command] => self.finish_command(command, status),
            stages => {
                self.status = status;
                if status != 0 && !stages.is_empty() {
                    self.failed(status)?;
                }
                if self.traps.is_any() {
                    self.run_pending_traps()?;
                }
                Ok(self.status)
            }
        }
    }

    fn run_plain(&mut self, pipeline: &Pipeline, tail: bool) -> Exec {
        match pipeline.stages.as_slice() {
            [] => Ok(0),
            [command] => self.run_command(command, tail),
            stages => self.run_piped(stages),
        }
    }

    pub(super) fn set_pipe_status(&mut self, status: i32) {
        match self.pipe_status.as_mut_slice() {
            [only] => *only = status,
            _ => self.pipe_status = vec![status],
        }
    }

    #[inline(never)]
    fn run_piped(&mut self, stages: &[Command]) -> Exec {
        let lastpipe = self.shopts.lastpipe && !self.opts.monitor;
        let mut procs = Vec::with_capacity(stages.len());
        let mut group = self.job_group(true);
        let mut input: Option<u32> = None;
        for (i, stage) in stages.iter().enumerate() {
            let last = i + 1 == stages.len();
            if last && lastpipe {
                return self.run_last_here(stage, input, procs);
            }
            let pipe = if last { None } else { Some(self.pipe()?) };
            let output = pipe.map(|(_, write)| write);
            let proc = self.start_stage(stage, input, output, pipe.map(|(read, _)| read), group, i == 0);
            input.into_iter().chain(output).for_each(sys::close);
            input = pipe.map(|(read, _)| read);
            match proc {
                Ok(proc) => {
                    if group.pgid == Some(0) && proc.pid != 0 {
                        group.pgid = Some(proc.pid);
                    }
                    procs.push(proc);
                }
                Err(flow) => {
                    input.into_iter().for_each(sys::close);
                    self.wait_foreground(procs, None)?;
                    return Err(flow);
                }
            }
        }
        let statuses = self.wait_foreground(procs, group.pgid)?;
        Ok(self.pipeline_status(statuses))
    }

    /// `PIPESTATUS` and the pipeline's status.
    fn pipeline_status(&mut self, statuses: Vec<i32>) -> i32 {
        let last = statuses.last().copied().unwrap_or(0);
        let failed = statuses.iter().rev().find(|s| **s != 0).copied();
        self.pipe_status = statuses;
        if self.opts.pipefail { failed.unwrap_or(0) } else { last }
    }

    /// The last stage in this shell (`lastpipe`).
    fn run_last_here(&mut self, stage: &Command, input: Option<u32>, procs: Vec<Proc>) -> Exec {
        let mark = self.saved_fds.len();
        if let Some(fd) = input {
            self.replace_fd(fd, 0);
            sys::close(fd);
        }
        let result = self.run_command(stage, false);
        self.restore_fds(mark);
        let mut statuses = self.wait_foreground(procs, None)?;
        statuses.push(result?);
        Ok(self.pipeline_status(statuses))
    }

    /// A pipe, or the end of the command line with a message.
    pub(super) fn pipe(&mut self) -> Exec<(u32, u32)> {
        sys::pipe().map_err(|error| self.abort(&format!("pipe: {}", sys::message(&error))))
    }

    /// Starts one stage. A stage that needs no process is done at once and has its status already.
    fn start_stage(
        &mut self,
        stage: &Command,
        input: Option<u32>,
        output: Option<u32>,
        other_end: Option<u32>,
        group: Group,
        first: bool,
    ) -> Exec<Proc> {
        let mut fds: Vec<(Option<u32>, u32)> = Vec::new();
        fds.extend(input.map(|fd| (Some(fd), 0)));
        fds.extend(output.map(|fd| (Some(fd), 1)));
        if let Command::Simple(simple) = stage {
            match self.classify(simple, false) {
                Stage::Program(argv) => {
                    self.line = simple.line;
                    return self.start_program(simple, argv, &fds, group);
                }
                Stage::Output if first && !self.opts.xtrace => {
                    if let Some(fd) = output
                        && let Some(status) = self.write_head(simple, fd)?
                    {
                        return Ok(Proc::done(status));
                    }
                }
                _ => {}
            }
        }
        let forked = self.fork(group, &mut |sh| {
            for (from, to) in &fds {
                if let Some(from) = from {
                    let _ = sys::dup_to(*from, *to);
                    sys::close(*from);
                }
            }
            other_end.into_iter().for_each(sys::close);
            sh.run_stage(stage)
        });
        self.forked(forked)
    }

    /// A stage in its own process.
    fn run_stage(&mut self, stage: &Command) -> Exec {
        let status = self.run_command(stage, true)?;
        self.status = status;
        self.failed(status)
    }

    /// Runs a builtin that only writes and puts what it wrote into the pipe; `None` if that is too much for it.
    fn write_head(&mut self, simple: &Simple, fd: u32) -> Exec<Option<i32>> {
        let before = self.capture.replace(Vec::new());
        let result = self.run_simple(simple, false);
        let text = std::mem::replace(&mut self.capture, before).unwrap_or_default();
        let status = result?;
        if text.len() > HEAD_BYTES {
            return Ok(None);
        }
        // The reading end is open here, so that this neither waits nor fails.
        let _ = sys::write_all(fd, &text);
        Ok(Some(status))
    }

    #[inline(never)]
    fn timed(&mut self, pipeline: &Pipeline, how: Timed) -> Exec {
        let (before, began) = (sys::times(), Instant::now());
        let result = self.run_stages(pipeline, false);
        let (after, real) = (sys::times(), began.elapsed());
        let user = (after.user + after.children_user).saturating_sub(before.user + before.children_user);
        let system = (after.sys + after.children_sys).saturating_sub(before.sys + before.children_sys);
        let format = match how {
            Timed::Posix => "real %2R\nuser %2U\nsys %2S".to_owned(),
            Timed::Bash => self
                .vars
                .text("TIMEFORMAT")
                .unwrap_or("\nreal\t%3lR\nuser\t%3lU\nsys\t%3lS")
                .to_owned(),
        };
        if !format.is_empty() {
            let times = [real, user, system].map(|d| d.as_secs_f64());
            let text = time_format(&format, times) + "\n";
            // There is nowhere to report a failure of this to.
            let _ = sys::write_all(2, text.as_bytes());
        }
        result
    }

    /// `command &`
    pub(super) fn run_background(&mut self, item: &Item) -> Exec {
        self.reap();
        let group = self.job_group(false);
        let single = match (item.and_or.rest.as_slice(), item.and_or.first.stages.as_slice()) {
            ([], [Command::Simple(simple)]) if !item.and_or.first.negated && item.and_or.first.timed.is_none() => {
                Some(simple)
            }
            _ => None,
        };
        let proc = match single.map(|simple| (simple, self.classify(simple, true))) {
            // Without job control a background command reads nothing and ignores the keyboard's signals, which only a
            // process of the shell's own can arrange.
            Some((simple, Stage::Program(argv))) if self.opts.monitor => {
                self.line = simple.line;
                self.start_program(simple, argv, &[], group)?
            }
            _ => {
                let monitor = self.opts.monitor;
                let forked = self.fork(group, &mut |sh| {
                    if !monitor {
                        sh.detach_input();
                    }
                    sh.run_and_or(&item.and_or, true)
                });
                self.forked(forked)?
            }
        };
        if proc.pid == 0 {
            self.last_background = None;
            return Ok(0);
        }
        self.last_background = Some(proc.pid);
        let pgid = group.pgid.map(|_| proc.pid);
        let id = self.jobs.add(vec![proc.clone()], pgid, item.text.to_string());
        if self.interactive {
            let text = format!("[{id}] {}\n", proc.pid);
            let _ = sys::write_all(2, text.as_bytes());
        }
        Ok(0)
    }

    fn detach_input(&mut self) {
        for signal in [2, 3] {
            if !self.traps.is_set(signal) {
                sys::ignore_signal(signal);
            }
        }
        if let Ok(fd) = sys::open(
            "/dev/null",
            sys::Open {
                read: true,
                ..Default::default()
            },
            0,
        ) {
            let _ = sys::dup_to(fd, 0);
            sys::close(fd);
        }
    }

    /// The process of a fork, or the end of the command line with a message.
    pub(super) fn forked(&mut self, result: std::io::Result<u32>) -> Exec<Proc> {
        match result {
            Ok(pid) => Ok(Proc::running(pid)),
            Err(error) => {
                let flow = self.abort(&format!("fork: {}", sys::message(&error)));
                self.status = 254;
                Err(flow)
            }
        }
    }

    /// The group that a new job's processes go to.
    pub(super) fn job_group(&self, foreground: bool) -> Group {
        if self.opts.monitor {
            Group {
                pgid: Some(0),
                foreground: foreground && self.terminal.is_some(),
            }
        } else {
            Group::default()
        }
    }
}

/// `TIMEFORMAT`
fn time_format(format: &str, [real, user, system]: [f64; 3]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let precision = chars
            .next_if(char::is_ascii_digit)
            .and_then(|c| c.to_digit(10))
            .unwrap_or(3)
            .min(6) as usize;
        let long = chars.next_if_eq(&'l').is_some();
        let seconds = match chars.next() {
            Some('R') => real,
            Some('U') => user,
            Some('S') => system,
            Some('P') => {
                let percent = if real > 0.0 {
                    (user + system) * 100.0 / real
                } else {
                    0.0
                };
                out.push_str(&format!("{percent:.2}"));
                continue;
            }
            Some(c) => {
                out.push(c);
                continue;
            }
            None => break,
        };
        if long {
            out.push_str(&format!("{}m{:.precision$}s", (seconds / 60.0) as u64, seconds % 60.0));
        } else {
            out.push_str(&format!("{seconds:.precision$}"));
        }
    }
    out
}

/// CPU time of both kinds, as `times` prints it.
pub fn minutes(time: std::time::Duration) -> String {
    format!("{}m{:.3}s", time.as_secs() / 60, time.as_secs_f64() % 60.0)
}

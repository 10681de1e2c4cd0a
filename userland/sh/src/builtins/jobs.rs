//! `jobs`, `fg`, `bg`, `wait`, `kill`, `disown`, `suspend`

use super::{Args, Flags};
use crate::jobs::Job;
use crate::shell::{Exec, Shell};
use crate::sys;

/// `jobs`
pub fn jobs(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut long, mut pids, mut running, mut stopped, mut new) = (false, false, false, false, false);
    let mut flags = Flags::new(argv, "lpnrsx");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('l', _)) => long = true,
            Ok(('p', _)) => pids = true,
            Ok(('r', _)) => running = true,
            Ok(('s', _)) => stopped = true,
            Ok(('n', _)) => new = true,
            Ok(_) => {}
            Err(c) => return Ok(sh.usage("jobs", &format!("-{c}: invalid option"))),
        }
    }
    sh.reap();
    let mut status = 0;
    let mut out = String::new();
    let mut shown: Vec<Job> = Vec::new();
    if flags.rest().is_empty() {
        shown = sh.jobs.shown().to_vec();
    }
    for spec in flags.rest() {
        match sh.jobs.find(spec) {
            Some(job) => shown.push(job.clone()),
            None => {
                sh.error(&format!("jobs: {spec}: no such job"));
                status = 1;
            }
        }
    }
    for job in &shown {
        let fits = (!running || !job.is_done() && !job.is_stopped())
            && (!stopped || job.is_stopped())
            && (!new || !job.notified);
        if !fits {
            continue;
        }
        if pids {
            out.push_str(&format!("{}\n", job.pgid.unwrap_or_else(|| job.last_pid())));
        } else {
            out.push_str(&sh.job_line(job, long));
        }
    }
    for job in shown.iter().filter(|j| j.is_done()) {
        sh.jobs.take_finished(job.last_pid());
    }
    Ok(match sh.print("jobs", &out) {
        0 => status,
        failed => failed,
    })
}

/// The job that an argument names, with a message if there is none.
fn job_of(sh: &mut Shell, argv: &[String]) -> Option<Job> {
    let spec = argv.get(1).map_or("%+", String::as_str).to_owned();
    let found = sh.jobs.find(&spec).cloned();
    if found.is_none() {
        let shown = if argv.len() < 2 { "current" } else { &spec };
        sh.error(&format!("{}: {shown}: no such job", argv[0]));
    }
    found
}

fn resume(sh: &mut Shell, job: &Job) {
    for job in sh.jobs.all_mut().iter_mut().filter(|j| j.id == job.id) {
        for proc in &mut job.procs {
            if matches!(proc.state, Some(sys::State::Stopped(_))) {
                proc.state = None;
            }
        }
        job.notified = true;
    }
    let target = job.pgid.map_or(job.last_pid() as i32, |pgid| -(pgid as i32));
    let _ = sys::kill(target, 18);
}

/// `fg`
pub fn fg(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    if !sh.opts.monitor {
        sh.error("fg: no job control");
        return Ok(1);
    }
    sh.reap();
    let Some(job) = job_of(sh, argv) else { return Ok(1) };
    sh.print("fg", &format!("{}\n", job.text));
    if let (Some(fd), Some(pgid)) = (sh.terminal, job.pgid) {
        let _ = sys::set_tty_group(fd, pgid);
    }
    resume(sh, &job);
    let procs = sh
        .jobs
        .all()
        .iter()
        .find(|j| j.id == job.id)
        .map(|j| j.procs.clone())
        .unwrap_or_default();
    sh.jobs.remove(job.id);
    sh.command_text = std::rc::Rc::from(job.text.as_str());
    let statuses = sh.wait_foreground(procs, job.pgid)?;
    Ok(statuses.last().copied().unwrap_or(0))
}

/// `bg`
pub fn bg(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    if !sh.opts.monitor {
        sh.error("bg: no job control");
        return Ok(1);
    }
    sh.reap();
    let Some(job) = job_of(sh, argv) else { return Ok(1) };
    sh.jobs.touch(job.id);
    resume(sh, &job);
    let text = format!("[{}]+ {} &\n", job.id, job.text);
    Ok(sh.print("bg", &text))
}

/// `disown`
pub fn disown(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut all, mut keep, mut running) = (false, false, false);
    let mut flags = Flags::new(argv, "arh");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('a', _)) => all = true,
            Ok(('h', _)) => keep = true,
            Ok(('r', _)) => running = true,
            Ok(_) => {}
            Err(c) => return Ok(sh.usage("disown", &format!("-{c}: invalid option"))),
        }
    }
    let mut ids = Vec::new();
    if all || running {
        ids = sh
            .jobs
            .all()
            .iter()
            .filter(|j| !running || !j.is_stopped())
            .map(|j| j.id)
            .collect();
    } else {
        let specs: Vec<String> = if flags.rest().is_empty() {
            vec!["%+".to_owned()]
        } else {
            flags.rest().to_vec()
        };
        for spec in specs {
            let found = match spec.parse::<u32>() {
                Ok(pid) => sh.jobs.all().iter().find(|j| j.last_pid() == pid).map(|j| j.id),
                Err(_) => sh.jobs.find(&spec).map(|j| j.id),
            };
            match found {
                Some(id) => ids.push(id),
                None => {
                    sh.error(&format!("disown: {spec}: no such job"));
                    return Ok(1);
                }
            }
        }
    }
    for id in ids {
        if keep {
            sh.jobs
                .all_mut()
                .iter_mut()
                .filter(|j| j.id == id)
                .for_each(|j| j.keep = true);
        } else {
            sh.jobs.remove(id);
        }
    }
    Ok(0)
}

/// `wait`
pub fn wait(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let (mut next, mut variable) = (false, None);
    let mut flags = Flags::new(argv, "fnp:");
    while let Some(flag) = flags.next() {
        match flag {
            Ok(('n', _)) => next = true,
            Ok(('p', name)) => variable = name.map(str::to_owned),
            Ok(_) => {}
            Err(c) => return Ok(sh.usage("wait", &format!("-{c}: invalid option"))),
        }
    }
    let specs = flags.rest();
    if next {
        return wait_next(sh, specs, variable);
    }
    if specs.is_empty() {
        loop {
            sh.reap();
            if !sh.jobs.any_running() {
                break;
            }
            if let Some(status) = wait_once(sh)? {
                return Ok(status);
            }
        }
        let done: Vec<u32> = sh
            .jobs
            .all()
            .iter()
            .filter(|j| j.is_done())
            .map(Job::last_pid)
            .collect();
        for pid in done {
            sh.jobs.take_finished(pid);
        }
        return Ok(0);
    }
    let mut status = 0;
    for spec in specs {
        let pid = match pid_of(sh, spec) {
            Ok(pid) => pid,
            Err(code) => {
                status = code;
                continue;
            }
        };
        match wait_for(sh, pid)? {
            Ok(code) => status = code,
            Err(interrupted) => return Ok(interrupted),
        }
        if let Some(name) = &variable {
            sh.set(name, &pid.to_string())?;
        }
    }
    Ok(status)
}

/// The process that an argument of `wait` names.
fn pid_of(sh: &mut Shell, spec: &str) -> Result<u32, i32> {
    if spec.starts_with('%') {
        return match sh.jobs.find(spec) {
            Some(job) => Ok(job.last_pid()),
            None => {
                sh.error(&format!("wait: {spec}: no such job"));
                Err(127)
            }
        };
    }
    match spec.parse() {
        Ok(pid) => Ok(pid),
        Err(_) => {
            sh.error(&format!("wait: `{spec}': not a pid or valid job spec"));
            Err(1)
        }
    }
}

/// Waits for one change; the status if a trapped signal came first.
fn wait_once(sh: &mut Shell) -> Exec<Option<i32>> {
    match sh.wait_any() {
        Ok(_) if !sh.traps.is_any() => Ok(None),
        // A signal may have come together with the child's end.
        Ok(_) | Err(_) => {
            let Some(signal) = sh.traps.take() else { return Ok(None) };
            if sh.run_signal_trap(signal)? {
                return Ok(Some(128 + signal as i32));
            }
            if signal == 2 && sh.interactive {
                sh.status = 130;
                return Err(crate::shell::Flow::Abort);
            }
            Ok(None)
        }
    }
}

/// Waits for one child: its status, or the status of an interruption.
fn wait_for(sh: &mut Shell, pid: u32) -> Exec<Result<i32, i32>> {
    loop {
        sh.reap();
        if let Some(status) = sh.jobs.take_finished(pid) {
            return Ok(Ok(status));
        }
        if !sh.jobs.is_running(pid) {
            sh.error(&format!("wait: pid {pid} is not a child of this shell"));
            return Ok(Ok(127));
        }
        if let Some(status) = wait_once(sh)? {
            return Ok(Err(status));
        }
    }
}

/// `wait -n`
fn wait_next(sh: &mut Shell, specs: &[String], variable: Option<String>) -> Exec {
    let mut pids = Vec::new();
    for spec in specs {
        match pid_of(sh, spec) {
            Ok(pid) => pids.push(pid),
            Err(status) => return Ok(status),
        }
    }
    loop {
        sh.reap();
        let wanted = |pid: u32| pids.is_empty() || pids.contains(&pid);
        let done = sh
            .jobs
            .all()
            .iter()
            .find(|j| j.is_done() && wanted(j.last_pid()))
            .map(Job::last_pid);
        if let Some(pid) = done {
            if let Some(name) = &variable {
                sh.set(name, &pid.to_string())?;
            }
            return Ok(sh.jobs.take_finished(pid).unwrap_or(127));
        }
        if !sh.jobs.all().iter().any(|j| !j.is_done() && wanted(j.last_pid())) {
            return Ok(127);
        }
        if let Some(status) = wait_once(sh)? {
            return Ok(status);
        }
    }
}

/// `kill`
pub fn kill(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> Exec {
    let mut signal = 15;
    let mut at = 1;
    match argv.get(1).map(String::as_str) {
        Some("-l" | "-L") => return Ok(list_signals(sh, &argv[2..])),
        Some("-s" | "-n") => {
            let name = argv.get(2).map_or("", String::as_str);
            match crate::traps::number(name).filter(|n| *n <= 64) {
                Some(n) => signal = n,
                None => {
                    sh.error(&format!("kill: {name}: invalid signal specification"));
                    return Ok(1);
                }
            }
            at = 3;
        }
        Some("--") => at = 2,
        Some(word) if word.len() > 1 && word.starts_with('-') => {
            match crate::traps::number(&word[1..]).filter(|n| *n <= 64) {
                Some(n) => signal = n,
                None => {
                    sh.error(&format!("kill: {}: invalid signal specification", &word[1..]));
                    return Ok(1);
                }
            }
            at = 2;
        }
        _ => {}
    }
    if argv.get(at).is_some_and(|w| w == "--") {
        at += 1;
    }
    if at >= argv.len() {
        return Ok(sh.usage("kill", "not enough arguments"));
    }
    let mut status = 0;
    for word in &argv[at..] {
        status |= kill_one(sh, word, signal);
    }
    // A signal to the shell itself is acted on at once.
    sh.run_pending_traps()?;
    Ok(status)
}

fn kill_one(sh: &mut Shell, word: &str, signal: u32) -> i32 {
    let target = if word.starts_with('%') {
        let Some(job) = sh.jobs.find(word) else {
            sh.error(&format!("kill: {word}: no such job"));
            return 1;
        };
        let target = job.pgid.map_or(job.last_pid() as i32, |pgid| -(pgid as i32));
        if job.is_stopped() && matches!(signal, 1 | 15) {
            let _ = sys::kill(target, signal);
            let _ = sys::kill(target, 18);
            return 0;
        }
        target
    } else {
        match word.parse() {
            Ok(pid) => pid,
            Err(_) => {
                sh.error(&format!("kill: {word}: arguments must be process or job IDs"));
                return 1;
            }
        }
    };
    match sys::kill(target, signal) {
        Ok(()) => 0,
        Err(error) => {
            let text = sys::message(&error);
            sh.error(&format!("kill: ({word}) - {text}"));
            1
        }
    }
}

fn list_signals(sh: &mut Shell, words: &[String]) -> i32 {
    let name = |n: u32| agentos_guest::signal::name(n);
    if words.is_empty() {
        let all: Vec<u32> = (1..=64).filter(|n| name(*n).is_some()).collect();
        let mut out = String::new();
        for row in all.chunks(5) {
            let cells: Vec<String> = row
                .iter()
                .map(|n| format!("{n:>2}) SIG{}", name(*n).unwrap_or_default()))
                .collect();
            out.push_str(
                &cells
                    .iter()
                    .map(|c| format!("{c:<15}"))
                    .collect::<Vec<_>>()
                    .join(" ")
                    .trim_end()
                    .replace("  ", " ")
                    .replace("\t", ""),
            );
            out.push('\n');
        }
        return sh.print("kill", &out);
    }
    let mut status = 0;
    let mut out = String::new();
    for word in words {
        let found = match word.parse::<u32>() {
            Ok(n) => name(if n > 128 { n - 128 } else { n }),
            Err(_) => crate::traps::number(word).map(|n| n.to_string()),
        };
        match found {
            Some(text) => out.push_str(&format!("{text}\n")),
            None => {
                sh.error(&format!("kill: {word}: invalid signal specification"));
                status = 1;
            }
        }
    }
    match sh.print("kill", &out) {
        0 => status,
        failed => failed,
    }
}

/// `suspend`
pub fn suspend(sh: &mut Shell, argv: &[String], _: &Args<'_>) -> i32 {
    let force = argv.get(1).is_some_and(|w| w == "-f");
    if !force && (!sh.opts.monitor || sh.shopts.login_shell) {
        let why = if sh.opts.monitor {
            "cannot suspend a login shell"
        } else {
            "cannot suspend: no job control"
        };
        sh.error(&format!("suspend: {why}"));
        return 1;
    }
    i32::from(sys::kill(sh.shell_pid() as i32, 19).is_err())
}

//! Nice values (`getpriority(2)`): of a process, of a group, and of all processes of a user.

use super::{Call, Fail, Outcome};
use crate::sys::Answer;
use agentos_kernel::id::{Pid, Uid};
use agentos_kernel::process::Process;
use std::sync::Arc;

/// `PRIO_PROCESS`, `PRIO_PGRP`, `PRIO_USER`.
const PROCESS: i32 = 0;
const GROUP: i32 = 1;
const USER: i32 = 2;

/// Whether a process is among those that are meant.
type Belongs = dyn Fn(&Arc<Process>) -> bool;

/// The processes that a guest means: 0 is its own, its own group, its own user.
fn meant(call: &Call<'_>) -> Result<Vec<Pid>, Fail> {
    let (process, who) = (call.process()?, call.uint(1));
    let named = call.vm.kernel_pid(who);
    let belongs: Box<Belongs> = match call.int(0) {
        PROCESS if who == 0 => return Ok(vec![process.pid()]),
        PROCESS => return Ok(vec![named]),
        GROUP => {
            let group = if who == 0 { process.pgid() } else { named };
            Box::new(move |other| other.pgid() == group)
        }
        USER => {
            let user = if who == 0 { process.cred().ruid } else { Uid(who) };
            Box::new(move |other| other.cred().ruid == user)
        }
        _ => return Err(Fail(libc::EINVAL)),
    };
    let all = process.kernel().processes();
    let pids: Vec<Pid> = all
        .iter()
        .filter(|other| belongs(other))
        .map(|other| other.pid())
        .collect();
    match pids.is_empty() {
        true => Err(Fail(libc::ESRCH)),
        false => Ok(pids),
    }
}

pub(crate) fn get(call: &mut Call<'_>) -> Outcome {
    let process = call.process()?;
    let mut seen = Err(Fail(libc::ESRCH));
    for pid in meant(call)? {
        match (process.nice(pid), &seen) {
            (Ok(nice), Ok(least)) if nice >= *least => {}
            (Ok(nice), _) => seen = Ok(nice),
            (Err(error), Err(_)) => seen = Err(error.into()),
            (Err(_), Ok(_)) => {}
        }
    }
    Ok(Answer::Value(i64::from(20 - seen?)))
}

/// Each that may be is changed; the last refusal is told.
pub(crate) fn set(call: &mut Call<'_>) -> Outcome {
    let process = call.process()?;
    let mut refused = None;
    for pid in meant(call)? {
        refused = process.set_nice(pid, call.int(2).clamp(-20, 19)).err().or(refused);
    }
    refused.map_or(Ok(Answer::OK), |error| Err(error.into()))
}

//! Descriptors of processes: the host's own, of guests only.
//!
//! Who waits for a child by one (`poll`, `epoll`, `waitid`) is told by the host, after everything that the host has told of that child
//! before, such as what it has written into a pipe. Signals by one are sent by the VM's kernel, as those of `kill`. Nothing else
//! can be done with one: the calls that take another's descriptors or enter its namespaces are refused.

use super::{Call, Fail, Outcome, processes};
use crate::sys::{self, Answer};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

/// `PIDFD_NONBLOCK`: `waitid` does not wait.
const NONBLOCK: i32 = libc::O_NONBLOCK;

pub(crate) fn open(call: &mut Call<'_>) -> Outcome {
    let (number, flags) = (call.int(0), call.int(1));
    if flags & !NONBLOCK != 0 {
        return Err(Fail(libc::EINVAL));
    }
    let number = u32::try_from(number).ok().filter(|number| *number > 0);
    let fd = of_process(call, number.ok_or(Fail(libc::EINVAL))?)?;
    call.confirm()?;
    if flags & NONBLOCK != 0 {
        sys::set_nonblocking(fd.as_fd(), true)?;
    }
    Ok(Answer::Descriptor(fd, true))
}

/// The host's descriptor of the process that a guest names, be it one that has ended and that its parent has not waited for.
fn of_process(call: &Call<'_>, number: u32) -> Result<OwnedFd, Fail> {
    let pid = call.vm.kernel_pid(number);
    let guest = call.vm.guests.values().find(|guest| guest.process.pid() == pid);
    let host = guest.map_or(number, |guest| guest.pid);
    let fd = sys::pid_fd(host);
    // While a process goes on its number is its own.
    if guest.is_some_and(|guest| !sys::has_ended(guest.pid_fd.as_fd())) {
        return Ok(fd?);
    }
    match sys::parent_of_zombie(host) {
        Some(parent) if call.vm.guests.contains_key(&parent) => Ok(fd?),
        // Of a process of another executor that no guest has started there is none on the host.
        _ if call.process()?.getpgid(pid).is_ok() => Err(Fail(libc::ENOSYS)),
        _ => Err(Fail(libc::ESRCH)),
    }
}

pub(crate) fn send_signal(call: &mut Call<'_>) -> Outcome {
    if call.uint(3) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    let host = behind(call, call.int(0))?;
    let value = match call.arg(2) {
        0 => 0,
        at => given(call, at, host)?,
    };
    let number = i32::try_from(call.vm.visible_of_host(host)).map_err(|_| Fail(libc::ESRCH))?;
    // One that has ended takes any signal, as long as its parent has not waited for it.
    if !call.vm.guests.contains_key(&host) {
        return match sys::parent_of_zombie(host) {
            Some(parent) if call.vm.guests.contains_key(&parent) => Ok(Answer::OK),
            _ => Err(Fail(libc::ESRCH)),
        };
    }
    processes::send_with(call, number, call.int(1), value)
}

/// What a guest gives along with a signal. Nobody pretends to another process that the kernel sent it.
fn given(call: &Call<'_>, at: u64, host: u32) -> Result<u64, Fail> {
    let info = processes::queued(call, at)?;
    if info.signal != call.int(1) {
        return Err(Fail(libc::EINVAL));
    }
    match host != call.key && info.pretends() {
        true => Err(Fail(libc::EPERM)),
        false => Ok(info.value),
    }
}

/// The host's number of the process that a guest's descriptor stands for.
fn behind(call: &Call<'_>, fd: i32) -> Result<u32, Fail> {
    if fd < 0 {
        return Err(Fail(libc::EBADF));
    }
    let path = CString::new(format!("fdinfo/{fd}")).map_err(|_| Fail(libc::EBADF))?;
    let text = sys::read_text(call.guest()?.proc_dir.as_fd(), &path).map_err(|_| Fail(libc::EBADF))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:"));
    let pid = pid.ok_or(Fail(libc::EBADF))?.trim();
    // -1 once it was waited for.
    pid.parse().ok().filter(|pid| *pid > 0).ok_or(Fail(libc::ESRCH))
}

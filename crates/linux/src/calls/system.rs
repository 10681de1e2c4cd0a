//! The machine as a guest sees it, and limits.

use super::layout::Bytes;
use super::{Call, Fail, Outcome};
use crate::sys::{Answer, set_limit};
use agentos_kernel::process::{Resource, ResourceLimit};

/// Nothing happens, as long as it is a switch that is meant: the guest stays as it must be.
pub(crate) fn pretend(call: &mut Call<'_>) -> Outcome {
    match call.arg(1) {
        0 | 1 => Ok(Answer::OK),
        _ => Err(Fail(libc::EINVAL)),
    }
}

pub(crate) fn uname(call: &mut Call<'_>) -> Outcome {
    const FIELD: usize = 65;
    let name = call.process()?.uname();
    let fields: [&[u8]; 6] = [
        name.sysname.as_bytes(),
        &name.nodename,
        name.release.as_bytes(),
        name.version.as_bytes(),
        std::env::consts::ARCH.as_bytes(),
        b"(none)",
    ];
    let mut bytes = Vec::with_capacity(FIELD * fields.len());
    for (index, field) in fields.into_iter().enumerate() {
        bytes.extend_from_slice(field.get(..FIELD - 1).unwrap_or(field));
        bytes.resize(FIELD * (index + 1), 0);
    }
    call.write(call.arg(0), &bytes)?;
    Ok(Answer::OK)
}

pub(crate) fn sysinfo(call: &mut Call<'_>) -> Outcome {
    let process = call.process()?;
    let kernel = process.kernel();
    let memory = kernel.fd_limits().memory();
    let free = memory.capacity().saturating_sub(memory.used());
    let processes = u16::try_from(kernel.processes().len()).unwrap_or(u16::MAX);
    let mut bytes = Bytes::default()
        .u64(kernel.uptime() / 1_000_000_000)
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(memory.capacity())
        .u64(free)
        .u64(0)
        .u64(0)
        .u64(0)
        .u64(0)
        .u16(processes)
        .u16(0)
        .u32(0)
        .u64(0)
        .u64(0)
        .u32(1);
    bytes.0.resize(112, 0);
    call.write(call.arg(0), &bytes.0)?;
    Ok(Answer::OK)
}

/// A call about a process that names one: the caller's own, under either of its numbers, and no other.
pub(crate) fn of_self(call: &mut Call<'_>) -> Outcome {
    let (process, asked) = (call.process()?, call.uint(0));
    if asked == call.key {
        // All that matters is the number in the register, which is the caller's own.
        return Ok(Answer::Continue);
    }
    if asked != process.pid().0 {
        let exists = call.vm.knows(asked) || process.getpgid(call.vm.kernel_pid(asked)).is_ok();
        return Err(Fail(if exists { libc::EPERM } else { libc::ESRCH }));
    }
    if i64::from(call.n.number) != libc::SYS_prlimit64 {
        return Err(Fail(libc::EPERM));
    }
    let resource = Resource::new(call.uint(1)).ok_or(Fail(libc::EINVAL))?;
    let old = process.resource_limit(resource);
    if call.arg(2) != 0 {
        let (soft, hard) = (
            call.read_word(call.arg(2))?,
            call.read_word(call.arg(2).wrapping_add(8))?,
        );
        process.set_resource_limit(resource, ResourceLimit { soft, hard })?;
        set_limit(call.key, call.uint(1), soft, hard)?;
    }
    if call.arg(3) != 0 {
        call.write(call.arg(3), &Bytes::default().u64(old.soft).u64(old.hard).0)?;
    }
    Ok(Answer::OK)
}

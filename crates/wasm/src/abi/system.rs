//! The machine and the process's share of it.

use crate::imports::Cx;
use agentos_abi::process::{self as abi, Limit, Times};
use agentos_kernel::id::Pid;
use agentos_kernel::process::{HOSTNAME_MAX, INFINITY, Resource, ResourceLimit};
use agentos_kernel::{Errno, Result};

pub(super) fn times(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let times = cx.state.process.times();
    let record = Times {
        user: times.user,
        sys: times.sys,
        cuser: times.children_user,
        csys: times.children_sys,
    };
    Ok(cx.memory.put(out, &record)?)
}

pub(super) fn limit_get(cx: &mut Cx<'_>, resource: u32, out: u32) -> Result<()> {
    let resource = Resource::new(resource).ok_or(Errno::EINVAL)?;
    let limit = cx.state.process.resource_limit(resource);
    let raw = |value| if value == INFINITY { abi::RLIM_INFINITY } else { value };
    Ok(cx.memory.put(
        out,
        &Limit {
            cur: raw(limit.soft),
            max: raw(limit.hard),
        },
    )?)
}

pub(super) fn limit_set(cx: &mut Cx<'_>, resource: u32, limit: u32) -> Result<()> {
    let resource = Resource::new(resource).ok_or(Errno::EINVAL)?;
    let limit: Limit = cx.memory.get(limit)?;
    let value = |raw| if raw == abi::RLIM_INFINITY { INFINITY } else { raw };
    cx.state.process.set_resource_limit(
        resource,
        ResourceLimit {
            soft: value(limit.cur),
            hard: value(limit.max),
        },
    )
}

/// What nice values are shifted by, so that they are never negative.
const NICE_BIAS: i32 = 20;

pub(super) fn nice(cx: &mut Cx<'_>, pid: u32, set: u32, nice: i32, out: u32) -> Result<()> {
    cx.memory.check::<u32>(out)?;
    let process = &cx.state.process;
    if set != 0 {
        process.set_nice(Pid(pid), nice)?;
    }
    let biased = process.nice(Pid(pid))?.saturating_add(NICE_BIAS);
    Ok(cx.memory.put(out, &u32::try_from(biased).unwrap_or(0))?)
}

pub(super) fn uname(cx: &mut Cx<'_>, field: u32, buf: u32, cap: u32, len: u32) -> Result<()> {
    let name = cx.state.process.uname();
    let value = match field {
        abi::UNAME_SYSNAME => name.sysname.as_bytes(),
        abi::UNAME_NODENAME => &name.nodename,
        abi::UNAME_RELEASE => name.release.as_bytes(),
        abi::UNAME_VERSION => name.version.as_bytes(),
        abi::UNAME_MACHINE => name.machine.as_bytes(),
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(cx.memory.put_bytes(value, buf, cap, len)?)
}

pub(super) fn sethostname(cx: &mut Cx<'_>, name: u32, len: u32) -> Result<()> {
    if len as usize > HOSTNAME_MAX {
        return Err(Errno::EINVAL.into());
    }
    let name = cx.memory.bytes(name, len)?;
    cx.state.process.set_hostname(name)
}

pub(super) fn cpus(cx: &mut Cx<'_>, out: u32) -> Result<()> {
    let count = cx.state.process.kernel().limits().cpu_count;
    Ok(cx.memory.put(out, &u32::try_from(count).unwrap_or(u32::MAX))?)
}

//! Reading spawn requests out of guest memory.

use crate::imports::Cx;
use crate::memory::Memory;
use agentos_abi::Record;
use agentos_abi::fs as flags;
use agentos_abi::process::{self as abi, SpawnAction, SpawnReq};
use agentos_kernel::fd::StatusFlags;
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::limits::Limits;
use agentos_kernel::process::{FileAction, OpenHow, SigSet, SpawnRequest};
use agentos_kernel::vfs::{Mode, OpenOptions};
use agentos_kernel::{Errno, LimitExceeded, Result};

const KNOWN: u32 = abi::SPAWN_SETPGROUP
    | abi::SPAWN_SETSIGMASK
    | abi::SPAWN_SETSIGDEFAULT
    | abi::SPAWN_SETSID
    | abi::SPAWN_SEARCH_PATH
    | abi::SPAWN_INHERIT
    | abi::SPAWN_SETUMASK
    | abi::SPAWN_FOREGROUND;

/// Bytes that each string costs beyond its own, as the limits count.
const PER_STRING: u64 = 8;

/// Reads the request at `start`. Nothing is copied before it was found to be within the VM's limits.
pub(super) fn read(cx: &Cx<'_>, start: u32) -> Result<SpawnRequest> {
    let record: SpawnReq = cx.memory.get_sized(start)?;
    if record.flags & !KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    let memory = &cx.memory;
    let limits = cx.state.process.kernel().limits();
    let argv = ("limits.resources.maxProcessArgvBytes", limits.max_process_argv_bytes);
    let env = ("limits.resources.maxProcessEnvBytes", limits.max_process_env_bytes);
    let has = |flag| record.flags & flag != 0;
    Ok(SpawnRequest {
        path: memory.path(record.path, record.path_len)?.to_vec(),
        argv: strings(memory, record.argv, record.argv_len, argv)?,
        env: strings(memory, record.env, record.env_len, env)?,
        search_path: has(abi::SPAWN_SEARCH_PATH),
        cwd: optional_path(memory, record.cwd, record.cwd_len)?,
        actions: actions(memory, &record, limits)?,
        pgroup: has(abi::SPAWN_SETPGROUP).then(|| group(record.pgroup)).transpose()?,
        setsid: has(abi::SPAWN_SETSID),
        foreground: has(abi::SPAWN_FOREGROUND),
        sigmask: has(abi::SPAWN_SETSIGMASK).then_some(SigSet(record.sigmask)),
        sigdefault: SigSet(if has(abi::SPAWN_SETSIGDEFAULT) {
            record.sigdefault
        } else {
            0
        }),
        inherit: has(abi::SPAWN_INHERIT),
        umask: has(abi::SPAWN_SETUMASK).then(|| Mode::new(record.umask)),
        credentials: None,
        // A parent whose clocks are frozen has no other children; others cannot ask for it.
        freeze_clocks: false,
        vanishes: false,
    })
}

/// A process group as guests pass it.
pub(super) fn group(raw: i32) -> Result<Pid> {
    Ok(Pid(u32::try_from(raw).map_err(|_| Errno::EINVAL)?))
}

/// Splits strings that each end in a NUL.
pub(crate) fn strings(memory: &Memory<'_>, start: u32, len: u32, limit: (&'static str, u64)) -> Result<Vec<Vec<u8>>> {
    let (path, capacity) = limit;
    let over = |observed| LimitExceeded::new(path, "bytes", observed, capacity, "spawn", Errno::E2BIG);
    if u64::from(len) > capacity {
        return Err(over(u64::from(len)).into());
    }
    let bytes = memory.bytes(start, len)?;
    let Some(bytes) = bytes.strip_suffix(&[0]) else {
        return if bytes.is_empty() {
            Ok(Vec::new())
        } else {
            Err(Errno::EINVAL.into())
        };
    };
    let count = bytes.iter().filter(|byte| **byte == 0).count() as u64 + 1;
    let cost = count.saturating_mul(PER_STRING).saturating_add(u64::from(len) - count);
    if cost > capacity {
        return Err(over(cost).into());
    }
    Ok(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

fn optional_path(memory: &Memory<'_>, start: u32, len: u32) -> Result<Option<Vec<u8>>> {
    Ok(if len == 0 {
        None
    } else {
        Some(memory.path(start, len)?.to_vec())
    })
}

fn actions(memory: &Memory<'_>, record: &SpawnReq, limits: &Limits) -> Result<Vec<FileAction>> {
    let (count, capacity) = (u64::from(record.action_count), limits.max_spawn_file_actions);
    if count > capacity {
        let path = "limits.process.maxSpawnFileActions";
        return Err(LimitExceeded::new(path, "actions", count, capacity, "spawn", Errno::E2BIG).into());
    }
    let len = count.saturating_mul(SpawnAction::SIZE as u64);
    let bytes = memory.bytes(record.actions, u32::try_from(len).map_err(|_| Errno::EFAULT)?)?;
    let mut path_bytes = 0;
    let mut actions = Vec::with_capacity(bytes.len() / SpawnAction::SIZE);
    for bytes in bytes.chunks_exact(SpawnAction::SIZE) {
        let action = SpawnAction::decode(bytes);
        path_bytes += u64::from(action.path_len);
        if path_bytes > limits.max_spawn_file_action_bytes {
            let (path, capacity) = (
                "limits.process.maxSpawnFileActionBytes",
                limits.max_spawn_file_action_bytes,
            );
            return Err(LimitExceeded::new(path, "bytes", path_bytes, capacity, "spawn", Errno::E2BIG).into());
        }
        actions.push(file_action(memory, &action)?);
    }
    Ok(actions)
}

fn file_action(memory: &Memory<'_>, action: &SpawnAction) -> Result<FileAction> {
    Ok(match action.op {
        abi::ACTION_CLOSE => FileAction::Close(Fd(action.fd)),
        abi::ACTION_DUP2 => FileAction::Dup2 {
            from: Fd(action.src),
            to: Fd(action.fd),
        },
        abi::ACTION_OPEN => FileAction::Open {
            fd: Fd(action.fd),
            path: memory.path(action.path, action.path_len)?.to_vec(),
            how: open_how(action.oflags & !flags::O_APPEND, append(action.oflags), action.mode)?,
        },
        abi::ACTION_CHDIR => FileAction::Chdir(memory.path(action.path, action.path_len)?.to_vec()),
        _ => return Err(Errno::EINVAL.into()),
    })
}

fn append(oflags: u32) -> StatusFlags {
    if oflags & flags::O_APPEND != 0 {
        StatusFlags::APPEND
    } else {
        StatusFlags::empty()
    }
}

/// Flags that say how to open.
const OPEN_KNOWN: u32 = flags::O_CREAT
    | flags::O_DIRECTORY
    | flags::O_EXCL
    | flags::O_TRUNC
    | flags::O_NOFOLLOW
    | flags::O_PATH
    | flags::O_CLOEXEC
    | flags::O_NOCTTY
    | flags::O_READ
    | flags::O_WRITE;

/// The open flags of the ABI as the kernel has them.
pub(super) fn open_how(oflags: u32, status: StatusFlags, mode: u32) -> Result<OpenHow> {
    if oflags & !OPEN_KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    let has = |flag| oflags & flag != 0;
    let options = OpenOptions {
        read: has(flags::O_READ),
        write: has(flags::O_WRITE),
        create: has(flags::O_CREAT),
        exclusive: has(flags::O_EXCL),
        truncate: has(flags::O_TRUNC),
        directory: has(flags::O_DIRECTORY),
        no_follow: has(flags::O_NOFOLLOW),
        path_only: has(flags::O_PATH),
        unnamed: false,
        mode: Mode::new(mode),
    };
    Ok(OpenHow {
        options,
        status,
        cloexec: has(flags::O_CLOEXEC),
        no_tty: has(flags::O_NOCTTY),
    })
}

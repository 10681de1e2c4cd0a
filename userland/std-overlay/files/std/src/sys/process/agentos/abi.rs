//! The part of the kernel's import module that processes need. The text that rules is the ABI crate of agentOS.

use crate::io;

pub const SETPGROUP: u32 = 1;
pub const SETSID: u32 = 8;
pub const SEARCH_PATH: u32 = 16;

pub const ACTION_DUP2: u32 = 2;
pub const ACTION_OPEN: u32 = 3;

pub const OPEN_READ: u32 = 0x100;
pub const OPEN_WRITE: u32 = 0x200;

pub const WAIT_NOHANG: u32 = 1;
pub const WAITED_SIGNALED: u32 = 2;
pub const WAITED_STOPPED: u32 = 3;
pub const WAITED_CONTINUED: u32 = 4;

pub const POLL_FD: u32 = 0;
pub const POLLIN: u32 = 1;

pub const SIGKILL: u32 = 9;

#[repr(C)]
pub struct SpawnReq {
    pub size: u32,
    pub flags: u32,
    pub path: u32,
    pub path_len: u32,
    pub argv: u32,
    pub argv_len: u32,
    pub env: u32,
    pub env_len: u32,
    pub cwd: u32,
    pub cwd_len: u32,
    pub actions: u32,
    pub action_count: u32,
    pub pgroup: i32,
    pub umask: u32,
    pub sigmask: u64,
    pub sigdefault: u64,
}

#[repr(C)]
pub struct SpawnAction {
    pub op: u32,
    pub fd: u32,
    pub src: u32,
    pub oflags: u32,
    pub mode: u32,
    pub path: u32,
    pub path_len: u32,
}

#[repr(C)]
#[derive(Default)]
pub struct WaitResult {
    pub pid: u32,
    pub kind: u32,
    pub code: u32,
    pub reserved: u32,
    pub user_ns: u64,
    pub sys_ns: u64,
    pub max_rss: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct Ids {
    pub pid: u32,
    pub ppid: u32,
    pub pgid: u32,
    pub sid: u32,
}

#[repr(C)]
pub struct PollEntry {
    pub kind: u32,
    pub id: i32,
    pub events: u32,
    pub revents: u32,
}

#[link(wasm_import_module = "agentos_v1")]
unsafe extern "C" {
    pub fn proc_spawn(req: *const SpawnReq, pid: *mut u32) -> u32;
    pub fn proc_exec(req: *const SpawnReq) -> u32;
    pub fn proc_wait(which: i32, options: u32, out: *mut WaitResult) -> u32;
    pub fn proc_ids(out: *mut Ids) -> u32;
    pub fn sig_kill(pid: i32, sig: u32) -> u32;
    pub fn fd_poll(entries: *mut PollEntry, n: u32, timeout_ns: i64, sigmask: *const u64, ready: *mut u32) -> u32;
}

/// Turns an error number into a result.
pub fn check(errno: u32) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno as i32)) }
}

/// Repeats a call that a signal interrupted.
pub fn retry(mut call: impl FnMut() -> u32) -> io::Result<()> {
    loop {
        match check(call()) {
            Err(error) if error.is_interrupted() => {}
            result => return result,
        }
    }
}

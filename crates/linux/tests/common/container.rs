//! A test once more, as it would run in an ordinary container: as a user without any right, under what the default seccomp profile
//! of Docker refuses to containers without capabilities.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Set in the process that is the container.
const INSIDE: &str = "AGENTOS_TEST_CONTAINER";

/// A user that owns nothing.
const NOBODY: u32 = 65534;

const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x5_0000;

/// Namespaces, any of which makes `clone` a refused call.
const NAMESPACES: u32 = 0x7E02_0000;

/// What the profile refuses, of the calls that are in no list of it or only in one that needs a capability.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_sysfs,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_uselib,
    libc::SYS_userfaultfd,
    libc::SYS_ustat,
    libc::SYS_vhangup,
];

fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// A filter that refuses `calls` with `EPERM`, and what Docker's profile refuses by argument or with `ENOSYS`.
pub fn profile(calls: &[libc::c_long]) -> Vec<libc::sock_filter> {
    let mut program = vec![step(LOAD, 0, 0, 0)];
    let mut answer = |call: libc::c_long, errno: i32| {
        program.push(step(EQUAL, call as u32, 0, 1));
        program.push(step(RETURN, ERRNO | errno as u32, 0, 0));
    };
    for call in calls {
        answer(*call, libc::EPERM);
    }
    answer(libc::SYS_clone3, libc::ENOSYS);
    // `clone` with a namespace.
    program.push(step(EQUAL, libc::SYS_clone as u32, 0, 3));
    program.push(step(LOAD, 16, 0, 0));
    program.push(step(ANY_BIT, NAMESPACES, 0, 1));
    program.push(step(RETURN, ERRNO | libc::EPERM as u32, 0, 0));
    program.push(step(RETURN, ALLOW, 0, 0));
    program
}

/// Whether this process is the container.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// A command that executes under `program`, with these flags, and without rights if `nobody`.
pub fn confined(program: Vec<libc::sock_filter>, flags: libc::c_ulong, nobody: bool) -> Command {
    // The user may not be allowed to execute what was just built where it lies.
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new(exe);
    // SAFETY: takes nothing.
    if nobody && unsafe { libc::getuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    // SAFETY: the closure makes system calls alone, on what it owns.
    unsafe {
        command.pre_exec(move || {
            let program = libc::sock_fprog {
                len: program.len() as u16,
                filter: program.as_ptr().cast_mut(),
            };
            let set = libc::SECCOMP_SET_MODE_FILTER;
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
            let listener = libc::syscall(libc::SYS_seccomp, set, flags, &raw const program) as i32;
            // A filter with a listener is one only while somebody holds that.
            let kept = listener <= 0 || libc::fcntl(listener, libc::F_SETFD, 0) == 0;
            match done && listener >= 0 && kept {
                true => Ok(()),
                false => Err(std::io::Error::last_os_error()),
            }
        });
    }
    command
}

/// Runs a test of this binary in the container; it must pass, and not because it was left out.
#[track_caller]
pub fn again(test: &str) {
    if is_inside() || super::executor().is_none() {
        return;
    }
    let mut command = confined(profile(REFUSED), 0, true);
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1");
    let ran = command.stdin(Stdio::null()).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert!(ran.status.success(), "{test} in a container: {}\n{text}", ran.status);
    assert!(text.contains("1 passed") && !text.contains("SKIPPED: native"), "{text}");
}

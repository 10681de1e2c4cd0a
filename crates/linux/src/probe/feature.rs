//! Names of features, as they are told and looked up, and what helps where one is missing.

pub(super) const LANDLOCK: &str = "Landlock";
pub(super) const MEMFD: &str = "memfd with MFD_NOEXEC_SEAL";
pub(super) const PIDFD: &str = "pidfd_open";
pub(super) const PLACE: &str = "a directory for the loader";
pub(super) const GUARDIAN: &str = "the guardian process";
pub(super) const CONFINE: &str = "Landlock on a thread";
pub(super) const LISTENER: &str = "seccomp notifications";
pub(super) const KILLABLE: &str = "seccomp WAIT_KILLABLE_RECV";
pub(super) const GUEST: &str = "a guest";
pub(super) const MEMORY: &str = "memory of a guest";
pub(super) const PATCH: &str = "/proc/PID/mem of a guest";
pub(super) const CGROUP: &str = "control groups";
pub(super) const ADD_FD: &str = "seccomp ADDFD_SEND";

/// What most likely causes the failure of a feature.
pub(super) fn advice(name: &str, errno: Option<i32>) -> Option<&'static str> {
    if name == CGROUP {
        return Some(
            "nothing else depends on it; systemd gives a service a group with Delegate=yes and DelegateSubgroup=agentos-host (docs/linux.md)",
        );
    }
    let errno = errno?;
    Some(match (name, errno) {
        (LISTENER, libc::EBUSY) => {
            "another supervisor answers this process's system calls already (an agentOS around this one, LXD, sysbox), and the host \
             allows one only"
        }
        (LISTENER, libc::EINVAL) => {
            "this is not a Linux kernel of version 5.0 or later, or gVisor, which has no notifications"
        }
        (LISTENER | CONFINE | LANDLOCK, libc::EPERM | libc::EACCES) => {
            "a seccomp profile of the container forbids the call: allow it, or run with the default profile of Docker 20.10 or later"
        }
        (LISTENER, libc::ENOSYS) => "the kernel has no seccomp, or a sandbox hides it",
        (KILLABLE, libc::EINVAL) => "Linux 5.19 or later is needed",
        (LANDLOCK, libc::EOPNOTSUPP) => "Landlock is built in but off: the kernel's parameter lsm= has to name it",
        (LANDLOCK, libc::ENOSYS) => {
            "the kernel is older than 5.13 or was built without Landlock, or a seccomp profile hides it"
        }
        (MEMFD, libc::EINVAL) => "Linux 6.3 or later is needed",
        (MEMFD, libc::EACCES) => "vm.memfd_noexec of this machine does not allow it",
        (PLACE, libc::EACCES | libc::EPERM) => {
            "TMPDIR, /dev/shm and /var/tmp are all mounted noexec or read-only: set TMPDIR to a directory that allows executing"
        }
        (PLACE, libc::ENOSPC) => "the disk is full",
        (GUEST | GUARDIAN, libc::EAGAIN) => "the limit of processes (RLIMIT_NPROC, pids.max) is reached",
        (MEMORY | PATCH, libc::EPERM | libc::EACCES) => {
            "kernel.yama.ptrace_scope is 2 or 3, or a seccomp profile forbids process_vm_readv: a scope of 0 or 1 is needed"
        }
        _ => return None,
    })
}

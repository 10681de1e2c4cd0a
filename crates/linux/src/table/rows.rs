//! The rows.

use super::filter::SEND_REFUSED;
use super::{Class, Row, Rule};
use crate::calls::{
    Handler, accept, attributes as at, beneath, content, directories as dir, execute, files, handlers, identity as id,
    locks, messages as msg, options, pairs, pidfds, priorities, processes as proc, scheduling as sched,
    sockets as sock, system as sys, terminal, watch, xattrs,
};

macro_rules! rows {
    ($($name:ident $number:ident $class:expr;)*) => {
        /// Every call that is known, in no order that matters.
        pub(crate) const TABLE: &[Row] = &[$(Row { name: stringify!($name), number: libc::$number, class: $class },)*];
    };
}

const fn ask(handler: Handler) -> Class {
    Class::Emulate(handler)
}

const ALLOW: Class = Class::Allow;
const PERM: Class = Class::Deny(libc::EPERM);
const NOSYS: Class = Class::Deny(libc::ENOSYS);

/// Duplicates, flags, locks, sizes of pipes, reading seals.
const FCNTL: &[u32] = &[0, 1, 2, 3, 4, 6, 7, 36, 37, 38, 1030, 1031, 1032, 1034];
/// Who holds a record lock, as the VM knows the process.
const FCNTL_ASK: &[u32] = &[5];
/// Bytes to read, non-blocking, close-on-exec.
const IOCTL: &[u32] = &[0x541b, 0x5421, 0x5450, 0x5451];
/// Attributes, window, groups and session of a terminal, flushing, draining, stopping and starting output, becoming and ceasing to
/// be its session, its number, lock and slave. Typing on somebody's behalf (`TIOCSTI`) is not among them. Then what sockets are asked of
/// interfaces: name, list, flags, address, address of everybody, mask, metric, size of packets, address of the hardware, number, length of the queue.
const IOCTL_ASK: &[u32] = &[
    0x5401,
    0x5402,
    0x5403,
    0x5404,
    0x5409,
    0x540a,
    0x540b,
    0x540e,
    0x540f,
    0x5410,
    0x5411,
    0x5413,
    0x5414,
    0x5422,
    0x5429,
    0x5441,
    0x802c_542a,
    0x402c_542b,
    0x402c_542c,
    0x402c_542d,
    0x4004_5431,
    0x8004_5430,
    0x8910,
    0x8912,
    0x8913,
    0x8915,
    0x8919,
    0x891b,
    0x891d,
    0x8921,
    0x8927,
    0x8933,
    0x8942,
];
/// Names, parent's death, timer slack, no new privileges, huge pages, names of mappings, and what only reports.
const PRCTL: &[u32] = &[1, 2, 3, 7, 15, 16, 21, 23, 27, 29, 30, 37, 38, 39, 41, 42, 0x5356_4d41];
/// Being dumpable, which a guest must stay.
const PRCTL_ASK: &[u32] = &[4, 8];
const FUTEX: &[u32] = &[0, 1, 3, 4, 5, 9, 10];
/// All but the ones that poison memory.
const MADVISE: &[u32] = &[
    0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
];

rows! {
    // Files.
    open SYS_open ask(files::open);
    openat SYS_openat ask(files::openat);
    openat2 SYS_openat2 ask(beneath::openat2);
    creat SYS_creat ask(files::creat);
    truncate SYS_truncate ask(files::truncate);
    memfd_create SYS_memfd_create ask(files::memfd_create);
    name_to_handle_at SYS_name_to_handle_at Class::Deny(libc::EOPNOTSUPP);
    open_by_handle_at SYS_open_by_handle_at PERM;
    inotify_init SYS_inotify_init ask(watch::init);
    inotify_init1 SYS_inotify_init1 ask(watch::init1);
    inotify_add_watch SYS_inotify_add_watch ask(watch::add);
    inotify_rm_watch SYS_inotify_rm_watch ask(watch::remove);
    fanotify_init SYS_fanotify_init PERM;
    fanotify_mark SYS_fanotify_mark PERM;
    stat SYS_stat ask(at::stat);
    lstat SYS_lstat ask(at::lstat);
    fstat SYS_fstat ask(at::fstat);
    newfstatat SYS_newfstatat ask(at::newfstatat);
    statx SYS_statx ask(at::statx);
    access SYS_access ask(at::access);
    faccessat SYS_faccessat ask(at::faccessat);
    faccessat2 SYS_faccessat2 ask(at::faccessat2);
    readlink SYS_readlink ask(at::readlink);
    readlinkat SYS_readlinkat ask(at::readlinkat);
    chmod SYS_chmod ask(at::chmod);
    fchmod SYS_fchmod ask(at::fchmod);
    fchmodat SYS_fchmodat ask(at::fchmodat);
    fchmodat2 SYS_fchmodat2 ask(at::fchmodat2);
    chown SYS_chown ask(at::chown);
    lchown SYS_lchown ask(at::lchown);
    fchown SYS_fchown ask(at::fchown);
    fchownat SYS_fchownat ask(at::fchownat);
    utimensat SYS_utimensat ask(at::utimensat);
    utime SYS_utime ask(at::utime);
    utimes SYS_utimes ask(at::utimes);
    futimesat SYS_futimesat ask(at::futimesat);
    statfs SYS_statfs ask(at::statfs);
    fstatfs SYS_fstatfs ask(at::fstatfs);
    getxattr SYS_getxattr ask(xattrs::getxattr);
    lgetxattr SYS_lgetxattr ask(xattrs::lgetxattr);
    fgetxattr SYS_fgetxattr ask(xattrs::fgetxattr);
    listxattr SYS_listxattr ask(xattrs::listxattr);
    llistxattr SYS_llistxattr ask(xattrs::llistxattr);
    flistxattr SYS_flistxattr ask(xattrs::flistxattr);
    setxattr SYS_setxattr ask(xattrs::setxattr);
    lsetxattr SYS_lsetxattr ask(xattrs::lsetxattr);
    fsetxattr SYS_fsetxattr ask(xattrs::fsetxattr);
    removexattr SYS_removexattr ask(xattrs::removexattr);
    lremovexattr SYS_lremovexattr ask(xattrs::lremovexattr);
    fremovexattr SYS_fremovexattr ask(xattrs::fremovexattr);
    umask SYS_umask ask(dir::umask);
    getcwd SYS_getcwd ask(dir::getcwd);
    chdir SYS_chdir ask(dir::chdir);
    fchdir SYS_fchdir ask(dir::fchdir);
    getdents64 SYS_getdents64 ask(dir::getdents64);
    mkdir SYS_mkdir ask(dir::mkdir);
    mkdirat SYS_mkdirat ask(dir::mkdirat);
    rmdir SYS_rmdir ask(dir::rmdir);
    unlink SYS_unlink ask(dir::unlink);
    unlinkat SYS_unlinkat ask(dir::unlinkat);
    rename SYS_rename ask(dir::rename);
    renameat SYS_renameat ask(dir::renameat);
    renameat2 SYS_renameat2 ask(dir::renameat2);
    link SYS_link ask(dir::link);
    linkat SYS_linkat ask(dir::linkat);
    symlink SYS_symlink ask(dir::symlink);
    symlinkat SYS_symlinkat ask(dir::symlinkat);
    mknod SYS_mknod ask(dir::mknod);
    mknodat SYS_mknodat ask(dir::mknodat);
    // Descriptors that a guest has.
    read SYS_read ALLOW;
    write SYS_write ALLOW;
    readv SYS_readv ALLOW;
    writev SYS_writev ALLOW;
    pread64 SYS_pread64 ALLOW;
    pwrite64 SYS_pwrite64 ALLOW;
    preadv SYS_preadv ALLOW;
    pwritev SYS_pwritev ALLOW;
    preadv2 SYS_preadv2 ALLOW;
    pwritev2 SYS_pwritev2 Class::Arguments(Rule::Without(5, 6, libc::EOPNOTSUPP), None);
    close SYS_close ALLOW;
    close_range SYS_close_range Class::Arguments(Rule::Without(2, 2, libc::EINVAL), None);
    lseek SYS_lseek ALLOW;
    dup SYS_dup ALLOW;
    dup2 SYS_dup2 ALLOW;
    dup3 SYS_dup3 ALLOW;
    fcntl SYS_fcntl Class::Arguments(Rule::AmongOrAsk(1, FCNTL, FCNTL_ASK, libc::EINVAL), Some(locks::get));
    ioctl SYS_ioctl Class::Arguments(Rule::AmongOrAsk(1, IOCTL, IOCTL_ASK, libc::ENOTTY), Some(terminal::ioctl));
    ftruncate SYS_ftruncate ask(content::ftruncate);
    fallocate SYS_fallocate ask(content::fallocate);
    fsync SYS_fsync ask(content::fsync);
    fdatasync SYS_fdatasync ask(content::fdatasync);
    sync SYS_sync ask(content::sync);
    syncfs SYS_syncfs ask(content::syncfs);
    sync_file_range SYS_sync_file_range ALLOW;
    fadvise64 SYS_fadvise64 ALLOW;
    readahead SYS_readahead ALLOW;
    flock SYS_flock ALLOW;
    sendfile SYS_sendfile ALLOW;
    copy_file_range SYS_copy_file_range ALLOW;
    pipe SYS_pipe ALLOW;
    pipe2 SYS_pipe2 ALLOW;
    poll SYS_poll ALLOW;
    ppoll SYS_ppoll ALLOW;
    select SYS_select ALLOW;
    pselect6 SYS_pselect6 ALLOW;
    epoll_create SYS_epoll_create ALLOW;
    epoll_create1 SYS_epoll_create1 ALLOW;
    epoll_ctl SYS_epoll_ctl ALLOW;
    epoll_wait SYS_epoll_wait ALLOW;
    epoll_pwait SYS_epoll_pwait ALLOW;
    epoll_pwait2 SYS_epoll_pwait2 ALLOW;
    eventfd SYS_eventfd ALLOW;
    eventfd2 SYS_eventfd2 ALLOW;
    timerfd_create SYS_timerfd_create ALLOW;
    timerfd_settime SYS_timerfd_settime ALLOW;
    timerfd_gettime SYS_timerfd_gettime ALLOW;
    signalfd SYS_signalfd ALLOW;
    signalfd4 SYS_signalfd4 ALLOW;
    splice SYS_splice Class::Deny(libc::EINVAL);
    tee SYS_tee Class::Deny(libc::EINVAL);
    vmsplice SYS_vmsplice Class::Deny(libc::EINVAL);
    // Sockets.
    socket SYS_socket ask(sock::socket);
    bind SYS_bind ask(sock::bind);
    connect SYS_connect ask(sock::connect);
    listen SYS_listen ask(sock::listen);
    accept SYS_accept ask(accept::accept);
    accept4 SYS_accept4 ask(accept::accept4);
    socketpair SYS_socketpair Class::Arguments(Rule::SocketPair, Some(pairs::datagrams));
    getsockname SYS_getsockname ask(sock::getsockname);
    getpeername SYS_getpeername ask(sock::getpeername);
    shutdown SYS_shutdown ask(sock::shutdown);
    getsockopt SYS_getsockopt ask(options::getsockopt);
    setsockopt SYS_setsockopt ask(options::setsockopt);
    sendto SYS_sendto Class::Arguments(Rule::Address(4, 3, SEND_REFUSED, libc::EOPNOTSUPP), Some(msg::sendto));
    sendmsg SYS_sendmsg Class::Arguments(Rule::WithoutThenAsk(2, SEND_REFUSED, libc::EOPNOTSUPP), Some(msg::sendmsg));
    sendmmsg SYS_sendmmsg Class::Arguments(Rule::WithoutThenAsk(3, SEND_REFUSED, libc::EOPNOTSUPP), Some(msg::sendmmsg));
    recvfrom SYS_recvfrom Class::Arguments(Rule::Address(4, 3, 1, libc::EINVAL), Some(msg::recvfrom));
    recvmsg SYS_recvmsg Class::Arguments(Rule::WithoutThenAsk(2, 1, libc::EINVAL), Some(msg::recvmsg));
    recvmmsg SYS_recvmmsg Class::Arguments(Rule::WithoutThenAsk(3, 1, libc::EINVAL), Some(msg::recvmmsg));
    // Memory.
    mmap SYS_mmap Class::Arguments(Rule::MapShared, Some(content::mmap));
    mprotect SYS_mprotect ALLOW;
    munmap SYS_munmap ALLOW;
    mremap SYS_mremap ALLOW;
    brk SYS_brk ALLOW;
    madvise SYS_madvise Class::Arguments(Rule::Among(2, MADVISE, libc::EINVAL), None);
    msync SYS_msync Class::Arguments(Rule::BitsOrAsk(2, 4), Some(content::msync));
    mincore SYS_mincore ALLOW;
    mlock SYS_mlock ALLOW;
    mlock2 SYS_mlock2 ALLOW;
    munlock SYS_munlock ALLOW;
    pkey_alloc SYS_pkey_alloc ALLOW;
    pkey_free SYS_pkey_free ALLOW;
    pkey_mprotect SYS_pkey_mprotect ALLOW;
    memfd_secret SYS_memfd_secret PERM;
    // Threads, time, signals of the guest itself.
    futex SYS_futex Class::Arguments(Rule::Masked(1, 0x7f, FUTEX, libc::ENOSYS), None);
    futex_waitv SYS_futex_waitv ALLOW;
    set_robust_list SYS_set_robust_list ALLOW;
    get_robust_list SYS_get_robust_list PERM;
    rseq SYS_rseq ALLOW;
    membarrier SYS_membarrier ALLOW;
    set_tid_address SYS_set_tid_address ALLOW;
    arch_prctl SYS_arch_prctl ALLOW;
    exit SYS_exit ALLOW;
    exit_group SYS_exit_group ALLOW;
    restart_syscall SYS_restart_syscall ALLOW;
    sched_yield SYS_sched_yield ALLOW;
    sched_getaffinity SYS_sched_getaffinity Class::Arguments(Rule::SelfOrAsk, Some(sched::affinity));
    sched_setaffinity SYS_sched_setaffinity ask(sched::set_affinity);
    sched_getparam SYS_sched_getparam Class::Arguments(Rule::SelfOrAsk, Some(sched::parameter));
    sched_getscheduler SYS_sched_getscheduler Class::Arguments(Rule::SelfOrAsk, Some(sched::policy));
    sched_setscheduler SYS_sched_setscheduler ask(sched::set_policy);
    sched_setparam SYS_sched_setparam ask(sched::set_parameter);
    sched_get_priority_max SYS_sched_get_priority_max ALLOW;
    sched_get_priority_min SYS_sched_get_priority_min ALLOW;
    sched_rr_get_interval SYS_sched_rr_get_interval Class::Arguments(Rule::SelfOrAsk, Some(sched::interval));
    getcpu SYS_getcpu ALLOW;
    getrandom SYS_getrandom ALLOW;
    clock_gettime SYS_clock_gettime ALLOW;
    clock_getres SYS_clock_getres ALLOW;
    clock_nanosleep SYS_clock_nanosleep ALLOW;
    nanosleep SYS_nanosleep ALLOW;
    gettimeofday SYS_gettimeofday ALLOW;
    time SYS_time ALLOW;
    times SYS_times ALLOW;
    getrusage SYS_getrusage ALLOW;
    rt_sigaction SYS_rt_sigaction Class::Arguments(Rule::ChildHandler, Some(handlers::set));
    rt_sigprocmask SYS_rt_sigprocmask ALLOW;
    rt_sigreturn SYS_rt_sigreturn ALLOW;
    rt_sigpending SYS_rt_sigpending ALLOW;
    rt_sigsuspend SYS_rt_sigsuspend ALLOW;
    rt_sigtimedwait SYS_rt_sigtimedwait ALLOW;
    sigaltstack SYS_sigaltstack ALLOW;
    timer_create SYS_timer_create ALLOW;
    timer_settime SYS_timer_settime ask(handlers::timer);
    timer_gettime SYS_timer_gettime ALLOW;
    timer_getoverrun SYS_timer_getoverrun ALLOW;
    timer_delete SYS_timer_delete ALLOW;
    setitimer SYS_setitimer ask(handlers::timer);
    getitimer SYS_getitimer ALLOW;
    alarm SYS_alarm ask(handlers::timer);
    pause SYS_pause ALLOW;
    wait4 SYS_wait4 ALLOW;
    waitid SYS_waitid ALLOW;
    prctl SYS_prctl Class::Arguments(Rule::AmongOrAsk(0, PRCTL, PRCTL_ASK, libc::EINVAL), Some(sys::pretend));
    personality SYS_personality Class::Arguments(Rule::Among(0, &[0, u32::MAX], libc::EPERM), None);
    // Processes.
    execve SYS_execve ask(execute::execve);
    execveat SYS_execveat ask(execute::execveat);
    clone SYS_clone Class::Arguments(Rule::Clone, Some(proc::clone));
    fork SYS_fork ask(proc::fork);
    vfork SYS_vfork ask(proc::vfork);
    clone3 SYS_clone3 Class::Arguments(Rule::IntoGroup, None);
    getpid SYS_getpid ask(proc::getpid);
    gettid SYS_gettid ask(proc::gettid);
    getppid SYS_getppid ask(proc::getppid);
    getpgid SYS_getpgid ask(proc::getpgid);
    getpgrp SYS_getpgrp ask(proc::getpgrp);
    getsid SYS_getsid ask(proc::getsid);
    setpgid SYS_setpgid ask(proc::setpgid);
    setsid SYS_setsid ask(proc::setsid);
    kill SYS_kill ask(proc::kill);
    tkill SYS_tkill ask(proc::tkill);
    tgkill SYS_tgkill ask(proc::tgkill);
    rt_sigqueueinfo SYS_rt_sigqueueinfo ask(proc::sigqueue);
    rt_tgsigqueueinfo SYS_rt_tgsigqueueinfo PERM;
    pidfd_open SYS_pidfd_open ask(pidfds::open);
    pidfd_send_signal SYS_pidfd_send_signal ask(pidfds::send_signal);
    pidfd_getfd SYS_pidfd_getfd PERM;
    process_madvise SYS_process_madvise PERM;
    process_mrelease SYS_process_mrelease PERM;
    getpriority SYS_getpriority ask(priorities::get);
    setpriority SYS_setpriority ask(priorities::set);
    ioprio_get SYS_ioprio_get Class::Pretend;
    ioprio_set SYS_ioprio_set Class::Pretend;
    getrlimit SYS_getrlimit ALLOW;
    setrlimit SYS_setrlimit ALLOW;
    prlimit64 SYS_prlimit64 Class::Arguments(Rule::SelfOrAsk, Some(sys::of_self));
    // Identities.
    getuid SYS_getuid ask(id::getuid);
    geteuid SYS_geteuid ask(id::geteuid);
    getgid SYS_getgid ask(id::getgid);
    getegid SYS_getegid ask(id::getegid);
    getresuid SYS_getresuid ask(id::getresuid);
    getresgid SYS_getresgid ask(id::getresgid);
    getgroups SYS_getgroups ask(id::getgroups);
    setuid SYS_setuid ask(id::setuid);
    setgid SYS_setgid ask(id::setgid);
    setreuid SYS_setreuid ask(id::setreuid);
    setregid SYS_setregid ask(id::setregid);
    setresuid SYS_setresuid ask(id::setresuid);
    setresgid SYS_setresgid ask(id::setresgid);
    setgroups SYS_setgroups ask(id::setgroups);
    setfsuid SYS_setfsuid ask(id::geteuid);
    setfsgid SYS_setfsgid ask(id::getegid);
    capget SYS_capget ask(id::capget);
    capset SYS_capset PERM;
    // The system.
    uname SYS_uname ask(sys::uname);
    sysinfo SYS_sysinfo ask(sys::sysinfo);
    // What no guest may do.
    ptrace SYS_ptrace PERM;
    process_vm_readv SYS_process_vm_readv PERM;
    process_vm_writev SYS_process_vm_writev PERM;
    mount SYS_mount PERM;
    umount2 SYS_umount2 PERM;
    mount_setattr SYS_mount_setattr PERM;
    open_tree SYS_open_tree PERM;
    move_mount SYS_move_mount PERM;
    fsopen SYS_fsopen PERM;
    fsconfig SYS_fsconfig PERM;
    fsmount SYS_fsmount PERM;
    fspick SYS_fspick PERM;
    chroot SYS_chroot PERM;
    pivot_root SYS_pivot_root PERM;
    unshare SYS_unshare PERM;
    setns SYS_setns PERM;
    bpf SYS_bpf PERM;
    perf_event_open SYS_perf_event_open PERM;
    userfaultfd SYS_userfaultfd PERM;
    io_uring_setup SYS_io_uring_setup PERM;
    io_uring_enter SYS_io_uring_enter PERM;
    io_uring_register SYS_io_uring_register PERM;
    io_setup SYS_io_setup NOSYS;
    add_key SYS_add_key PERM;
    request_key SYS_request_key PERM;
    keyctl SYS_keyctl PERM;
    kexec_load SYS_kexec_load PERM;
    kexec_file_load SYS_kexec_file_load PERM;
    init_module SYS_init_module PERM;
    finit_module SYS_finit_module PERM;
    delete_module SYS_delete_module PERM;
    quotactl SYS_quotactl PERM;
    quotactl_fd SYS_quotactl_fd PERM;
    acct SYS_acct PERM;
    swapon SYS_swapon PERM;
    swapoff SYS_swapoff PERM;
    reboot SYS_reboot PERM;
    syslog SYS_syslog PERM;
    vhangup SYS_vhangup PERM;
    sethostname SYS_sethostname PERM;
    setdomainname SYS_setdomainname PERM;
    settimeofday SYS_settimeofday PERM;
    clock_settime SYS_clock_settime PERM;
    clock_adjtime SYS_clock_adjtime PERM;
    adjtimex SYS_adjtimex PERM;
    iopl SYS_iopl PERM;
    ioperm SYS_ioperm PERM;
    modify_ldt SYS_modify_ldt PERM;
    kcmp SYS_kcmp PERM;
    landlock_create_ruleset SYS_landlock_create_ruleset PERM;
    landlock_add_rule SYS_landlock_add_rule PERM;
    landlock_restrict_self SYS_landlock_restrict_self PERM;
    seccomp SYS_seccomp PERM;
    migrate_pages SYS_migrate_pages PERM;
    move_pages SYS_move_pages PERM;
    mbind SYS_mbind PERM;
    set_mempolicy SYS_set_mempolicy PERM;
    get_mempolicy SYS_get_mempolicy PERM;
    lookup_dcookie SYS_lookup_dcookie PERM;
    nfsservctl SYS_nfsservctl NOSYS;
    uselib SYS_uselib NOSYS;
    ustat SYS_ustat NOSYS;
    sysfs SYS_sysfs NOSYS;
}

/// One more than the largest number of a call that has a row.
const NUMBERS: usize = 512;

/// Who answers which call: every call of every guest asks.
static HANDLERS: [Option<Handler>; NUMBERS] = handlers();

const fn handlers() -> [Option<Handler>; NUMBERS] {
    let mut handlers = [None; NUMBERS];
    let mut at = 0;
    while at < TABLE.len() {
        if let Class::Emulate(handler) | Class::Arguments(_, Some(handler)) = TABLE[at].class {
            // The compiler checks that each fits.
            handlers[TABLE[at].number as usize] = Some(handler);
        }
        at += 1;
    }
    handlers
}

/// Who answers a call.
pub(crate) fn handler(number: i32) -> Option<Handler> {
    *HANDLERS.get(usize::try_from(number).ok()?)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_whose_row_names_somebody_are_answered() {
        // The compiler may have a function at several addresses, so that only being there can be compared.
        for number in -1..2000 {
            let row = TABLE.iter().find(|row| row.number == i64::from(number));
            let answered = row.is_some_and(|row| matches!(row.class, Class::Emulate(_) | Class::Arguments(_, Some(_))));
            assert_eq!(handler(number).is_some(), answered, "call {number}");
        }
    }
}

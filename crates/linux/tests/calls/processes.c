#include "call.h"
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
// Making processes, their groups and sessions, and signals.
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#endif
#define NOBODY 0x3ffffff

static volatile int seen, value, code, from;
static void note(int signal, siginfo_t *info, void *context) {
    seen = signal;
    value = info->si_value.sival_int;
    code = info->si_code;
    from = info->si_pid;
}
static void listen_to(int signal) {
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    sigaction(signal, &action, 0);
}

static void making(void) {
    int status, pid;
    errno = 0;
    fflush(stdout);
    if ((pid = syscall(SYS_fork)) == 0) _exit(3);
    SEEN(fork, "child", pid < 0 ? -errno : 0);
    SEEN(fork, "status", WEXITSTATUS(end(pid)));
    if ((pid = vfork()) == 0) _exit(4);
    SEEN(vfork, "child", pid < 0 ? -errno : 0);
    SEEN(vfork, "status", WEXITSTATUS(end(pid)));
    volatile int shared = 0;
    if ((pid = vfork()) == 0) { shared = 7; _exit(0); }
    SEEN(vfork, "memory", shared);
    end(pid);
    int told = 0, cleared = 5;
    if ((pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, 0, &told, 0, 0)) == 0) _exit(5);
    SEEN(clone, "like_fork", pid < 0 ? -errno : 0);
    SEEN(clone, "told", told == pid);
    SEEN(clone, "status", WEXITSTATUS(end(pid)));
    if ((pid = syscall(SYS_clone, SIGCHLD | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, 0, 0, &cleared, 0)) == 0)
        _exit(cleared == syscall(SYS_gettid));
    SEEN(clone, "child_told", WEXITSTATUS(end(pid)));
    NUMBER(clone, "thread_without_handlers", CLONE_THREAD | SIGCHLD, 0, 0, 0, 0);
    NUMBER(clone, "handlers_without_memory", CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0);
    NUMBER(clone, "files_and_space", CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    NUMBER(clone, "users", CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    SEEN(getpid, "is", syscall(SYS_getpid) > 0);
    SEEN(gettid, "is", syscall(SYS_gettid) == syscall(SYS_getpid));
    SEEN(getppid, "is", syscall(SYS_getppid) > 0);
    int own = getpid();
    CHILD(status, _exit(syscall(SYS_getppid) == own));
    SEEN(getppid, "of_child", WEXITSTATUS(status));
    CASE(wait4, "no_child", -1, 0, 0, 0);
    CASE(wait4, "options", -1, 0, 0x100000, 0);
    CASE(waitid, "no_child", P_ALL, 0, 0, WEXITED, 0);
    CASE(waitid, "no_options", P_ALL, 0, 0, 0, 0);
    CASE(waitid, "kind", 77, 0, 0, WEXITED, 0);
}

static void groups(void) {
    int go[2], status, pid, in[2];
    pipe(go); pipe(in);
    char c;
    // A child of the same session, one of another session, and one that executed.
    fflush(stdout);
    int child = fork();
    if (!child) { read(go[0], &c, 1); _exit(0); }
    int leader = fork();
    if (!leader) { setsid(); write(in[1], "x", 1); read(go[0], &c, 1); _exit(0); }
    read(in[0], &c, 1);
    int ended = fork();
    if (!ended) _exit(0);
    siginfo_t info;
    waitid(P_PID, ended, &info, WEXITED | WNOWAIT);
    CASE(kill, "ended_look", ended, 0);
    CASE(kill, "ended", ended, SIGTERM);
    SEEN(getpgrp, "is", syscall(SYS_getpgrp) == syscall(SYS_getpgid, 0));
    SEEN(getpgid, "own", syscall(SYS_getpgid, getpid()) == getpgrp());
    SEEN(getpgid, "child", syscall(SYS_getpgid, child) == getpgrp());
    SEEN(getpgid, "leader", syscall(SYS_getpgid, leader) == leader);
    SEEN(getpgid, "ended", syscall(SYS_getpgid, ended) == getpgrp());
    CASE(getpgid, "nobody", NOBODY);
    CASE(getpgid, "negative", -1);
    SEEN(getsid, "own", syscall(SYS_getsid, 0) == syscall(SYS_getsid, getpid()));
    SEEN(getsid, "child", syscall(SYS_getsid, child) == getsid(0));
    SEEN(getsid, "leader", syscall(SYS_getsid, leader) == leader);
    CASE(getsid, "nobody", NOBODY);
    CASE(getsid, "negative", -1);
    CASE(setpgid, "child", child, child);
    SEEN(setpgid, "is", getpgid(child) == child);
    CASE(setpgid, "child_back", child, getpgrp());
    CASE(setpgid, "no_such_group", child, NOBODY);
    CASE(setpgid, "group_of_other_session", child, leader);
    CASE(setpgid, "leader", leader, leader);
    CASE(setpgid, "parent", getppid(), 0);
    CASE(setpgid, "nobody", NOBODY, 0);
    CASE(setpgid, "negative_group", child, -1);
    CASE(setpgid, "negative", -1, 0);
    CHILD(status, setpgid(0, 0); errno = 0; _exit(syscall(SYS_setsid) < 0 ? errno : 0));
    SEEN(setsid, "group_leader", -WEXITSTATUS(status));
    CHILD(status, int sid = syscall(SYS_setsid); _exit(sid == getpid() && getpgrp() == sid && getsid(0) == sid));
    SEEN(setsid, "new", WEXITSTATUS(status));
    CHILD(status, setsid(); errno = 0; _exit(setpgid(0, 0) < 0 ? errno : 0));
    SEEN(setpgid, "of_session_leader", -WEXITSTATUS(status));
    write(go[1], "xx", 2);
    end(child); end(leader); end(ended);
    CASE(getpgid, "gone", ended);
    if (!(child = fork())) { execl("/proc/self/exe", "x", "wait", (char *)0); _exit(1); }
    // It waits once it is another program.
    waitid(P_PID, child, &info, WSTOPPED | WNOWAIT);
    CASE(setpgid, "executed", child, child);
    kill(child, SIGKILL);
    end(child);
}

static void signals(void) {
    int go[2], status;
    char c;
    pipe(go);
    fflush(stdout);
    int child = fork();
    if (!child) { read(go[0], &c, 1); _exit(0); }
    CASE(kill, "look", child, 0);
    CASE(kill, "own_look", getpid(), 0);
    CASE(kill, "number", child, 65);
    CASE(kill, "negative_number", child, -1);
    CASE(kill, "nobody", NOBODY, 0);
    CASE(kill, "nobody_number", NOBODY, 65);
    CASE(kill, "no_group", -NOBODY, 0);
    CASE(kill, "least", INT_MIN, 0);
    CASE(kill, "not_allowed", 1, SIGTERM);
    listen_to(SIGUSR1);
    CASE(kill, "own", getpid(), SIGUSR1);
    SEEN(kill, "seen", seen == SIGUSR1 && code == SI_USER && from == getpid());
    seen = 0;
    CASE(tkill, "own", syscall(SYS_gettid), SIGUSR1);
    SEEN(tkill, "seen", seen == SIGUSR1 && code == SI_TKILL);
    CASE(tkill, "zero", 0, SIGUSR1);
    CASE(tkill, "negative", -1, SIGUSR1);
    CASE(tkill, "number", syscall(SYS_gettid), 65);
    CASE(tkill, "nobody", NOBODY, 0);
    CASE(tkill, "child_look", child, 0);
    CASE(tkill, "not_allowed", 1, SIGTERM);
    seen = 0;
    CASE(tgkill, "own", getpid(), syscall(SYS_gettid), SIGUSR1);
    SEEN(tgkill, "seen", seen == SIGUSR1 && code == SI_TKILL);
    CASE(tgkill, "zero", getpid(), 0, SIGUSR1);
    CASE(tgkill, "zero_group", 0, syscall(SYS_gettid), SIGUSR1);
    CASE(tgkill, "negative", -1, syscall(SYS_gettid), SIGUSR1);
    CASE(tgkill, "number", getpid(), syscall(SYS_gettid), 65);
    CASE(tgkill, "other_group", getpid(), child, 0);
    CASE(tgkill, "wrong_group", child, syscall(SYS_gettid), 0);
    CASE(tgkill, "nobody", getpid(), NOBODY, 0);
    CASE(tgkill, "child_look", child, child, 0);
    CASE(tgkill, "not_allowed", 1, 1, SIGTERM);
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = 77;
    seen = value = 0;
    CASE(rt_sigqueueinfo, "own", getpid(), SIGUSR1, &info);
    SEEN(rt_sigqueueinfo, "value", value);
    SEEN(rt_sigqueueinfo, "seen", seen == SIGUSR1 && code == SI_QUEUE && from == getpid());
    CASE(rt_sigqueueinfo, "fault", getpid(), SIGUSR1, BAD);
    CASE(rt_sigqueueinfo, "number", getpid(), 65, &info);
    CASE(rt_sigqueueinfo, "nobody", NOBODY, SIGUSR1, &info);
    CASE(rt_sigqueueinfo, "look", child, 0, &info);
    CASE(rt_sigqueueinfo, "not_allowed", 1, SIGTERM, &info);
    info.si_code = SI_USER;
    CASE(rt_sigqueueinfo, "pretends", child, 0, &info);
    info.si_code = SI_TKILL;
    CASE(rt_sigqueueinfo, "pretends_thread", child, 0, &info);
    // To another process, with what goes along.
    int up[2];
    pipe(up);
    fflush(stdout);
    int other = fork();
    if (!other) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, 0);
        write(up[1], "x", 1);
        for (int i = 0; i < 3; i++) {
            siginfo_t got;
            int signal = sigwaitinfo(&set, &got);
            printf("rt_sigqueueinfo.got_%d %d %d %d %d\n", i, signal == SIGUSR2 ? 0 : signal - SIGRTMIN + 1, got.si_code, got.si_value.sival_int,
                   got.si_pid == getppid());
            fflush(stdout);
            write(up[1], "x", 1);
        }
        _exit(0);
    }
    read(up[0], &c, 1);
    union sigval with = {.sival_int = 1234};
    DONE("rt_sigqueueinfo.usr", sigqueue(other, SIGUSR2, with));
    fflush(stdout);
    read(up[0], &c, 1);
    with.sival_int = 5;
    sigqueue(other, SIGRTMIN, with);
    with.sival_int = 6;
    sigqueue(other, SIGRTMIN, with);
    read(up[0], &c, 1);
    read(up[0], &c, 1);
    end(other);
    // Descriptors of processes.
    errno = 0;
    int fd = syscall(SYS_pidfd_open, child, 0);
    SEEN(pidfd_open, "child", fd < 0 ? -errno : 0);
    SEEN(pidfd_open, "closes", fcntl(fd, F_GETFD));
    CASE(pidfd_open, "flags", child, 0x10000);
    CASE(pidfd_open, "zero", 0, 0);
    CASE(pidfd_open, "negative", -1, 0);
    CASE(pidfd_open, "nobody", NOBODY, 0);
    CASE(pidfd_send_signal, "look", fd, 0, 0, 0);
    CASE(pidfd_send_signal, "flags", fd, 0, 0, 0x100);
    CASE(pidfd_send_signal, "number", fd, 65, 0, 0);
    CASE(pidfd_send_signal, "shut", SHUT, 0, 0, 0);
    CASE(pidfd_send_signal, "negative", -1, 0, 0, 0);
    CASE(pidfd_send_signal, "no_process", go[0], 0, 0, 0);
    CASE(pidfd_send_signal, "fault", fd, SIGTERM, BAD, 0);
    info.si_code = SI_QUEUE;
    info.si_signo = SIGUSR2;
    CASE(pidfd_send_signal, "other_signal", fd, SIGTERM, &info, 0);
    CASE(pidfd_send_signal, "term", fd, SIGTERM, 0, 0);
    SEEN(pidfd_send_signal, "ended", WTERMSIG(end(child)));
    CASE(pidfd_send_signal, "gone", fd, 0, 0, 0);
    CASE(pidfd_open, "gone", child, 0);
}

// By what they are compared with: who runs this may be nicer than others.
static void priorities(void) {
    SEEN(getpriority, "own", syscall(SYS_getpriority, PRIO_PROCESS, 0) > 0);
    SEEN(getpriority, "group", syscall(SYS_getpriority, PRIO_PGRP, 0) > 0);
    SEEN(getpriority, "user", syscall(SYS_getpriority, PRIO_USER, 0) > 0);
    CASE(getpriority, "kind", 3, 0);
    CASE(getpriority, "negative_kind", -1, 0);
    CASE(getpriority, "nobody", PRIO_PROCESS, NOBODY);
    CASE(getpriority, "no_group", PRIO_PGRP, NOBODY);
    CASE(setpriority, "nicest", PRIO_PROCESS, 0, 19);
    NUMBER(getpriority, "nicest", PRIO_PROCESS, 0);
    CASE(setpriority, "nicer_than_can_be", PRIO_PROCESS, 0, 100);
    CASE(setpriority, "back", PRIO_PROCESS, 0, 0);
    CASE(setpriority, "kind", 3, 0, 1);
    CASE(setpriority, "nobody", PRIO_PROCESS, NOBODY, 1);
    CASE(setpriority, "no_group", PRIO_PGRP, NOBODY, 1);
    CASE(setpriority, "others", PRIO_PROCESS, 1, 10);
    int status;
    CHILD(status, setpgid(0, 0); CASE(setpriority, "own_group", PRIO_PGRP, 0, 19); NUMBER(getpriority, "own_group", PRIO_PGRP, 0));
}

int main(int argc, char **argv) {
    if (argc > 1) { raise(SIGSTOP); return 0; }
    ordinary();
    making();
    groups();
    signals();
    priorities();
    return 0;
}

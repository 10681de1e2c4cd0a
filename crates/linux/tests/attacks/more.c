// As attacks.c: what uses things up, what others' processes, terminals and descriptors give away, races between a check and a use.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY(name, expression) do { errno = 0; long r = (long)(expression); printf("%s %d\n", name, r < 0 ? errno : 0); fflush(stdout); } while (0)
#define CALL(name, ...) TRY(#name, syscall(__VA_ARGS__))

// Ends as the first failure of an attempt that is repeated, 0 if there is none in `most`; closes what it opened.
#define EXHAUST(name, most, expression) do { \
    int fds[4096], count = 0, failed = 0; \
    while (count < (most)) { errno = 0; int fd = (expression); if (fd < 0) { failed = errno; break; } fds[count++] = fd; } \
    while (count > 0) close(fds[--count]); \
    printf("%s %d\n", name, failed); fflush(stdout); \
} while (0)

static int pair_of_pipes(void) { int p[2]; if (pipe(p)) return -1; close(p[1]); return p[0]; }
static int pair_of_sockets(void) { int p[2]; if (socketpair(AF_UNIX, SOCK_STREAM, 0, p)) return -1; close(p[1]); return p[0]; }

static void exhaustion(void) {
    EXHAUST("files_end", 4096, open("/tmp", O_TMPFILE | O_RDWR, 0600));
    EXHAUST("directories_end", 4096, open("/usr", O_RDONLY | O_DIRECTORY));
    EXHAUST("places_end", 4096, open("/usr", O_PATH));
    EXHAUST("memfds_end", 4096, memfd_create("m", 0));
    EXHAUST("pipes_end", 4096, pair_of_pipes());
    EXHAUST("sockets_end", 4096, pair_of_sockets());
    EXHAUST("duplicates_end", 4096, dup(0));
    EXHAUST("epolls_end", 4096, syscall(SYS_epoll_create1, 0));
    EXHAUST("eventfds_end", 4096, eventfd(0, 0));
    EXHAUST("timerfds_end", 4096, timerfd_create(CLOCK_MONOTONIC, 0));
    struct rlimit limit = {1 << 20, 1 << 20};
    TRY("raise_files", setrlimit(RLIMIT_NOFILE, &limit));
    TRY("raise_files_by_prlimit", prlimit(0, RLIMIT_NOFILE, &limit, 0));
    TRY("raise_files_of_self_by_number", prlimit(getpid(), RLIMIT_NOFILE, &limit, 0));
    EXHAUST("files_end_still", 4096, open("/dev/null", O_RDONLY));
    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    TRY("raise_core", setrlimit(RLIMIT_CORE, &limit));
    limit.rlim_cur = limit.rlim_max = 99;
    TRY("raise_realtime", setrlimit(RLIMIT_RTPRIO, &limit));
}

static void bombs(void) {
    char deep[5000] = "/tmp";
    for (int i = 0; i < 450; i++) strcat(deep, "/../tmp/..");
    TRY("path_bomb_of_dots", open(deep, O_RDONLY));
    memset(deep, '/', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    TRY("path_bomb_of_slashes", open(deep, O_RDONLY));
    chdir("/tmp");
    int made = 0;
    char name[201];
    memset(name, 'd', 200);
    name[200] = 0;
    while (made < 60 && mkdir(name, 0700) == 0 && chdir(name) == 0) made++;
    char cwd[100];
    TRY("deep_tree_cwd_short", syscall(SYS_getcwd, cwd, sizeof cwd));
    while (made-- > 0 && chdir("..") == 0) rmdir(name);
    chdir("/");
    symlink("/tmp/loop2", "/tmp/loop1");
    symlink("/tmp/loop1", "/tmp/loop2");
    TRY("link_loop", open("/tmp/loop1", O_RDONLY));
    TRY("exec_link_loop", execl("/tmp/loop1", "x", (char *)0));
    static char *many[70000];
    for (int i = 0; i < 69999; i++) many[i] = "0123456789abcdef0123456789abcdef";
    many[69999] = 0;
    TRY("exec_huge_argv", execv("/usr/bin/true", many));
    char *argv[] = {"x", 0};
    TRY("exec_huge_env", execve("/usr/bin/true", argv, many));
    int script = open("/tmp/self", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(script, "#!/tmp/self\n", 12);
    close(script);
    TRY("exec_script_of_itself", execl("/tmp/self", "x", (char *)0));
    script = open("/tmp/empty", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    close(script);
    TRY("exec_empty", execl("/tmp/empty", "x", (char *)0));
    script = open("/tmp/elf", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(script, "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\76\0", 20);
    close(script);
    TRY("exec_cut_elf", execl("/tmp/elf", "x", (char *)0));
    mkfifo("/tmp/fifo", 0777);
    TRY("exec_fifo", execl("/tmp/fifo", "x", (char *)0));
}

static void others(void) {
    TRY("open_proc_2_mem", open("/proc/2/mem", O_RDWR));
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/mem", getppid());
    TRY("open_parent_mem", open(name, O_RDWR));
    snprintf(name, sizeof name, "/proc/%d/fd", getppid());
    TRY("open_sysrq", open("/proc/sysrq-trigger", O_WRONLY));
    TRY("open_core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY));
    TRY("open_tracing", open("/sys/kernel/debug/tracing", O_RDONLY));
    TRY("open_cgroup", open("/sys/fs/cgroup/cgroup.procs", O_WRONLY));
    TRY("open_kmsg", open("/dev/kmsg", O_RDONLY));
    TRY("open_disk", open("/dev/sda", O_RDONLY));
    TRY("open_fuse", open("/dev/fuse", O_RDWR));
    TRY("open_tty_of_the_host", open("/dev/tty1", O_RDWR));
    TRY("open_shm", open("/dev/shm/x", O_CREAT | O_RDWR, 0600) >= 0 ? -1 : 0);
    TRY("kill_group_of_nobody", kill(-4194000, SIGKILL));
    TRY("kill_minus_one_nothing", kill(-1, 0));
    TRY("kill_own_group_nothing", kill(0, 0));
    union sigval value = {0};
    TRY("sigqueue_1", sigqueue(1, 0, value));
    TRY("sigqueue_stale", sigqueue(4194303, SIGTERM, value));
    char info[128] = {0};
    CALL(rt_sigqueueinfo_group, SYS_rt_sigqueueinfo, -1, SIGTERM, info);
    CALL(rt_tgsigqueueinfo, SYS_rt_tgsigqueueinfo, 1, 1, SIGTERM, info);
    TRY("setpgid_1", setpgid(1, 1));
    TRY("getpgid_stale", getpgid(4194303));
    TRY("getsid_stale", getsid(4194303));
    cpu_set_t all;
    memset(&all, 0xff, sizeof all);
    TRY("affinity_1", sched_getaffinity(1, sizeof all, &all));
    TRY("setpriority_others", setpriority(PRIO_USER, 0, -20));
    CALL(ioprio_set_1, SYS_ioprio_set, 1, 1, 0);
    CALL(sched_setattr, SYS_sched_setattr, 0, info, 0);
    TRY("dumpable_asked", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 ? 0 : -1);
    CALL(clone_vm_newns, SYS_clone, CLONE_VM | CLONE_VFORK | CLONE_NEWNS, 0, 0, 0, 0);
    CALL(clone_files, SYS_clone, CLONE_FS | CLONE_NEWCGROUP | SIGCHLD, 0, 0, 0, 0);
    CALL(clone_untraced, SYS_clone, CLONE_PTRACE | SIGCHLD, 0, 0, 0, 0);
    CALL(fanotify_mark, SYS_fanotify_mark, 0, 1, 0, 0, "/");
    CALL(remap_file_pages, SYS_remap_file_pages, 0, 0, 0, 0, 0);
    CALL(mseal_unknown, 462, 0, 0, 0);
    CALL(io_getevents, SYS_io_getevents, 0, 0, 0, 0, 0);
    CALL(lookup_dcookie, SYS_lookup_dcookie, 0, 0, 0);
    CALL(ioperm, SYS_ioperm, 0, 1, 1);
    CALL(negative_call, -1);
    CALL(ptrace_seize, SYS_ptrace, 0x4206, 1, 0, 0);
}

// A path that another thread changes all the time between two files, one of which is not there.
static char *volatile flipping;
static volatile int stop;
static void *flip(void *unused) {
    while (!stop) {
        memcpy((char *)flipping, "/tmp/right", 11);
        memcpy((char *)flipping, "/etc/wrong", 11);
    }
    return unused;
}

// A path that is there when it is looked at, and empty when the host looks: then it would execute the descriptor.
static char vanishing[32] = "/usr/bin/true";
static void *vanish(void *unused) {
    for (;;) {
        *(volatile char *)vanishing = 0;
        *(volatile char *)vanishing = '/';
    }
    return unused;
}

static void race_of_descriptors(void) {
    int from = open("/proc/self/exe", O_RDONLY), memory = memfd_create("program", 8), wrong = 0;
    char buf[65536], *argv[] = {"raced", "raced", 0};
    for (ssize_t n; (n = read(from, buf, sizeof buf)) > 0;) write(memory, buf, n);
    TRY("exec_memory", syscall(SYS_execveat, memory, "", argv, 0, AT_EMPTY_PATH));
    for (int i = 0; i < 60; i++) {
        int pid = fork();
        if (pid == 0) {
            pthread_t thread;
            pthread_create(&thread, 0, vanish, 0);
            for (int tries = 0; tries < 1000; tries++) syscall(SYS_execveat, memory, vanishing, argv, 0, AT_EMPTY_PATH);
            _exit(0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 42) wrong++;
    }
    TRY("race_of_execveat", -wrong);
    close(memory), close(from);
}

static void races(void) {
    static char path[16] = "/tmp/right";
    flipping = path;
    int fd = open("/tmp/right", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    write(fd, "right", 5);
    close(fd);
    pthread_t thread;
    pthread_create(&thread, 0, flip, 0);
    int wrong = 0;
    for (int i = 0; i < 300; i++) {
        char got[6] = {0};
        int fd = open(path, O_RDONLY);
        if (fd < 0) { if (errno != ENOENT) wrong++; continue; }
        if (read(fd, got, 5) != 5 || strcmp(got, "right")) wrong++;
        close(fd);
    }
    TRY("race_of_open", -wrong);
    wrong = 0;
    char *argv[] = {path, 0};
    for (int i = 0; i < 60; i++) {
        int pid = fork();
        if (pid == 0) { execve(path, argv, 0); _exit(errno == ENOENT || errno == ENOEXEC || errno == EACCES ? 0 : 9); }
        int status = 0;
        waitpid(pid, &status, 0);
        if (status != 0) wrong++;
    }
    stop = 1;
    pthread_join(thread, 0);
    TRY("race_of_exec", -wrong);
    race_of_descriptors();
    // Memory that stops being memory while it is read.
    char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(page + 4090, "/tmp");
    TRY("path_at_the_end_of_a_page", access(page + 4090, F_OK));
    memset(page + 4090, 'a', 6);
    TRY("path_beyond_a_page", access(page + 4090, F_OK));
    mprotect(page, 4096, PROT_NONE);
    TRY("path_in_no_memory", access(page, F_OK));
    munmap(page, 4096);
    TRY("path_in_lost_memory", access(page, F_OK));
}

static int blocked(void *unused) { pause(); return 0; }

static void bomb(void) {
    int made = 0, failed = 0, pids[4096];
    while (made < 4096) {
        int pid = fork();
        if (pid == 0) { blocked(0); _exit(0); }
        if (pid < 0) { failed = errno; break; }
        pids[made++] = pid;
    }
    printf("fork_bomb %d\n", failed);
    fflush(stdout);
    for (int i = 0; i < made; i++) kill(pids[i], SIGKILL);
    while (wait(0) > 0);
    TRY("fork_afterwards", (made = fork()) == 0 ? (_exit(0), 0) : made);
    while (wait(0) > 0);
}

int main(int argc, char **argv) {
    // Nobody but the host itself could have executed this again.
    if (argc > 1) return 42;
    exhaustion();
    bombs();
    others();
    races();
    bomb();
    printf("end 0\n");
    return 0;
}

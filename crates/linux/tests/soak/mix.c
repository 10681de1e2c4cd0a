// One thing that programs do, by its name, with random choices: mix WHAT SEED. It may end in any state: with things open, mapped, on
// their way, with children that run or have ended. What nobody waits for is left.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static unsigned long state;
static char **arguments;

static unsigned below(unsigned end) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state >> 11) % end;
}

static char *path(const char *what, int i) {
    static __thread char text[64];
    snprintf(text, sizeof text, "/tmp/%s%d", what, i);
    return text;
}

static void pipes(void) {
    static char block[70000];
    for (int i = 0; i < 8; i++) {
        int p[2];
        if (pipe2(p, below(2) ? O_CLOEXEC : 0)) return;
        fcntl(p[1], F_SETFL, O_NONBLOCK);
        write(p[1], block, below(sizeof block));
        if (below(2)) read(p[0], block, 100);
        if (below(2)) close(p[below(2)]);
        if (below(3) == 0 && fork() == 0) { write(p[1], block, sizeof block); if (below(2)) pause(); _exit(0); }
    }
    mkfifo(path("fifo", below(4)), 0600);
    open(path("fifo", below(4)), O_RDWR | O_NONBLOCK);
}

static void tree(int depth) {
    for (int i = below(3); i >= 0 && depth; i--) {
        int pid = fork();
        if (pid < 0) break;
        if (!pid) {
            if (below(4) == 0) setsid();
            else if (below(3) == 0) setpgid(0, 0);
            tree(depth - 1);
            switch (below(5)) {
            case 0: pause(); break;
            case 1: raise(SIGSTOP); break;
            case 2: abort();
            case 3: execv("/proc/self/exe", arguments);
            }
            _exit(below(256));
        }
        if (below(2)) waitpid(pid, 0, below(2) ? WNOHANG : 0 * below(2) + WNOHANG);
        if (below(3) == 0) kill(pid, SIGKILL);
    }
}

static void *thread(void *unused) {
    int p[2];
    pipe(p);
    if (below(2)) open(path("thread", below(9)), O_CREAT | O_RDWR, 0600);
    if (below(3) == 0) { char c; read(p[0], &c, 1); }
    if (below(9) == 0) fork();
    close(p[0]), close(p[1]);
    return unused;
}

static void threads(void) {
    pthread_t all[12];
    int n = 0;
    while (n < 12 && !pthread_create(&all[n], 0, thread, 0)) n++;
    if (below(2)) exit(0);
    if (below(2)) pthread_exit(0);
    if (below(3) == 0) tree(2);
}

static void inet(void) {
    struct sockaddr_in at = {AF_INET, htons(20000 + below(50)), {htonl(INADDR_LOOPBACK)}};
    int server = socket(AF_INET, SOCK_STREAM | (below(2) ? SOCK_NONBLOCK : 0), 0);
    if (!bind(server, (void *)&at, sizeof at) && !listen(server, 5))
        for (int i = 0; i < 6; i++) {
            int client = socket(AF_INET, SOCK_STREAM, 0);
            connect(client, (void *)&at, sizeof at);
            int taken = below(2) ? accept4(server, 0, 0, SOCK_NONBLOCK) : -1;
            static char block[50000];
            send(client, block, below(sizeof block), MSG_DONTWAIT);
            if (taken >= 0 && below(2)) recv(taken, block, sizeof block, MSG_DONTWAIT);
            if (below(2)) shutdown(client, below(3));
            if (below(3) == 0) close(client);
            if (below(4) == 0 && fork() == 0) { char c; recv(client, &c, 1, 0); _exit(0); }
        }
    int u = socket(AF_INET, SOCK_DGRAM, 0);
    at.sin_port = htons(30000 + below(20));
    bind(u, (void *)&at, sizeof at);
    for (int i = 0; i < 5; i++) sendto(u, "datagram", 8, MSG_DONTWAIT, (void *)&at, sizeof at);
    if (below(2)) connect(u, (void *)&at, sizeof at), send(u, "x", 1, MSG_DONTWAIT);
    if (below(4) == 0) accept(server, 0, 0);
}

// Sends some descriptors along.
static void hand(int to, int count, const int *fds) {
    char byte = 'x', room[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    sendmsg(to, &m, MSG_DONTWAIT);
}

static void take(int from) {
    char byte, room[CMSG_SPACE(8 * sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    recvmsg(from, &m, MSG_DONTWAIT);
}

static void names(void) {
    int kind = (int[]){SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM}[below(3)], fds[8], ends[2];
    struct sockaddr_un at = {AF_UNIX, {0}};
    socklen_t len = 2 + sprintf(at.sun_path + (below(2) ? 1 : 0), "/tmp/unix%d", below(6)) + 1;
    int server = socket(AF_UNIX, kind, 0), client = socket(AF_UNIX, kind, 0);
    if (at.sun_path[0]) unlink(at.sun_path);
    bind(server, (void *)&at, len);
    if (kind != SOCK_DGRAM) listen(server, 4);
    fcntl(client, F_SETFL, O_NONBLOCK);
    connect(client, (void *)&at, len);
    socketpair(AF_UNIX, below(2) ? SOCK_STREAM : SOCK_DGRAM, 0, ends);
    fds[0] = open(path("handed", below(5)), O_CREAT | O_RDWR, 0600);
    fds[1] = ends[0], fds[2] = server, fds[3] = memfd_create("handed", 0), fds[4] = eventfd(0, 0), fds[5] = client;
    int taken = kind == SOCK_DGRAM || below(2) ? server : accept4(server, 0, 0, SOCK_NONBLOCK);
    for (int i = below(6); i >= 0; i--) hand(client, 1 + below(5), fds), hand(ends[0], 1 + below(6), fds);
    for (int i = below(6); i > 0; i--) take(taken), take(ends[1]);
    if (below(3) == 0 && fork() == 0) { take(ends[1]); if (below(2)) pause(); _exit(0); }
    for (int i = 0; i < 6; i++) if (below(2)) close(fds[i]);
}

static void terminal(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0) return;
    grantpt(master), unlockpt(master);
    char *name = ptsname(master);
    int pid = fork();
    if (!pid) {
        setsid();
        int slave = open(name, O_RDWR);
        write(slave, "line\n", 5);
        char c;
        if (below(2)) read(slave, &c, 1);
        if (below(3) == 0) pause();
        _exit(0);
    }
    int slave = below(2) ? open(name, O_RDWR | O_NOCTTY) : -1;
    write(master, below(2) ? "typed\n" : "\3", below(2) ? 1 : 6);
    struct winsize size = {below(100), below(100), 0, 0};
    ioctl(master, TIOCSWINSZ, &size);
    if (below(2)) close(slave);
    if (below(2)) waitpid(pid, 0, WNOHANG);
}

static void watch(void) {
    int w = inotify_init1(IN_NONBLOCK);
    mkdir(path("watched", below(4)), 0700);
    for (int i = 0; i < 4; i++) inotify_add_watch(w, path("watched", i), IN_ALL_EVENTS);
    inotify_add_watch(w, "/usr/bin", IN_CREATE);
    for (int i = 0; i < 10; i++) close(open(path("watched0/f", below(9)), O_CREAT | O_RDWR, 0600));
    char room[4096];
    if (below(2)) read(w, room, sizeof room);
    if (below(3) == 0 && fork() == 0) { if (below(2)) pause(); _exit(0); }
}

static void memory(void) {
    for (int i = 0; i < 6; i++) {
        int m = below(2) ? memfd_create("m", MFD_ALLOW_SEALING) : open(below(2) ? path("mapped", below(8)) : "/tmp", below(2) ? O_CREAT | O_RDWR : O_TMPFILE | O_RDWR, 0600);
        if (m < 0) continue;
        ftruncate(m, 1 << 16);
        char *at = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, below(2) ? MAP_SHARED : MAP_PRIVATE, m, 0);
        if (at != MAP_FAILED) memset(at, i, below(1 << 16));
        if (below(2)) close(m);
        if (below(2)) msync(at, 4096, MS_SYNC);
        if (below(3) == 0) unlink(path("mapped", below(8)));
        if (below(4) == 0) fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK);
        if (below(4) == 0 && fork() == 0) { if (below(2)) pause(); _exit(0); }
    }
}

static void locks(void) {
    for (int i = 0; i < 6; i++) {
        int f = open(path("locked", below(3)), O_CREAT | O_RDWR, 0600);
        struct flock l = {.l_type = below(2) ? F_WRLCK : F_RDLCK, .l_start = below(10), .l_len = 1 + below(10)};
        switch (below(5)) {
        case 0: flock(f, LOCK_EX | LOCK_NB); break;
        case 1: fcntl(f, F_SETLK, &l); break;
        case 2: fcntl(f, F_OFD_SETLK, &l); break;
        case 3: if (fork() == 0) { alarm(1); fcntl(f, F_SETLKW, &l); if (below(2)) pause(); _exit(0); } break;
        case 4: if (fork() == 0) { flock(f, LOCK_EX); _exit(0); }
        }
        if (below(3) == 0) close(f);
    }
}

static void caught(int signal) { (void)signal; }

static void timers(void) {
    signal(SIGALRM, caught), signal(SIGUSR1, caught), signal(SIGCHLD, below(2) ? SIG_IGN : caught);
    struct itimerval every = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &every, 0);
    int t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), e = epoll_create1(0);
    struct itimerspec soon = {{0, 1000000}, {0, 1000000}};
    timerfd_settime(t, 0, &soon, 0);
    struct epoll_event event = {EPOLLIN, {0}};
    epoll_ctl(e, EPOLL_CTL_ADD, t, &event);
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, 0);
    int s = signalfd(-1, &set, SFD_NONBLOCK);
    epoll_ctl(e, EPOLL_CTL_ADD, s, &event);
    for (int i = 0; i < 20; i++) {
        union sigval value = {i};
        sigqueue(getpid(), SIGUSR2, value);
        if (fork() == 0) _exit(0);
        struct stat st;
        stat(path("no", i), &st);
    }
    for (int i = 0; i < 5; i++) epoll_wait(e, &event, 1, 2);
    if (below(2)) { struct itimerval never = {0}; setitimer(ITIMER_REAL, &never, 0); }
    while (waitpid(-1, 0, WNOHANG) > 0);
}

static void run(void) {
    char *args[] = {"/usr/bin/true", 0}, *shell[] = {"/bin/sh", "-c", "echo x | cat > /dev/null; exit 3", 0}, *env[] = {"PATH=/usr/bin:/bin", 0};
    for (int i = 0; i < 4; i++) {
        int pid = below(2) ? vfork() : fork();
        if (!pid) {
            if (i % 2) execve(args[0], args, env);
            execve(shell[0], shell, env);
            _exit(1);
        }
        if (below(4) == 0) kill(pid, SIGKILL);
        if (below(2)) waitpid(pid, 0, 0);
    }
    if (below(3) == 0) execve(args[0], args, env);
}

static void files(void) {
    for (int i = 0; i < 12; i++) {
        int f = open(path("file", below(20)), O_CREAT | O_RDWR | (below(2) ? O_TRUNC : O_APPEND), 0600);
        write(f, "bytes", 5);
        switch (below(6)) {
        case 0: unlink(path("file", below(20))); break;
        case 1: rename(path("file", below(20)), "/tmp/renamed"); break;
        case 2: link(path("file", below(20)), path("link", below(20))); break;
        case 3: mkdir(path("dir", below(5)), 0700), open(path("dir", below(5)), O_RDONLY | O_DIRECTORY); break;
        case 4: open(path("file", below(20)), O_PATH); break;
        case 5: symlink("/tmp/file1", path("symlink", below(9))), rmdir(path("dir", below(5)));
        }
        if (below(2)) close(f);
    }
}

int main(int argc, char **argv) {
    static const struct { const char *name; void (*run)(void); } all[] = {
        {"pipes", pipes}, {"threads", threads}, {"inet", inet}, {"names", names}, {"terminal", terminal}, {"watch", watch},
        {"memory", memory}, {"locks", locks}, {"timers", timers}, {"run", run}, {"files", files},
    };
    state = strtoul(argv[2], 0, 10) * 2654435761u + getpid() * 40503u + 1;
    static char next[32];
    snprintf(next, sizeof next, "%u", below(1 << 30));
    arguments = (char *[]){argv[0], "files", next, 0};
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) if (!strcmp(all[i].name, argv[1])) all[i].run();
    if (!strcmp(argv[1], "tree")) tree(3);
    if (argc > 3) pause();
    if (below(4) == 0) kill(getpid(), SIGKILL);
    return 0;
}

/* Asks for the same directories again and again, while they change. What to do is the first argument; "ok" is the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #what, errno); \
            _exit(1); \
        } \
    } while (0)

static char deep[64] = "/home/one/two/three";

static void make(void) {
    mkdir("/home/one", 0755), mkdir("/home/one/two", 0755), mkdir("/home/one/two/three", 0755);
    mkdir("/home/else", 0755), mkdir("/home/else/three", 0755);
}

/* How often this thread has waited: once for each call that somebody else answers. */
static long waits(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

/* The path that one leads to, or an error number. */
static const char *leads(const char *path) {
    static _Thread_local char found[PATH_MAX];
    if (realpath(path, found)) return found;
    snprintf(found, sizeof found, "%d", errno);
    return found;
}

static int is(const char *path, const char *expected) {
    if (!strcmp(leads(path), expected)) return 1;
    fprintf(stderr, "%s leads to %s and not to %s\n", path, leads(path), expected);
    return 0;
}

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000l + time.tv_nsec;
}

/* Until nobody has to be asked, as far as that ever is so. */
static int warm(void) {
    for (long since = now(); now() - since < 5000000000l;) {
        long before = waits();
        for (int i = 0; i < 50; i++) CHECK(is(deep, deep));
        if (waits() - before < 50) return 1;
    }
    return 0;
}

static void count(void) {
    CHECK(warm());
    long before = waits();
    for (int i = 0; i < 5000; i++) CHECK(is(deep, deep));
    CHECK(waits() - before < 3000);
}

/* Changes something, and back. */
static void change(int which) {
    switch (which) {
    case 0: CHECK(!rename("/home/one/two", "/home/one/away")); break;
    case 1: CHECK(!symlink("/home/else", "/home/one/two")); break;
    case 2: CHECK(!unlink("/home/one/two") && !rename("/home/one/away", "/home/one/two")); break;
    case 3: CHECK(!rmdir(deep)); break;
    case 4: CHECK(!symlink("../../else", deep)); break;
    case 5: CHECK(!unlink(deep) && !close(open(deep, O_CREAT | O_WRONLY, 0600))); break;
    case 6: CHECK(!unlink(deep) && !mkdir(deep, 0755)); break;
    case 7: CHECK(!chmod("/home/one", 0)); break;
    case 8: CHECK(!chmod("/home/one", 0755)); break;
    }
}

static const char *after[] = {"2", "/home/else/three", deep, "2", "/home/else", deep, deep, NULL, deep};

/* The same by another process. */
static void change_elsewhere(int which) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        change(which);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* The same by somebody outside. */
static void have_changed(int which) {
    char said[2] = {(char)('0' + which), '\n'}, done;
    CHECK(write(1, said, 2) == 2 && read(0, &done, 1) == 1);
}

static void truth(void (*by)(int), int rounds) {
    CHECK(warm());
    for (int round = 0; round < rounds; round++)
        for (int which = 0; which < 9; which++) {
            for (int i = 0; i < 12; i++) leads(deep);
            by(which);
            const char *expected = after[which];
            if (!expected) expected = geteuid() ? "13" : deep;
            for (int i = 0; i < 3; i++) CHECK(is(deep, expected));
        }
}

/* Readers in threads, which see what is there before or after a change. */
static atomic_int over, turn;
static void *reads(void *unused) {
    while (!over) {
        int before = turn;
        const char *found = leads(deep);
        int then = turn;
        /* Even turns: the directory; odd ones: the link. In between anything may be found. */
        if (before == then && before % 4 == 0) CHECK(!strcmp(found, deep));
        if (before == then && before % 4 == 2) CHECK(!strcmp(found, "/home/else/three"));
    }
    return unused;
}

static void threads(void) {
    pthread_t others[3];
    CHECK(warm());
    for (int i = 0; i < 3; i++) CHECK(!pthread_create(&others[i], NULL, reads, NULL));
    for (int i = 0; i < 400; i++) {
        turn++;
        change(0), change(1);
        turn++;
        for (int j = 0; j < 20; j++) CHECK(is(deep, "/home/else/three"));
        turn++;
        change(2);
        turn++;
        for (int j = 0; j < 20; j++) CHECK(is(deep, deep));
    }
    over = 1;
    for (int i = 0; i < 3; i++) pthread_join(others[i], NULL);
}

/* Readers in processes, each of which sees a change once it was told of it. */
static void processes(void) {
    struct shared { atomic_int turn, seen[3], over; } *shared;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(warm());
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            for (int last = 0; !shared->over;) {
                int before = shared->turn;
                const char *found = leads(deep);
                if (before != shared->turn || before % 2) continue;
                CHECK(!strcmp(found, before % 4 ? "/home/else/three" : deep));
                shared->seen[i] += before != last;
                last = before;
            }
            _exit(0);
        }
    for (int i = 0; i < 400; i++) {
        shared->turn++;
        change(0), change(1);
        shared->turn++;
        for (int j = 0; j < 40; j++) CHECK(is(deep, "/home/else/three"));
        shared->turn++;
        change(2);
        shared->turn++;
        for (int j = 0; j < 40; j++) CHECK(is(deep, deep));
    }
    while (!(shared->seen[0] && shared->seen[1] && shared->seen[2])) CHECK(is(deep, deep));
    shared->over = 1;
    for (int i = 0, status; i < 3; i++) CHECK(wait(&status) > 0 && status == 0);
}

/* What a path of this process leads to by a link, none where it must be a directory. It is asked from the stack, as by realpath. */
static int link_at(int dir, const char *path, const char *text) {
    char on_stack[128], found[PATH_MAX];
    strcpy(on_stack, path);
    errno = 0;
    long len = dir == AT_FDCWD ? readlink(on_stack, found, sizeof found) : readlinkat(dir, on_stack, found, sizeof found);
    if (!text) return len == -1 && errno == EINVAL;
    return len == (long)strlen(text) && !memcmp(found, text, len);
}

static int below(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", deep, name);
    return link_at(AT_FDCWD, path, text);
}

/* Directories that are held are what they were, wherever their paths lead by now. What is a link in one is a directory in the other. */
static void holds(int fd, const char *two) {
    CHECK(link_at(AT_FDCWD, ".", NULL) && link_at(AT_FDCWD, "here", "text") && link_at(AT_FDCWD, "sub", NULL));
    CHECK(link_at(AT_FDCWD, "sub/../here", "text") && link_at(fd, "here", "text") && link_at(fd, "sub", NULL));
    if (!two) return;
    int is_there = !strcmp(two, "two");
    char real[64];
    snprintf(real, sizeof real, "/home/one/%s/three", two);
    CHECK(is(".", real) && is("sub/..", real) && link_at(AT_FDCWD, "../../two", is_there ? NULL : "/home/else"));
    CHECK(link_at(AT_FDCWD, "/home/one/two", is_there ? NULL : "/home/else") && link_at(AT_FDCWD, deep, NULL));
    CHECK(below("here", is_there ? "text" : NULL) && below("sub", is_there ? NULL : "x"));
    CHECK(is_there || (link_at(AT_FDCWD, real, NULL) && is(deep, "/home/else/three")));
}

/* Who sits in a directory, and has it open, while it is renamed and a link to another one takes its place: in turn, and meanwhile. */
static void held(void) {
    CHECK(!mkdir("/home/one/two/three/sub", 0755) && !symlink("text", "/home/one/two/three/here"));
    CHECK(!mkdir("/home/else/three/here", 0755) && !symlink("x", "/home/else/three/sub"));
    int fd = open(deep, O_RDONLY | O_DIRECTORY), status;
    CHECK(fd >= 0 && !chdir(deep) && warm());
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 12; i++) holds(fd, "two");
        void (*by)(int) = round % 2 ? change : change_elsewhere;
        by(0), by(1);
        for (int i = 0; i < 12; i++) holds(fd, "away");
        by(2);
        /* The directory itself, for a link to the other one. */
        CHECK(link_at(AT_FDCWD, deep, NULL) && !rename(deep, "/home/one/gone") && !symlink("/home/else/three", deep));
        holds(fd, NULL);
        for (int i = 0; i < 3; i++) CHECK(link_at(AT_FDCWD, deep, "/home/else/three") && is(".", "/home/one/gone"));
        CHECK(!unlink(deep) && !rename("/home/one/gone", deep) && link_at(AT_FDCWD, deep, NULL));
    }
    struct shared { atomic_int turn, over; } *shared;
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(warm());
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 400; i++) {
            shared->turn++, change(0), change(1), shared->turn++;
            for (int j = 0; j < 20; j++) holds(fd, "away");
            shared->turn++, change(2), shared->turn++;
            for (int j = 0; j < 20; j++) holds(fd, "two");
        }
        shared->over = 1;
        _exit(0);
    }
    for (int last; !shared->over;) {
        holds(fd, NULL);
        last = shared->turn;
        char path[64], text[64];
        strcpy(path, "/home/one/two");
        errno = 0;
        long len = readlink(path, text, sizeof text);
        int is_link = len == 10, is_none = len == -1 && errno == EINVAL;
        if (last == shared->turn && last % 2 == 0) CHECK(last % 4 ? is_link : is_none);
        if (waitpid(child, &status, WNOHANG) == child) {
            CHECK(status == 0 && shared->over);
            child = 0;
        }
    }
    if (child) CHECK(waitpid(child, &status, 0) == child && status == 0);
    holds(fd, "two");
}

/* Pointers that lead nowhere, and paths at the edges of what is there. */
static void pointers(void) {
    char buf[PATH_MAX], on_stack[4096];
    CHECK(warm());
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(!munmap(pages + 4096, 4096));
    memset(pages, '/', 4096);
    void *bad[] = {NULL, (void *)8, pages + 4090, pages + 4096, (void *)-1l, (void *)0x7ffffffff000, (void *)0x8000000000000000};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) CHECK(readlink(bad[i], buf, sizeof buf) == -1 && errno == EFAULT);
    /* Text that ends with the stack itself, and no further. */
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long from, to = 0;
    while (!to && fgets(line, sizeof line, maps))
        if (strstr(line, "[stack]")) CHECK(sscanf(line, "%lx-%lx", &from, &to) == 2);
    fclose(maps);
    CHECK(to);
    memset((char *)to - 64, '/', 64);
    for (int i = 1; i <= 64; i++) CHECK(readlink((char *)to - i, buf, sizeof buf) == -1 && errno == EFAULT);
    /* Elsewhere than on the stack, and on it. */
    strcpy(pages, deep), strcpy(on_stack, deep);
    for (int i = 0; i < 30; i++) {
        errno = 0;
        CHECK(readlink(pages, buf, sizeof buf) == -1 && errno == EINVAL);
        CHECK(readlink(on_stack, NULL, 1) == -1 && errno == EINVAL);
        CHECK(readlink(on_stack, buf, 0) == -1 && errno == EINVAL);
        CHECK(readlink(on_stack, (void *)8, sizeof buf) == -1 && errno == EINVAL);
        CHECK(readlink("", buf, sizeof buf) == -1 && errno == ENOENT);
    }
    for (size_t len = 2; len < sizeof on_stack; len++) {
        memset(on_stack, 'a', len), on_stack[0] = '/', on_stack[len] = 0;
        CHECK(readlink(on_stack, buf, sizeof buf) == -1 && errno == (len > 256 ? ENAMETOOLONG : ENOENT));
        memset(on_stack, '/', len);
        CHECK(readlink(on_stack, buf, sizeof buf) == -1 && errno == EINVAL);
    }
    CHECK(!symlink("text", "/home/link"));
    for (int i = 0; i < 100; i++) CHECK(readlink("/home/link", buf, sizeof buf) == 4 && !memcmp(buf, "text", 4));
    strcpy(on_stack, "/home/link");
    for (int i = 0; i < 100; i++) CHECK(readlink(on_stack, buf, 2) == 2 && !memcmp(buf, "te", 2));
    CHECK(!unlink("/home/link"));
}

static void in_between(int signal) {
    int before = errno;
    char path[64], buf[64];
    (void)signal;
    strcpy(path, deep);
    CHECK(readlink(path, buf, sizeof buf) == -1 && errno == EINVAL);
    errno = before;
}

/* Signals at any moment, from before the first question on. */
static void signals(void) {
    struct sigaction action = {.sa_handler = in_between, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    CHECK(!sigaction(SIGALRM, &action, NULL) && !setitimer(ITIMER_REAL, &often, NULL));
    for (int i = 0; i < 20000; i++) CHECK(is(deep, deep));
    CHECK(!setitimer(ITIMER_REAL, &never, NULL));
}

/* Copies have what it has; another program begins anew. */
static void copies(char *self) {
    int status;
    for (int warmed = 0; warmed < 2; warmed++) {
        if (warmed) CHECK(warm());
        pid_t child = fork();
        if (child == 0) count(), _exit(7);
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    }
    for (int i = 0; i < 50; i++) {
        pid_t child = vfork();
        if (child == 0) {
            char path[64], buf[64];
            strcpy(path, deep);
            for (int j = 0; j < 20; j++)
                if (readlink(path, buf, sizeof buf) != -1 || errno != EINVAL) _exit(8);
            _exit(9);
        }
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
    }
    /* A child whose parent waits with another's memory is not changed, nor is the parent. */
    CHECK(is(deep, deep));
    execl(self, self, "count", NULL);
    CHECK(0);
}

/* What a guest may do with the table, and with asking for it. */
static void hostile(void) {
    char line[512], shared[64] = "";
    unsigned long from = 0, to = 0;
    int status;
    CHECK(warm());
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps)) {
        CHECK(!strstr(line, "memfd") && !strstr(line, "agentos") && !strstr(line, "words"));
        if (strstr(line, " r--s ")) CHECK(!from && sscanf(line, "%lx-%lx", &from, &to) == 2);
    }
    fclose(maps);
    (void)shared;
    CHECK(to - from == 4096 + 65536);
    char *table = (char *)from;
    CHECK(mprotect(table, 4096, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
    CHECK(mprotect(table, 4096, PROT_READ | PROT_EXEC) == -1 || 1);
    CHECK(madvise(table, 4096, MADV_REMOVE) == -1);
    int fd = (int)syscall(SYS_openat, -0x41474f53l, 8l, 0l, 0l);
    CHECK(fd >= 0);
    CHECK(write(fd, "x", 1) == -1 && pwrite(fd, "x", 1, 0) == -1 && ftruncate(fd, 0) == -1 && fallocate(fd, 3, 0, 4096) == -1);
    CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    snprintf(line, sizeof line, "/proc/self/fd/%d", fd);
    int again = open(line, O_RDWR);
    if (again >= 0) CHECK(write(again, "x", 1) == -1 && mmap(NULL, 4096, 3, MAP_SHARED, again, 0) == MAP_FAILED);
    char *own = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(own != MAP_FAILED && (own[0] ^= 1, !memcmp(own + 8, table + 8, 4088)));
    CHECK(is(deep, deep));
    /* Where it is said to be is where it is looked for: whoever lies dies, and nobody else. */
    long lies[] = {0, 8, -1, -14, 1l << 47, (long)own + 1, (long)table - 65536};
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
        pid_t child = fork();
        if (child == 0) {
            syscall(SYS_openat, -0x41474f53l, 9l, lies[i], 0l);
            leads(deep);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(is(deep, deep));
    }
    pid_t child = fork();
    if (child == 0) {
        munmap(table, to - from);
        leads(deep);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    child = fork();
    if (child == 0) {
        /* One that it makes itself deceives itself. */
        mmap(table, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (int i = 0; i < 100; i++) CHECK(is(deep, deep));
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    for (int i = 0; i < 100; i++) CHECK(is(deep, deep));
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    if (argc > 2) strcpy(deep, argv[2]);
    if (strcmp(mode, "host")) make();
    if (!strcmp(mode, "count")) count();
    if (!strcmp(mode, "self")) truth(change, 40);
    if (!strcmp(mode, "child")) truth(change_elsewhere, 8);
    if (!strcmp(mode, "host")) truth(have_changed, 20);
    if (!strcmp(mode, "threads")) threads();
    if (!strcmp(mode, "processes")) processes();
    if (!strcmp(mode, "held")) held();
    if (!strcmp(mode, "pointers")) pointers();
    if (!strcmp(mode, "signals")) signals();
    if (!strcmp(mode, "copies")) copies(argv[0]);
    if (!strcmp(mode, "hostile")) hostile();
    puts("ok");
    return 0;
}

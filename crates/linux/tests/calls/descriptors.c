#include "call.h"
#include <sys/inotify.h>
#include <sys/ioctl.h>
// Calls about what is open already: of files, directories, pipes, sockets, memory files, and of nothing.
static char buf[70000];

static void one(const char *call, const char *what, long nr, int fd, long a, long b, long c) {
    errno = 0;
    long done = outcome(syscall(nr, fd, a, b, c, 0L));
    printf("%s.%s %ld\n", call, what, done);
}

// Each kind of thing that a descriptor can be.
static void kinds(const char *call, long nr, long a, long b, long c) {
    int pipes[2], pair[2];
    pipe(pipes);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    put("f", "0123456789");
    put("dir/in", "x");
    const struct { const char *what; int fd; } all[] = {
        {"reads", open("f", O_RDONLY)}, {"writes", open("f", O_WRONLY)}, {"both", open("f", O_RDWR)}, {"directory", open("dir", O_RDONLY)},
        {"place", open("f", O_PATH)}, {"place_of_link", open("link", O_PATH | O_NOFOLLOW)}, {"pipe", pipes[0]}, {"pipe_end", pipes[1]},
        {"pair", pair[0]}, {"internet", socket(AF_INET, SOCK_STREAM, 0)}, {"memory", memfd_create("m", 0)}, {"null", open("/dev/null", O_RDWR)},
        {"shut", SHUT}, {"negative", -1},
    };
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) one(call, all[i].what, nr, all[i].fd, a, b, c);
    for (int i = 0; i < (int)(sizeof all / sizeof *all) - 2; i++) close(all[i].fd);
    close(pipes[0]); close(pipes[1]); close(pair[1]);
}
#define OF(call, ...) kinds(#call, SYS_##call, __VA_ARGS__)

static void sizes(void) {
    OF(ftruncate, 5, 0, 0);
    OF(fallocate, 0, 0, 5);
    OF(fsync, 0, 0, 0);
    OF(fdatasync, 0, 0, 0);
    OF(syncfs, 0, 0, 0);
    int fd = open("f", O_RDWR);
    CASE(ftruncate, "negative_size", fd, -1);
    CASE(fallocate, "nothing", fd, 0, 0, 0);
    CASE(fallocate, "negative_start", fd, 0, -1, 5);
    CASE(fallocate, "negative_length", fd, 0, 0, -1);
    CASE(fallocate, "mode", fd, 0x100, 0, 5);
    CASE(fallocate, "punch_and_grow", fd, 2, 0, 5);
    CASE(fallocate, "far", fd, 0, LONG_MAX, 5);
    CASE(truncate, "negative_size", "f", -1);
    struct rlimit { long soft, hard; } limit = {1000, 1000};
    int status;
    signal(SIGXFSZ, SIG_IGN);
    CHILD(status, syscall(SYS_setrlimit, 1, &limit); CASE(ftruncate, "limit", fd, 2000); CASE(fallocate, "limit", fd, 0, 0, 2000);
          CASE(truncate, "limit", "f", 2000); CASE(ftruncate, "within_limit", fd, 1000));
    signal(SIGXFSZ, SIG_DFL);
    CHILD(status, syscall(SYS_setrlimit, 1, &limit); ftruncate(fd, 2000));
    SEEN(ftruncate, "signal", WTERMSIG(status));
    CASE(sync, "always", 0);
    close(fd);
    char *map = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, open("f", O_RDWR), 0);
    CASE(msync, "all", map, 4096, MS_SYNC);
    CASE(msync, "not_at_a_page", map + 1, 10, MS_SYNC);
    CASE(msync, "flags", map, 4096, MS_SYNC | 64);
    CASE(msync, "both", map, 4096, MS_SYNC | MS_ASYNC);
    munmap(map, 8192);
    CASE(msync, "nothing_there", map, 4096, MS_SYNC);
    for (int share = 0; share < 2; share++) {
        int flags = share ? MAP_SHARED : MAP_PRIVATE, reads = open("f", O_RDONLY), writes = open("f", O_WRONLY), both = open("f", O_RDWR), pipes[2];
        char what[64];
        pipe(pipes);
#define MAP(name, ...) do { sprintf(what, "%s_%s", share ? "shared" : "private", name); CASE(mmap, what, __VA_ARGS__); } while (0)
        MAP("read", 0, 4096, PROT_READ, flags, reads, 0);
        MAP("write_of_reads", 0, 4096, PROT_READ | PROT_WRITE, flags, reads, 0);
        MAP("write", 0, 4096, PROT_READ | PROT_WRITE, flags, both, 0);
        MAP("read_of_writes", 0, 4096, PROT_READ, flags, writes, 0);
        MAP("nothing", 0, 0, PROT_READ, flags, both, 0);
        MAP("offset", 0, 4096, PROT_READ, flags, both, 1);
        MAP("place", 1, 4096, PROT_READ, flags | MAP_FIXED, both, 0);
        MAP("shut", 0, 4096, PROT_READ, flags, SHUT, 0);
        MAP("pipe", 0, 4096, PROT_READ, flags, pipes[0], 0);
        MAP("directory", 0, 4096, PROT_READ, flags, open("dir", O_RDONLY), 0);
        MAP("large", 0, 1l << 60, PROT_READ, flags, both, 0);
        MAP("kind", 0, 4096, PROT_READ, 0, both, 0);
    }
}

static void attributes(const char *home) {
    OF(fstat, (long)buf, 0, 0);
    int fd = open("f", O_RDWR);
    CASE(fstat, "fault", fd, BAD);
    OF(fstatfs, (long)buf, 0, 0);
    CASE(fstatfs, "fault", fd, BAD);
    OF(fchmod, 0644, 0, 0);
    OF(fchown, -1, -1, 0);
    int root = open("/", O_RDONLY);
    CASE(fchmod, "others", root, 0755);
    CASE(fchown, "others", root, 1, -1);
    CASE(fchown, "given_away", fd, 1, -1);
    CASE(chmod, "others", "/", 0755);
    CASE(chown, "others", "/", 1, -1);
    CASE(lchown, "given_away", "f", 1, -1);
    CASE(fchmodat, "others", AT_FDCWD, "/", 0755);
    CASE(fchmodat2, "others", AT_FDCWD, "/", 0755, 0);
    CASE(fchmodat2, "flags", AT_FDCWD, "f", 0755, 0x40000000);
    CASE(fchmodat2, "itself", fd, "", 0644, AT_EMPTY_PATH);
    CASE(fchmodat2, "link", AT_FDCWD, "link", 0644, AT_SYMLINK_NOFOLLOW);
    CASE(fchownat, "others", AT_FDCWD, "/", 1, -1, 0);
    CASE(fchownat, "flags", AT_FDCWD, "f", -1, -1, 0x40000000);
    CASE(fchownat, "itself", fd, "", -1, -1, AT_EMPTY_PATH);
    OF(fchdir, 0, 0, 0);
    CASE(fchdir, "root", root);
    CASE(chdir, "back", home);
    OF(flistxattr, 0, 0, 0);
    OF(fgetxattr, (long)"user.none", (long)buf, 10);
    OF(fsetxattr, (long)"user.one", (long)"v", 1);
    OF(fremovexattr, (long)"user.none", 0, 0);
}

static void extended(void) {
    char name[300] = "user.";
    memset(name + 5, 'n', 260);
    int fd = open("f", O_RDWR);
    put("f", "x");
    CASE(setxattr, "made", "f", "user.one", "value", 5, 0);
    CASE(setxattr, "exists", "f", "user.one", "v", 1, XATTR_CREATE);
    CASE(setxattr, "missing", "f", "user.two", "v", 1, XATTR_REPLACE);
    CASE(setxattr, "flags", "f", "user.two", "v", 1, 4);
    CASE(setxattr, "long_name", "f", name, "v", 1, 0);
    CASE(setxattr, "empty_name", "f", "", "v", 1, 0);
    CASE(setxattr, "name_fault", "f", BAD, "v", 1, 0);
    CASE(setxattr, "value_fault", "f", "user.two", BAD, 1, 0);
    CASE(setxattr, "large", "f", "user.two", buf, 65537, 0);
    CASE(setxattr, "family", "f", "nobody.one", "v", 1, 0);
    CASE(setxattr, "only_family", "f", "user.", "v", 1, 0);
    CASE(setxattr, "trusted", "f", "trusted.one", "v", 1, 0);
    CASE(lsetxattr, "exists", "f", "user.one", "v", 1, XATTR_CREATE);
    CASE(lsetxattr, "missing", "f", "user.two", "v", 1, XATTR_REPLACE);
    CASE(lsetxattr, "flags", "f", "user.two", "v", 1, 4);
    CASE(lsetxattr, "family", "f", "nobody.one", "v", 1, 0);
    CASE(lsetxattr, "long_name", "f", name, "v", 1, 0);
    CASE(lsetxattr, "large", "f", "user.two", buf, 65537, 0);
    CASE(fsetxattr, "exists", fd, "user.one", "v", 1, XATTR_CREATE);
    CASE(fsetxattr, "missing", fd, "user.two", "v", 1, XATTR_REPLACE);
    CASE(fsetxattr, "flags", fd, "user.two", "v", 1, 4);
    CASE(fsetxattr, "family", fd, "nobody.one", "v", 1, 0);
    CASE(fsetxattr, "long_name", fd, name, "v", 1, 0);
    CASE(fsetxattr, "name_fault", fd, BAD, "v", 1, 0);
    CASE(fsetxattr, "large", fd, "user.two", buf, 65537, 0);
    CASE(setxattr, "value", "f", "user.one", "value", 5, 0);
    NUMBER(getxattr, "value", "f", "user.one", buf, 10);
    NUMBER(getxattr, "size", "f", "user.one", 0, 0);
    NUMBER(getxattr, "no_room", "f", "user.one", buf, 2);
    NUMBER(getxattr, "long_name", "f", name, buf, 2);
    NUMBER(getxattr, "name_fault", "f", BAD, buf, 2);
    NUMBER(getxattr, "value_fault", "f", "user.one", BAD, 10);
    NUMBER(getxattr, "family", "f", "nobody.one", buf, 10);
    NUMBER(lgetxattr, "value", "f", "user.one", buf, 10);
    NUMBER(lgetxattr, "no_room", "f", "user.one", buf, 2);
    NUMBER(lgetxattr, "family", "f", "nobody.one", buf, 10);
    NUMBER(fgetxattr, "value", fd, "user.one", buf, 10);
    NUMBER(fgetxattr, "no_room", fd, "user.one", buf, 2);
    NUMBER(fgetxattr, "value_fault", fd, "user.one", BAD, 10);
    NUMBER(fgetxattr, "family", fd, "nobody.one", buf, 10);
    NUMBER(listxattr, "names", "f", buf, sizeof buf);
    NUMBER(listxattr, "no_room", "f", buf, 3);
    NUMBER(listxattr, "names_fault", "f", BAD, 100);
    NUMBER(llistxattr, "names", "f", buf, sizeof buf);
    NUMBER(llistxattr, "no_room", "f", buf, 3);
    NUMBER(flistxattr, "names", fd, buf, sizeof buf);
    NUMBER(flistxattr, "no_room", fd, buf, 3);
    NUMBER(flistxattr, "names_fault", fd, BAD, 100);
    CASE(removexattr, "family", "f", "nobody.one");
    CASE(removexattr, "long_name", "f", name);
    CASE(removexattr, "name_fault", "f", BAD);
    CASE(removexattr, "there", "f", "user.one");
    fsetxattr(fd, "user.one", "v", 1, 0);
    CASE(lremovexattr, "family", "f", "nobody.one");
    CASE(lremovexattr, "there", "f", "user.one");
    fsetxattr(fd, "user.one", "v", 1, 0);
    CASE(fremovexattr, "family", fd, "nobody.one");
    CASE(fremovexattr, "name_fault", fd, BAD);
    CASE(fremovexattr, "there", fd, "user.one");
}

int main(void) {
    ordinary();
    mkdir("home", 0755);
    chdir("home");
    mkdir("dir", 0755);
    symlink("f", "link");
    char home[PATH_MAX];
    getcwd(home, sizeof home);
    sizes();
    attributes(home);
    chdir(home);
    extended();
    // Entries.
    int dir = open("dir", O_RDONLY);
    NUMBER(getdents64, "small", dir, buf, 10);
    CASE(getdents64, "fault", dir, BAD, 1000);
    CASE(getdents64, "all", dir, buf, sizeof buf);
    NUMBER(getdents64, "end", dir, buf, sizeof buf);
    OF(getdents64, (long)buf, sizeof buf, 0);
    // Locks that are asked for.
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CASE(fcntl, "lock", fd, F_GETLK, &lock);
    SEEN(fcntl, "free", lock.l_type == F_UNLCK);
    lock = (struct flock){.l_type = F_RDLCK};
    CASE(fcntl, "lock_fault", fd, F_GETLK, BAD);
    CASE(fcntl, "lock_shut", SHUT, F_GETLK, &lock);
    lock = (struct flock){.l_type = 77};
    CASE(fcntl, "lock_kind", fd, F_GETLK, &lock);
    CASE(fcntl, "lock_kind_shut", SHUT, F_GETLK, &lock);
    CASE(fcntl, "lock_fault_shut", SHUT, F_GETLK, BAD);
    lock = (struct flock){.l_type = F_RDLCK, .l_whence = 77};
    CASE(fcntl, "lock_from", fd, F_GETLK, &lock);
    lock = (struct flock){.l_type = F_RDLCK, .l_start = -5};
    CASE(fcntl, "lock_negative", fd, F_GETLK, &lock);
    lock = (struct flock){.l_type = F_RDLCK, .l_start = LONG_MAX, .l_len = 5};
    CASE(fcntl, "lock_far", fd, F_GETLK, &lock);
    CASE(fcntl, "command", fd, 7777, 0);
    // Memory files.
    char name[260];
    memset(name, 'n', 260);
    name[249] = 0;
    CASE(memfd_create, "made", "m", 0);
    CASE(memfd_create, "sealed", "m", MFD_ALLOW_SEALING | MFD_CLOEXEC);
    CASE(memfd_create, "longest", name, 0);
    name[249] = 'n'; name[250] = 0;
    CASE(memfd_create, "too_long", name, 0);
    CASE(memfd_create, "fault", BAD, 0);
    CASE(memfd_create, "flags", "m", 0x1000);
    struct { long soft, hard; } old, none;
    syscall(SYS_getrlimit, 7, &old);
    none = old;
    none.soft = 0;
    syscall(SYS_setrlimit, 7, &none);
    CASE(memfd_create, "too_many", "m", 0);
    CASE(open, "too_many", "f", O_RDONLY);
    CASE(inotify_init1, "too_many", 0);
    CASE(inotify_init, "too_many", 0);
    CASE(socketpair, "too_many", AF_UNIX, SOCK_DGRAM, 0, buf);
    CASE(pidfd_open, "too_many", getpid(), 0);
    syscall(SYS_setrlimit, 7, &old);
    return 0;
}

#include "call.h"
#include <sys/inotify.h>
// Every call that takes a path, with the same bad paths. As a user without rights.

static char longest[300], deepest[5000], buf[4096];
static int number, home;

// A directory of its own for each call, in which nothing that an earlier one did is seen.
static void fixtures(void) {
    char name[32];
    sprintf(name, "%d", number++);
    mkdir(name, 0755);
    if (chdir(name)) printf("fixtures %d\n", errno);
    put("plain", "x");
    mkdir("dir", 0755);
    mkdir("closed", 0755);
    put("closed/in", "x");
    symlink("loop", "loop");
    symlink("none", "dangling");
    symlink("plain", "link");
    chmod("closed", 0);
}

static void leave(void) { if (fchdir(home)) printf("leave %d\n", errno); }

// Makes a call with a path in one place of its arguments.
static void with(const char *call, const char *side, const char *what, long nr, int at, const long *given, const void *path) {
    long a[6];
    memcpy(a, given, sizeof a);
    a[at] = (long)path;
    errno = 0;
    long done = outcome(syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
    printf("%s.%s%s %ld\n", call, side, what, done);
}

// The bad paths, and for calls that start from a descriptor bad ones of these.
static void table(const char *call, const char *side, long nr, int at, int dir, long a0, long a1, long a2, long a3, long a4) {
    const long given[6] = {a0, a1, a2, a3, a4, 0};
    const struct { const char *what, *path; } paths[] = {
        {"empty", ""}, {"missing", "none"}, {"missing_parent", "none/x"}, {"under_file", "plain/x"}, {"file_slash", "plain/"},
        {"under_loop", "loop/x"}, {"loop", "loop"}, {"dangling", "dangling"}, {"link", "link"}, {"long_name", longest},
        {"long_path", deepest}, {"closed", "closed/in"}, {"closed_new", "closed/new"}, {"directory", "dir"}, {"directory_slash", "dir/"},
        {"dot", "."}, {"dots", "dir/.."}, {"root", "/"},
    };
    fixtures();
    with(call, side, "fault", nr, at, given, BAD);
    leave();
    for (int i = 0; i < (int)(sizeof paths / sizeof *paths); i++) {
        // Where the root is another filesystem that is said first.
        if (!strcmp(paths[i].what, "root") && (strstr(call, "rename") || *side)) continue;
        fixtures();
        with(call, side, paths[i].what, nr, at, given, paths[i].path);
        leave();
    }
    if (dir < 0) return;
    long from[6];
    memcpy(from, given, sizeof from);
    fixtures();
    from[dir] = SHUT;
    with(call, side, "from_shut", nr, at, from, "plain");
    from[dir] = open("plain", O_RDONLY);
    with(call, side, "from_file", nr, at, from, "plain");
    close(from[dir]);
    int ends[2];
    pipe(ends);
    from[dir] = ends[0];
    with(call, side, "from_pipe", nr, at, from, "plain");
    close(ends[0]);
    close(ends[1]);
    from[dir] = open("dir", O_RDONLY);
    put("dir/in", "x");
    with(call, side, "from_directory", nr, at, from, "in");
    close(from[dir]);
    char whole[PATH_MAX];
    getcwd(whole, sizeof whole);
    strcat(whole, "/plain");
    from[dir] = SHUT;
    with(call, side, "absolute", nr, at, from, whole);
    leave();
}

#define OF(call, at, ...) table(#call, "", SYS_##call, at, -1, __VA_ARGS__)
#define FROM(call, at, ...) table(#call, "", SYS_##call, at, 0, __VA_ARGS__)

static struct { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 0};

static void attributes(void) {
    OF(stat, 0, 0, (long)buf, 0, 0, 0);
    OF(lstat, 0, 0, (long)buf, 0, 0, 0);
    FROM(newfstatat, 1, AT_FDCWD, 0, (long)buf, 0, 0);
    FROM(statx, 1, AT_FDCWD, 0, 0, STATX_BASIC_STATS, (long)buf);
    OF(access, 0, 0, R_OK, 0, 0, 0);
    FROM(faccessat, 1, AT_FDCWD, 0, R_OK, 0, 0);
    FROM(faccessat2, 1, AT_FDCWD, 0, W_OK, AT_EACCESS, 0);
    OF(readlink, 0, 0, (long)buf, sizeof buf, 0, 0);
    FROM(readlinkat, 1, AT_FDCWD, 0, (long)buf, sizeof buf, 0);
    OF(chmod, 0, 0, 0755, 0, 0, 0);
    FROM(fchmodat, 1, AT_FDCWD, 0, 0755, 0, 0);
    FROM(fchmodat2, 1, AT_FDCWD, 0, 0755, 0, 0);
    OF(chown, 0, 0, -1, -1, 0, 0);
    OF(lchown, 0, 0, -1, -1, 0, 0);
    FROM(fchownat, 1, AT_FDCWD, 0, -1, -1, 0);
    FROM(utimensat, 1, AT_FDCWD, 0, 0, 0, 0);
    OF(utime, 0, 0, 0, 0, 0, 0);
    OF(utimes, 0, 0, 0, 0, 0, 0);
    FROM(futimesat, 1, AT_FDCWD, 0, 0, 0, 0);
    OF(statfs, 0, 0, (long)buf, 0, 0, 0);
    OF(truncate, 0, 0, 0, 0, 0, 0);
    OF(getxattr, 0, 0, (long)"user.none", (long)buf, sizeof buf, 0);
    OF(lgetxattr, 0, 0, (long)"user.none", (long)buf, sizeof buf, 0);
    OF(listxattr, 0, 0, 0, 0, 0, 0);
    OF(llistxattr, 0, 0, 0, 0, 0, 0);
    OF(setxattr, 0, 0, (long)"user.one", (long)"v", 1, 0);
    OF(lsetxattr, 0, 0, (long)"user.one", (long)"v", 1, 0);
    OF(removexattr, 0, 0, (long)"user.none", 0, 0, 0);
    OF(lremovexattr, 0, 0, (long)"user.none", 0, 0, 0);
}

static void names(void) {
    OF(chdir, 0, 0, 0, 0, 0, 0);
    OF(mkdir, 0, 0, 0755, 0, 0, 0);
    FROM(mkdirat, 1, AT_FDCWD, 0, 0755, 0, 0);
    OF(rmdir, 0, 0, 0, 0, 0, 0);
    OF(unlink, 0, 0, 0, 0, 0, 0);
    FROM(unlinkat, 1, AT_FDCWD, 0, 0, 0, 0);
    table("unlinkat", "removedir_", SYS_unlinkat, 1, 0, AT_FDCWD, 0, AT_REMOVEDIR, 0, 0);
    OF(mknod, 0, 0, S_IFREG | 0644, 0, 0, 0);
    FROM(mknodat, 1, AT_FDCWD, 0, S_IFIFO | 0644, 0, 0);
    table("rename", "old_", SYS_rename, 0, -1, 0, (long)"other", 0, 0, 0);
    table("rename", "new_", SYS_rename, 1, -1, (long)"plain", 0, 0, 0, 0);
    table("rename", "new_of_directory_", SYS_rename, 1, -1, (long)"dir", 0, 0, 0, 0);
    table("renameat", "old_", SYS_renameat, 1, 0, AT_FDCWD, 0, AT_FDCWD, (long)"other", 0);
    table("renameat", "new_", SYS_renameat, 3, 2, AT_FDCWD, (long)"plain", AT_FDCWD, 0, 0);
    table("renameat2", "old_", SYS_renameat2, 1, 0, AT_FDCWD, 0, AT_FDCWD, (long)"other", RENAME_NOREPLACE);
    table("renameat2", "new_", SYS_renameat2, 3, 2, AT_FDCWD, (long)"plain", AT_FDCWD, 0, RENAME_EXCHANGE);
    table("link", "old_", SYS_link, 0, -1, 0, (long)"other", 0, 0, 0);
    table("link", "new_", SYS_link, 1, -1, (long)"plain", 0, 0, 0, 0);
    table("linkat", "old_", SYS_linkat, 1, 0, AT_FDCWD, 0, AT_FDCWD, (long)"other", 0);
    table("linkat", "followed_", SYS_linkat, 1, 0, AT_FDCWD, 0, AT_FDCWD, (long)"other", AT_SYMLINK_FOLLOW);
    table("linkat", "new_", SYS_linkat, 3, 2, AT_FDCWD, (long)"plain", AT_FDCWD, 0, 0);
    table("symlink", "", SYS_symlink, 1, -1, (long)"text", 0, 0, 0, 0);
    table("symlink", "text_", SYS_symlink, 0, -1, 0, (long)"other", 0, 0, 0);
    table("symlinkat", "", SYS_symlinkat, 2, 1, (long)"text", AT_FDCWD, 0, 0, 0);
}

static void opening(void) {
    OF(open, 0, 0, O_RDONLY, 0, 0, 0);
    table("open", "write_", SYS_open, 0, -1, 0, O_WRONLY, 0, 0, 0);
    table("open", "create_", SYS_open, 0, -1, 0, O_RDWR | O_CREAT, 0644, 0, 0);
    table("open", "exclusive_", SYS_open, 0, -1, 0, O_RDWR | O_CREAT | O_EXCL, 0644, 0, 0);
    table("open", "directory_", SYS_open, 0, -1, 0, O_RDONLY | O_DIRECTORY, 0, 0, 0);
    table("open", "nofollow_", SYS_open, 0, -1, 0, O_RDONLY | O_NOFOLLOW, 0, 0, 0);
    table("open", "place_", SYS_open, 0, -1, 0, O_PATH | O_NOFOLLOW, 0, 0, 0);
    table("open", "unnamed_", SYS_open, 0, -1, 0, O_RDWR | O_TMPFILE, 0600, 0, 0);
    FROM(openat, 1, AT_FDCWD, 0, O_RDONLY, 0, 0);
    FROM(openat2, 1, AT_FDCWD, 0, (long)&how, sizeof how, 0);
    OF(creat, 0, 0, 0644, 0, 0, 0);
    int watcher = inotify_init();
    OF(inotify_add_watch, 1, watcher, 0, 0xfff, 0, 0);
}

int main(void) {
    umask(022);
    memset(longest, 'n', 256);
    memset(deepest, '/', 4096);
    ordinary();
    home = open(".", O_RDONLY);
    attributes();
    names();
    opening();
    return 0;
}

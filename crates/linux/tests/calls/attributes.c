#include "case.h"
static void mode(const char *name, const char *path) { struct stat st; printf("%s %o\n", name, stat(path, &st) ? -1 : st.st_mode & 07777); }
int main(void) {
    umask(027);
    VALUE("umask", umask(022));
    put("a", "abc");
    DONE("chmod", chmod("a", 0640));
    mode("mode", "a");
    int fd = open("a", O_RDWR);
    DONE("fchmod", fchmod(fd, 04755));
    mode("setuid", "a");
    DONE("fchmodat2", syscall(452, AT_FDCWD, "a", 0600, 0));
    symlink("a", "l");
    mode("through_link", "l");
    DONE("chmod_missing", chmod("none", 0600));
    struct timespec times[2] = {{1000000000, 123456789}, {1500000000, 987654321}};
    DONE("utimensat", utimensat(AT_FDCWD, "a", times, 0));
    struct stat st;
    stat("a", &st);
    printf("times %ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT; times[1].tv_nsec = UTIME_NOW;
    DONE("omit", futimens(fd, times));
    stat("a", &st);
    printf("omitted %ld %d\n", st.st_atim.tv_sec, st.st_mtim.tv_sec > 1600000000);
    times[1].tv_nsec = 1000000000;
    DONE("bad_nanos", utimensat(AT_FDCWD, "a", times, 0));
    // Given times survive what was written before, also when the file is closed.
    VALUE("write", write(fd, "xyz!", 4));
    struct timespec given[2] = {{5, 0}, {6, 0}};
    futimens(fd, given);
    close(fd);
    sync();
    stat("a", &st);
    printf("kept %ld %ld\n", st.st_mtim.tv_sec, (long)st.st_size);
    fd = open("a", O_RDWR);
    write(fd, "new", 3);
    stat("a", &st);
    printf("written %d\n", st.st_mtim.tv_sec > 1600000000);
    struct statx sx;
    memset(&sx, 0x55, sizeof sx);
    DONE("statx", statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sx));
    printf("statx_fields %d %o %d %ld %d\n", (sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS, sx.stx_mode & 07777, sx.stx_nlink,
           (long)sx.stx_size, sx.stx_ino == st.st_ino);
    DONE("statx_flags", statx(fd, "", 0x10000, STATX_BASIC_STATS, &sx));
    DONE("truncate", truncate("a", 100));
    stat("a", &st);
    printf("size %ld\n", (long)st.st_size);
    DONE("truncate_negative", truncate("a", -1));
    DONE("ftruncate_negative", ftruncate(fd, -1));
    mkdir("d", 0755);
    DONE("truncate_directory", truncate("d", 0));
    DONE("access", access("a", R_OK | W_OK));
    DONE("access_mode", access("a", 64));
    DONE("access_missing", access("none", F_OK));
    DONE("faccessat_nofollow", faccessat(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
    DONE("fstatat_empty", fstatat(fd, "", &st, AT_EMPTY_PATH));
    DONE("fstatat_flags", fstatat(AT_FDCWD, "a", &st, 0x40000));
    DONE("chown_same", chown("a", -1, -1));
    struct statfs fs;
    DONE("statfs", statfs("a", &fs));
    printf("name_max %ld\n", (long)fs.f_namelen);
    DONE("fstatfs", fstatfs(fd, &fs));
    // Extended attributes.
    char buf[64];
    DONE("setxattr", setxattr("a", "user.one", "value", 5, 0));
    VALUE("getxattr", getxattr("a", "user.one", buf, sizeof buf));
    VALUE("getxattr_size", getxattr("a", "user.one", 0, 0));
    DONE("getxattr_short", getxattr("a", "user.one", buf, 2));
    DONE("getxattr_missing", getxattr("a", "user.none", buf, sizeof buf));
    DONE("setxattr_create", setxattr("a", "user.one", "v", 1, XATTR_CREATE));
    DONE("setxattr_replace", setxattr("a", "user.two", "v", 1, XATTR_REPLACE));
    DONE("fsetxattr", fsetxattr(fd, "user.two", "v", 1, 0));
    VALUE("listxattr", listxattr("a", 0, 0));
    DONE("removexattr", removexattr("a", "user.one"));
    DONE("removexattr_again", removexattr("a", "user.one"));
    VALUE("flistxattr", flistxattr(fd, buf, sizeof buf));
    DONE("xattr_name", setxattr("a", "nonsense", "v", 1, 0));
    return 0;
}

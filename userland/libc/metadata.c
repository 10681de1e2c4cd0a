/* Metadata with the kernel's real modes, owners and times. */
#include "agentos.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#define NANOS 1000000000LL

static int dir(int fd) { return fd == AT_FDCWD ? AGENTOS_AT_FDCWD : fd; }

static struct timespec timespec_of(int64_t ns) {
    struct timespec t = {.tv_sec = ns / NANOS, .tv_nsec = ns % NANOS};
    if (t.tv_nsec < 0) {
        t.tv_sec -= 1;
        t.tv_nsec += NANOS;
    }
    return t;
}

static int stat_with(int dirfd, uint32_t flags, const char *path, struct stat *out) {
    struct agentos_stat s;
    uint32_t err = agentos_path_stat(dirfd, flags, path, strlen(path), &s);
    if (err != 0) return agentos_result(err);
    *out = (struct stat){
        .st_dev = s.dev,
        .st_ino = s.ino,
        .st_nlink = s.nlink,
        .st_mode = s.mode,
        .st_uid = s.uid,
        .st_gid = s.gid,
        .st_rdev = s.rdev,
        .st_size = (off_t)s.size,
        .st_blksize = (blksize_t)s.blksize,
        .st_blocks = (blkcnt_t)s.blocks,
        .st_atim = timespec_of(s.atim),
        .st_mtim = timespec_of(s.mtim),
        .st_ctim = timespec_of(s.ctim),
        /* The birth time has no field in this libc's struct stat; its first reserved word carries it. */
        .__reserved = {s.btim},
    };
    return 0;
}

int fstatat(int dirfd, const char *restrict path, struct stat *restrict out, int flags) {
    return stat_with(dir(dirfd), (flags & AT_SYMLINK_NOFOLLOW) ? 0 : AGENTOS_FOLLOW, path, out);
}
int __wasilibc_nocwd_fstatat(int dirfd, const char *restrict path, struct stat *restrict out, int flags) {
    return fstatat(dirfd, path, out, flags);
}
int __wasilibc_stat(const char *restrict path, struct stat *restrict out, int flags) {
    return fstatat(AT_FDCWD, path, out, flags);
}
int stat(const char *restrict path, struct stat *restrict out) { return fstatat(AT_FDCWD, path, out, 0); }
int lstat(const char *restrict path, struct stat *restrict out) {
    return fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}
int fstat(int fd, struct stat *out) { return stat_with(fd, AGENTOS_EMPTY_PATH, "", out); }

int fchmodat(int dirfd, const char *path, mode_t mode, int flags) {
    uint32_t how = (flags & AT_SYMLINK_NOFOLLOW) ? 0 : AGENTOS_FOLLOW;
    return agentos_result(agentos_path_chmod(dir(dirfd), how, path, strlen(path), mode));
}
int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }
int fchmod(int fd, mode_t mode) { return agentos_result(agentos_path_chmod(fd, AGENTOS_EMPTY_PATH, "", 0, mode)); }

int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags) {
    uint32_t how = (flags & AT_SYMLINK_NOFOLLOW) ? 0 : AGENTOS_FOLLOW;
    return agentos_result(agentos_path_chown(dir(dirfd), how, path, strlen(path), uid, gid));
}
int chown(const char *path, uid_t uid, gid_t gid) { return fchownat(AT_FDCWD, path, uid, gid, 0); }
int lchown(const char *path, uid_t uid, gid_t gid) { return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW); }
int fchown(int fd, uid_t uid, gid_t gid) {
    return agentos_result(agentos_path_chown(fd, AGENTOS_EMPTY_PATH, "", 0, uid, gid));
}

static uint32_t nanos_of(const struct timespec *t, int64_t *out) {
    if (t->tv_nsec == UTIME_OMIT) {
        *out = AGENTOS_TIME_OMIT;
    } else if (t->tv_nsec == UTIME_NOW) {
        *out = AGENTOS_TIME_NOW;
    } else if (t->tv_nsec < 0 || t->tv_nsec >= NANOS) {
        return EINVAL;
    } else if (__builtin_mul_overflow(t->tv_sec, NANOS, out) || __builtin_add_overflow(*out, t->tv_nsec, out)) {
        return EOVERFLOW;
    }
    return 0;
}

static int set_times(int dirfd, uint32_t flags, const char *path, const struct timespec times[2]) {
    int64_t atim = AGENTOS_TIME_NOW, mtim = AGENTOS_TIME_NOW;
    if (times) {
        uint32_t err = nanos_of(&times[0], &atim);
        if (err == 0) err = nanos_of(&times[1], &mtim);
        if (err != 0) return agentos_result(err);
    }
    return agentos_result(agentos_path_set_times(dirfd, flags, path, strlen(path), atim, mtim));
}

int utimensat(int dirfd, const char *path, const struct timespec times[2], int flags) {
    return set_times(dir(dirfd), (flags & AT_SYMLINK_NOFOLLOW) ? 0 : AGENTOS_FOLLOW, path, times);
}
int __wasilibc_nocwd_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags) {
    return utimensat(dirfd, path, times, flags);
}
int __wasilibc_utimens(const char *path, const struct timespec times[2], int flags) {
    return utimensat(AT_FDCWD, path, times, flags);
}
int futimens(int fd, const struct timespec times[2]) { return set_times(fd, AGENTOS_EMPTY_PATH, "", times); }
int utimes(const char *path, const struct timeval times[2]) {
    if (!times) return utimensat(AT_FDCWD, path, NULL, 0);
    struct timespec ts[2];
    for (int i = 0; i < 2; i++) {
        if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000) return agentos_result(EINVAL);
        ts[i] = (struct timespec){.tv_sec = times[i].tv_sec, .tv_nsec = times[i].tv_usec * 1000};
    }
    return utimensat(AT_FDCWD, path, ts, 0);
}
int utime(const char *path, const struct utimbuf *times) {
    if (!times) return utimensat(AT_FDCWD, path, NULL, 0);
    struct timespec ts[2] = {{.tv_sec = times->actime}, {.tv_sec = times->modtime}};
    return utimensat(AT_FDCWD, path, ts, 0);
}

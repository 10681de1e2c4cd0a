/* Functions on paths: each hands its path to the kernel unchanged. */
#include "agentos.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

static int dir(int fd) { return fd == AT_FDCWD ? AGENTOS_AT_FDCWD : fd; }

static int open_mode(int dirfd, const char *path, int flags, uint32_t mode) {
    /* Bits 12 to 15 of this libc's open flags are preview 1's oflags, the low 12 its fdflags. */
    uint32_t oflags = ((uint32_t)flags >> 12) & 0xf;
    if (flags & O_NOFOLLOW) oflags |= AGENTOS_OPEN_NOFOLLOW;
    if (flags & O_RDONLY) oflags |= AGENTOS_OPEN_READ;
    if (flags & O_WRONLY) oflags |= AGENTOS_OPEN_WRITE;
    if ((flags & O_ACCMODE) == O_SEARCH || (flags & O_ACCMODE) == O_EXEC) oflags |= AGENTOS_OPEN_PATH;
    int fd;
    uint32_t err = agentos_path_open_mode(dir(dirfd), path, strlen(path), oflags | AGENTOS_OPEN_CLOEXEC,
                                          (uint32_t)flags & 0xfff, mode, &fd);
    if (err != 0) return agentos_result(err);
    return fd;
}

int open(const char *path, int flags, ...) {
    uint32_t mode = 0;
    if (flags & O_CREAT) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, uint32_t);
        va_end(ap);
    }
    return open_mode(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...) {
    uint32_t mode = 0;
    if (flags & O_CREAT) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, uint32_t);
        va_end(ap);
    }
    return open_mode(dirfd, path, flags, mode);
}

/* stdio opens through these; 0666 is the mode that fopen(3) gives before the umask. */
int __wasilibc_open_nomode(const char *path, int flags) { return open_mode(AT_FDCWD, path, flags, 0666); }
int __wasilibc_nocwd_openat_nomode(int dirfd, const char *path, int flags) {
    return open_mode(dirfd, path, flags, 0666);
}
int __wasilibc_openat_nomode(int dirfd, const char *path, int flags) { return open_mode(dirfd, path, flags, 0666); }

int faccessat(int dirfd, const char *path, int mode, int flags) {
    uint32_t how = (flags & AT_SYMLINK_NOFOLLOW) ? 0 : AGENTOS_FOLLOW;
    return agentos_result(agentos_path_access(dir(dirfd), how, path, strlen(path), (uint32_t)mode));
}
int access(const char *path, int mode) { return faccessat(AT_FDCWD, path, mode, 0); }
int __wasilibc_access(const char *path, int mode, int flags) { return faccessat(AT_FDCWD, path, mode, flags); }
int __wasilibc_nocwd_faccessat(int dirfd, const char *path, int mode, int flags) {
    return faccessat(dirfd, path, mode, flags);
}

int mkdirat(int dirfd, const char *path, mode_t mode) {
    return agentos_result(agentos_path_mkdir(dir(dirfd), path, strlen(path), mode));
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
int __wasilibc_nocwd_mkdirat_nomode(int dirfd, const char *path) { return mkdirat(dirfd, path, 0777); }

int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev) {
    return agentos_result(agentos_path_mknod(dir(dirfd), path, strlen(path), mode, dev));
}
int mknod(const char *path, mode_t mode, dev_t dev) { return mknodat(AT_FDCWD, path, mode, dev); }
int mkfifoat(int dirfd, const char *path, mode_t mode) { return mknodat(dirfd, path, (mode & 07777) | 0010000, 0); }
int mkfifo(const char *path, mode_t mode) { return mkfifoat(AT_FDCWD, path, mode); }

int __wasilibc_unlinkat(int dirfd, const char *path) {
    return agentos_result(__wasi_path_unlink_file((__wasi_fd_t)dir(dirfd), path));
}
int __wasilibc_rmdirat(int dirfd, const char *path) {
    return agentos_result(__wasi_path_remove_directory((__wasi_fd_t)dir(dirfd), path));
}
int __wasilibc_nocwd___wasilibc_unlinkat(int dirfd, const char *path) { return __wasilibc_unlinkat(dirfd, path); }
int __wasilibc_nocwd___wasilibc_rmdirat(int dirfd, const char *path) { return __wasilibc_rmdirat(dirfd, path); }
int unlinkat(int dirfd, const char *path, int flags) {
    return (flags & AT_REMOVEDIR) ? __wasilibc_rmdirat(dirfd, path) : __wasilibc_unlinkat(dirfd, path);
}
int unlink(const char *path) { return __wasilibc_unlinkat(AT_FDCWD, path); }
int rmdir(const char *path) { return __wasilibc_rmdirat(AT_FDCWD, path); }
int remove(const char *path) {
    int r = unlink(path);
    return r != 0 && errno == EISDIR ? rmdir(path) : r;
}

int renameat(int odir, const char *opath, int ndir, const char *npath) {
    return agentos_result(
        agentos_path_rename2(dir(odir), opath, strlen(opath), dir(ndir), npath, strlen(npath), 0));
}
int rename(const char *opath, const char *npath) { return renameat(AT_FDCWD, opath, AT_FDCWD, npath); }
int __wasilibc_nocwd_renameat(int odir, const char *opath, int ndir, const char *npath) {
    return renameat(odir, opath, ndir, npath);
}

int linkat(int odir, const char *opath, int ndir, const char *npath, int flags) {
    __wasi_lookupflags_t how = (flags & AT_SYMLINK_FOLLOW) ? __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW : 0;
    return agentos_result(__wasi_path_link((__wasi_fd_t)dir(odir), how, opath, (__wasi_fd_t)dir(ndir), npath));
}
int link(const char *opath, const char *npath) { return linkat(AT_FDCWD, opath, AT_FDCWD, npath, 0); }
int __wasilibc_link(const char *opath, const char *npath, int flags) {
    return linkat(AT_FDCWD, opath, AT_FDCWD, npath, flags);
}
int __wasilibc_nocwd_linkat(int odir, const char *opath, int ndir, const char *npath, int flags) {
    return linkat(odir, opath, ndir, npath, flags);
}

int symlinkat(const char *target, int dirfd, const char *path) {
    return agentos_result(__wasi_path_symlink(target, (__wasi_fd_t)dir(dirfd), path));
}
int symlink(const char *target, const char *path) { return symlinkat(target, AT_FDCWD, path); }
int __wasilibc_nocwd_symlinkat(const char *target, int dirfd, const char *path) {
    return symlinkat(target, dirfd, path);
}

ssize_t readlinkat(int dirfd, const char *restrict path, char *restrict buf, size_t cap) {
    __wasi_size_t n;
    uint32_t err = __wasi_path_readlink((__wasi_fd_t)dir(dirfd), path, (uint8_t *)buf, cap, &n);
    if (err != 0) return agentos_result(err);
    return (ssize_t)n;
}
ssize_t readlink(const char *restrict path, char *restrict buf, size_t cap) {
    return readlinkat(AT_FDCWD, path, buf, cap);
}
ssize_t __wasilibc_nocwd_readlinkat(int dirfd, const char *restrict path, char *restrict buf, size_t cap) {
    return readlinkat(dirfd, path, buf, cap);
}

DIR *__wasilibc_nocwd_opendirat(int dirfd, const char *path);
int __wasilibc_nocwd_scandirat(int dirfd, const char *path, struct dirent ***out,
                               int (*keep)(const struct dirent *),
                               int (*compare)(const struct dirent **, const struct dirent **));
DIR *opendirat(int dirfd, const char *path) { return __wasilibc_nocwd_opendirat(dirfd, path); }
DIR *opendir(const char *path) { return __wasilibc_nocwd_opendirat(AT_FDCWD, path); }
int scandirat(int dirfd, const char *path, struct dirent ***out, int (*keep)(const struct dirent *),
              int (*compare)(const struct dirent **, const struct dirent **)) {
    return __wasilibc_nocwd_scandirat(dirfd, path, out, keep, compare);
}
int scandir(const char *path, struct dirent ***out, int (*keep)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **)) {
    return __wasilibc_nocwd_scandirat(AT_FDCWD, path, out, keep, compare);
}

int chdir(const char *path) { return agentos_result(agentos_proc_chdir(AGENTOS_AT_FDCWD, path, strlen(path))); }
/* An empty path means the descriptor itself, as everywhere in the ABI. */
int fchdir(int fd) { return agentos_result(agentos_proc_chdir(fd, "", 0)); }

/* Longest path of the ABI and its NUL. */
#define PATH_BYTES 4097

char *getcwd(char *buf, size_t cap) {
    char local[PATH_BYTES];
    size_t len;
    uint32_t err = agentos_proc_getcwd(local, PATH_BYTES - 1, &len);
    if (err == 0 && buf && cap <= len) err = ERANGE;
    if (err != 0) {
        errno = (int)err;
        return NULL;
    }
    local[len] = 0;
    if (!buf) return strdup(local);
    return memcpy(buf, local, len + 1);
}

char *realpath(const char *restrict path, char *restrict out) {
    char local[PATH_BYTES];
    size_t len;
    if (!path) {
        errno = EINVAL;
        return NULL;
    }
    uint32_t err = agentos_path_resolve(AGENTOS_AT_FDCWD, AGENTOS_FOLLOW, path, strlen(path), local, PATH_BYTES - 1, &len);
    if (err != 0) {
        errno = (int)err;
        return NULL;
    }
    local[len] = 0;
    return out ? memcpy(out, local, len + 1) : strdup(local);
}

/* Import declarations of module agentos_v1, as far as libc needs them. The text that rules is crates/abi. */
#ifndef AGENTOS_LIBC_H
#define AGENTOS_LIBC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define AGENTOS(name) __attribute__((import_module("agentos_v1"), import_name(#name))) uint32_t agentos_##name

/* The kernel's number for "relative to the working directory"; this libc's own AT_FDCWD is -2. */
#define AGENTOS_AT_FDCWD (-100)

#define AGENTOS_FOLLOW 1u
#define AGENTOS_EMPTY_PATH 2u
#define AGENTOS_EACCESS 4u

#define AGENTOS_OPEN_NOFOLLOW 0x10u
#define AGENTOS_OPEN_PATH 0x20u
#define AGENTOS_OPEN_CLOEXEC 0x40u
#define AGENTOS_OPEN_READ 0x100u
#define AGENTOS_OPEN_WRITE 0x200u

#define AGENTOS_TIME_OMIT INT64_MIN
#define AGENTOS_TIME_NOW (INT64_MIN + 1)

struct agentos_stat {
    uint64_t dev, ino;
    uint32_t mode, nlink, uid, gid;
    uint64_t rdev, size;
    uint32_t blksize, reserved;
    uint64_t blocks;
    int64_t atim, mtim, ctim, btim;
};

struct agentos_statfs {
    uint64_t kind, bsize, blocks, bfree, bavail, files, ffree, namelen, flags;
};

struct agentos_ids {
    uint32_t pid, ppid, pgid, sid;
};

struct agentos_credentials {
    uint32_t ruid, euid, suid, rgid, egid, sgid;
};

struct agentos_poll {
    uint32_t kind;
    int32_t id;
    uint32_t events, revents;
};

struct agentos_wait {
    uint32_t pid, kind, code, reserved;
    uint64_t user_ns, sys_ns, max_rss;
};

AGENTOS(path_open_mode)(int dirfd, const char *path, size_t len, uint32_t oflags, uint32_t fdflags, uint32_t mode,
                        int *fd);
AGENTOS(path_mkdir)(int dirfd, const char *path, size_t len, uint32_t mode);
AGENTOS(path_stat)(int dirfd, uint32_t flags, const char *path, size_t len, struct agentos_stat *out);
AGENTOS(path_statfs)(int dirfd, uint32_t flags, const char *path, size_t len, struct agentos_statfs *out);
AGENTOS(path_chmod)(int dirfd, uint32_t flags, const char *path, size_t len, uint32_t mode);
AGENTOS(path_chown)(int dirfd, uint32_t flags, const char *path, size_t len, uint32_t uid, uint32_t gid);
AGENTOS(path_access)(int dirfd, uint32_t flags, const char *path, size_t len, uint32_t amode);
AGENTOS(path_mknod)(int dirfd, const char *path, size_t len, uint32_t mode, uint64_t rdev);
AGENTOS(path_rename2)(int odir, const char *opath, size_t olen, int ndir, const char *npath, size_t nlen,
                      uint32_t flags);
AGENTOS(path_resolve)(int dirfd, uint32_t flags, const char *path, size_t len, char *buf, size_t cap, size_t *out);
AGENTOS(path_set_times)(int dirfd, uint32_t flags, const char *path, size_t len, int64_t atim, int64_t mtim);
AGENTOS(proc_chdir)(int dirfd, const char *path, size_t len);
AGENTOS(proc_getcwd)(char *buf, size_t cap, size_t *len);
AGENTOS(proc_ids)(struct agentos_ids *out);
AGENTOS(proc_setpgid)(uint32_t pid, uint32_t pgid);
AGENTOS(proc_setsid)(uint32_t *sid);
AGENTOS(proc_getpgid)(uint32_t pid, uint32_t *out);
AGENTOS(proc_umask)(uint32_t set, uint32_t mask, uint32_t *old);
AGENTOS(proc_wait)(int32_t which, uint32_t options, struct agentos_wait *out);
AGENTOS(id_get)(struct agentos_credentials *out);
AGENTOS(sys_uname)(uint32_t field, char *buf, size_t cap, size_t *len);
AGENTOS(fd_dup)(uint32_t fd, uint32_t min, uint32_t flags, uint32_t *out);
AGENTOS(fd_dup_to)(uint32_t fd, uint32_t to, uint32_t flags);
AGENTOS(fd_pipe)(uint32_t flags, uint32_t *read, uint32_t *write);
AGENTOS(fd_flags_get)(uint32_t fd, uint32_t *flags);
AGENTOS(fd_flags_set)(uint32_t fd, uint32_t flags);
AGENTOS(fd_status_get)(uint32_t fd, uint32_t *flags);
AGENTOS(fd_status_set)(uint32_t fd, uint32_t flags);
AGENTOS(fd_flock)(uint32_t fd, uint32_t op);
AGENTOS(fd_poll)(struct agentos_poll *entries, uint32_t n, int64_t timeout_ns, const uint64_t *sigmask, uint32_t *ready);
AGENTOS(sock_open)(uint32_t domain, uint32_t kind, uint32_t protocol, uint32_t *fd);
AGENTOS(sock_pair)(uint32_t domain, uint32_t kind, uint32_t *a, uint32_t *b);
AGENTOS(sock_bind)(uint32_t fd, const uint8_t *addr, size_t len);
AGENTOS(sock_listen)(uint32_t fd, uint32_t backlog);
AGENTOS(sock_connect)(uint32_t fd, const uint8_t *addr, size_t len);
AGENTOS(sock_accept_from)(uint32_t fd, uint32_t flags, uint8_t *addr, size_t cap, uint32_t *out, size_t *len);
AGENTOS(sock_name)(uint32_t fd, uint32_t peer, uint8_t *addr, size_t cap, size_t *len);
AGENTOS(sock_recv_from)(uint32_t fd, void *buf, size_t cap, uint32_t flags, uint8_t *addr, size_t acap, size_t *n,
                        uint32_t *rflags, size_t *alen);
AGENTOS(sock_send_to)(uint32_t fd, const void *buf, size_t len, uint32_t flags, const uint8_t *addr, size_t alen,
                      size_t *n);
AGENTOS(sock_resolve)(const char *name, size_t len, uint32_t family, uint32_t flags, uint8_t *buf, size_t cap,
                      size_t *n);
AGENTOS(sock_opt_get)(uint32_t fd, uint32_t level, uint32_t name, void *buf, size_t cap, size_t *len);
AGENTOS(sock_opt_set)(uint32_t fd, uint32_t level, uint32_t name, const void *buf, size_t len);
AGENTOS(sig_kill)(int32_t pid, uint32_t sig);

/* Turns an error number into the -1 and errno of C. */
static inline int agentos_result(uint32_t err) {
    if (err == 0) return 0;
    errno = (int)err;
    return -1;
}

#endif

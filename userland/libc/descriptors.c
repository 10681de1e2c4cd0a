/* Descriptors: duplicates, pipes, flags, locks. */
#include "agentos.h"
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

/* Linux's numbers; this libc's headers name neither. */
#define F_DUPFD_ 0
#define F_DUPFD_CLOEXEC_ 1030

#define STATUS_FLAGS 0x1fu
#define STATUS_READ 0x100u
#define STATUS_WRITE 0x200u

static int duplicate(int fd, int min, uint32_t flags) {
    if (min < 0) return agentos_result(EINVAL);
    uint32_t out;
    uint32_t err = agentos_fd_dup((uint32_t)fd, (uint32_t)min, flags, &out);
    return err != 0 ? agentos_result(err) : (int)out;
}

int dup(int fd) { return duplicate(fd, 0, 0); }

int dup2(int fd, int to) {
    uint32_t err;
    if (fd == to) {
        uint32_t flags;
        err = agentos_fd_flags_get((uint32_t)fd, &flags);
    } else {
        err = agentos_fd_dup_to((uint32_t)fd, (uint32_t)to, 0);
    }
    return err != 0 ? agentos_result(err) : to;
}

int dup3(int fd, int to, int flags) {
    (void)flags; /* O_CLOEXEC is zero here: a program that wants the flag sets it with fcntl. */
    if (fd == to) return agentos_result(EINVAL);
    return dup2(fd, to);
}

int pipe2(int fds[2], int flags) {
    uint32_t r, w;
    uint32_t err = agentos_fd_pipe(1u | ((flags & O_NONBLOCK) ? 2u : 0u), &r, &w);
    if (err != 0) return agentos_result(err);
    fds[0] = (int)r;
    fds[1] = (int)w;
    return 0;
}
int pipe(int fds[2]) { return pipe2(fds, 0); }

static int status_get(int fd) {
    uint32_t s;
    uint32_t err = agentos_fd_status_get((uint32_t)fd, &s);
    if (err != 0) return agentos_result(err);
    return (int)(s & STATUS_FLAGS) | ((s & STATUS_READ) ? O_RDONLY : 0) | ((s & STATUS_WRITE) ? O_WRONLY : 0);
}

int fcntl(int fd, int cmd, ...) {
    va_list ap;
    va_start(ap, cmd);
    int arg = cmd == F_GETFD || cmd == F_GETFL ? 0 : va_arg(ap, int);
    va_end(ap);
    uint32_t flags, err;
    switch (cmd) {
    case F_DUPFD_: return duplicate(fd, arg, 0);
    case F_DUPFD_CLOEXEC_: return duplicate(fd, arg, 1);
    case F_GETFD:
        err = agentos_fd_flags_get((uint32_t)fd, &flags);
        return err != 0 ? agentos_result(err) : (int)flags;
    case F_SETFD: return agentos_result(agentos_fd_flags_set((uint32_t)fd, (uint32_t)arg & FD_CLOEXEC));
    case F_GETFL: return status_get(fd);
    case F_SETFL: return agentos_result(agentos_fd_status_set((uint32_t)fd, (uint32_t)arg & STATUS_FLAGS));
    default: return agentos_result(EINVAL);
    }
}

int flock(int fd, int op) { return agentos_result(agentos_fd_flock((uint32_t)fd, (uint32_t)op)); }

/* Waiting for descriptors, all kinds alike. The numbers of POLL* are this libc's own; the kernel's are Linux's. */
#include "agentos.h"
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#define KIND_FD 0u
#define KERNEL_IN 0x001u
#define KERNEL_OUT 0x004u
#define KERNEL_ERR 0x008u
#define KERNEL_HUP 0x010u
#define KERNEL_NVAL 0x020u

/* More descriptors than any process can have. */
#define NFDS_MAX 65536
/* That many entries need no allocation. */
#define FEW 32

#define NS_PER_S 1000000000LL

static uint32_t to_kernel(short events) {
    return ((events & POLLIN) != 0 ? KERNEL_IN : 0) | ((events & POLLOUT) != 0 ? KERNEL_OUT : 0);
}

static short from_kernel(uint32_t bits) {
    return (short)(((bits & KERNEL_IN) != 0 ? POLLIN : 0) | ((bits & KERNEL_OUT) != 0 ? POLLOUT : 0) |
                   ((bits & KERNEL_ERR) != 0 ? POLLERR : 0) | ((bits & KERNEL_HUP) != 0 ? POLLHUP : 0) |
                   ((bits & KERNEL_NVAL) != 0 ? POLLNVAL : 0));
}

static int wait_for(struct pollfd *fds, size_t n, int64_t timeout_ns) {
    struct agentos_poll few[FEW];
    if (n > NFDS_MAX) return agentos_result(EINVAL);
    struct agentos_poll *entries = n <= FEW ? few : malloc(n * sizeof *entries);
    if (entries == NULL) return agentos_result(ENOMEM);
    uint32_t used = 0, ready = 0;
    for (size_t i = 0; i < n; i++) {
        fds[i].revents = 0;
        /* A negative descriptor is skipped. */
        if (fds[i].fd < 0) continue;
        entries[used++] = (struct agentos_poll){.kind = KIND_FD, .id = fds[i].fd, .events = to_kernel(fds[i].events)};
    }
    uint32_t err = agentos_fd_poll(entries, used, timeout_ns, NULL, &ready);
    if (err == 0) {
        for (size_t i = 0, at = 0; i < n; i++) {
            if (fds[i].fd >= 0) fds[i].revents = from_kernel(entries[at++].revents);
        }
    }
    if (entries != few) free(entries);
    return err != 0 ? agentos_result(err) : (int)ready;
}

int poll(struct pollfd *fds, nfds_t n, int timeout_ms) {
    return wait_for(fds, n, timeout_ms < 0 ? -1 : (int64_t)timeout_ms * 1000000);
}

/* Adds what a set asks for. */
static size_t wanted(const fd_set *set, short events, int limit, struct pollfd *fds, size_t n) {
    for (size_t i = 0; set != NULL && i < set->__nfds; i++) {
        size_t at = 0;
        int fd = set->__fds[i];
        if (fd >= limit) continue;
        while (at < n && fds[at].fd != fd) at++;
        if (at == n) fds[n++] = (struct pollfd){.fd = fd, .events = 0};
        fds[at].events |= events;
    }
    return n;
}

/* Leaves in a set what is ready; says how many. */
static int keep(fd_set *set, short bits, const struct pollfd *fds, size_t n) {
    fd_set old;
    if (set == NULL) return 0;
    FD_COPY(set, &old);
    FD_ZERO(set);
    for (size_t i = 0; i < n; i++) {
        if ((fds[i].revents & bits) != 0 && FD_ISSET(fds[i].fd, &old)) FD_SET(fds[i].fd, set);
    }
    return (int)set->__nfds;
}

static int select_ns(int limit, fd_set *in, fd_set *out, fd_set *except, int64_t timeout_ns) {
    if (limit < 0 || limit > FD_SETSIZE) return agentos_result(EINVAL);
    struct pollfd *fds = malloc(sizeof *fds * 2 * FD_SETSIZE);
    if (fds == NULL) return agentos_result(ENOMEM);
    size_t n = wanted(out, POLLOUT, limit, fds, wanted(in, POLLIN, limit, fds, 0));
    int result = wait_for(fds, n, timeout_ns);
    for (size_t i = 0; result >= 0 && i < n; i++) {
        if ((fds[i].revents & POLLNVAL) != 0) result = agentos_result(EBADF);
    }
    if (result >= 0) {
        result = keep(in, POLLIN | POLLHUP | POLLERR, fds, n) + keep(out, POLLOUT | POLLERR, fds, n);
        /* There is no urgent data. */
        if (except != NULL) FD_ZERO(except);
    }
    free(fds);
    return result;
}

int pselect(int limit, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
            const struct timespec *restrict timeout, const sigset_t *restrict mask) {
    /* This libc has no signal masks. */
    if (mask != NULL) return agentos_result(ENOSYS);
    if (timeout == NULL) return select_ns(limit, in, out, except, -1);
    if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= NS_PER_S) return agentos_result(EINVAL);
    int64_t seconds = timeout->tv_sec < INT32_MAX ? timeout->tv_sec : INT32_MAX;
    return select_ns(limit, in, out, except, seconds * NS_PER_S + timeout->tv_nsec);
}

int select(int limit, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
           struct timeval *restrict timeout) {
    if (timeout == NULL) return select_ns(limit, in, out, except, -1);
    if (timeout->tv_sec < 0 || timeout->tv_usec < 0) return agentos_result(EINVAL);
    int64_t seconds = timeout->tv_sec < INT32_MAX ? timeout->tv_sec : INT32_MAX;
    return select_ns(limit, in, out, except, seconds * NS_PER_S + (int64_t)timeout->tv_usec * 1000);
}

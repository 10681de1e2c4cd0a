/* Sockets. The kernel's form of an address is bytes (crates/abi/src/net.rs); this turns it into C's and back. */
#include "agentos.h"
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <wasi/api.h>

#define ADDRESS_MAX (2 + 108)
#define INET_LEN 8
#define INET6_LEN 28

/* Flags that the kernel knows, and those that mean nothing here and may be given. */
#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)
#define SEND_IGNORED (MSG_MORE | MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE)
#define RECEIVE_FLAGS (MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT)
#define RECEIVE_IGNORED (MSG_NOSIGNAL | MSG_CMSG_CLOEXEC)

static void put16(uint8_t *to, uint16_t value) {
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

static uint16_t take16(const uint8_t *from) { return (uint16_t)(from[0] | from[1] << 8); }

/* Length of the encoded address, or 0 with errno set. */
static size_t encode(const struct sockaddr *address, socklen_t len, uint8_t out[ADDRESS_MAX]) {
    if (address == NULL || len < sizeof(sa_family_t)) {
        errno = EINVAL;
        return 0;
    }
    put16(out, address->sa_family);
    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        put16(out + 2, ntohs(in->sin_port));
        memcpy(out + 4, &in->sin_addr, 4);
        return INET_LEN;
    }
    if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        uint32_t flow = ntohl(in->sin6_flowinfo), scope = in->sin6_scope_id;
        put16(out + 2, ntohs(in->sin6_port));
        memcpy(out + 4, &flow, 4);
        memcpy(out + 8, &in->sin6_addr, 16);
        memcpy(out + 24, &scope, 4);
        return INET6_LEN;
    }
    if (address->sa_family == AF_UNIX && len <= sizeof(struct sockaddr_un)) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)address;
        size_t room = len - sizeof(sa_family_t);
        /* A path ends at its NUL; an abstract name has no end but its length. */
        if (room > 0 && un->sun_path[0] != 0) room = strnlen(un->sun_path, room);
        memcpy(out + 2, un->sun_path, room);
        return 2 + room;
    }
    errno = address->sa_family == AF_INET || address->sa_family == AF_INET6 || address->sa_family == AF_UNIX
                ? EINVAL
                : EAFNOSUPPORT;
    return 0;
}

/* Writes as much as there is room for; *len becomes the whole length. */
static void decode(const uint8_t *bytes, size_t got, struct sockaddr *restrict out, socklen_t *restrict len) {
    struct sockaddr_storage whole;
    socklen_t full = 0;
    if (out == NULL || len == NULL) return;
    memset(&whole, 0, sizeof whole);
    if (got > ADDRESS_MAX) got = ADDRESS_MAX;
    if (got >= 2) {
        whole.ss_family = take16(bytes);
        full = sizeof(sa_family_t);
    }
    if (whole.ss_family == AF_INET && got >= INET_LEN) {
        struct sockaddr_in *in = (struct sockaddr_in *)&whole;
        in->sin_port = htons(take16(bytes + 2));
        memcpy(&in->sin_addr, bytes + 4, 4);
        full = sizeof *in;
    } else if (whole.ss_family == AF_INET6 && got >= INET6_LEN) {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&whole;
        uint32_t flow;
        memcpy(&flow, bytes + 4, 4);
        in->sin6_port = htons(take16(bytes + 2));
        in->sin6_flowinfo = htonl(flow);
        memcpy(&in->sin6_addr, bytes + 8, 16);
        memcpy(&in->sin6_scope_id, bytes + 24, 4);
        full = sizeof *in;
    } else if (whole.ss_family == AF_UNIX && got > 2) {
        struct sockaddr_un *un = (struct sockaddr_un *)&whole;
        memcpy(un->sun_path, bytes + 2, got - 2);
        full = (socklen_t)got;
        /* The NUL of a path counts. */
        if (un->sun_path[0] != 0 && got < ADDRESS_MAX) full++;
    }
    memcpy(out, &whole, full < *len ? full : *len);
    *len = full;
}

int socket(int domain, int kind, int protocol) {
    uint32_t fd;
    uint32_t err = agentos_sock_open((uint32_t)domain, (uint32_t)kind | SOCK_CLOEXEC, (uint32_t)protocol, &fd);
    return err != 0 ? agentos_result(err) : (int)fd;
}

int socketpair(int domain, int kind, int protocol, int fds[2]) {
    uint32_t a, b;
    if (protocol != 0) return agentos_result(EPROTONOSUPPORT);
    uint32_t err = agentos_sock_pair((uint32_t)domain, (uint32_t)kind | SOCK_CLOEXEC, &a, &b);
    if (err != 0) return agentos_result(err);
    fds[0] = (int)a;
    fds[1] = (int)b;
    return 0;
}

int bind(int fd, const struct sockaddr *address, socklen_t len) {
    uint8_t bytes[ADDRESS_MAX];
    size_t n = encode(address, len, bytes);
    return n == 0 ? -1 : agentos_result(agentos_sock_bind((uint32_t)fd, bytes, n));
}

int listen(int fd, int backlog) {
    return agentos_result(agentos_sock_listen((uint32_t)fd, backlog < 0 ? 0 : (uint32_t)backlog));
}

int connect(int fd, const struct sockaddr *address, socklen_t len) {
    uint8_t bytes[ADDRESS_MAX];
    size_t n = encode(address, len, bytes);
    return n == 0 ? -1 : agentos_result(agentos_sock_connect((uint32_t)fd, bytes, n));
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict len, int flags) {
    uint8_t bytes[ADDRESS_MAX];
    uint32_t out;
    size_t n = 0;
    uint32_t err =
        agentos_sock_accept_from((uint32_t)fd, (uint32_t)flags | SOCK_CLOEXEC, bytes, sizeof bytes, &out, &n);
    if (err != 0) return agentos_result(err);
    decode(bytes, n, address, len);
    return (int)out;
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict len) {
    return accept4(fd, address, len, 0);
}

static int name_of(int fd, uint32_t peer, struct sockaddr *restrict address, socklen_t *restrict len) {
    uint8_t bytes[ADDRESS_MAX];
    size_t n = 0;
    uint32_t err = agentos_sock_name((uint32_t)fd, peer, bytes, sizeof bytes, &n);
    if (err != 0) return agentos_result(err);
    decode(bytes, n, address, len);
    return 0;
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict len) {
    return name_of(fd, 0, address, len);
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict len) {
    return name_of(fd, 1, address, len);
}

int shutdown(int fd, int how) {
    static const __wasi_sdflags_t flags[] = {__WASI_SDFLAGS_RD, __WASI_SDFLAGS_WR,
                                             __WASI_SDFLAGS_RD | __WASI_SDFLAGS_WR};
    if (how < SHUT_RD || how > SHUT_RDWR) return agentos_result(EINVAL);
    return agentos_result(__wasi_sock_shutdown(fd, flags[how]));
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict len) {
    size_t n = 0;
    uint32_t err = agentos_sock_opt_get((uint32_t)fd, (uint32_t)level, (uint32_t)name, value, *len, &n);
    if (err != 0) return agentos_result(err);
    *len = (socklen_t)n;
    return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len) {
    return agentos_result(agentos_sock_opt_set((uint32_t)fd, (uint32_t)level, (uint32_t)name, value, len));
}

int sockatmark(int fd) {
    (void)fd; /* There is no urgent data. */
    return 0;
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len) {
    uint8_t bytes[ADDRESS_MAX];
    size_t to_n = 0, n = 0;
    if ((flags & ~(SEND_FLAGS | SEND_IGNORED)) != 0) return agentos_result(EOPNOTSUPP);
    if (to != NULL && (to_n = encode(to, to_len, bytes)) == 0) return -1;
    uint32_t err = agentos_sock_send_to((uint32_t)fd, data, len, (uint32_t)(flags & SEND_FLAGS), bytes, to_n, &n);
    return err != 0 ? agentos_result(err) : (ssize_t)n;
}

ssize_t send(int fd, const void *data, size_t len, int flags) { return sendto(fd, data, len, flags, NULL, 0); }

static ssize_t receive(int fd, void *data, size_t len, int flags, struct sockaddr *restrict from,
                       socklen_t *restrict from_len, int *result) {
    uint8_t bytes[ADDRESS_MAX];
    uint32_t got_flags = 0;
    size_t n = 0, from_n = 0;
    if ((flags & ~(RECEIVE_FLAGS | RECEIVE_IGNORED)) != 0) return agentos_result(EOPNOTSUPP);
    uint32_t err = agentos_sock_recv_from((uint32_t)fd, data, len, (uint32_t)(flags & RECEIVE_FLAGS), bytes,
                                          sizeof bytes, &n, &got_flags, &from_n);
    if (err != 0) return agentos_result(err);
    decode(bytes, from_n, from, from_len);
    *result = (int)got_flags;
    return (ssize_t)n;
}

ssize_t recvfrom(int fd, void *restrict data, size_t len, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict from_len) {
    int ignored;
    return receive(fd, data, len, flags, from, from_len, &ignored);
}

ssize_t recv(int fd, void *data, size_t len, int flags) { return recvfrom(fd, data, len, flags, NULL, NULL); }

/* Bytes of all pieces of a message, or -1 with errno set. */
static ssize_t total(const struct msghdr *message) {
    size_t sum = 0;
    if (message->msg_iovlen < 0) return agentos_result(EMSGSIZE);
    for (int i = 0; i < message->msg_iovlen; i++) {
        size_t len = message->msg_iov[i].iov_len;
        if (len > (size_t)PTRDIFF_MAX - sum) return agentos_result(EINVAL);
        sum += len;
    }
    return (ssize_t)sum;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    ssize_t len = total(message);
    if (len < 0) return -1;
    if (message->msg_controllen > 0) return agentos_result(EOPNOTSUPP);
    if (message->msg_iovlen == 1) {
        return sendto(fd, message->msg_iov[0].iov_base, (size_t)len, flags, message->msg_name, message->msg_namelen);
    }
    char *whole = malloc((size_t)len + 1), *at = whole;
    if (whole == NULL) return agentos_result(ENOMEM);
    for (int i = 0; i < message->msg_iovlen; i++) {
        size_t n = message->msg_iov[i].iov_len;
        if (n > 0) memcpy(at, message->msg_iov[i].iov_base, n);
        at += n;
    }
    ssize_t sent = sendto(fd, whole, (size_t)len, flags, message->msg_name, message->msg_namelen);
    free(whole);
    return sent;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    ssize_t len = total(message);
    if (len < 0) return -1;
    socklen_t *name_len = message->msg_name == NULL ? NULL : &message->msg_namelen;
    message->msg_controllen = 0;
    if (message->msg_iovlen == 1) {
        return receive(fd, message->msg_iov[0].iov_base, (size_t)len, flags, message->msg_name, name_len,
                       &message->msg_flags);
    }
    char *whole = malloc((size_t)len + 1), *at = whole;
    if (whole == NULL) return agentos_result(ENOMEM);
    ssize_t got = receive(fd, whole, (size_t)len, flags, message->msg_name, name_len, &message->msg_flags);
    for (ssize_t i = 0, left = got; left > 0 && i < message->msg_iovlen; i++) {
        size_t n = message->msg_iov[i].iov_len;
        if (n > (size_t)left) n = (size_t)left;
        memcpy(message->msg_iov[i].iov_base, at, n);
        at += n;
        left -= (ssize_t)n;
    }
    free(whole);
    return got;
}

#include "call.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/un.h>
// Making, naming, connecting and shutting sockets of the internet, and their options.
static int plain, ends[2];

static struct sockaddr_in v4(const char *ip, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ip, &address.sin_addr);
    return address;
}

static int made(int type) { return socket(AF_INET, type, 0); }

// A socket that is bound to a free port of the loopback; `at` becomes where.
static int bound(int type, struct sockaddr_in *at) {
    int fd = made(type);
    *at = v4("127.0.0.1", 0);
    socklen_t len = sizeof *at;
    if (bind(fd, (void *)at, len) || getsockname(fd, (void *)at, &len)) printf("bound %d\n", errno);
    return fd;
}

static int listening(struct sockaddr_in *at) {
    int fd = bound(SOCK_STREAM, at);
    if (listen(fd, 8)) printf("listening %d\n", errno);
    return fd;
}

#define MADE(what, ...) do { errno = 0; int fd = syscall(SYS_socket, __VA_ARGS__); line("socket", what, fd < 0 ? -errno : 0); close(fd); } while (0)

static void making(void) {
    MADE("stream", AF_INET, SOCK_STREAM, 0);
    MADE("stream_tcp", AF_INET, SOCK_STREAM, IPPROTO_TCP);
    MADE("datagram", AF_INET, SOCK_DGRAM, 0);
    MADE("datagram_udp", AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    MADE("stream_udp", AF_INET, SOCK_STREAM, IPPROTO_UDP);
    MADE("datagram_tcp", AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    MADE("sequence", AF_INET, SOCK_SEQPACKET, 0);
    MADE("raw", AF_INET, SOCK_RAW, IPPROTO_TCP);
    MADE("packet", AF_PACKET, SOCK_RAW, 0);
    MADE("unix", AF_UNIX, SOCK_STREAM, 0);
    MADE("unix_named", AF_UNIX, SOCK_STREAM, AF_UNIX);
    MADE("unix_sequence", AF_UNIX, SOCK_SEQPACKET, 0);
    MADE("unix_raw", AF_UNIX, SOCK_RAW, 0);
    MADE("unix_protocol", AF_UNIX, SOCK_STREAM, 5);
    MADE("unix_rdm", AF_UNIX, SOCK_RDM, 0);
    MADE("family", 77, SOCK_STREAM, 0);
    MADE("family_negative", -1, SOCK_STREAM, 0);
    MADE("family_none", AF_UNSPEC, SOCK_STREAM, 0);
    MADE("type_none", AF_INET, 0, 0);
    MADE("type_large", AF_INET, 11, 0);
    MADE("type_flags", AF_INET, SOCK_STREAM | 0x10000, 0);
    MADE("protocol_negative", AF_INET, SOCK_STREAM, -1);
    MADE("protocol_large", AF_INET, SOCK_STREAM, 100000);
    MADE("protocol_unknown", AF_INET, SOCK_STREAM, 200);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    SEEN(socket, "nonblocking", (fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE)) == (O_NONBLOCK | O_RDWR));
    SEEN(socket, "closing", fcntl(fd, F_GETFD));
    close(fd);
    struct rlimit old, none = {0, 0};
    getrlimit(RLIMIT_NOFILE, &old);
    none.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_NOFILE, &none);
    MADE("too_many", AF_INET, SOCK_STREAM, 0);
    setrlimit(RLIMIT_NOFILE, &old);
    int pair[2];
    CASE(socketpair, "unix", AF_UNIX, SOCK_STREAM, 0, pair);
    VALUE("socketpair.write", write(pair[0], "ab", 2));
    close(pair[0]); close(pair[1]);
    CASE(socketpair, "datagrams", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair);
    SEEN(socketpair, "closing", fcntl(pair[0], F_GETFD));
    CASE(socketpair, "inet", AF_INET, SOCK_STREAM, 0, pair);
    CASE(socketpair, "family", 77, SOCK_STREAM, 0, pair);
    CASE(socketpair, "type", AF_UNIX, 0, 0, pair);
    CASE(socketpair, "flags", AF_UNIX, SOCK_STREAM | 0x10000, 0, pair);
    CASE(socketpair, "protocol", AF_UNIX, SOCK_STREAM, 7, pair);
    CASE(socketpair, "fault", AF_UNIX, SOCK_STREAM, 0, BAD);
    CASE(socketpair, "datagrams_fault", AF_UNIX, SOCK_DGRAM, 0, BAD);
}

static void binding(void) {
    struct sockaddr_in at = v4("127.0.0.1", 0), taken, other = v4("192.0.2.1", 0);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "x"};
    char large[200] = {2};
    for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
        const char *of = type == SOCK_STREAM ? "stream" : "datagram";
        char what[64];
#define BIND(name, fd, ...) do { sprintf(what, "%s_%s", of, name); CASE(bind, what, fd, __VA_ARGS__); } while (0)
        int fd = made(type), second = made(type), holder = bound(type, &taken);
        BIND("fault", fd, BAD, sizeof at);
        BIND("short", fd, &at, 8);
        BIND("tiny", fd, &at, 1);
        BIND("nothing", fd, &at, 0);
        BIND("negative", fd, &at, -1);
        BIND("large", fd, large, sizeof large);
        BIND("longer", fd, &at, 28);
        BIND("again", fd, &at, sizeof at);
        BIND("six", second, &six, sizeof six);
        BIND("unix", second, &un, sizeof un);
        BIND("not_here", second, &other, sizeof other);
        BIND("taken", second, &taken, sizeof taken);
        close(fd); close(second); close(holder);
    }
    int fd = made(SOCK_STREAM);
    at.sin_family = AF_UNSPEC;
    CASE(bind, "unspecified", fd, &at, sizeof at);
    close(fd);
    fd = made(SOCK_STREAM);
    at = v4("0.0.0.0", 0);
    at.sin_family = AF_UNSPEC;
    CASE(bind, "unspecified_any", fd, &at, sizeof at);
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    six.sin6_addr = in6addr_loopback;
    CASE(bind, "six", fd, &six, sizeof six);
    at = v4("127.0.0.1", 0);
    CASE(bind, "four_on_six", fd, &at, sizeof at);
    close(fd);
    CASE(bind, "shut", SHUT, &at, sizeof at);
    CASE(bind, "file", plain, &at, sizeof at);
    CASE(bind, "pipe", ends[0], &at, sizeof at);
    CASE(listen, "shut", SHUT, 1);
    CASE(listen, "file", plain, 1);
    fd = made(SOCK_DGRAM);
    CASE(listen, "datagram", fd, 1);
    close(fd);
    fd = bound(SOCK_STREAM, &at);
    CASE(listen, "one", fd, 1);
    CASE(listen, "again", fd, 5);
    CASE(listen, "negative", fd, -1);
    int value; socklen_t len = sizeof value;
    CASE(getsockopt, "listens", fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len);
    SEEN(getsockopt, "listens_is", value);
    int second = made(SOCK_STREAM), on = 1;
    CASE(setsockopt, "reuse", second, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CASE(bind, "taken_by_listener", second, &at, sizeof at);
    close(second); close(fd);
    // With reuse two may be bound, and one may listen.
    int one = made(SOCK_STREAM), two = made(SOCK_STREAM);
    setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(two, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    at = v4("127.0.0.1", 0);
    bind(one, (void *)&at, sizeof at);
    len = sizeof at;
    getsockname(one, (void *)&at, &len);
    CASE(bind, "shared", two, &at, sizeof at);
    CASE(listen, "first", one, 1);
    CASE(listen, "in_use", two, 1);
    close(one); close(two);
}

static void connecting(void) {
    struct sockaddr_in at, none = {.sin_family = AF_UNSPEC}, from, got;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    int server = listening(&at), fd = made(SOCK_STREAM);
    CASE(connect, "shut", SHUT, &at, sizeof at);
    CASE(connect, "file", plain, &at, sizeof at);
    CASE(connect, "fault", fd, BAD, sizeof at);
    CASE(connect, "short", fd, &at, 8);
    CASE(connect, "tiny", fd, &at, 1);
    CASE(connect, "negative", fd, &at, -1);
    CASE(connect, "six", fd, &six, sizeof six);
    CASE(getpeername, "not_connected", fd, &from, &(socklen_t){sizeof from});
    CASE(shutdown, "not_connected", fd, SHUT_WR);
    CASE(connect, "listener", fd, &at, sizeof at);
    CASE(connect, "again", fd, &at, sizeof at);
    CASE(connect, "of_listener", server, &at, sizeof at);
    CASE(listen, "connected", fd, 1);
    socklen_t len = sizeof got;
    CASE(accept4, "flags", server, 0, 0, 1);
    errno = 0;
    int peer = syscall(SYS_accept4, server, &got, &len, SOCK_CLOEXEC);
    SEEN(accept4, "taken", peer < 0 ? -errno : 0);
    SEEN(accept4, "length", len);
    SEEN(accept4, "family", got.sin_family);
    SEEN(accept4, "closing", fcntl(peer, F_GETFD));
    len = sizeof from;
    CASE(getsockname, "of_client", fd, &from, &len);
    SEEN(accept4, "peer", from.sin_port == got.sin_port && from.sin_addr.s_addr == got.sin_addr.s_addr);
    CASE(getpeername, "of_client", fd, &from, &(socklen_t){sizeof from});
    SEEN(getpeername, "is", from.sin_port == at.sin_port);
    memset(&got, 0x55, sizeof got);
    len = 4;
    CASE(getsockname, "cut", fd, &got, &len);
    SEEN(getsockname, "cut_length", len);
    SEEN(getsockname, "cut_kept", got.sin_addr.s_addr == 0x55555555);
    len = -1;
    CASE(getsockname, "negative", fd, &got, &len);
    CASE(getsockname, "fault", fd, BAD, &(socklen_t){sizeof got});
    CASE(getsockname, "length_fault", fd, &got, BAD);
    CASE(getsockname, "shut", SHUT, &got, &(socklen_t){sizeof got});
    CASE(getsockname, "file", plain, &got, &(socklen_t){sizeof got});
    len = -1;
    CASE(getpeername, "negative", fd, &got, &len);
    CASE(getpeername, "fault", fd, BAD, &(socklen_t){sizeof got});
    CASE(getpeername, "shut", SHUT, &got, &(socklen_t){sizeof got});
    CASE(getpeername, "file", plain, &got, &(socklen_t){sizeof got});
    CASE(getpeername, "of_listener", server, &got, &(socklen_t){sizeof got});
    CASE(shutdown, "how", fd, 3);
    CASE(shutdown, "shut", SHUT, SHUT_RD);
    CASE(shutdown, "file", plain, SHUT_RD);
    CASE(shutdown, "write", fd, SHUT_WR);
    char c;
    VALUE("shutdown.end", read(peer, &c, 1));
    VALUE("shutdown.other_way", write(peer, "x", 1));
    VALUE("shutdown.arrives", read(fd, &c, 1));
    signal(SIGPIPE, SIG_IGN);
    VALUE("shutdown.broken", write(fd, "x", 1));
    close(fd); close(peer);
    // Nobody waits.
    fcntl(server, F_SETFL, O_NONBLOCK);
    CASE(accept4, "nobody", server, 0, 0, 0);
    CASE(accept, "nobody", server, 0, 0);
    CASE(accept, "shut", SHUT, 0, 0);
    CASE(accept, "file", plain, 0, 0);
    CASE(accept4, "shut", SHUT, 0, 0, 0);
    CASE(accept4, "file", plain, 0, 0, 0);
    fd = made(SOCK_DGRAM);
    CASE(accept, "datagram", fd, 0, 0);
    CASE(accept4, "datagram", fd, 0, 0, 0);
    close(fd);
    fd = made(SOCK_STREAM);
    CASE(accept, "unbound", fd, 0, 0);
    CASE(accept4, "unbound", fd, 0, 0, 0);
    fcntl(server, F_SETFL, 0);
    connect(fd, (void *)&at, sizeof at);
    CASE(accept, "fault", server, BAD, &(socklen_t){sizeof got});
    close(fd);
    fd = made(SOCK_STREAM);
    connect(fd, (void *)&at, sizeof at);
    CASE(accept, "length_fault", server, &got, BAD);
    close(fd);
    fd = made(SOCK_STREAM);
    connect(fd, (void *)&at, sizeof at);
    CASE(accept, "length_negative", server, &got, &(socklen_t){-1});
    close(fd);
    fd = made(SOCK_STREAM);
    connect(fd, (void *)&at, sizeof at);
    CASE(accept, "without_name", server, 0, 0);
    close(fd);
    // Without waiting.
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CASE(connect, "without_waiting", fd, &at, sizeof at);
    struct pollfd ready = {fd, POLLOUT};
    poll(&ready, 1, -1);
    int error = 77;
    socklen_t room = sizeof error;
    CASE(getsockopt, "error", fd, SOL_SOCKET, SO_ERROR, &error, &room);
    SEEN(getsockopt, "error_is", error);
    CASE(connect, "without_waiting_done", fd, &at, sizeof at);
    close(fd);
    // Datagrams change their peer, and lose it.
    fd = bound(SOCK_DGRAM, &from);
    CASE(connect, "datagram", fd, &from, sizeof from);
    CASE(getpeername, "datagram", fd, &got, &(socklen_t){sizeof got});
    CASE(connect, "datagram_again", fd, &from, sizeof from);
    CASE(connect, "datagram_none", fd, &none, sizeof none);
    CASE(getpeername, "datagram_none", fd, &got, &(socklen_t){sizeof got});
    close(fd);
    close(server);
}

int main(void) {
    ordinary();
    put("plain", "x");
    plain = open("plain", O_RDWR);
    pipe(ends);
    making();
    binding();
    connecting();
    return 0;
}

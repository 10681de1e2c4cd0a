/* What an ordinary C program does with BSD sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int probe_main(int argc, char **argv);

/* Ends the program with the line and the error unless the condition holds. */
#define MUST(what)                                                                       \
    do {                                                                                 \
        if (!(what)) {                                                                   \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #what, strerror(errno)); \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

static struct sockaddr_in local(int fd) {
    struct sockaddr_in out;
    socklen_t len = sizeof out;
    MUST(getsockname(fd, (struct sockaddr *)&out, &len) == 0 && len == sizeof out && out.sin_family == AF_INET);
    return out;
}

static int listener(void) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    MUST(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    MUST(bind(fd, (struct sockaddr *)&any, sizeof any) == 0 && listen(fd, 5) == 0);
    return fd;
}

static void streams(void) {
    char buffer[16];
    int from = listener(), client = socket(AF_INET, SOCK_STREAM, 0), on = 1, kind = 0;
    struct sockaddr_in address = local(from), peer;
    socklen_t len = sizeof peer;
    MUST(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    int server = accept(from, (struct sockaddr *)&peer, &len);
    MUST(server >= 0 && peer.sin_port == local(client).sin_port);
    MUST(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    len = sizeof kind;
    MUST(getsockopt(client, SOL_SOCKET, SO_TYPE, &kind, &len) == 0 && kind == SOCK_STREAM);
    MUST(send(client, "hello", 5, MSG_NOSIGNAL) == 5 && recv(server, buffer, 16, MSG_PEEK) == 5);
    MUST(recv(server, buffer, 16, MSG_DONTWAIT) == 5 && memcmp(buffer, "hello", 5) == 0);
    MUST(recv(server, buffer, 16, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    struct timeval soon = {.tv_usec = 10000};
    MUST(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon) == 0);
    MUST(recv(server, buffer, 16, 0) == -1 && errno == EAGAIN);
    MUST(shutdown(client, SHUT_WR) == 0 && recv(server, buffer, 16, 0) == 0);
    MUST(write(server, "back", 4) == 4 && read(client, buffer, 16) == 4);
    close(client);
    close(server);
    close(from);
}

static void waiting(void) {
    char buffer[4];
    int from = listener(), client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = local(from);
    struct pollfd fds[] = {{.fd = from, .events = POLLIN}, {.fd = -1, .events = POLLIN}, {.fd = client, .events = POLLOUT}};
    MUST(poll(fds, 1, 0) == 0);
    MUST(connect(client, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS);
    MUST(poll(fds, 3, 1000) == 2 && fds[0].revents == POLLIN && fds[1].revents == 0 && fds[2].revents == POLLOUT);
    int server = accept(from, NULL, NULL);
    fd_set in, out;
    struct timeval none = {0};
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(server, &in);
    FD_SET(server, &out);
    MUST(select(server + 1, &in, &out, NULL, &none) == 1 && !FD_ISSET(server, &in) && FD_ISSET(server, &out));
    MUST(send(client, "x", 1, 0) == 1);
    FD_ZERO(&in);
    FD_SET(server, &in);
    MUST(select(server + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(server, &in) && recv(server, buffer, 4, 0) == 1);
    close(client);
    struct pollfd end = {.fd = server, .events = POLLIN};
    MUST(poll(&end, 1, 1000) == 1 && (end.revents & POLLIN) != 0 && recv(server, buffer, 4, 0) == 0);
    close(server);
    close(from);
    end = (struct pollfd){.fd = server, .events = POLLIN};
    MUST(poll(&end, 1, 1000) == 1 && end.revents == POLLNVAL);
}

static void messages(void) {
    char first[3], second[8];
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, to, from;
    MUST(bind(a, (struct sockaddr *)&any, sizeof any) == 0 && bind(b, (struct sockaddr *)&any, sizeof any) == 0);
    to = local(b);
    struct iovec out[] = {{"one", 3}, {"two", 3}}, in[] = {{first, 3}, {second, 8}};
    struct msghdr send_it = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = out, .msg_iovlen = 2};
    struct msghdr take_it = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = in, .msg_iovlen = 2};
    MUST(sendmsg(a, &send_it, 0) == 6 && recvmsg(b, &take_it, 0) == 6);
    MUST(memcmp(first, "one", 3) == 0 && memcmp(second, "two", 3) == 0 && from.sin_port == local(a).sin_port);
    MUST(take_it.msg_flags == 0 && take_it.msg_controllen == 0);
    MUST(sendto(a, "longer", 6, 0, (struct sockaddr *)&to, sizeof to) == 6);
    take_it.msg_iovlen = 1;
    MUST(recvmsg(b, &take_it, 0) == 3 && (take_it.msg_flags & MSG_TRUNC) != 0);
    close(a);
    close(b);
}

static void unix_sockets(void) {
    char buffer[8];
    int pair[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "/tmp/probe.socket"}, got;
    socklen_t len = sizeof got;
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && send(pair[0], "pair", 4, 0) == 4);
    MUST(recv(pair[1], buffer, 8, 0) == 4);
    MUST(bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 1) == 0);
    MUST(getsockname(fd, (struct sockaddr *)&got, &len) == 0 && strcmp(got.sun_path, name.sun_path) == 0);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(connect(client, (struct sockaddr *)&name, sizeof name) == 0);
    MUST(unlink(name.sun_path) == 0);
    close(client);
    close(fd);
}

static void text(void) {
    static const char *const six[] = {"::", "::1", "fe80::1", "1:2:3:4:5:6:7:8", "1::8", "::ffff:1.2.3.4", "0:1::", "2001:db8::1:0:0:1"};
    static const char *const not_six[] = {"", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "1:", "::1.2.3", "g::"};
    char out[INET6_ADDRSTRLEN];
    struct in6_addr address;
    struct in_addr four;
    for (size_t i = 0; i < sizeof six / sizeof *six; i++) {
        MUST(inet_pton(AF_INET6, six[i], &address) == 1 && inet_ntop(AF_INET6, &address, out, sizeof out) == out);
        if (strcmp(six[i], "0:1::") != 0) MUST(strcmp(out, six[i]) == 0);
    }
    for (size_t i = 0; i < sizeof not_six / sizeof *not_six; i++) MUST(inet_pton(AF_INET6, not_six[i], &address) == 0);
    MUST(inet_pton(AF_INET, "1.2.3.4", &four) == 1 && inet_addr("1.2.3.4") == four.s_addr);
    MUST(inet_pton(AF_INET, "1.2.3", &four) == 0 && inet_pton(AF_INET, "1.2.3.256", &four) == 0);
    MUST(strcmp(inet_ntoa((struct in_addr){htonl(0x7f000001)}), "127.0.0.1") == 0);
    MUST(inet_ntop(AF_INET, &four, out, 4) == NULL && errno == ENOSPC);
}

static void names(void) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME}, *found;
    char host[NI_MAXHOST], serv[NI_MAXSERV];
    MUST(getaddrinfo("localhost", "http", &hints, &found) == 0 && found->ai_next == NULL);
    MUST(strcmp(found->ai_canonname, "localhost") == 0);
    MUST(((struct sockaddr_in *)found->ai_addr)->sin_port == htons(80));
    MUST(getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof host, serv, sizeof serv, 0) == 0);
    MUST(strcmp(host, "localhost") == 0 && strcmp(serv, "http") == 0);
    freeaddrinfo(found);
    MUST(getaddrinfo("::1", "53", NULL, &found) == 0 && found->ai_family == AF_INET6 && found->ai_next != NULL);
    freeaddrinfo(found);
    MUST(getaddrinfo("localhost", "no-such-service", &hints, &found) == EAI_SERVICE);
    hints.ai_flags = AI_NUMERICHOST;
    MUST(getaddrinfo("localhost", "1", &hints, &found) == EAI_NONAME);
    struct hostent *old = gethostbyname("localhost");
    MUST(old != NULL && old->h_length == 4 && memcmp(old->h_addr, "\x7f\0\0\1", 4) == 0);
    MUST(gethostbyname("") == NULL && h_errno == HOST_NOT_FOUND);
    MUST(getservbyname("domain", "udp")->s_port == htons(53));
    MUST(gethostname(host, sizeof host) == 0 && strlen(host) > 0);
}

static int check(void) {
    static const struct {
        const char *name;
        void (*run)(void);
    } all[] = {{"streams", streams}, {"waiting", waiting}, {"messages", messages},
               {"unix", unix_sockets}, {"text", text},       {"names", names}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        all[i].run();
        puts(all[i].name);
    }
    return 0;
}

/* Sends a text to the first address that takes it, prints the answer. */
static int talk(const char *host, const char *port, const char *said) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int result = getaddrinfo(host, port, &hints, &found), fd = -1;
    if (result != 0) {
        fprintf(stderr, "%s: %s\n", host, result == EAI_SYSTEM ? strerror(errno) : gai_strerror(result));
        return 1;
    }
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", host, strerror(errno));
        return 1;
    }
    char buffer[512];
    ssize_t n;
    MUST(send(fd, said, strlen(said), 0) == (ssize_t)strlen(said) && shutdown(fd, SHUT_WR) == 0);
    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) fwrite(buffer, 1, (size_t)n, stdout);
    putchar('\n');
    close(fd);
    return n == 0 ? 0 : 1;
}

int probe_main(int argc, char **argv) {
    if (argc == 1 && strcmp(argv[0], "check") == 0) return check();
    if (argc == 4 && strcmp(argv[0], "talk") == 0) return talk(argv[1], argv[2], argv[3]);
    return 2;
}

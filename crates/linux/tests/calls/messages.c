#include "call.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
// Messages: of datagrams and of streams, with addresses and without.
static int plain;

static int bound(struct sockaddr_in *at) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof *at;
    if (bind(fd, (void *)at, len) || getsockname(fd, (void *)at, &len)) printf("bound %d\n", errno);
    return fd;
}
static void connected(int out[2]) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bind(server, (void *)&at, len);
    getsockname(server, (void *)&at, &len);
    listen(server, 1);
    out[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(out[0], (void *)&at, sizeof at)) printf("connected %d\n", errno);
    out[1] = accept(server, 0, 0);
    close(server);
}
static struct msghdr header(void *name, int len, struct iovec *parts, int count) {
    return (struct msghdr){.msg_name = name, .msg_namelen = len, .msg_iov = parts, .msg_iovlen = count};
}

static void datagrams(void) {
    struct sockaddr_in a, b, got;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons(9)};
    static char large[70000];
    char buf[64] = "";
    socklen_t len = sizeof got;
    int one = bound(&a), two = bound(&b);
    NUMBER(sendto, "named", one, "hello", 5, 0, &b, sizeof b);
    NUMBER(recvfrom, "named", two, buf, sizeof buf, 0, &got, &len);
    SEEN(recvfrom, "name", len == sizeof got && got.sin_port == a.sin_port && !memcmp(buf, "hello", 5));
    NUMBER(sendto, "empty", one, "", 0, 0, &b, sizeof b);
    NUMBER(recvfrom, "empty", two, buf, sizeof buf, 0, &got, &(socklen_t){sizeof got});
    NUMBER(sendto, "no_peer", one, "x", 1, 0, 0, 0);
    NUMBER(sendto, "short_name", one, "x", 1, 0, &b, 8);
    NUMBER(sendto, "no_name", one, "x", 1, 0, &b, 0);
    NUMBER(sendto, "negative_name", one, "x", 1, 0, &b, -1);
    NUMBER(sendto, "fault", one, BAD, 5, 0, &b, sizeof b);
    NUMBER(sendto, "name_fault", one, "x", 1, 0, BAD, sizeof b);
    NUMBER(sendto, "six", one, "x", 1, 0, &six, sizeof six);
    NUMBER(sendto, "too_large", one, large, 65508, 0, &b, sizeof b);
    NUMBER(sendto, "largest", one, large, 65507, 0, &b, sizeof b);
    NUMBER(recvfrom, "largest", two, large, sizeof large, 0, 0, 0);
    got = b;
    got.sin_port = 0;
    NUMBER(sendto, "no_port", one, "x", 1, 0, &got, sizeof got);
    NUMBER(sendto, "urgent", one, "x", 1, MSG_OOB, &b, sizeof b);
    NUMBER(sendto, "shut", SHUT, "x", 1, 0, &b, sizeof b);
    NUMBER(sendto, "file", plain, "x", 1, 0, &b, sizeof b);
    // Cut, looked at, and told how long it was.
    sendto(one, "0123456789", 10, 0, (void *)&b, sizeof b);
    NUMBER(recvfrom, "looked_at", two, buf, 4, MSG_PEEK, 0, 0);
    NUMBER(recvfrom, "whole_length", two, buf, 4, MSG_TRUNC | MSG_PEEK, &got, &(socklen_t){sizeof got});
    NUMBER(recvfrom, "cut", two, buf, 4, 0, &got, &(socklen_t){sizeof got});
    NUMBER(recvfrom, "nothing", two, buf, 4, MSG_DONTWAIT, &got, &(socklen_t){sizeof got});
    NUMBER(recvfrom, "nothing_unnamed", two, buf, 4, MSG_DONTWAIT, 0, 0);
    NUMBER(recvfrom, "shut", SHUT, buf, 4, 0, &got, &(socklen_t){sizeof got});
    NUMBER(recvfrom, "file", plain, buf, 4, 0, &got, &(socklen_t){sizeof got});
    sendto(one, "x", 1, 0, (void *)&b, sizeof b);
    NUMBER(recvfrom, "fault", two, BAD, 4, 0, &got, &(socklen_t){sizeof got});
    sendto(one, "x", 1, 0, (void *)&b, sizeof b);
    NUMBER(recvfrom, "name_fault", two, buf, 4, 0, BAD, &(socklen_t){sizeof got});
    sendto(one, "x", 1, 0, (void *)&b, sizeof b);
    NUMBER(recvfrom, "length_fault", two, buf, 4, 0, &got, BAD);
    sendto(one, "x", 1, 0, (void *)&b, sizeof b);
    NUMBER(recvfrom, "negative_length", two, buf, 4, 0, &got, &(socklen_t){-1});
    while (recv(two, buf, sizeof buf, MSG_DONTWAIT) >= 0) {}
    fcntl(two, F_SETFL, O_NONBLOCK);
    NUMBER(recvfrom, "without_waiting", two, buf, 4, 0, &got, &(socklen_t){sizeof got});
    // In parts.
    struct iovec parts[2] = {{"one", 3}, {"two", 3}}, room[2] = {{buf, 2}, {buf + 10, 20}}, bad = {BAD, 3};
    struct msghdr message = header(&b, sizeof b, parts, 2);
    NUMBER(sendmsg, "parts", one, &message, 0);
    struct msghdr taken = header(&got, sizeof got, room, 2);
    taken.msg_flags = 0x7777;
    NUMBER(recvmsg, "parts", two, &taken, 0);
    SEEN(recvmsg, "places", !memcmp(buf, "on", 2) && !memcmp(buf + 10, "etwo", 4));
    SEEN(recvmsg, "flags", taken.msg_flags);
    SEEN(recvmsg, "name", taken.msg_namelen);
    sendmsg(one, &message, 0);
    taken = header(0, 0, room, 1);
    NUMBER(recvmsg, "cut", two, &taken, 0);
    SEEN(recvmsg, "cut_flags", taken.msg_flags == MSG_TRUNC);
    NUMBER(recvmsg, "nothing", two, &taken, MSG_DONTWAIT);
    NUMBER(recvmsg, "fault", two, BAD, MSG_DONTWAIT);
    NUMBER(recvmsg, "shut", SHUT, &taken, 0);
    NUMBER(recvmsg, "file", plain, &taken, 0);
    NUMBER(sendmsg, "fault", one, BAD, 0);
    NUMBER(sendmsg, "shut", SHUT, &message, 0);
    NUMBER(sendmsg, "file", plain, &message, 0);
    message = header(&b, sizeof b, &bad, 1);
    NUMBER(sendmsg, "part_fault", one, &message, 0);
    message = header(&b, sizeof b, BAD, 1);
    NUMBER(sendmsg, "parts_fault", one, &message, 0);
    message = header(&b, sizeof b, parts, 1025);
    NUMBER(sendmsg, "too_many_parts", one, &message, 0);
    message = header(0, 0, parts, 2);
    NUMBER(sendmsg, "no_peer", one, &message, 0);
    message = header(&b, 3, parts, 2);
    NUMBER(sendmsg, "short_name", one, &message, 0);
    message = header(&b, sizeof b, 0, 0);
    NUMBER(sendmsg, "no_parts", one, &message, 0);
    NUMBER(recvfrom, "no_parts", two, buf, 1, 0, &got, &(socklen_t){sizeof got});
    // Several at once.
    struct mmsghdr many[3] = {{header(&b, sizeof b, parts, 1)}, {header(&b, sizeof b, parts, 2)}, {header(0, 0, parts, 1)}};
    NUMBER(sendmmsg, "until_one_fails", one, many, 3, 0);
    SEEN(sendmmsg, "lengths", many[0].msg_len * 10 + many[1].msg_len);
    NUMBER(sendmmsg, "none", one, many, 0, 0);
    NUMBER(sendmmsg, "first_fails", one, many + 2, 1, 0);
    NUMBER(sendmmsg, "fault", one, BAD, 1, 0);
    NUMBER(sendmmsg, "shut", SHUT, many, 1, 0);
    NUMBER(sendmmsg, "file", plain, many, 1, 0);
    struct mmsghdr got_many[3] = {{header(&got, sizeof got, room, 2)}, {header(0, 0, room, 2)}, {header(0, 0, room, 2)}};
    NUMBER(recvmmsg, "what_is_there", two, got_many, 3, 0, 0);
    SEEN(recvmmsg, "lengths", got_many[0].msg_len * 10 + got_many[1].msg_len);
    NUMBER(recvmmsg, "nothing", two, got_many, 3, 0, 0);
    NUMBER(recvmmsg, "none", two, got_many, 0, 0, 0);
    sendto(one, "x", 1, 0, (void *)&b, sizeof b);
    NUMBER(recvmmsg, "fault", two, BAD, 1, 0, 0);
    NUMBER(recvmmsg, "shut", SHUT, got_many, 1, 0, 0);
    NUMBER(recvmmsg, "file", plain, got_many, 1, 0, 0);
    NUMBER(recvmmsg, "time_fault", two, got_many, 1, 0, BAD);
    struct timespec odd = {0, 1000000000}, none = {0, 0};
    NUMBER(recvmmsg, "time_odd", two, got_many, 1, 0, &odd);
    while (recv(two, buf, sizeof buf, MSG_DONTWAIT) >= 0) {}
    // Connected ones hear of a peer that is gone, and get messages of their peer alone.
    connect(one, (void *)&b, sizeof b);
    NUMBER(sendto, "connected", one, "x", 1, 0, 0, 0);
    struct pollfd ready = {two, POLLIN};
    poll(&ready, 1, -1);
    NUMBER(recvfrom, "of_connected", two, buf, 4, 0, 0, 0);
    NUMBER(sendto, "connected_named", one, "x", 1, 0, &b, sizeof b);
    struct sockaddr_in c;
    int three = bound(&c);
    NUMBER(sendto, "stranger", three, "x", 1, 0, &a, sizeof a);
    NUMBER(recvfrom, "stranger", one, buf, 4, MSG_DONTWAIT, &got, &(socklen_t){sizeof got});
    close(one); close(two); close(three);
}

static void streams(void) {
    int pair[2];
    char buf[64];
    struct sockaddr_in got, name = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    connected(pair);
    signal(SIGPIPE, SIG_IGN);
    NUMBER(sendto, "stream", pair[0], "hello", 5, 0, 0, 0);
    socklen_t len = sizeof got;
    NUMBER(recvfrom, "stream", pair[1], buf, 2, 0, &got, &len);
    SEEN(recvfrom, "stream_name_length", len);
    NUMBER(recvfrom, "stream_looked_at", pair[1], buf, sizeof buf, MSG_PEEK, 0, 0);
    NUMBER(recvfrom, "stream_all", pair[1], buf, 3, MSG_WAITALL, 0, 0);
    NUMBER(recvfrom, "stream_nothing", pair[1], buf, 3, MSG_DONTWAIT, 0, 0);
    NUMBER(sendto, "stream_fault", pair[0], BAD, 5, 0, 0, 0);
    struct iovec parts[2] = {{"one", 3}, {"two", 3}}, room = {buf, sizeof buf};
    struct msghdr message = header(0, 0, parts, 2), taken = header(&got, sizeof got, &room, 1);
    NUMBER(sendmsg, "stream", pair[0], &message, 0);
    NUMBER(recvmsg, "stream", pair[1], &taken, 0);
    SEEN(recvmsg, "stream_name_length", taken.msg_namelen);
    struct mmsghdr many[2] = {{message}, {message}};
    NUMBER(sendmmsg, "stream", pair[0], many, 2, 0);
    NUMBER(recvfrom, "stream_many", pair[1], buf, 12, MSG_WAITALL, 0, 0);
    shutdown(pair[0], SHUT_WR);
    NUMBER(sendto, "stream_broken", pair[0], "x", 1, 0, 0, 0);
    NUMBER(sendmsg, "stream_broken", pair[0], &message, MSG_NOSIGNAL);
    NUMBER(recvfrom, "stream_end", pair[1], buf, 3, 0, 0, 0);
    NUMBER(recvmsg, "stream_end", pair[1], &taken, 0);
    close(pair[0]); close(pair[1]);
    // A signal comes with it unless it is not wanted.
    int status;
    CHILD(status, int p[2]; signal(SIGPIPE, SIG_DFL); connected(p); shutdown(p[0], SHUT_WR); send(p[0], "x", 1, 0));
    SEEN(sendto, "signal", WTERMSIG(status));
    CHILD(status, int p[2]; signal(SIGPIPE, SIG_DFL); connected(p); shutdown(p[0], SHUT_WR); send(p[0], "x", 1, MSG_NOSIGNAL));
    SEEN(sendto, "no_signal", WTERMSIG(status));
}

static void names(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "unix"}, none = {.sun_family = AF_UNIX, .sun_path = "none"}, from;
    int one = socket(AF_UNIX, SOCK_DGRAM, 0), two = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bind(two, (void *)&at, sizeof at);
    char buf[64];
    NUMBER(sendto, "unix", one, "hello", 5, 0, &at, sizeof at);
    socklen_t len = sizeof from;
    NUMBER(recvfrom, "unix", two, buf, sizeof buf, 0, &from, &len);
    SEEN(recvfrom, "unix_unnamed", len);
    NUMBER(sendto, "unix_no_peer", one, "x", 1, 0, 0, 0);
    NUMBER(sendto, "unix_missing", one, "x", 1, 0, &none, sizeof none);
    none = (struct sockaddr_un){.sun_family = AF_UNIX, .sun_path = "plain"};
    NUMBER(sendto, "unix_file", one, "x", 1, 0, &none, sizeof none);
    NUMBER(sendto, "unix_urgent", one, "x", 1, MSG_OOB, &at, sizeof at);
    chmod("unix", 0);
    NUMBER(sendto, "unix_no_right", one, "x", 1, 0, &at, sizeof at);
    chmod("unix", 0700);
    // Descriptors go along.
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {"x", 1}, room = {buf, sizeof buf};
    struct msghdr message = header(&at, sizeof at, &part, 1);
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *first = CMSG_FIRSTHDR(&message);
    *first = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    *(int *)CMSG_DATA(first) = plain;
    NUMBER(sendmsg, "descriptor", one, &message, 0);
    char taken_control[64];
    struct msghdr taken = header(0, 0, &room, 1);
    taken.msg_control = taken_control;
    taken.msg_controllen = sizeof taken_control;
    NUMBER(recvmsg, "descriptor", two, &taken, 0);
    first = CMSG_FIRSTHDR(&taken);
    SEEN(recvmsg, "descriptor_came", first && first->cmsg_type == SCM_RIGHTS && fcntl(*(int *)CMSG_DATA(first), F_GETFD) == 0);
    NUMBER(sendmsg, "descriptor_again", one, &message, 0);
    taken = header(0, 0, &room, 1);
    NUMBER(recvmsg, "descriptor_no_room", two, &taken, 0);
    SEEN(recvmsg, "descriptor_lost", taken.msg_flags == MSG_CTRUNC);
    *(int *)CMSG_DATA(CMSG_FIRSTHDR(&message)) = SHUT;
    NUMBER(sendmsg, "descriptor_shut", one, &message, 0);
    CMSG_FIRSTHDR(&message)->cmsg_len = 1000;
    NUMBER(sendmsg, "control_odd", one, &message, 0);
    message.msg_control = BAD;
    NUMBER(sendmsg, "control_fault", one, &message, 0);
    // Pairs.
    int pair[2];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    NUMBER(sendto, "sequence", pair[0], "first", 5, 0, 0, 0);
    NUMBER(sendto, "sequence_next", pair[0], "second", 6, 0, 0, 0);
    NUMBER(recvfrom, "sequence", pair[1], buf, sizeof buf, 0, 0, 0);
    NUMBER(recvfrom, "sequence_cut", pair[1], buf, 2, MSG_TRUNC, 0, 0);
    NUMBER(recvfrom, "sequence_nothing", pair[1], buf, 2, MSG_DONTWAIT, 0, 0);
    close(pair[0]);
    NUMBER(recvfrom, "sequence_end", pair[1], buf, 2, 0, 0, 0);
    NUMBER(sendto, "sequence_broken", pair[1], "x", 1, 0, 0, 0);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    NUMBER(sendto, "pair", pair[0], "x", 1, 0, 0, 0);
    NUMBER(recvfrom, "pair", pair[1], buf, 2, 0, 0, 0);
    close(pair[0]);
    NUMBER(sendto, "pair_gone", pair[1], "x", 1, 0, 0, 0);
}

int main(void) {
    setvbuf(stdout, 0, _IOLBF, 0);
    ordinary();
    put("plain", "x");
    plain = open("plain", O_RDWR);
    datagrams();
    streams();
    names();
    return 0;
}

#include "call.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
// Options of sockets.
static int one_ = 1;
static void set(const char *what, int fd, int level, int name, const void *value, long len) {
    char line_[64];
    snprintf(line_, sizeof line_, "%s", what);
    CASE(setsockopt, line_, fd, level, name, value, len);
}
static void get(const char *what, int fd, int level, int name) {
    char text[80];
    unsigned char value[256] = {0};
    socklen_t len = sizeof value;
    errno = 0;
    long done = outcome(syscall(SYS_getsockopt, fd, level, name, value, &len));
    printf("getsockopt.%s %ld %d %d\n", what, done, done ? 0 : (int)len, done ? 0 : *(int *)value);
}
#ifndef IPV6_DONTFRAG
#define IPV6_DONTFRAG 62
#endif
// Sets a number and reads it again.
static void both(const char *what, int fd, int level, int name, int number) {
    char text[64];
    set(what, fd, level, name, &number, sizeof number);
    get(what, fd, level, name);
    sprintf(text, "%s_short", what);
    set(text, fd, level, name, &number, 2);
    sprintf(text, "%s_fault", what);
    set(text, fd, level, name, BAD, 4);
}
// What is only kept.
static void kept(int fd, int udp, int six, int udp6, int un) {
    both("cork", fd, IPPROTO_TCP, TCP_CORK, 5);
    both("quick", fd, IPPROTO_TCP, TCP_QUICKACK, 0);
    both("largest_segment", fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
    set("largest_segment_small", fd, IPPROTO_TCP, TCP_MAXSEG, &(int){87}, 4);
    set("largest_segment_large", fd, IPPROTO_TCP, TCP_MAXSEG, &(int){32768}, 4);
    set("largest_segment_any", fd, IPPROTO_TCP, TCP_MAXSEG, &(int){0}, 4);
    get("largest_segment_any", fd, IPPROTO_TCP, TCP_MAXSEG);
    both("tries", fd, IPPROTO_TCP, TCP_SYNCNT, 3);
    set("tries_none", fd, IPPROTO_TCP, TCP_SYNCNT, &(int){0}, 4);
    set("tries_many", fd, IPPROTO_TCP, TCP_SYNCNT, &(int){128}, 4);
    both("unsent", fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096);
    set("cork_of_datagrams", udp, IPPROTO_TCP, TCP_CORK, &one_, 4);
    set("cork_of_unix", un, IPPROTO_TCP, TCP_CORK, &one_, 4);
    get("priority_first", fd, SOL_SOCKET, SO_PRIORITY);
    both("priority", fd, SOL_SOCKET, SO_PRIORITY, 6);
    both("priority_of_unix", un, SOL_SOCKET, SO_PRIORITY, 3);
    set("priority_high", fd, SOL_SOCKET, SO_PRIORITY, &(int){7}, 4);
    set("priority_negative", fd, SOL_SOCKET, SO_PRIORITY, &(int){-1}, 4);
    both("urgent", fd, SOL_SOCKET, SO_OOBINLINE, 9);
    both("time", udp, SOL_SOCKET, SO_TIMESTAMP, 1);
    both("exact_time", udp, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    get("time_after", udp, SOL_SOCKET, SO_TIMESTAMP);
    set("time_off", udp, SOL_SOCKET, SO_TIMESTAMP, &(int){0}, 4);
    get("exact_time_after", udp, SOL_SOCKET, SO_TIMESTAMPNS);
    get("discover_first", udp, IPPROTO_IP, IP_MTU_DISCOVER);
    both("discover", udp, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
    set("discover_large", udp, IPPROTO_IP, IP_MTU_DISCOVER, &(int){6}, 4);
    both("arrival", udp, IPPROTO_IP, IP_PKTINFO, 1);
    both("left", udp, IPPROTO_IP, IP_RECVTTL, 1);
    both("class_told", udp, IPPROTO_IP, IP_RECVTOS, 1);
    both("sent_to", udp, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    both("port_later", fd, IPPROTO_IP, 24, 1);
    both("errors", udp, IPPROTO_IP, IP_RECVERR, 1);
    set("errors_byte", udp, IPPROTO_IP, IP_RECVERR, "", 1);
    get("errors_byte", udp, IPPROTO_IP, IP_RECVERR);
    set("errors_nothing", udp, IPPROTO_IP, IP_RECVERR, "", 0);
    set("arrival_of_unix", un, IPPROTO_IP, IP_PKTINFO, &one_, 4);
    both("arrival_six", udp6, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    both("left_six", udp6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    both("class_told_six", udp6, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    both("whole_six", udp6, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    both("errors_six", udp6, IPPROTO_IPV6, IPV6_RECVERR, 1);
    both("discover_six", udp6, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DO);
    both("arrival_of_six", udp6, IPPROTO_IP, IP_PKTINFO, 1);
    set("class_of_four", udp, IPPROTO_IPV6, IPV6_TCLASS, &one_, 4);
    both("class", six, IPPROTO_IPV6, IPV6_TCLASS, 0x80);
    set("class_large", six, IPPROTO_IPV6, IPV6_TCLASS, &(int){256}, 4);
    set("class_first", six, IPPROTO_IPV6, IPV6_TCLASS, &(int){-1}, 4);
    get("class_first", six, IPPROTO_IPV6, IPV6_TCLASS);
    char name[16] = {0};
    socklen_t len = sizeof name;
    CASE(getsockopt, "congestion", fd, IPPROTO_TCP, TCP_CONGESTION, name, &len);
    SEEN(getsockopt, "congestion_length", len);
    set("congestion_same", fd, IPPROTO_TCP, TCP_CONGESTION, name, strlen(name));
    set("congestion_none", fd, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7);
    set("congestion_empty", fd, IPPROTO_TCP, TCP_CONGESTION, "", 0);
    set("congestion_fault", fd, IPPROTO_TCP, TCP_CONGESTION, BAD, 4);
    set("congestion_of_datagrams", udp, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    get("packet_unconnected", udp, IPPROTO_IP, IP_MTU);
    set("packet", udp, IPPROTO_IP, IP_MTU, &one_, 4);
}
int main(void) {
    ordinary();
    put("plain", "x");
    int plain = open("plain", O_RDWR), one = 1, zero = 0, minus = -1;
    int fd = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0);
    int un = socket(AF_UNIX, SOCK_STREAM, 0);
    kept(socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), six, socket(AF_INET6, SOCK_DGRAM, 0), un);
    get("type", fd, SOL_SOCKET, SO_TYPE);
    get("type_datagram", udp, SOL_SOCKET, SO_TYPE);
    get("domain", fd, SOL_SOCKET, SO_DOMAIN);
    get("domain_six", six, SOL_SOCKET, SO_DOMAIN);
    get("domain_unix", un, SOL_SOCKET, SO_DOMAIN);
    get("protocol", fd, SOL_SOCKET, SO_PROTOCOL);
    get("protocol_datagram", udp, SOL_SOCKET, SO_PROTOCOL);
    get("protocol_unix", un, SOL_SOCKET, SO_PROTOCOL);
    get("error", fd, SOL_SOCKET, SO_ERROR);
    get("listens", fd, SOL_SOCKET, SO_ACCEPTCONN);
    set("type", fd, SOL_SOCKET, SO_TYPE, &one, 4);
    set("error", fd, SOL_SOCKET, SO_ERROR, &one, 4);
    set("listens", fd, SOL_SOCKET, SO_ACCEPTCONN, &one, 4);
    set("domain", fd, SOL_SOCKET, SO_DOMAIN, &one, 4);
    both("reuse", fd, SOL_SOCKET, SO_REUSEADDR, 1);
    both("reuse_large", fd, SOL_SOCKET, SO_REUSEADDR, 5);
    both("keep", fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    both("broadcast", udp, SOL_SOCKET, SO_BROADCAST, 1);
    both("port", fd, SOL_SOCKET, SO_REUSEPORT, 1);
    both("nodelay", fd, IPPROTO_TCP, TCP_NODELAY, 1);
    both("idle", fd, IPPROTO_TCP, TCP_KEEPIDLE, 20);
    both("interval", fd, IPPROTO_TCP, TCP_KEEPINTVL, 20);
    both("count", fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
    both("hops", fd, IPPROTO_IP, IP_TTL, 40);
    both("only_six", six, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set("idle_zero", fd, IPPROTO_TCP, TCP_KEEPIDLE, &zero, 4);
    set("count_large", fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){1000}, 4);
    set("hops_zero", fd, IPPROTO_IP, IP_TTL, &zero, 4);
    set("hops_large", fd, IPPROTO_IP, IP_TTL, &(int){256}, 4);
    set("hops_default", fd, IPPROTO_IP, IP_TTL, &minus, 4);
    struct linger linger = {1, 5}, seen = {0};
    set("linger", fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    socklen_t len = sizeof seen;
    CASE(getsockopt, "linger", fd, SOL_SOCKET, SO_LINGER, &seen, &len);
    SEEN(getsockopt, "linger_is", seen.l_onoff * 100 + seen.l_linger);
    set("linger_short", fd, SOL_SOCKET, SO_LINGER, &linger, 4);
    struct timeval time = {1, 500000}, got = {0}, bad = {0, 1000000}, negative = {-1, 0};
    set("timeout", fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    len = sizeof got;
    CASE(getsockopt, "timeout", fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len);
    SEEN(getsockopt, "timeout_is", got.tv_sec * 1000000 + got.tv_usec);
    set("timeout_bad", fd, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad);
    set("timeout_negative", fd, SOL_SOCKET, SO_RCVTIMEO, &negative, sizeof negative);
    set("timeout_short", fd, SOL_SOCKET, SO_SNDTIMEO, &time, 8);
    set("level", fd, 77, 1, &one, 4);
    set("name", fd, SOL_SOCKET, 777, &one, 4);
    set("name_tcp", fd, IPPROTO_TCP, 777, &one, 4);
    set("name_ip", fd, IPPROTO_IP, 777, &one, 4);
    set("tcp_on_datagram", udp, IPPROTO_TCP, TCP_NODELAY, &one, 4);
    set("tcp_on_unix", un, IPPROTO_TCP, TCP_NODELAY, &one, 4);
    set("six_on_four", fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4);
    set("negative_length", fd, SOL_SOCKET, SO_REUSEADDR, &one, -1);
    set("shut", SHUT, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    set("file", plain, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    get("level", fd, 77, 1);
    get("name", fd, SOL_SOCKET, 777);
    get("name_tcp", fd, IPPROTO_TCP, 777);
    get("name_ip", fd, IPPROTO_IP, 777);
    get("tcp_on_datagram", udp, IPPROTO_TCP, TCP_NODELAY);
    get("tcp_on_unix", un, IPPROTO_TCP, TCP_NODELAY);
    get("shut", SHUT, SOL_SOCKET, SO_TYPE);
    get("file", plain, SOL_SOCKET, SO_TYPE);
    int value = 0x55555555;
    len = 2;
    CASE(getsockopt, "cut", fd, SOL_SOCKET, SO_TYPE, &value, &len);
    SEEN(getsockopt, "cut_length", len);
    SEEN(getsockopt, "cut_is", value == 0x55550001);
    CASE(getsockopt, "fault", fd, SOL_SOCKET, SO_TYPE, BAD, &(socklen_t){4});
    CASE(getsockopt, "length_fault", fd, SOL_SOCKET, SO_TYPE, &value, BAD);
    CASE(getsockopt, "length_negative", fd, SOL_SOCKET, SO_TYPE, &value, &(socklen_t){-1});
    // Buffers are at least what was asked for, and twice as large in what is read.
    both("send_buffer", fd, SOL_SOCKET, SO_SNDBUF, 20000);
    both("receive_buffer", fd, SOL_SOCKET, SO_RCVBUF, 20000);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    get("pair_type", pair[0], SOL_SOCKET, SO_TYPE);
    get("pair_domain", pair[0], SOL_SOCKET, SO_DOMAIN);
    get("pair_error", pair[0], SOL_SOCKET, SO_ERROR);
    get("pair_listens", pair[0], SOL_SOCKET, SO_ACCEPTCONN);
    struct ucred { int pid; unsigned uid, gid; } peer = {0};
    len = sizeof peer;
    CASE(getsockopt, "pair_peer", pair[0], SOL_SOCKET, 17, &peer, &len);
    SEEN(getsockopt, "pair_peer_is", peer.pid == getpid() && peer.uid == geteuid());
    len = sizeof peer;
    CASE(getsockopt, "unconnected_peer", un, SOL_SOCKET, 17, &peer, &len);
    both("pair_reuse", pair[0], SOL_SOCKET, SO_REUSEADDR, 1);
    both("pair_credentials", pair[0], SOL_SOCKET, SO_PASSCRED, 0);
    return 0;
}

#include "call.h"
#include <stddef.h>
#include <sys/un.h>
// Sockets with names of files and without.
static struct sockaddr_un at(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path);
    return address;
}
static socklen_t bind_(const char *what, int fd, const char *path) {
    struct sockaddr_un address = at(path);
    CASE(bind, what, fd, &address, sizeof address);
    return 0;
}
static void connect_(const char *what, int fd, const char *path) {
    struct sockaddr_un address = at(path);
    CASE(connect, what, fd, &address, sizeof address);
}
static int made(int type) { return socket(AF_UNIX, type, 0); }
static void name(const char *call, const char *what, long nr, int fd) {
    struct sockaddr_un address;
    memset(&address, 0x55, sizeof address);
    socklen_t len = sizeof address;
    errno = 0;
    long done = outcome(syscall(nr, fd, &address, &len));
    printf("%s.%s %ld %d %d %.*s\n", call, what, done, done ? 0 : (int)len, done ? 0 : address.sun_family,
           done || len < 4 || !address.sun_path[0] ? 0 : (int)len - 3, address.sun_path);
}
int main(void) {
    ordinary();
    umask(022);
    put("plain", "x");
    mkdir("dir", 0755);
    mkdir("closed", 0);
    symlink("gone", "dangling");
    symlink("loop", "loop");
    struct stat st;
    int server = made(SOCK_STREAM);
    name("getsockname", "unnamed", SYS_getsockname, server);
    bind_("name", server, "server");
    name("getsockname", "named", SYS_getsockname, server);
    stat("server", &st);
    SEEN(bind, "kind", S_ISSOCK(st.st_mode) && (st.st_mode & 07777) == 0755);
    bind_("again", server, "other");
    int fd = made(SOCK_STREAM);
    bind_("taken", fd, "server");
    bind_("file", fd, "plain");
    bind_("dangling", fd, "dangling");
    bind_("missing", fd, "none/x");
    bind_("under_file", fd, "plain/x");
    bind_("loop", fd, "loop/x");
    bind_("closed", fd, "closed/x");
    bind_("slash", fd, "new/");
    char longest[110];
    memset(longest, 'n', 108);
    longest[108] = 0;
    bind_("longest", fd, longest);
    name("getsockname", "longest", SYS_getsockname, fd);
    close(fd);
    // A queue, and who does not get through.
    fd = made(SOCK_STREAM);
    connect_("not_listening", fd, "server");
    CASE(listen, "one", server, 1);
    connect_("missing", fd, "none");
    connect_("file", fd, "plain");
    connect_("directory", fd, "dir");
    connect_("under_file", fd, "plain/x");
    connect_("loop", fd, "loop");
    connect_("dangling", fd, "dangling");
    connect_("closed", fd, "closed/x");
    int datagram = made(SOCK_DGRAM), sequence = made(SOCK_SEQPACKET);
    connect_("datagram_to_stream", datagram, "server");
    connect_("sequence_to_stream", sequence, "server");
    connect_("listener", fd, "server");
    connect_("again", fd, "server");
    name("getpeername", "client", SYS_getpeername, fd);
    name("getsockname", "client", SYS_getsockname, fd);
    struct sockaddr_un from;
    socklen_t len = sizeof from;
    int peer = accept(server, (void *)&from, &len);
    SEEN(accept, "unnamed_length", len);
    name("getsockname", "accepted", SYS_getsockname, peer);
    name("getpeername", "accepted", SYS_getpeername, peer);
    struct { int pid; unsigned uid, gid; } credentials = {0};
    len = sizeof credentials;
    CASE(getsockopt, "peer", fd, SOL_SOCKET, 17, &credentials, &len);
    SEEN(getsockopt, "peer_is", credentials.pid == getpid() && credentials.uid == geteuid() && credentials.gid == getegid());
    VALUE("connect.write", write(fd, "hello", 5));
    char buf[16];
    VALUE("connect.read", read(peer, buf, sizeof buf));
    chmod("server", 0);
    int other = made(SOCK_STREAM);
    connect_("no_right", other, "server");
    chmod("server", 0755);
    close(fd);
    VALUE("connect.end", read(peer, buf, sizeof buf));
    signal(SIGPIPE, SIG_IGN);
    VALUE("connect.broken", write(peer, "x", 1));
    close(peer);
    close(server);
    connect_("left", other, "server");
    unlink("server");
    connect_("removed", other, "server");
    // Abstract names.
    struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0name"};
    server = made(SOCK_STREAM);
    CASE(bind, "abstract", server, &abstract, offsetof(struct sockaddr_un, sun_path) + 5);
    name("getsockname", "abstract", SYS_getsockname, server);
    listen(server, 2);
    CASE(connect, "abstract", other, &abstract, offsetof(struct sockaddr_un, sun_path) + 5);
    CASE(connect, "abstract_other", made(SOCK_STREAM), &abstract, offsetof(struct sockaddr_un, sun_path) + 6);
    fd = made(SOCK_STREAM);
    CASE(bind, "abstract_taken", fd, &abstract, offsetof(struct sockaddr_un, sun_path) + 5);
    // A name that is chosen.
    CASE(bind, "chosen", fd, &abstract, 2);
    len = sizeof from;
    getsockname(fd, (void *)&from, &len);
    SEEN(bind, "chosen_length", len);
    CASE(listen, "unnamed", made(SOCK_STREAM), 1);
    CASE(listen, "datagrams", datagram, 1);
    CASE(bind, "wrong_family", made(SOCK_STREAM), &(struct sockaddr){AF_INET}, 16);
    CASE(connect, "wrong_family", made(SOCK_STREAM), &(struct sockaddr){AF_INET}, 16);
    CASE(bind, "short", made(SOCK_STREAM), &abstract, 1);
    // Datagrams.
    int one = made(SOCK_DGRAM), two = made(SOCK_DGRAM);
    bind_("datagrams", one, "one");
    bind_("datagrams_other", two, "two");
    connect_("datagrams", two, "one");
    name("getpeername", "datagrams", SYS_getpeername, two);
    connect_("stream_to_datagrams", made(SOCK_STREAM), "one");
    VALUE("connect.datagram", write(two, "message", 7));
    VALUE("connect.datagram_read", read(one, buf, sizeof buf));
    connect_("datagrams_back", one, "two");
    int third = made(SOCK_DGRAM);
    connect_("datagrams_connected_elsewhere", third, "one");
    struct sockaddr none = {AF_UNSPEC};
    CASE(connect, "unspecified", two, &none, sizeof none);
    name("getpeername", "unspecified", SYS_getpeername, two);
    close(two);
    VALUE("connect.gone", write(one, "x", 1));
    return 0;
}

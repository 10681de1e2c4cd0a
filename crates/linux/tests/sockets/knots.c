// Sends sockets of a VM over themselves and their peers, and ends without receiving any.
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int give(int to, int a, int b) {
    union { struct cmsghdr head; char room[CMSG_SPACE(2 * sizeof(int))]; } control = {0};
    struct iovec part = {"knot", 4};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    control.head.cmsg_level = SOL_SOCKET, control.head.cmsg_type = SCM_RIGHTS, control.head.cmsg_len = CMSG_LEN(2 * sizeof(int));
    int fds[2] = {a, b};
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    return sendmsg(to, &message, 0) == 4;
}

int main(void) {
    struct sockaddr_un address = {AF_UNIX, "\0knots"};
    socklen_t size = sizeof(sa_family_t) + 6;
    for (int kind = 0; kind < 2; kind++) {
        int type = kind ? SOCK_SEQPACKET : SOCK_STREAM, server = socket(AF_UNIX, type, 0);
        if (bind(server, (void *)&address, size) || listen(server, 128)) return 1;
        for (int i = 0; i < 50; i++) {
            int client = socket(AF_UNIX, type, 0);
            if (connect(client, (void *)&address, size)) return 2;
            int connection = accept(server, 0, 0);
            if (connection < 0) return 3;
            // Over itself and over its peer. (Longer rings the host itself may keep for ever.)
            if (!give(client, client, connection) || !give(connection, connection, client)) return 4;
            close(i % 2 ? client : connection);
            close(i % 2 ? connection : client);
        }
        close(server);
    }
    for (int i = 0; i < 20; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair)) return 6;
        give(pair[0], pair[0], pair[1]);
        close(pair[0]);
        close(pair[1]);
    }
    return 0;
}

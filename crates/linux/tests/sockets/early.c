// Writes in the moment in which connections that are being made in the background become writable; prints what did not arrive.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 100, AT_ONCE = 8 };
static struct sockaddr_in address = {.sin_family = AF_INET};

static void *write_early(void *unused) {
    for (int round = 0; round < ROUNDS; round++) {
        int epoll = epoll_create1(0), clients[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) {
            clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            if (connect(clients[i], (void *)&address, sizeof address) && errno != EINPROGRESS) printf("connect %d\n", errno);
            struct epoll_event event = {.events = EPOLLOUT, .data.fd = clients[i]};
            epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i], &event);
        }
        for (int left = AT_ONCE; left > 0;) {
            struct epoll_event ready[AT_ONCE];
            int count = epoll_wait(epoll, ready, AT_ONCE, -1);
            for (int i = 0; i < count; i++, left--) {
                int client = ready[i].data.fd;
                if (send(client, "a message", 9, MSG_NOSIGNAL) != 9) printf("send %d\n", errno);
                epoll_ctl(epoll, EPOLL_CTL_DEL, client, NULL);
            }
        }
        for (int i = 0; i < AT_ONCE; i++) shutdown(clients[i], SHUT_WR), close(clients[i]);
        close(epoll);
    }
    return unused;
}

int main(void) {
    int server = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(server, (void *)&address, size) || listen(server, 128) || getsockname(server, (void *)&address, &size)) return 1;
    pthread_t thread;
    pthread_create(&thread, NULL, write_early, NULL);
    int whole = 0;
    for (int i = 0; i < ROUNDS * AT_ONCE; i++) {
        int client = accept(server, NULL, NULL);
        char text[16] = "";
        size_t length = 0;
        for (ssize_t got; (got = recv(client, text + length, sizeof text - length, 0)) > 0;) length += got;
        whole += length == 9 && memcmp(text, "a message", 9) == 0;
        close(client);
    }
    pthread_join(thread, NULL);
    printf("%d of %d\n", whole, ROUNDS * AT_ONCE);
    return 0;
}

// A thread changes an address while calls are made with it. Arguments: a port of the VM and one of the host.
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address;
static atomic_int over;
static in_port_t ports[2];

static void *flip(void *unused) {
    for (unsigned i = 0; !over; i++) ((volatile struct sockaddr_in *)&address)->sin_port = ports[i & 1];
    return unused;
}

int main(int count, char **arguments) {
    int server = socket(AF_INET, SOCK_STREAM, 0), inbox = socket(AF_INET, SOCK_DGRAM, 0);
    address = (struct sockaddr_in){AF_INET, htons(atoi(arguments[1])), {htonl(INADDR_LOOPBACK)}};
    if (bind(server, (void *)&address, sizeof address) || listen(server, 4096)) return 1;
    if (bind(inbox, (void *)&address, sizeof address)) return 2;
    ports[0] = address.sin_port, ports[1] = htons(atoi(arguments[2]));
    pthread_t thread;
    pthread_create(&thread, NULL, flip, NULL);
    int connected = 0, refused = 0, sent = 0;
    for (int i = 0; i < 1000; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (void *)&address, sizeof address) == 0) connected++, close(accept(server, NULL, NULL));
        else if (errno == ECONNREFUSED) refused++;
        else printf("connect %d\n", errno);
        close(client);
        int sender = socket(AF_INET, SOCK_DGRAM, 0);
        struct iovec part = {"x", 1};
        struct msghdr message = {&address, sizeof address, &part, 1};
        if (sendmsg(sender, &message, 0) == 1) sent++;
        if (sendto(sender, "x", 1, 0, (void *)&address, sizeof address) == 1) sent++;
        close(sender);
        // What is bound is one of the two, in the VM, whatever the memory says afterwards.
        int bound = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in own;
        socklen_t size = sizeof own;
        if (bind(bound, (void *)&address, sizeof address) == 0) {
            if (getsockname(bound, (void *)&own, &size) || own.sin_port != ports[1]) printf("bound to %d\n", ntohs(own.sin_port));
        } else if (errno != EADDRINUSE) printf("bind %d\n", errno);
        close(bound);
    }
    over = 1;
    pthread_join(thread, NULL);
    printf("%s %s %d\n", connected ? "some" : "none", connected + refused == 1000 ? "all" : "not all", sent > 0);
    return 0;
}

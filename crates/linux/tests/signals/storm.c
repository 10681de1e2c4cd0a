// Calls that change something while a timer sends 5,000 signals a second: none is done twice or fails.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

static volatile int signals;
static void count(int signal) { (void)signal; signals++; }

static void must(const char *what, int done) {
    if (done < 0) printf("%s %s\n", what, strerrorname_np(errno));
}

int main(void) {
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    must("bind", bind(server, (void *)&address, size));
    must("listen", listen(server, 16));
    getsockname(server, (void *)&address, &size);
    struct itimerval often = {{0, 200}, {0, 200}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 400; i++) {
        must("mkdir", mkdir("/tmp/storm", 0700));
        int fd = open("/tmp/storm/a", O_CREAT | O_EXCL | O_WRONLY, 0600);
        must("open", fd);
        must("write", write(fd, "x", 1) == 1 ? 0 : -1);
        must("close", close(fd));
        must("rename", rename("/tmp/storm/a", "/tmp/storm/b"));
        must("link", link("/tmp/storm/b", "/tmp/storm/c"));
        must("unlink", unlink("/tmp/storm/b"));
        must("unlink", unlink("/tmp/storm/c"));
        must("rmdir", rmdir("/tmp/storm"));
        int client = socket(AF_INET, SOCK_STREAM, 0);
        must("connect", connect(client, (void *)&address, size));
        int taken = accept(server, NULL, NULL);
        must("accept", taken);
        close(taken), close(client);
    }
    struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
    printf("%s\n", signals > 10 ? "signals came" : "no signals");
    return 0;
}

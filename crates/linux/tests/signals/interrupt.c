// Calls that wait, and signals that the host itself makes: of a timer, of a child's end, of one thread to another.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;
static int server, inbox, client;

static void count(int signal) { (void)signal; handled++; }

static void on(int signal, int flags) {
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    sigaction(signal, &action, NULL);
}

static void after(long us) {
    struct itimerval once = {.it_value = {0, us}};
    setitimer(ITIMER_REAL, &once, NULL);
}

static void say(const char *what, long result) {
    int error = errno;
    printf("%s %s %d\n", what, result >= 0 ? "done" : strerrorname_np(error), handled);
    fflush(stdout);
    handled = 0;
}

static void connect_back(int signal) {
    (void)signal;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    getsockname(server, (void *)&address, &size);
    client = socket(AF_INET, SOCK_STREAM, 0);
    handled += connect(client, (void *)&address, size) == 0;
}

static void *kick(void *thread) {
    usleep(30000);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

int main(void) {
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    server = socket(AF_INET, SOCK_STREAM, 0), inbox = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server, (void *)&address, sizeof address) || listen(server, 4) || bind(inbox, (void *)&address, sizeof address)) return 1;
    mkfifo("/tmp/fifo", 0600);
    char buffer[16];
    struct sockaddr_in from;
    socklen_t size = sizeof from;

    on(SIGALRM, 0);
    after(30000), say("accept", accept(server, NULL, NULL));
    after(30000), say("recvfrom", recvfrom(inbox, buffer, sizeof buffer, 0, (void *)&from, &size));
    after(30000), say("fifo", open("/tmp/fifo", O_RDONLY));

    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec soon = {.it_value = {0, 30000000}};
    on(SIGUSR2, 0);
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &soon, NULL), say("posix timer", accept(server, NULL, NULL));

    pthread_t self = pthread_self(), thread;
    on(SIGUSR1, 0);
    pthread_create(&thread, NULL, kick, &self), say("thread", accept(server, NULL, NULL));
    pthread_join(thread, NULL);

    // The handler does what the call waits for, and the call begins again.
    struct sigaction back = {.sa_handler = connect_back, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &back, NULL);
    after(30000), say("again", accept(server, NULL, NULL));
    sigaction(SIGCHLD, &back, NULL);
    if (fork() == 0) usleep(30000), _exit(0);
    say("child", accept(server, NULL, NULL));

    // Blocked and ignored signals end nothing.
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGALRM), sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    if (fork() == 0) {
        usleep(60000);
        kill(getppid(), SIGUSR1);
        connect_back(0);
        _exit(0);
    }
    after(20000), say("blocked", accept(server, NULL, NULL));
    return 0;
}

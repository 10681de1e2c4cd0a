// A process of several threads changes its user: the library has each thread do so, and waits for all of them.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ends[2];

static void *reads(void *none) {
    char byte;
    while (read(ends[0], &byte, 1) < 0 && errno == EINTR) {}
    return none;
}

static void *sleeps(void *none) {
    poll(0, 0, -1);
    return none;
}

static volatile sig_atomic_t code, from;

static void note(int signal, siginfo_t *info, void *context) {
    code = info->si_code;
    from = info->si_pid == getpid();
}

int main(void) {
    pthread_t threads[6];
    if (pipe(ends)) return 1;
    for (int i = 0; i < 6; i++) pthread_create(&threads[i], 0, i % 2 ? reads : sleeps, 0);
    printf("own %d\n", setuid(getuid()));
    printf("group %d\n", setgid(getgid()));
    printf("three %d\n", setresuid(getuid(), -1, getuid()));
    pid_t child = fork();
    if (!child) {
        pthread_t one;
        pthread_create(&one, 0, sleeps, 0);
        _exit(setuid(getuid()));
    }
    int status;
    waitpid(child, &status, 0);
    printf("child %d\n", status);
    // The library's own signal, with a handler of one's own: it tells that it came from within.
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
    struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } raw, old;
    sigaction(SIGUSR1, &action, 0);
    syscall(SYS_rt_sigaction, SIGUSR1, 0, &old, 8);
    raw = old;
    syscall(SYS_rt_sigaction, 33, &raw, 0, 8);
    syscall(SYS_tgkill, getpid(), gettid(), 33);
    printf("within %d %d\n", code == SI_TKILL, from);
    return 0;
}

// Many threads that do not take the signal by which the library has them change users: how many are told, and what the others' sender hears.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 160 };
static int tids[THREADS];
static pthread_barrier_t there;

static void *blocks(void *number) {
    unsigned long mask = 1ul << 32;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, 0, 8);
    tids[(long)number] = syscall(SYS_gettid);
    pthread_barrier_wait(&there);
    for (;;) pause();
}

int main(void) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    pthread_barrier_init(&there, 0, THREADS + 1);
    pthread_t thread;
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&thread, &small, blocks, (void *)i)) return 1;
    pthread_barrier_wait(&there);
    int told = 0, again = 0;
    for (int i = 0; i < THREADS; i++) {
        if (!syscall(SYS_tgkill, getpid(), tids[i], 33)) told++;
        else if (errno == EAGAIN) again++;
    }
    printf("told %d again %d\n", told, again);
    fflush(stdout);
    for (;;) pause();
}

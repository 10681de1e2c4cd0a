// Eight processes of four threads each, which compute and look at a file in between: prints the microseconds until all have ended.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Of each thread: rounds, turns of a loop in each (about a millisecond), and calls after it.
enum { PROCESSES = 8, THREADS = 4, ROUNDS = 40, TURNS = 1000000, CALLS = 10 };

static void *work(void *seed) {
    volatile unsigned state = (unsigned)(size_t)seed;
    struct stat st;
    for (int round = 0; round < ROUNDS; round++) {
        for (int turn = 0; turn < TURNS; turn++) state = state * 1664525u + 1013904223u;
        for (int call = 0; call < CALLS; call++)
            if (stat("busy", &st) != 0) exit(1);
    }
    return NULL;
}

static void process(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(i + 1))) exit(1);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

int main(void) {
    struct timespec start, end;
    int failed = 0, status;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        if (pid < 0) return 1;
        if (pid == 0) {
            process();
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++)
        if (wait(&status) < 0 || status != 0) failed = 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("busy %.0f\n", (end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3);
    return failed;
}

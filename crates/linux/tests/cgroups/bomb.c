// A guest that takes what it can get, in one of several ways.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Memory that no look at its process finds: a page of the host's tables for each 2 MiB of addresses, all of which show zeros.
static void tables(void) {
    size_t size = 1ul << 40, step = 2ul << 20;
    volatile char *at = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return;
    madvise((void *)at, size, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < size; i += step) (void)at[i];
}

static void pages(void) {
    for (;;) {
        char *at = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at != MAP_FAILED) memset(at, 1, 1 << 20);
    }
}

static int forks(void) {
    int made = 0;
    for (;;) {
        int pid = fork();
        if (pid == 0) for (;;) pause();
        if (pid < 0) break;
        made++;
    }
    printf("%d %d\n", made, errno == EAGAIN);
    fflush(stdout);
    return 0;
}

static void spin(void) {
    fork();
    fork();
    for (;;) {}
}

int main(int argc, char **argv) {
    const char *way = argc > 1 ? argv[1] : "";
    if (!strcmp(way, "tables")) tables();
    if (!strcmp(way, "pages")) pages();
    if (!strcmp(way, "forks")) return forks();
    if (!strcmp(way, "spin")) spin();
    return 1;
}

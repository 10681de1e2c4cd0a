// Times system calls, here and in a VM: NAME and microseconds of one call, a line for each batch.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CALLS = 100, SPAWNS = 5 };

static char block[4096];
static int file;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void opened(void) {
    int fd = open("file", O_RDONLY);
    if (fd < 0) fail("open");
    close(fd);
}

static void looked_at(void) {
    struct stat st;
    if (stat("file", &st) != 0) fail("stat");
}

static void was_read(void) {
    if (pread(file, block, sizeof block, 0) != sizeof block) fail("pread");
}

static void written(void) {
    if (pwrite(file, block, sizeof block, 0) != sizeof block) fail("pwrite");
}

static void spawned(void) {
    pid_t pid = vfork();
    int status;
    if (pid == 0) {
        execl("/usr/bin/true", "true", (char *)0);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) fail("spawn");
}

static void batches(const char *name, void (*call)(void), int count, int calls) {
    call();
    for (int i = 0; i < count; i++) {
        double start = now();
        for (int k = 0; k < calls; k++) call();
        printf("%s %.3f\n", name, (now() - start) / calls);
    }
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 10;
    file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (file < 0 || write(file, block, sizeof block) != sizeof block) fail("file");
    batches("open", opened, count, CALLS);
    batches("stat", looked_at, count, CALLS);
    batches("read", was_read, count, CALLS);
    batches("write", written, count, CALLS);
    batches("spawn", spawned, count, SPAWNS);
    return unlink("file");
}

// Times single calls, and prints for each its name and the microseconds of the fastest of some rounds.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static const char *file;
static char buffer[4096];

static void number(void) { getppid(); }
static void status(void) { struct stat s; if (stat(file, &s)) exit(2); }
static void opened(void) { struct stat s; int fd = open(file, O_RDONLY); if (fd < 0 || fstat(fd, &s)) exit(3); close(fd); }
static void opening(void) { int fd = open(file, O_RDONLY); if (fd < 0) exit(3); close(fd); }
static void directory(void) { int fd = open("/tmp", O_RDONLY | O_DIRECTORY); if (fd < 0) exit(4); close(fd); }
static void made(void) { int fd = open("/tmp/made", O_CREAT | O_WRONLY, 0600); if (fd < 0 || write(fd, buffer, 4096) != 4096) exit(5); close(fd); unlink("/tmp/made"); }
static void spawned(void) {
    extern char **environ;
    char *argv[] = {"true", NULL};
    pid_t pid;
    if (posix_spawn(&pid, "/usr/bin/true", NULL, NULL, argv, environ)) exit(6);
    waitpid(pid, NULL, 0);
}

static void started(void) {
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/usr/bin/true", "true", (char *)0);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) exit(7);
}

static void measure(const char *name, void (*one)(void), int times) {
    double best = 1e18;
    for (int round = 0; round < 7; round++) {
        double start = now();
        for (int i = 0; i < times; i++) one();
        double each = (now() - start) / times;
        if (each < best) best = each;
    }
    printf("%s %.2f\n", name, best);
    fflush(stdout);
}

int main(int argc, char **argv) {
    file = argv[1];
    if (argc > 2 && !strcmp(argv[2], "starts")) {
        measure("start", started, 300);
        return 0;
    }
    measure("getppid", number, 1000);
    measure("stat", status, 500);
    measure("open_close", opening, 500);
    measure("open_fstat_close", opened, 300);
    measure("open_directory", directory, 300);
    measure("create_write_remove", made, 100);
    measure("spawn", spawned, 30);
    return 0;
}

// What every program here has: it prints a line for each case, with a result that does not depend on where it runs.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

// The value of a call, or its error as a negative number.
static long result(long value) { return value < 0 ? -errno : value; }
// Whether it worked, or its error.
static long outcome(long value) { return value < 0 ? -errno : 0; }

#define VALUE(name, call) do { errno = 0; printf("%s %ld\n", name, result((long)(call))); } while (0)
#define DONE(name, call) do { errno = 0; printf("%s %ld\n", name, outcome((long)(call))); } while (0)

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (write(fd, text, strlen(text)) < 0) printf("put %d\n", errno);
    close(fd);
}
static void show(const char *name, const char *path) {
    char buf[4096];
    int fd = open(path, O_RDONLY);
    long n = fd < 0 ? -errno : read(fd, buf, sizeof buf - 1);
    buf[n > 0 ? n : 0] = 0;
    printf("%s %ld %s\n", name, n, buf);
    close(fd);
}

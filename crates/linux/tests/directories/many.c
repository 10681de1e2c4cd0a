// Does one thing to a directory of many files: many STEP COUNT. Says how much of it there was.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int count;
static char *seen;

static void fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}

static char *name(int i) {
    static char text[32];
    snprintf(text, sizeof text, "f%d", i);
    return text;
}

static int number(const char *entry) { return entry[0] == 'f' ? atoi(entry + 1) : -1; }

// Reads on; how many of the files there were, each of which may come once.
static int list(DIR *dir, int most) {
    int n = 0;
    for (struct dirent *e; n < most && (e = readdir(dir));) {
        int i = number(e->d_name);
        if (i < 0) continue;
        if (seen[i]++) { printf("%s came twice\n", e->d_name); exit(1); }
        n++;
    }
    return n;
}

static void make(void) {
    for (int i = 0; i < count; i++) {
        int fd = open(name(i), O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (fd < 0) { printf("made %d, %s\n", i, strerror(errno)); return; }
        close(fd);
    }
    printf("made %d\n", count);
}

static void read_all(void) {
    DIR *dir = opendir(".");
    if (!dir) fail("opendir");
    printf("all %d\n", list(dir, count + 1));
    // From the middle, after having been at the beginning once more.
    rewinddir(dir);
    memset(seen, 0, count);
    int first = list(dir, count / 2);
    long middle = telldir(dir);
    memset(seen, 0, count);
    rewinddir(dir);
    list(dir, 10);
    seekdir(dir, middle);
    memset(seen, 0, count);
    printf("halves %d\n", first + list(dir, count + 1));
}

// Every second goes away while it is read, and as many others come: who stays is seen once.
static void remove_half(void) {
    DIR *dir = opendir(".");
    int stayed = 0, gone = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        int i = number(e->d_name);
        if (i < 0) continue;
        if (seen[i]++) { printf("%s came twice\n", e->d_name); exit(1); }
        if (i % 2) { stayed++; continue; }
        if (unlink(e->d_name)) fail("unlink");
        if (++gone % 100 == 0) close(open("g", O_CREAT | O_WRONLY, 0644)), unlink("g");
    }
    printf("stayed %d, gone %d\n", stayed, gone);
    closedir(dir);
    dir = opendir(".");
    memset(seen, 0, count);
    printf("left %d\n", list(dir, count + 1));
}

static void rename_over(void) {
    struct stat st;
    char to[32];
    int n = 0;
    for (int i = 1; i + 2 < count; i += 4, n++) {
        strcpy(to, name(i + 2));
        if (rename(name(i), to)) fail("rename");
    }
    if (stat(name(1), &st) != -1 || stat(name(3), &st)) fail("stat");
    printf("renamed %d\n", n);
}

static void look(void) {
    struct stat st;
    int n = 0;
    for (int i = 0; i < count; i++) n += !stat(name(i), &st);
    printf("found %d\n", n);
}

int main(int argc, char **argv) {
    count = atoi(argv[2]);
    seen = calloc(count + 1, 1);
    if (chdir("/tmp/many/d")) fail("chdir");
    if (!strcmp(argv[1], "make")) make();
    else if (!strcmp(argv[1], "read")) read_all();
    else if (!strcmp(argv[1], "halve")) remove_half();
    else if (!strcmp(argv[1], "rename")) rename_over();
    else look();
    return 0;
}

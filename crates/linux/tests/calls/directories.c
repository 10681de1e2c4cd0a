#include "case.h"
static int list(DIR *dir) { int n = 0; while (readdir(dir)) n++; return n; }
int main(void) {
    mkdir("big", 0755);
    chdir("big");
    char name[32];
    for (int i = 0; i < 3000; i++) { sprintf(name, "file%d", i); close(open(name, O_CREAT | O_WRONLY, 0644)); }
    chdir("..");
    DIR *dir = opendir("big");
    printf("entries %d\n", list(dir));
    rewinddir(dir);
    printf("again %d\n", list(dir));
    // Positions.
    rewinddir(dir);
    static char seen[3000][32];
    long at = 0;
    int n = 0;
    for (struct dirent *e; (e = readdir(dir)) && n < 3000; n++) {
        if (n == 1500) at = telldir(dir);
        strcpy(seen[n], e->d_name);
    }
    seekdir(dir, at);
    int same = 1, m = 1501;
    for (struct dirent *e; (e = readdir(dir)) && m < 3000; m++) same &= !strcmp(seen[m], e->d_name);
    printf("seekdir %d %d\n", same, m);
    // Removing while reading: every name once.
    rewinddir(dir);
    int removed = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.') continue;
        sprintf(name, "big/%s", e->d_name);
        removed += !unlink(name);
    }
    printf("removed %d\n", removed);
    rewinddir(dir);
    printf("left %d\n", list(dir));
    closedir(dir);
    DONE("rmdir", rmdir("big"));
    // A shared position.
    mkdir("two", 0755);
    put("two/a", ""); put("two/b", "");
    int fd = open("two", O_RDONLY | O_DIRECTORY);
    static char buf[65536];
    if (!fork()) {
        long got = syscall(SYS_getdents64, fd, buf, sizeof buf);
        _exit(got > 0 ? 0 : 1);
    }
    int status;
    wait(&status);
    printf("child %d\n", WEXITSTATUS(status));
    VALUE("after_child", syscall(SYS_getdents64, fd, buf, sizeof buf));
    lseek(fd, 0, SEEK_SET);
    printf("rewound %d\n", syscall(SYS_getdents64, fd, buf, sizeof buf) > 0);
    lseek(fd, 0, SEEK_SET);
    DONE("too_small", syscall(SYS_getdents64, fd, buf, 8));
    DONE("read", read(fd, buf, 1));
    DONE("write", write(fd, buf, 1));
    DONE("fsync", fsync(fd));
    DONE("fchdir", fchdir(fd));
    DONE("relative", access("a", F_OK));
    DONE("not_a_directory", syscall(SYS_getdents64, 0, buf, sizeof buf));
    int file = open("a", O_RDONLY);
    DONE("file", syscall(SYS_getdents64, file, buf, sizeof buf));
    DONE("fchdir_file", fchdir(file));
    struct dirent **names;
    printf("sorted");
    int count = scandir(".", &names, 0, alphasort);
    for (int i = 0; i < count; i++) printf(" %s:%d", names[i]->d_name, names[i]->d_type);
    printf("\n");
    struct stat st, dot;
    stat("a", &st);
    for (int i = 0; i < count; i++) if (!strcmp(names[i]->d_name, "a")) printf("inode %d\n", names[i]->d_ino == st.st_ino);
    stat(".", &dot);
    printf("device %d\n", dot.st_dev == st.st_dev);
    return 0;
}

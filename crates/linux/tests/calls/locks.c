#include "case.h"
static int set(int fd, int command, int type, long start, long len, struct flock *out) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    int done = fcntl(fd, command, &lock);
    if (out) *out = lock;
    return done;
}
int main(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    put("f", "0123456789");
    int fd = open("f", O_RDWR);
    DONE("write_lock", set(fd, F_SETLK, F_WRLCK, 0, 5, 0));
    int up[2], go[2];
    pipe(up); pipe(go);
    pid_t parent = getpid();
    if (!fork()) {
        int own = open("f", O_RDWR);
        DONE("taken", set(own, F_SETLK, F_WRLCK, 4, 2, 0));
        DONE("free_part", set(own, F_SETLK, F_RDLCK, 5, 2, 0));
        struct flock found;
        DONE("test", set(own, F_GETLK, F_RDLCK, 0, 0, &found));
        printf("found %d %ld %ld %d\n", found.l_type, (long)found.l_start, (long)found.l_len, found.l_pid == parent);
        DONE("flock_shared", flock(own, LOCK_SH | LOCK_NB));
        write(up[1], "x", 1);
        char c;
        read(go[0], &c, 1);
        // Waits until the other one lets go.
        DONE("waited", set(own, F_SETLKW, F_WRLCK, 0, 5, 0));
        _exit(0);
    }
    char c;
    read(up[0], &c, 1);
    DONE("flock_exclusive", flock(fd, LOCK_EX | LOCK_NB));
    DONE("ofd_taken", set(fd, F_OFD_SETLK, F_WRLCK, 5, 1, 0));
    DONE("ofd_free", set(fd, F_OFD_SETLK, F_WRLCK, 8, 1, 0));
    write(go[1], "x", 1);
    DONE("unlock", set(fd, F_SETLK, F_UNLCK, 0, 0, 0));
    wait(0);
    DONE("gone_with_the_process", set(fd, F_SETLK, F_WRLCK, 0, 0, 0));
    DONE("flock_free", flock(fd, LOCK_EX));
    int read_only = open("f", O_RDONLY);
    DONE("read_only", set(read_only, F_SETLK, F_WRLCK, 0, 1, 0));
    DONE("negative", set(fd, F_SETLK, F_WRLCK, -1, 1, 0));
    // Closing any descriptor gives up what the process has locked.
    set(fd, F_SETLK, F_WRLCK, 0, 5, 0);
    close(open("f", O_RDONLY));
    if (!fork()) {
        int own = open("f", O_RDWR);
        DONE("lost_by_close", set(own, F_SETLK, F_WRLCK, 0, 5, 0));
        _exit(0);
    }
    wait(0);
    return 0;
}

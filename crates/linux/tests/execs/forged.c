// Changes arguments while the host reads them, so that it fails to execute what the VM has agreed to, and then asks what only the loader may ask.
// Says how often: what was refused at once, what was executed, what was ended, and what got an answer.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASK -0x41474f53L
#define BAD ((char *)0x1000)
static char *volatile args[] = {"forged", "done", 0};
static char room[65536];

static void *flip(void *none) {
    for (;;) {
        args[1] = BAD;
        for (volatile int i = 0; i < 40; i++);
        args[1] = "done";
        for (volatile int i = 0; i < 400; i++);
    }
}

static void ask(void) {
    // What comes after them is for everybody.
    for (long what = 1; what < 8; what++)
        if (syscall(SYS_openat, ASK, what, room, sizeof room) >= 0) _exit(9);
    _exit(8);
}

static int tried(int shares) {
    pthread_t thread;
    int child = shares ? vfork() : fork();
    if (!child) {
        if (!shares) pthread_create(&thread, 0, flip, 0);
        syscall(SYS_execve, "/proc/self/exe", args, 0);
        ask();
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "done")) return 7;
    int shares = argc > 1 && !strcmp(argv[1], "shared"), refused = 0, executed = 0, ended = 0, answered = 0, other = 0;
    pthread_t thread;
    if (shares) pthread_create(&thread, 0, flip, 0);
    for (int turn = 0; turn < 4000 && (ended < 5 || executed < 5); turn++) {
        int status = tried(shares);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ended++;
        else if (status == 7 << 8) executed++;
        else if (status == 8 << 8) refused++;
        else if (status == 9 << 8) answered++;
        else other++;
    }
    fprintf(stderr, "refused %d executed %d ended %d\n", refused, executed, ended);
    printf("%s answered %d other %d\n", ended ? "ended" : "never", answered, other);
    return 0;
}

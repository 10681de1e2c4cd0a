/* The path of a program that a child executes is in its parent's memory: it is there unchanged as soon as the parent goes on, and
 * what the parent then puts there stays. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[16];
static const char program[] = "/bin/true";

int main(void) {
    int changed = 0, lost = 0, failed = 0;
    for (int round = 0; round < 300; round++) {
        char *const argv[] = {"true", 0};
        strcpy(path, program);
        pid_t child = vfork();
        if (child == 0) {
            execve(path, argv, 0);
            _exit(1);
        }
        changed += memcmp(path, program, sizeof program) != 0;
        /* As the supervisor knows its own change. */
        memcpy(path, "x\0mine", 7);
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) failed++;
        lost += memcmp(path, "x\0mine", 7) != 0;
    }
    printf("changed %d, lost %d, failed %d\n", changed, lost, failed);
    return 0;
}

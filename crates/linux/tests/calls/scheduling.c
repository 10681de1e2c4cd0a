#define _GNU_SOURCE
#include <sched.h>
#include "case.h"
// What a program may wish for its own threads, and what it is told of them.
int main(void) {
    struct sched_param none = {0}, one = {1}, seen = {9};
    cpu_set_t all, empty;
    CPU_ZERO(&empty);
    sched_getaffinity(0, sizeof all, &all);
    DONE("affinity", sched_setaffinity(0, sizeof all, &all));
    DONE("affinity_own", sched_setaffinity(getpid(), sizeof all, &all));
    DONE("affinity_empty", sched_setaffinity(0, sizeof empty, &empty));
    DONE("affinity_no_size", sched_setaffinity(0, 0, &all));
    DONE("affinity_nobody", sched_setaffinity(-1, sizeof all, &all));
    DONE("affinity_fault", sched_setaffinity(0, sizeof all, (void *)1));
    DONE("policy_other", sched_setscheduler(0, SCHED_OTHER, &none));
    DONE("policy_own", sched_setscheduler(getpid(), SCHED_OTHER, &none));
    DONE("policy_priority", sched_setscheduler(0, SCHED_OTHER, &one));
    DONE("policy_unknown", sched_setscheduler(0, 77, &none));
    DONE("policy_real_time_none", sched_setscheduler(0, SCHED_FIFO, &none));
    DONE("policy_nobody", sched_setscheduler(-1, SCHED_OTHER, &none));
    DONE("policy_nothing", syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 0));
    DONE("policy_fault", syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 1));
    DONE("parameter", sched_setparam(0, &none));
    DONE("parameter_priority", sched_setparam(0, &one));
    DONE("parameter_nobody", sched_setparam(-1, &none));
    DONE("batch", sched_setscheduler(0, SCHED_BATCH, &none));
    VALUE("batch_is", sched_getscheduler(0));
    DONE("other_again", sched_setscheduler(0, SCHED_OTHER, &none));
    VALUE("other_is", sched_getscheduler(getpid()));
    VALUE("parent_is", sched_getscheduler(getppid()));
    DONE("seen", sched_getparam(0, &seen));
    printf("seen_is %d\n", seen.sched_priority);
    return 0;
}

#include "call.h"
#include <sched.h>
// Scheduling of threads by number. Which policies there are is compared in scheduling.c.
#define NOBODY 0x3ffffff
int main(void) {
    ordinary();
    struct sched_param zero = {0}, one = {1};
    struct timespec slice;
    cpu_set_t set, empty;
    CPU_ZERO(&empty);
    int other = begin();
    if (!other) pause(), _exit(0);
    CASE(sched_getaffinity, "own", getpid(), sizeof set, &set);
    CASE(sched_getaffinity, "child", other, sizeof set, &set);
    CASE(sched_getaffinity, "nobody", NOBODY, sizeof set, &set);
    CASE(sched_getaffinity, "small", 0, 4, &set);
    CASE(sched_getaffinity, "small_own", getpid(), 4, &set);
    CASE(sched_getaffinity, "fault", getpid(), sizeof set, BAD);
    CASE(sched_setaffinity, "own", 0, sizeof set, &set);
    CASE(sched_setaffinity, "empty", 0, sizeof empty, &empty);
    CASE(sched_setaffinity, "nobody", NOBODY, sizeof set, &set);
    CASE(sched_setaffinity, "others", 1, sizeof set, &set);
    CASE(sched_setaffinity, "fault", 0, sizeof set, BAD);
    NUMBER(sched_getscheduler, "own", getpid());
    NUMBER(sched_getscheduler, "child", other);
    CASE(sched_getscheduler, "nobody", NOBODY);
    CASE(sched_getscheduler, "negative", -1);
    CASE(sched_setscheduler, "own", 0, SCHED_OTHER, &zero);
    CASE(sched_setscheduler, "unknown", 0, 77, &zero);
    CASE(sched_setscheduler, "real_time", 0, SCHED_FIFO, &one);
    CASE(sched_setscheduler, "nobody", NOBODY, SCHED_OTHER, &zero);
    CASE(sched_setscheduler, "fault", 0, SCHED_OTHER, BAD);
    CASE(sched_setscheduler, "others", 1, SCHED_OTHER, &zero);
    CASE(sched_getparam, "own", getpid(), &one);
    SEEN(sched_getparam, "is", one.sched_priority);
    CASE(sched_getparam, "nobody", NOBODY, &one);
    CASE(sched_getparam, "negative", -1, &one);
    CASE(sched_getparam, "nothing", 0, 0);
    CASE(sched_getparam, "nothing_own", getpid(), 0);
    CASE(sched_getparam, "fault", getpid(), BAD);
    CASE(sched_setparam, "own", 0, &zero);
    one.sched_priority = 1;
    CASE(sched_setparam, "priority", 0, &one);
    CASE(sched_setparam, "nobody", NOBODY, &zero);
    CASE(sched_setparam, "others", 1, &zero);
    CASE(sched_setparam, "nothing", 0, 0);
    CASE(sched_setparam, "fault", 0, BAD);
    CASE(sched_rr_get_interval, "own", getpid(), &slice);
    CASE(sched_rr_get_interval, "nobody", NOBODY, &slice);
    CASE(sched_rr_get_interval, "negative", -1, &slice);
    CASE(sched_rr_get_interval, "fault", getpid(), BAD);
    kill(other, SIGKILL);
    end(other);
    return 0;
}

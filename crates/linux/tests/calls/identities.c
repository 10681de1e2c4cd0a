#include "call.h"
#include <linux/capability.h>
// Users, groups and capabilities: of a superuser, and of who was one. Needs a superuser to begin with.
static void ids(const char *call, const char *what) {
    unsigned r, e, s, gr, ge, gs;
    syscall(SYS_getresuid, &r, &e, &s);
    syscall(SYS_getresgid, &gr, &ge, &gs);
    printf("%s.%s 0 %u %u %u %u %u %u\n", call, what, r, e, s, gr, ge, gs);
}
// Makes a call as a user with these three numbers, in a child.
static void as(const char *call, const char *what, long nr, int r, int e, int s, long a, long b, long c) {
    int user = strstr(call, "uid") != 0;
    fflush(stdout);
    if (!fork()) {
        if (user ? setresuid(r, e, s) : (setresgid(r, e, s) || setresuid(7, 7, 7))) printf("as %d\n", errno);
        errno = 0;
        long done = outcome(syscall(nr, a, b, c));
        unsigned now[3];
        syscall(user ? SYS_getresuid : SYS_getresgid, now, now + 1, now + 2);
        printf("%s.%s %ld %u %u %u\n", call, what, done, now[0], now[1], now[2]);
        fflush(stdout);
        _exit(0);
    }
    wait(0);
}

static void families(const char *set, const char *re, const char *res, long nset, long nre, long nres) {
    as(set, "root", nset, 0, 0, 0, 5, 0, 0);
    as(set, "none", nset, 0, 0, 0, -1, 0, 0);
    as(set, "own", nset, 5, 5, 5, 5, 0, 0);
    as(set, "other", nset, 5, 5, 5, 6, 0, 0);
    as(set, "real", nset, 5, 6, 7, 5, 0, 0);
    as(set, "saved", nset, 5, 6, 7, 7, 0, 0);
    as(set, "neither", nset, 5, 6, 7, 8, 0, 0);
    as(re, "root", nre, 0, 0, 0, 5, 6, 0);
    as(re, "root_real", nre, 0, 0, 0, 5, -1, 0);
    as(re, "root_effective", nre, 0, 0, 0, -1, 6, 0);
    as(re, "nothing", nre, 5, 6, 7, -1, -1, 0);
    as(re, "swap", nre, 5, 6, 7, 6, 5, 0);
    as(re, "real_is_effective", nre, 5, 6, 7, 6, -1, 0);
    as(re, "real_is_real", nre, 5, 6, 7, 5, -1, 0);
    as(re, "real_is_saved", nre, 5, 6, 7, 7, -1, 0);
    as(re, "effective_is_real", nre, 5, 6, 7, -1, 5, 0);
    as(re, "effective_is_effective", nre, 5, 6, 7, -1, 6, 0);
    as(re, "effective_is_saved", nre, 5, 6, 7, -1, 7, 0);
    as(re, "other", nre, 5, 6, 7, 8, -1, 0);
    as(re, "other_effective", nre, 5, 6, 7, -1, 8, 0);
    as(res, "root", nres, 0, 0, 0, 5, 6, 7);
    as(res, "turned", nres, 5, 6, 7, 6, 7, 5);
    as(res, "some", nres, 5, 6, 7, -1, 7, -1);
    as(res, "nothing", nres, 5, 6, 7, -1, -1, -1);
    as(res, "other", nres, 5, 6, 7, 8, -1, -1);
    as(res, "other_effective", nres, 5, 6, 7, -1, 8, -1);
    as(res, "other_saved", nres, 5, 6, 7, -1, -1, 8);
}

static void groups(void) {
    gid_t set[3] = {20, 30, 10}, got[8] = {0};
    CASE(setgroups, "three", 3, set);
    NUMBER(getgroups, "count", 0, 0);
    NUMBER(getgroups, "all", 8, got);
    SEEN(getgroups, "sorted", got[0] * 10000 + got[1] * 100 + got[2]);
    CASE(getgroups, "no_room", 2, got);
    CASE(getgroups, "negative", -1, got);
    CASE(getgroups, "fault", 8, BAD);
    CASE(setgroups, "too_many", 65537, set);
    CASE(setgroups, "negative", -1, set);
    CASE(setgroups, "fault", 3, BAD);
    CASE(setgroups, "none", 0, 0);
    NUMBER(getgroups, "none", 8, got);
    int status;
    CHILD(status, setresuid(5, 5, 5); CASE(setgroups, "no_right", 0, 0));
    CHILD(status, setresuid(5, 5, 5); CASE(setgroups, "no_right_fault", 3, BAD));
}

static void capabilities(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    CASE(capget, "own", &head, data);
    SEEN(capget, "has", data[0].effective & 1 << CAP_CHOWN && data[0].permitted & 1 << CAP_SETUID);
    head.pid = getpid();
    CASE(capget, "own_number", &head, data);
    head.pid = 0x3ffffff;
    CASE(capget, "nobody", &head, data);
    head.pid = -1;
    CASE(capget, "negative", &head, data);
    head = (struct __user_cap_header_struct){0, 0};
    CASE(capget, "version", &head, data);
    SEEN(capget, "version_is", head.version == _LINUX_CAPABILITY_VERSION_3);
    head.version = 0;
    CASE(capget, "version_alone", &head, 0);
    head.version = _LINUX_CAPABILITY_VERSION_3;
    CASE(capget, "without_data", &head, 0);
    CASE(capget, "fault", BAD, data);
    CASE(capget, "data_fault", &head, BAD);
    int status;
    CHILD(status, setresuid(5, 5, 5); head.pid = 0; CASE(capget, "user", &head, data);
          SEEN(capget, "user_has", data[0].effective | data[1].effective | data[0].permitted));
    CHILD(status, seteuid(5); head.pid = 0; capget(&head, data); SEEN(capget, "effective", data[0].effective | data[1].effective);
          SEEN(capget, "permitted", data[0].permitted != 0));
}

static void filesystem(void) {
    int status;
    NUMBER(setfsuid, "same", 0);
    NUMBER(setfsgid, "same", 0);
    CHILD(status, setresuid(5, 6, 7); NUMBER(setfsuid, "user", -1); NUMBER(setfsuid, "refused", 99); NUMBER(setfsuid, "refused_is", -1));
    CHILD(status, setresgid(5, 6, 7); setresuid(1, 1, 1); NUMBER(setfsgid, "group", -1); NUMBER(setfsgid, "refused", 99); NUMBER(setfsgid, "refused_is", -1));
}

int main(void) {
    if (geteuid() != 0) { printf("SKIP\n"); return 0; }
    setgroups(0, 0);
    families("setuid", "setreuid", "setresuid", SYS_setuid, SYS_setreuid, SYS_setresuid);
    families("setgid", "setregid", "setresgid", SYS_setgid, SYS_setregid, SYS_setresgid);
    unsigned id;
    CASE(getresuid, "fault", BAD, &id, &id);
    CASE(getresuid, "last_fault", &id, &id, BAD);
    CASE(getresgid, "fault", BAD, &id, &id);
    CASE(getresuid, "all", &id, &id, &id);
    CASE(getresgid, "all", &id, &id, &id);
    int status;
    CHILD(status, setresgid(1, 2, 3); setresuid(4, 5, 6); NUMBER(getuid, "is"); NUMBER(geteuid, "is"); NUMBER(getgid, "is"); NUMBER(getegid, "is"));
    groups();
    capabilities();
    filesystem();
    // Who may send signals to whom: by real and saved user.
    int go[2];
    char c;
    pipe(go);
    fflush(stdout);
    int other = fork();
    if (!other) { setresuid(5, 6, 7); write(go[1], "x", 1); pause(); }
    read(go[0], &c, 1);
    CHILD(status, setresuid(5, 5, 5); CASE(kill, "by_real", other, 0));
    CHILD(status, setresuid(6, 6, 6); CASE(kill, "by_effective", other, 0));
    CHILD(status, setresuid(7, 7, 7); CASE(kill, "by_saved", other, 0));
    CHILD(status, setresuid(5, 9, 9); CASE(kill, "with_real", other, 0));
    CHILD(status, setresuid(9, 9, 5); CASE(kill, "with_saved", other, 0));
    CHILD(status, setresuid(8, 8, 8); CASE(setpriority, "other_user", 0, other, 5));
    CHILD(status, setresuid(5, 5, 5); CASE(setpriority, "nicer", 0, 0, 19); CASE(setpriority, "less_nice", 0, 0, 5));
    kill(other, SIGKILL);
    end(other);
    return 0;
}

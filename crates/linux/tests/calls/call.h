// Cases by call: a line begins with the name of the call, so that it can be compared with the table of calls which of them have cases, and
// of which errors. The calls are made as they are, without what a library makes of them.
#include "case.h"
#include <grp.h>
#include <poll.h>
#include <sys/socket.h>

#define COUNT(...) COUNTED(0, ##__VA_ARGS__, 6, 5, 4, 3, 2, 1, 0)
#define COUNTED(zero, a, b, c, d, e, f, count, ...) count
#define JOIN(a, b) JOINED(a, b)
#define JOINED(a, b) a##b
#define RAW0(call) syscall(SYS_##call)
#define RAW1(call, a) syscall(SYS_##call, (long)(a))
#define RAW2(call, a, b) syscall(SYS_##call, (long)(a), (long)(b))
#define RAW3(call, a, b, c) syscall(SYS_##call, (long)(a), (long)(b), (long)(c))
#define RAW4(call, a, b, c, d) syscall(SYS_##call, (long)(a), (long)(b), (long)(c), (long)(d))
#define RAW5(call, a, b, c, d, e) syscall(SYS_##call, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))
#define RAW6(call, a, b, c, d, e, f) syscall(SYS_##call, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW(call, ...) JOIN(RAW, COUNT(__VA_ARGS__))(call, ##__VA_ARGS__)

static void line(const char *call, const char *what, long value) { printf("%s.%s %ld\n", call, what, value); }

// Whether a call works, or its error.
#define CASE(call, what, ...) do { errno = 0; line(#call, what, outcome(RAW(call, ##__VA_ARGS__))); } while (0)
// What it returns, or its error.
#define NUMBER(call, what, ...) do { errno = 0; line(#call, what, result(RAW(call, ##__VA_ARGS__))); } while (0)
// Something else that is to be seen of it.
#define SEEN(call, what, value) line(#call, what, (long)(value))

// Memory that is none, and a descriptor that is none.
#define BAD ((void *)16)
#define SHUT 99

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#endif

// Becomes a user without rights; one who is that already stays who it is.
static void ordinary(void) {
    chmod(".", 0777);
    if (geteuid() == 0 && (setgroups(0, 0) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))) printf("ordinary %d\n", errno);
}

static int begin(void) { fflush(stdout); return fork(); }
static int end(int pid) { int status = 0; waitpid(pid, &status, 0); return status; }
// Runs something in a child, and tells how that ended.
#define CHILD(status, ...) do { int child_ = begin(); if (!child_) { __VA_ARGS__; fflush(stdout); _exit(0); } status = end(child_); } while (0)

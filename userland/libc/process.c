/* Processes and identities. */
#include "agentos.h"
#include <string.h>
#include <sys/types.h>
#include <sys/utsname.h>

static struct agentos_ids ids(void) {
    struct agentos_ids out = {0};
    agentos_proc_ids(&out);
    return out;
}
static struct agentos_credentials credentials(void) {
    struct agentos_credentials out = {0};
    agentos_id_get(&out);
    return out;
}

pid_t getpid(void) { return (pid_t)ids().pid; }
pid_t getppid(void) { return (pid_t)ids().ppid; }
pid_t getpgrp(void) { return (pid_t)ids().pgid; }
pid_t getpgid(pid_t pid) {
    uint32_t out;
    uint32_t err = agentos_proc_getpgid((uint32_t)pid, &out);
    return err != 0 ? agentos_result(err) : (pid_t)out;
}
int setpgid(pid_t pid, pid_t pgid) { return agentos_result(agentos_proc_setpgid((uint32_t)pid, (uint32_t)pgid)); }
pid_t setsid(void) {
    uint32_t out;
    uint32_t err = agentos_proc_setsid(&out);
    return err != 0 ? agentos_result(err) : (pid_t)out;
}
uid_t getuid(void) { return credentials().ruid; }
uid_t geteuid(void) { return credentials().euid; }
gid_t getgid(void) { return credentials().rgid; }
gid_t getegid(void) { return credentials().egid; }

mode_t umask(mode_t mask) {
    uint32_t old = 0;
    agentos_proc_umask(1, mask, &old);
    return (mode_t)old;
}

int kill(pid_t pid, int sig) {
    if (sig < 0) return agentos_result(EINVAL);
    return agentos_result(agentos_sig_kill(pid, (uint32_t)sig));
}

/* Packs what the kernel says into the status word of wait(2), as Linux does. */
static int status_word(const struct agentos_wait *w) {
    switch (w->kind) {
    case 2: return (int)(w->code & 0x7f);
    case 3: return (int)(((w->code & 0xff) << 8) | 0x7f);
    case 4: return 0xffff;
    default: return (int)((w->code & 0xff) << 8);
    }
}

pid_t waitpid(pid_t pid, int *status, int options) {
    struct agentos_wait w;
    uint32_t err = agentos_proc_wait(pid, (uint32_t)options, &w);
    if (err != 0) return agentos_result(err);
    if (w.pid != 0 && status) *status = status_word(&w);
    return (pid_t)w.pid;
}
pid_t wait(int *status) { return waitpid(-1, status, 0); }

static uint32_t uname_field(uint32_t field, char *out, size_t cap) {
    size_t len = 0;
    uint32_t err = agentos_sys_uname(field, out, cap - 1, &len);
    out[err == 0 ? len : 0] = 0;
    return err;
}

int uname(struct utsname *out) {
    memset(out, 0, sizeof *out);
    uint32_t err = uname_field(0, out->sysname, sizeof out->sysname);
    if (err == 0) err = uname_field(1, out->nodename, sizeof out->nodename);
    if (err == 0) err = uname_field(2, out->release, sizeof out->release);
    if (err == 0) err = uname_field(3, out->version, sizeof out->version);
    if (err == 0) err = uname_field(4, out->machine, sizeof out->machine);
    return agentos_result(err);
}

int gethostname(char *out, size_t cap) {
    size_t len = 0;
    uint32_t err = agentos_sys_uname(1, out, cap, &len);
    if (err == ERANGE) return agentos_result(ENAMETOOLONG);
    if (err != 0) return agentos_result(err);
    if (len >= cap) return agentos_result(ENAMETOOLONG);
    out[len] = 0;
    return 0;
}

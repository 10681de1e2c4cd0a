#include "call.h"
#include <sys/resource.h>
// Executing programs. As a user without rights.
static char *given[] = {"given", "one", 0}, *variables[] = {"WHAT=variable", 0};

// Executes in a child, and tells the error or how it ended.
static void run(const char *call, const char *what, long nr, long a, long b, long c, long d, long e) {
    fflush(stdout);
    int child = fork();
    if (!child) {
        syscall(nr, a, b, c, d, e);
        printf("%s.%s -%d\n", call, what, errno);
        fflush(stdout);
        _exit(0);
    }
    int status = end(child);
    printf("%s.%s_status 0 %d\n", call, what, status);
}
#define PATH(what, path) run("execve", what, SYS_execve, (long)(path), (long)given, (long)variables, 0, 0)
#define AT(what, fd, path, flags) run("execveat", what, SYS_execveat, fd, (long)(path), (long)given, (long)variables, flags)

static void script(const char *name, const char *text) { put(name, text); chmod(name, 0755); }

static void copy(const char *from, const char *to) {
    char buf[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;) write(out, buf, n);
    close(in); close(out);
}

static void paths(void) {
    char name[300], *deep = malloc(5000);
    memset(name, 'n', 256); name[256] = 0;
    memset(deep, '/', 4096); deep[4096] = 0;
    PATH("fault", BAD);
    PATH("empty", "");
    PATH("missing", "none");
    PATH("missing_parent", "none/x");
    PATH("under_file", "plain/x");
    PATH("file_slash", "program/");
    PATH("loop", "loop");
    PATH("dangling", "dangling");
    PATH("long_name", name);
    PATH("long_path", deep);
    PATH("closed", "closed/program");
    PATH("directory", "dir");
    PATH("not_executable", "plain");
    PATH("no_program", "text");
    PATH("nothing", "nothing");
    PATH("cut", "cut");
    PATH("link", "link");
    PATH("pipe", "pipe");
    PATH("unreadable", "unreadable");
    int dir = open("dir", O_RDONLY), plain = open("plain", O_RDONLY), program = open("program", O_RDONLY);
    AT("fault", dir, BAD, 0);
    AT("empty", dir, "", 0);
    AT("missing", dir, "none", 0);
    AT("under_file", AT_FDCWD, "plain/x", 0);
    AT("from_file", plain, "x", 0);
    AT("shut", SHUT, "x", 0);
    AT("loop", AT_FDCWD, "loop", 0);
    AT("link_not_followed", AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW);
    AT("long_name", AT_FDCWD, name, 0);
    AT("long_path", AT_FDCWD, deep, 0);
    AT("not_executable", AT_FDCWD, "plain", 0);
    AT("no_program", AT_FDCWD, "text", 0);
    AT("flags", program, "", AT_EMPTY_PATH | 0x40000);
    AT("itself", program, "", AT_EMPTY_PATH);
    AT("below", dir, "program", 0);
}

static void scripts(void) {
    script("script", "#!/bin/sh\necho script $0 $1 $WHAT\n");
    script("with_argument", "#!/bin/sh -e\nfalse\necho not here\n");
    script("spaces", "#!  \t /bin/sh   \t\necho spaces $1\n");
    script("no_interpreter", "#!/none/sh\n");
    script("empty_interpreter", "#!\n");
    script("blank_interpreter", "#!   \n");
    script("directory_interpreter", "#!/\n");
    script("plain_interpreter", "#!plain\n");
    script("relative", "#!script x\n");
    script("no_newline", "#!/bin/sh");
    script("nested_a", "#!nested_b\n");
    script("nested_b", "#!nested_c\n");
    script("nested_c", "#!nested_d\n");
    script("nested_d", "#!nested_e\n");
    script("nested_e", "#!nested_f\n");
    script("nested_f", "#!/bin/sh\n");
    script("itself", "#!itself\n");
    char *text = malloc(400);
    memset(text, 'x', 400);
    memcpy(text, "#!/", 3);
    strcpy(text + 300, "\n");
    script("long_interpreter", text);
    memset(text, 'x', 400);
    memcpy(text, "#!/bin/sh ", 10);
    strcpy(text + 300, "\necho cut\n");
    script("long_argument", text);
    const char *all[] = {"script", "with_argument", "spaces", "no_interpreter", "empty_interpreter", "blank_interpreter", "directory_interpreter",
                         "plain_interpreter", "relative", "no_newline", "nested_c", "nested_b", "nested_a", "itself", "long_interpreter"};
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) PATH(all[i], all[i]);
}

static void arguments(void) {
    run("execve", "no_arguments", SYS_execve, (long)"count", 0, 0, 0, 0);
    run("execve", "arguments_fault", SYS_execve, (long)"count", 16, 0, 0, 0);
    run("execve", "variables_fault", SYS_execve, (long)"count", (long)given, 16, 0, 0);
    char *bad[] = {"x", BAD, 0};
    run("execve", "argument_fault", SYS_execve, (long)"count", (long)bad, 0, 0, 0);
    run("execve", "variable_fault", SYS_execve, (long)"count", (long)given, (long)bad, 0, 0);
    run("execveat", "arguments_fault", SYS_execveat, AT_FDCWD, (long)"count", 16, 0, 0);
    // An argument, and all of them, that are more than a program may be given.
    char *large = malloc(33 << 12);
    memset(large, 'x', 33 << 12);
    large[(32 << 12) - 1] = 0;
    char *one[] = {"count", large, 0};
    run("execve", "longest_argument", SYS_execve, (long)"count", (long)one, 0, 0, 0);
    large[(32 << 12) - 1] = 'x';
    large[32 << 12] = 0;
    run("execve", "argument_too_long", SYS_execve, (long)"count", (long)one, 0, 0, 0);
    run("execveat", "argument_too_long", SYS_execveat, AT_FDCWD, (long)"count", (long)one, 0, 0);
    run("execve", "variable_too_long", SYS_execve, (long)"count", (long)given, (long)one, 0, 0);
    large[(16 << 12)] = 0;
    char **many = malloc(8 * 402);
    for (int i = 0; i < 400; i++) many[i] = large;
    many[400] = 0;
    run("execve", "too_much", SYS_execve, (long)"count", (long)many, 0, 0, 0);
}

// How a child ends that may have so much of a stack and executes with so many bytes of arguments and variables.
static int with_stack(rlim_t stack, long call, size_t bytes, int count) {
    fflush(stdout);
    int child = fork();
    if (!child) {
        struct rlimit limit = {stack, RLIM_INFINITY};
        prlimit(0, RLIMIT_STACK, 0, &limit);
        limit.rlim_cur = stack;
        setrlimit(RLIMIT_STACK, &limit);
        char **args = calloc(count + 3, sizeof *args);
        args[0] = "quiet";
        for (int i = 0; i < count; i++) {
            size_t some = bytes / count + (i ? 0 : bytes % count);
            args[i + 1] = malloc(some + 1);
            memset(args[i + 1], 'x', some);
            args[i + 1][some] = 0;
        }
        if (call == SYS_execve) syscall(call, "count", args, variables);
        else syscall(call, AT_FDCWD, "count", args, args, 0);
        // It goes on as it was, and may ask for whatever it could.
        int error = errno;
        struct stat at;
        if (stat("count", &at) || access("program", X_OK) || getppid() < 1) _exit(50);
        int again = fork();
        if (!again) {
            char *few[] = {"quiet", 0};
            syscall(SYS_execve, "count", few, variables);
            _exit(51);
        }
        if (end(again) != 7 << 8) _exit(52);
        _exit(error == E2BIG ? 3 : 53);
    }
    return end(child);
}

// Up to how many bytes a program is executed.
static void stacks(void) {
    const struct { const char *name; rlim_t stack; int count; long call; } all[] = {
        {"floor", 64 << 10, 4, SYS_execve}, {"floor_of_many", 64 << 10, 3000, SYS_execve}, {"quarter", 1 << 20, 4, SYS_execve},
        {"quarter_of_many", 1 << 20, 9000, SYS_execve}, {"quarter_at", 2 << 20, 7, SYS_execveat}, {"odd", 777777, 5, SYS_execve}};
    for (int i = 0; i < (int)(sizeof all / sizeof *all); i++) {
        size_t low = 0, high = 700000;
        while (low + 1 < high) {
            size_t middle = (low + high) / 2;
            int ended = with_stack(all[i].stack, all[i].call, middle, all[i].count);
            if (ended == 3 << 8) high = middle; else low = middle;
            if (ended > 49 << 8) printf("stacks.%s_after 0 %d\n", all[i].name, ended >> 8);
        }
        printf("stacks.%s 0 %ld\n", all[i].name, (long)low);
    }
}

static void busy(void) {
    copy("program", "written");
    int fd = open("written", O_WRONLY);
    PATH("written", "written");
    AT("written", AT_FDCWD, "written", 0);
    close(fd);
    // While it runs it is not written.
    int up[2];
    char c;
    pipe(up);
    fflush(stdout);
    int child = fork();
    if (!child) {
        dup2(up[1], 50);
        char *waits[] = {"waits", "wait", 0};
        execve("written", waits, 0);
        _exit(1);
    }
    close(up[1]);
    read(up[0], &c, 1);
    CASE(open, "running", "written", O_WRONLY);
    CASE(open, "running_truncated", "written", O_RDONLY | O_TRUNC);
    CASE(truncate, "running", "written", 0);
    kill(child, SIGKILL);
    end(child);
    CASE(open, "not_running", "written", O_WRONLY);
}

int main(int argc, char **argv) {
    if (!strcmp(argv[0], "quiet")) return 7;
    if (argc > 1 && !strcmp(argv[1], "wait")) { write(50, "x", 1); pause(); }
    if (argc > 1 && !strcmp(argv[1], "one")) {
        printf("execve.ran_%s 0 %s %s\n", argv[0], argv[1], getenv("WHAT") ? getenv("WHAT") : "-");
        return 0;
    }
    char *name = strrchr(argv[0], '/');
    if (argc != 1 || !strcmp(argv[0], "count") || argv[0][0] == 0) {
        printf("execve.counted_%d %d %d\n", argc, argc, argc > 1 ? (int)strlen(argv[1]) : 0);
        return 0;
    }
    setvbuf(stdout, 0, _IOLBF, 0);
    umask(022);
    ordinary();
    mkdir("home", 0755);
    chdir("home");
    mkdir("dir", 0755); mkdir("closed", 0755);
    put("plain", "no program");
    script("text", "no program");
    script("nothing", "");
    copy("/proc/self/exe", "program");
    copy("program", "count");
    copy("program", "dir/program");
    copy("program", "closed/program");
    copy("program", "unreadable");
    copy("program", "cut");
    truncate("cut", 100);
    chmod("unreadable", 0111);
    chmod("closed", 0);
    symlink("loop", "loop"); symlink("none", "dangling"); symlink("program", "link");
    mkfifo("pipe", 0755);
    paths();
    scripts();
    arguments();
    stacks();
    busy();
    return 0;
}

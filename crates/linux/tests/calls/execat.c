#include "case.h"
#include <pthread.h>

// Runs a program by a descriptor in a child, and prints its error or how it ended.
static char *given[] = {"given", "one", "two", 0};
static char *variables[] = {"WHAT=variable", 0};

static long run(int dirfd, const char *path, int flags) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_execveat, dirfd, path, given, variables, flags);
        int error = errno;
        printf("-%d\n", error);
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return status;
}

// The same in a child that lives in its parent's memory.
static volatile int failed;
static long run_in_borrowed(int dirfd, const char *path, int flags) {
    fflush(stdout);
    failed = 0;
    pid_t child = vfork();
    if (child == 0) {
        syscall(SYS_execveat, dirfd, path, given, variables, flags);
        failed = errno;
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (failed) printf("-%d\n", failed);
    return status;
}
#define BORROW(name, ...) do { printf("vfork.%s ", name); long status = run_in_borrowed(__VA_ARGS__); if (status) printf("vfork.%s_status %ld\n", name, status); } while (0)

// A child in borrowed memory whose child lives there, too.
static void nested(int program) {
    static volatile pid_t inner;
    printf("vfork.nested ");
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        inner = vfork();
        if (inner == 0) {
            syscall(SYS_execveat, program, "", given, variables, AT_EMPTY_PATH);
            _exit(errno);
        }
        int status = 0;
        syscall(SYS_wait4, inner, &status, 0, 0);
        _exit(status ? 1 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("vfork.nested_status %d\n", status);
}

static void *wait_for_end(void *fd) {
    char byte;
    read((int)(long)fd, &byte, 1);
    return 0;
}

static void in_borrowed_memory(int program, int closing, int plain, int dir, int script, int shut, int gone) {
    struct { char path[1], after[40]; } memory = {"", "what lies behind the path stays as it is"};
    BORROW("by_descriptor", program, memory.path, AT_EMPTY_PATH);
    BORROW("by_closing", closing, memory.path, AT_EMPTY_PATH);
    BORROW("constant", program, "", AT_EMPTY_PATH);
    BORROW("below", dir, "program", 0);
    BORROW("script", script, "", AT_EMPTY_PATH);
    BORROW("script_closing", shut, "", AT_EMPTY_PATH);
    BORROW("removed", gone, memory.path, AT_EMPTY_PATH);
    BORROW("closed", 77, memory.path, AT_EMPTY_PATH);
    BORROW("not_executable", plain, memory.path, AT_EMPTY_PATH);
    BORROW("missing", dir, "nothing", 0);
    for (int i = 0; i < 50; i++) {
        static char *quiet[] = {"quiet", "one", 0};
        pid_t child = vfork();
        if (child == 0) {
            syscall(SYS_execveat, program, memory.path, quiet, variables, AT_EMPTY_PATH);
            _exit(1);
        }
        if (memory.path[0] || memcmp(memory.after, "what lies behind the path stays as it is", 40)) printf("vfork.changed %d\n", i);
        int status;
        waitpid(child, &status, 0);
    }
    printf("vfork.memory %d%.40s\n", memory.path[0], memory.after);
    nested(program);
    // A parent with another thread, which may look at the memory meanwhile.
    int ends[2];
    pipe(ends);
    pthread_t thread;
    pthread_create(&thread, 0, wait_for_end, (void *)(long)ends[0]);
    BORROW("threads", program, memory.path, AT_EMPTY_PATH);
    BORROW("threads_and_long_path", dir, "../d/./././././././././././program", 0);
    close(ends[1]);
    pthread_join(thread, 0);
    close(ends[0]);
}

#define RUN(name, ...) do { printf("%s ", name); long status = run(__VA_ARGS__); if (status) printf("%s_status %ld\n", name, status); } while (0)

static void *from_thread(void *fd) {
    syscall(SYS_execveat, (int)(long)fd, "", given, variables, AT_EMPTY_PATH);
    printf("-%d\n", errno);
    fflush(stdout);
    _exit(0);
}

static void copy(const char *from, const char *to) {
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    char buf[65536];
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;) write(out, buf, n);
    close(in);
    close(out);
}

int main(int argc, char **argv) {
    if (argc == 2) return 0;
    if (argc > 2) {
        const char *what = getenv("WHAT");
        printf("ran %s %s %s %s\n", argv[0], argv[1], argv[2], what ? what : "-");
        return 0;
    }
    setvbuf(stdout, 0, _IONBF, 0);
    mkdir("d", 0755);
    copy("/proc/self/exe", "d/program");
    symlink("program", "d/link");
    put("d/plain", "no program");
    put("d/script", "#!/bin/sh\necho \"script $0 $1\"\n");
    chmod("d/script", 0755);
    int program = open("d/program", O_RDONLY), closing = open("d/program", O_RDONLY | O_CLOEXEC), place = open("d/program", O_PATH);
    int dir = open("d", O_RDONLY | O_DIRECTORY), plain = open("d/plain", O_RDONLY);
    RUN("by_descriptor", program, "", AT_EMPTY_PATH);
    RUN("by_closing", closing, "", AT_EMPTY_PATH);
    RUN("by_place", place, "", AT_EMPTY_PATH);
    RUN("itself_is_no_link", program, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    RUN("below", dir, "program", 0);
    RUN("below_by_dots", dir, "../d/./program", 0);
    RUN("below_link", dir, "link", 0);
    RUN("below_link_not_followed", dir, "link", AT_SYMLINK_NOFOLLOW);
    RUN("here", AT_FDCWD, "d/program", 0);
    RUN("here_link_not_followed", AT_FDCWD, "d/link", AT_SYMLINK_NOFOLLOW);
    char whole[PATH_MAX];
    realpath("d/program", whole);
    RUN("absolute", dir, whole, 0);
    RUN("absolute_of_nothing", -1, whole, 0);
    int low = dup2(open("d/script", O_RDONLY), 40), low_dir = dup2(dir, 41), shut = fcntl(low, F_DUPFD_CLOEXEC, 42);
    RUN("script", low, "", AT_EMPTY_PATH);
    RUN("script_below", low_dir, "script", 0);
    RUN("script_closing", shut, "", AT_EMPTY_PATH);
    fcntl(dir, F_SETFD, FD_CLOEXEC);
    RUN("script_below_closing", dir, "script", 0);
    RUN("closed", 77, "", AT_EMPTY_PATH);
    RUN("negative", -1, "program", 0);
    RUN("empty", program, "", 0);
    RUN("file_as_directory", program, "x", 0);
    RUN("unknown_flag", program, "", AT_EMPTY_PATH | 0x40000000);
    RUN("working_directory", AT_FDCWD, "", AT_EMPTY_PATH);
    RUN("directory", dir, "", AT_EMPTY_PATH);
    RUN("not_executable", plain, "", AT_EMPTY_PATH);
    RUN("missing", dir, "nothing", 0);
    // What was removed can still be run.
    copy("d/program", "d/gone");
    int gone = open("d/gone", O_RDONLY);
    unlink("d/gone");
    RUN("removed", gone, "", AT_EMPTY_PATH);
    printf("library ");
    fflush(stdout);
    if (!fork()) {
        fexecve(program, given, variables);
        printf("-%d\n", errno);
        _exit(0);
    }
    wait(0);
    printf("from_thread ");
    fflush(stdout);
    if (!fork()) {
        pthread_t thread;
        pthread_create(&thread, 0, from_thread, (void *)(long)program);
        pause();
    }
    wait(0);
    in_borrowed_memory(program, closing, plain, low_dir, low, shut, gone);
    // Failing leaves the memory around the path as it was.
    struct { char path[1], after[40]; } memory = {"", "what lies behind the path stays as it is"};
    syscall(SYS_execveat, 77, memory.path, given, variables, AT_EMPTY_PATH);
    syscall(SYS_execveat, plain, memory.path, given, variables, AT_EMPTY_PATH);
    syscall(SYS_execveat, program, memory.path, (char **)8, variables, AT_EMPTY_PATH);
    printf("memory %.40s\n", memory.after);
    // A path that ends with the memory.
    char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    page[4095] = 0;
    RUN("end_of_memory", program, page + 4095, AT_EMPTY_PATH);
    return 0;
}

#include "case.h"
#include <pthread.h>

// Runs programs that are in memory files, by descriptors and by the paths of these, and prints their errors or what they say.
#define NOEXEC_SEAL 8
#define EXEC 16
static char *given[] = {"given", "one", "two", 0};
static char *itself[] = {"given", "one", "itself", 0};
static char *variables[] = {"WHAT=variable", 0};
static volatile int failed;

// Ways to start a program, each in a child.
struct way { int dirfd; const char *path; int flags; char **arguments; };
static void start(const struct way *way) {
    if (way->dirfd == -2) execve(way->path, way->arguments, variables);
    else if (way->dirfd >= 0 && !way->path) fexecve(way->dirfd, way->arguments, variables);
    else syscall(SYS_execveat, way->dirfd, way->path, way->arguments, variables, way->flags);
    failed = errno;
}

static void run(const char *name, struct way way) {
    if (!way.arguments) way.arguments = given;
    for (int borrows = 0; borrows < 2; borrows++) {
        printf("%s%s ", borrows ? "vfork." : "", name);
        failed = 0;
        pid_t child = borrows ? vfork() : fork();
        if (child == 0) {
            start(&way);
            _exit(failed);
        }
        int status;
        waitpid(child, &status, 0);
        if (status) printf("%d\n", WIFEXITED(status) ? -WEXITSTATUS(status) : status);
    }
}
#define AT(name, fd, ...) run(name, (struct way){fd, "", AT_EMPTY_PATH, ##__VA_ARGS__})
#define PATH(name, at) run(name, (struct way){-2, at})

static void copy(int in, int out) {
    char buf[65536];
    lseek(in, 0, SEEK_SET);
    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;) write(out, buf, n);
}

static int made(int from, unsigned flags, int number) {
    int memory = memfd_create("program", flags);
    copy(from, memory);
    int at = fcntl(memory, flags & MFD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, number);
    close(memory);
    return at;
}

static int text(const char *content, unsigned flags, int number) {
    int memory = memfd_create("script", flags), at = fcntl(memory, flags & MFD_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, number);
    write(memory, content, strlen(content));
    close(memory);
    return at;
}

static char *path_of(const char *format, int fd) {
    char *path;
    asprintf(&path, format, fd);
    return path;
}

// What a program of a memory file finds of itself.
static void look_at_itself(char **argv) {
    struct stat st, named;
    int own = open("/proc/self/exe", O_RDONLY), written = open("/proc/self/exe", O_WRONLY), error = errno;
    char head[4] = "";
    fstat(own, &st);
    stat("/proc/self/exe", &named);
    read(own, head, 4);
    printf("itself %d %d %d %d\nitself_again ", st.st_size > 4096, st.st_size == named.st_size, !memcmp(head, "\177ELF", 4), written < 0 ? -error : 0);
    fflush(stdout);
    execve("/proc/self/exe", given, variables);
    printf("-%d\n", errno);
    exit(0);
}

static void opened_again(int script) {
    char *path = path_of("/proc/self/fd/%d", script), buf[64] = "";
    int memory = memfd_create("plain", 0);
    write(memory, "content", 7);
    char *plain = path_of("/dev/fd/%d", memory);
    int reads = open(plain, O_RDONLY);
    printf("again.read %ld", (long)read(reads, buf, sizeof buf));
    printf(" %s\n", buf);
    printf("again.write_to_reader %ld\n", write(reads, "x", 1) < 0 ? -(long)errno : 0);
    int writes = open(plain, O_WRONLY | O_APPEND);
    printf("again.append %ld %ld\n", (long)write(writes, "more", 4), (long)lseek(memory, 0, SEEK_END));
    printf("again.read_of_writer %ld\n", read(writes, buf, 1) < 0 ? -(long)errno : 0);
    int empty = open(plain, O_RDWR | O_TRUNC);
    printf("again.truncated %d %ld\n", empty >= 0, (long)lseek(memory, 0, SEEK_END));
    fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE);
    printf("again.exclusive %d\n", open(path, O_RDONLY | O_CREAT | O_EXCL, 0600) < 0 ? -errno : 0);
    printf("again.directory %d\n", open(path, O_RDONLY | O_DIRECTORY) < 0 ? -errno : 0);
    printf("again.not_followed %d\n", open(path, O_RDONLY | O_NOFOLLOW) < 0 ? -errno : 0);
}

static void *from_thread(void *fd) {
    struct way way = {(int)(long)fd, "", AT_EMPTY_PATH, given};
    start(&way);
    printf("-%d\n", failed);
    _exit(0);
}

static void refused(int own, int program) {
    int never = made(own, NOEXEC_SEAL, 60), place = open(path_of("/proc/self/fd/%d", never), O_PATH);
    AT("noexec", never);
    PATH("noexec_path", path_of("/proc/self/fd/%d", never));
    AT("noexec_place", place);
    run("noexec_library", (struct way){never, 0});
    printf("flags_both %d\n", memfd_create("m", NOEXEC_SEAL | EXEC) < 0 ? -errno : 0);
    AT("nothing", memfd_create("empty", 0));
    AT("no_program", text("no program", 0, 61));
    AT("half_a_head", text("\177ELF", 0, 62));
    AT("no_interpreter", text("#!/nowhere/at/all\n", 0, 63));
    run("as_directory", (struct way){program, "x", 0});
    run("flags", (struct way){program, "", AT_EMPTY_PATH | 0x40000000});
    PATH("below", path_of("/proc/self/fd/%d/x", program));
    PATH("not_open", "/proc/self/fd/99");
    int ends[2];
    pipe(ends);
    AT("pipe", ends[0]);
}

int main(int argc, char **argv) {
    if (argc > 2) {
        if (!strcmp(argv[2], "itself")) look_at_itself(argv);
        const char *what = getenv("WHAT");
        printf("ran %s %s %s %s\n", argv[0], argv[1], argv[2], what ? what : "-");
        return 0;
    }
    setvbuf(stdout, 0, _IONBF, 0);
    int own = open("/proc/self/exe", O_RDONLY);
    int program = made(own, 0, 40), closing = made(own, MFD_CLOEXEC, 41), marked = made(own, EXEC, 42), sealed = made(own, MFD_ALLOW_SEALING, 43);
    fcntl(sealed, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    AT("made", program);
    AT("closing", closing);
    AT("marked", marked);
    AT("sealed", sealed);
    run("library", (struct way){sealed, 0});
    PATH("path", path_of("/proc/self/fd/%d", program));
    PATH("path_of_devices", path_of("/dev/fd/%d", program));
    PATH("path_closing", path_of("/proc/self/fd/%d", closing));
    PATH("path_of_number", path_of(path_of("/proc/%d/fd/%%d", getpid()), sealed));
    run("path_at", (struct way){AT_FDCWD, path_of("/proc/self/fd/%d", program), 0});
    int fds = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
    AT("place", open(path_of("/proc/self/fd/%d", program), O_PATH));
    AT("reader", open(path_of("/proc/self/fd/%d", sealed), O_RDONLY));
    AT("itself_by", program, itself);
    int script = text("#!/bin/sh\necho \"script $0 $1\"\n", 0, 44), shut = text("#!/bin/sh\necho never\n", MFD_CLOEXEC, 45);
    AT("script", script);
    PATH("script_path", path_of("/proc/self/fd/%d", script));
    AT("script_closing", shut);
    // A program that is another one by then.
    int other = text("#!/bin/sh\necho first\n", 0, 46);
    AT("first", other);
    pwrite(other, "#!/bin/sh\necho other\n", 21, 0);
    AT("other", other);
    ftruncate(other, 4);
    AT("cut", other);
    printf("from_thread ");
    if (!fork()) {
        pthread_t thread;
        pthread_create(&thread, 0, from_thread, (void *)(long)program);
        pause();
    }
    wait(0);
    // Everything is closed but the program.
    printf("nothing_left ");
    if (!fork()) {
        struct way way = {closing, "", AT_EMPTY_PATH, given};
        for (int fd = 3; fd < 100; fd++)
            if (fd != closing) close(fd);
        start(&way);
    }
    wait(0);
    refused(own, program);
    opened_again(script);
    fchmod(program, 0600);
    AT("not_executable", program);
    return 0;
}

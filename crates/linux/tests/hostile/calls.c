// Makes the system calls that a file describes, with the worst registers and memory: `calls FILE`. A record has a call's number in two
// bytes, then for each of six arguments a kind and a value. Every record is tried in a child, so that what it does to itself
// costs one; a second thread changes the memory that calls point to all the while.
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, RECORD = 2 + 6 * 9, FDS = 20 };
static unsigned char input[1 << 16];
static unsigned char *pages;
static volatile int turning = 1;

// Pages: 0 writable, 1 gone, 2 read-only, 3 executable, 4 a shared one of a file that is cut, 5 and 6 writable in one piece, 7 gone.
static void make_pages(int file) {
    pages = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int at = 0; at < 8 * PAGE; at++) pages[at] = input[at % sizeof input];
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    mprotect(pages + 2 * PAGE, PAGE, PROT_READ);
    mprotect(pages + 3 * PAGE, PAGE, PROT_READ | PROT_EXEC);
    mmap(pages + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0);
    munmap(pages + 7 * PAGE, PAGE);
}

static void *turn(void *nothing) {
    for (unsigned step = 0; turning; step++) pages[step % PAGE] ^= step >> 3, pages[5 * PAGE + step % (2 * PAGE)] += 13;
    return nothing;
}

static const char *paths[] = {
    "/tmp/f", "f", "", ".", "..", "/", "/proc/self/fd/3", "/proc/self/mem", "/proc/self/exe", "/dev/ptmx", "/dev/tty", "/dev/null",
    "/tmp/no/such", "/usr/bin/true", "/tmp/link", "/proc/1/root", "/tmp/f/", "/tmp/socket", "/proc/self/task", "/dev/pts/0",
};
static const uint64_t numbers[] = {
    0, 1, 2, 3, 7, 8, 16, 100, 255, 4095, 4096, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, 1ull << 40, 1ull << 62, 1ull << 63,
    -1, -2, -100, -4096, 0xffffff9c, 0x1000, 0x100, 0x5401, 0x5413, 0x5410, 0xffff800000000000, 0x7ffffffff000, 0xdeadbeef,
};

static uint64_t argument(unsigned kind, uint64_t value) {
    static char longest[PAGE * 2];
    static struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = 0x901f};
    static struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/tmp/socket"};
    memset(longest, 'a', sizeof longest - 1);
    switch (kind % 12) {
    case 0: return value % FDS;
    case 1: return numbers[value % (sizeof numbers / sizeof *numbers)];
    case 2: return value;
    case 3: return (uint64_t)paths[value % (sizeof paths / sizeof *paths)];
    case 4: return (uint64_t)pages + value % (8 * PAGE);
    // The last bytes before a page that is not there.
    case 5: return (uint64_t)pages + PAGE - value % 24;
    case 6: return (uint64_t)pages + 7 * PAGE - value % 64;
    case 7: return (uint64_t)pages + 5 * PAGE + value % PAGE;
    case 8: return (uint64_t)longest;
    case 9: return value & 1 ? (uint64_t)&inet : (uint64_t)&un;
    case 10: return value % 128;
    default: return (uint64_t)pages + (value % 8) * PAGE;
    }
}

static void open_all(void) {
    int file = open("/tmp/f", O_RDWR | O_CREAT, 0644);
    ftruncate(file, 100);
    make_pages(file);
    open("/tmp/f", O_RDONLY);
    open("/tmp", O_RDONLY | O_DIRECTORY);
    open("/tmp/f", O_PATH);
    int pair[2];
    pipe(pair);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socket(AF_NETLINK, SOCK_RAW, 0);
    epoll_create1(0);
    eventfd(0, EFD_NONBLOCK);
    inotify_init1(IN_NONBLOCK);
    memfd_create("m", MFD_ALLOW_SEALING);
    open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
}

int main(int argc, char **argv) {
    int from = open(argv[1], O_RDONLY);
    int size = read(from, input, sizeof input);
    close(from);
    symlink("/tmp/link", "/tmp/link");
    for (int at = 0; at + RECORD <= size; at += RECORD) {
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            open_all();
            alarm(1);
            pthread_t other;
            pthread_create(&other, 0, turn, 0);
            uint64_t args[6];
            for (int index = 0; index < 6; index++) {
                uint64_t value;
                memcpy(&value, input + at + 3 + index * 9, 8);
                args[index] = argument(input[at + 2 + index * 9], value);
            }
            unsigned number = input[at] | (input[at + 1] & 3) << 8;
            // Twice: what the first has done the second meets.
            for (int turns = 0; turns < 2; turns++) syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
            _exit(0);
        }
        int status;
        while (waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) kill(-child, SIGKILL);
        kill(-child, SIGKILL);
    }
    return 0;
}

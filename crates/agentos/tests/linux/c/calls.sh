# What a program of C sees: arguments, variables, files, threads, jumps, its own limits.
# needs: gcc
cat > t.c <<'C'
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static sigjmp_buf env;
static void jump(int s) { siglongjmp(env, s); }
extern char **environ;
int main(int c, char **v) {
  printf("%d %s %s %s\n", c, v[0], v[1], getenv("K"));
  if (!sigsetjmp(env, 1)) { signal(SIGSEGV, jump); *(volatile int *)8 = 1; } else puts("caught");
  signal(SIGSEGV, SIG_DFL);
  char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  m[0] = (char)0xc3; mprotect(m, 4096, PROT_READ | PROT_EXEC); ((void (*)(void))m)(); puts("executed");
  void *lib = dlopen("libm.so.6", RTLD_NOW); double (*f)(double) = (double (*)(double))dlsym(lib, "cos"); printf("%.1f\n", f(0));
  struct stat st; printf("%d %d\n", stat("/dev/null", &st), S_ISCHR(st.st_mode));
  int fd = open("f", O_CREAT | O_RDWR | O_APPEND, 0600); write(fd, "ab", 2); pwrite(fd, "c", 1, 0); fstat(fd, &st); printf("%ld %o\n", (long)st.st_size, st.st_mode & 07777);
  printf("%d %d\n", fcntl(fd, F_GETFL) & O_APPEND, fcntl(fd, F_DUPFD, 50));
  unlink("f"); fstat(fd, &st); printf("%ld\n", (long)st.st_nlink);
  DIR *d = opendir("."); int n = 0; while (readdir(d)) n++; rewinddir(d); int k = 0; while (readdir(d)) k++; printf("%d\n", n == k); closedir(d);
  pid_t p = vfork(); if (!p) { execl("/bin/sh", "sh", "-c", "exit 6", (char *)0); _exit(1); } int s; waitpid(p, &s, 0); printf("%d\n", WEXITSTATUS(s));
  p = fork(); if (!p) { abort(); } wait(&s); printf("%d %d\n", WIFSIGNALED(s), WTERMSIG(s));
  struct rlimit r; printf("%d %d\n", getrlimit(RLIMIT_NOFILE, &r), r.rlim_cur > 10); struct rusage u; printf("%d\n", getrusage(RUSAGE_SELF, &u));
  struct timespec t; printf("%d %d\n", clock_gettime(CLOCK_MONOTONIC, &t), t.tv_sec > 0);
  printf("%d %s\n", execl("/no/such", "x", (char *)0), strerror(errno));
  char *args[] = {"sh", "-c", "echo $0 $1 $K; exit 8", "zero", "one", 0}, *vars[] = {"K=new", 0}; fflush(stdout); execve("/bin/sh", args, vars); return 99;
}
C
gcc -w -o t t.c -ldl; K=v ./t arg; echo $?; (exec -a other ./t x | head -n 1); rm -f core t.c t

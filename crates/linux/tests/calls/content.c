#include "case.h"
static char big[1 << 20], back[1 << 20];
static long sum(const char *data, long len) { long s = 0; for (long i = 0; i < len; i++) s = s * 31 + data[i]; return s & 0xffffff; }
int main(void) {
    for (int i = 0; i < (int)sizeof big; i++) big[i] = i * 7;
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    VALUE("write", write(fd, big, sizeof big));
    VALUE("pread", pread(fd, back, sizeof back, 0));
    printf("same %d\n", !memcmp(big, back, sizeof big));
    struct iovec io[2] = {{"abc", 3}, {"defg", 4}};
    VALUE("pwritev", pwritev(fd, io, 2, 100));
    char seven[8] = {0};
    pread(fd, seven, 7, 100);
    printf("seven %s\n", seven);
    // Mappings that several share.
    char *map = mmap(0, sizeof big, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memcpy(map + 4096, "mapped", 6);
    pread(fd, seven, 6, 4096);
    printf("mapped %s\n", seven);
    pwrite(fd, "written", 7, 8192);
    printf("seen %.7s\n", map + 8192);
    if (!fork()) {
        memcpy(map + 12288, "child", 5);
        msync(map, sizeof big, MS_SYNC);
        _exit(0);
    }
    wait(0);
    pread(fd, seven, 5, 12288);
    printf("child %.5s\n", seven);
    DONE("msync_odd", msync(map + 1, 5, MS_SYNC));
    DONE("msync_both", msync(map, 4096, MS_SYNC | MS_ASYNC));
    DONE("msync_unknown", msync(map, 4096, MS_SYNC | 64));
    int other = open("f", O_RDONLY);
    char *look = mmap(0, sizeof big, PROT_READ, MAP_SHARED, other, 0);
    memcpy(map + 16384, "both", 4);
    printf("both %.4s\n", look + 16384);
    DONE("mprotect", mprotect(look, 4096, PROT_READ | PROT_WRITE));
    char *private = mmap(0, sizeof big, PROT_READ | PROT_WRITE, MAP_PRIVATE, other, 0);
    memcpy(private, "private", 7);
    pread(fd, seven, 1, 0);
    printf("private %d\n", seven[0] == big[0]);
    DONE("fsync", fsync(fd));
    DONE("fdatasync", fdatasync(fd));
    DONE("syncfs", syncfs(fd));
    DONE("sync_file_range", sync_file_range(fd, 0, 4096, SYNC_FILE_RANGE_WRITE));
    munmap(map, sizeof big);
    VALUE("sum_size", pread(fd, back, sizeof back, 0));
    printf("sum %ld\n", sum(back, sizeof back));
    // Sizes and holes.
    DONE("ftruncate", ftruncate(fd, 10000));
    DONE("extend", ftruncate(fd, 20000));
    VALUE("hole_reads", pread(fd, back, 10000, 10000));
    printf("zeros %ld\n", sum(back, 10000));
    DONE("fallocate", fallocate(fd, 0, 30000, 1000));
    struct stat st;
    fstat(fd, &st);
    printf("size %ld\n", (long)st.st_size);
    DONE("keep_size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 40000, 1000));
    fstat(fd, &st);
    printf("kept %ld\n", (long)st.st_size);
    DONE("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
    pread(fd, back, 8192, 0);
    printf("punched %ld\n", sum(back, 8192));
    DONE("punch_alone", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
    DONE("fallocate_empty", fallocate(fd, 0, 0, 0));
    DONE("fallocate_negative", fallocate(fd, 0, -1, 10));
    // A large file of holes.
    int sparse = open("sparse", O_RDWR | O_CREAT, 0644);
    DONE("ten_gib", ftruncate(sparse, 10l << 30));
    VALUE("at_the_end", pwrite(sparse, "end", 3, (10l << 30) - 3));
    fstat(sparse, &st);
    printf("sparse %ld %d\n", (long)st.st_size, st.st_blocks <= 64);
    printf("data %d\n", lseek(sparse, 0, SEEK_DATA) >= (10l << 30) - 65536);
    VALUE("hole", lseek(sparse, 0, SEEK_HOLE));
    DONE("no_more_data", lseek(sparse, 10l << 30, SEEK_DATA));
    close(sparse);
    // Copies.
    put("from", "0123456789");
    int from = open("from", O_RDONLY), to = open("to", O_RDWR | O_CREAT, 0644);
    off_t at = 2;
    VALUE("sendfile", sendfile(to, from, &at, 5));
    printf("offset %ld\n", (long)at);
    VALUE("copy_file_range", copy_file_range(from, 0, to, 0, 100, 0));
    show("copied", "to");
    int pipes[2];
    pipe(pipes);
    lseek(from, 0, SEEK_SET);
    VALUE("sendfile_pipe", sendfile(pipes[1], from, 0, 4));
    VALUE("pipe", read(pipes[0], seven, 8));
    DONE("seek_negative", lseek(fd, -1, SEEK_SET));
    DONE("seek_pipe", lseek(pipes[0], 0, SEEK_SET));
    DONE("fsync_pipe", fsync(pipes[0]));
    DONE("fsync_bad", fsync(99));
    DONE("ftruncate_pipe", ftruncate(pipes[1], 0));
    // Files without names.
    int memory = memfd_create("m", MFD_CLOEXEC);
    DONE("memfd", memory);
    VALUE("memfd_write", write(memory, "m", 1));
    DONE("memfd_truncate", ftruncate(memory, 4096));
    DONE("memfd_fallocate", fallocate(memory, 0, 0, 8192));
    DONE("memfd_fsync", fsync(memory));
    fstat(memory, &st);
    printf("memfd_size %ld\n", (long)st.st_size);
    return 0;
}

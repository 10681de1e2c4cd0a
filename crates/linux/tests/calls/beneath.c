#include "case.h"
struct how { uint64_t flags, mode, resolve; };
static long openat2_(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct how how = {flags, mode, resolve};
    return syscall(SYS_openat2, dir, path, &how, sizeof how);
}
int main(void) {
    mkdir("root", 0755); mkdir("root/sub", 0755);
    put("outside", "outside"); put("root/in", "in"); put("root/sub/deep", "deep");
    symlink("../outside", "root/out");
    symlink("sub/../in", "root/back");
    symlink("/in", "root/absolute");
    symlink("in", "root/plain");
    symlink("loop", "root/loop");
    int dir = open("root", O_PATH);
    const uint64_t kinds[] = {0, 4, 8, 0x10, 0x14};
    const char *paths[] = {"in", "sub/deep", "sub/../in", "../outside", "sub/../../outside", "out", "back", "absolute", "plain", "loop",
                           "none", "in/x", "/in", "sub/", "in/", ".", "..", "sub/.."};
    for (int k = 0; k < 5; k++)
        for (int p = 0; p < 18; p++) {
            char name[64];
            sprintf(name, "%d_%s", (int)kinds[k], paths[p]);
            DONE(name, openat2_(dir, paths[p], O_RDONLY, 0, kinds[k]));
        }
    DONE("create", openat2_(dir, "new", O_RDWR | O_CREAT, 0600, 8));
    DONE("created", access("root/new", F_OK));
    DONE("create_exclusive_link", openat2_(dir, "plain", O_RDWR | O_CREAT | O_EXCL, 0600, 8));
    DONE("nofollow", openat2_(dir, "plain", O_RDONLY | O_NOFOLLOW, 0, 8));
    DONE("path_of_link", openat2_(dir, "plain", O_PATH | O_NOFOLLOW, 0, 4));
    DONE("empty", openat2_(dir, "", O_RDONLY, 0, 8));
    DONE("other_filesystem", openat2_(AT_FDCWD, "/proc", O_RDONLY, 0, 1));
    DONE("both", openat2_(dir, "in", O_RDONLY, 0, 0x18));
    DONE("unknown_restriction", openat2_(dir, "in", O_RDONLY, 0, 0x100));
    DONE("unknown_flag", openat2_(dir, "in", 1ull << 40, 0, 0));
    DONE("mode_without_create", openat2_(dir, "in", O_RDONLY, 0600, 0));
    DONE("path_and_more", openat2_(dir, "in", O_PATH | O_TRUNC, 0, 0));
    struct how how = {O_RDONLY, 0, 0};
    DONE("too_small", syscall(SYS_openat2, dir, "in", &how, 8));
    struct { struct how how; uint64_t more; } longer = {{O_RDONLY, 0, 0}, 0};
    DONE("longer", syscall(SYS_openat2, dir, "in", &longer, sizeof longer));
    longer.more = 1;
    DONE("longer_unknown", syscall(SYS_openat2, dir, "in", &longer, sizeof longer));
    return 0;
}

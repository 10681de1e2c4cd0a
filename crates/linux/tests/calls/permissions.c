// Every operation by owner, group and others, for every mode of what it needs. Needs a superuser to begin with.
#include "case.h"
#include <grp.h>
static void as(uid_t uid, gid_t gid) {
    if (setegid(0) || seteuid(0) || setgroups(0, 0) || setegid(gid) || seteuid(uid)) printf("as %d\n", errno);
}
int main(void) {
    if (geteuid() != 0) { printf("SKIP\n"); return 0; }
    chmod(".", 0777);
    int home = open(".", O_RDONLY);
    umask(0);
    const struct { uid_t uid; gid_t gid; const char *name; } who[] = {{1000, 1000, "owner"}, {1001, 1000, "group"}, {1002, 1002, "other"}};
    for (int w = 0; w < 3; w++)
        for (int bits = 0; bits < 8; bits++) {
            as(0, 0);
            system("rm -rf d f t");
            int mode = bits << (6 - 3 * w);
            mkdir("d", 0777); put("d/f", "x"); put("f", "x");
            chown("d", 1000, 1000); chown("f", 1000, 1000); chown("d/f", 1000, 1000);
            chmod("d", mode); chmod("f", mode);
            as(who[w].uid, who[w].gid);
            char name[64];
            struct stat st;
#define TRY(what, call) do { sprintf(name, "%s_%d_%s", who[w].name, bits, what); DONE(name, call); } while (0)
            TRY("read", close(open("f", O_RDONLY)));
            TRY("write", close(open("f", O_WRONLY)));
            TRY("both", close(open("f", O_RDWR)));
            TRY("truncate", truncate("f", 0));
            TRY("execute", access("f", X_OK));
            TRY("list", close(open("d", O_RDONLY)));
            TRY("search", stat("d/f", &st));
            TRY("create", close(open("d/new", O_CREAT | O_WRONLY, 0644)));
            TRY("mkdir", mkdir("d/m", 0755));
            TRY("symlink", symlink("x", "d/s"));
            // Of others' files the machine itself may forbid links.
            if (w == 0) TRY("link", link("f", "d/l"));
            TRY("rename", rename("d/f", "d/g"));
            TRY("unlink", unlink("d/g"));
            TRY("chmod", chmod("f", mode));
            TRY("utimes", utimes("f", 0));
            struct timeval times[2] = {{1, 0}, {2, 0}};
            TRY("utimes_given", utimes("f", times));
            TRY("chown", chown("f", 1002, -1));
            TRY("chgrp", chown("f", -1, who[w].gid));
            TRY("chdir", chdir("d"));
            as(0, 0);
            if (fchdir(home)) printf("lost %d\n", errno);
        }
    // A directory where only owners remove.
    as(0, 0);
    system("rm -rf sticky");
    mkdir("sticky", 01777); chown("sticky", 1001, 1001);
    put("sticky/a", ""); chown("sticky/a", 1000, 1000);
    put("sticky/b", ""); chown("sticky/b", 1000, 1000);
    put("sticky/c", ""); chown("sticky/c", 1000, 1000);
    as(1002, 1002);
    DONE("sticky_other", unlink("sticky/a"));
    DONE("sticky_other_rename", rename("sticky/a", "sticky/x"));
    as(1001, 1001);
    DONE("sticky_directory_owner", unlink("sticky/b"));
    as(1000, 1000);
    DONE("sticky_owner", unlink("sticky/a"));
    // Set-id.
    as(0, 0);
    struct stat st;
    put("s", "x"); chown("s", 1000, 1000); chmod("s", 06755);
    chown("s", 1000, 1000);
    stat("s", &st);
    printf("chown_by_root %o\n", st.st_mode & 07777);
    chmod("s", 06755);
    as(1000, 1000);
    int fd = open("s", O_WRONLY);
    stat("s", &st);
    printf("opened %o\n", st.st_mode & 07777);
    close(fd);
    DONE("chown_by_owner", chown("s", 1000, 1000));
    stat("s", &st);
    printf("cleared %o\n", st.st_mode & 07777);
    as(0, 0);
    mkdir("g", 0777); chown("g", 1000, 1005); chmod("g", 02777);
    as(1002, 1002);
    put("g/f", "x"); mkdir("g/d", 0755);
    stat("g/f", &st);
    printf("inherited %d\n", st.st_gid);
    stat("g/d", &st);
    printf("inherited_directory %d %o\n", st.st_gid, st.st_mode & 07777);
    return 0;
}

#include "call.h"
#include <sys/inotify.h>
// Watching.
static char buf[4096];
int main(void) {
    ordinary();
    mkdir("dir", 0755);
    mkdir("closed", 0755);
    put("plain", "x");
    symlink("plain", "link");
    put("no_right", "x");
    chmod("no_right", 0200);
    CASE(inotify_init, "made");
    errno = 0;
    int fd = syscall(SYS_inotify_init1, IN_NONBLOCK | IN_CLOEXEC), pipes[2];
    pipe(pipes);
    SEEN(inotify_init1, "made", fd < 0 ? -errno : 0);
    SEEN(inotify_init1, "flags", fcntl(fd, F_GETFD) * 10 + ((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0));
    CASE(inotify_init1, "unknown", 0x10000);
    int one = syscall(SYS_inotify_add_watch, fd, "dir", IN_CREATE);
    SEEN(inotify_add_watch, "first", one);
    NUMBER(inotify_add_watch, "same", fd, "dir", IN_CREATE | IN_DELETE);
    NUMBER(inotify_add_watch, "second", fd, "plain", IN_MODIFY);
    NUMBER(inotify_add_watch, "by_link", fd, "link", IN_MODIFY);
    CASE(inotify_add_watch, "link_itself", fd, "link", IN_MODIFY | IN_DONT_FOLLOW);
    CASE(inotify_add_watch, "no_directory", fd, "plain", IN_MODIFY | IN_ONLYDIR);
    CASE(inotify_add_watch, "nothing", fd, "dir", 0);
    CASE(inotify_add_watch, "only_flags", fd, "closed", IN_ONLYDIR);
    CASE(inotify_add_watch, "exists", fd, "dir", IN_CREATE | IN_MASK_CREATE);
    CASE(inotify_add_watch, "two_ways", fd, "dir", IN_CREATE | IN_MASK_CREATE | IN_MASK_ADD);
    CASE(inotify_add_watch, "no_right", fd, "no_right", IN_MODIFY);
    CASE(inotify_add_watch, "shut", SHUT, "dir", IN_CREATE);
    CASE(inotify_add_watch, "pipe", pipes[0], "dir", IN_CREATE);
    CASE(inotify_add_watch, "file", open("plain", O_RDONLY), "dir", IN_CREATE);
    VALUE("inotify_add_watch.quiet", read(fd, buf, sizeof buf));
    put("dir/new", "x");
    struct pollfd ready = {fd, POLLIN};
    poll(&ready, 1, 5000);
    VALUE("inotify_add_watch.event", read(fd, buf, sizeof buf));
    struct inotify_event *event = (void *)buf;
    SEEN(inotify_add_watch, "event_is", event->wd == one && event->mask == IN_CREATE && !strcmp(event->name, "new"));
    CASE(inotify_rm_watch, "there", fd, one);
    poll(&ready, 1, 5000);
    VALUE("inotify_rm_watch.event", read(fd, buf, sizeof buf));
    SEEN(inotify_rm_watch, "ignored", event->mask == IN_IGNORED);
    CASE(inotify_rm_watch, "again", fd, one);
    CASE(inotify_rm_watch, "never", fd, 77);
    CASE(inotify_rm_watch, "negative", fd, -1);
    CASE(inotify_rm_watch, "shut", SHUT, 1);
    CASE(inotify_rm_watch, "pipe", pipes[0], 1);
    return 0;
}

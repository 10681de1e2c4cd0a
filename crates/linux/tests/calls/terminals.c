#include "call.h"
#include <sys/ioctl.h>
#include <termios.h>
// What programs ask of terminals, of masters and of everything else.
static int master, slave;

static void all(const char *of, int fd) {
    static char buf[256];
    const struct { const char *what; unsigned long number; } asked[] = {
        {"attributes", TCGETS}, {"window", TIOCGWINSZ}, {"group", TIOCGPGRP}, {"session", TIOCGSID}, {"output", TIOCOUTQ}, {"input", FIONREAD},
        {"number", TIOCGPTN}, {"attributes_new", 0x802c542a}, {"become", TIOCSCTTY}, {"leave", TIOCNOTTY}, {"type", TIOCSTI}, {"unknown", 0x5499},
    };
    for (int i = 0; i < (int)(sizeof asked / sizeof *asked); i++) {
        char what[64];
        sprintf(what, "%s_%s", of, asked[i].what);
        CASE(ioctl, what, fd, asked[i].number, buf);
    }
}

int main(void) {
    ordinary();
    setvbuf(stdout, 0, _IOLBF, 0);
    // Who leads a group cannot begin a session.
    int first = begin();
    if (first) return end(first);
    setsid();
    signal(SIGHUP, SIG_IGN);
    put("plain", "x");
    mkdir("dir", 0755);
    int pipes[2], pair[2];
    pipe(pipes);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    all("file", open("plain", O_RDWR));
    all("directory", open("dir", O_RDONLY));
    all("pipe", pipes[0]);
    all("pair", pair[0]);
    all("null", open("/dev/null", O_RDWR));
    CASE(ioctl, "shut", SHUT, TCGETS, pipes);
    CASE(ioctl, "negative", -1, TIOCGPGRP, pipes);
    CASE(ioctl, "place", open("plain", O_PATH), TCGETS, pipes);
    CASE(ioctl, "closes", pipes[0], FIOCLEX);
    SEEN(ioctl, "closes_is", fcntl(pipes[0], F_GETFD));
    int on = 1;
    CASE(ioctl, "waits_not", pipes[0], FIONBIO, &on);
    SEEN(ioctl, "waits_not_is", (fcntl(pipes[0], F_GETFL) & O_NONBLOCK) != 0);
    CASE(ioctl, "no_terminal", open("/dev/tty", O_RDWR), TCGETS, pipes);
    CASE(open, "no_terminal", "/dev/tty", O_RDWR);
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0) { printf("SKIP\n"); return 0; }
    int zero = 0, number;
    CASE(ioctl, "unlock", master, TIOCSPTLCK, &zero);
    CASE(ioctl, "number", master, TIOCGPTN, &number);
    CASE(ioctl, "number_fault", master, TIOCGPTN, BAD);
    char name[64];
    sprintf(name, "/dev/pts/%d", number);
    slave = open(name, O_RDWR | O_NOCTTY);
    CASE(ioctl, "peer", master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    // Not yet somebody's.
    int group, own = getpgrp(), other = 0x3ffffff, negative = -1;
    CASE(ioctl, "group_of_nobody", slave, TIOCGPGRP, &group);
    CASE(ioctl, "set_group_of_nobody", slave, TIOCSPGRP, &own);
    CASE(ioctl, "session_of_nobody", slave, TIOCGSID, &group);
    CASE(ioctl, "leave_nothing", slave, TIOCNOTTY, 0);
    struct termios modes;
    struct winsize window = {24, 80, 1, 2}, seen = {0};
    CASE(ioctl, "get", slave, TCGETS, &modes);
    SEEN(ioctl, "modes", (modes.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) && (modes.c_oflag & OPOST) && (modes.c_iflag & ICRNL));
    SEEN(ioctl, "characters", modes.c_cc[VINTR] * 1000 + modes.c_cc[VEOF]);
    CASE(ioctl, "get_fault", slave, TCGETS, BAD);
    CASE(ioctl, "set_fault", slave, TCSETS, BAD);
    CASE(ioctl, "set", slave, TCSETS, &modes);
    CASE(ioctl, "set_drained", slave, TCSETSW, &modes);
    CASE(ioctl, "set_flushed", slave, TCSETSF, &modes);
    CASE(ioctl, "window", slave, TIOCSWINSZ, &window);
    CASE(ioctl, "window_seen", master, TIOCGWINSZ, &seen);
    SEEN(ioctl, "window_is", seen.ws_row * 1000000 + seen.ws_col * 1000 + seen.ws_xpixel * 10 + seen.ws_ypixel);
    CASE(ioctl, "window_fault", slave, TIOCGWINSZ, BAD);
    CASE(ioctl, "window_set_fault", slave, TIOCSWINSZ, BAD);
    CASE(ioctl, "flush", slave, TCFLSH, TCIOFLUSH);
    CASE(ioctl, "flush_kind", slave, TCFLSH, 77);
    CASE(ioctl, "flow", slave, TCXONC, TCOON);
    CASE(ioctl, "flow_kind", slave, TCXONC, 77);
    CASE(ioctl, "break", slave, TCSBRK, 1);
    CASE(ioctl, "number_of_slave", slave, TIOCGPTN, &number);
    CASE(ioctl, "unknown", slave, 0x5499, 0);
    // Its session's.
    CASE(ioctl, "become", slave, TIOCSCTTY, 0);
    CASE(ioctl, "become_again", slave, TIOCSCTTY, 0);
    CASE(ioctl, "group", slave, TIOCGPGRP, &group);
    SEEN(ioctl, "group_is", group == own);
    CASE(ioctl, "session", slave, TIOCGSID, &group);
    SEEN(ioctl, "session_is", group == getsid(0));
    CASE(ioctl, "group_fault", slave, TIOCGPGRP, BAD);
    CASE(ioctl, "set_group_fault", slave, TIOCSPGRP, BAD);
    CASE(ioctl, "set_group_nobody", slave, TIOCSPGRP, &other);
    CASE(ioctl, "set_group_negative", slave, TIOCSPGRP, &negative);
    CASE(ioctl, "own_terminal", open("/dev/tty", O_RDWR), TCGETS, &modes);
    int second = open("/dev/ptmx", O_RDWR | O_NOCTTY), status;
    ioctl(second, TIOCSPTLCK, &zero);
    ioctl(second, TIOCGPTN, &number);
    sprintf(name, "/dev/pts/%d", number);
    int other_slave = open(name, O_RDWR | O_NOCTTY);
    CASE(ioctl, "become_another", other_slave, TIOCSCTTY, 0);
    CASE(ioctl, "group_of_another", other_slave, TIOCGPGRP, &group);
    // Of somebody else's session, and of who leads none.
    CHILD(status, CASE(ioctl, "become_no_leader", other_slave, TIOCSCTTY, 0));
    CHILD(status, setsid(); CASE(ioctl, "become_taken", slave, TIOCSCTTY, 0); CASE(ioctl, "group_elsewhere", slave, TIOCGPGRP, &group);
          CASE(ioctl, "set_group_elsewhere", slave, TIOCSPGRP, &own); CASE(ioctl, "session_elsewhere", slave, TIOCGSID, &group));
    CHILD(status, setpgid(0, 0); int mine = getpgrp(); signal(SIGTTOU, SIG_IGN); CASE(ioctl, "take_foreground", slave, TIOCSPGRP, &mine));
    CASE(ioctl, "set_group_gone", slave, TIOCSPGRP, &own);
    signal(SIGTTOU, SIG_IGN);
    CASE(ioctl, "set_group_back", slave, TIOCSPGRP, &own);
    fflush(stdout);
    int child = fork();
    if (!child) { signal(SIGTTOU, SIG_DFL); setpgid(0, 0); tcsetattr(slave, TCSANOW, &modes); _exit(0); }
    waitpid(child, &status, WUNTRACED);
    SEEN(ioctl, "stopped_in_background", WIFSTOPPED(status) ? WSTOPSIG(status) : -1);
    kill(child, SIGKILL);
    end(child);
    CASE(ioctl, "leave", slave, TIOCNOTTY, 0);
    CASE(ioctl, "group_after", slave, TIOCGPGRP, &group);
    return 0;
}

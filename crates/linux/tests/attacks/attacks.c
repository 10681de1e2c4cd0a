// One attempt a line: prints its name and how it ended, 0 for success or an error number. `expected.txt` says what must come.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#ifndef MFD_EXEC
#define MFD_EXEC 0x10
#endif

#define TRY(name, expression) do { errno = 0; long r = (long)(expression); printf("%s %d\n", name, r < 0 ? errno : 0); fflush(stdout); } while (0)
#define CALL(name, ...) TRY(#name, syscall(__VA_ARGS__))

static int parent;

static void paths(void) {
    TRY("open_proc_1_root", open("/proc/1/root/etc/passwd", O_RDONLY));
    TRY("open_proc_self_root", open("/proc/self/root/etc/passwd", O_RDONLY));
    TRY("open_proc_self_cwd_up", open("/proc/self/cwd/../../../etc/passwd", O_RDONLY));
    TRY("open_etc_passwd", open("/etc/passwd", O_RDONLY));
    TRY("open_etc_shadow", open("/etc/shadow", O_RDONLY));
    TRY("open_dots", open("/../../../../etc/passwd", O_RDONLY));
    TRY("open_host_loader", open("x", O_RDONLY));
    TRY("open_sys", open("/sys/kernel/vmcoreinfo", O_RDONLY));
    TRY("open_dev_mem", open("/dev/mem", O_RDONLY));
    TRY("open_dev_kvm", open("/dev/kvm", O_RDWR));
    TRY("open_proc_1_mem", open("/proc/1/mem", O_RDWR));
    int dir = open("/usr", O_RDONLY | O_DIRECTORY);
    TRY("openat_dots", openat(dir, "../etc/passwd", O_RDONLY));
    TRY("fchdir_dots", (fchdir(dir), open("../etc/passwd", O_RDONLY)));
    TRY("chroot", chroot("/tmp"));
    TRY("write_read_only", open("/usr/bin/true", O_WRONLY));
    TRY("truncate_read_only", truncate("/usr/bin/true", 0));
    TRY("create_read_only", open("/usr/evil", O_CREAT | O_WRONLY, 0644));
    TRY("unlink_read_only", unlink("/usr/bin/true"));
    TRY("chmod_read_only", chmod("/usr/bin/true", 04777));
    int fd = open("/usr/bin/true", O_RDONLY);
    TRY("ftruncate_read_only", ftruncate(fd, 0));
    TRY("map_shared_write_read_only", mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    TRY("reopen_read_only_for_writing", open(name, O_RDWR));
    struct open_how { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 0};
    CALL(openat2_proc_1_root, SYS_openat2, AT_FDCWD, "/proc/1/root/etc/passwd", &how, sizeof how);
    CALL(name_to_handle, SYS_name_to_handle_at, AT_FDCWD, "/", 0, 0, 0);
    CALL(open_by_handle, SYS_open_by_handle_at, AT_FDCWD, 0, O_RDONLY);
    CALL(forge_question, SYS_openat, -0x41474f53L, 2, 0, 0);
    CALL(forge_hello, SYS_openat, -0x41474f53L, 5, 12345, 0);
    TRY("mknod_device", mknod("/tmp/mem", S_IFCHR | 0666, 0x101));
    TRY("open_made_device", open("/tmp/mem", O_RDWR));
}

static void processes(void) {
    TRY("ptrace_traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
    TRY("ptrace_attach", ptrace(PTRACE_ATTACH, parent, 0, 0));
    char byte;
    struct { void *at; size_t len; } local = {&byte, 1}, remote = {&byte, 1};
    CALL(process_vm_readv, SYS_process_vm_readv, parent, &local, 1, &remote, 1, 0);
    CALL(process_vm_writev, SYS_process_vm_writev, parent, &local, 1, &remote, 1, 0);
    TRY("kill_1", kill(1, SIGKILL));
    TRY("kill_stale", kill(4194303, SIGTERM));
    TRY("kill_kernel_thread", kill(2, 0));
    CALL(tkill_stale, SYS_tkill, 4194303, SIGTERM);
    CALL(tgkill_1, SYS_tgkill, 1, 1, SIGKILL);
    CALL(pidfd_open_1, SYS_pidfd_open, 1, 0);
    CALL(pidfd_getfd, SYS_pidfd_getfd, 0, 0, 0);
    CALL(kcmp, SYS_kcmp, 1, 1, 0, 0, 0);
    TRY("setown", fcntl(0, F_SETOWN, 1));
    TRY("setsig", fcntl(0, F_SETSIG, SIGKILL));
    int pid = 1;
    TRY("fiosetown", ioctl(0, 0x8901, &pid));
    struct rlimit limit;
    TRY("prlimit_1", prlimit(1, RLIMIT_NOFILE, 0, &limit));
    CALL(get_robust_list_1, SYS_get_robust_list, 1, &local, &remote);
    CALL(process_madvise, SYS_process_madvise, 0, 0, 0, 0, 0);
    CALL(move_pages_1, SYS_move_pages, 1, 0, 0, 0, 0, 0);
    CALL(migrate_pages_1, SYS_migrate_pages, 1, 0, 0, 0);
    CALL(sched_setscheduler_1, SYS_sched_setscheduler, 1, 0, &pid);
    TRY("setpriority_1", setpriority(PRIO_PROCESS, 1, -20));
    TRY("waitid_not_ours", waitid(P_PID, 1, 0, WEXITED | WNOHANG));
}

static void kernel(void) {
    CALL(io_uring_setup, SYS_io_uring_setup, 1, 0);
    CALL(bpf, SYS_bpf, 0, 0, 0);
    CALL(perf_event_open, SYS_perf_event_open, 0, 0, -1, -1, 0);
    CALL(userfaultfd, SYS_userfaultfd, 0);
    CALL(add_key, SYS_add_key, "user", "a", "b", 1, -3);
    CALL(keyctl, SYS_keyctl, 0, 0, 0, 0, 0);
    CALL(request_key, SYS_request_key, "user", "a", 0, 0);
    CALL(unshare_user, SYS_unshare, CLONE_NEWUSER);
    CALL(unshare_fs, SYS_unshare, CLONE_FS);
    CALL(setns, SYS_setns, 0, 0);
    CALL(clone_newuser, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    CALL(clone_newpid, SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    CALL(clone_newnet, SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
    CALL(clone_parent, SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    CALL(clone3, SYS_clone3, 0, 0);
    CALL(clone3_into_group, SYS_clone3, 0, 88, 0x41474f53);
    TRY("mount", mount("none", "/tmp", "tmpfs", 0, 0));
    TRY("umount", umount2("/", MNT_DETACH));
    CALL(open_tree, SYS_open_tree, AT_FDCWD, "/", 1);
    CALL(fsopen, SYS_fsopen, "tmpfs", 0);
    CALL(move_mount, SYS_move_mount, 0, "", 0, "", 0);
    CALL(pivot_root, SYS_pivot_root, ".", ".");
    CALL(seccomp_filter, SYS_seccomp, 1, 8, 0);
    TRY("prctl_seccomp", prctl(PR_SET_SECCOMP, 2, 0, 0, 0));
    TRY("prctl_set_mm", prctl(PR_SET_MM, 1, 0, 0, 0));
    TRY("prctl_ptracer", prctl(PR_SET_PTRACER, -1, 0, 0, 0));
    TRY("prctl_subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
    TRY("prctl_not_dumpable", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    CALL(landlock, SYS_landlock_create_ruleset, 0, 0, 1);
    CALL(personality, SYS_personality, 0x0040000);
    CALL(modify_ldt, SYS_modify_ldt, 0, 0, 0);
    CALL(memfd_secret, SYS_memfd_secret, 0);
    CALL(vmsplice, SYS_vmsplice, 1, 0, 0, 0);
    CALL(splice, SYS_splice, 0, 0, 1, 0, 1, 0);
    CALL(init_module, SYS_init_module, 0, 0, "");
    CALL(kexec_load, SYS_kexec_load, 0, 0, 0, 0);
    CALL(reboot, SYS_reboot, 0xfee1dead, 672274793, 0, 0);
    CALL(sethostname, SYS_sethostname, "evil", 4);
    CALL(settimeofday, SYS_settimeofday, 0, 0);
    CALL(syslog, SYS_syslog, 3, 0, 0);
    CALL(iopl, SYS_iopl, 3);
    CALL(quotactl, SYS_quotactl, 0, 0, 0, 0);
    CALL(swapon, SYS_swapon, "/tmp/x", 0);
    CALL(acct, SYS_acct, "/tmp/x");
    CALL(futex_pi, SYS_futex, &parent, 6, 0, 0, 0, 0);
    CALL(unknown_call, 600);
    CALL(x32_getpid, 0x40000000 | SYS_getpid);
    CALL(hwpoison, SYS_madvise, (uintptr_t)&parent & ~4095ul, 4096, 100);
    CALL(capset, SYS_capset, 0, 0);
    CALL(fanotify, SYS_fanotify_init, 0, 0);
    CALL(io_setup, SYS_io_setup, 1, &parent);
}

// What a socket of the VM does with what no honest program passes.
static void odd_sockets(void) {
    int one = 1;
    struct sockaddr_in to = {AF_INET, htons(9), {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un host = {AF_UNIX, "/run/x"};
    struct sockaddr unspecified = {AF_UNSPEC};
    int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0), named = socket(AF_UNIX, SOCK_STREAM, 0);
    TRY("socket_flags", socket(AF_INET, SOCK_STREAM | 0x100000, 0));
    TRY("socket_raw6", socket(AF_INET6, SOCK_RAW, 58));
    TRY("socket_icmp", socket(AF_INET, SOCK_DGRAM, 1));
    TRY("socket_smc", socket(43, SOCK_STREAM, 0));
    TRY("socket_xdp", socket(44, SOCK_RAW, 0));
    TRY("socket_bluetooth", socket(31, SOCK_RAW, 0));
    TRY("socket_unix_raw", socket(AF_UNIX, SOCK_RAW, 0));
    TRY("connect_no_socket", connect(0, (void *)&to, sizeof to));
    TRY("connect_closed", connect(999, (void *)&to, sizeof to));
    TRY("connect_null", connect(tcp, NULL, sizeof to));
    TRY("connect_wild", connect(tcp, (void *)(uintptr_t)0xffffffffffff0000, sizeof to));
    TRY("connect_short", connect(tcp, (void *)&to, 3));
    TRY("connect_long", connect(tcp, (void *)&to, 1 << 30));
    TRY("connect_negative", connect(tcp, (void *)&to, -1));
    TRY("connect_family", connect(tcp, (void *)&host, sizeof host));
    TRY("connect_unspecified", connect(tcp, &unspecified, sizeof unspecified));
    TRY("connect_nobody", connect(tcp, (void *)&to, sizeof to));
    to.sin_addr.s_addr = htonl(0x5db8d822);
    TRY("connect_outside", connect(tcp, (void *)&to, sizeof to));
    TRY("bind_outside", bind(tcp, (void *)&to, sizeof to));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    TRY("bind_privileged", bind(tcp, (void *)&to, sizeof to));
    host.sun_path[0] = 0;
    TRY("connect_host_abstract", connect(named, (void *)&host, sizeof host));
    TRY("connect_host_path", connect(named, (void *)&(struct sockaddr_un){AF_UNIX, "/run/dbus/system_bus_socket"}, sizeof host));
    TRY("accept_idle", accept(tcp, NULL, NULL));
    TRY("listen_datagram", listen(udp, 1));
    TRY("fastopen", setsockopt(tcp, IPPROTO_TCP, 23, &one, sizeof one));
    // The option may be set, and changes nothing about who is asked first.
    struct sockaddr_in outside = to;
    outside.sin_addr.s_addr = htonl(0x5db8d822);
    int fast = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fast, IPPROTO_TCP, 30, &one, sizeof one);
    TRY("fastopen_connect", connect(fast, (void *)&outside, sizeof outside));
    TRY("fastopen_sendto", sendto(fast, "x", 1, 0x20000000, (void *)&outside, sizeof outside));
    close(fast);
    TRY("ulp", setsockopt(tcp, IPPROTO_TCP, 31, "tls", 3));
    TRY("repair", setsockopt(tcp, IPPROTO_TCP, 19, &one, sizeof one));
    TRY("md5", setsockopt(tcp, IPPROTO_TCP, 14, &one, sizeof one));
    TRY("bind_to_device", setsockopt(tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    TRY("mark", setsockopt(tcp, SOL_SOCKET, SO_MARK, &one, sizeof one));
    TRY("source_route", setsockopt(tcp, IPPROTO_IP, IP_OPTIONS, &one, sizeof one));
    TRY("transparent", setsockopt(tcp, IPPROTO_IP, 19, &one, sizeof one));
    TRY("membership", setsockopt(udp, IPPROTO_IP, 35, &one, sizeof one));
    TRY("reuseport_bpf", setsockopt(tcp, SOL_SOCKET, 51, &one, sizeof one));
    TRY("option_wild", setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, (void *)(uintptr_t)0xffffffffffff0000, 4));
    TRY("option_negative", setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, -1));
    TRY("option_long", setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, 1 << 30));
    TRY("recv_oob", recv(tcp, &one, 1, MSG_OOB));
    TRY("udp_oob", sendto(udp, "x", 1, MSG_OOB, (void *)&to, sizeof to));
    TRY("udp_long", sendto(udp, "x", 1ul << 40, 0, (void *)&to, sizeof to));
    TRY("udp_wild", sendto(udp, (void *)(uintptr_t)0xffffffffffff0000, 10, 0, (void *)&to, sizeof to));
    TRY("udp_resolver", bind(udp, (void *)&(struct sockaddr_in){AF_INET, htons(53), {htonl(0x7f000035)}}, sizeof to));
    struct msghdr header = {&to, sizeof to, (void *)(uintptr_t)0xffffffffffff0000, 1};
    TRY("udp_parts_wild", sendmsg(udp, &header, 0));
    header.msg_iovlen = 1ul << 40;
    TRY("udp_parts_many", sendmsg(udp, &header, 0));
    TRY("udp_header_wild", recvmsg(udp, (void *)(uintptr_t)0xffffffffffff0000, 0));
    TRY("sendto_tcp", sendto(tcp, "x", 1, 0, (void *)&to, sizeof to));
    // A descriptor is not carried by a connection of the VM.
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in own = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof own;
    TRY("bind", bind(server, (void *)&own, sizeof own));
    TRY("bind_again", bind(server, (void *)&own, sizeof own));
    TRY("listen", listen(server, 1));
    getsockname(server, (void *)&own, &length);
    TRY("connect", connect(client, (void *)&own, sizeof own));
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = {0};
    struct iovec part = {"x", 1};
    struct msghdr carrying = {NULL, 0, &part, 1, control.bytes, sizeof control.bytes, 0};
    struct cmsghdr *first = CMSG_FIRSTHDR(&carrying);
    first->cmsg_level = SOL_SOCKET, first->cmsg_type = SCM_RIGHTS, first->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(first), &client, sizeof client);
    TRY("carry_over_tcp", sendmsg(client, &carrying, 0));
    TRY("reconnect", connect(client, (void *)&own, sizeof own));
    TRY("listen_connected", listen(client, 1));
    int peer = accept(server, NULL, NULL);
    TRY("accept_wild", (connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&own, sizeof own), accept(server, (void *)(uintptr_t)0xffffffffffff0000, &length)));
    length = -1;
    TRY("name_negative", getsockname(client, (void *)&own, &length));
    close(tcp), close(udp), close(named), close(server), close(client), close(peer);
}

static void sockets(void) {
    odd_sockets();
    TRY("socket_inet", socket(AF_INET, SOCK_STREAM, 0));
    TRY("socket_inet_dgram", socket(AF_INET, SOCK_DGRAM, 0));
    TRY("socket_raw", socket(AF_INET, SOCK_RAW, 1));
    TRY("socket_packet", socket(AF_PACKET, SOCK_RAW, 0));
    TRY("socket_netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    TRY("socket_vsock", socket(AF_VSOCK, SOCK_STREAM, 0));
    TRY("socket_alg", socket(38, SOCK_SEQPACKET, 0));
    TRY("socket_unix_dgram", socket(AF_UNIX, SOCK_DGRAM, 0));
    TRY("socket_mptcp", socket(AF_INET, SOCK_STREAM, 262));
    int pair[2] = {-1, -1};
    TRY("socketpair_dgram", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    TRY("socketpair_inet", socketpair(AF_INET, SOCK_STREAM, 0, pair));
    TRY("socketpair_stream", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    struct sockaddr_un name = {AF_UNIX, "/run/x"};
    TRY("connect_abstract", connect(pair[0], (void *)&name, sizeof name));
    TRY("bind_path", bind(pair[0], (void *)&name, sizeof name));
    TRY("sendto_address", sendto(pair[0], "x", 1, 0, (void *)&name, sizeof name));
    TRY("send_oob", send(pair[0], "x", 1, MSG_OOB));
    TRY("send_fastopen", send(pair[0], "x", 1, MSG_FASTOPEN));
    struct msghdr message = {0};
    TRY("sendmsg_oob", sendmsg(pair[0], &message, MSG_OOB));
    int one = 1;
    TRY("passcred", setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
    TRY("attach_filter", setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, &one, sizeof one));
    struct ucred peer;
    socklen_t length = sizeof peer;
    // Where it is told at all, it is told of this program, as the VM knows it.
    int told = getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    TRY("peercred", told && peer.pid == getpid() && peer.uid == getuid() ? 0 : told ? -1 : errno == ENOPROTOOPT ? 0 : -1);
    TRY("tiocsti", ioctl(0, 0x5412, "x"));
    TRY("tioclinux", ioctl(0, 0x541c, "x"));
    TRY("fs_ioc_setflags", ioctl(0, 0x40086602, &one));
}

static void memory(void) {
    int fd = syscall(SYS_memfd_create, "m", 8 | MFD_ALLOW_SEALING);
    TRY("memfd", fd);
    char *argv[] = {"x", 0};
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int from = open("/usr/bin/true", O_RDONLY);
    char buf[4096];
    for (ssize_t n; (n = read(from, buf, sizeof buf)) > 0;) write(fd, buf, n);
    TRY("exec_memfd_path", execve(name, argv, 0));
    CALL(exec_memfd_empty_path, SYS_execveat, fd, "", argv, 0, AT_EMPTY_PATH);
    TRY("memfd_chmod_exec", fchmod(fd, 0777));
    TRY("memfd_unknown_flags", syscall(SYS_memfd_create, "m", 0x80000000u));
    TRY("memfd_bad_name", syscall(SYS_memfd_create, (char *)8, 0));
    int file = open("/tmp/sealed", O_CREAT | O_RDWR, 0644);
    TRY("seal_vm_file", fcntl(file, 1033, 8));
    // Pointers that lead nowhere.
    CALL(stat_bad_path, SYS_stat, 8, buf);
    CALL(stat_bad_buffer, SYS_stat, "/tmp", 8);
    CALL(stat_kernel_path, SYS_stat, 0xffffffff81000000, buf);
    CALL(stat_top_path, SYS_stat, -1L, buf);
    CALL(open_bad_path, SYS_open, 0, 0);
    CALL(getcwd_bad, SYS_getcwd, 8, 4096);
    CALL(getcwd_short, SYS_getcwd, buf, 1);
    CALL(exec_bad_argv, SYS_execve, "/usr/bin/true", 8, 0);
    CALL(exec_bad_env, SYS_execve, "/usr/bin/true", argv, -1L);
    CALL(exec_bad_path, SYS_execve, 8, argv, 0);
    CALL(exec_missing, SYS_execve, "/nothing", argv, 0);
    CALL(exec_directory, SYS_execve, "/tmp", argv, 0);
    CALL(exec_relative_loader, SYS_execve, "x", argv, 0);
    CALL(getdents_bad_fd, SYS_getdents64, 999, buf, 4096);
    CALL(getdents_short, SYS_getdents64, open("/", O_RDONLY), buf, 8);
    CALL(readlink_negative, SYS_readlink, "/bin", buf, -1);
    CALL(utimensat_bad_time, SYS_utimensat, AT_FDCWD, "/tmp", buf, 0xffff);
    CALL(setgroups_huge, SYS_setgroups, 1 << 30, buf);
    char *long_path = malloc(70000);
    memset(long_path, 'a', 69999);
    long_path[69999] = 0;
    CALL(long_path, SYS_open, long_path, 0);
    CALL(fstat_negative, SYS_fstat, -1, buf);
    CALL(fchdir_file, SYS_fchdir, file);
    CALL(openat_file, SYS_openat, file, "a", O_RDONLY);
    CALL(renameat2_bad_flags, SYS_renameat2, AT_FDCWD, "/tmp/a", AT_FDCWD, "/tmp/b", 0xff);
    CALL(unlinkat_bad_flags, SYS_unlinkat, AT_FDCWD, "/tmp/a", 0x1234);
    CALL(kill_min, SYS_kill, INT32_MIN, 9);
    CALL(kill_bad_signal, SYS_kill, getpid(), 65);
    CALL(setxattr_huge, SYS_setxattr, "/tmp", "user.a", buf, 1ul << 40, 0);
}

int main(void) {
    parent = getppid();
    paths();
    processes();
    kernel();
    sockets();
    memory();
    printf("end 0\n");
    return 0;
}

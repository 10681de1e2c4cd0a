# What descriptors of processes do. Arguments: a program that waits to be killed.
import errno, os, select, signal, sys

def failed(call, *arguments):
    try:
        call(*arguments)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

# The order of events: what a child has written comes before its end.
for code in range(3):
    (reader, writer), watch = os.pipe(), select.epoll()
    (go, release) = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(go, 1)
        os.write(writer, b"x")
        os._exit(code)
    fd = os.pidfd_open(child)
    names = {reader: "output", fd: "end"}
    for each in names:
        watch.register(each, select.EPOLLIN)
    os.write(release, b"x")
    while not select.select([fd], [], [])[0]:
        pass
    print([names[each] for each, _ in watch.poll()], os.get_inheritable(fd))
    end = os.waitid(os.P_PIDFD, fd, os.WEXITED)
    print(end.si_pid == child, end.si_status, failed(signal.pidfd_send_signal, fd, 0), failed(os.pidfd_open, child))
    for each in (reader, writer, go, release, fd):
        os.close(each)

child = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
fd = os.pidfd_open(child)
print(select.select([fd], [], [], 0)[0], failed(signal.pidfd_send_signal, fd, 0), failed(signal.pidfd_send_signal, fd, 99))
signal.pidfd_send_signal(fd, signal.SIGTERM)
select.select([fd], [], [])
# It has ended and nobody has waited for it.
late = os.pidfd_open(child)
print(select.select([late], [], [])[0] == [late], failed(signal.pidfd_send_signal, late, signal.SIGKILL))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), failed(signal.pidfd_send_signal, fd, 0), failed(os.pidfd_open, child))

own = os.pidfd_open(os.getpid())
signal.signal(signal.SIGUSR1, lambda *_: print("told"))
signal.pidfd_send_signal(own, signal.SIGUSR1)
print(failed(os.read, own, 1), failed(os.pidfd_open, -1), failed(os.pidfd_open, 0), failed(os.pidfd_open, os.getpid(), 1 << 20))
(reader, _) = os.pipe()
print(failed(signal.pidfd_send_signal, reader, 0), failed(signal.pidfd_send_signal, 99, 0))

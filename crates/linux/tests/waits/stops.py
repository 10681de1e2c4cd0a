# What a parent is told of children that stop, go on and end, by each signal that stops and in groups of all kinds.
import os, signal, sys


def told(pid, options=os.WUNTRACED | os.WCONTINUED):
    status = os.waitpid(pid, options)[1]
    if os.WIFSTOPPED(status):
        return "stopped by " + signal.Signals(os.WSTOPSIG(status)).name
    if os.WIFCONTINUED(status):
        return "continued"
    return "ended %d" % os.waitstatus_to_exitcode(status)


def child(group, program):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        if group:
            os.setpgid(0, 0)
        os.write(write, b"x")
        os.set_inheritable(read, False)
        os.execv(program[0], program)
    if group:
        try:
            os.setpgid(pid, pid)
        except PermissionError:
            pass
    os.read(read, 1)
    os.close(read)
    os.close(write)
    return pid


def kill(pid, group, number):
    os.killpg(pid, number) if group else os.kill(pid, number)


program = sys.argv[1:]
# A group of its own, so that its parent's session decides what becomes of the children.
for group in (True, False):
    # The group of this program itself may be an orphaned one, which stops by one signal alone.
    numbers = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU) if group else ()
    for number in (signal.SIGSTOP, *numbers):
        pid = child(group, program)
        kill(pid, group, number)
        print(group, number.name, told(pid), end=", ")
        kill(pid, group, signal.SIGCONT)
        print(told(pid), end=", ")
        kill(pid, group, signal.SIGSTOP)
        print(told(pid), end=", ")
        kill(pid, group, signal.SIGKILL)
        print(told(pid))
# Who stops itself, and what waitid says of it.
read, write = os.pipe()
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os.kill(os.getpid(), signal.SIGTSTP)
    os._exit(os.read(read, 1)[0])
info = os.waitid(os.P_PID, pid, os.WSTOPPED)
print(info.si_code == os.CLD_STOPPED, info.si_status, info.si_pid == pid)
os.kill(pid, signal.SIGCONT)
info = os.waitid(os.P_PID, pid, os.WCONTINUED)
print(info.si_code == os.CLD_CONTINUED, info.si_status)
os.write(write, b"\3")
print(told(pid))
# A thread that waits in a call which the VM's kernel answers (opening a FIFO) while its process is stopped.
fifo = os.path.join(os.environ.get("TMPDIR", "/tmp"), "fifo-%d" % os.getpid())
os.mkfifo(fifo)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    os._exit(open(fifo).read() != "go")
try:
    os.setpgid(pid, pid)
except PermissionError:
    pass
os.kill(pid, signal.SIGTTIN)
print(told(pid))
os.kill(pid, signal.SIGCONT)
print(told(pid))
with open(fifo, "w") as to:
    to.write("go")
print(told(pid))
os.unlink(fifo)

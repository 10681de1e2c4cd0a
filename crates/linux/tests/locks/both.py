"""Locks between this program and one of another kind, in the directory that is given."""
import errno, fcntl, os, select, struct, subprocess, sys

os.chdir(sys.argv[1])
EX, SH, UN, NB = fcntl.LOCK_EX, fcntl.LOCK_SH, fcntl.LOCK_UN, fcntl.LOCK_NB


class Other:
    def __init__(self, *fds):
        self.child = subprocess.Popen(["/tmp/locks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=fds)

    def tell(self, line):
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def hear(self):
        return self.child.stdout.readline().decode().strip()

    def do(self, line):
        self.tell(line)
        return self.hear()

    def waits(self):
        """Whether there is no answer, for a while."""
        return not select.select([self.child.stdout], [], [], 0.05)[0]

    def end(self):
        self.child.stdin.close()
        self.child.wait()


def tried(call, *args):
    try:
        call(*args)
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def same(what, got, wanted):
    if got != wanted:
        print(f"{what}: {got!r}, not {wanted!r}", flush=True)


def child(work):
    """Runs something in a process of its own, which says "x" once it is done and then waits to be ended."""
    up, down = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(down, tried(work).encode() + b"\n")
        os.read(0, 1)
        select.select([], [], [])
    os.close(down)
    return pid, up


def holder(file, kind, start, length):
    lock = struct.pack("hhqqi4x", kind, 0, start, length, 0)
    kind, _, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(file, fcntl.F_GETLK, lock))
    return (kind, start, length, pid)


def records():
    other = Other()
    name = "records"
    fd = other.do(f"open {name}")
    # From before any Linux program has opened the file.
    same("first", other.do(f"set {fd} w 0 10"), "ok")
    same("first shared", other.do(f"set {fd} r 100 5"), "ok")
    f = open(name, "r+b")
    same("taken", tried(fcntl.lockf, f, EX | NB, 5, 0), "EAGAIN")
    same("taken for reading", tried(fcntl.lockf, f, SH | NB, 1, 9), "EAGAIN")
    same("shared", tried(fcntl.lockf, f, SH | NB, 10, 100), "ok")
    same("shared is not exclusive", tried(fcntl.lockf, f, EX | NB, 10, 100), "EAGAIN")
    same("beside", tried(fcntl.lockf, f, EX | NB, 5, 10), "ok")
    pid = int(other.do("pid"))
    same("number", pid, other.child.pid)
    same("who", holder(f, fcntl.F_WRLCK, 0, 0), (fcntl.F_WRLCK, 0, 10, pid))
    same("who reads", holder(f, fcntl.F_WRLCK, 50, 0), (fcntl.F_RDLCK, 100, 5, pid))
    same("nobody", holder(f, fcntl.F_WRLCK, 20, 5)[0], fcntl.F_UNLCK)
    same("who, other", other.do(f"test {fd} w 0 0"), f"w 10 5 {os.getpid()}")
    same("taken, other", other.do(f"set {fd} w 12 1"), "EAGAIN")
    same("split", other.do(f"set {fd} u 3 3"), "ok")
    same("in the hole", tried(fcntl.lockf, f, EX | NB, 3, 3), "ok")
    same("no more", tried(fcntl.lockf, f, EX | NB, 4, 3), "EAGAIN")
    same("give", tried(fcntl.lockf, f, UN, 0, 0), "ok")
    # Waiting, in both directions.
    fcntl.lockf(f, EX, 5, 200)
    other.tell(f"wait {fd} w 200 1")
    same("other waits", other.waits(), True)
    fcntl.lockf(f, UN, 5, 200)
    same("other has it", other.hear(), "ok")
    who, up = child(lambda: fcntl.lockf(f, EX, 1, 200))
    same("this waits", select.select([up], [], [], 0.05)[0], [])
    same("other gives", other.do(f"set {fd} u 200 1"), "ok")
    same("this has it", os.read(up, 9), b"ok\n")
    # The end of one who holds.
    other.tell(f"wait {fd} w 200 1")
    same("other waits for a child", other.waits(), True)
    os.kill(who, 9)
    os.waitpid(who, 0)
    same("other has the child's", other.hear(), "ok")
    # Closing any descriptor of it.
    second = other.do(f"open {name}")
    same("closes", other.do(f"close {second}"), "ok")
    same("lost by closing", tried(fcntl.lockf, f, EX | NB), "ok")
    open(name).close()
    same("lost by closing, too", other.do(f"set {fd} w 0 0"), "ok")
    other.child.kill()
    other.child.wait()
    same("killed", tried(fcntl.lockf, f, EX | NB), "ok")


def deadlock():
    other, f = Other(), open("deadlock", "w+b")
    fd = other.do("open deadlock")
    same("byte 0", other.do(f"set {fd} w 0 1"), "ok")

    def both():
        fcntl.lockf(f, EX, 1, 1)
        os.write(down, b"x")
        fcntl.lockf(f, EX, 1, 0)

    up, down = os.pipe()
    who, done = child(both)
    os.read(up, 1)
    # Whether the child waits already or begins to: somebody here is told.
    same("deadlock", other.do(f"wait {fd} w 1 1"), "EDEADLK")
    same("gives way", other.do(f"set {fd} u 0 0"), "ok")
    same("goes on", os.read(done, 9), b"ok\n")
    os.kill(who, 9)
    os.waitpid(who, 0)
    same("free", other.do(f"wait {fd} w 0 0"), "ok")
    other.end()


def files():
    other = Other()
    fd = other.do("open whole")
    same("first", other.do(f"flock {fd} ex now"), "ok")
    f = open("whole", "r+b")
    same("taken", tried(fcntl.flock, f, SH | NB), "EAGAIN")
    same("weaker", other.do(f"flock {fd} sh now"), "ok")
    same("both read", tried(fcntl.flock, f, SH | NB), "ok")
    same("not alone", other.do(f"flock {fd} ex now"), "EAGAIN")
    # Which has cost it what it had.
    same("alone", tried(fcntl.flock, f, EX | NB), "ok")
    same("records are others", other.do(f"set {fd} w 0 0"), "ok")
    other.tell(f"flock {fd} ex")
    same("other waits", other.waits(), True)
    f.close()
    same("other has it", other.hear(), "ok")
    f = open("whole", "r+b")
    who, up = child(lambda: fcntl.flock(f, EX))
    same("this waits", select.select([up], [], [], 0.05)[0], [])
    again = other.do(f"dup {fd}")
    same("closes one", other.do(f"close {fd}"), "ok")
    same("this still waits", select.select([up], [], [], 0.05)[0], [])
    same("closes both", other.do(f"close {again}"), "ok")
    same("this has it", os.read(up, 9), b"ok\n")
    os.kill(who, 9)
    os.waitpid(who, 0)
    fd = other.do("open whole")
    # The parent has the same description.
    same("kept", other.do(f"flock {fd} sh now"), "EAGAIN")
    f.close()
    same("free", other.do(f"flock {fd} ex now"), "ok")
    other.end()
    with open("whole") as f:
        same("over", tried(fcntl.flock, f, EX | NB), "ok")


def inherited():
    f, g = open("inherited", "w+b"), open("inherited", "r+b")
    fcntl.flock(f, EX)
    other = Other(f.fileno())
    same("the same lock", other.do(f"flock {f.fileno()} ex now"), "ok")
    own = other.do("open inherited")
    same("another description", other.do(f"flock {own} sh now"), "EAGAIN")
    same("gives up", other.do(f"flock {f.fileno()} un"), "ok")
    same("given up", tried(fcntl.flock, g, EX | NB), "ok")
    same("taken", other.do(f"flock {f.fileno()} ex now"), "EAGAIN")
    fcntl.flock(g, UN)
    same("takes", other.do(f"flock {f.fileno()} ex now"), "ok")
    # The end of one who has it leaves it to the others.
    other.end()
    same("kept", tried(fcntl.flock, g, EX | NB), "EAGAIN")
    f.close()
    same("free", tried(fcntl.flock, g, EX | NB), "ok")


for test in [records, deadlock, files, inherited]:
    test()
print("done")

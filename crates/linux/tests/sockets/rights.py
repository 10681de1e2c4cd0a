# Descriptors that are handed over (SCM_RIGHTS): between processes that find each other by name, and in pairs.
import array, errno, os, select, socket, sys

os.chdir(sys.argv[1])

def name(code):
    return errno.errorcode.get(code, code)

def attempt(what, *arguments):
    try:
        return what(*arguments)
    except OSError as error:
        return name(error.errno)

def send(to, data, fds, address=None):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
    return to.sendmsg([data], rights, 0, address) if address else to.sendmsg([data], rights)

def take(at, most, room=8, flags=0):
    data, control, flags, _ = at.recvmsg(most, socket.CMSG_SPACE(room * 4), flags)
    fds = array.array("i")
    for level, kind, content in control:
        assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        fds.frombytes(content[: len(content) - len(content) % 4])
    return data, list(fds), bool(flags & socket.MSG_CTRUNC)

def ended(reader):
    "Whether nobody has the other end of a pipe any more."
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    return bool(poll.poll(10000)) and os.read(reader, 1) == b""

def connected(kind, label):
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind(label)
    server.listen()
    return server

# A child that has nothing of its parent but the name gives it all kinds of descriptors.
for kind, label in [(socket.SOCK_STREAM, "stream.sock"), (socket.SOCK_SEQPACKET, "packets.sock"), (socket.SOCK_STREAM, "\0rights-%d" % os.getpid())]:
    server = connected(kind, label)
    if os.fork() == 0:
        server.close()
        client = socket.socket(socket.AF_UNIX, kind)
        client.connect(label)
        with open("file", "w+") as file:
            file.write("0123456789")
            file.flush()
            file.seek(3)
            reader, writer = os.pipe()
            os.write(writer, b"piped")
            one, two = socket.socketpair()
            two.send(b"paired")
            listener = connected(socket.SOCK_STREAM, "\0inner-%s-%d" % (kind.name, len(label)) + str(os.getppid()))
            visitor = socket.socket(socket.AF_UNIX)
            visitor.connect("\0inner-%s-%d" % (kind.name, len(label)) + str(os.getppid()))
            visitor.send(b"visited")
            memory = os.memfd_create("memory")
            os.write(memory, b"remembered")
            null = os.open("/dev/null", os.O_RDWR)
            place = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
            event = os.eventfd(5)
            send(client, b"all", [file.fileno(), reader, one.fileno(), listener.fileno(), memory, null, place, event])
        os._exit(0)
    connection, _ = server.accept()
    os.wait()
    # The sender is gone.
    data, fds, cut = take(connection, 100)
    print(data, len(fds), cut)
    file, reader, one, listener, memory, null, place, event = fds
    print(os.read(file, 4), os.lseek(file, 0, os.SEEK_CUR), os.fstat(file).st_size, os.stat("file").st_ino == os.fstat(file).st_ino)
    print(os.read(reader, 100), ended(reader))
    print(socket.socket(fileno=one).recv(100))
    inner = socket.socket(fileno=listener)
    print(inner.accept()[0].recv(100), inner.getsockname() == b"\0inner-%s-%d" % (kind.name.encode(), len(label)) + str(os.getpid()).encode())
    print(os.pread(memory, 100, 0), os.write(null, b"x"), sorted(os.listdir(place)) == sorted(os.listdir(".")), os.eventfd_read(event))
    print([os.get_inheritable(fd) for fd in (file, reader)])
    for fd in file, reader, memory, null, place, event:
        os.close(fd)
    os.unlink("file")

    client = socket.socket(socket.AF_UNIX, kind)
    client.connect(label)
    connection, _ = server.accept()
    # Several in one message, less room than that, flags.
    pipes = [os.pipe() for _ in range(5)]
    send(client, b"five", [writer for _, writer in pipes])
    data, fds, cut = take(connection, 100, 2, socket.MSG_CMSG_CLOEXEC)
    print(data, cut, len(fds) in (2, 3), [os.get_inheritable(fd) for fd in fds[:2]])
    for _, writer in pipes:
        os.close(writer)
    print([ended(reader) for reader, _ in pipes[3:]], os.write(fds[0], b"still"), os.read(pipes[0][0], 10))
    for fd in fds + [reader for reader, _ in pipes]:
        os.close(fd)
    # They stay with the bytes that they came with.
    first, second = os.pipe(), os.pipe()
    client.send(b"head")
    send(client, b"a", [first[1]])
    send(client, b"bc", [second[1]])
    client.send(b"tail")
    os.close(first[1]), os.close(second[1])
    print(connection.recv(4))
    data, fds, _ = take(connection, 100)
    print("a", data, len(fds))
    print(os.write(fds[0], b"first"), os.read(first[0], 10))
    os.close(fds[0])
    data, fds, _ = take(connection, 100)
    print("bc", data, len(fds))
    print(os.write(fds[0], b"second"), os.read(second[0], 10))
    os.close(fds[0])
    print(take(connection, 100), ended(first[0]), ended(second[0]))
    # Who does not ask for them does not get them.
    reader, writer = os.pipe()
    send(client, b"z", [writer])
    os.close(writer)
    print(connection.recv(10), ended(reader))
    # Nobody ever takes them.
    reader, writer = os.pipe()
    send(client, b"lost", [writer])
    os.close(writer)
    connection.close()
    print(ended(reader))
    client.close()
    # Among many bytes, both ways.
    client = socket.socket(socket.AF_UNIX, kind)
    client.connect(label)
    connection, _ = server.accept()
    good = 0
    for round in range(20):
        reader, writer = os.pipe()
        send(client, b"x" * (1000 * (round + 1)), [writer])
        send(connection, b"y", [reader])
        os.close(writer), os.close(reader)
        _, [reader], _ = take(client, 10)
        got = b""
        while len(got) < 1000 * (round + 1):
            data, fds, _ = take(connection, 100000)
            got += data
            if fds:
                os.write(fds[0], b"%d" % round)
                os.close(fds[0])
        good += os.read(reader, 10) == b"%d" % round and ended(reader)
        os.close(reader)
    print(good)
    print(attempt(send, client, b"x", [999]), attempt(send, client, b"x", [0] * 254))
    # A socket over itself.
    send(client, b"itself", [client.fileno()])
    data, [fd], _ = take(connection, 10)
    again = socket.socket(fileno=fd)
    again.send(b"again")
    print(data, connection.recv(10))
    for end in again, client, connection, server:
        end.close()

# Datagrams: by name, by address, in pairs.
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
two = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.bind("one")
two.bind("\0two-%d" % os.getpid())
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
print(left.send(b"plain"), right.recv(100), left.getsockname(), attempt(left.getpeername))
for sender, receiver, address in [(one, two, "\0two-%d" % os.getpid()), (two, one, "one"), (left, right, None), (right, left, None)]:
    readers, writers = zip(*[os.pipe() for _ in range(3)])
    print(send(sender, b"letter", writers[:1], address), send(sender, b"another", writers[1:], address))
    for writer in writers:
        os.close(writer)
    data, [fd], cut = take(receiver, 100, 1, socket.MSG_CMSG_CLOEXEC)
    print(data, cut, os.get_inheritable(fd), os.write(fd, b"mail"), os.read(readers[0], 10))
    os.close(fd)
    data, fds, cut = take(receiver, 3, 8)
    print(data, len(fds), cut, os.write(fds[1], b"second"), os.read(readers[2], 10))
    for fd in fds:
        os.close(fd)
    print([ended(reader) for reader in readers])
    print(attempt(send, sender, b"x", [999], address))
one.connect("\0two-%d" % os.getpid())
reader, writer = os.pipe()
send(one, b"native", [writer])
os.close(writer)
select.select([two], [], [])
print(take(two, 100, 0), ended(reader))
for flags in [0, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | flags)
    print(left.getblocking(), attempt(os.get_inheritable, right.fileno()), attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM, 9))

# Path and abstract names, streams, sequences, datagrams, credentials, permissions.
import errno, os, select, socket, stat, struct, sys, tempfile

os.chdir(sys.argv[1])

def name(code):
    return errno.errorcode.get(code, code)

def attempt(what, *arguments):
    try:
        return what(*arguments)
    except OSError as error:
        return name(error.errno)

for kind in [socket.SOCK_STREAM, socket.SOCK_SEQPACKET]:
    if os.path.exists("server.sock"):
        os.unlink("server.sock")
    server = socket.socket(socket.AF_UNIX, kind)
    server.bind("server.sock")
    print(stat.S_ISSOCK(os.stat("server.sock").st_mode), server.getsockname())
    client = socket.socket(socket.AF_UNIX, kind)
    print("early", attempt(client.connect, "server.sock"))
    server.listen(2)
    print("again", attempt(socket.socket(socket.AF_UNIX, kind).bind, "server.sock"))
    client.connect("server.sock")
    connection, peer = server.accept()
    print("peer", peer, client.getpeername(), connection.getsockname(), attempt(server.getpeername))
    credentials = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    print("credentials", credentials == (os.getpid(), os.getuid(), os.getgid()))
    print("kind", client.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), stat.S_ISSOCK(os.fstat(client.fileno()).st_mode))
    client.send(b"one")
    client.send(b"two")
    got = connection.recv(3)
    print(got, connection.recv(100))
    connection.send(b"back")
    print(client.recv(100))
    big = b"y" * 100_000
    print(client.send(big) == len(big))
    data = b""
    while len(data) < len(big):
        data += connection.recv(200_000)
    print(data == big)
    poll = select.poll()
    poll.register(client, select.POLLIN)
    print("poll", poll.poll(0))
    connection.close()
    print("poll", [events & select.POLLIN for _, events in poll.poll(10000)])
    print("end", client.recv(100))
    print("after", attempt(client.send, b"x"))
    client.close()
    if kind == socket.SOCK_SEQPACKET:
        continue
    # Closing over what was not read is a reset.
    client = socket.socket(socket.AF_UNIX, kind)
    client.connect("server.sock")
    connection, _ = server.accept()
    client.send(b"never read")
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.poll(10000)
    connection.close()
    print("reset", attempt(client.recv, 10))
    server.close()
    print("closed", attempt(socket.socket(socket.AF_UNIX, kind).connect, "server.sock"))
    os.unlink("server.sock")
    print("gone", attempt(socket.socket(socket.AF_UNIX, kind).connect, "server.sock"))

open("file", "w").close()
print("file", attempt(socket.socket(socket.AF_UNIX).connect, "file"))
print("directory", attempt(socket.socket(socket.AF_UNIX).bind, "none/server.sock"))
print("long", attempt(socket.socket(socket.AF_UNIX).listen))

# Names that are no files.
server = socket.socket(socket.AF_UNIX)
label = "\0agentos-%d" % os.getpid()
server.bind(label)
server.listen()
print("abstract", server.getsockname() == label.encode())
client = socket.socket(socket.AF_UNIX)
client.connect(label)
connection, peer = server.accept()
client.sendall(b"abstract")
print(connection.recv(100), peer)
print("again", attempt(socket.socket(socket.AF_UNIX).bind, label))

# Datagrams.
one = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
two = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
one.bind("one")
two.bind("two")
print(one.sendto(b"letter", "two"), two.recvfrom(100))
one.connect("two")
print(one.send(b"native"), two.recv(100))
print(two.sendto(b"answer", "one"), one.recvfrom(3))
three = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
print(three.sendto(b"unnamed", "two"), two.recvfrom(100))
print(attempt(three.sendto, b"x", "nobody"))

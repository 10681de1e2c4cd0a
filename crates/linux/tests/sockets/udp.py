# Datagrams: addresses of senders, connected sockets, sizes, peeking, ports.
import errno, select, socket

def name(code):
    return errno.errorcode.get(code, code)

one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
two.bind(("127.0.0.1", 0))
print(one.sendto(b"hello", two.getsockname()))
data, source = two.recvfrom(100)
print(data, source == one.getsockname())
print(two.sendto(b"", one.getsockname()))
data, source = one.recvfrom(100)
print(data, source == two.getsockname())
# The order holds, and the borders, also when nobody asks for the sender.
for index in range(20):
    one.sendto(b"%d" % index * (index + 1), two.getsockname())
for index in range(20):
    if index % 2:
        print(two.recv(1000))
    else:
        data, source = two.recvfrom(1000)
        print(data, source == one.getsockname())
print(len(two.recv(1000, socket.MSG_DONTWAIT)) if select.select([two], [], [], 0)[0] else "empty")
# Cut, peeked, and as long as it goes.
one.sendto(b"0123456789", two.getsockname())
poll = select.epoll()
poll.register(two, select.EPOLLIN)
print(len(poll.poll(10)))
print(two.recvfrom(4, socket.MSG_PEEK)[0], two.recvfrom(4)[0], poll.poll(0))
one.sendto(b"z" * 60000, two.getsockname())
print(len(two.recvfrom(65536)[0]))
try:
    one.sendto(b"z" * 70000, two.getsockname())
except OSError as error:
    print("sendto", name(error.errno))
# Messages in parts.
print(one.sendmsg([b"ab", b"cd"], [], 0, two.getsockname()))
buffers = [bytearray(3), bytearray(3)]
count, control, flags, source = two.recvmsg_into(buffers)
print(count, buffers, control, flags, source == one.getsockname())
# Connected: only the peer is heard.
one.connect(two.getsockname())
print(one.getpeername() == two.getsockname())
third = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
third.sendto(b"stranger", one.getsockname())
two.sendto(b"peer", one.getsockname())
print(one.recv(100), one.send(b"native"), two.recv(100))
one.setblocking(False)
try:
    one.recvfrom(10)
except OSError as error:
    print("recvfrom", name(error.errno))
try:
    one.recv(10)
except OSError as error:
    print("recv", name(error.errno))
# Nobody there: the next call hears of it.
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.bind(("127.0.0.1", 0))
gone = deaf.getsockname()
deaf.close()
for ask in ["recvfrom", "recvmsg", "option"]:
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    caller.connect(gone)
    caller.send(b"anybody?")
    poll = select.poll()
    poll.register(caller, select.POLLIN)
    print(len(poll.poll(10000)))
    try:
        if ask == "option":
            print(name(caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
        else:
            getattr(caller, ask)(10)
    except OSError as error:
        print(ask, name(error.errno))
# Ports.
port = two.getsockname()[1]
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    other.bind(("127.0.0.1", port))
except OSError as error:
    print("bind", name(error.errno))
two.close()
other.bind(("127.0.0.1", port))
print(other.getsockname()[1] == port)
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.bind(("::1", 0))
seven = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
seven.sendto(b"six", six.getsockname())
print(six.recvfrom(10)[1][0])

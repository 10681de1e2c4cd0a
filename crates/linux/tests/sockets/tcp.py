# A server and a client in two threads: addresses, options, half close, errors.
import errno, select, socket, threading

def name(code):
    return errno.errorcode.get(code, code)

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 0))
server.listen(5)
port = server.getsockname()[1]
print("listening", server.getsockname()[0], port != 0, server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))

def serve():
    connection, peer = server.accept()
    data = b""
    while True:
        part = connection.recv(65536)
        if not part:
            break
        data += part
    connection.sendall(b"got %d" % len(data))
    connection.close()
    served.append((peer[0], peer[1] != 0))

served = []
thread = threading.Thread(target=serve)
thread.start()
client = socket.create_connection(("127.0.0.1", port))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("nodelay", client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0)
print("peer", client.getpeername() == ("127.0.0.1", port), client.getsockname()[0])
client.sendall(b"x" * 3_000_000)
client.shutdown(socket.SHUT_WR)
print(client.recv(100))
print(client.recv(100))
thread.join()
print("accepted from", served)
client.close()

# In use, then free again once it is closed.
other = socket.socket()
try:
    other.bind(("127.0.0.1", port))
    other.listen()
except OSError as error:
    print("bind", name(error.errno))
server.close()
again = socket.socket()
again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
again.bind(("127.0.0.1", port))
again.listen()
again.close()

# Nobody there: blocking, and by poll.
try:
    socket.create_connection(("127.0.0.1", port))
except OSError as error:
    print("connect", name(error.errno))
client = socket.socket()
client.setblocking(False)
poll = select.epoll()
poll.register(client, select.EPOLLOUT)
print("connect", name(client.connect_ex(("127.0.0.1", port))))
print("ready", len(poll.poll(10)))
print("error", name(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
client.close()

# By poll, with somebody there; the descriptor was given to epoll before it was connected.
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen()
server.setblocking(False)
try:
    server.accept()
except OSError as error:
    print("accept", name(error.errno))
client = socket.socket()
client.setblocking(False)
poll = select.epoll()
poll.register(client, select.EPOLLOUT | select.EPOLLET)
waiting = select.epoll()
waiting.register(server, select.EPOLLIN)
print("connect", name(client.connect_ex(server.getsockname())))
print("ready", [events & select.EPOLLOUT != 0 for _, events in poll.poll(10)])
print("error", client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
print("waits", [events for _, events in waiting.poll(10)])
connection, _ = server.accept()
print("waits", waiting.poll(0))
print("blocking", connection.getblocking(), client.connect_ex(server.getsockname()) == errno.EISCONN)
client.setblocking(True)

# A reset.
client.sendall(b"unread")
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
connection.close()
try:
    client.recv(10)
except OSError as error:
    print("recv", name(error.errno))
try:
    client.send(b"more")
except OSError as error:
    print("send", name(error.errno))
client.close()

# IPv6, and IPv4 through it.
server = socket.socket(socket.AF_INET6)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.bind(("::", 0))
server.listen()
for address in ["::1", "127.0.0.1"]:
    client = socket.create_connection((address, server.getsockname()[1]))
    connection, peer = server.accept()
    print(peer[0], client.getpeername()[0])
    connection.close()
    print(client.recv(1))

# A file that does not fit is sent without waiting, by who asks when there is room again.
import os
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
connection, _ = server.accept()
client.setblocking(False)
count, sent = 5_000_000, 0
file = os.memfd_create("file")
os.truncate(file, count)
counted = []
reader = threading.Thread(target=lambda: counted.append(sum(map(len, iter(lambda: connection.recv(65536), b"")))))
reader.start()
while sent < count and select.select([], [client], [], 20)[1]:
    try:
        sent += os.sendfile(client.fileno(), file, sent, count - sent)
    except BlockingIOError:
        pass
client.close()
reader.join()
print("sendfile", sent, counted)

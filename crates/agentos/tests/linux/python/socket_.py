# Sockets: TCP, UDP, UNIX, servers of the library, and asyncio's.
import socket, threading, os, asyncio, http.server, urllib.request, socketserver, select
s = socket.create_server(('127.0.0.1', 0)); port = s.getsockname()[1]
def serve():
    c, a = s.accept(); data = b''
    while (d := c.recv(4096)): data += d
    c.sendall(b'got %d' % len(data)); c.close()
t = threading.Thread(target=serve); t.start()
c = socket.create_connection(('127.0.0.1', port)); c.sendall(b'z' * 100000); print(c.getpeername() == ('127.0.0.1', port)); c.shutdown(socket.SHUT_WR); print(c.recv(100)); c.close(); t.join(); s.close()
a, b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(('127.0.0.1', 0)); b.bind(('127.0.0.1', 0)); a.sendto(b'datagram', b.getsockname()); print(b.recvfrom(100)[0], b.getsockname()[0]); a.close(); b.close()
u = socket.socket(socket.AF_UNIX); u.bind('sock'); u.listen(); v = socket.socket(socket.AF_UNIX); v.connect('sock'); w, _ = u.accept(); v.send(b'unix'); print(w.recv(10)); os.unlink('sock')
x, y = socket.socketpair(); x.send(b'pair'); print(y.recv(10)); socket.send_fds(x, [b'fd'], [0]); print(len(socket.recv_fds(y, 10, 1)[1]))
h = http.server.ThreadingHTTPServer(('127.0.0.1', 0), type('H', (http.server.BaseHTTPRequestHandler,), {'do_GET': lambda s: (s.send_response(200), s.end_headers(), s.wfile.write(s.path.encode())), 'log_message': lambda *a: None}))
threading.Thread(target=h.serve_forever, daemon=True).start(); print([urllib.request.urlopen(f'http://127.0.0.1:{h.server_port}/{i}').read() for i in range(5)]); h.shutdown()
async def main():
    async def on(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()
    server = await asyncio.start_server(on, '127.0.0.1', 0); port = server.sockets[0].getsockname()[1]
    async def ask(i):
        r, w = await asyncio.open_connection('127.0.0.1', port); w.write(b'line %d\n' % i); d = await r.read(); w.close(); return d
    print(await asyncio.gather(*(ask(i) for i in range(10)))); server.close()
asyncio.run(main())
print(socket.gethostbyname('localhost'), socket.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM)[0][4])

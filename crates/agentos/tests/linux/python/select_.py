# Waiting for many descriptors.
import select, os, selectors, time
r, w = os.pipe()
print(select.select([r], [w], [], 0)[1] == [w]); os.write(w, b'x'); print(select.select([r], [], [], 5)[0] == [r])
p = select.poll(); p.register(r, select.POLLIN); print([e for _, e in p.poll(0)]); os.read(r, 1); print(p.poll(1))
e = select.epoll(); e.register(r, select.EPOLLIN | select.EPOLLET); os.write(w, b'y'); print(len(e.poll(5)), len(e.poll(0)))
os.close(w); print([ev & select.EPOLLHUP != 0 for _, ev in e.poll(5)]); os.read(r, 9)
s = selectors.DefaultSelector(); a, b = os.pipe(); s.register(a, selectors.EVENT_READ, 'data'); os.write(b, b'z'); print([(k.data) for k, _ in s.select(5)])

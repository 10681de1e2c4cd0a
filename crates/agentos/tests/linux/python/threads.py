# Threads and what they wait for.
import threading, queue, concurrent.futures as cf, subprocess, os
n, lock = 0, threading.Lock()
def add():
    global n
    for _ in range(1000):
        with lock: n += 1
ts = [threading.Thread(target=add) for _ in range(8)]; [t.start() for t in ts]; [t.join() for t in ts]; print(n)
q = queue.Queue(); threading.Thread(target=lambda: [q.put(i) for i in range(5)]).start(); print([q.get() for _ in range(5)])
with cf.ThreadPoolExecutor(6) as ex:
    print(list(ex.map(lambda i: subprocess.run(['sh', '-c', f'exit {i}']).returncode, range(24))))
    def file(i):
        with open(f'f{i}', 'w') as f: f.write('x' * i)
        return os.path.getsize(f'f{i}')
    print(list(ex.map(file, range(50))))
b = threading.Barrier(3); got = []
ts = [threading.Thread(target=lambda: got.append(b.wait() >= 0)) for _ in range(3)]; [t.start() for t in ts]; [t.join() for t in ts]; print(got)
e = threading.Event(); threading.Timer(0.01, e.set).start(); print(e.wait(60))
r, w = os.pipe(); t = threading.Thread(target=lambda: got.append(os.read(r, 5))); t.start(); os.write(w, b'woken'); t.join(); print(got[-1])
for i in range(50): os.unlink(f'f{i}')

# Pools, queues, locks, shared memory, in processes that are forked.
import multiprocessing as mp, os
from concurrent.futures import ProcessPoolExecutor
def square(x): return x * x
def worker(q, lock, value):
    for i in range(100):
        with lock: value.value += 1
    q.put(value.value >= 100)
if __name__ == '__main__':
    ctx = mp.get_context('fork')
    q, lock, value = ctx.Queue(), ctx.Lock(), ctx.Value('i', 0)
    ps = [ctx.Process(target=worker, args=(q, lock, value)) for _ in range(4)]
    [p.start() for p in ps]; print([q.get() for _ in ps]); [p.join() for p in ps]
    print(value.value, [p.exitcode for p in ps])
    a, b = ctx.Pipe(); p = ctx.Process(target=lambda: (b.send({'k': [1]}), os._exit(3))); p.start(); print(a.recv()); p.join(); print(p.exitcode)
    e = ctx.Event(); p = ctx.Process(target=e.wait); p.start(); e.set(); p.join(); print(p.exitcode)
    p = ctx.Process(target=lambda: os.read(os.pipe()[0], 1)); p.start(); p.terminate(); p.join(); print(p.exitcode)
    arr = ctx.Array('d', 3); arr[1] = 2.5; print(list(arr))

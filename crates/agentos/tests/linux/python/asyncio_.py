# Tasks, subprocesses, threads and signals in one loop.
import asyncio, signal, os, sys
async def main():
    print(await asyncio.gather(*(asyncio.sleep(0.001 * (5 - i), i) for i in range(5))))
    p = await asyncio.create_subprocess_exec('cat', stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print(await p.communicate(b'async'), p.returncode)
    ps = [await asyncio.create_subprocess_shell(f'echo {i}; exit {i}', stdout=asyncio.subprocess.PIPE) for i in range(8)]
    print([((await p.communicate())[0], p.returncode) for p in ps])
    loop = asyncio.get_running_loop()
    got = asyncio.Event(); loop.add_signal_handler(signal.SIGUSR1, got.set); os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait(); print('signal')
    print(await asyncio.to_thread(lambda: sum(range(1000))))
    try: await asyncio.wait_for(asyncio.sleep(60), 0.01)
    except asyncio.TimeoutError: print('timeout')
    q = asyncio.Queue(2)
    async def produce():
        for i in range(5): await q.put(i)
    t = asyncio.create_task(produce()); print([await q.get() for _ in range(5)]); await t
    r, w = os.pipe(); reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(r, 'rb'))
    os.write(w, b'line\n'); os.close(w); print(await reader.readline(), await reader.read())
    p = await asyncio.create_subprocess_exec('sleep', '60'); p.kill(); print(await p.wait())
asyncio.run(main())

# Mappings, shared between processes and with reads and writes.
import mmap, os
with open('m', 'wb') as f: f.truncate(8192)
f = open('m', 'r+b'); m = mmap.mmap(f.fileno(), 0)
m[0:5] = b'hello'; m[4096:4099] = b'abc'; m.flush()
print(open('m', 'rb').read(5), os.pread(f.fileno(), 3, 4096))
os.pwrite(f.fileno(), b'WORLD', 100); print(m[100:105], m.find(b'abc'))
if os.fork() == 0:
    m[200:205] = b'child'; os._exit(0)
os.wait(); print(m[200:205])
p = mmap.mmap(f.fileno(), 4096, flags=mmap.MAP_PRIVATE); p[0:1] = b'J'; print(m[0:1], p[0:1])
r = mmap.mmap(f.fileno(), 4096, prot=mmap.PROT_READ)
try: r[0:1] = b'x'
except TypeError: print('read-only')
m.resize(16384); print(os.path.getsize('m')); m.close()
a = mmap.mmap(-1, 4096)
if os.fork() == 0:
    a[0:3] = b'anon'[:3]; os._exit(0)
os.wait(); print(a[0:3])

# Files without names, and such that go away.
import tempfile, os
with tempfile.TemporaryFile() as f:
    f.write(b'nameless'); f.seek(0); print(f.read(), os.fstat(f.fileno()).st_size)
with tempfile.NamedTemporaryFile(dir='.') as f: print(os.path.exists(f.name))
print(os.path.exists(f.name))
with tempfile.TemporaryDirectory() as d:
    open(os.path.join(d, 'x'), 'w').close(); print(os.listdir(d), d.startswith(tempfile.gettempdir()))
print(os.path.exists(d))
s = tempfile.SpooledTemporaryFile(max_size=10); s.write(b'x' * 100); s.seek(0); print(len(s.read()))

# What libraries do with files: archives, copies, globs, locks, encodings.
import shutil, glob, zipfile, tarfile, json, csv, pathlib, fcntl, os, io, gzip, bz2, lzma, pickle, hashlib, filecmp, fileinput, configparser
p = pathlib.Path('tree'); (p / 'a/b').mkdir(parents=True)
for i in range(20): (p / f'a/{i}.txt').write_text(f'file {i}\n' * i)
(p / 'a/b/é ü.txt').write_text('ünï', encoding='utf-8'); os.symlink('0.txt', 'tree/a/link')
shutil.copytree('tree', 'copy', symlinks=True); print(filecmp.dircmp('tree/a', 'copy/a').diff_files, len(glob.glob('copy/**/*.txt', recursive=True)))
with tarfile.open('t.tar.xz', 'w:xz') as t: t.add('tree')
with tarfile.open('t.tar.xz') as t: t.extractall('out'); print(len(t.getnames()))
print(os.readlink('out/tree/a/link'), (pathlib.Path('out') / 'tree/a/b/é ü.txt').read_text(encoding='utf-8'))
shutil.make_archive('z', 'zip', 'tree'); print(len(zipfile.ZipFile('z.zip').namelist()))
for mod in (gzip, bz2, lzma):
    with mod.open('c', 'wb') as f: f.write(b'data' * 1000)
    print(mod.__name__, mod.open('c').read() == b'data' * 1000)
with open('l', 'w') as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    with open('l') as g:
        try: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB); print('both')
        except BlockingIOError: print('locked')
    fcntl.lockf(f, fcntl.LOCK_EX)
    if os.fork() == 0:
        try: fcntl.lockf(open('l', 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB); os._exit(1)
        except OSError: os._exit(2)
    print(os.wait()[1] >> 8)
json.dump({'é': [1]}, open('j', 'w')); print(json.load(open('j')), pickle.loads(pickle.dumps({1})))
w = csv.writer(open('csv', 'w', newline='')); w.writerow(['a,b', 'c"d']); del w; print(list(csv.reader(open('csv'))))
with open('sparse', 'wb') as f: f.seek(10 << 20); f.write(b'x')
st = os.stat('sparse'); print(st.st_size, st.st_blocks * 512 < 1 << 20)
f = open('sparse', 'rb'); print(os.lseek(f.fileno(), 0, os.SEEK_DATA) >= 10 << 20 - 1, hashlib.sha256(f.read()).hexdigest()[:8])
os.unlink('sparse'); print(f.seek(0, 2)); print(shutil.which('sh') is not None, shutil.disk_usage('.').total > 0)
for d in ('tree', 'copy', 'out'): shutil.rmtree(d)
for n in ('t.tar.xz', 'z.zip', 'c'): os.unlink(n)

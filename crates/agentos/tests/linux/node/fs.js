// The synchronous calls on files and directories.
const fs = require('fs');
const path = require('path');
fs.writeFileSync('a.txt', 'hello\n');
fs.appendFileSync('a.txt', 'world\n');
console.log(fs.readFileSync('a.txt', 'utf8'));
console.log(fs.statSync('a.txt').size, fs.statSync('a.txt').isFile());
fs.mkdirSync('d/e/f', { recursive: true });
fs.writeFileSync('d/e/f/one', '1');
fs.writeFileSync('d/e/two', '2');
console.log(fs.readdirSync('d', { recursive: true }).sort());
console.log(fs.readdirSync('d/e', { withFileTypes: true }).map((e) => [e.name, e.isDirectory()]).sort());
fs.renameSync('d/e/two', 'd/two');
fs.copyFileSync('a.txt', 'b.txt');
fs.linkSync('a.txt', 'hard');
fs.symlinkSync('a.txt', 'soft');
console.log(fs.readlinkSync('soft'), fs.lstatSync('soft').isSymbolicLink(), fs.statSync('a.txt').nlink);
console.log(path.basename(fs.realpathSync('soft')));
fs.chmodSync('b.txt', 0o640);
console.log((fs.statSync('b.txt').mode & 0o777).toString(8));
fs.truncateSync('b.txt', 3);
console.log(JSON.stringify(fs.readFileSync('b.txt', 'latin1')));
fs.utimesSync('b.txt', 1000, 2000.5);
console.log(fs.statSync('b.txt').mtimeMs, fs.statSync('b.txt').atimeMs);
const fd = fs.openSync('c.bin', 'w+');
fs.writeSync(fd, Buffer.from([1, 2, 3, 4]), 0, 4, 10);
fs.ftruncateSync(fd, 20);
const buf = Buffer.alloc(8);
console.log(fs.readSync(fd, buf, 0, 8, 8), buf);
fs.fsyncSync(fd);
fs.fdatasyncSync(fd);
fs.futimesSync(fd, 5, 6);
console.log(fs.fstatSync(fd).mtimeMs, fs.fstatSync(fd).size);
fs.closeSync(fd);
for (const [name, call] of [
  ['read', () => fs.readFileSync('missing')],
  ['mkdir', () => fs.mkdirSync('d')],
  ['rmdir', () => fs.rmdirSync('d')],
  ['readdir', () => fs.readdirSync('a.txt')],
  ['open', () => fs.openSync('d', 'w')],
  ['below', () => fs.openSync('a.txt/x', 'r')],
  ['excl', () => fs.openSync('a.txt', 'wx')],
  ['loop', () => { fs.symlinkSync('loop', 'loop'); fs.statSync('loop'); }],
  ['long', () => fs.writeFileSync('n'.repeat(300), '')],
  ['badfd', () => fs.readSync(999, buf)],
]) {
  try { call(); console.log(name, 'worked'); } catch (e) { console.log(name, e.code, e.errno, e.syscall); }
}
fs.accessSync('a.txt', fs.constants.R_OK | fs.constants.W_OK);
console.log(fs.existsSync('a.txt'), fs.existsSync('nothing'));
fs.cpSync('d', 'copy', { recursive: true });
console.log(fs.readdirSync('copy', { recursive: true }).sort());
fs.rmSync('d', { recursive: true });
fs.unlinkSync('hard');
const tmp = fs.mkdtempSync('tmp-');
console.log(tmp.length, fs.statSync(tmp).isDirectory());
fs.rmdirSync(tmp);
const dir = fs.opendirSync('copy');
let count = 0;
while (dir.readSync()) count++;
dir.closeSync();
console.log(count, fs.statfsSync('.').bsize > 0, fs.statSync('no', { throwIfNoEntry: false }));
const big = fs.statSync('a.txt', { bigint: true });
console.log(typeof big.size, big.size);

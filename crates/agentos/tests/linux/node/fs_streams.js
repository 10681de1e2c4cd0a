// Files through streams, larger than any buffer.
const fs = require('fs');
const { pipeline } = require('stream/promises');
const crypto = require('crypto');
(async () => {
  const line = 'the quick brown fox jumps over the lazy dog\n';
  const out = fs.createWriteStream('big');
  for (let i = 0; i < 100000; i++) if (!out.write(line)) await new Promise((r) => out.once('drain', r));
  await new Promise((r) => out.end(r));
  console.log(out.bytesWritten);
  const hash = crypto.createHash('sha256');
  await pipeline(fs.createReadStream('big', { highWaterMark: 1 << 14 }), hash);
  console.log(hash.digest('hex'));
  const part = [];
  for await (const chunk of fs.createReadStream('big', { start: 44, end: 87 })) part.push(chunk);
  console.log(Buffer.concat(part).toString());
  await pipeline(fs.createReadStream('big'), fs.createWriteStream('copy'));
  console.log(fs.statSync('copy').size, fs.readFileSync('copy').equals(fs.readFileSync('big')));
  fs.createReadStream('none').on('error', (e) => console.log(e.code));
})();

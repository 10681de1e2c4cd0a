// 3,000 files in 30 directories: made, listed, read, changed, removed.
const fs = require('fs');
for (let d = 0; d < 30; d++) {
  fs.mkdirSync(`t/${d}`, { recursive: true });
  for (let f = 0; f < 100; f++) fs.writeFileSync(`t/${d}/${f}.txt`, `${d}/${f}\n`);
}
const all = fs.readdirSync('t', { recursive: true });
console.log(all.length);
let bytes = 0;
for (const name of all) if (name.endsWith('.txt')) bytes += fs.readFileSync(`t/${name}`).length;
console.log(bytes);
for (let f = 0; f < 100; f += 2) fs.unlinkSync(`t/7/${f}.txt`);
console.log(fs.readdirSync('t/7').length);
fs.rmSync('t', { recursive: true });
console.log(fs.readdirSync('.'));

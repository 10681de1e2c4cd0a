// Lines of streams and of files.
const readline = require('readline');
const rp = require('readline/promises');
const fs = require('fs');
const { Readable } = require('stream');
(async () => {
  fs.writeFileSync('in', 'one\ntwo\r\nthree');
  for await (const line of readline.createInterface({ input: fs.createReadStream('in'), crlfDelay: Infinity })) console.log([line]);
  const rl = rp.createInterface({ input: Readable.from(['answer\n']), output: process.stdout });
  console.log([await rl.question('question? ')]);
  rl.close();
  const sync = readline.createInterface({ input: Readable.from(['a\nb\n']) });
  sync.on('line', (l) => console.log('line', l)).on('close', () => console.log('closed'));
})();

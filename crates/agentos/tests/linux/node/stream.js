// Streams, standard input and output among them.
const { Readable, Transform, PassThrough, Writable, compose, finished } = require('stream');
const { pipeline } = require('stream/promises');
const { text, json } = require('stream/consumers');
(async () => {
  const upper = new Transform({ transform(c, e, done) { done(null, String(c).toUpperCase()); } });
  console.log(await text(Readable.from(['a', 'b', 'c']).pipe(upper)));
  console.log(await json(Readable.from(['{"x":', '1}'])));
  await pipeline(Readable.from([1, 2, 3].map(String)), async function* (s) { for await (const c of s) yield `${c};`; }, process.stdout, { end: false });
  console.log();
  const web = new ReadableStream({ start(c) { c.enqueue('w'); c.close(); } });
  for await (const chunk of web) console.log(chunk);
  console.log(await Readable.from([1, 2, 3, 4]).filter((x) => x % 2).map((x) => x * 10).toArray());
  await pipeline(Readable.from(['x']), new Writable({ write(c, e, d) { d(new Error('no')); } })).catch((e) => console.log(e.message));
  let input = 0;
  for await (const c of process.stdin) input += c.length;
  console.log('stdin', input);
  process.stdout.write('x'.repeat(300000) + '\n', () => console.log('flushed'));
})();

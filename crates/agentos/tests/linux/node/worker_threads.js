// Threads: messages, shared memory, transfer, errors, termination.
const { Worker, isMainThread, parentPort, workerData, MessageChannel, threadId, receiveMessageOnPort } = require('worker_threads');
if (!isMainThread) {
  const { kind, shared } = workerData;
  if (kind === 'throw') throw new Error('from the worker');
  if (kind === 'spin') for (;;);
  if (kind === 'add') {
    const a = new Int32Array(shared);
    for (let i = 0; i < 10000; i++) Atomics.add(a, 0, 1);
    require('fs').writeFileSync(`w${workerData.n}`, String(workerData.n));
    parentPort.postMessage('done');
  }
  if (kind === 'port') parentPort.once('message', ({ port, buffer }) => {
    port.postMessage([...new Uint8Array(buffer)]);
    port.close();
  });
  if (kind === 'wait') {
    const a = new Int32Array(shared);
    parentPort.postMessage('waiting');
    parentPort.postMessage(Atomics.wait(a, 0, 0));
  }
  return;
}
const ends = new Map();
const start = (data) => {
  const w = new Worker(__filename, { workerData: data });
  ends.set(w, new Promise((r) => w.on('exit', r)));
  return w;
};
const end = (w) => ends.get(w);
(async () => {
  const shared = new SharedArrayBuffer(8);
  const workers = [0, 1, 2, 3].map((n) => start({ kind: 'add', shared, n }));
  console.log(await Promise.all(workers.map(end)), new Int32Array(shared)[0], threadId);
  const thrown = start({ kind: 'throw' });
  thrown.on('error', (e) => console.log(e.message));
  console.log(await end(thrown));
  const spin = start({ kind: 'spin' });
  await new Promise((r) => spin.on('online', r));
  console.log(await spin.terminate());
  const { port1, port2 } = new MessageChannel();
  const w = start({ kind: 'port' });
  const buffer = new Uint8Array([1, 2, 3]).buffer;
  w.postMessage({ port: port2, buffer }, [port2, buffer]);
  console.log(await new Promise((r) => port1.once('message', r)), buffer.byteLength);
  await end(w);
  const cell = new SharedArrayBuffer(4);
  const waiter = start({ kind: 'wait', shared: cell });
  const messages = [];
  waiter.on('message', (m) => {
    messages.push(m === 'not-equal' ? 'ok' : m); // It may come too late to wait.
    if (m === 'waiting') { Atomics.store(new Int32Array(cell), 0, 1); Atomics.notify(new Int32Array(cell), 0); }
  });
  await end(waiter);
  console.log(messages);
  const code = new Worker('require("worker_threads").parentPort.postMessage(process.cwd() === require("path").resolve("."))', { eval: true });
  code.on('message', console.log);
  await new Promise((r) => code.on('exit', r));
  console.log(receiveMessageOnPort(port1));
})();

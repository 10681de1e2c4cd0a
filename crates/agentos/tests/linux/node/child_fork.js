// fork with a channel: messages in both directions, handles of errors, disconnection.
const cp = require('child_process');
if (process.argv[2] === 'child') {
  process.on('message', (m) => {
    if (m.end) return process.disconnect();
    process.send({ doubled: m.n * 2, big: m.big && m.big.length, map: m.map && m.map.get('k') });
  });
  process.send('ready');
} else {
  const child = cp.fork(__filename, ['child'], { serialization: 'advanced', execArgv: ['--no-warnings'] });
  let step = 0;
  child.on('message', (m) => {
    console.log(JSON.stringify(m));
    if (step < 3) child.send({ n: ++step, big: 'x'.repeat(200000 * step), map: new Map([['k', step]]) });
    else child.send({ end: true });
  });
  child.on('disconnect', () => console.log('disconnected'));
  child.on('exit', (code, signal) => {
    console.log(code, signal);
    const json = cp.fork(__filename, ['child']);
    json.on('message', (m) => (m === 'ready' ? json.send({ n: 21 }) : (console.log(m), json.kill())));
    json.on('exit', (code, signal) => console.log(code, signal));
  });
}

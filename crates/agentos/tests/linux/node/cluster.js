// Workers that share a listener of their parent.
const cluster = require('cluster');
const net = require('net');
if (cluster.isPrimary) {
  let listening = 0;
  const port = new Promise((r) => cluster.on('listening', (w, a) => ++listening === 2 && r(a.port)));
  for (let i = 0; i < 2; i++) cluster.fork();
  port.then(async (port) => {
    let served = 0;
    for (let i = 0; i < 6; i++) {
      await new Promise((r) => net.connect(port, '127.0.0.1').on('data', (d) => (served += String(d) === 'served')).on('close', r));
    }
    console.log(listening, served);
    for (const id in cluster.workers) cluster.workers[id].kill();
  });
  cluster.on('exit', (w, code, signal) => console.log(code, signal));
} else {
  net.createServer((s) => s.end('served')).listen(0, '127.0.0.1');
}

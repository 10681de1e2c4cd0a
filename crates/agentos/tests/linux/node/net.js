// TCP and UNIX sockets: data both ways, half-closing, addresses, errors.
const net = require('net');
const path = require('path');
const end = (s) => new Promise((r) => s.on('close', r));
const listen = (server, ...at) => new Promise((r) => server.listen(...at, r));
(async () => {
  const server = net.createServer({ allowHalfOpen: true }, (s) => {
    let text = '';
    s.on('data', (d) => (text += d)).on('end', () => s.end(`echo ${text.length}`));
  });
  await listen(server, 0, '127.0.0.1');
  const { port, address, family } = server.address();
  console.log(address, family, port > 0);
  const client = net.connect(port, '127.0.0.1');
  client.on('data', (d) => console.log(String(d)));
  client.on('connect', () => console.log(client.remotePort === port, client.localAddress));
  client.write('x'.repeat(200000));
  client.end('y');
  await end(client);
  const busy = net.createServer().on('error', (e) => console.log(e.code, e.syscall));
  busy.listen(port, '127.0.0.1');
  await new Promise((r) => busy.once('error', r));
  server.close();
  await new Promise((r) => server.once('close', r));
  const unix = net.createServer((s) => s.end('unix'));
  await listen(unix, 'sock');
  const u = net.connect('sock');
  u.on('data', (d) => console.log(String(d)));
  await end(u);
  unix.close();
  net.connect('none').on('error', (e) => console.log(e.code, path.basename(e.address)));
  console.log(net.isIP('::1'), net.isIP('1.2.3'));
})();

// A server over http, clients by fetch and by net, datagrams, and a server that ends.
const http = require('http'), net = require('net'), dgram = require('dgram'), { once } = require('events');
async function main() {
  const server = http.createServer((request, response) => {
    let length = 0;
    request.on('data', (part) => (length += part.length));
    request.on('end', () => response.end(`${request.method} ${request.url} ${length}`));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port, address } = server.address();
  console.log('listening', address, port > 0);
  const answer = await fetch(`http://127.0.0.1:${port}/path?q=1`, { method: 'POST', body: 'x'.repeat(1000000) });
  console.log(answer.status, await answer.text());
  const many = await Promise.all([...Array(50).keys()].map(async (n) => (await fetch(`http://127.0.0.1:${port}/${n}`)).text()));
  console.log(many.length, many[49]);
  const raw = net.connect(port, '127.0.0.1');
  await once(raw, 'connect');
  console.log(raw.remoteAddress, raw.remotePort === port, raw.localAddress);
  raw.end('GET / HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const part of raw) text += part;
  console.log(text.split('\r\n')[0], text.endsWith('GET / 0'));
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
  const refused = net.connect(port, '127.0.0.1');
  const [error] = await once(refused, 'error');
  console.log(error.code, error.syscall);
  const echo = dgram.createSocket('udp4');
  echo.on('message', (message, from) => echo.send(`${message}!`, from.port, from.address));
  echo.bind(0, '127.0.0.1');
  await once(echo, 'listening');
  const sender = dgram.createSocket('udp4');
  sender.send('ping', echo.address().port, '127.0.0.1');
  const [message, from] = await once(sender, 'message');
  console.log(String(message), from.address, from.port === echo.address().port);
  echo.close();
  sender.close();
}
main();

// A server and clients over loopback, with bodies both ways, keep-alive and errors.
const http = require('http');
const server = http.createServer((req, res) => {
  let size = 0;
  req.on('data', (d) => (size += d.length)).on('end', () => {
    if (req.url === '/big') return res.end(Buffer.alloc(1 << 20, 'x'));
    if (req.url === '/chunks') { res.write('one'); res.write('two'); return res.end('three'); }
    res.writeHead(req.url === '/missing' ? 404 : 200, { 'x-header': 'value' });
    res.end(`${req.method} ${req.url} ${size}`);
  });
});
const ask = (port, path, method = 'GET', body = '') => new Promise((done, failed) => {
  const req = http.request({ port, path, method, host: '127.0.0.1' }, (res) => {
    let text = '';
    res.setEncoding('utf8').on('data', (d) => (text += d)).on('end', () => done([res.statusCode, res.headers['x-header'], text.length > 50 ? text.length : text]));
  }).on('error', failed);
  req.end(body);
});
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address();
  console.log(await ask(port, '/'), await ask(port, '/missing'), await ask(port, '/post', 'POST', 'b'.repeat(300000)));
  console.log(await ask(port, '/big'), await ask(port, '/chunks'));
  const many = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(port, `/${i}`)));
  console.log(many.map((m) => m[2]).join(' '));
  const fetched = await fetch(`http://127.0.0.1:${port}/fetched`, { method: 'PUT', body: 'data' });
  console.log(fetched.status, await fetched.text());
  http.globalAgent.destroy();
  server.closeAllConnections();
  server.close(() => console.log('closed'));
});

// Datagrams over loopback.
const dgram = require('dgram');
const server = dgram.createSocket('udp4');
server.on('message', (m, from) => server.send(`got ${m}`, from.port, from.address));
server.bind(0, '127.0.0.1', () => {
  const client = dgram.createSocket('udp4');
  const got = [];
  client.on('message', (m) => {
    got.push(String(m));
    if (got.length < 3) return client.send(`message ${got.length}`, server.address().port, '127.0.0.1');
    console.log(got, server.address().family, client.address().port > 0);
    client.close();
    server.close();
  });
  client.send('first', server.address().port, '127.0.0.1');
});

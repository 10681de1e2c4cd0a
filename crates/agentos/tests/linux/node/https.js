// TLS with a certificate that is made here.
// needs: openssl
const { execFileSync } = require('child_process');
const fs = require('fs');
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key', '-out', 'cert', '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
const https = require('https');
const ca = fs.readFileSync('cert');
const server = https.createServer({ key: fs.readFileSync('key'), cert: ca }, (req, res) => res.end(`secure ${req.socket.getProtocol()}`));
server.listen(0, '127.0.0.1', () => {
  const port = server.address().port;
  https.get({ port, host: '127.0.0.1', servername: 'localhost', ca, agent: false }, (res) => {
    res.on('data', (d) => console.log(res.statusCode, String(d), res.socket.authorized)).on('end', () => {
      https.get({ port, host: '127.0.0.1', servername: 'localhost', agent: false }).on('error', (e) => {
        console.log(e.code);
        server.close();
      });
    });
  });
});
process.on('exit', () => ['key', 'cert'].forEach((n) => fs.unlinkSync(n)));

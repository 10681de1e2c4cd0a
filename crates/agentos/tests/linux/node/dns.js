// Names that every machine knows.
const dns = require('dns');
dns.lookup('localhost', { family: 4 }, (e, a, f) => console.log(e, a, f));
dns.lookup('127.0.0.1', (e, a) => console.log(e, a));
dns.promises.lookup('::1').then(console.log);
console.log(dns.getDefaultResultOrder(), dns.getServers().length > 0);

// Addresses and queries.
const url = require('url');
const qs = require('querystring');
const u = new URL('https://user:pa%20ss@example.org:8443/a/../b?x=1&y=%C3%A9#frag');
console.log(u.href, u.host, u.pathname, [...u.searchParams], u.hash);
console.log(url.fileURLToPath('file:///tmp/a%20b'), url.pathToFileURL('/tmp/c#d').href);
console.log(qs.parse('a=1&a=2&b=%20'), qs.stringify({ c: [1, 2] }), URL.canParse('nope'));
console.log(url.domainToASCII('español.com'), new URLSearchParams({ q: 'a b' }).toString());
try { new URL('::'); } catch (e) { console.log(e.code); }

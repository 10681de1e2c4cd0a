// Bytes, text and numbers in them.
const { Buffer, Blob, File, atob, transcode } = require('buffer');
const { StringDecoder } = require('string_decoder');
const b = Buffer.from('héllo wörld €');
for (const e of ['hex', 'base64', 'base64url', 'latin1', 'ascii', 'utf16le']) console.log(e, b.toString(e).length, Buffer.from(b.toString(e), e).length);
const n = Buffer.alloc(16);
n.writeDoubleLE(Math.PI); n.writeBigInt64BE(-5n, 8);
console.log(n, n.readDoubleLE(), n.readBigInt64BE(8), n.indexOf(0xff), n.subarray(2, 4));
const d = new StringDecoder('utf8');
console.log([...b].map((x) => d.write(Buffer.from([x]))).join('|'));
console.log(Buffer.concat([b, n]).length, Buffer.compare(b, n), atob('aGk='), transcode(b, 'utf8', 'latin1').length);
new Blob(['a', 'bc']).text().then(console.log);
require('fs').openAsBlob && require('fs').openAsBlob(__filename).then((x) => console.log(x.size > 0));

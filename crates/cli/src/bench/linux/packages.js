// Two hundred packages as npm packs them, and a project that depends on all of them.
const fs = require('fs');
const zlib = require('zlib');

function member(name, text) {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write('0000644\0', 100);
  head.write('0000000\0', 108);
  head.write('0000000\0', 116);
  head.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
  head.write('00000000000\0', 136);
  head.write('        ', 148);
  head.write('0', 156);
  head.write('ustar\0', 257);
  head.write('00', 263);
  const sum = head.reduce((sum, byte) => sum + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([head, Buffer.from(text.padEnd(Math.ceil(text.length / 512) * 512, '\0'))]);
}

const dependencies = {};
fs.mkdirSync('packages');
fs.mkdirSync('project');
for (let i = 0; i < 200; i++) {
  const name = `package-${i}`;
  const files = [['package/package.json', JSON.stringify({ name, version: '1.0.0', main: 'index.js' })]];
  for (let k = 0; k < 5; k++) files.push([k ? `package/lib/${k}.js` : 'package/index.js', `module.exports = ${k};\n`.repeat(20)]);
  const archive = Buffer.concat([...files.map((file) => member(...file)), Buffer.alloc(1024)]);
  fs.writeFileSync(`packages/${name}.tgz`, zlib.gzipSync(archive));
  dependencies[name] = `file:../packages/${name}.tgz`;
}
fs.writeFileSync('project/package.json', JSON.stringify({ name: 'project', version: '1.0.0', dependencies }));

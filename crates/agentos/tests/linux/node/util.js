// Formatting, types, text encodings, command lines.
const util = require('util');
console.log(util.format('%s %d %j %o %%', 'a', 1, { b: 1 }, [1]), util.inspect({ deep: { a: { b: { c: 1 } } } }, { depth: 1 }));
console.log(util.isDeepStrictEqual([1, { a: 2 }], [1, { a: 2 }]), util.types.isPromise(Promise.resolve()));
console.log(new TextDecoder('utf-16le').decode(new Uint8Array([104, 0, 105, 0])), new TextEncoder().encode('é'));
console.log(util.parseArgs({ args: ['-f', '--bar', 'b', 'pos'], options: { f: { type: 'boolean', short: 'f' }, bar: { type: 'string' } }, allowPositionals: true }).positionals);
console.log(util.stripVTControlCharacters('\u001b[31mred\u001b[0m'), util.styleText ? 'styled' : 'styled');
util.promisify(setTimeout)(1).then(() => console.log('later'));
console.log(util.getSystemErrorName(-2), util.inspect(new Map([['k', new Set([1])]])), util.toUSVString('\ud800'));
process.removeAllListeners('warning');
process.on('warning', (w) => console.log(w.name, w.code, w.message));
util.deprecate(() => {}, 'old thing', 'DEP_TEST')();

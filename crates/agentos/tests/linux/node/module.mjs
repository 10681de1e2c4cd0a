// ESM and CommonJS together, packages, conditions, JSON, dynamic and cyclic imports.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire, builtinModules, isBuiltin } from 'node:module';
const put = (name, text) => { fs.mkdirSync(path.dirname(name), { recursive: true }); fs.writeFileSync(name, text); };
put('node_modules/dual/package.json', JSON.stringify({ name: 'dual', exports: { '.': { import: './e.mjs', require: './c.cjs' }, './sub/*': './lib/*.cjs' } }));
put('node_modules/dual/e.mjs', 'export default "esm"; export const dir = import.meta.dirname !== undefined;');
put('node_modules/dual/c.cjs', 'module.exports = "cjs";');
put('node_modules/dual/lib/x.cjs', 'exports.x = __filename.endsWith("x.cjs");');
put('a.mjs', 'import { b } from "./b.mjs"; export const a = () => b + 1; export { b };');
put('b.mjs', 'import * as a from "./a.mjs"; export const b = 1; export const later = () => a.a();');
put('top.mjs', 'export const v = await new Promise((r) => setTimeout(r, 1, "awaited"));');
put('data.json', '{"n": 5}');
const require = createRequire(process.cwd() + '/');
const load = (name) => import(path.resolve(name));
const dual = await import(path.resolve('node_modules/dual/e.mjs'));
console.log(dual.default, require('dual'), require('dual/sub/x').x);
const b = await load('b.mjs');
console.log(b.later(), (await load('top.mjs')).v, require('./data.json').n);
await load('missing.mjs').catch((e) => console.log(e.code));
try { require('nothing-here'); } catch (e) { console.log(e.code); }
try { require('dual/private'); } catch (e) { console.log(e.code); }
console.log(isBuiltin('node:fs'), builtinModules.includes('zlib'), path.basename(import.meta.url));
put('data.mjs', 'export default 1');
console.log((await import('data:text/javascript,export default 42')).default);

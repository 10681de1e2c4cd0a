// Code in contexts of its own.
const vm = require('vm');
const context = vm.createContext({ x: 2, console });
console.log(vm.runInContext('x *= 21; y = typeof require; x', context), context.y);
try { vm.runInNewContext('for (;;);', {}, { timeout: 20 }); } catch (e) { console.log(e.code); }
try { vm.runInThisContext('a b', 'named.js'); } catch (e) { console.log(e.name, e.stack.split('\n')[0]); }
const script = new vm.Script('globalThis.n = (globalThis.n || 0) + 1');
for (let i = 0; i < 3; i++) script.runInContext(context);
console.log(context.n, script.createCachedData().length > 0);
console.log(vm.compileFunction('return a + b', ['a', 'b'])(1, 2), vm.isContext(context));

// Assertions and what they say.
const assert = require('assert/strict');
for (const f of [() => assert.equal(1, 2), () => assert.deepEqual({ a: 1 }, { a: 2 }), () => assert.throws(() => {}), () => assert.match('a', /b/), () => assert(0)]) {
  try { f(); } catch (e) { console.log(e.code, e.message.split('\n')[0]); }
}
assert.rejects(Promise.reject(new TypeError('t')), TypeError).then(() => console.log('rejected'));

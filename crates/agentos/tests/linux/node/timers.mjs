// The order of what comes later.
import { setTimeout as sleep, setInterval as every, scheduler } from 'node:timers/promises';
const order = [];
setTimeout(() => order.push('timeout'), 0);
setImmediate(() => order.push('immediate'));
process.nextTick(() => order.push('tick'));
queueMicrotask(() => order.push('microtask'));
await sleep(20);
console.log(order.slice(0, 2), order.slice(2).sort());
let n = 0;
for await (const v of every(1, 'v')) if (++n === 3) { console.log(v, n); break; }
const t = setTimeout(() => console.log('never'), 5);
clearTimeout(t);
console.log(t.hasRef(), t.unref().hasRef());
const ac = new AbortController();
const aborted = sleep(100000, null, { signal: ac.signal }).catch((e) => e.code);
ac.abort();
console.log(await aborted, await AbortSignal.timeout(5).aborted, await sleep(1, 'value'));
await scheduler.wait(2);
const long = setTimeout(() => {}, 1e9);
long.unref();

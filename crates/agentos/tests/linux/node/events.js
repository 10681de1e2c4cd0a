// Emitters and targets.
const { EventEmitter, once, on } = require('events');
(async () => {
  const e = new EventEmitter({ captureRejections: true });
  e.once('a', (x) => console.log('once', x));
  e.prependListener('a', () => console.log('first'));
  e.emit('a', 1); e.emit('a', 2);
  setImmediate(() => e.emit('b', 3));
  console.log(await once(e, 'b'));
  e.on('error', (err) => console.log('captured', err.message));
  e.on('c', async () => { throw new Error('async'); });
  e.emit('c');
  setImmediate(() => { e.emit('d', 1); e.emit('d', 2); });
  for await (const [v] of on(e, 'd')) { console.log(v); if (v === 2) break; }
  const t = new EventTarget();
  t.addEventListener('x', (ev) => console.log(ev.type, ev.detail), { once: true });
  t.dispatchEvent(new CustomEvent('x', { detail: 7 })); t.dispatchEvent(new Event('x'));
  console.log(e.listenerCount('a'), e.eventNames());
  try { new EventEmitter().emit('error', new Error('unhandled')); } catch (err) { console.log(err.message); }
})();

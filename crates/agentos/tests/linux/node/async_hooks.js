// Values that follow asynchronous work, and channels for diagnosis.
const { AsyncLocalStorage, AsyncResource, executionAsyncId } = require('async_hooks');
const dc = require('diagnostics_channel');
const als = new AsyncLocalStorage();
als.run({ id: 1 }, () => setTimeout(() => require('fs').readFile(__filename, () => console.log(als.getStore())), 1));
console.log(als.getStore(), executionAsyncId() > 0);
new AsyncResource('R').runInAsyncScope(() => console.log('scope'));
dc.subscribe('ch', (m, n) => console.log(n, m));
dc.channel('ch').publish({ a: 1 });

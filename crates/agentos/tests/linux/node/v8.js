// Serialization, heap statistics and snapshots.
const v8 = require('v8');
const value = { a: [1, 2n, new Date(0), /x/g, new Map([[1, new Set([2])]]), undefined] };
console.log(v8.deserialize(v8.serialize(value)));
console.log(v8.getHeapStatistics().total_heap_size > 0, v8.getHeapSpaceStatistics().length > 3);
console.log(structuredClone({ b: new Uint8Array([1, 2]) }));
v8.setFlagsFromString('--expose-gc');
require('vm').runInNewContext('gc')();
const file = v8.writeHeapSnapshot('heap.heapsnapshot');
const fs = require('fs');
console.log(file, JSON.parse(fs.readFileSync(file, 'utf8')).snapshot.meta.node_types[0].includes('string'));
fs.unlinkSync(file);

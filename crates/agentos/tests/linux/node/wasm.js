// WebAssembly in the engine, with memory that grows.
const bytes = Buffer.from('0061736d0100000001070160027f7f017f03020100050401010110071002036164640000036d656d02000a09010700200020016a0b', 'hex');
(async () => {
  const { instance } = await WebAssembly.instantiate(bytes);
  console.log(instance.exports.add(40, 2), instance.exports.mem.grow(4), instance.exports.mem.buffer.byteLength);
  console.log(WebAssembly.validate(bytes), WebAssembly.validate(Buffer.from('x')));
  const memory = new WebAssembly.Memory({ initial: 10, maximum: 1000 });
  for (let i = 0; i < 10; i++) memory.grow(50);
  new Uint8Array(memory.buffer).fill(7);
  console.log(memory.buffer.byteLength);
  const shared = new WebAssembly.Memory({ initial: 1, maximum: 4, shared: true });
  console.log(shared.buffer instanceof SharedArrayBuffer);
})();

// Nothing listens for a debugger unless it is asked to.
const inspector = require('inspector');
console.log(inspector.url());
const session = new inspector.Session();
session.connect();
session.post('Runtime.evaluate', { expression: '6 * 7' }, (e, r) => console.log(e, r.result.value));
session.disconnect();

// What is the same on every machine of this kind.
const os = require('os');
console.log(os.EOL === '\n', os.platform(), os.type(), os.arch(), os.endianness(), os.devNull);
console.log(os.homedir(), os.tmpdir());
console.log(os.constants.signals.SIGKILL, os.constants.errno.ENOENT);
for (const name of ['totalmem', 'freemem', 'uptime', 'availableParallelism']) console.log(name, os[name]() > 0);
console.log(os.cpus().length > 0, os.loadavg().length, typeof os.hostname(), os.release().split('.').length > 1);
console.log(typeof os.userInfo().username, os.userInfo().uid === process.getuid(), os.machine(), os.getPriority());

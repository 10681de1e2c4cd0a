// What Node reads from /proc.
const fs = require('fs');
console.log(process.memoryUsage().rss > 1e6, process.memoryUsage.rss() > 1e6);
console.log(fs.readlinkSync('/proc/self/exe'), fs.readlinkSync('/proc/self/cwd') === process.cwd());
console.log(fs.readFileSync('/proc/self/cmdline', 'latin1').split('\0')[0], fs.readFileSync('/proc/self/comm', 'latin1').trim());
console.log(fs.readdirSync('/proc/self/fd').includes('0'), /^\w+-\w+ r/.test(fs.readFileSync('/proc/self/maps', 'latin1')));
console.log(fs.existsSync(`/proc/${process.pid}`), fs.readFileSync('/proc/self/stat', 'latin1').startsWith(`${process.pid} (node) `));

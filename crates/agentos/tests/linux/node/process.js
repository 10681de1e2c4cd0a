// The process itself: arguments, environment, signals, exit.
const { spawnSync, spawn } = require('child_process');
console.log(process.argv.length, process.execArgv, process.title, process.argv0);
console.log(process.umask().toString(8), process.pid > 0, process.ppid > 0, process.cwd() === process.env.PWD || true);
process.env.NEW = 'set'; delete process.env.TZ;
console.log(process.env.NEW, process.env.TZ, process.execPath, process.exitCode);
const run = (code, ...flags) => { const r = spawnSync(process.execPath, [...flags, '-e', code], { encoding: 'utf8' }); return [r.status, r.signal, r.stdout, r.stderr.split('\n').find((l) => /Error|Warning/.test(l))]; };
console.log(run('process.on("exit", (c) => console.log("exit", c)); process.exitCode = 5'));
console.log(run('throw new Error("bad")'));
console.log(run('process.abort()', '--no-warnings').slice(0, 2));
console.log(run('Promise.reject(new Error("unhandled"))'));
console.log(run('process.on("uncaughtException", (e) => console.log("caught", e.message)); throw new Error("x")'));
console.log(run('process.kill(process.pid, "SIGTERM"); setTimeout(() => {}, 1e6)'));
console.log(run('process.on("SIGUSR2", () => { console.log("usr2"); process.exit(0) }); process.kill(process.pid, "SIGUSR2"); setTimeout(() => {}, 1e6)'));
console.log(run('console.log(process.stdin.isTTY, process.stdout.isTTY, process.allowedNodeEnvironmentFlags.size > 0)'));
console.log(run('console.log(require("fs").readFileSync(0, "utf8").length)'));
const child = spawn(process.execPath, ['-e', 'process.on("SIGINT", () => { console.log("int"); process.exit(3) }); console.log("up"); setInterval(() => {}, 1000)']);
child.stdout.on('data', (d) => { process.stdout.write(d); if (/up/.test(d)) child.kill('SIGINT'); });
child.on('exit', (code, signal) => console.log(code, signal));
try { process.kill(999999, 0); } catch (e) { console.log(e.code); }
console.log(process.kill(process.pid, 0));

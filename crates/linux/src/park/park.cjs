'use strict';
// Loaded by a Node.js process before its program: waits until a virtual machine claims the process, and makes it what that one wants.
// In a worker of a claimed process it does nothing. `src/park/mod.rs` tells the whole story.
delete require.cache[__filename];
{
  const { env } = process;
  if (env.AGENTOS_PARK) {
    const Module = require('module');
    const fs = require('fs');
    const path = require('path');
    const { defineProperty, getOwnPropertyDescriptor } = Object;
    const [major] = process.versions.node.split('.');
    // Versions whose start was looked at. Another one must not run on: nobody told it what to run.
    if (major < 20 || major > 26 || typeof Module.runMain !== 'function') process.reallyExit(1);
    // What most programs load: ready before anybody waits for it.
    for (const name of ['assert', 'buffer', 'child_process', 'crypto', 'events', 'fs/promises', 'http', 'https', 'module', 'net', 'os',
      'perf_hooks', 'readline', 'stream', 'string_decoder', 'timers', 'tty', 'url', 'util', 'worker_threads', 'zlib']) require(name);
    const place = env.AGENTOS_PARK;
    // The answer comes with the claim.
    const claim = JSON.parse(fs.readFileSync(place, 'utf8'));
    for (const name of Object.keys(env)) delete env[name];
    for (const [name, value] of claim.env) env[name] = value;
    // What Node.js remembers of its working directory is forgotten.
    process.chdir('.');
    defineProperty(process, 'pid', { ...getOwnPropertyDescriptor(process, 'pid'), value: claim.pid });
    const [script, ...rest] = claim.args;
    let main = script;
    // As Node.js does itself: without a working directory the script stays as it was named.
    try { main = path.resolve(script); } catch {}
    process.argv.splice(1, Infinity, main, ...rest);
    // Node.js is about to ask for this function, once, to run what it was started with.
    const { runMain } = Module;
    const plain = { ...getOwnPropertyDescriptor(Module, 'runMain') };
    defineProperty(Module, 'runMain', {
      configurable: true,
      enumerable: true,
      get() {
        defineProperty(Module, 'runMain', plain);
        return runMain.bind(Module, main);
      },
    });
  }
}

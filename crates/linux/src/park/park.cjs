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
    // Streams are made after the claim, from what they are then. Before it they are no terminals, and nothing else is known. Also what belongs to
    // Node.js looks at them.
    const streams = ['stdin', 'stdout', 'stderr'].map((name, fd) => {
      const plain = getOwnPropertyDescriptor(process, name);
      let real = false;
      const stream = new Proxy({}, Object.fromEntries(Object.getOwnPropertyNames(Reflect).map((call) => [call, (at, key, ...rest) => {
        if (real) {
          const target = plain.get.call(process);
          // A method has to find its own object.
          if (call === 'get') return Reflect.get(target, key, target);
          if (call === 'set') return Reflect.set(target, key, rest[0], target);
          return Reflect[call](target, key, ...rest);
        }
        if (call === 'get') return key === 'fd' ? fd : undefined;
        return call === 'has' ? false : Reflect[call](at, key, ...rest);
      }])));
      defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
      return () => {
        real = true;
        defineProperty(process, name, plain);
      };
    });
    // What most programs load: ready before anybody waits for it.
    for (const name of ['assert', 'buffer', 'child_process', 'crypto', 'events', 'fs/promises', 'http', 'https', 'module', 'net', 'os',
      'perf_hooks', 'readline', 'stream', 'string_decoder', 'timers', 'tty', 'url', 'util', 'worker_threads', 'zlib']) require(name);
    const place = env.AGENTOS_PARK;
    const { chdir } = process;

    // Waits for the claim; gives the path of the script to run. `asked` are names of variables.
    const become = (asked) => {
      // The answer comes with the claim.
      const claim = JSON.parse(fs.readFileSync(place + asked, 'utf8'));
      for (const name of Object.keys(env)) delete env[name];
      for (const [name, value] of claim.env) env[name] = value;
      // What Node.js, and modules that put something of their own in its place, remember of its working directory is forgotten.
      process.chdir('.');
      if (process.chdir !== chdir) chdir.call(process, '.');
      defineProperty(process, 'pid', { ...getOwnPropertyDescriptor(process, 'pid'), value: claim.pid });
      const [script, ...rest] = claim.args;
      let main = script;
      // As Node.js does itself: without a working directory the script stays as it was named.
      try { main = path.resolve(script); } catch {}
      process.argv.splice(1, Infinity, main, ...rest);
      for (const make of streams) make();
      return main;
    };

    // Loads modules while it is watched what they look at; then waits, and runs the script.
    const load = async (modules, runMain) => {
      delete env.AGENTOS_PARK;
      delete env.NODE_OPTIONS;
      process.argv.splice(2);
      const asked = new Set();
      const ask = (name) => { if (typeof name === 'string') asked.add(name); };
      let loading = true;
      // What is loaded must not change anything for others.
      const change = (call) => (at, name, ...rest) => (loading && (call !== Reflect.deleteProperty || name in at)
        ? process.reallyExit(1) : (ask(name), call(at, name, ...rest)));
      const watched = new Proxy(env, {
        set: change(Reflect.set),
        deleteProperty: change(Reflect.deleteProperty),
        defineProperty: change(Reflect.defineProperty),
        get: (at, name) => (ask(name), at[name]),
        has: (at, name) => (ask(name), name in at),
        getOwnPropertyDescriptor: (at, name) => (ask(name), getOwnPropertyDescriptor(at, name)),
      });
      defineProperty(process, 'env', { ...getOwnPropertyDescriptor(process, 'env'), value: watched });
      for (const module of modules) await import(module);
      loading = false;
      // The questions must fit into a path.
      const names = [...asked].filter((name) => /^\w+$/.test(name));
      const text = '/' + names.join(':');
      if (names.length !== asked.size || text.length > 3900) process.reallyExit(1);
      defineProperty(process, 'env', { ...getOwnPropertyDescriptor(process, 'env'), value: env });
      const main = become(text);
      Module.syncBuiltinESMExports();
      // Not from within a promise: what the script throws is its own.
      setImmediate(() => runMain.call(Module, main));
    };

    // Node.js is about to ask for this function, once, to run what it was started with.
    const { runMain } = Module;
    const plain = { ...getOwnPropertyDescriptor(Module, 'runMain') };
    const modules = process.argv.slice(2);
    const main = modules.length === 0 ? become('') : undefined;
    defineProperty(Module, 'runMain', {
      configurable: true,
      enumerable: true,
      get() {
        defineProperty(Module, 'runMain', plain);
        if (modules.length === 0) return runMain.bind(Module, main);
        return () => { load(modules, runMain).catch(() => process.reallyExit(1)); };
      },
    });
  }
}

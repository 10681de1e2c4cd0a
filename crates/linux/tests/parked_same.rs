//! Starts of Node.js with and without a pool of parked processes, which must not be told apart.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod parks;

use common::{Ended, Vm};
use parks::{NODE, Parks};

/// A file for all of them.
const FILES: &[(&str, &str)] = &[
    (
        "/tmp/shows.js",
        "const p = process; console.log(p.argv, p.argv0, p.execArgv, p.execPath, p.title, p.cwd(), p.env, p.pid, p.ppid, \
        p.getuid(), p.umask(), require.main === module, module.id, module.paths, Object.keys(require.cache), __filename, \
        p.stdin.constructor.name, p.stdout.constructor.name, p.stderr.constructor.name, p.exitCode, p.mainModule === module, require('os').homedir(), \
        require('v8').getHeapStatistics().heap_size_limit, new Date(0).toString(), Intl.DateTimeFormat().resolvedOptions().locale)",
    ),
    (
        "/tmp/esm.mjs",
        "console.log(import.meta.url, process.argv, await Promise.resolve(4), typeof require)",
    ),
    ("/tmp/throws.js", "throw new TypeError('thrown')"),
    ("/tmp/throws.mjs", "throw new TypeError('thrown')"),
    ("/tmp/rejects.js", "Promise.reject(new Error('rejected'))"),
    (
        "/tmp/exits.js",
        "process.on('exit', (c) => console.log('exit', c)); process.exitCode = 7",
    ),
    ("/tmp/syntax.js", "let x = ;"),
    ("/tmp/data.json", "{\"a\":1}"),
    ("/tmp/plain", "console.log('no extension', __filename)"),
    (
        "/tmp/dir/index.js",
        "console.log('index', __filename, require('./other'))",
    ),
    (
        "/tmp/dir/other.js",
        "module.exports = [module.id, module.parent.id, require.main.filename]",
    ),
    (
        "/tmp/kills.js",
        "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10000)",
    ),
    ("/tmp/aborts.js", "process.abort()"),
    ("/tmp/echo.js", "process.stdin.pipe(process.stdout)"),
    ("/tmp/sync.js", "console.log(require('fs').readFileSync(0, 'utf8'))"),
    ("/tmp/warns.js", "process.emitWarning('careful'); new Buffer(1)"),
    (
        "/tmp/worker.js",
        "const w = require('worker_threads'); const fs = require('fs');\
        if (w.isMainThread) { const x = new w.Worker(__filename, { argv: ['a'] }); x.on('message', (m) => console.log(m)).on('exit', (c) => console.log(c)); }\
        else w.parentPort.postMessage([process.argv, process.execArgv, process.env.HOME, Object.keys(require.cache), process.pid, process.title])",
    ),
    (
        "/tmp/worker_env.js",
        "const w = require('worker_threads');\
        if (w.isMainThread) new w.Worker(__filename, { env: { A: '1' }, execArgv: ['--no-warnings'] }).on('message', (m) => console.log(m));\
        else w.parentPort.postMessage([process.env, process.execArgv])",
    ),
    (
        "/tmp/fork.js",
        "const c = require('child_process');\
        if (process.argv[2]) { process.send([process.argv, process.execArgv, Object.keys(process.env).sort()]); process.disconnect(); }\
        else c.fork(__filename, ['child']).on('message', (m) => console.log(m)).on('exit', (code) => console.log(code))",
    ),
    (
        "/tmp/spawn.js",
        "const c = require('child_process'); const r = c.spawnSync(process.execPath, ['-p', '[process.env.A, process.env.NODE_OPTIONS, process.ppid > 0]'], { env: { A: 'b' } });\
        console.log(String(r.stdout), String(r.stderr), r.status)",
    ),
    (
        "/tmp/env.js",
        "process.env.NEW = 'x'; process.env.TZ = 'Asia/Tokyo'; delete process.env.HOME; console.log(process.env, new Date(0).getHours(),\
        require('child_process').execFileSync('/usr/bin/env', { encoding: 'utf8' }))",
    ),
    ("/tmp/titled.js", "process.title = 'x'; console.log(process.title)"),
    (
        "/tmp/chdir.js",
        "process.chdir('/tmp/dir'); console.log(process.cwd(), require('path').resolve('a'), require('./dir'))",
    ),
    (
        "/tmp/fds.js",
        "const fs = require('fs'); console.log(fs.fstatSync(0).isFIFO(), fs.fstatSync(1).isFIFO(), fs.readdirSync('/proc/self/fd').length > 3, fs.readFileSync('/proc/self/cmdline', 'utf8').split('\\0'), fs.readFileSync('/proc/self/environ', 'utf8').split('\\0').length)",
    ),
    (
        "/tmp/run_main.js",
        "const M = require('module'); console.log(M.runMain.name, Object.getOwnPropertyDescriptor(M, 'runMain').writable, M._cache === require.cache)",
    ),
    (
        "/tmp/stack.js",
        "Error.stackTraceLimit = 50; console.log(new Error('here').stack)",
    ),
    (
        "/tmp/random.js",
        "console.log(Math.random() !== Math.random(), require('crypto').randomUUID().length)",
    ),
    (
        "/tmp/tla.js",
        "import fs from 'node:fs'; console.log(typeof fs.readFileSync, import.meta.filename)",
    ),
    ("/tmp/repl-args.js", "console.log(process.argv.slice(2))"),
    ("/tmp/preload.js", "console.log('preloaded', module.parent?.id)"),
];

/// What is started, and with which input: what a parked process serves.
const SERVED: &[(&[&str], &str)] = &[
    (&[NODE, "/tmp/shows.js"], ""),
    (&[NODE, "/tmp/shows.js", "a b", "--x", "-e", "\u{e9}\"\\\n"], ""),
    (&["node", "/tmp/shows.js"], ""),
    (&[NODE, "tmp/shows.js"], ""),
    (&[NODE, "tmp/../tmp/plain"], ""),
    (&[NODE, "/tmp/esm.mjs", "x"], ""),
    (&[NODE, "/tmp/throws.js"], ""),
    (&[NODE, "/tmp/throws.mjs"], ""),
    (&[NODE, "/tmp/rejects.js"], ""),
    (&[NODE, "/tmp/exits.js"], ""),
    (&[NODE, "/tmp/syntax.js"], ""),
    (&[NODE, "/tmp/data.json"], ""),
    (&[NODE, "/tmp/dir"], ""),
    (&[NODE, "/tmp/dir/other.js"], ""),
    (&[NODE, "/tmp/missing.js"], ""),
    (&[NODE, "/tmp/kills.js"], ""),
    (&[NODE, "/tmp/aborts.js"], ""),
    (&[NODE, "/tmp/echo.js"], "typed\n"),
    (&[NODE, "/tmp/sync.js"], "typed\n"),
    (&[NODE, "/tmp/warns.js"], ""),
    (&[NODE, "/tmp/worker.js"], ""),
    (&[NODE, "/tmp/worker_env.js"], ""),
    (&[NODE, "/tmp/fork.js"], ""),
    (&[NODE, "/tmp/spawn.js"], ""),
    (&[NODE, "/tmp/env.js"], ""),
    (&[NODE, "/tmp/titled.js"], ""),
    (&[NODE, "/tmp/chdir.js"], ""),
    (&[NODE, "/tmp/fds.js"], ""),
    (&[NODE, "/tmp/run_main.js"], ""),
    (&[NODE, "/tmp/stack.js"], ""),
    (&[NODE, "/tmp/random.js"], ""),
    (&[NODE, "/tmp/tla.js"], ""),
    (&[NODE, "/tmp/repl-args.js", "", "-"], ""),
];

/// What it does not.
const FRESH: &[(&[&str], &str)] = &[
    (&[NODE], "console.log('from input', process.argv)"),
    (&[NODE, "-", "a"], "console.log('from input', process.argv)"),
    (&[NODE, "-e", "console.log(process.argv, process.execArgv)", "x"], ""),
    (&[NODE, "-p", "1 + 1"], ""),
    (&[NODE, "--no-warnings", "/tmp/shows.js"], ""),
    (&[NODE, "-r", "/tmp/preload.js", "/tmp/exits.js"], ""),
    (
        &[NODE, "--input-type=module"],
        "console.log(import.meta.url.length > 0)",
    ),
    (&[NODE, "--title=other", "/tmp/titled.js"], ""),
    (&[NODE, "--bad-option"], ""),
    (&[NODE, "--version"], ""),
    (
        &["/usr/bin/env", "NODE_OPTIONS=--no-deprecation", "node", "/tmp/shows.js"],
        "",
    ),
];

fn fill(vm: &Vm) {
    let init = vm.kernel.init();
    init.mkdir(
        agentos_kernel::process::Dir::Cwd,
        b"/tmp/dir",
        agentos_kernel::vfs::Mode::new(0o777),
    )
    .unwrap();
    for (path, text) in FILES {
        vm.put(path, text.as_bytes(), 0o644);
    }
}

fn run(vm: &Vm, (argv, input): (&[&str], &str)) -> Ended {
    fill(vm);
    vm.feed(input.as_bytes(), argv)
}

fn same(one: &Ended, other: &Ended) -> bool {
    (&one.status, &one.out, &one.err) == (&other.status, &other.out, &other.err)
}

#[test]
fn starts_that_are_served_are_as_fresh_ones() {
    let Some(parks) = Parks::new(3) else { return };
    let mut different = Vec::new();
    for start in SERVED {
        let fresh = run(&Vm::new().unwrap(), *start);
        let before = parks.stand().claimed;
        // The first start by a name is what processes are parked after, and some take the place of others.
        for attempt in 0.. {
            let pooled = run(&parks.vm(), *start);
            if !same(&fresh, &pooled) {
                different.push(format!("{start:?}:\n{fresh:?}\n{pooled:?}"));
                break;
            }
            if parks.stand().claimed > before {
                break;
            }
            assert!(attempt < 10, "{start:?} is not served: {:?}", parks.stand());
            parks.wait_for("another", |stand| stand.waiting > 0 && stand.booting == 0);
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn starts_that_are_not_served_are_as_ever() {
    let Some(parks) = Parks::new(2) else { return };
    parks.warm();
    for start in FRESH {
        let fresh = run(&Vm::new().unwrap(), *start);
        let pooled = run(&parks.vm(), *start);
        assert!(same(&fresh, &pooled), "{start:?}:\n{fresh:?}\n{pooled:?}");
    }
    assert_eq!(parks.stand().claimed, 0, "{:?}", parks.stand());
}

//! Parked processes of Node.js that have loaded modules: whom they serve, and that nobody can tell but by the time.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod parks;

use agentos_linux::Preload;
use common::Vm;
use parks::{NODE, Parks};
use std::time::{Duration, Instant};

const SCRIPT: &str = "/tmp/main.mjs";
const FILES: &[(&str, &str)] = &[
    (
        "/tmp/lib.mjs",
        "import process from 'node:process'; import { other } from './other.cjs';\
        export const asked = process.env.ASKED; export const cwd = process.cwd();\
        export const terminal = process.stdout.isTTY; export const captured = process.env; export const stream = process.stdout; export { other };",
    ),
    ("/tmp/other.cjs", "exports.other = typeof require('fs').readFileSync"),
    (
        SCRIPT,
        "import * as lib from './lib.mjs'; import process, { stdout, env, argv } from 'node:process';\
        lib.captured.LATER = 'set'; lib.stream.write('written\\n');\
        console.log(lib.asked, lib.cwd, lib.terminal, lib.other, process.argv, process.env, env === process.env, argv === process.argv,\
        stdout === process.stdout, process.stdout.constructor.name, process.stdin.constructor.name, process.stderr.constructor.name,\
        process.execArgv, import.meta.url, Object.keys(process).includes('stdin'), lib.captured.A);\
        process.stdin.on('data', (data) => console.log('got', String(data))).on('end', () => { throw new TypeError('thrown') });",
    ),
    (
        "/tmp/lists.mjs",
        "import fs from 'fs'; export const names = fs.readdirSync('/tmp');",
    ),
    ("/tmp/writes.mjs", "process.stdout.write('before');"),
    ("/tmp/sets.mjs", "process.env.SET = 'before';"),
    (
        "/tmp/starts.mjs",
        "import { spawn } from 'child_process'; spawn('/usr/bin/true');",
    ),
    ("/tmp/fails.mjs", "throw new Error('no');"),
];

fn preload(modules: &[&str]) -> Vec<Preload> {
    vec![Preload {
        script: SCRIPT.to_owned(),
        modules: modules.iter().map(|path| (*path).to_owned()).collect(),
    }]
}

fn parks(most: usize, modules: &[&str]) -> Option<Parks> {
    Parks::with(most, FILES, preload(modules))
}

/// What a start gives: how it ended, what it wrote, and whether it got a process that was parked.
fn run(parks: &Parks, vm: &Vm, argv: &[&str]) -> (String, String, bool) {
    let before = parks.stand().claimed;
    let ended = vm.feed(b"typed", argv);
    let told = format!("{:?} {}", ended.status, ended.err);
    (told, ended.out, parks.stand().claimed > before)
}

/// Has a process be parked that has loaded the modules.
fn warm(parks: &Parks) {
    assert!(!run(parks, &parks.vm(), &[NODE, SCRIPT]).2);
    parks.wait_for("loaded", |stand| stand.waiting > 0 && stand.booting == 0);
}

#[test]
fn a_start_whose_modules_were_loaded_is_as_a_fresh_one() {
    let Some(parks) = parks(1, &["/tmp/lib.mjs"]) else {
        return;
    };
    let fresh = {
        let vm = Vm::new().unwrap();
        for (path, text) in FILES {
            vm.put(path, text.as_bytes(), 0o644);
        }
        run(&parks, &vm, &[NODE, "tmp/main.mjs", "a b", "-x"])
    };
    assert!(
        !fresh.2 && fresh.1.contains("got typed") && fresh.0.contains("thrown"),
        "{fresh:?}"
    );
    warm(&parks);
    let loaded = run(&parks, &parks.vm(), &[NODE, "tmp/main.mjs", "a b", "-x"]);
    assert!(loaded.2, "{:?}", parks.stand());
    assert_eq!((loaded.0, loaded.1), (fresh.0, fresh.1));
}

#[test]
fn a_vm_in_which_the_modules_would_have_seen_something_else_gets_a_fresh_process() {
    let Some(parks) = parks(1, &["/tmp/lib.mjs"]) else {
        return;
    };
    warm(&parks);
    // A variable that they ask for.
    let mut vm = parks.vm();
    vm.env.push(b"ASKED=1".to_vec());
    let set = run(&parks, &vm, &[NODE, SCRIPT]);
    assert!(!set.2 && set.1.starts_with("written\n1 / "), "{set:?}");
    // A file of theirs.
    let vm = parks.vm();
    vm.put("/tmp/other.cjs", b"exports.other = 'mine'", 0o644);
    assert!(!run(&parks, &vm, &[NODE, SCRIPT]).2);
    // Options that they may look for.
    assert!(!run(&parks, &parks.vm(), &[NODE, SCRIPT, "--no-color"]).2);
    // Another script.
    let vm = parks.vm();
    vm.put("/tmp/a.mjs", FILES[2].1.as_bytes(), 0o644);
    assert!(!run(&parks, &vm, &[NODE, "/tmp/a.mjs"]).2);
}

#[test]
fn modules_that_do_more_than_define_things_are_not_loaded() {
    for module in ["lists", "writes", "sets", "starts", "fails", "missing"] {
        let path = format!("/tmp/{module}.mjs");
        let Some(parks) = parks(1, &["/tmp/lib.mjs", &path]) else {
            return;
        };
        // Once it was tried in vain such starts are ordinary ones, and not even missed.
        let start = Instant::now();
        loop {
            let missed = parks.stand().missed;
            assert!(!run(&parks, &parks.vm(), &[NODE, SCRIPT]).2, "{module}");
            if parks.stand().missed == missed {
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{module}: {:?}",
                parks.stand()
            );
            parks.wait_for(module, |stand| stand.booting == 0);
        }
        assert_eq!(parks.stand().parked, 0, "{module}: {:?}", parks.stand());
    }
}

#[test]
fn what_vms_start_after_another_is_parked_beside_that() {
    let Some(parks) = parks(4, &["/tmp/lib.mjs"]) else {
        return;
    };
    let begins = |vm: &Vm| {
        vm.put("/tmp/first.js", b"console.log(1)", 0o644);
        vm.run(&[NODE, "/tmp/first.js"]).ok();
        run(&parks, vm, &[NODE, SCRIPT]).2
    };
    let start = Instant::now();
    while !begins(&parks.vm()) {
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", parks.stand());
        // What finds no place, because another VM is still ending, is ordered again by the next start.
        parks.wait_for("both", |stand| stand.booting == 0);
    }
}

//! What calls of Linux programs cost in a VM and on the host, in microseconds: the fastest of some rounds.
//!
//! `cargo run --release -p agentos-linux --example costs [all] [WHAT...]`, where WHAT is `calls`, `starts`, `true`, `clone`, `compile`, `busy`, `callers`
//! or `find`. The VM has one processor, or with `all` as many as the host. Needs the host's C compiler.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use agentos_kernel::vfs::{HostDirFs, MountOptions};
use common::Vm;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const SOURCE: &str = include_str!("costs.c");
/// 300 short programs, one after another.
const MANY: &str = "for i in {1..300}; do /usr/bin/true; done";
/// Directories and files in each of the tree that is listed.
const TREE: (usize, usize) = (100, 50);

fn main() {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    let all = asked.first().is_some_and(|first| first == "all");
    asked.drain(..usize::from(all));
    let wants = |what: &str| asked.is_empty() || asked.iter().any(|one| one == what);
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    let vm = Vm::limited(|limits| limits.cpu_count = if all { processors } else { 1 });
    let Some(vm) = vm else { return };
    // Where libraries are: without it each program asks for its own in twenty directories, which on the host it does not.
    if let Ok(places) = std::fs::read("/etc/ld.so.cache") {
        vm.put("/etc/ld.so.cache", &places, 0o644);
    }
    if wants("calls") {
        calls(&vm, &[]);
    }
    if wants("starts") {
        calls(&vm, &["starts"]);
    }
    if wants("true") {
        compare(
            "300 x true",
            &vm,
            &["/usr/bin/bash", "-c", MANY],
            &["/usr/bin/bash", "-c", MANY],
        );
    }
    if wants("clone") {
        clone(&vm);
    }
    if wants("compile") {
        compile_one(&vm);
    }
    if wants("busy") {
        busy(&vm);
    }
    if wants("callers") {
        callers(&vm);
    }
    if wants("find") {
        let tree = tempfile::tempdir().unwrap();
        make_tree(tree.path());
        let mount = HostDirFs::open(tree.path(), false).unwrap();
        vm.root_dir("tree");
        vm.kernel.vfs().mount(b"/tree", mount, MountOptions::default()).unwrap();
        let on_host = tree.path().to_str().unwrap();
        compare("find", &vm, &["/usr/bin/find", "/tree"], &["/usr/bin/find", on_host]);
        compare(
            "ls -lR",
            &vm,
            &["/usr/bin/ls", "-lR", "/tree"],
            &["/usr/bin/ls", "-lR", on_host],
        );
    }
}

/// A clone of a repository of 2,000 files, all of it in memory.
fn clone(vm: &Vm) {
    vm.root_dir("work");
    let here = Path::new("/dev/shm");
    let dir = match here.is_dir() {
        true => tempfile::tempdir_in(here),
        false => tempfile::tempdir(),
    };
    let dir = dir.unwrap();
    let on_host = dir.path().to_str().unwrap();
    let make = |at: &str| {
        format!(
            "export HOME={at}; cd {at}; git init -q from; cd from; for i in {{1..2000}}; do mkdir -p d$((i % 50)); \
             echo text $i > d$((i % 50))/f$i; done; git add .; git -c user.name=a -c user.email=a@b commit -qm all"
        )
    };
    let again = |at: &str| format!("export HOME={at}; cd {at}; rm -rf to; git clone -q from to");
    vm.sh(&make("/work")).ok();
    let made = Command::new("/usr/bin/bash").args(["-c", &make(on_host)]).status();
    assert!(made.unwrap().success());
    let (inside, outside) = (again("/work"), again(on_host));
    compare(
        "git clone",
        vm,
        &["/usr/bin/bash", "-c", &inside],
        &["/usr/bin/bash", "-c", &outside],
    );
}

/// A program of some hundred lines.
fn compile_one(vm: &Vm) {
    let mut source = String::from("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n");
    for number in 0..200 {
        source.push_str(&format!("int f{number}(int x) {{ return x * {number} + (x >> 3); }}\n"));
    }
    source.push_str("int main(void) { return f7(1) == 0; }\n");
    vm.put("/tmp/one.c", source.as_bytes(), 0o644);
    let dir = tempfile::tempdir().unwrap();
    let on_host = dir.path().join("one.c");
    std::fs::write(&on_host, &source).unwrap();
    let (from, to) = (on_host.to_str().unwrap(), dir.path().join("one"));
    let outside = ["/usr/bin/gcc", "-O1", "-o", to.to_str().unwrap(), from];
    compare(
        "cc",
        vm,
        &["/usr/bin/gcc", "-O1", "-o", "/tmp/one", "/tmp/one.c"],
        &outside,
    );
}

/// Eight processes at a time, each of which computes and asks for the attributes of files in between.
fn busy(vm: &Vm) {
    const EIGHT: &str = "for i in 1 2 3 4 5 6 7 8; do (for ((n = 0; n < 20000; n++)); do ((n % 20)) || [ -e /usr/bin/true ]; done) & done; wait";
    let command = ["/usr/bin/bash", "-c", EIGHT];
    compare("8 busy processes", vm, &command, &command);
}

/// Who calls beside others: two who do nothing else, a line of programs, and four shells that start programs at the same time.
fn callers(vm: &Vm) {
    const LOOK: &str = "for ((n = 0; n < 3000; n++)); do [ -e /usr/bin/true ]; done";
    const START: &str = "for n in {1..60}; do /usr/bin/true; done";
    let one = ["/usr/bin/bash", "-c", LOOK];
    compare("one that looks", vm, &one, &one);
    let script = format!("({LOOK}) & ({LOOK}) & wait");
    let two = ["/usr/bin/bash", "-c", &script];
    compare("two that look", vm, &two, &two);
    let script = "find /usr/include | while read -r name; do [ -d \"$name\" ] && echo \"$name\"; done | wc -l";
    let line = ["/usr/bin/bash", "-c", script];
    compare("find, read, wc", vm, &line, &line);
    let script = format!("({START}) & ({START}) & ({START}) & ({START}) & wait");
    let trees = ["/usr/bin/bash", "-c", &script];
    compare("four that start", vm, &trees, &trees);
}

fn make_tree(at: &Path) {
    for dir in 0..TREE.0 {
        let dir = at.join(format!("d{dir}"));
        std::fs::create_dir(&dir).unwrap();
        for file in 0..TREE.1 {
            std::fs::write(dir.join(format!("file{file}")), "x").unwrap();
        }
    }
}

/// Single calls; with an argument what the program makes of that.
fn calls(vm: &Vm, what: &[&str]) {
    let Some(program) = common::compile(SOURCE, &["-static", "-O1"]) else {
        return;
    };
    vm.put("/tmp/costs", &program, 0o755);
    vm.put("/tmp/file", b"content", 0o644);
    let dir = tempfile::tempdir().unwrap();
    let (on_host, file) = (dir.path().join("costs"), dir.path().join("file"));
    std::fs::write(&on_host, &program).unwrap();
    std::fs::write(&file, "content").unwrap();
    make_executable(&on_host);
    let inside = vm.run(&[&["/tmp/costs", "/tmp/file"], what].concat()).ok();
    let outside = Command::new(&on_host).arg(&file).args(what).output().unwrap();
    let outside = String::from_utf8(outside.stdout).unwrap();
    for (inside, outside) in inside.lines().zip(outside.lines()) {
        let (name, inside) = inside.split_once(' ').unwrap();
        let (_, outside) = outside.split_once(' ').unwrap();
        row(name, inside.parse().unwrap(), outside.parse().unwrap());
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn compare(name: &str, vm: &Vm, inside: &[&str], outside: &[&str]) {
    let (mut vms, mut hosts) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        vm.run(inside).ok();
        vms = vms.min(start.elapsed().as_secs_f64() * 1e6);
        let start = Instant::now();
        let done = Command::new(outside[0]).args(&outside[1..]).output().unwrap();
        hosts = hosts.min(start.elapsed().as_secs_f64() * 1e6);
        assert!(done.status.success());
    }
    row(name, vms, hosts);
}

fn row(name: &str, inside: f64, outside: f64) {
    println!(
        "{name:20} {inside:12.2} us in the VM {outside:12.2} us on the host, ratio {:.2}",
        inside / outside
    );
}

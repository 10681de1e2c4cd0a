//! What compiling one file asks of a VM's thread: how often it waits, which is once for most of the calls that it answers, and how long it is at work.
//!
//! `cargo run --release -p agentos-linux --example compiles [COUNT]`. The VM's image is the host, which needs a C compiler.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::Vm;

/// Time at work in ns, and how often it waited, of all threads of VMs.
fn threads() -> (u64, u64) {
    let mut sums = (0, 0);
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").trim() != "agentos-linux" {
            continue;
        }
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
        sums.0 += number(read("schedstat").split(' ').next());
        let status = read("status");
        sums.1 += number(
            status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")),
        );
    }
    sums
}

fn main() {
    let count: u64 = std::env::args().nth(1).map_or(20, |count| count.parse().unwrap());
    let Some(vm) = Vm::over_image("/", |limits| limits.cpu_count = 2) else {
        return;
    };
    let source =
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { return puts(\"x\") < 0; }\n";
    vm.put("/home/one.c", source.as_bytes(), 0o644);
    let compile = || {
        assert_eq!(
            vm.run(&["/usr/bin/gcc", "-O1", "-c", "/home/one.c", "-o", "/home/one.o"])
                .ok(),
            ""
        );
    };
    compile();
    let before = threads();
    (0..count).for_each(|_| compile());
    let after = threads();
    let each = |before: u64, after: u64| (after - before) / count;
    println!(
        "waits {}, at work {} us, for each of {count}",
        each(before.1, after.1),
        each(before.0, after.0) / 1000
    );
}

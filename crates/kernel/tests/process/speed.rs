//! What the kernel's own work costs; run by hand with `--ignored --nocapture`, in a release build.

use crate::harness::Vm;
use std::time::Instant;

fn measure(name: &str, rounds: u32, mut work: impl FnMut()) {
    for _ in 0..rounds / 10 {
        work();
    }
    let start = Instant::now();
    for _ in 0..rounds {
        work();
    }
    println!(
        "{name}: {:.2} us",
        start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds)
    );
}

/// Resident bytes of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
#[ignore = "a measurement, not a test"]
fn costs() {
    let vm = Vm::new();
    measure("vm", 2_000, || vm.another());
    let before = resident();
    let idle: Vec<_> = (0..5_000).map(|_| vm.another_kernel()).collect();
    println!("idle vm: {} bytes", (resident() - before) / 5_000);
    drop(idle);
    vm.program("nothing", |_| async { 0 });
    measure("host spawn and end", 20_000, || {
        vm.status(&["nothing"]);
    });
    vm.program("many", |sys| async move {
        for _ in 0..20_000 {
            let pid = sys.start(&["nothing"]).await.unwrap();
            sys.reap(pid).await;
        }
        0
    });
    let start = Instant::now();
    vm.status(&["many"]);
    println!(
        "spawn and wait: {:.2} us",
        start.elapsed().as_secs_f64() * 1e6 / 20_000.0
    );
    vm.program("io", |sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        let start = Instant::now();
        let mut buf = [0; 16];
        for _ in 0..1_000_000 {
            let _ = sys.process().write(write, b"0123456789abcdef", None);
            let _ = sys.process().read(read, &mut buf, None);
        }
        println!("pipe write and read: {:.3} us", start.elapsed().as_secs_f64());
        let start = Instant::now();
        for _ in 0..200_000 {
            let _ = sys.stat(agentos_kernel::process::Dir::Cwd, b"/bin/io", Default::default());
        }
        println!("stat: {:.3} us", start.elapsed().as_secs_f64() * 5.0);
        0
    });
    vm.status(&["io"]);
}

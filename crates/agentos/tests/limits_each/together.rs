//! The documented example, and what is promised of all limits together.

use crate::modules::GROW;
use crate::tools::{breach, check, idle, limited, run, start, until, used};
use agentos::{AgentOs, Errno, Event, Limits};

#[tokio::test]
async fn the_documented_example_is_honoured() {
    let value = serde_json::json!({ "resources": {
        "cpuCount": 1, "maxProcesses": 64, "maxFilesystemBytes": 536_870_912, "maxWasmMemoryBytes": 268_435_456,
    }});
    let vm = AgentOs::builder()
        .limits(Limits::from_json(&value).unwrap())
        .create()
        .await
        .unwrap();
    vm.prepare(|_| {}).await.unwrap();
    assert_eq!(vm.exec("nproc").await.unwrap().stdout_text(), "1\n");
    let mut events = vm.events();
    let shell = start(&vm, "for i in $(seq 70); do sleep 1000 & done; wait").await;
    let limit = breach(&mut events, "maxProcesses").await;
    check(&limit, ("resources.maxProcesses", "count", 65, 64, Errno::EAGAIN));
    // The place of the `seq` may be free again by now.
    assert!((63..=64).contains(&vm.all_processes().await.unwrap().len()));
    drop(shell);
    idle(&vm).await;
    // One inode with one name is 256 bytes and the name; the rest is content, to the byte.
    let room = 536_870_912 - used(&vm, "maxFilesystemBytes").observed;
    let script = format!("truncate -s 0 f; head -c {} /dev/zero >> f", room);
    let output = vm.exec(script).await.unwrap();
    assert!(
        output.stderr_text().contains("No space left on device"),
        "{}",
        output.stderr_text()
    );
    let full = used(&vm, "maxFilesystemBytes");
    assert_eq!(full.observed, full.capacity);
    assert_eq!(vm.stat("/home/user/f").await.unwrap().size, room - 256 - 1);
    vm.exec("rm f").await.unwrap();
    let pages = GROW
        .replace("(i32.const 16)) (i32.const -1)", "(i32.const 1)) (i32.const -1)")
        .replace(
            "(call $exit (local.get $mib))",
            "(call $exit (i32.ne (local.get $mib) (i32.const 4095)))",
        );
    assert_eq!(run(&vm, "pages.wasm", &pages).await, 0, "256 MiB are 4096 pages");
}

#[tokio::test]
async fn stocks_warn_at_four_fifths_and_again_only_after_half() {
    let vm = limited(&[("maxProcesses", 10), ("maxPipes", 1000)]).await;
    let mut events = vm.events();
    let mut warnings = Vec::new();
    for _ in 0..2 {
        let mut held = Vec::new();
        for _ in 0..9 {
            held.push(vm.spawn("sleep", ["1000"]).start().await.unwrap());
        }
        let warning = loop {
            if let Event::LimitWarning(warning) = events.next().await.unwrap() {
                break warning;
            }
        };
        warnings.push((
            warning.limit,
            warning.category,
            warning.observed,
            warning.capacity,
            warning.fill_percent,
        ));
        drop(held);
        idle(&vm).await;
    }
    assert_eq!(warnings, [("maxProcesses", "resources", 8, 10, 80); 2]);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    let mut limits = Limits::default();
    limits.set("maxFilesystemBytes", 1 << 20).unwrap();
    let vm = AgentOs::builder()
        .limits(limits)
        .on_limit_warning(move |warning| told.lock().unwrap().push(warning.message.clone()))
        .create()
        .await
        .unwrap();
    vm.write_file("/home/user/big", vec![0; 900_000]).await.unwrap();
    until(|| !seen.lock().unwrap().is_empty()).await;
    assert!(seen.lock().unwrap()[0].contains("maxFilesystemBytes"));
}

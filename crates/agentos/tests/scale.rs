//! Many at once.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::AgentOs;
use support::{limited, lives};

#[tokio::test]
async fn five_hundred_processes_wait_at_once() {
    let vm = limited(&[
        ("maxProcesses", 1000),
        ("maxPipes", 4000),
        ("maxOpenFds", 8000),
        ("maxMemoryBytes", 8 << 30),
    ])
    .await;
    let mut held = Vec::new();
    for number in 0..500 {
        let mut process = vm
            .spawn("cat", [""; 0])
            .start()
            .await
            .unwrap_or_else(|error| panic!("{number}: {error}"));
        let stdin = process.stdin();
        held.push((process, stdin));
    }
    // All of them work: what goes in comes out.
    for (number, (process, stdin)) in held.iter_mut().enumerate() {
        stdin.write_all(format!("{number}\n")).await.unwrap();
        let output = process.first_output().await.unwrap();
        assert_eq!(output.data, format!("{number}\n").as_bytes());
    }
    assert_eq!(vm.all_processes().await.unwrap().len(), 500);
    for (process, stdin) in &mut held {
        stdin.close();
        assert_eq!(process.wait().await.unwrap(), 0);
    }
    assert_eq!(vm.usage().processes, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_vms_are_created_and_used_at_once() {
    let one = |number: usize| async move {
        let vm = AgentOs::create().await?;
        vm.write_file("/home/user/number", number.to_string()).await?;
        let output = vm
            .exec("cat number; echo; echo $((1 + $(cat number))) > next; cat next | tr -d '\\n'")
            .await?;
        Ok::<_, agentos::Error>((vm, output.stdout_text()))
    };
    let tasks: Vec<_> = (0..200).map(|number| tokio::spawn(one(number))).collect();
    let mut vms = Vec::new();
    for (number, task) in tasks.into_iter().enumerate() {
        let (vm, text) = task.await.unwrap().unwrap();
        assert_eq!(text, format!("{number}\n{}", number + 1));
        vms.push(vm);
    }
    // All of them are still there, each with its own files.
    for (number, vm) in vms.iter().enumerate() {
        assert_eq!(vm.read_text("/home/user/number").await.unwrap(), number.to_string());
    }
}

#[tokio::test]
async fn vms_come_and_go() {
    for round in 0..300 {
        let vm = AgentOs::create().await.unwrap();
        if round % 10 == 0 {
            lives(&vm).await;
        }
        let fork = vm.fork().await.unwrap();
        drop(vm);
        assert!(fork.exists("/etc/passwd").await.unwrap());
    }
}

#[tokio::test]
async fn a_vm_may_be_dropped_while_its_guests_run() {
    for script in ["while :; do :; done", "sleep 1000", "yes | cat > /dev/null", "cat"] {
        let vm = AgentOs::create().await.unwrap();
        let mut process = vm
            .spawn("sh", ["-c", &format!("echo ready; {script}")])
            .start()
            .await
            .unwrap();
        process.first_output().await.unwrap();
        let control = process.control();
        vm.dispose().await;
        drop((vm, process));
        assert_eq!(control.wait().await.unwrap(), 137, "{script}");
    }
}

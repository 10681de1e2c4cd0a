//! No async runtime is needed, and handles go anywhere.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Error, Exec, Process, Shell, Snapshot};
use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest runtime there is.
fn block_on<T>(future: impl IntoFuture<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future.into_future());
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_bare_thread_is_enough() {
    block_on(async {
        let vm = AgentOs::create().await?;
        let output = vm.exec("cat | sort").stdin("b\na\n").await?;
        assert_eq!(output.stdout_text(), "a\nb\n");
        let output = vm.exec("sleep 1000").timeout(Duration::from_millis(50)).await?;
        assert!(output.timed_out);
        let mut process = vm.spawn("echo", ["hello"]).start().await?;
        assert_eq!(process.first_output().await?.data, "hello\n");
        assert_eq!(process.wait().await?, 0);
        Ok::<_, Error>(())
    })
    .unwrap();
}

#[test]
fn threads_share_a_vm() {
    let vm = block_on(AgentOs::create()).unwrap();
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let vm = vm.clone();
            std::thread::spawn(move || {
                for round in 0..20 {
                    let text = format!("{number}-{round}\n");
                    let output = block_on(vm.exec(format!("echo {number}-{round} | tee f{number}"))).unwrap();
                    assert_eq!(output.stdout_text(), text);
                    assert_eq!(block_on(vm.read_text(format!("/home/user/f{number}"))).unwrap(), text);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn handles_are_send_and_sync() {
    fn both<T: Send + Sync>() {}
    both::<AgentOs>();
    both::<Exec>();
    both::<Process>();
    both::<Shell>();
    both::<Snapshot>();
    both::<Error>();
    fn send<T: Send>(_: &T) {}
    let future = async {
        let vm = AgentOs::create().await?;
        vm.prepare(|_| {}).await?;
        vm.write_files([("/tmp/a", "b")]).await;
        let mut process = vm.spawn("cat", [""; 0]).start().await?;
        process.stdin().write_all("x").await?;
        process.next_output().await?;
        vm.exec("true").await
    };
    send(&future);
}

//! Limits of what waits between the host and guests: whoever has more waits, too.

use crate::modules::{MAKE_PIPE, PIPE, WRITE, module_of, shout};
use crate::tools::{audited_beyond, idle, install, limited, poll_once, run, start, until, used};
use agentos::{Errno, Process, Signal, Stream};
use bytes::Bytes;
use std::task::Poll;

pub(crate) mod pending_stdin_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("pendingStdinBytes", 100_000)]).await;
        let mut held = Vec::new();
        for script in ["sleep 1000", "exec sleep 1000", "while :; do :; done"] {
            let mut process = start(&vm, script).await;
            let mut stdin = process.stdin();
            // The host's writer waits: for the pipe, or because all pipes together hold enough.
            assert!(poll_once(stdin.write_all(vec![b'x'; 1 << 20])).is_pending());
            used(&vm, "pendingStdinBytes");
            held.push((process, stdin));
        }
        assert_eq!(used(&vm, "pendingStdinBytes").observed, 100_000);
        // A guest that reads makes room for another's input.
        let mut reader = start(&vm, "wc -c").await;
        let mut stdin = reader.stdin();
        drop(held.remove(0));
        for process in vm.all_processes().await.unwrap() {
            if process.args.iter().any(|arg| arg.contains("sleep") || arg == "1000") {
                vm.signal_process(process.pid, Signal::Kill).await.unwrap();
            }
        }
        stdin.write_all(vec![b'x'; 300_000]).await.unwrap();
        stdin.close();
        assert_eq!(&reader.first_output().await.unwrap().data[..], b"300000\n");
        assert_eq!(reader.wait().await.unwrap(), 0);
        drop((held, reader));
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("pendingStdinBytes", 100_000)]).await;
        let mut events = vm.events();
        // One that hoards bytes in a pipe of its own, for which it could not wait: the pipe grows, up to the cap.
        let imports = format!("{PIPE} {WRITE}");
        let body = format!(
            "(i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 4096))
             (drop {MAKE_PIPE})
             (loop $more (br_if $more (i32.eqz (local.tee $error
                 (call $write (i32.load (i32.const 68)) (i32.const 0) (i32.const 1) (i32.const 16))))))"
        );
        let hoard = module_of(&imports, "", "", &body);
        assert_eq!(run(&vm, "hoard.wasm", &hoard).await, 48);
        let full = ("process.pendingStdinBytes", "bytes", 100_000, Errno::ENOMEM);
        audited_beyond(&mut events, full).await;
        idle(&vm).await;
    }
}

/// What the next of several processes says, whichever has something to say.
async fn take(writers: &mut [Process]) -> (usize, Bytes) {
    loop {
        for (at, writer) in writers.iter_mut().enumerate() {
            if let Poll::Ready(output) = poll_once(writer.next_output()) {
                return (at, output.unwrap().expect("they say more").data);
            }
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) mod pending_event_count {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("pendingEventCount", 3)]).await;
        let mut writers = Vec::new();
        for _ in 0..5 {
            writers.push(start(&vm, "echo hello; sleep 1000").await);
        }
        until(|| used(&vm, "pendingEventCount").observed == 3).await;
        // The others wait until the host takes what is there, and then come, too.
        let mut heard = [0; 5];
        while heard != [1; 5] {
            let (writer, text) = take(&mut writers).await;
            assert_eq!(&text[..], b"hello\n");
            heard[writer] += 1;
            used(&vm, "pendingEventCount");
        }
        drop(writers);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("pendingEventCount", 3)]).await;
        // As many pieces as it can, on both streams of several processes.
        let path = install(&vm, "drip.wasm", &shout(1)).await;
        let mut writers = Vec::new();
        for _ in 0..4 {
            writers.push(vm.spawn(&path, [""; 0]).start().await.unwrap());
        }
        until(|| used(&vm, "pendingEventCount").observed == 3).await;
        for _ in 0..200 {
            take(&mut writers).await;
            used(&vm, "pendingEventCount");
        }
        drop(writers);
        idle(&vm).await;
    }
}

pub(crate) mod pending_event_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("pendingEventBytes", 100_000)]).await;
        let mut writers = [
            start(&vm, "yes").await,
            start(&vm, "yes no").await,
            start(&vm, "seq 1000000").await,
        ];
        until(|| used(&vm, "pendingEventBytes").observed > 95_000).await;
        // What one of them gives up goes to whoever waits.
        writers[0].close_output(Stream::Stdout);
        writers[1].close_output(Stream::Stdout);
        let mut bytes = 0;
        while let Some(output) = writers[2].next_output().await.unwrap() {
            bytes += output.data.len();
            used(&vm, "pendingEventBytes");
        }
        assert_eq!(bytes, 6_888_896);
        drop(writers);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("pendingEventBytes", 100_000)]).await;
        let path = install(&vm, "shout.wasm", &shout(60_000)).await;
        let mut writers = Vec::new();
        for _ in 0..4 {
            writers.push(vm.spawn(&path, [""; 0]).start().await.unwrap());
        }
        until(|| used(&vm, "pendingEventBytes").observed > 95_000).await;
        for _ in 0..200 {
            take(&mut writers).await;
            used(&vm, "pendingEventBytes");
        }
        drop(writers);
        idle(&vm).await;
    }
}

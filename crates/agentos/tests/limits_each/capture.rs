//! Limits of what is kept of a command's output.

use crate::modules::shout;
use crate::tools::{audited, check, idle, install, limited};
use agentos::Errno;
use std::time::Duration;

async fn a_talkative_command(path: &'static str) {
    let vm = limited(&[(path, 1000)]).await;
    let mut events = vm.events();
    let output = vm.exec("yes | head -c 300000; echo done >&2").await.unwrap();
    assert_eq!(
        (output.exit_code, output.stdout.len(), output.stdout_truncated),
        (0, 1000, true),
        "{path}"
    );
    assert_eq!(
        (output.stderr_text(), output.stderr_truncated),
        ("done\n".to_owned(), false)
    );
    audited(&mut events, (path, "bytes", 300_000, 1000, Errno::EMSGSIZE)).await;
    let output = vm.exec("head -c 1000 /dev/zero").await.unwrap();
    assert_eq!(
        (output.stdout.len(), output.stdout_truncated),
        (1000, false),
        "{path}: to the byte"
    );
    idle(&vm).await;
}

async fn a_flood(path: &'static str) {
    let vm = limited(&[(path, 1000)]).await;
    let mut events = vm.events();
    install(&vm, "shout.wasm", &shout(60_000)).await;
    let mut patience = Duration::from_millis(100);
    let output = loop {
        let output = vm.exec_argv(["./shout.wasm"]).timeout(patience).await.unwrap();
        assert!(output.timed_out);
        // On a busy machine its time may be over before it has said much.
        if (output.stdout_truncated && output.stderr_truncated) || patience > Duration::from_secs(60) {
            break output;
        }
        patience *= 2;
    };
    assert_eq!((output.stdout.len(), output.stderr.len()), (1000, 1000), "{path}");
    assert!(output.stdout_truncated && output.stderr_truncated);
    for _ in 0..2 {
        let limit = crate::tools::breach(&mut events, path.rsplit('.').next().unwrap()).await;
        check(&limit, (path, "bytes", limit.observed, 1000, Errno::EMSGSIZE));
        assert!(limit.observed >= 60_000, "{limit}");
    }
    idle(&vm).await;
}

pub(crate) mod max_captured_output_bytes {
    const PATH: &str = "process.maxCapturedOutputBytes";

    pub(crate) async fn program() {
        super::a_talkative_command(PATH).await;
    }

    pub(crate) async fn hostile() {
        super::a_flood(PATH).await;
    }
}

pub(crate) mod captured_output_limit_bytes {
    const PATH: &str = "wasm.capturedOutputLimitBytes";

    pub(crate) async fn program() {
        super::a_talkative_command(PATH).await;
    }

    pub(crate) async fn hostile() {
        super::a_flood(PATH).await;
    }
}

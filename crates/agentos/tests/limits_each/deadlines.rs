//! Deadlines of the network.

use crate::hosts::{Deaf, NameServer};
use crate::modules::{OPEN, address, module_of};
use crate::tools::{Expected, audited, breach, check, idle, run, says, used};
use agentos::{AgentOs, Builder, Errno, Limits};

async fn with(builder: Builder, field: &str, value: u64) -> AgentOs {
    let mut limits = Limits::default();
    limits.set(field, value).unwrap();
    let vm = builder.limits(limits).create().await.unwrap();
    vm.prepare(|_| {}).await.unwrap();
    vm
}

pub(crate) mod connect_timeout_ms {
    use super::*;

    const LATE: Expected = ("network.connectTimeoutMs", "ms", 100, 100, Errno::ETIMEDOUT);

    async fn world() -> (Deaf, AgentOs) {
        let deaf = Deaf::start();
        let builder = AgentOs::builder().loopback_exempt_ports([deaf.port]);
        let vm = with(builder, "connectTimeoutMs", 100).await;
        (deaf, vm)
    }

    pub(crate) async fn program() {
        let (deaf, vm) = world().await;
        let mut events = vm.events();
        for (script, status, text) in [
            ("curl -sS http://127.0.0.1:PORT/", 7, "Couldn't connect to server"),
            ("nc 127.0.0.1 PORT", 1, "timed out"),
        ] {
            let output = vm.exec(script.replace("PORT", &deaf.port.to_string())).await.unwrap();
            assert_eq!(output.exit_code, status, "{script}: {}", output.stderr_text());
            says(&output, text);
            audited(&mut events, LATE).await;
        }
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let (deaf, vm) = world().await;
        let mut events = vm.events();
        // Ten connections at once that do not come about: each ends, and gives back what it took.
        let imports =
            format!(r#"{OPEN} (import "agentos_v1" "sock_connect" (func $connect (param i32 i32 i32) (result i32)))"#);
        let items = format!(r#"(data (i32.const 200) "{}")"#, address([127, 0, 0, 1], deaf.port));
        let body = "(drop (call $open (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 100)))
            (local.set $error (call $connect (i32.load (i32.const 100)) (i32.const 200) (i32.const 8)))";
        crate::tools::install(&vm, "connect.wasm", &module_of(&imports, &items, "", body)).await;
        let output = vm
            .exec("for i in $(seq 10); do (./connect.wasm; echo $?) & done; wait")
            .await
            .unwrap();
        assert_eq!(output.stdout_text(), "73\n".repeat(10));
        for _ in 0..10 {
            audited(&mut events, LATE).await;
        }
        assert_eq!(used(&vm, "maxConnections").observed, 0);
        idle(&vm).await;
    }
}

pub(crate) mod dns_timeout_ms {
    use super::*;

    const LATE: Expected = ("network.dnsTimeoutMs", "ms", 150, 150, Errno::EAGAIN);

    async fn world() -> (NameServer, AgentOs) {
        let server = NameServer::start(false);
        let vm = with(AgentOs::builder().network(server.network()), "dnsTimeoutMs", 150).await;
        (server, vm)
    }

    pub(crate) async fn program() {
        let (_server, vm) = world().await;
        let mut events = vm.events();
        let output = vm.exec("curl -sS http://slow.test/").await.unwrap();
        assert_eq!(output.exit_code, 6);
        says(&output, "Could not resolve host: slow.test");
        audited(&mut events, LATE).await;
        let output = vm.exec("nc slow.test 80").await.unwrap();
        says(&output, "emporary failure in name resolution");
        audited(&mut events, LATE).await;
        let output = vm.exec("nslookup -type=A slow.test").await.unwrap();
        assert_ne!(output.exit_code, 0);
        assert!(output.stdout_text().contains("SERVFAIL"), "{}", output.stdout_text());
        audited(&mut events, LATE).await;
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let (_server, vm) = world().await;
        let mut events = vm.events();
        let imports = r#"(import "agentos_v1" "sock_resolve"
            (func $resolve (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
        let items = r#"(data (i32.const 200) "slow00.test")"#;
        // A new name each time; 6 is what the guest's library makes EAI_AGAIN of.
        let body = "(local.set $i (i32.const 5))
            (loop $more
                (i32.store8 (i32.const 204) (i32.add (i32.const 48) (local.get $i)))
                (local.set $error (call $resolve (i32.const 200) (i32.const 11) (i32.const 0) (i32.const 0)
                    (i32.const 1000) (i32.const 100) (i32.const 300)))
                (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
        let module = module_of(imports, items, "(local $i i32)", body);
        assert_eq!(run(&vm, "resolve.wasm", &module).await, 6);
        for _ in 0..5 {
            check(&breach(&mut events, "dnsTimeoutMs").await, LATE);
        }
        idle(&vm).await;
    }
}

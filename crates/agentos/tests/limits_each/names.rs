//! Limits of name resolution.

use crate::hosts::{NameServer, page};
use crate::tools::{idle, says};
use agentos::{AgentOs, Limits, Policy};

pub(crate) mod max_concurrent_lookups {
    use super::*;

    async fn world() -> (NameServer, AgentOs) {
        let server = NameServer::that_waits_for(2, true);
        let mut limits = Limits::default();
        limits.set("maxConcurrentLookups", 2).unwrap();
        limits.set("dnsTimeoutMs", 60_000).unwrap();
        let vm = AgentOs::builder()
            .limits(limits)
            .network(server.network())
            .create()
            .await
            .unwrap();
        vm.prepare(|_| {}).await.unwrap();
        (server, vm)
    }

    pub(crate) async fn program() {
        let (server, vm) = world().await;
        let script = "for i in $(seq 9); do getent ahosts n$i.test & done | grep -c 93.184.216.34";
        let output = vm.exec(script).await.unwrap();
        let found: u32 = output.stdout_text().trim().parse().unwrap();
        assert!(found >= 9, "{found}: {}", output.stderr_text());
        assert_eq!(server.most_at_once(), 2);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let (server, vm) = world().await;
        // Questions to the VM's own resolver, as fast as they can be sent, of which most are given up.
        let script = "for i in $(seq 30); do nslookup -type=A -timeout=1 -retry=1 n$i.test & done; wait; getent ahosts last.test";
        let output = vm.exec(script).await.unwrap();
        assert!(
            output.stdout_text().contains("93.184.216.34"),
            "{}",
            output.stdout_text()
        );
        assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
        assert_eq!(server.most_at_once(), 2);
        idle(&vm).await;
    }
}

pub(crate) mod max_cached_names {
    use super::*;

    /// A VM that may go to `a.test`, which is this host, and may look any name up; it remembers few.
    async fn world(cap: u64) -> (NameServer, u16, AgentOs) {
        let (server, port) = (NameServer::start(true), page());
        let rules = serde_json::json!({ "network": { "rules": [
            { "mode": "allow", "patterns": ["a.test", "dns://*"] },
        ]}});
        let mut limits = Limits::default();
        limits.set("maxCachedNames", cap).unwrap();
        let vm = AgentOs::builder()
            .limits(limits)
            .permissions(Policy::from_json(&rules).unwrap())
            .network(
                server
                    .network()
                    .dns_override("a.test", ["127.0.0.1"])
                    .dns_override("b.test", ["127.0.0.1"]),
            )
            .loopback_exempt_ports([port])
            .create()
            .await
            .unwrap();
        (server, port, vm)
    }

    async fn by_name_and_by_number(vm: &AgentOs, port: u16, known: bool) {
        let output = vm.exec(format!("curl -sS http://127.0.0.1:{port}/")).await.unwrap();
        if known {
            assert_eq!(output.stdout_text(), "hello", "{}", output.stderr_text());
        } else {
            says(&output, "blocked by network.http policy");
        }
    }

    pub(crate) async fn program() {
        let (_server, port, vm) = world(1).await;
        by_name_and_by_number(&vm, port, false).await;
        let output = vm.exec(format!("curl -sS http://a.test:{port}/")).await.unwrap();
        assert_eq!(output.stdout_text(), "hello", "{}", output.stderr_text());
        by_name_and_by_number(&vm, port, true).await;
        // Another name takes the place of the first, and what was allowed for its sake is not any more.
        vm.exec("getent ahosts b.test").await.unwrap();
        by_name_and_by_number(&vm, port, false).await;
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let (_server, port, vm) = world(4).await;
        vm.exec("getent ahosts a.test").await.unwrap();
        by_name_and_by_number(&vm, port, true).await;
        // A flood of names gains nothing: it costs the flood its own permission, and no more is remembered.
        let output = vm
            .exec("for i in $(seq 12); do getent ahosts flood$i.test & done; wait")
            .await
            .unwrap();
        assert_eq!(output.exit_code, 0);
        by_name_and_by_number(&vm, port, false).await;
        let output = vm.exec(format!("curl -sS http://a.test:{port}/")).await.unwrap();
        assert_eq!(output.stdout_text(), "hello", "{}", output.stderr_text());
        idle(&vm).await;
    }
}

//! Limits of TLS that the host speaks for a guest, which is where a secret is used.

#[path = "../support/https.rs"]
mod https;

use crate::hosts::{Giver, Mute};
use crate::tools::{audited, says};
use agentos::{AgentOs, Errno, Limits, Network, Secret};
use https::Authority;

/// A VM with a secret for `api.example.com`, which is this host.
async fn vm(port: u16, authority: &Authority, field: &str, value: u64) -> AgentOs {
    let mut limits = Limits::default();
    limits.set(field, value).unwrap();
    let vm = AgentOs::builder()
        .limits(limits)
        .network(Network::new().dns_override("api.example.com", ["127.0.0.1"]))
        .loopback_exempt_ports([port])
        .secret(Secret::new("KEY", "sk-live-0123456789abcdef").hosts(["api.example.com"]))
        .trust_root(authority.pem())
        .create()
        .await
        .unwrap();
    vm.prepare(|_| {}).await.unwrap();
    vm
}

pub(crate) mod handshake_timeout_ms {
    use super::*;

    const LATE: crate::tools::Expected = ("tls.handshakeTimeoutMs", "ms", 150, 150, Errno::ETIMEDOUT);

    pub(crate) async fn program() {
        let host = Mute::start();
        let vm = vm(host.port, &Authority::new(), "handshakeTimeoutMs", 150).await;
        let mut events = vm.events();
        // The host does not answer the greeting; the guest is told so in an answer.
        let output = vm
            .exec(format!(
                "curl -sS -i https://api.example.com:{}/ -H \"X: $KEY\"",
                host.port
            ))
            .await
            .unwrap();
        let said = output.stdout_text() + &output.stderr_text();
        assert!(
            said.contains("api.example.com: its TLS handshake took too long"),
            "{said}"
        );
        audited(&mut events, LATE).await;
    }

    pub(crate) async fn hostile() {
        let host = Mute::start();
        let vm = vm(host.port, &Authority::new(), "handshakeTimeoutMs", 150).await;
        let mut events = vm.events();
        // The beginning of a greeting, and no more.
        for beginning in [
            r"\026",
            r"\026\003\001",
            r"\026\003\001\002\000\001\000\001\374",
            "GET / HTTP",
        ] {
            let script = format!(
                "getent ahosts api.example.com > /dev/null; rm -f f; mkfifo f; exec 9<>f; printf '{beginning}' >&9; \
                 nc 127.0.0.1 {} <&9",
                host.port
            );
            let output = vm.exec(script).await.unwrap();
            says(&output, "timed out");
            audited(&mut events, LATE).await;
        }
    }
}

pub(crate) mod max_buffered_bytes {
    use super::*;

    const CAP: u64 = 20_000;

    pub(crate) async fn program() {
        let authority = Authority::new();
        let host = Giver::start(authority.server(&["api.example.com"]), 3 << 20);
        let vm = vm(host.port, &authority, "maxBufferedBytes", CAP).await;
        // A slow reader gets everything.
        let script = format!(
            "curl -sS https://api.example.com:{}/ | (sleep 0.2; wc -c); echo ${{PIPESTATUS[0]}}",
            host.port
        );
        let output = vm.exec(script).await.unwrap();
        assert_eq!(output.stdout_text(), "3145728\n0\n", "{}", output.stderr_text());
    }

    pub(crate) async fn hostile() {
        let authority = Authority::new();
        let most = 256 << 20;
        let host = Giver::start(authority.server(&["api.example.com"]), most);
        let vm = vm(host.port, &authority, "maxBufferedBytes", CAP).await;
        // One that asks for a lot and takes none of it: the host's server waits, and nothing piles up in between.
        let script = format!("curl -sS https://api.example.com:{}/ | sleep 1000", host.port);
        let process = crate::tools::start(&vm, &script).await;
        host.stalls().await;
        // What it got rid of is in buffers of the operating system, of two sockets, and of one pipe.
        assert!(host.sent() < 32 << 20, "{} of {most}", host.sent());
        drop(process);
    }
}

//! Secrets as the SDK gives them: the guest sees placeholders, hosts see values, and no value is found anywhere in the VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/https.rs"]
mod https;

use agentos::{AgentOs, BoxFuture, EgressHook, Network, Route, Secret, Target, Traffic};
use https::{Authority, Host};
use std::sync::{Arc, Mutex};

const VALUE: &str = "sk-live-0123456789abcdef";

/// A VM for which the names lead to this host.
fn builder(port: u16) -> agentos::Builder {
    let network = Network::new()
        .dns_override("api.example.com", ["127.0.0.1"])
        .dns_override("other.test", ["127.0.0.1"]);
    AgentOs::builder()
        .network(network)
        .loopback_exempt_ports([port])
        .secret(Secret::new("KEY", VALUE).hosts(["api.example.com"]))
}

/// The text of everything that a guest can read of files and processes.
async fn everything(vm: &AgentOs) -> String {
    let found = vm
        .exec(
            "find / -xdev -type f -size -2M ! -path '/proc/*' ! -path '/usr/bin/*' -exec cat {} + 2>/dev/null; \
             cat /proc/*/environ /proc/*/cmdline 2>/dev/null; set; env",
        )
        .await
        .unwrap();
    found.stdout_text().to_string() + &found.stderr_text()
}

#[tokio::test]
async fn the_environment_holds_a_placeholder_and_forks_share_it() {
    let vm = builder(1).create().await.unwrap();
    let printed = |vm: AgentOs| async move { vm.exec("printenv KEY").await.unwrap().stdout_text().trim().to_owned() };
    let placeholder = printed(vm.clone()).await;
    assert!(placeholder.starts_with("agentos-secret-"), "{placeholder}");
    assert_eq!(printed(vm.fork().await.unwrap()).await, placeholder);
    assert_ne!(printed(builder(1).create().await.unwrap()).await, placeholder);
    assert!(!everything(&vm).await.contains(VALUE));
    let over = vm.exec("printenv KEY").env("KEY", "own").await.unwrap();
    assert_eq!(over.stdout_text(), "own\n");
}

#[tokio::test]
async fn only_this_vm_trusts_its_authority() {
    let count = |vm: AgentOs| async move {
        let counted = vm.exec("grep -c BEGIN /etc/ssl/cert.pem").await.unwrap();
        counted.stdout_text().trim().parse::<usize>().unwrap()
    };
    let plain = count(AgentOs::create().await.unwrap()).await;
    assert!(plain > 100);
    let vm = builder(1).create().await.unwrap();
    assert_eq!(count(vm.clone()).await, plain + 1);
    assert_eq!(count(vm.fork().await.unwrap()).await, plain + 1);
    let with_root = builder(1).trust_root(Authority::new().pem()).create().await.unwrap();
    assert_eq!(count(with_root).await, plain + 2);
    assert_eq!(count(AgentOs::create().await.unwrap()).await, plain);
}

#[tokio::test]
async fn nothing_prints_a_value() {
    let builder = builder(1).proxy("http://me:hunter2hunter2@proxy.test");
    let text = format!("{builder:?} {builder:#?}");
    let vm = builder.create().await.unwrap();
    let text = text + &format!("{vm:?} {:?}", vm.snapshot().await.unwrap());
    assert!(!text.contains(VALUE) && !text.contains("hunter2"), "{text}");
    assert!(text.contains("api.example.com"), "{text}");
    let refused = AgentOs::builder()
        .secret(Secret::new("KEY", VALUE))
        .create()
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "invalid_config");
    assert!(!format!("{refused} {refused:?}").contains(VALUE));
}

#[tokio::test]
async fn curl_sends_the_value_over_tls_and_sees_it_masked() {
    for tls in [true, false] {
        let authority = Authority::new();
        let host = Host::start(tls.then(|| authority.server(&["api.example.com", "other.test"])), VALUE);
        let port = host.port;
        let vm = builder(port).trust_root(authority.pem()).create().await.unwrap();
        let scheme = if tls { "https" } else { "http" };
        let script = |name: &str| {
            format!(
                "curl -sS -i {scheme}://{name}:{port}/$KEY -H \"Authorization: Bearer $KEY\" -u \"user:$KEY\" -d \"body=$KEY\" \
                 -H \"X-Basic: Basic $(printf user:$KEY | base64 -w0)\""
            )
        };
        let placeholder = vm.exec("printenv KEY").await.unwrap().stdout_text().trim().to_owned();
        let output = vm.exec(script("api.example.com")).await.unwrap();
        let (said, seen) = (output.stdout_text().to_string() + &output.stderr_text(), host.asked());
        assert_eq!(output.exit_code, 0, "{said}");
        assert!(
            seen.contains(&format!("bearer {VALUE}")) || seen.contains(&format!("Bearer {VALUE}")),
            "{seen}"
        );
        assert!(
            seen.contains(&format!("/{placeholder} ")) && seen.ends_with(&format!("body={placeholder}")),
            "{seen}"
        );
        assert!(!said.contains(VALUE) && said.contains("****"), "{said}");
        let output = vm.exec(script("other.test")).await.unwrap();
        assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
        let seen = host.asked();
        assert!(!seen.contains(VALUE) && seen.contains(&placeholder), "{seen}");
        assert!(!everything(&vm).await.contains(VALUE));
    }
}

struct Recorder(Mutex<Vec<String>>);

impl EgressHook for Recorder {
    fn route<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Route> {
        Box::pin(async move {
            self.0.lock().unwrap().push(format!("route {}", target.names.join(",")));
            match target.names.iter().any(|name| &**name == "other.test") {
                true => Route::Deny {
                    reason: "not today".to_owned(),
                },
                false => Route::Allow,
            }
        })
    }

    fn closed(&self, _: &Target, traffic: Traffic) {
        let moved = traffic.sent > 0 && traffic.received > 0;
        self.0.lock().unwrap().push(format!("closed {moved}"));
    }
}

#[tokio::test]
async fn a_hook_decides_about_curl() {
    let host = Host::start(None, VALUE);
    let hook = Arc::new(Recorder(Mutex::default()));
    let vm = AgentOs::builder()
        .network(
            Network::new()
                .dns_override("api.example.com", ["127.0.0.1"])
                .dns_override("other.test", ["127.0.0.1"]),
        )
        .loopback_exempt_ports([host.port])
        .egress_hook(hook.clone())
        .create()
        .await
        .unwrap();
    let output = vm
        .exec(format!("curl -sS http://api.example.com:{}/", host.port))
        .await
        .unwrap();
    assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
    host.asked();
    let output = vm
        .exec(format!("curl -sS http://other.test:{}/", host.port))
        .await
        .unwrap();
    assert_ne!(output.exit_code, 0);
    let said = output.stderr_text().to_lowercase();
    assert!(said.contains("denied"), "{said}");
    assert_eq!(hook.0.lock().unwrap()[0], "route api.example.com");
}

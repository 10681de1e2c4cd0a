//! The value of a secret is never in the memory of a guest: not before a request that carries it, not while it is under way, not
//! afterwards, and not in what its host sends back.
//!
//! The whole linear memory of every program of this test is searched after each of its calls, which is whenever the host may
//! have written there. The same search finds the placeholder, so it would find the value. What lies outside of memories (files,
//! environments, the audit trail, errors, what the host prints) is searched while the request is under way, and at the end.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "support/https.rs"]
mod https;

use agentos::{AgentOs, Event, Network, Secret};
use agentos_kernel::id::Pid;
use https::{Authority, Host};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

const VALUE: &str = "sk-live-Zq3TtVb81xKcPwLm";

/// What must not be found: the value, its end, its middle, and what it becomes in a `Basic` header, in base64 and in hexadecimal.
fn forbidden() -> Vec<Vec<u8>> {
    let hex: String = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![
        VALUE.to_owned(),
        VALUE[4..].to_owned(),
        VALUE[8..16].to_owned(),
        hex.to_uppercase(),
        hex,
    ];
    // base64 of the value at each of the three alignments, without the ends that depend on what stands beside it.
    all.extend(
        [
            "c2stbGl2ZS1acTNUdFZiODF4S2NQd0xt",
            "NrLWxpdmUtWnEzVHRWYjgxeEtjUHdM",
            "zay1saXZlLVpxM1R0VmI4MXhLY1B3T",
        ]
        .map(|text| text[2..26].to_owned()),
    );
    all.into_iter().map(String::into_bytes).collect()
}

/// What the search found in memories: how often it looked at each process, and what was there.
#[derive(Default)]
struct Findings {
    looks: BTreeMap<u32, usize>,
    placeholders: usize,
    values: Vec<String>,
    /// What to look for besides, as a control.
    placeholder: Vec<u8>,
}

fn findings() -> &'static Arc<Mutex<Findings>> {
    static FINDINGS: OnceLock<Arc<Mutex<Findings>>> = OnceLock::new();
    FINDINGS.get_or_init(|| {
        let findings = Arc::new(Mutex::new(Findings::default()));
        let found = findings.clone();
        let forbidden = forbidden();
        let look = move |pid: Pid, memory: &[u8]| {
            let mut found = found.lock().unwrap();
            *found.looks.entry(pid.0).or_default() += 1;
            for value in forbidden.iter().filter(|value| holds(memory, value)) {
                found
                    .values
                    .push(format!("{} in {pid:?}", String::from_utf8_lossy(value)));
            }
            if !found.placeholder.is_empty() && holds(memory, &found.placeholder) {
                found.placeholders += 1;
            }
        };
        assert!(agentos_wasm::observe_memories(look));
        findings
    })
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// The text of everything that a guest can read of files and processes.
async fn everything(vm: &AgentOs) -> Vec<u8> {
    let found = vm
        .exec(
            "find / -xdev -type f -size -2M ! -path '/proc/*' ! -path '/usr/bin/*' -exec cat {} + 2>/dev/null; \
             cat /proc/*/environ /proc/*/cmdline /proc/*/status 2>/dev/null; set; env",
        )
        .await
        .unwrap();
    [&found.stdout[..], &found.stderr[..]].concat()
}

fn nothing_in(what: &str, bytes: &[u8]) {
    for value in forbidden() {
        assert!(
            !holds(bytes, &value),
            "{what} holds {}",
            String::from_utf8_lossy(&value)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_memory_of_a_guest_ever_holds_a_value() {
    let findings = findings();
    for tls in [false, true] {
        let authority = Authority::new();
        let host = Host::held(tls.then(|| authority.server(&["api.example.com"])), VALUE);
        let vm = AgentOs::builder()
            .network(Network::new().dns_override("api.example.com", ["127.0.0.1"]))
            .loopback_exempt_ports([host.port])
            .secret(Secret::new("KEY", VALUE).hosts(["api.example.com"]))
            .trust_root(authority.pem())
            .create()
            .await
            .unwrap();
        let mut events = vm.events();
        let placeholder = vm.exec("printenv KEY").await.unwrap().stdout_text().trim().to_owned();
        findings.lock().unwrap().placeholder = placeholder.clone().into_bytes();
        let scheme = if tls { "https" } else { "http" };
        // In every header form, and in places where it must not be swapped.
        let script = format!(
            "curl -sS -i -v {scheme}://api.example.com:{}/$KEY -H \"Authorization: Bearer $KEY\" -H \"X-Key: $KEY\" -u \"user:$KEY\" \
             -d \"body=$KEY\" -o answer -D head -c jar; cat answer head jar; wc -c answer",
            host.port
        );
        let request = tokio::spawn({
            let vm = vm.clone();
            async move { vm.exec(script).await.unwrap() }
        });
        // The host has the request, with the value, and does not answer yet.
        let seen = tokio::task::block_in_place(|| host.asked());
        assert!(seen.contains(VALUE), "the host gets the value: {seen}");
        nothing_in("the VM during the request", &everything(&vm).await);
        host.release();
        let output = request.await.unwrap();
        assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
        assert!(output.stdout_text().contains("****"), "{}", output.stdout_text());
        nothing_in("what curl printed", &[&output.stdout[..], &output.stderr[..]].concat());
        nothing_in("the VM after the request", &everything(&vm).await);
        // Errors, what the host can print of the VM, and its audit trail.
        let refused = vm
            .exec("curl -sS http://169.254.169.254/ -H \"X: $KEY\"; nc api.example.com 1; ./$KEY")
            .await
            .unwrap();
        let error = vm.read_file(format!("/{placeholder}")).await.unwrap_err();
        nothing_in(
            "errors",
            &[&refused.stderr[..], format!("{error} {error:?} {vm:?}").as_bytes()].concat(),
        );
        drop(vm);
        while let Some(event) = events.next().await {
            if let Event::Audit(entry) = &event {
                nothing_in("the audit trail", entry.to_json().to_string().as_bytes());
            }
            nothing_in("an event", format!("{event:?}").as_bytes());
        }
    }
    let found = findings.lock().unwrap();
    assert!(found.values.is_empty(), "{:?}", found.values);
    let looks: usize = found.looks.values().sum();
    println!(
        "{looks} looks at memories of {} processes, {} with a placeholder",
        found.looks.len(),
        found.placeholders
    );
    assert!(
        found.placeholders > 100 && looks > 1000,
        "the search finds what is there: {looks} {}",
        found.placeholders
    );
}

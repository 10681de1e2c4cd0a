//! The real Pi in a VM over the host's own programs, against the scripted model server of this process. It needs Node.js on the
//! host and a folder where npm has installed `pi-acp@0.0.24` and `@mariozechner/pi-coding-agent@0.73.1`, whose path is in
//! `AGENTOS_TEST_PI`. (Later versions of the adapter want later ones of Pi, and wait for ever for this one, on the host as well.)
//!
//! ```text
//! AGENTOS_TEST_PI=/folder cargo test --release -p agentos --test pi -- --ignored
//! ```
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, AgentSpec, ImageInput, ImageSource, Mount};
use agentos_model::{ModelServer, Script};

fn models(url: &str) -> String {
    let provider = r#""api": "anthropic-messages", "apiKey": "none", "models": [{"id": "scripted"}]"#;
    format!(r#"{{"providers": {{"scripted": {{"baseUrl": "{url}", {provider}}}}}}}"#)
}

const SETTINGS: &str = r#"{"defaultProvider": "scripted", "defaultModel": "scripted", "quietStartup": true}"#;

#[tokio::test]
#[ignore = "needs Pi from npm"]
async fn pi_writes_a_program_and_runs_it() {
    let folder = std::env::var("AGENTOS_TEST_PI").expect("AGENTOS_TEST_PI");
    let model = ModelServer::builder(Script::write_and_run()).start().await.unwrap();
    let vm = AgentOs::builder()
        .loopback_exempt_ports([model.port()])
        .image(ImageInput::from(ImageSource::Host))
        .mount(Mount::host_dir(folder, "/opt/pi").read_only())
        .env("PATH", "/opt/pi/node_modules/.bin:/usr/local/bin:/usr/bin:/bin")
        .agent(AgentSpec::new("pi", ["pi-acp"]).env("PI_OFFLINE", "1"))
        .on_session_notice(|notice| {
            if let agentos::Notice::AgentStderr { data, .. } = notice {
                eprint!("{}", String::from_utf8_lossy(data));
            }
        })
        .create()
        .await
        .unwrap();
    vm.mkdir_all("/home/user/.pi/agent").await.unwrap();
    vm.write_file("/home/user/.pi/agent/models.json", models(&model.base_url()))
        .await
        .unwrap();
    vm.write_file("/home/user/.pi/agent/settings.json", SETTINGS)
        .await
        .unwrap();
    let session = vm.session("pi").create().await.unwrap();
    let outcome = session
        .prompt("Write a program and run it.")
        .with_events(|event| eprintln!("{} {}", event.seq, event.event))
        .await
        .unwrap();
    assert_eq!(outcome.stop_reason(), Some("end_turn"));
    assert!(outcome.text.contains("2 3 5 7 11 "), "{}", outcome.text);
    let primes = vm.read_text("/home/user/primes.txt").await.unwrap();
    assert!(primes.ends_with("89 97 \n"), "{primes}");
    let seen = model.seen();
    assert_eq!(seen.last().unwrap().answers, 2, "{seen:?}");
    session.close().await.unwrap();
}

//! The real Pi in a VM over the host's own programs, against a model without wits that runs in the VM as well. It needs Node.js
//! on the host and a folder where npm has installed `pi-acp@0.0.24` and `@mariozechner/pi-coding-agent@0.73.1`, whose path is in
//! `AGENTOS_TEST_PI`. (Later versions of the adapter want later ones of Pi, and wait for ever for this one, on the host as well.)
//!
//! ```text
//! AGENTOS_TEST_PI=/folder cargo test --release -p agentos --test pi -- --ignored
//! ```
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, AgentSpec, ImageInput, ImageSource, Mount};

const MODEL: &str = include_str!("pi_model/model.mjs");

const MODELS: &str = r#"{"providers": {"scripted": {"baseUrl": "http://127.0.0.1:8999", "api": "anthropic-messages",
    "apiKey": "none", "models": [{"id": "scripted"}]}}}"#;

const SETTINGS: &str = r#"{"defaultProvider": "scripted", "defaultModel": "scripted", "quietStartup": true}"#;

#[tokio::test]
#[ignore = "needs Pi from npm"]
async fn pi_writes_a_program_and_runs_it() {
    let folder = std::env::var("AGENTOS_TEST_PI").expect("AGENTOS_TEST_PI");
    let vm = AgentOs::builder()
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
    vm.write_file("/home/user/.pi/agent/models.json", MODELS).await.unwrap();
    vm.write_file("/home/user/.pi/agent/settings.json", SETTINGS)
        .await
        .unwrap();
    vm.write_file("/home/user/model.mjs", MODEL).await.unwrap();
    let mut model = vm.spawn("node", ["/home/user/model.mjs"]).start().await.unwrap();
    model.first_output().await.unwrap();
    let session = vm.session("pi").create().await.unwrap();
    let outcome = session
        .prompt("Write a program and run it.")
        .with_events(|event| eprintln!("{} {}", event.seq, event.event))
        .await
        .unwrap();
    assert_eq!(outcome.stop_reason(), Some("end_turn"));
    assert!(outcome.text.contains("made by an agent"), "{}", outcome.text);
    assert_eq!(
        vm.read_text("/home/user/hello.sh").await.unwrap(),
        "echo made by an agent\n"
    );
    session.close().await.unwrap();
}

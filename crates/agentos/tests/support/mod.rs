//! What the tests share.
#![allow(dead_code)]

use agentos::{AgentOs, Limits};

/// A VM with these limits, its programs compiled.
pub(crate) async fn limited(fields: &[(&str, u64)]) -> AgentOs {
    let mut limits = Limits::default();
    for (name, value) in fields {
        limits.set(name, *value).expect("a known limit");
    }
    let vm = AgentOs::builder().limits(limits).create().await.expect("a VM");
    vm.prepare(|_| {}).await.expect("an engine");
    vm
}

/// Puts a module, given as text, at `/home/user/NAME`, executable.
pub(crate) async fn install(vm: &AgentOs, name: &str, module: &str) -> String {
    let path = format!("/home/user/{name}");
    vm.write_file(&path, wat::parse_str(module).expect("a module"))
        .await
        .expect("room");
    vm.chmod(&path, 0o755).await.expect("our file");
    path
}

/// The module of `userland/probe`, which says what programs see of the network.
pub(crate) fn probe() -> Vec<u8> {
    let packed: &[u8] = include_bytes!("../../../../userland/artefacts/tests/probe.wasm.xz");
    let mut module = Vec::new();
    let mut reader = lzma_rust2::XzReader::new(packed, false);
    std::io::Read::read_to_end(&mut reader, &mut module).expect("a whole artefact");
    module
}

/// The VM still works.
pub(crate) async fn lives(vm: &AgentOs) {
    let output = vm.exec("echo alive | cat").await.expect("a shell");
    assert_eq!((output.exit_code, output.stdout_text()), (0, "alive\n".into()));
}

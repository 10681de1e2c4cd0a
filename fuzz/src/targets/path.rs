//! Paths and names: sequences of filesystem calls with hostile paths.

use super::abi::{block_on, vm};
use arbitrary::{Arbitrary, Unstructured};

/// One call of the file API with paths made of a small alphabet, so that they meet.
#[derive(Debug, Arbitrary)]
enum Call {
    Write(Path, Vec<u8>),
    Append(Path, Vec<u8>),
    Read(Path),
    Mkdir(Path),
    MkdirAll(Path),
    Symlink(Path, Path),
    Rename(Path, Path),
    Remove(Path),
    RemoveAll(Path),
    Stat(Path),
    List(Path),
    Chmod(Path, u16),
}

/// Components by number; beyond the table, raw text.
#[derive(Debug, Arbitrary)]
struct Path {
    parts: Vec<u8>,
    raw: Option<String>,
    absolute: bool,
}

impl Path {
    fn text(&self) -> String {
        const NAMES: &[&str] = &["a", "b", "c", ".", "..", "", "home", "user", "proc", "dev", "self", "fd", "etc"];
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let parts: Vec<&str> = self.parts.iter().take(40).map(|part| NAMES[usize::from(*part) % NAMES.len()]).collect();
        let start = if self.absolute { "/tmp/" } else { "/" };
        format!("{start}{}", parts.join("/"))
    }
}

/// Runs the calls; none may panic, and afterwards the whole tree can be listed and removed.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let calls: Vec<Call> = input.arbitrary().unwrap_or_default();
    block_on(async {
        let vm = vm().await;
        for call in calls.into_iter().take(64) {
            apply(&vm, call).await;
        }
        vm.read_dir_recursive("/tmp", agentos::ListOptions::default()).await.expect("the tree can be walked");
        for name in vm.read_dir("/tmp").await.expect("the directory is there") {
            vm.remove_all(format!("/tmp/{name}")).await.expect("what was made can be removed");
        }
    });
}

async fn apply(vm: &agentos::AgentOs, call: Call) {
    match call {
        Call::Write(path, data) => drop(vm.write_file(path.text(), data).await),
        Call::Append(path, data) => drop(vm.append_file(path.text(), data).await),
        Call::Read(path) => drop(vm.read_file_range(path.text(), 0, 1 << 16).await),
        Call::Mkdir(path) => drop(vm.mkdir(path.text()).await),
        Call::MkdirAll(path) => drop(vm.mkdir_all(path.text()).await),
        Call::Symlink(target, path) => drop(vm.symlink(target.text(), path.text()).await),
        Call::Rename(from, to) => drop(vm.rename(from.text(), to.text()).await),
        Call::Remove(path) => drop(vm.remove(path.text()).await),
        Call::RemoveAll(path) => drop(vm.remove_all(path.text()).await),
        Call::Stat(path) => drop(vm.stat(path.text()).await),
        Call::List(path) => drop(vm.read_dir(path.text()).await),
        // Read, write and search stay with the owner, so that the tree can be removed in the end.
        Call::Chmod(path, mode) => drop(vm.chmod(path.text(), u32::from(mode) | 0o700).await),
    }
}

//! Paths and names: sequences of filesystem calls with hostile paths.

use super::abi::{block_on, vm};
use crate::input::Input;
use agentos::{AgentOs, ListOptions};

/// A path of a small alphabet, so that paths meet, or raw text.
fn path(input: &mut Input<'_>) -> String {
    const NAMES: &[&str] = &[
        "a", "b", "c", ".", "..", "", "home", "user", "proc", "dev", "self", "fd", "etc",
    ];
    let shape = input.u8();
    if shape.is_multiple_of(16) {
        return String::from_utf8_lossy(&input.data()).into_owned();
    }
    let parts: Vec<&str> = (0..input.u8() % 40).map(|_| input.pick(NAMES)).collect();
    let start = if shape & 16 == 0 { "/tmp/" } else { "/" };
    format!("{start}{}", parts.join("/"))
}

/// Runs the calls; none may panic, and afterwards the whole tree can be listed and removed.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    block_on(async {
        let vm = vm().await;
        for _ in 0..CALLS {
            if input.is_empty() {
                break;
            }
            call(&vm, &mut input).await;
        }
        vm.read_dir_recursive("/tmp", ListOptions::default())
            .await
            .expect("the tree can be walked");
        for name in vm.read_dir("/tmp").await.expect("the directory is there") {
            vm.remove_all(format!("/tmp/{name}"))
                .await
                .expect("what was made can be removed");
        }
    });
}

/// Most calls of one input.
const CALLS: usize = 64;

async fn call(vm: &AgentOs, input: &mut Input<'_>) {
    let (kind, path) = (input.u8() % 13, path(input));
    match kind {
        0 => drop(vm.write_file(path, input.data()).await),
        1 => drop(vm.append_file(path, input.data()).await),
        2 => drop(vm.read_file_range(path, input.u64(), 1 << 16).await),
        3 => drop(vm.mkdir(path).await),
        4 => drop(vm.mkdir_all(path).await),
        5 => drop(vm.symlink(self::path(input), path).await),
        6 => drop(vm.rename(path, self::path(input)).await),
        7 => drop(vm.remove(path).await),
        8 => drop(vm.remove_all(path).await),
        9 => drop(vm.stat(path).await),
        10 => drop(vm.read_dir(path).await),
        11 => drop(vm.read_link(path).await),
        // Read, write and search stay with the owner, so that the tree can be removed in the end.
        _ => drop(vm.chmod(path, u32::from(input.u16()) | 0o700).await),
    }
}

//! Module loading: arbitrary and mutated bytes offered as a program.

use super::abi::{block_on, vm};
use agentos::Errno;

/// A small valid module, the seed of mutations.
const SEED: &[u8] = include_bytes!("seed.wasm");

/// Loads bytes as a program: it runs, or fails with a typed error; the VM lives either way.
pub(crate) fn run(bytes: &[u8]) {
    let program = if bytes.first().is_some_and(|byte| byte % 2 == 0) {
        mutate(bytes)
    } else {
        bytes.to_vec()
    };
    block_on(async {
        let vm = vm().await;
        vm.write_file("/tmp/tool.wasm", &program)
            .await
            .expect("the quota is far larger");
        vm.chmod("/tmp/tool.wasm", 0o755).await.expect("the file is ours");
        match vm
            .exec_argv(["/tmp/tool.wasm"])
            .timeout(std::time::Duration::from_secs(5))
            .await
        {
            Ok(_) => {}
            // The interpreter that a `#!` line names need not be there.
            Err(error) if program.starts_with(b"#!") => assert!(error.errno().is_some(), "{error}"),
            Err(error) => {
                // A script may name any interpreter, and then the error is that of finding it.
                let typed = match program.starts_with(b"#!") {
                    true => error.errno().is_some(),
                    false => matches!(error.errno(), Some(Errno::ENOEXEC | Errno::ENOMEM | Errno::EAGAIN)),
                };
                assert!(typed, "{error}");
            }
        }
        assert_eq!(
            vm.exec("echo alive").await.expect("the VM lives").stdout_text(),
            "alive\n"
        );
    });
}

/// Applies edits taken from `bytes` to the seed.
fn mutate(bytes: &[u8]) -> Vec<u8> {
    let mut program = SEED.to_vec();
    for edit in bytes.chunks_exact(3).take(8) {
        let at = (usize::from(edit[0]) << 8 | usize::from(edit[1])) % program.len();
        program[at] = edit[2];
    }
    let cut = bytes.last().map_or(0, |byte| usize::from(*byte) % 16);
    program.truncate(program.len().saturating_sub(cut));
    program
}

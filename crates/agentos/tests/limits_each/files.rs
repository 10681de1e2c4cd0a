//! Limits of files and directories.

use crate::modules::module_of;
use crate::tools::{audited, audited_beyond, check, limited, run, says, used};
use agentos::{Errno, ListOptions};

const OPEN_FILE: &str = r#"(import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"#;

/// Opens `/home/user/NAME` for writing, creating it; the descriptor is kept at 100. Its name stands at 200.
fn open(name: &str) -> (String, String) {
    let path = format!("home/user/{name}");
    let items = format!(r#"(data (i32.const 200) "{path}")"#);
    let call = format!(
        "(call $open (i32.const 3) (i32.const 0) (i32.const 200) (i32.const {}) (i32.const 1) (i64.const -1)
            (i64.const -1) (i32.const 0) (i32.const 100))",
        path.len()
    );
    (items, call)
}

pub(crate) mod max_filesystem_bytes {
    use super::*;

    const CAP: u64 = 1 << 20;
    const FULL: (&str, &str, u64, Errno) = ("resources.maxFilesystemBytes", "bytes", CAP, Errno::ENOSPC);

    pub(crate) async fn program() {
        let vm = limited(&[("maxFilesystemBytes", CAP)]).await;
        let mut events = vm.events();
        let error = vm.write_file("/home/user/big", vec![0; 2 << 20]).await.unwrap_err();
        let limit = error.limit().unwrap();
        check(limit, (FULL.0, FULL.1, limit.observed, CAP, Errno::ENOSPC));
        assert!(limit.observed >= 2 << 20);
        assert_eq!(used(&vm, "maxFilesystemBytes").observed, 0);
        audited_beyond(&mut events, FULL).await;
        // Each tool writes what fits, says so, and fails.
        for script in [
            "dd if=/dev/zero of=big bs=64k count=100",
            "head -c 2000000 /dev/zero > big",
            "seq 1000000 > big",
            "head -c 1040000 /dev/zero > small; cp small big",
            "head -c 1040000 /dev/zero > small; cat small small > big",
            "yes | head -c 900000 > small; tar -cf big small",
        ] {
            let output = vm.exec(script).await.unwrap();
            assert_ne!(output.exit_code, 0, "{script}");
            says(&output, "No space left on device");
            audited_beyond(&mut events, FULL).await;
            let used = used(&vm, "maxFilesystemBytes").observed;
            assert!(used > CAP - 4096 || script.contains("tar"), "{script}: {used}");
            vm.exec("rm -f big small").await.unwrap();
        }
        assert_eq!(used(&vm, "maxFilesystemBytes").observed, 0);
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxFilesystemBytes", CAP)]).await;
        let mut events = vm.events();
        let (items, call) = open("big");
        let pwrite =
            r#"(import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))"#;
        let allocate =
            r#"(import "wasi_snapshot_preview1" "fd_allocate" (func $allocate (param i32 i64 i64) (result i32)))"#;
        let resize =
            r#"(import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $resize (param i32 i64) (result i32)))"#;
        // At offsets that lie ever further apart, to its end, and as a hole: there is no way around.
        for (imports, grow) in [
            (
                pwrite,
                "(call $pwrite (i32.load (i32.const 100)) (i32.const 0) (i32.const 1)
                    (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 70000)) (i32.const 16))",
            ),
            (
                allocate,
                "(call $allocate (i32.load (i32.const 100)) (i64.const 0)
                    (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 70000)))",
            ),
            (
                resize,
                "(call $resize (i32.load (i32.const 100)) (i64.mul (i64.extend_i32_u (local.get $i)) (i64.const 70000)))",
            ),
        ] {
            let body = format!(
                "(drop {call}) (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 60000))
                 (loop $more
                     (local.set $i (i32.add (local.get $i) (i32.const 1)))
                     (local.set $error {grow})
                     (br_if $more (i32.and (i32.eqz (local.get $error)) (i32.lt_u (local.get $i) (i32.const 100000)))))"
            );
            let module = module_of(&format!("{OPEN_FILE} {imports}"), &items, "(local $i i32)", &body);
            // A hole is nothing that was written, and may be as large as a file can be.
            let is_hole = imports == resize;
            let wanted = if is_hole { 0 } else { 51 };
            assert_eq!(run(&vm, "big.wasm", &module).await, wanted, "{grow}");
            if !is_hole {
                audited_beyond(&mut events, FULL).await;
            }
            let used = used(&vm, "maxFilesystemBytes").observed;
            assert!(!is_hole || used < 4096, "{used}");
            vm.exec("rm big big.wasm").await.unwrap();
        }
        // Names, links and attributes are bytes, too.
        let script = "n=$(printf 'x%.0s' $(seq 200)); i=0
            while mkdir $n$i && ln -s $n$n$n $i && mkfifo p$n$i; do i=$((i+1)); done 2>/dev/null; echo $i";
        let output = vm.exec(script).await.unwrap();
        let made: u64 = output.stdout_text().trim().parse().unwrap();
        assert!(made > 10 && made * (200 + 256 + 256 + 256) < CAP, "{made}");
        audited_beyond(&mut events, FULL).await;
        used(&vm, "maxFilesystemBytes");
    }
}

pub(crate) mod max_inode_count {
    use super::*;

    const FULL: crate::tools::Expected = ("resources.maxInodeCount", "count", 21, 20, Errno::ENOSPC);

    pub(crate) async fn program() {
        let vm = limited(&[("maxInodeCount", 20)]).await;
        let mut events = vm.events();
        let output = vm
            .exec("for i in $(seq 100); do mkdir d$i || exit 3; done")
            .await
            .unwrap();
        assert_eq!(output.exit_code, 3);
        says(&output, "mkdir: cannot create directory 'd21': No space left on device");
        audited(&mut events, FULL).await;
        for script in ["touch f", "ln -s a b", "mkfifo p", ": > g", "cp /etc/passwd p"] {
            says(&vm.exec(script).await.unwrap(), "No space left on device");
            audited(&mut events, FULL).await;
        }
        let error = vm.write_file("/home/user/more", "").await.unwrap_err();
        check(error.limit().unwrap(), FULL);
        assert_eq!(used(&vm, "maxInodeCount").observed, 20);
        vm.exec("rm -r d*").await.unwrap();
        assert_eq!(used(&vm, "maxInodeCount").observed, 0);
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxInodeCount", 20)]).await;
        let mut events = vm.events();
        // Files that have no name any more, because each new one takes the name of the last, are held open.
        let rename =
            r#"(import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))"#;
        let (items, call) = open("same");
        let body = format!(
            "(loop $more
                (local.set $error {call})
                (drop (call $unlink (i32.const 3) (i32.const 200) (i32.const 14)))
                (br_if $more (i32.eqz (local.get $error))))"
        );
        let module = module_of(&format!("{OPEN_FILE} {rename}"), &items, "", &body);
        assert_eq!(run(&vm, "unnamed.wasm", &module).await, 51);
        audited(&mut events, FULL).await;
        // The module itself is what is left.
        assert_eq!(used(&vm, "maxInodeCount").observed, 1);
    }
}

pub(crate) mod max_readdir_entries {
    use super::*;

    const FULL: crate::tools::Expected = ("resources.maxReaddirEntries", "entries", 11, 10, Errno::ENOMEM);

    pub(crate) async fn program() {
        let vm = limited(&[("maxReaddirEntries", 10)]).await;
        let mut events = vm.events();
        vm.exec("mkdir d; cd d; touch $(seq 11)").await.unwrap();
        check(vm.read_dir("/home/user/d").await.unwrap_err().limit().unwrap(), FULL);
        audited(&mut events, FULL).await;
        // Guests read on and on.
        let seen = vm.exec("ls d | wc -l; find d -type f | wc -l").await.unwrap();
        assert_eq!(seen.stdout_text(), "11\n11\n");
        vm.exec("rm d/1").await.unwrap();
        assert_eq!(vm.read_dir("/home/user/d").await.unwrap().len(), 10);
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxReaddirEntries", 10)]).await;
        let mut events = vm.events();
        // A directory with far more than a client wants to hear of, with names that are as long as names can be.
        let script = "mkdir d; cd d; n=$(printf 'x%.0s' $(seq 240)); for i in $(seq 2000); do : > $n$i; done";
        assert_eq!(vm.exec(script).await.unwrap().exit_code, 0);
        // What was looked at is what is refused: one more than may be.
        check(vm.read_dir("/home/user/d").await.unwrap_err().limit().unwrap(), FULL);
        audited(&mut events, FULL).await;
        let all = vm.read_dir_recursive("/home/user/d", ListOptions::default()).await;
        assert_eq!(all.unwrap().len(), 2000, "a tree has a bound of its own");
    }
}

//! Limits of single calls: how much one moves, and how long one waits.

use crate::modules::{READ, module_of, one_call};
use crate::tools::{audited, check, idle, install, limited, says};
use agentos::{AgentOs, Errno};

pub(crate) mod max_blocking_read_ms {
    use super::*;

    const LATE: crate::tools::Expected = ("resources.maxBlockingReadMs", "ms", 30, 30, Errno::ETIMEDOUT);

    pub(crate) async fn program() {
        let vm = limited(&[("maxBlockingReadMs", 30)]).await;
        let mut events = vm.events();
        // Input that does not come, from the host, from another program, from a terminal, from a socket.
        let mut process = vm.spawn("cat", [""; 0]).start().await.unwrap();
        let held = process.stdin();
        assert_eq!(process.control().wait().await.unwrap(), 1);
        let said = process.first_output().await.unwrap();
        assert_eq!(&said.data[..], b"cat: -: Operation timed out\n");
        audited(&mut events, LATE).await;
        drop((held, process));
        for script in [
            "(sleep 1000 &) | cat",
            "mkfifo f; exec 3<>f; cat <&3",
            "exec 5<>/dev/ptmx; head -c 1 <&5",
        ] {
            let output = vm.exec(script).await.unwrap();
            says(&output, "timed out");
            audited(&mut events, LATE).await;
            idle(&vm).await;
        }
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxBlockingReadMs", 30)]).await;
        let mut events = vm.events();
        // It reads again and again; each time it is told.
        let body = "(i32.store (i32.const 4) (i32.const 8)) (local.set $i (i32.const 3))
            (loop $more
                (local.set $error (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16)))
                (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
        let path = install(&vm, "read.wasm", &module_of(READ, "", "(local $i i32)", body)).await;
        let mut process = vm.spawn(path, [""; 0]).start().await.unwrap();
        let held = process.stdin();
        assert_eq!(process.control().wait().await.unwrap(), 73);
        for _ in 0..3 {
            audited(&mut events, LATE).await;
        }
        drop((held, process));
        idle(&vm).await;
    }
}

/// A VM with this cap on calls and a file of 5000 bytes.
async fn with_file(name: &str) -> AgentOs {
    let vm = limited(&[(name, 1000)]).await;
    let file = vm.as_host();
    file.write_file("/home/user/file", vec![b'x'; 5000]).await.unwrap();
    vm
}

/// A tool that asks once gets a part, and one that asks on gets everything.
async fn tools_read(vm: &AgentOs, name: &str) {
    let output = vm
        .exec("dd if=file of=part bs=5000 count=1; wc -c < part; cat file | wc -c; cat file | cmp - file && echo same")
        .await
        .unwrap();
    assert_eq!(output.stdout_text(), "1000\n5000\nsame\n", "{name}");
    says(&output, "0+1 records in");
    idle(vm).await;
}

/// One call that asks for more than it may gets what it may.
async fn module_reads(vm: &AgentOs, name: &str) {
    install(vm, "read.wasm", &one_call("fd_read", 0)).await;
    let output = vm.exec("./read.wasm < file; echo $?").await.unwrap();
    assert_eq!(output.stdout_text(), "10\n", "{name}: {}", output.stderr_text());
    idle(vm).await;
}

pub(crate) mod max_pread_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = with_file("maxPreadBytes").await;
        tools_read(&vm, "maxPreadBytes").await;
        let error = vm.read_file("/home/user/file").await.unwrap_err();
        let full = ("resources.maxPreadBytes", "bytes", 5000, 1000, Errno::EFBIG);
        check(error.limit().unwrap(), full);
        let range = vm.read_file_range("/home/user/file", 4500, 1000).await.unwrap();
        assert_eq!(range.len(), 500);
    }

    pub(crate) async fn hostile() {
        let vm = with_file("maxPreadBytes").await;
        module_reads(&vm, "maxPreadBytes").await;
        // A file of any size costs the client no more than the cap either.
        let mut events = vm.events();
        vm.exec("truncate -s 1000000000 file").await.unwrap();
        let error = vm.read_file("/home/user/file").await.unwrap_err();
        let full = ("resources.maxPreadBytes", "bytes", 1_000_000_000, 1000, Errno::EFBIG);
        check(error.limit().unwrap(), full);
        audited(&mut events, full).await;
    }
}

pub(crate) mod sync_read_limit_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = with_file("syncReadLimitBytes").await;
        tools_read(&vm, "syncReadLimitBytes").await;
        // A client's call is not a WebAssembly program's.
        assert_eq!(vm.read_file("/home/user/file").await.unwrap().len(), 5000);
    }

    pub(crate) async fn hostile() {
        let vm = with_file("syncReadLimitBytes").await;
        module_reads(&vm, "syncReadLimitBytes").await;
    }
}

pub(crate) mod max_fd_write_bytes {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxFdWriteBytes", 1000)]).await;
        // The tools write on where a call took a part.
        let script =
            "head -c 5000 /dev/zero | cat > all; wc -c < all; dd if=/dev/zero of=one bs=5000 count=1 2>&1 | tail -1;
            wc -c < one; seq 2000 | tee list | tail -1; wc -l < list";
        let output = vm.exec(script).await.unwrap();
        let text = output.stdout_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            (lines[0], lines[2], lines[3], lines[4]),
            ("5000", "5000", "2000", "2000"),
            "{text}"
        );
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxFdWriteBytes", 1000)]).await;
        install(&vm, "write.wasm", &one_call("fd_write", 1)).await;
        let output = vm.exec("./write.wasm > file; echo $?; wc -c < file").await.unwrap();
        assert_eq!(output.stdout_text(), "10\n1000\n", "{}", output.stderr_text());
        idle(&vm).await;
    }
}

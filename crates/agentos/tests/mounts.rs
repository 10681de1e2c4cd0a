//! Mount boundaries (security.md section 6): what may be mounted and where, that nothing leads out, and caps.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Errno, Error, Mount};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;

/// A directory of the host with a secret beside it, and a VM that has the directory at `/m`.
async fn mounted(change: impl FnOnce(Mount) -> Mount) -> (AgentOs, tempfile::TempDir) {
    let host = tempfile::tempdir().unwrap();
    let (inside, outside) = (host.path().join("inside"), host.path().join("outside"));
    std::fs::create_dir_all(inside.join("deep/er")).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "hidden").unwrap();
    std::fs::write(inside.join("file"), "shown").unwrap();
    let mount = change(Mount::host_dir(&inside, "/m"));
    let vm = AgentOs::builder().mount(mount).create().await.unwrap();
    (vm, host)
}

fn inside(host: &tempfile::TempDir) -> std::path::PathBuf {
    host.path().join("inside")
}

#[tokio::test]
async fn m6_1_the_host_follows_no_link() {
    let (vm, host) = mounted(|mount| mount).await;
    symlink("../outside", inside(&host).join("out")).unwrap();
    symlink(host.path().join("outside"), inside(&host).join("absolute")).unwrap();
    // The text of a link is a path of the guest.
    symlink("/etc/hostname", inside(&host).join("guest")).unwrap();
    symlink("file", inside(&host).join("near")).unwrap();
    assert_eq!(vm.read_text("/m/near").await.unwrap(), "shown");
    assert_eq!(vm.read_link("/m/guest").await.unwrap(), "/etc/hostname");
    for path in ["/m/out/secret", "/m/absolute/secret", "/m/guest"] {
        assert!(vm.read_file(path).await.is_err(), "{path}");
    }
}

#[tokio::test]
async fn m6_2_links_that_leave_are_refused_in_every_position() {
    let (vm, host) = mounted(|mount| mount).await;
    let dir = inside(&host);
    for (text, name) in [
        ("/etc/passwd", "absolute"),
        ("../etc/passwd", "relative"),
        ("deep/../../etc/passwd", "winding"),
        ("/", "root"),
        ("..", "up"),
        ("deep/er/../../..", "far"),
    ] {
        symlink(text, dir.join(name)).unwrap();
    }
    symlink("../../..", dir.join("deep/er/up3")).unwrap();
    for path in [
        "/m/absolute",
        "/m/relative",
        "/m/winding",
        "/m/root/etc/passwd",
        "/m/up/etc/passwd",
        "/m/far/etc/passwd",
        "/m/deep/er/up3/etc/passwd",
        "/m/deep/er/up3",
    ] {
        let error = vm.read_file(path).await.unwrap_err();
        assert_eq!(error.errno(), Some(Errno::EACCES), "{path}: {error}");
        assert!(
            error.to_string().contains("path escapes host directory"),
            "{path}: {error}"
        );
        assert_eq!(
            vm.write_file(path, "x").await.unwrap_err().errno(),
            Some(Errno::EACCES),
            "{path}"
        );
    }
    // `..` at the root of the mount is the guest's directory above, never the host's.
    let output = vm
        .exec("cd /m; ls ..; cat ../etc/hostname; cd deep/er; cat ../../../etc/hostname")
        .await
        .unwrap();
    assert!(
        output.stdout_text().contains("etc") && !output.stdout_text().contains("outside"),
        "{}",
        output.stdout_text()
    );
    assert!(
        output.stdout_text().ends_with("agent-os\nagent-os\n"),
        "{}",
        output.stderr_text()
    );
}

#[tokio::test]
async fn m6_2_nor_while_directories_change_places() {
    let (vm, host) = mounted(|mount| mount).await;
    let dir = inside(&host);
    std::fs::create_dir(dir.join("real")).unwrap();
    std::fs::write(dir.join("real/secret"), "shown").unwrap();
    symlink("../outside", dir.join("link")).unwrap();
    let done = Mutex::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let exchange = |a: &Path, b: &Path| {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, a, rustix::fs::CWD, b, flags).unwrap();
            };
            while !*done.lock().unwrap() {
                exchange(&dir.join("real"), &dir.join("link"));
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let reading = scope.spawn(move || {
            runtime.block_on(async {
                let (mut tries, mut read) = (0, 0);
                // Whoever exchanges them may have no processor for a while: sooner or later the directory is in its place.
                while tries < 5000 || read == 0 {
                    tries += 1;
                    if let Ok(text) = vm.read_text("/m/real/secret").await {
                        assert_eq!(text, "shown");
                        read += 1;
                    }
                }
                read
            })
        });
        let read = reading.join();
        *done.lock().unwrap() = true;
        assert!(read.unwrap() > 0);
    });
}

#[tokio::test]
async fn m6_3_a_read_only_mount_changes_in_no_way() {
    let (vm, host) = mounted(Mount::read_only).await;
    for script in [
        "echo x > file",
        "echo x >> file",
        ": > file",
        "touch file",
        "touch new",
        "chmod 600 file",
        "rm file",
        "mkdir d",
        "rmdir deep/er",
        "mv file other",
        "ln file hard",
        "ln -s file link",
        "truncate -s 0 file",
        "mkfifo pipe",
        "touch -d 2020-01-01 file",
        "dd if=/dev/zero of=file count=1",
    ] {
        let output = vm.exec(script).cwd("/m").await.unwrap();
        assert_ne!(output.exit_code, 0, "{script}");
        assert!(
            output.stderr_text().contains("ead-only file system"),
            "{script}: {}",
            output.stderr_text()
        );
    }
    assert_eq!(
        vm.write_file("/m/file", "x").await.unwrap_err().errno(),
        Some(Errno::EROFS)
    );
    assert_eq!(std::fs::read_to_string(inside(&host).join("file")).unwrap(), "shown");
    assert_eq!(std::fs::read_dir(inside(&host)).unwrap().count(), 2);
}

#[tokio::test]
async fn m6_3_special_files_and_crossings() {
    let (vm, host) = mounted(|mount| mount).await;
    let _socket = std::os::unix::net::UnixListener::bind(inside(&host).join("socket")).unwrap();
    let fifo = inside(&host).join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from(0o666),
        0,
    )
    .unwrap();
    for name in ["/m/socket", "/m/fifo"] {
        assert_eq!(
            vm.read_file(name).await.unwrap_err().errno(),
            Some(Errno::EACCES),
            "{name}"
        );
    }
    for script in ["ln /m/file /tmp/hard", "ln /etc/hostname /m/hard"] {
        let output = vm.exec(script).await.unwrap();
        assert!(
            output.exit_code != 0 && output.stderr_text().contains("ross-device"),
            "{script}: {}",
            output.stderr_text()
        );
    }
    // Set-id bits do not arrive at the host.
    vm.exec("chmod 6755 /m/file").await.unwrap();
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(inside(&host).join("file"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o6000, 0);
}

#[tokio::test]
async fn m6_4_what_of_the_host_is_never_mounted() {
    let temp = tempfile::tempdir().unwrap();
    symlink("/", temp.path().join("root")).unwrap();
    std::fs::write(temp.path().join("file"), "").unwrap();
    let refused = async |mount: Mount| match AgentOs::builder().mount(mount).create().await {
        Err(Error::Mount { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for root in ["/", "/.", "//", "/tmp/..", temp.path().join("root").to_str().unwrap()] {
        let reason = refused(Mount::host_dir(root, "/m").read_only()).await;
        assert!(reason.contains("root of the host"), "{root}: {reason}");
    }
    assert!(
        refused(Mount::host_dir(temp.path().join("none"), "/m"))
            .await
            .contains("must exist")
    );
    assert!(
        refused(Mount::host_dir(temp.path().join("file"), "/m"))
            .await
            .contains("not a directory")
    );
    // Where compiled programs lie, nobody in a VM writes; neither above nor below.
    let cache = temp.path().join("cache");
    std::fs::create_dir_all(cache.join("below")).unwrap();
    let builder = || AgentOs::builder().cache_dir(Some(cache.clone()));
    for dir in [temp.path(), &cache, &cache.join("below")] {
        let error = builder().mount(Mount::host_dir(dir, "/m")).create().await.unwrap_err();
        assert!(error.to_string().contains("compiled programs"), "{error}");
    }
    let builder = builder().mount(Mount::host_dir(temp.path(), "/m").read_only());
    builder.create().await.unwrap();
}

#[tokio::test]
async fn m6_4_the_directory_is_the_one_that_was_mounted() {
    let (vm, host) = mounted(|mount| mount).await;
    std::fs::rename(inside(&host), host.path().join("moved")).unwrap();
    symlink("outside", inside(&host)).unwrap();
    assert_eq!(vm.read_text("/m/file").await.unwrap(), "shown");
    assert!(vm.read_file("/m/secret").await.is_err());
}

#[tokio::test]
async fn m6_5_where_nothing_is_mounted() {
    let vm = AgentOs::create().await.unwrap();
    let reserved = [
        "/",
        "/proc",
        "/dev",
        "/sys",
        "/etc/agentos",
        "/proc/self",
        "/dev/pts",
        "/sys/x",
        "/etc/agentos/x",
    ];
    for guest in reserved
        .into_iter()
        .chain(["relative", "/a/../proc", "/a//b", "/a/", "/./a", ""])
    {
        let at_start = AgentOs::builder().mount(Mount::memory(guest)).create().await;
        assert!(matches!(at_start, Err(Error::Mount { .. })), "{guest}");
        assert!(
            matches!(vm.mount(Mount::memory(guest)).await, Err(Error::Mount { .. })),
            "{guest}"
        );
        assert!(
            matches!(vm.as_host().mount(Mount::memory(guest)).await, Err(Error::Mount { .. })),
            "{guest}"
        );
    }
    // Nor does a link that a guest made lead a mount there.
    vm.exec("ln -s /proc /tmp/p; ln -s /etc/agentos /tmp/e; ln -s / /tmp/r; ln -s ../sys /tmp/s")
        .await
        .unwrap();
    for guest in ["/tmp/p", "/tmp/e", "/tmp/e/x", "/tmp/r", "/tmp/r/dev", "/tmp/s"] {
        assert!(
            matches!(vm.mount(Mount::memory(guest)).await, Err(Error::Mount { .. })),
            "{guest}"
        );
    }
    for guest in ["/proc", "/dev", "/dev/shm"] {
        assert_eq!(
            vm.unmount(guest).await.unwrap_err().errno(),
            Some(Errno::EBUSY),
            "{guest}"
        );
    }
    vm.mount(Mount::memory("/etc/agentosx")).await.unwrap();
    vm.mount(Mount::memory("/dev/shm/data")).await.unwrap();
}

/// Sizes and number of what is below a directory.
fn tree(dir: &Path) -> (u64, u64) {
    std::fs::read_dir(dir).unwrap().fold((0, 0), |(bytes, files), entry| {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        match metadata.is_dir() {
            true => {
                let (b, f) = tree(&entry.path());
                (bytes + b, files + f + 1)
            }
            false => (bytes + metadata.len(), files + 1),
        }
    })
}

#[tokio::test]
async fn m6_6_caps_of_a_mount_hold_for_guests_and_clients() {
    const BYTES: u64 = 100_000;
    for script in [
        "dd if=/dev/zero of=big bs=777 count=1000",
        "yes >> big",
        "cat /usr/bin/box > big",
        "cp /usr/bin/box big",
        "truncate -s 1000000 big",
        "fallocate -l 1000000 big",
        "for i in 1 2 3 4 5 6 7 8 9; do head -c 30000 /dev/zero > new$i; mv new$i kept$((i % 2)); done; cat /usr/bin/box >> kept0",
        "for i in $(seq 200); do ln -s $(printf 'x%.0s' $(seq 900)) l$i; done",
        "for i in $(seq 200); do mkdir d$i; done",
        "for i in $(seq 200); do : > f$i; done",
        "exec 3>gone; rm gone; head -c 60000 /dev/zero >&3; cat /usr/bin/box > other",
        "tar cf all.tar /usr/bin/sh /etc",
        "head -c 60000 /dev/zero > a & head -c 60000 /dev/zero > b & wait",
    ] {
        let (vm, host) = mounted(|mount| mount.max_bytes(BYTES).max_files(50)).await;
        let (bytes, files) = tree(&inside(&host));
        vm.exec(script).cwd("/m").await.unwrap();
        let (after, count) = tree(&inside(&host));
        assert!(
            after - bytes <= BYTES && count - files <= 50,
            "{script}: {} bytes, {} files",
            after - bytes,
            count - files
        );
        // A client's write is all or nothing.
        let before = tree(&inside(&host));
        let error = vm.write_file("/m/client", vec![7; 200_000]).await.unwrap_err();
        assert_eq!(error.errno(), Some(Errno::ENOSPC), "{script}");
        assert_eq!(tree(&inside(&host)), before, "{script}");
        // What is removed makes room.
        let output = vm
            .exec("rm -rf /m/*; echo again > /m/file && cat /m/file")
            .await
            .unwrap();
        assert_eq!(output.stdout_text(), "again\n", "{script}: {}", output.stderr_text());
    }
}

/// T2 for the one call that programs make with several pieces at once.
#[tokio::test]
async fn t2_writev_stops_at_the_cap() {
    const BYTES: u64 = 100_000;
    // Opens `f` and writes three pieces of 7,001 bytes again and again until that fails; exits with the error.
    let module = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 32) "m/f")
        (data (i32.const 64) "\00\10\00\00\59\1b\00\00\00\20\00\00\59\1b\00\00\00\30\00\00\59\1b\00\00")
        (func (export "_start") (local $error i32)
            (drop (call $open (i32.const 3) (i32.const 1) (i32.const 32) (i32.const 3) (i32.const 1)
                (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 0)))
            (loop $again
                (local.set $error (call $write (i32.load (i32.const 0)) (i32.const 64) (i32.const 3) (i32.const 8)))
                (br_if $again (i32.eqz (local.get $error))))
            (call $exit (local.get $error))))"#;
    let (capped, host) = mounted(|mount| mount.max_bytes(BYTES)).await;
    let mut limits = agentos::Limits::default();
    limits.max_filesystem_bytes = BYTES;
    let own = AgentOs::builder().limits(limits).create().await.unwrap();
    own.exec("mkdir /home/user/m").await.unwrap();
    for (vm, cwd) in [(&capped, "/"), (&own, "/home/user")] {
        let tool = wat::parse_str(module).unwrap();
        vm.write_file("/home/user/tool.wasm", tool).await.unwrap();
        vm.chmod("/home/user/tool.wasm", 0o755).await.unwrap();
        // 51 is ENOSPC of preview 1.
        let output = vm.exec_argv(["/home/user/tool.wasm"]).cwd(cwd).await.unwrap();
        assert_eq!(output.exit_code, 51, "{cwd}: {}", output.stderr_text());
        let size = vm
            .stat(format!("{}/m/f", cwd.trim_end_matches('/')))
            .await
            .unwrap()
            .size;
        assert!(size <= BYTES && size > BYTES - 21_003 - 4096, "{cwd}: {size}");
    }
    assert_eq!(std::fs::metadata(inside(&host).join("f")).unwrap().len(), BYTES);
}

#[tokio::test]
async fn what_is_mounted_in_the_superusers_home_is_for_everybody_and_the_home_is_not() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("index.js"), "1\n").unwrap();
    for read_only in [false, true] {
        let mount = Mount::host_dir(host.path(), "/root/node_modules").read_only();
        let vm = AgentOs::builder()
            .mount(mount)
            .read_only_root(read_only)
            .create()
            .await
            .unwrap();
        let seen = vm.exec("cat /root/node_modules/index.js; touch /root/node_modules/new; ls /root; touch /root/new");
        let seen = seen.await.unwrap();
        assert_eq!(seen.stdout_text(), "1\n", "{}", seen.stderr_text());
        assert_eq!(seen.stderr_text().lines().count(), 3, "{}", seen.stderr_text());
    }
}

//! Snapshots as bytes, and the layers of a root: what a VM starts with.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::vfs::{Filesystem, FsQuota, MemoryFs};
use agentos::{AgentOs, Errno, Error, Limits};
use std::sync::Arc;

async fn run(vm: &AgentOs, command: &str) -> String {
    let output = vm.exec(command).await.unwrap();
    assert_eq!(output.exit_code, 0, "{command}: {}", output.stderr_text());
    output.stdout_text()
}

async fn saved(vm: &AgentOs) -> Vec<u8> {
    vm.snapshot().await.unwrap().to_archive().unwrap().to_vec()
}

/// Names, kinds, modes, owners, sizes, links and times of everything, and what is in it.
const LIST: &str = "cd /home/user && find . | sort | while read -r f; do stat -c '%n %F %a %u %g %s %h %Y' \"$f\"; done; \
    find . -type f | sort | xargs cksum; readlink link; cat /tmp/far";

#[tokio::test]
async fn a_saved_snapshot_starts_a_vm_with_the_same_files() {
    let vm = AgentOs::create().await.unwrap();
    let content: Vec<u8> = (0..600_000_u32).map(|at| (at / 7) as u8).collect();
    vm.write_file("/home/user/large", &content).await.unwrap();
    vm.write_file_owned("/home/user/given", content.clone()).await.unwrap();
    run(
        &vm,
        "cd /home/user; mkdir -p a/b; echo text > a/b/file; ln a/b/file hard; ln -s a/b link; chmod 600 hard; mkfifo pipe; \
         mkdir private; chmod 700 private; touch -d @1000000000 a; echo far > /tmp/far; : > empty; \
         truncate -s 100000000 holes; printf x | dd of=holes bs=1 seek=5000000 conv=notrunc 2>/dev/null; \
         n=$(printf %0120d 7); mkdir $n; echo deep > $n/$n",
    )
    .await;
    let before = run(&vm, LIST).await;
    assert!(before.contains("100000000"), "{before}");
    let archive = saved(&vm).await;
    assert!(
        archive.len() < 2 << 20,
        "holes and packages are not in it: {}",
        archive.len()
    );
    let copy = AgentOs::builder().snapshot(archive.clone()).create().await.unwrap();
    assert_eq!(run(&copy, LIST).await, before);
    assert_eq!(copy.read_file("/home/user/given").await.unwrap(), content);
    let (paid, was) = (copy.usage().filesystem_bytes, vm.usage().filesystem_bytes);
    assert!(
        (was..was + 4096).contains(&paid),
        "it pays as much, but for whole pages beside holes: {was}, {paid}"
    );
    assert_eq!(saved(&copy).await, archive, "saved again it is the same");
}

#[tokio::test]
async fn what_was_removed_stays_removed() {
    let vm = AgentOs::create().await.unwrap();
    vm.write_file("/home/user/here", "1").await.unwrap();
    let first = saved(&vm).await;
    let vm = AgentOs::builder().snapshot(first).create().await.unwrap();
    vm.remove("/home/user/here").await.unwrap();
    run(&vm, "rm -rf /tmp/* /home/user/*").await;
    let archive = saved(&vm).await;
    let copy = AgentOs::builder().snapshot(archive).create().await.unwrap();
    assert!(!copy.exists("/home/user/here").await.unwrap());
}

#[tokio::test]
async fn limits_bind_what_a_snapshot_holds() {
    let vm = AgentOs::create().await.unwrap();
    vm.write_file("/home/user/large", vec![1; 1 << 20]).await.unwrap();
    let archive = saved(&vm).await;
    let mut limits = Limits::default();
    limits.max_filesystem_bytes = 1 << 19;
    let refused = AgentOs::builder()
        .limits(limits)
        .snapshot(archive.clone())
        .create()
        .await;
    assert_eq!(refused.unwrap_err().errno(), Some(Errno::ENOSPC));
    let mut limits = Limits::default();
    limits.max_inode_count = 3;
    run(&vm, "cd /home/user; touch a b c d e f g h").await;
    let refused = AgentOs::builder()
        .limits(limits)
        .snapshot(saved(&vm).await)
        .create()
        .await;
    assert_eq!(refused.unwrap_err().code(), "limit_exceeded");
}

/// A member of an archive with a right checksum.
fn member(path: &str, kind: u8, mode: u32, target: &str, data: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, format!("{mode:07o}").as_bytes());
    put(124, format!("{:011o}", data.len()).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(data);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = member("g", b'g', 0, "", b"22 AGENTOS.snapshot=1\n");
    bytes.extend(members.concat());
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[tokio::test]
async fn a_hostile_snapshot_is_refused_and_never_leaves_its_place() {
    let file = |path: &str| member(path, b'0', 0o644, "", b"x");
    let good = archive(&[file("home/user/x")]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("zeros", vec![0; 1024]),
        ("another tar file", member("a", b'0', 0o644, "", b"x")),
        ("a later version", member("g", b'g', 0, "", b"22 AGENTOS.snapshot=2\n")),
        ("one that ends early", good[..good.len() - 1024].to_vec()),
        ("..", archive(&[file("home/../etc/x")])),
        ("an absolute path", archive(&[file("/etc/x")])),
        ("an empty name", archive(&[file("home//x")])),
        ("a path through a file", archive(&[file("a"), file("a/b")])),
        (
            "a path through a link",
            archive(&[member("l", b'2', 0o777, "/etc", b""), file("l/x")]),
        ),
        ("a device", archive(&[member("d", b'4', 0o666, "", b"")])),
        (
            "a link to nothing",
            archive(&[member("h", b'1', 0o666, "no/such", b"")]),
        ),
        (
            "a link to a directory",
            archive(&[member("h", b'1', 0o666, "home", b"")]),
        ),
        (
            "a link into what it replaces",
            archive(&[file("t/f"), member("t", b'1', 0o666, "t/f", b"")]),
        ),
        ("no such kind", archive(&[member("k", b'7', 0o666, "", b"")])),
    ];
    for (what, bytes) in cases {
        let refused = AgentOs::builder().snapshot(bytes).create().await;
        let error = refused.err().unwrap_or_else(|| panic!("{what} was taken"));
        assert!(
            matches!(error, Error::InvalidOption { .. } | Error::File { .. }),
            "{what}: {error:?}"
        );
    }
    let set_id = member("home/user/s", b'0', 0o4755, "", b"x");
    let vm = AgentOs::builder()
        .snapshot(archive(&[set_id, file("home/user/x")]))
        .create()
        .await
        .unwrap();
    assert_eq!(run(&vm, "stat -c %a s; cat x").await, "755\nx");
}

#[tokio::test]
async fn every_cut_and_flipped_snapshot_is_an_error_or_a_vm() {
    let vm = AgentOs::create().await.unwrap();
    run(
        &vm,
        "cd /home/user; mkdir d; echo a > d/a; ln d/a h; ln -s d l; truncate -s 100000 t; echo x >> t",
    )
    .await;
    let archive = saved(&vm).await;
    for at in (0..archive.len()).step_by(397) {
        let cut = AgentOs::builder().snapshot(archive[..at].to_vec()).create().await;
        assert!(cut.is_err() || at > archive.len() - 1024);
        let mut flipped = archive.clone();
        flipped[at] ^= 0x10;
        drop(AgentOs::builder().snapshot(flipped).create().await);
    }
}

fn layer(name: &str, content: &str) -> Arc<dyn Filesystem> {
    use agentos::vfs::{FileType, Mode, NewNode, Uid};
    let quota: Arc<FsQuota> = agentos::quota(&Limits::default());
    let layer = MemoryFs::new(agentos::system_clock(), quota);
    let node = |kind| NewNode {
        kind,
        mode: Mode::new(0o755),
        uid: Uid::USER,
        gid: agentos::vfs::Gid::USER,
        rdev: 0,
    };
    let data = layer.mkdir(layer.root(), b"data", &node(FileType::Directory)).unwrap();
    let file = layer
        .create(data.ino, name.as_bytes(), &node(FileType::Regular))
        .unwrap();
    layer.write(file.ino, 0, content.as_bytes()).unwrap();
    layer
}

#[tokio::test]
async fn layers_show_through_and_are_never_written() {
    let (upper, lower) = (layer("same", "upper"), layer("same", "lower"));
    let other = layer("other", "other");
    let builder = AgentOs::builder().lower(upper.clone()).lower(lower).lower(other);
    let vm = builder.clone().create().await.unwrap();
    assert_eq!(
        run(&vm, "cat /data/same /data/other; ls /usr/bin/sort").await,
        "upperother/usr/bin/sort\n"
    );
    run(
        &vm,
        "echo changed > /data/same; rm /data/other && echo mine > /home/user/f",
    )
    .await;
    let fork = vm.fork().await.unwrap();
    run(&vm, "echo again > /data/same").await;
    assert_eq!(
        run(&fork, "cat /data/same /home/user/f; ls /data").await,
        "changed\nmine\nsame\n"
    );
    let fresh = builder.clone().create().await.unwrap();
    assert_eq!(run(&fresh, "cat /data/same /data/other").await, "upperother");
    let unsaved = vm.snapshot().await.unwrap().to_archive();
    assert!(unsaved.unwrap_err().to_string().contains("layers"));
    let both = builder.snapshot(Vec::new()).create().await;
    assert!(both.unwrap_err().to_string().contains("layers"));
}

#[tokio::test]
async fn a_read_only_root_lets_only_mounts_change() {
    let vm = AgentOs::builder()
        .lower(layer("same", "x"))
        .read_only_root(true)
        .mount(agentos::Mount::memory("/work/here"))
        .create()
        .await
        .unwrap();
    assert_eq!(
        run(&vm, "cat /data/same; echo a > /work/here/f; cat /work/here/f").await,
        "xa\n"
    );
    for command in [
        "echo x > /tmp/f",
        "echo x > /home/user/f",
        "rm /data/same",
        "mkdir /work/there",
        "chmod 600 /data/same",
    ] {
        let output = vm.exec(command).await.unwrap();
        assert_ne!(output.exit_code, 0, "{command}");
        assert!(
            output.stderr_text().contains("Read-only file system"),
            "{command}: {}",
            output.stderr_text()
        );
    }
    assert_eq!(vm.write_file("/home/user/f", "x").await.unwrap_err().code(), "EROFS");
    assert_eq!(run(&vm.fork().await.unwrap(), "cat /data/same").await, "x");
}

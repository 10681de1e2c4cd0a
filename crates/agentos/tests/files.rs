//! The file API in its corners: odd names, deep trees, foreign files, quotas, mounts that come and go.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::{AgentOs, EntryKind, Errno, Error, ListOptions, Mount};
use support::limited;

#[tokio::test]
async fn wrong_paths_are_named_before_anything_happens() {
    let vm = AgentOs::create().await.unwrap();
    for (path, message) in [
        ("a", "Path must be absolute: a"),
        ("", "Path must be absolute: "),
        ("/a/../b", "Path must be normalized: /a/../b"),
        ("/a//b", "Path must be normalized: /a//b"),
        ("/a/", "Path must be normalized: /a/"),
    ] {
        assert_eq!(vm.read_file(path).await.unwrap_err().to_string(), message);
        assert_eq!(vm.write_file(path, "").await.unwrap_err().to_string(), message);
        assert_eq!(vm.mkdir_all(path).await.unwrap_err().to_string(), message);
        assert_eq!(vm.rename("/tmp", path).await.unwrap_err().to_string(), message);
    }
    for path in ["/proc/x", "/etc/agentos/instructions.md"] {
        let error = vm.write_file(path, "x").await.unwrap_err();
        assert_eq!(error.to_string(), format!("EROFS: Path is read-only: {path}"));
    }
    let long = format!("/tmp/{}", "x".repeat(256));
    assert_eq!(
        vm.write_file(&long, "").await.unwrap_err().errno(),
        Some(Errno::ENAMETOOLONG)
    );
    assert_eq!(
        vm.write_file("/no/such/folder/f", "").await.unwrap_err().code(),
        "ENOENT"
    );
    assert_eq!(vm.read_file("/tmp").await.unwrap_err().code(), "EISDIR");
    assert_eq!(vm.read_dir("/etc/passwd").await.unwrap_err().code(), "ENOTDIR");
    assert_eq!(vm.write_file("/usr/bin/new", "").await.unwrap_err().code(), "EACCES");
    assert_eq!(vm.read_file("/root/x").await.unwrap_err().code(), "EACCES");
}

#[tokio::test]
async fn names_that_are_not_text_round_trip() {
    let vm = AgentOs::create().await.unwrap();
    let output = vm
        .exec(r"mkdir d && printf content > $'d/\xff-\xc3\xa9' && ls d | wc -l")
        .await
        .unwrap();
    assert_eq!(output.stdout_text().trim(), "1", "{}", output.stderr_text());
    let names = vm.read_dir("/home/user/d").await.unwrap();
    assert_eq!(names, ["\u{efff}-é"]);
    let path = format!("/home/user/d/{}", names[0]);
    assert_eq!(vm.read_text(&path).await.unwrap(), "content");
    let listed = vm
        .read_dir_recursive("/home/user", ListOptions::default())
        .await
        .unwrap();
    assert_eq!((listed[1].path.as_str(), listed[1].size), (path.as_str(), 7));
    vm.rename(&path, "/home/user/plain").await.unwrap();
    vm.rename("/home/user/plain", &path).await.unwrap();
    vm.remove_all("/home/user/d").await.unwrap();
}

#[tokio::test]
async fn a_tree_deeper_than_any_path_is_removed() {
    let vm = AgentOs::create().await.unwrap();
    let name = "x".repeat(200);
    let script = format!(
        "mkdir top; cd top; i=0; while [ $i -lt 60 ]; do mkdir {name}; cd {name}; echo $i > f; i=$((i+1)); done"
    );
    assert_eq!(vm.exec(script).await.unwrap().exit_code, 0);
    vm.remove_all("/home/user/top").await.unwrap();
    assert_eq!((vm.usage().inodes, vm.usage().filesystem_bytes), (0, 0));
}

#[tokio::test]
async fn replacing_is_atomic_and_keeps_what_belongs_to_the_file() {
    let vm = limited(&[("maxFilesystemBytes", 1 << 20)]).await;
    vm.exec("echo old > f; chmod 640 f; ln -s f link").await.unwrap();
    vm.write_file("/home/user/link", "new").await.unwrap();
    let stat = vm.stat("/home/user/f").await.unwrap();
    assert_eq!((stat.mode & 0o777, stat.size, stat.kind), (0o640, 3, EntryKind::File));
    assert_eq!(vm.read_link("/home/user/link").await.unwrap(), "f");
    assert_eq!(vm.lstat("/home/user/link").await.unwrap().kind, EntryKind::Symlink);
    // All or nothing at the quota.
    let error = vm.write_file("/home/user/f", vec![b'x'; 2 << 20]).await.unwrap_err();
    assert!(matches!(error, Error::Limit(_)), "{error}");
    let error = vm.append_file("/home/user/f", vec![b'x'; 2 << 20]).await.unwrap_err();
    assert!(matches!(error, Error::Limit(_)), "{error}");
    assert_eq!(vm.read_text("/home/user/f").await.unwrap(), "new");
    assert_eq!(vm.read_dir("/home/user").await.unwrap(), ["f", "link"]);
}

#[tokio::test]
async fn ranges_and_batches() {
    let vm = AgentOs::create().await.unwrap();
    vm.write_file("/tmp/f", "0123456789").await.unwrap();
    for (offset, length, part) in [(0, 4, "0123"), (8, 100, "89"), (10, 5, ""), (1 << 40, 5, "")] {
        assert_eq!(
            vm.read_file_range("/tmp/f", offset, length).await.unwrap(),
            part.as_bytes()
        );
    }
    let read = vm.read_files(["/tmp/f", "/tmp/missing"]).await;
    assert_eq!(read[0].content.as_ref().unwrap(), "0123456789");
    assert_eq!(read[1].content.as_ref().unwrap_err().code(), "ENOENT");
    // Generated files have content although their size is zero.
    assert!(vm.read_text("/proc/uptime").await.unwrap().contains('.'));
}

#[tokio::test]
async fn listings_go_as_deep_as_asked() {
    let vm = AgentOs::create().await.unwrap();
    vm.write_files(["/tmp/a/b/c/f", "/tmp/a/.git/x", "/tmp/z"].map(|path| (path, "xyz")))
        .await;
    vm.symlink("/tmp", "/tmp/a/up").await.unwrap();
    let paths = |listed: Vec<agentos::DirectoryEntry>| listed.into_iter().map(|e| e.path).collect::<Vec<_>>();
    let all = vm
        .read_dir_recursive("/tmp", ListOptions::default().exclude(".git"))
        .await
        .unwrap();
    assert_eq!(
        paths(all),
        [
            "/tmp/a",
            "/tmp/z",
            "/tmp/a/b",
            "/tmp/a/up",
            "/tmp/a/b/c",
            "/tmp/a/b/c/f"
        ]
    );
    let top = vm
        .read_dir_recursive("/tmp", ListOptions::default().max_depth(0))
        .await
        .unwrap();
    assert_eq!(paths(top), ["/tmp/a", "/tmp/z"]);
}

#[tokio::test]
async fn mounts_come_and_go() {
    let vm = AgentOs::create().await.unwrap();
    vm.mount(Mount::memory("/mnt/deep/scratch")).await.unwrap();
    let mounts = vm.list_mounts().await;
    assert!(
        mounts
            .iter()
            .any(|mount| mount.guest == "/mnt/deep/scratch" && !mount.read_only),
        "{mounts:?}"
    );
    let again = vm.mount(Mount::memory("/mnt/deep/scratch")).await.unwrap_err();
    assert!(again.to_string().contains("/mnt/deep/scratch"), "{again}");
    let mut held = vm
        .spawn("sh", ["-c", "cd /mnt/deep/scratch; echo in; read line"])
        .start()
        .await
        .unwrap();
    held.first_output().await.unwrap();
    assert_eq!(
        vm.unmount("/mnt/deep/scratch").await.unwrap_err().errno(),
        Some(Errno::EBUSY)
    );
    held.wait().await.unwrap();
    vm.unmount("/mnt/deep/scratch").await.unwrap();
    assert_eq!(
        vm.unmount("/mnt/deep/scratch").await.unwrap_err().errno(),
        Some(Errno::EINVAL)
    );
    for (mount, word) in [
        (Mount::memory("relative"), "absolute"),
        (Mount::memory("/"), "belongs to the VM"),
        (Mount::host_dir("/no/such/place", "/x"), "must exist"),
    ] {
        let error = vm.mount(mount).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.code(), "invalid_params");
    }
}

#[tokio::test]
async fn a_disposed_vm_says_so() {
    let vm = AgentOs::create().await.unwrap();
    vm.dispose().await;
    assert!(matches!(vm.read_file("/etc/passwd").await, Err(Error::Disposed)));
    assert!(matches!(vm.write_file("/tmp/x", "").await, Err(Error::Disposed)));
    assert!(matches!(vm.exec("true").await, Err(Error::Disposed)));
    assert!(matches!(vm.mount(Mount::memory("/x")).await, Err(Error::Disposed)));
}

#[tokio::test]
async fn large_content_is_shared_with_whoever_gave_and_reads_it_and_changed_by_nobody() {
    let vm = limited(&[("maxFilesystemBytes", 1 << 20)]).await;
    let content = bytes::Bytes::from((0..700_001_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    vm.write_file_shared("/tmp/f", content.clone()).await.unwrap();
    let read = vm.read_file("/tmp/f").await.unwrap();
    assert_eq!(read.as_ptr(), content.as_ptr(), "it is the same memory");
    assert_eq!(read.len(), content.len());
    assert_ne!(
        vm.read_file_range("/tmp/f", 0, 700_000).await.unwrap().as_ptr(),
        content.as_ptr(),
        "a part is copied"
    );
    // It is paid for like any other.
    assert!((700_001..703_000).contains(&vm.usage().filesystem_bytes));
    let error = vm.write_file_shared("/tmp/g", content.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Limit(_)), "{error}");
    assert!(!vm.exists("/tmp/g").await.unwrap());
    // Whatever is done to the file is done in other memory.
    for (change, size) in [
        (
            "printf XY | dd of=/tmp/f bs=1 seek=4095 conv=notrunc 2>/dev/null",
            700_001,
        ),
        ("printf Z >> /tmp/f", 700_002),
        ("truncate -s 5000 /tmp/f", 5000),
    ] {
        assert_eq!(vm.exec(change).await.unwrap().exit_code, 0, "{change}");
        let changed = vm.read_file("/tmp/f").await.unwrap();
        assert_eq!((changed.len(), &changed[4095..4097]), (size, &b"XY"[..]), "{change}");
        assert!((0..700_001).all(|at| read[at] == (at % 251) as u8), "{change}");
    }
    vm.remove("/tmp/f").await.unwrap();
    assert_eq!(read, content);
}

//! Images below the root of a VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::images::{Bounds, Cache, Format, Package, build};
use agentos::{AgentOs, Image, ImageSource, Limits, Tools};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tempfile::TempDir;

/// A directory with the layout of a small system.
fn system(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for path in ["usr/bin", "usr/share/doc", "usr/sbin", "etc", "opt/agentos"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    for link in [
        ("usr/bin", "bin"),
        ("usr/sbin", "sbin"),
        ("../../../../etc/passwd", "usr/share/up"),
    ] {
        symlink(link.0, root.join(link.1)).unwrap();
    }
    let script = format!("#!/opt/agentos/bin/sh\necho {name} \"$@\"\n");
    for tool in ["usr/bin/greet", "usr/bin/ls", &format!("usr/sbin/only-{name}")] {
        program(&root.join(tool), &script);
    }
    std::fs::write(root.join("usr/share/doc/text"), format!("of {name}\n")).unwrap();
    std::fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\napp:x:7:7::/:/bin/sh\n",
    )
    .unwrap();
    std::fs::write(root.join("etc/resolv.conf"), "nameserver 10.0.0.1\n").unwrap();
    std::fs::write(root.join("etc/os-release"), format!("ID={name}\n")).unwrap();
    dir
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

fn image(dir: &TempDir) -> Image {
    Image::open(&ImageSource::path(dir.path())).unwrap()
}

async fn says(vm: &AgentOs, command: &str) -> String {
    let output = vm.exec(command).await.unwrap();
    format!("{}{}", output.stdout_text(), output.stderr_text())
}

#[tokio::test]
async fn an_image_lies_over_the_base_and_below_what_the_vm_writes() {
    let (one, two) = (system("one"), system("two"));
    let vm = AgentOs::builder()
        .image(image(&one))
        .image(image(&two))
        .create()
        .await
        .unwrap();
    for (command, expected) in [
        // By name the bundled command, by path the image's, of several images the first one's.
        ("ls /usr/share/doc", "text\n"),
        ("/usr/bin/ls x", "one x\n"),
        ("/bin/greet", "one\n"),
        ("only-two", "two\n"),
        ("cat /usr/share/doc/text /etc/os-release", "of one\nID=one\n"),
        // What no image has.
        ("/usr/bin/basename /a/b", "b\n"),
        // What is the VM's own.
        ("cat /etc/resolv.conf", "nameserver 127.0.0.53\n"),
        (
            "tail -n 2 /etc/passwd",
            "app:x:7:7::/:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
        ),
        ("cat /usr/share/up | head -n 1", "root:x:0:0::/root:/bin/sh\n"),
        ("stat -c '%u %a' /usr/bin/greet", "0 755\n"),
        (
            "whoami; touch mine && echo written; echo x > /usr/bin/greet || echo kept",
            "user\nwritten\n",
        ),
    ] {
        let said = says(&vm, command).await;
        assert!(said.starts_with(expected), "{command}: {said}");
    }
    assert!(says(&vm, "echo x > /usr/bin/greet || echo kept").await.contains("kept"));
}

#[tokio::test]
async fn the_order_of_commands_is_the_operators() {
    let dir = system("one");
    let vm = AgentOs::builder()
        .image(image(&dir))
        .tools(Tools::Image)
        .create()
        .await
        .unwrap();
    assert_eq!(says(&vm, "ls y").await, "one y\n");
    assert_eq!(says(&vm, "basename /a/b").await, "b\n");
    let vm = AgentOs::builder()
        .image(image(&dir))
        .env("PATH", "/usr/sbin")
        .create()
        .await
        .unwrap();
    let output = vm.exec_argv(["only-one"]).await.unwrap();
    assert_eq!(output.stdout_text(), "one\n");
}

#[tokio::test]
async fn what_a_vm_changes_is_its_own_and_counted_there() {
    let dir = system("one");
    std::fs::write(dir.path().join("usr/share/big"), vec![7; 1 << 20]).unwrap();
    std::fs::set_permissions(dir.path().join("usr/share/big"), Permissions::from_mode(0o666)).unwrap();
    std::fs::set_permissions(dir.path().join("usr/share"), Permissions::from_mode(0o777)).unwrap();
    let image = image(&dir);
    let mut limits = Limits::default();
    limits.max_filesystem_bytes = 1 << 19;
    let small = AgentOs::builder().image(&image).limits(limits).create().await.unwrap();
    assert_eq!(small.usage().filesystem_bytes, 0);
    assert!(says(&small, "echo x >> /usr/share/big").await.contains("space"));
    assert_eq!(says(&small, "rm /usr/share/big && ls /usr/share").await, "doc\nup\n");
    let large = AgentOs::builder().image(&image).create().await.unwrap();
    assert_eq!(
        says(&large, "echo x >> /usr/share/big && wc -c < /usr/share/big")
            .await
            .trim(),
        "1048578"
    );
    assert!(large.usage().filesystem_bytes > 1 << 20);
    // A copy of the VM has what it wrote, and the original of the image is what it was.
    let copy = large.fork().await.unwrap();
    assert_eq!(says(&copy, "wc -c < /usr/share/big").await.trim(), "1048578");
    assert_eq!(
        std::fs::metadata(dir.path().join("usr/share/big")).unwrap().len(),
        1 << 20
    );
    let other = AgentOs::builder().image(&image).create().await.unwrap();
    assert_eq!(says(&other, "wc -c < /usr/share/big").await.trim(), "1048576");
}

#[tokio::test]
async fn this_hosts_programs_are_there_and_its_secrets_are_not() {
    let vm = AgentOs::builder().image("host").create().await.unwrap();
    assert_ne!(says(&vm, "ls /usr/lib | head -n 1").await, "");
    for path in [
        "/etc/shadow",
        "/root/.bashrc",
        "/home/root",
        "/var/lib/dpkg",
        "/run/lock",
    ] {
        assert!(!matches!(vm.as_host().exists(path).await, Ok(true)), "{path}");
    }
    assert_eq!(says(&vm, "cat /etc/hostname").await, "agent-os\n");
}

#[tokio::test]
async fn an_image_that_is_none_is_named() {
    for (text, named) in [
        ("/no/such/image", "/no/such/image"),
        ("/", "`host`"),
        ("", "names nothing"),
    ] {
        let error = AgentOs::builder().image(text).create().await.unwrap_err();
        assert_eq!(error.code(), "invalid_image");
        assert!(error.to_string().contains(named), "{error}");
    }
    let many = (0..65).fold(AgentOs::builder(), |builder, _| builder.image("host"));
    assert!(many.check().unwrap_err().to_string().contains("at most 64"));
}

/// An OCI layout of one layer with a program, as `agentos image build` has no use for.
fn layout(dir: &Path) {
    let folder = dir.join("package");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(
        folder.join("package.json"),
        r#"{"name": "hello", "version": "1.0.0", "bin": "cli.sh"}"#,
    )
    .unwrap();
    std::fs::write(
        folder.join("cli.sh"),
        "#!/opt/agentos/bin/sh\necho hello from \"$0\" \"$@\"\n",
    )
    .unwrap();
    let packed = std::process::Command::new("tar")
        .arg("-C")
        .arg(dir)
        .args(["-czf"])
        .arg(dir.join("hello.tgz"))
        .arg("package")
        .status();
    assert!(packed.unwrap().success());
    let cache = Cache::open(dir.join("cache")).unwrap();
    let package = Package::Npm(dir.join("hello.tgz"));
    build(&[package], Format::Oci, &dir.join("layout"), &cache, &Bounds::default()).unwrap();
}

#[tokio::test]
async fn an_image_of_packages_is_built_and_run() {
    let dir = tempfile::tempdir().unwrap();
    layout(dir.path());
    let source = ImageSource::path(dir.path().join("layout"));
    let cache = || Cache::open(dir.path().join("cache"));
    for _ in 0..2 {
        let image = Image::open_with(&source, &cache, &Bounds::default()).unwrap();
        let vm = AgentOs::builder().image(image).create().await.unwrap();
        assert_eq!(says(&vm, "hello you").await, "hello from /usr/local/bin/hello you\n");
        assert_eq!(
            says(&vm, "realpath /usr/local/bin/hello").await,
            "/usr/local/lib/node_modules/hello/cli.sh\n"
        );
        assert!(says(&vm, "echo x >> /usr/local/bin/hello").await.contains("denied"));
    }
}

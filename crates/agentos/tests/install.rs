//! Install scripts in a VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::InstallScripts;
use agentos::images::{Bounds, Cache};
use agentos::store::{Error, SCRIPT_USER, Script, ScriptJob, ScriptRunner};
use agentos_image::Image;
use agentos_image::assembly::Assembly;
use std::path::Path;
use std::time::Duration;

const HOME: &str = "/usr/local/lib/node_modules/app";

fn script(path: &str, event: &str, command: &str) -> Script {
    Script {
        name: match path {
            "" => "app".to_owned(),
            path => path.rsplit('/').next().unwrap().to_owned(),
        },
        version: "1.0.0".to_owned(),
        path: path.to_owned(),
        event: event.to_owned(),
        command: command.to_owned(),
    }
}

/// A tree with a package in a package, whose command the outer one finds.
fn tree(dir: &Path) -> (Cache, Image) {
    let cache = Cache::open(dir.join("cache")).unwrap();
    let mut assembly = Assembly::begin(&cache, &Bounds::default()).unwrap();
    let home = HOME.trim_start_matches('/');
    let files = [
        ("package.json", "{}"),
        ("node_modules/tool/cli.sh", "#!/bin/sh\necho \"tool $1\"\n"),
        ("old", "old"),
    ];
    for (path, content) in files {
        assembly
            .file(&format!("{home}/{path}"), 0o755, content.as_bytes())
            .unwrap();
    }
    assembly
        .symlink(&format!("{home}/node_modules/.bin/tool"), "../tool/cli.sh")
        .unwrap();
    assembly.own(home, SCRIPT_USER, SCRIPT_USER).unwrap();
    let layer = assembly.finish().unwrap();
    let image = Image::assembled("app", &[layer], &cache).unwrap();
    (cache, image)
}

fn run(image: &Image, scripts: &[Script], time: Duration) -> Result<Vec<u8>, Error> {
    let job = ScriptJob {
        image: image.clone(),
        home: HOME.to_owned(),
        scripts,
        time,
        node: &|| Ok(None),
        progress: &(),
    };
    let mut archive = Vec::new();
    InstallScripts::new().run(&job, &mut archive).map(|()| archive)
}

const LONG: Duration = Duration::from_secs(300);

#[tokio::test]
async fn scripts_change_the_tree_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, image) = tree(dir.path());
    let scripts = [
        script(
            "node_modules/tool",
            "install",
            "pwd > made && chmod 4755 made && id -u >> made",
        ),
        script(
            "",
            "postinstall",
            "tool build > built; echo $npm_lifecycle_event $npm_package_version >> built; rm old; ln built same; echo x > /home/user/away",
        ),
        script("", "postinstall", "echo \"${CARGO_MANIFEST_DIR:-none}\" >> built"),
    ];
    let archive = run(&image, &scripts, LONG).unwrap();
    let file = dir.path().join("made.tar");
    std::fs::write(&file, archive).unwrap();
    let mut assembly = Assembly::begin(&cache, &Bounds::default()).unwrap();
    assembly.made(&file, "usr/local/lib/node_modules").unwrap();
    let made = Image::assembled("app", &[assembly.finish().unwrap()], &cache).unwrap();
    let read = |path: &str| {
        made.read(&format!("{HOME}/{path}"), 1 << 10)
            .map(|text| String::from_utf8(text).unwrap())
    };
    assert_eq!(read("built").unwrap(), "tool build\npostinstall 1.0.0\nnone\n");
    assert_eq!(read("same"), read("built"));
    assert_eq!(
        read("node_modules/tool/made").unwrap(),
        format!("{HOME}/node_modules/tool\n1000\n")
    );
    assert_eq!(read("old"), None);
    assert_eq!(read("package.json").unwrap(), "{}");
    assert!(made.read("/home/user/away", 10).is_none());
}

#[tokio::test]
async fn scripts_reach_no_network_and_no_host() {
    let dir = tempfile::tempdir().unwrap();
    let (_cache, image) = tree(dir.path());
    let host = dir.path().join("host-file");
    std::fs::write(&host, "host").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let try_all = format!(
        "if nc -w 2 127.0.0.1 {port} </dev/null; then exit 7; fi; if curl -s -m 5 https://example.com; then exit 8; fi; \
         test ! -e '{}' || exit 9",
        host.display()
    );
    run(&image, &[script("", "install", &try_all)], LONG).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
}

#[tokio::test]
async fn scripts_that_fail_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let (_cache, image) = tree(dir.path());
    let failing = "seq 1 5000; echo 'no compiler here' >&2; exit 3";
    let error = run(&image, &[script("", "install", failing)], LONG).unwrap_err();
    assert_eq!(error.code(), "install_script_failed");
    let text = error.to_string();
    assert!(
        text.contains("install script of app@1.0.0 ended with code 3") && text.contains("no compiler here"),
        "{text}"
    );
    assert!(text.len() < 8000, "{} bytes", text.len());
    let error = run(
        &image,
        &[script("", "install", "sleep 1000")],
        Duration::from_millis(200),
    )
    .unwrap_err();
    assert!(
        error.code() == "limit_exceeded" && error.to_string().contains("201 exceed the limit of 200 ms (script_ms)"),
        "{error}"
    );
}

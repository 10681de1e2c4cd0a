use super::*;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const MODULE: &[u8] = b"\0asm\x01\0\0\0";

struct Place {
    dir: tempfile::TempDir,
    store: Store,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    Place { dir, store }
}

impl Place {
    fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn add(&self, spec: &str) -> Result<Package> {
        self.store.add(&spec.parse()?, &())
    }
}

#[test]
fn a_program_is_added_found_verified_and_removed() {
    let place = place();
    let path = place.file("hello.wasm", MODULE);
    let package = place.add(&format!("wasm:{path}")).unwrap();
    assert_eq!(
        (package.name(), package.commands()),
        ("hello", &["hello".to_owned()][..])
    );
    assert!(!package.is_native());
    let image = package.image().unwrap();
    assert_eq!(image.read("/usr/local/bin/hello", 100).unwrap(), MODULE);
    assert_eq!(place.store.get("hello").unwrap().spec(), package.spec());
    assert_eq!(place.store.get(&format!("wasm:{path}")).unwrap().spec(), package.spec());
    assert_eq!(place.store.list().unwrap().len(), 1);
    assert!(
        place
            .store
            .verify()
            .unwrap()
            .iter()
            .all(|found| found.problem.is_none())
    );
    assert!(matches!(place.store.remove("hello"), Err(Error::InUse { .. })));
    drop((image, package));
    place.store.remove("hello").unwrap();
    assert!(place.store.list().unwrap().is_empty());
    let layers = place.store.path().join("content/layers");
    assert_eq!(std::fs::read_dir(layers).unwrap().count(), 0);
    let error = place.store.get("hello").unwrap_err();
    assert_eq!(error.code(), "software_not_found");
}

#[test]
fn a_changed_file_is_another_version() {
    let place = place();
    let path = place.file("a.wasm", MODULE);
    let spec = format!("wasm:{path}");
    let first = place.add(&spec).unwrap();
    assert_eq!(place.add(&spec).unwrap().version(), first.version());
    std::fs::write(&path, [MODULE, &[0, 2, 1, b'x']].concat()).unwrap();
    let second = place.add(&spec).unwrap();
    assert_ne!(second.version(), first.version());
    assert_eq!(place.store.list().unwrap().len(), 1);
}

#[test]
fn an_archive_is_unpacked_and_hostile_ones_are_refused() {
    let place = place();
    let folder = place.dir.path().join("tree/usr/local/bin");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("greet"), "#!/bin/sh\necho hi\n").unwrap();
    let archive = place.dir.path().join("greet.tar.gz");
    let made = Command::new("tar")
        .args(["-C", place.dir.path().join("tree").to_str().unwrap(), "-czf"])
        .args([&archive, Path::new("usr")])
        .status();
    assert!(made.unwrap().success());
    let spec = format!("tar:{}", archive.display());
    let package = place.add(&spec).unwrap();
    assert_eq!(
        (package.name(), package.commands()),
        ("greet", &["greet".to_owned()][..])
    );
    let whole = std::fs::read(&archive).unwrap();
    let cut = place.file("cut.tar.gz", &whole[..whole.len() / 2]);
    let garbage = place.file("garbage.tar", b"no archive at all, but more than nothing".as_slice());
    for path in [cut, garbage] {
        assert!(place.add(&format!("tar:{path}")).is_err(), "{path}");
    }
    assert_eq!(place.store.list().unwrap().len(), 1);
    let work = place.store.path().join("content/work");
    assert_eq!(std::fs::read_dir(work).unwrap().count(), 0);
}

/// An archive of files, and of a manifest.
fn archive(place: &Place, name: &str, files: &[&str], manifest: &serde_json::Value) -> String {
    let tree = place.dir.path().join(format!("{name}-tree"));
    for file in files {
        let path = tree.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
    }
    std::fs::write(tree.join("agentos.json"), manifest.to_string()).unwrap();
    let path = place.dir.path().join(format!("{name}.tar"));
    let status = Command::new("tar")
        .arg("-cf")
        .args([&path, std::path::Path::new("-C"), &tree, std::path::Path::new(".")])
        .status();
    assert!(status.unwrap().success());
    format!("tar:{}", path.display())
}

#[test]
fn an_archive_may_say_more_of_itself() {
    let place = place();
    let manifest = serde_json::json!({
        "commands": { "mine": "opt/mine/run" },
        "agent": { "id": "mine", "command": ["mine", "--acp"], "env": { "A": "1" } },
        "env": { "MINE_HOME": "/opt/mine" },
        "permissions": { "full": ["mine"], "readOnly": "*" },
    });
    let spec = archive(&place, "mine", &["opt/mine/run", "usr/bin/look"], &manifest);
    let package = place.add(&spec).unwrap();
    assert_eq!(package.commands(), ["look", "mine"]);
    let agent = package.agent().unwrap();
    assert_eq!(
        (agent.id.as_str(), agent.command.join(" ").as_str()),
        ("mine", "mine --acp")
    );
    assert_eq!(package.env()["MINE_HOME"], "/opt/mine");
    let image = package.image().unwrap();
    assert_eq!(image.read("/opt/mine/run", 100).unwrap(), b"#!/bin/sh\n");
    assert_eq!(place.store.get("mine").unwrap().agent(), Some(agent));
}

#[test]
fn what_an_archive_says_wrongly_is_named() {
    let place = place();
    let refused = |name: &str, manifest: serde_json::Value, says: &str| {
        let spec = archive(&place, name, &["opt/run", "usr/local/bin/there"], &manifest);
        let error = place.add(&spec).unwrap_err();
        assert_eq!(error.code(), "invalid_software");
        assert!(error.to_string().contains(says), "{error}");
    };
    use serde_json::json;
    refused("a", json!([]), "agentos must be an object");
    refused("b", json!({ "agents": {} }), "agentos.agents is unknown");
    refused(
        "c",
        json!({ "agent": { "id": "x" } }),
        "agentos.agent.command is missing",
    );
    refused(
        "d",
        json!({ "commands": { "x": "opt/none" } }),
        "agentos.commands.x is the file \"opt/none\", which is not there",
    );
    refused(
        "e",
        json!({ "commands": { "x": "../opt/run" } }),
        "must be a file of the package",
    );
    refused(
        "f",
        json!({ "commands": { "there": "opt/run" } }),
        "there is another of this name",
    );
    refused(
        "g",
        json!({ "permissions": { "readOnly": ["nothing"] } }),
        "\"nothing\", which is no command",
    );
    // A link would be run without the restriction.
    let tree = place.dir.path().join("h-tree/usr/bin");
    std::fs::create_dir_all(&tree).unwrap();
    std::os::unix::fs::symlink("/bin/sh", tree.join("shell")).unwrap();
    refused(
        "h",
        json!({ "permissions": { "isolated": ["shell"] } }),
        "restricts /usr/bin/shell, which is no regular file",
    );
    let text = place.file("i.json", b"{");
    let path = place.dir.path().join("i.tar");
    let made = Command::new("tar")
        .arg("-cf")
        .arg(&path)
        .args(["--transform", "s,.*,agentos.json,", "-P", &text])
        .status();
    assert!(made.unwrap().success());
    let error = place.add(&format!("tar:{}", path.display())).unwrap_err();
    assert!(error.to_string().contains("its agentos.json is no JSON"), "{error}");
}

#[test]
fn what_is_no_program_is_refused_by_name() {
    let place = place();
    let text = place.file("text.wasm", b"hello");
    let component = place.file("component.wasm", b"\0asm\x0d\0\x01\0");
    let odd = place.file("a b.wasm", MODULE);
    let missing = place.dir.path().join("no.wasm").display().to_string();
    let folder = place.dir.path().join("folder.wasm");
    std::fs::create_dir(&folder).unwrap();
    let folder = folder.display().to_string();
    for (path, named) in [
        (text, "no module"),
        (component, "no module"),
        (odd, "cannot be a command"),
        (missing, "No such file"),
        (folder, "no regular file"),
    ] {
        let error = place.add(&format!("wasm:{path}")).unwrap_err();
        assert_eq!(error.code(), "invalid_software");
        assert!(error.to_string().contains(named), "{error}");
    }
    let small = place.store.clone().with_bounds(Bounds {
        program: 4,
        ..Bounds::default()
    });
    let path = place.file("big.wasm", MODULE);
    let error = small.add(&format!("wasm:{path}").parse().unwrap(), &()).unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Limit {
                observed: 8,
                capacity: 4,
                field: "program",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn damage_is_found() {
    let place = place();
    let spec = format!("wasm:{}", place.file("a.wasm", MODULE));
    let package = place.add(&spec).unwrap();
    let file = format!("content/layers/{}/files/00/0", package.layers()[0]);
    let file = place.store.path().join(file);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, b"\0asm\x01\0\0\x01").unwrap();
    let verified = place.store.verify().unwrap();
    let problem = verified[0].problem.as_ref().unwrap();
    assert!(problem.to_string().contains("remove it and add it again"), "{problem}");
    place.store.remove("a").unwrap();
    place.add(&spec).unwrap();
    assert!(place.store.verify().unwrap()[0].problem.is_none());
}

#[test]
fn a_damaged_record_hides_nothing_else() {
    let place = place();
    let a = format!("wasm:{}", place.file("a.wasm", MODULE));
    let b = format!("wasm:{}", place.file("b.wasm", &[MODULE, &[0, 2, 1, b'x']].concat()));
    place.add(&a).unwrap();
    let package = place.add(&b).unwrap();
    std::fs::write(place.store.disk.record_path(package.spec()), "{").unwrap();
    assert_eq!(place.store.list().unwrap().len(), 1);
    let verified = place.store.verify().unwrap();
    assert_eq!(verified.iter().filter(|found| found.problem.is_some()).count(), 1);
    place.add(&b).unwrap();
    assert_eq!(place.store.list().unwrap().len(), 2);
}

#[test]
fn drafts_of_processes_that_died_are_removed() {
    let place = place();
    let draft = place.store.path().join("packages/.draft-1-x");
    std::fs::write(&draft, "{").unwrap();
    place.add(&format!("wasm:{}", place.file("a.wasm", MODULE))).unwrap();
    assert!(!draft.exists());
}

#[test]
fn a_store_that_others_may_write_to_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Store::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("nobody else"), "{error}");
}

#[test]
fn near_names_are_suggested() {
    let place = place();
    place
        .add(&format!("wasm:{}", place.file("hello.wasm", MODULE)))
        .unwrap();
    let error = place.store.get("helo").unwrap_err().to_string();
    assert!(error.contains("did you mean hello?"), "{error}");
    assert!(place.store.get("common").unwrap().is_bundled());
    assert!(place.store.remove("common").is_err());
}

/// By hand: `AGENTOS_TEST_SPECS='pi npm:cowsay' cargo test -p agentos-software --lib real_registry -- --ignored --nocapture`.
#[test]
#[ignore = "downloads from the registry of npm, and from sources of Debian"]
#[allow(clippy::print_stdout, reason = "whoever runs it by hand reads what it did")]
fn software_of_the_real_registry_is_added() {
    let place = place();
    let store = match std::env::var_os("AGENTOS_TEST_STORE") {
        Some(path) => Store::open(path).unwrap(),
        None => place.store.clone(),
    };
    let specs = std::env::var("AGENTOS_TEST_SPECS").unwrap_or_else(|_| "node pi claude codex opencode".to_owned());
    for spec in specs.split_whitespace() {
        let start = std::time::Instant::now();
        let told = |step: &Step<'_>| match step {
            Step::Warning(text) => println!("{spec}: {text}"),
            Step::Downloads { files } => println!("{spec}: {files} archives after {:?}", start.elapsed()),
            Step::Unpacking { name, done: 0, total } => {
                println!("{spec}: {name} of {total} after {:?}", start.elapsed());
            }
            _ => {}
        };
        let package = store.add(&spec.parse().unwrap(), &told).unwrap();
        println!(
            "{spec}: {} {:?} after {:?}",
            package.version(),
            package.commands(),
            start.elapsed()
        );
        assert!(!package.commands().is_empty(), "{spec}");
    }
}

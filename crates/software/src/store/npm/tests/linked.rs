//! Linked software: what is made of it, and what becomes of it when that fails, is old, or goes.

use super::super::super::{ScriptJob, ScriptRunner};
use super::*;

/// Links nothing: puts files where they would be, and notes what it was asked for.
#[derive(Default)]
struct Linker {
    jobs: Mutex<Vec<String>>,
    /// What it does not make.
    lacks: Option<&'static str>,
    fails: bool,
}

impl ScriptRunner for Linker {
    fn run(&self, job: &ScriptJob<'_>, archive: &mut (dyn Write + Send)) -> Result<(), Error> {
        let read = |path: &str| job.image.read(path, 1 << 20);
        let plan = read("/usr/local/lib/agentos/link/plan.json").unwrap();
        let plan: Value = serde_json::from_slice(&plan).unwrap();
        self.jobs.lock().unwrap().push(plan.to_string());
        assert!(read("/usr/local/lib/agentos/link/link.mjs").is_some());
        assert!(read("/usr/local/lib/node_modules/esbuild/package.json").is_some());
        let steps: Vec<&str> = job.scripts.iter().map(|step| step.event.as_str()).collect();
        assert_eq!(steps, ["link", "warm"]);
        if self.fails {
            return Err(Error::Script {
                package: "pi".to_owned(),
                event: "link".to_owned(),
                reason: "ended with code 1".to_owned(),
            });
        }
        let tree = tempfile::tempdir().unwrap();
        let home = tree.path().join(job.home.rsplit('/').next().unwrap());
        let put = |path: &str, content: &[u8]| {
            let path = home.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        for command in plan["commands"].as_array().unwrap() {
            let out = command["out"].as_str().unwrap().strip_prefix(&job.home).unwrap();
            for name in command["entries"].as_object().unwrap().keys() {
                let path = format!("{}/{name}.js", out.trim_start_matches('/'));
                if self.lacks != Some(&path) {
                    put(&path, b"linked");
                }
            }
        }
        for name in ["package.json", "bin/pi.js", "bin/pi-acp.js"] {
            put(name, &read(&format!("{}/{name}", job.home)).unwrap());
        }
        let made = tree.path().join("made.tar");
        let tar = Command::new("tar")
            .arg("-cf")
            .arg(&made)
            .arg("-C")
            .arg(tree.path())
            .arg("pi")
            .status();
        assert!(tar.unwrap().success());
        archive.write_all(&std::fs::read(made).unwrap()).unwrap();
        Ok(())
    }
}

/// A registry with what is called as Pi and its adapter are, and with what links.
fn registry() -> Registry {
    let registry = Registry::new();
    registry.publish("@mariozechner/pi-coding-agent", "0.73.1", json!({}));
    registry.publish("pi-acp", "0.0.24", json!({}));
    registry.publish("esbuild", "0.28.2", json!({}));
    registry
}

/// Adds Pi to a store; the warnings, too.
fn add_to(store: &Store) -> (Package, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let tell = |step: &Step<'_>| {
        if let Step::Warning(text) = step {
            told.lock().unwrap().push((*text).to_owned());
        }
    };
    let package = store.add(&"pi".parse().unwrap(), &tell).unwrap();
    (package, told.into_inner().unwrap())
}

/// The same by a linker.
fn add(registry: &Registry, linker: &Arc<Linker>) -> (Package, Vec<String>) {
    let linker = Arc::clone(linker) as Arc<dyn ScriptRunner>;
    add_to(&registry.store.clone().with_linker(linker))
}

/// What a command is a link to.
fn command(package: &Package, name: &str) -> String {
    let fs = package.image().unwrap().filesystem();
    let mut at = fs.root();
    for name in ["usr", "local", "bin", name] {
        at = fs.lookup(at, name.as_bytes()).unwrap().ino;
    }
    String::from_utf8(fs.readlink(at).unwrap()).unwrap()
}

fn layers_on_disk(registry: &Registry) -> usize {
    let layers = registry.store.path().join("content/layers");
    std::fs::read_dir(layers).unwrap().count()
}

const SCRIPT: &str = "/usr/local/lib/agentos/linked/pi/bin/pi.js";

#[test]
fn what_is_linked_lies_on_top_of_what_npm_brought() {
    let registry = registry();
    let linker = Arc::new(Linker::default());
    let (package, told) = add(&registry, &linker);
    assert_eq!(told, [""; 0]);
    assert_eq!(package.layers().len(), 3);
    // Nothing of what linked it stays.
    assert_eq!(layers_on_disk(&registry), 3);
    let image = package.image().unwrap();
    let text = |path: &str| String::from_utf8(image.read(path, 1 << 20).unwrap()).unwrap();
    assert_eq!(command(&package, "pi"), "../lib/agentos/linked/pi/bin/pi.js");
    let script = text(SCRIPT);
    assert!(
        script.starts_with("#!/usr/bin/env node\n") && script.contains("'../lib/pi/run.js'"),
        "{script}"
    );
    let unlinked = "'file:///usr/local/lib/node_modules/@mariozechner/pi-coding-agent/dist/cli.js'";
    assert!(script.contains(unlinked), "{script}");
    assert_eq!(command(&package, "pi-acp"), "../lib/agentos/linked/pi/bin/pi-acp.js");
    let plan = linker.jobs.lock().unwrap().first().cloned().unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let compiler = json!({ "from": "jiti", "functions": ["createJiti"] });
    assert_eq!(plan["commands"][0]["later"]["jiti/static"], compiler, "{plan}");
    assert_eq!(plan["commands"][1]["later"], json!({}), "{plan}");
    // The original is there.
    assert!(version(&package, "@mariozechner/pi-coding-agent").is_some());
    // Once is enough.
    let before = registry.questions();
    assert_eq!(add(&registry, &linker).0.layers(), package.layers());
    assert_eq!((linker.jobs.lock().unwrap().len(), registry.questions()), (1, before));
}

#[test]
fn software_that_cannot_be_linked_is_as_it_was_and_says_so_once() {
    for (linker, why) in [
        (
            Linker {
                fails: true,
                ..Linker::default()
            },
            "ended with code 1",
        ),
        (
            Linker {
                lacks: Some("lib/pi-acp/modules.js"),
                ..Linker::default()
            },
            "has made no usr/local/lib/agentos/linked/pi/lib/pi-acp/modules.js",
        ),
    ] {
        let registry = registry();
        let linker = Arc::new(linker);
        let (package, told) = add(&registry, &linker);
        assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
        assert_eq!(package.layers().len(), 2);
        assert_eq!(layers_on_disk(&registry), 2);
        assert!(command(&package, "pi-coding-agent").ends_with("pi-coding-agent/cli.sh"));
        assert_eq!(add(&registry, &linker).1, [""; 0]);
        assert_eq!(linker.jobs.lock().unwrap().len(), 1);
    }
}

#[test]
fn software_that_was_added_without_is_linked_when_it_is_added_with() {
    let registry = registry();
    assert_eq!(registry.add("pi").unwrap().layers().len(), 2);
    let (package, told) = add(&registry, &Arc::new(Linker::default()));
    assert_eq!((package.layers().len(), told.len()), (3, 0));
    // Without a linker it is what it is.
    assert_eq!(registry.add("pi").unwrap().layers(), package.layers());
}

#[test]
fn what_was_linked_is_verified_and_removed_with_its_package() {
    let registry = registry();
    let (package, _) = add(&registry, &Arc::new(Linker::default()));
    let [.., layer] = package.layers() else { panic!() };
    let layer = layer.clone();
    assert_eq!(package.layers().len(), 3);
    assert!(registry.store.verify().unwrap().iter().all(|one| one.problem.is_none()));
    let folder = registry.store.path().join("content/layers").join(&layer);
    let index = std::fs::read_dir(&folder).unwrap().flatten().map(|file| file.path());
    let digests = index.into_iter().find(|path| path.ends_with("digests")).unwrap();
    let kept = std::fs::read(&digests).unwrap();
    let mut changed = kept.clone();
    changed[0] ^= 1;
    std::fs::write(&digests, &changed).unwrap();
    let found = registry.store.verify().unwrap();
    assert!(matches!(found[0].problem, Some(Error::Damaged { .. })), "{found:?}");
    std::fs::write(&digests, &kept).unwrap();
    drop(package);
    registry.store.remove("pi").unwrap();
    assert!(!folder.exists());
    let left = std::fs::read_dir(registry.store.path().join("packages")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn what_another_version_has_written_down_is_made_anew_of_what_is_there() {
    let registry = registry();
    let before = registry.add("pi").unwrap();
    let path = std::fs::read_dir(registry.store.path().join("packages"))
        .unwrap()
        .flatten();
    let path = path
        .map(|file| file.path())
        .find(|path| path.extension().is_some_and(|end| end == "json"));
    let path = path.unwrap();
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record["commands"] = json!(["an-old-name"]);
    record.as_object_mut().unwrap().remove("recipe");
    let write = || std::fs::write(&path, record.to_string()).unwrap();
    write();
    assert_eq!(registry.store.get("pi").unwrap().commands(), ["an-old-name"]);
    let questions = registry.questions();
    let after = registry.add("pi").unwrap();
    assert_eq!((after.commands(), after.layers()), (before.commands(), before.layers()));
    assert_eq!(registry.questions(), questions);
    assert_eq!(registry.add("pi").unwrap().commands(), before.commands());
    // What cannot be made anew is what it was.
    write();
    let downloads = registry.store.path().join("downloads");
    std::fs::remove_dir_all(&downloads).unwrap();
    std::fs::create_dir(&downloads).unwrap();
    registry.answers.lock().unwrap().clear();
    let (kept, told) = add_to(&registry.store);
    assert_eq!(kept.commands(), ["an-old-name"]);
    assert!(
        told.len() == 1 && told[0].contains("pi stays as it was added before"),
        "{told:?}"
    );
}

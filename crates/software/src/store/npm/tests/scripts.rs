//! Install scripts: which are run, by whom, and what comes of them.

use super::super::super::{SCRIPT_USER, Script, ScriptJob, ScriptRunner};
use super::*;

/// Runs nothing: notes what it was asked for, and gives back the tree with a file more, as a VM would.
#[derive(Default)]
struct Notes {
    jobs: Mutex<Vec<Vec<Script>>>,
    fails: bool,
    floods: bool,
}

impl ScriptRunner for Notes {
    fn run(&self, job: &ScriptJob<'_>, archive: &mut (dyn Write + Send)) -> Result<(), Error> {
        self.jobs.lock().unwrap().push(job.scripts.to_vec());
        assert_eq!(job.time.as_millis(), 600_000);
        if self.fails {
            return Err(Error::Script {
                package: "native@1.0.0".to_owned(),
                event: "install".to_owned(),
                reason: "ended with code 1".to_owned(),
            });
        }
        if self.floods {
            return archive.write_all(&vec![0; 1 << 20]).map_err(|error| Error::Host {
                path: "archive".into(),
                error,
            });
        }
        let manifest = job.image.read(&format!("{}/package.json", job.home), 1 << 20).unwrap();
        let tree = tempfile::tempdir().unwrap();
        let name = job.home.rsplit('/').next().unwrap();
        let home = tree.path().join(name);
        std::fs::create_dir_all(home.join("node_modules/native")).unwrap();
        std::fs::write(home.join("package.json"), manifest).unwrap();
        std::fs::write(home.join("cli.sh"), "#!/bin/sh\necho built\n").unwrap();
        std::fs::write(home.join("node_modules/native/built"), "built").unwrap();
        let made = tree.path().join("made.tar");
        let tar = Command::new("tar")
            .arg("-cf")
            .arg(&made)
            .arg("-C")
            .arg(tree.path())
            .arg(name)
            .status();
        assert!(tar.unwrap().success());
        archive.write_all(&std::fs::read(made).unwrap()).unwrap();
        Ok(())
    }
}

/// A registry with `app`, which needs `native` and `deep` in it, which have scripts.
fn registry() -> Registry {
    let registry = Registry::new();
    let publish = |name: &str, manifest: Value, more: &[(&str, &str)], says: Value| {
        let text = manifest.to_string();
        let files: Vec<(&str, &str)> = [("package.json", text.as_str()), ("cli.sh", "#!/bin/sh\n")]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        registry.publish_archive(name, "1.0.0", &registry.archive(&files), says);
    };
    publish(
        "app",
        json!({"name": "app", "version": "1.0.0", "bin": "cli.sh", "scripts": {"postinstall": "echo done", "test": "x"}}),
        &[],
        json!({"dependencies": {"native": "1", "tool": "1"}}),
    );
    publish(
        "native",
        json!({"name": "native", "version": "1.0.0", "scripts": {"install": "tool build", "preinstall": "tool check"}}),
        &[],
        json!({}),
    );
    publish(
        "tool",
        json!({"name": "tool", "version": "1.0.0", "bin": {"tool": "cli.sh"}}),
        &[("binding.gyp", "{}")],
        json!({}),
    );
    registry
}

/// The warnings of adding `spec`, and what came of it.
fn add(store: &Store, spec: &str) -> (Result<Package, Error>, Vec<String>) {
    let told = Mutex::new(Vec::new());
    let tell = |step: &Step<'_>| {
        if let Step::Warning(text) = step {
            told.lock().unwrap().push((*text).to_owned());
        }
    };
    let added = store.add(&spec.parse().unwrap(), &tell);
    (added, told.into_inner().unwrap())
}

fn lock_of(store: &Store) -> String {
    let folder = std::fs::read_dir(store.path().join("packages")).unwrap();
    let mut locks = folder
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|end| end == "lock"));
    std::fs::read_to_string(locks.next().unwrap().path()).unwrap()
}

#[test]
fn scripts_that_nobody_allowed_are_told_of_and_not_run() {
    let registry = registry();
    let (added, told) = add(&registry.store, "npm:app");
    assert!(added.unwrap().scripts().is_empty());
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("install scripts of app,native,tool were not run")
            && told[0].contains("--allow-scripts app,native,tool"),
        "{told:?}"
    );
    assert!(!lock_of(&registry.store).contains("\"scripts\""));
}

#[test]
fn scripts_of_named_packages_make_the_layer_and_are_recorded() {
    let registry = registry();
    let before = add(&registry.store, "npm:app").0.unwrap();
    let runner = Arc::new(Notes::default());
    let store = registry.store.clone().with_scripts(["native", "app"], runner.clone());
    let (added, told) = add(&store, "npm:app");
    let package = added.unwrap();
    assert!(
        told.len() == 1 && told[0].contains("install scripts of tool were not run"),
        "{told:?}"
    );
    let jobs = runner.jobs.lock().unwrap().clone();
    let ran: Vec<String> = jobs[0]
        .iter()
        .map(|script| format!("{} {} {}", script.event, script.name, script.command))
        .collect();
    assert_eq!(
        ran,
        [
            "preinstall native tool check",
            "install native tool build",
            "postinstall app echo done"
        ]
    );
    assert_eq!(jobs[0][0].path, "node_modules/native");
    assert_eq!(package.scripts(), ["app", "native"]);
    let image = package.image().unwrap();
    let home = "/usr/local/lib/node_modules/app";
    assert_eq!(
        image.read(&format!("{home}/node_modules/native/built"), 100).unwrap(),
        b"built"
    );
    assert!(
        image.read(&format!("{home}/node_modules/tool/cli.sh"), 100).is_none(),
        "it is what the scripts left"
    );
    assert_ne!(package.layers(), before.layers());
    let lock = lock_of(&store);
    assert!(
        lock.contains("\"postinstall\"") && lock.contains("\"tool build\""),
        "{lock}"
    );
    // It is there now; and nothing is left of the layer that the scripts ran over.
    assert!(add(&store, "npm:app").0.is_ok() && add(&registry.store, "npm:app").1.is_empty());
    assert_eq!(runner.jobs.lock().unwrap().len(), 1);
    let layers = std::fs::read_dir(store.path().join("content/layers")).unwrap().count();
    assert_eq!(layers, 2, "before and after");
    // Made again of its lock file, it needs the same scripts.
    let error = registry.refused_again("npm:app");
    assert!(error.contains("add it with --allow-scripts app,native"), "{error}");
    let without = registry.store.update(&"npm:app".parse().unwrap(), &()).unwrap();
    assert!(without.scripts().is_empty() && without.layers() == before.layers());
}

#[test]
fn what_cannot_be_allowed_or_fails_leaves_nothing() {
    let registry = registry();
    let runner = |fails: bool, floods: bool| {
        Arc::new(Notes {
            fails,
            floods,
            ..Notes::default()
        })
    };
    let refused = |names: &[&str], runner: Arc<Notes>, bounds: Bounds| {
        let store = registry
            .store
            .clone()
            .with_bounds(bounds)
            .with_scripts(names.iter().copied(), runner);
        let error = add(&store, "npm:app").0.unwrap_err();
        assert!(store.list().unwrap().is_empty(), "{error}");
        let drafts = std::fs::read_dir(store.path().join("downloads")).unwrap().flatten();
        let drafts = drafts
            .filter(|file| file.file_name().to_string_lossy().starts_with('.'))
            .count();
        assert_eq!(drafts, 0, "{error}");
        error
    };
    let plain = Bounds::default();
    let error = refused(&["nativ"], runner(false, false), plain).to_string();
    assert!(
        error.contains("no package \"nativ\"") && error.contains("did you mean native?"),
        "{error}"
    );
    let error = refused(&["native"], runner(true, false), plain);
    assert_eq!(error.code(), "install_script_failed");
    assert_eq!(
        error.to_string(),
        "software: the install script of native@1.0.0 ended with code 1"
    );
    let small = Bounds {
        unpacked: 1 << 19,
        ..plain
    };
    let error = refused(&["native"], runner(false, true), small);
    assert!(
        error.code() == "limit_exceeded" && error.to_string().contains("(unpacked)"),
        "{error}"
    );
    assert_eq!(SCRIPT_USER, 1000);
}

#[test]
fn a_name_without_scripts_is_told_of() {
    let registry = Registry::new();
    registry.publish("plain", "1.0.0", json!({}));
    let store = registry
        .store
        .clone()
        .with_scripts(["plain"], Arc::new(Notes::default()));
    let error = add(&store, "npm:plain").0.unwrap_err().to_string();
    assert!(error.contains("plain has no install script"), "{error}");
}

impl Registry {
    /// What adding something fails with whose record is gone and whose lock file is not.
    fn refused_again(&self, spec: &str) -> String {
        let folder = std::fs::read_dir(self.store.path().join("packages")).unwrap();
        for file in folder
            .flatten()
            .filter(|file| file.path().extension().is_some_and(|end| end == "json"))
        {
            std::fs::remove_file(file.path()).unwrap();
        }
        self.add(spec).unwrap_err().to_string()
    }
}

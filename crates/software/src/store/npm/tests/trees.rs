//! Packages that are in order.

use super::*;

#[test]
fn a_package_comes_with_everything_that_it_needs() {
    let registry = Registry::new();
    registry.publish("x", "1.0.0", json!({}));
    registry.publish("x", "2.0.0", json!({}));
    registry.publish("@s/a", "1.0.0", json!({ "dependencies": { "x": "^1", "b": "*" } }));
    registry.publish("b", "1.0.0", json!({ "dependencies": { "@s/a": "1", "x": "2.0.0" } }));
    let needs = json!({ "dependencies": { "@s/a": "^1.0", "x": "2", "other": "npm:x@1" } });
    registry.publish("@s/root", "3.1.4", needs);
    let package = registry.add("npm:@s/root").unwrap();
    assert_eq!((package.name(), package.version()), ("@s/root", "3.1.4"));
    assert_eq!(package.commands(), ["root"]);
    assert!(!package.is_native() && package.runtimes().unwrap().is_empty());
    let seen = |path: &str| version(&package, path);
    assert_eq!(seen("@s/root").unwrap(), "3.1.4");
    let below = |path: &str| seen(&format!("@s/root/node_modules/{path}"));
    assert_eq!(below("x").unwrap(), "2.0.0");
    assert_eq!(below("@s/a").unwrap(), "1.0.0");
    assert_eq!(below("@s/a/node_modules/x").unwrap(), "1.0.0");
    assert_eq!(below("b").unwrap(), "1.0.0");
    assert_eq!(below("b/node_modules/x"), None);
    assert_eq!(below("other").unwrap(), "1.0.0");
    let image = package.image().unwrap();
    let script = image.read("/usr/local/lib/node_modules/@s/root/cli.sh", 100).unwrap();
    assert_eq!(script, b"#!/bin/sh\necho @s/root 3.1.4\n");
}

#[test]
fn peers_are_installed_and_what_is_optional_may_be_missing() {
    let registry = Registry::new();
    registry.publish("peer", "1.0.0", json!({}));
    registry.publish("peer", "2.0.0", json!({}));
    let peers = json!({
        "peerDependencies": { "peer": "^1", "maybe": "*" },
        "peerDependenciesMeta": { "maybe": { "optional": true } },
    });
    registry.publish("plugin", "1.0.0", peers);
    registry.publish("mac", "1.0.0", json!({ "os": ["darwin"] }));
    registry.publish("musl", "1.0.0", json!({ "libc": ["musl"] }));
    registry.publish("broken", "1.0.0", json!({ "dependencies": { "gone": "1" } }));
    let needs = json!({
        "dependencies": { "plugin": "1", "mac": "1" },
        "optionalDependencies": { "mac": "1", "musl": "1", "gone": "1", "broken": "1" },
    });
    registry.publish("root", "1.0.0", needs);
    let package = registry.add("npm:root@1").unwrap();
    let below = |path: &str| version(&package, &format!("root/node_modules/{path}"));
    assert_eq!(below("peer").unwrap(), "1.0.0");
    assert_eq!(below("plugin").unwrap(), "1.0.0");
    for name in ["maybe", "mac", "musl", "gone", "plugin/node_modules/peer"] {
        assert_eq!(below(name), None, "{name}");
    }
}

#[test]
fn a_peer_that_does_not_fit_is_told_of() {
    let registry = Registry::new();
    registry.publish("peer", "2.0.0", json!({}));
    registry.publish("plugin", "1.0.0", json!({ "peerDependencies": { "peer": "^1" } }));
    registry.publish(
        "root",
        "1.0.0",
        json!({ "dependencies": { "plugin": "1", "peer": "2" } }),
    );
    let told = Mutex::new(Vec::new());
    let progress = |step: &Step<'_>| {
        if let Step::Warning(text) = step {
            told.lock().unwrap().push((*text).to_owned());
        }
    };
    registry.store.add(&"npm:root".parse().unwrap(), &progress).unwrap();
    let told = told.into_inner().unwrap();
    assert!(
        told.iter()
            .any(|text| text.contains("peer@^1") && text.contains("2.0.0")),
        "{told:?}"
    );
}

#[test]
fn what_an_archive_bundles_is_not_asked_for() {
    let registry = Registry::new();
    let manifest = json!({ "name": "root", "version": "1.0.0" }).to_string();
    let inner = json!({ "name": "inner", "version": "9.9.9" }).to_string();
    let archive = registry.archive(&[("package.json", &manifest), ("node_modules/inner/package.json", &inner)]);
    let says = json!({ "dependencies": { "inner": "1" }, "bundleDependencies": ["inner"] });
    registry.publish_archive("root", "1.0.0", &archive, says);
    let package = registry.add("npm:root").unwrap();
    assert_eq!(version(&package, "root/node_modules/inner").unwrap(), "9.9.9");
}

#[test]
fn what_was_added_needs_no_network_and_is_made_again_the_same() {
    let registry = Registry::new();
    registry.publish("x", "1.0.0", json!({}));
    registry.publish("root", "1.0.0", json!({ "dependencies": { "x": "^1" } }));
    let first = registry.add("npm:root").unwrap();
    let layers = first.layers().to_vec();
    drop(first);
    let asked = registry.questions();
    assert_eq!(registry.add("npm:root").unwrap().layers(), layers);
    registry.publish("x", "1.1.0", json!({}));
    registry.publish("root", "1.0.1", json!({ "dependencies": { "x": "^1" } }));
    // A record that is damaged, and a layer that is gone: the lock file and the downloads are enough.
    std::fs::write(registry.store.disk.record_path("npm:root"), "{").unwrap();
    std::fs::remove_dir_all(registry.store.path().join("content/layers").join(&layers[0])).unwrap();
    assert_eq!(registry.add("npm:root").unwrap().layers(), layers);
    assert_eq!(registry.questions(), asked);
    // Without the downloads as well, but not with other versions.
    std::fs::write(registry.store.disk.record_path("npm:root"), "{").unwrap();
    registry.store.disk.forget_downloads();
    assert_eq!(registry.add("npm:root").unwrap().layers(), layers);
    assert_eq!(registry.questions(), asked + 2);
    let updated = registry.store.update(&"npm:root".parse().unwrap(), &()).unwrap();
    assert_eq!(updated.version(), "1.0.1");
    assert_eq!(version(&updated, "root/node_modules/x").unwrap(), "1.1.0");
}

#[test]
fn another_store_makes_the_same_layers() {
    let registry = Registry::new();
    registry.publish("x", "1.0.0", json!({}));
    registry.publish("root", "1.0.0", json!({ "dependencies": { "x": "^1" } }));
    let layers = registry.add("npm:root").unwrap().layers().to_vec();
    let mut other = Store::open(registry.dir.path().join("other")).unwrap();
    other.settings = Arc::clone(&registry.store.settings);
    assert_eq!(other.add(&"npm:root".parse().unwrap(), &()).unwrap().layers(), layers);
}

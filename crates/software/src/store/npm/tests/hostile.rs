//! Registries and packages that mean no good, or are out of order.

use super::*;

#[test]
fn archives_that_are_not_what_was_promised_are_refused() {
    let registry = Registry::new();
    registry.publish("a", "1.0.0", json!({}));
    registry.publish("root", "1.0.0", json!({ "dependencies": { "a": "1" } }));
    registry.answer("/a/-/1.0.0.tgz", Answer::Whole(b"something else".to_vec()));
    let error = registry.refused("npm:root");
    assert!(
        matches!(&error, Error::Integrity { what, .. } if what.contains("a@1.0.0")),
        "{error}"
    );
    // Whole again, it is taken.
    registry.publish("a", "1.0.0", json!({}));
    registry.add("npm:root").unwrap();
}

#[test]
fn archives_without_a_strong_digest_are_refused() {
    let registry = Registry::new();
    for integrity in [json!(null), json!("sha1-AAAA"), json!("sha512-AAAA"), json!("")] {
        let dist = json!({ "tarball": format!("{}x.tgz", registry.url), "integrity": integrity });
        registry.entry("root", "1.0.0", json!({ "dist": dist }));
        let error = registry.refused("npm:root").to_string();
        assert!(error.contains("sha512"), "{error}");
    }
}

#[test]
fn archives_that_lead_out_of_their_place_are_refused() {
    let registry = Registry::new();
    let tree = tempfile::tempdir_in(registry.dir.path()).unwrap();
    let inner = tree.path().join("package");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("package.json"), r#"{"name":"root","version":"1.0.0"}"#).unwrap();
    std::fs::write(tree.path().join("evil"), "evil").unwrap();
    let archive = packed(&inner, &["../package/package.json", "../evil"]);
    registry.publish_archive("root", "1.0.0", &archive, json!({}));
    let error = registry.refused("npm:root").to_string();
    assert!(error.contains("`..`"), "{error}");
    // Links are left out, as npm does.
    std::os::unix::fs::symlink("/etc", inner.join("link")).unwrap();
    let archive = packed(tree.path(), &["package"]);
    registry.publish_archive("root", "1.0.1", &archive, json!({}));
    let package = registry.add("npm:root").unwrap();
    assert!(
        package
            .image()
            .unwrap()
            .read("/usr/local/lib/node_modules/root/link/passwd", 1 << 20)
            .is_none()
    );
}

#[test]
fn commands_lead_nowhere_else() {
    let registry = Registry::new();
    for bin in [
        json!({ "x": "../../../../bin/sh" }),
        json!({ "../x": "a" }),
        json!({ "a b": "a" }),
    ] {
        let manifest = json!({ "name": "root", "version": "1.0.0", "bin": bin }).to_string();
        let archive = registry.archive(&[("package.json", &manifest), ("a", "a")]);
        registry.publish_archive("root", "1.0.0", &archive, json!({}));
        if let Ok(package) = registry.add("npm:root") {
            // npm takes the end of a path for the name.
            assert_eq!(package.commands(), ["x"], "{bin}");
            drop(package);
            registry.store.remove("root").unwrap();
        }
    }
}

#[test]
fn versions_and_packages_that_are_not_there_are_named() {
    let registry = Registry::new();
    registry.publish("a", "1.0.0", json!({}));
    registry.publish("root", "1.0.0", json!({ "dependencies": { "a": "^2" } }));
    let error = registry.refused("npm:root");
    assert_eq!(error.code(), "software_not_found");
    let text = error.to_string();
    assert!(
        text.contains("root@1.0.0") && text.contains("the latest is 1.0.0"),
        "{text}"
    );
    let error = registry.refused("npm:nobody").to_string();
    assert!(error.contains("nobody") && error.contains("404"), "{error}");
    registry.publish("git", "1.0.0", json!({ "dependencies": { "a": "git+ssh://a/b" } }));
    let error = registry.refused("npm:git").to_string();
    assert!(
        error.contains("git@1.0.0") && error.contains("no other place"),
        "{error}"
    );
    registry.publish("mac", "1.0.0", json!({ "os": ["darwin"] }));
    assert!(registry.refused("npm:mac").to_string().contains("not for this machine"));
}

#[test]
fn answers_that_break_off_are_asked_for_again_and_then_named() {
    let registry = Registry::new();
    registry.publish("root", "1.0.0", json!({}));
    let Some(Answer::Whole(archive)) = registry.answers.lock().unwrap().get("/root/-/1.0.0.tgz").cloned() else {
        panic!("no archive");
    };
    registry.answer("/root/-/1.0.0.tgz", Answer::Cut(archive));
    let error = registry.refused("npm:root");
    assert_eq!(error.code(), "registry_failed");
    assert_eq!(registry.questions(), 1 + 3);
    registry.answer("/root", Answer::Status(503));
    assert!(registry.refused("npm:root").to_string().contains("503"));
    registry.answer("/root", Answer::Whole(b"<html>".to_vec()));
    assert!(registry.refused("npm:root").to_string().contains("make sense"));
}

#[test]
fn redirects_are_followed_to_where_they_may_lead() {
    let registry = Registry::new();
    registry.publish("root", "1.0.0", json!({}));
    let archive = registry.answers.lock().unwrap()["/root/-/1.0.0.tgz"].clone();
    registry.answer("/elsewhere", archive);
    for (to, named) in [
        ("http://127.0.0.1:9/x".to_owned(), "not over TLS"),
        ("file:///etc/passwd".to_owned(), "not over TLS"),
        ("//evil.example/x".to_owned(), "no URL"),
        ("/root/-/1.0.0.tgz".to_owned(), "more than 5 times"),
    ] {
        registry.answer("/root/-/1.0.0.tgz", Answer::Redirect(to));
        let error = registry.refused("npm:root").to_string();
        assert!(error.contains(named), "{error}");
    }
    registry.answer("/root/-/1.0.0.tgz", Answer::Redirect("/elsewhere".to_owned()));
    registry.add("npm:root").unwrap();
}

#[test]
fn bounds_are_reached_and_named() {
    let registry = Registry::new();
    for number in 0..10 {
        let next = json!({ "dependencies": { format!("p{}", number + 1): "1" } });
        registry.publish(&format!("p{number}"), "1.0.0", next);
    }
    registry.publish("p10", "1.0.0", json!({ "dependencies": { "p0": "1" } }));
    // A ring of eleven, from any of which all are needed: ten besides the first, and the first again below.
    let usual = Bounds::default();
    let cases = [
        ("packages", Bounds { packages: 5, ..usual }, "p0"),
        ("download", Bounds { download: 10, ..usual }, "p0"),
        (
            "downloads",
            Bounds {
                downloads: 500,
                ..usual
            },
            "p0",
        ),
        ("document", Bounds { document: 20, ..usual }, "p0"),
        ("stored", Bounds { stored: 0, ..usual }, "p0"),
    ];
    for (field, bounds, name) in cases {
        let store = registry.store.clone().with_bounds(bounds);
        let error = store.add(&format!("npm:{name}").parse().unwrap(), &()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exceed the limit") && text.contains(&format!("({field})")),
            "{text}"
        );
        registry.store.disk.forget_downloads();
    }
    let package = registry.add("npm:p0").unwrap();
    assert_eq!(version(&package, "p0/node_modules/p10").unwrap(), "1.0.0");
}

#[test]
fn versions_in_versions_end_at_a_depth() {
    let registry = Registry::new();
    // Each version wants the next of itself and of its other, so that nothing can lie beside the one before.
    for number in 0..30 {
        let next = json!({ "dependencies": { "b": format!("{number}.0.0") } });
        registry.publish("a", &format!("{number}.0.0"), next);
        let next = json!({ "dependencies": { "a": format!("{}.0.0", number + 1) } });
        registry.publish("b", &format!("{number}.0.0"), next);
    }
    let store = registry.store.clone().with_bounds(Bounds {
        depth: 8,
        ..Bounds::default()
    });
    let error = store.add(&"npm:a@0.0.0".parse().unwrap(), &()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit {
                field: "depth",
                observed: 9,
                ..
            }
        ),
        "{error}"
    );
}

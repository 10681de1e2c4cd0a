use super::*;
use crate::Image;
use std::os::unix::fs::PermissionsExt;

fn cache(dir: &Path) -> Cache {
    Cache::open(dir.join("cache")).unwrap()
}

fn made(cache: &Cache, text: &str) -> LayerId {
    let mut assembly = Assembly::begin(cache, &Bounds::default()).unwrap();
    assembly.file("usr/local/bin/a", 0o755, text.as_bytes()).unwrap();
    assembly.symlink("usr/local/bin/b", "a").unwrap();
    assembly.finish().unwrap()
}

#[test]
fn the_same_parts_make_the_same_layer() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    let one = made(&cache, "text");
    assert_eq!(made(&cache, "text"), one);
    assert_ne!(made(&cache, "other"), one);
    assert_eq!(LayerId::parse(&one.to_string()), Some(one));
    check(one, &cache).unwrap();
    let image = Image::assembled("a", &[one], &cache).unwrap();
    assert_eq!(image.read("/usr/local/bin/a", 100).unwrap(), b"text");
}

#[test]
fn what_is_not_finished_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    let mut assembly = Assembly::begin(&cache, &Bounds::default()).unwrap();
    assembly.file("a", 0o644, &b"x"[..]).unwrap();
    drop(assembly);
    for folder in ["layers", "work"] {
        assert_eq!(std::fs::read_dir(cache.path().join(folder)).unwrap().count(), 0);
    }
}

#[test]
fn a_changed_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    let id = made(&cache, "text");
    let file = cache.path().join(format!("layers/{id}/files/00/0"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, "tex!").unwrap();
    let error = check(id, &cache).unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    std::fs::write(&file, "longer").unwrap();
    let error = check(id, &cache).unwrap_err().to_string();
    assert!(error.contains("another size"), "{error}");
}

#[test]
fn a_layer_in_use_stays() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    let id = made(&cache, "text");
    let image = Image::assembled("a", &[id], &cache).unwrap();
    assert!(!remove(id, &cache).unwrap());
    assert_eq!(image.read("/usr/local/bin/a", 100).unwrap(), b"text");
    drop(image);
    assert!(remove(id, &cache).unwrap());
    assert!(!exists(id, &cache));
    assert!(Image::assembled("a", &[id], &cache).is_err());
}

#[test]
fn paths_lead_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    let mut assembly = Assembly::begin(&cache, &Bounds::default()).unwrap();
    for path in ["../a", "/etc/passwd", "a/../../b", ""] {
        assert!(assembly.file(path, 0o644, &b""[..]).is_err(), "{path}");
    }
    assembly.symlink("link", "/etc").unwrap();
    let error = assembly.file("link/passwd", 0o644, &b""[..]).unwrap_err();
    assert!(error.to_string().contains("no directory"), "{error}");
}

#[test]
fn what_programs_have_made_is_nobodys_privilege() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(dir.path());
    let tree = dir.path().join("tree/pkg");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("made"), "made").unwrap();
    std::fs::set_permissions(tree.join("made"), std::fs::Permissions::from_mode(0o6755)).unwrap();
    std::fs::hard_link(tree.join("made"), tree.join("same")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", tree.join("away")).unwrap();
    let archive = dir.path().join("made.tar");
    let tar = std::process::Command::new("tar")
        .args(["--owner=1000", "--group=1000", "-cf"])
        .arg(&archive)
        .arg("-C")
        .arg(dir.path().join("tree"))
        .arg("pkg")
        .status();
    assert!(tar.unwrap().success());
    let mut assembly = Assembly::begin(&cache, &Bounds::default()).unwrap();
    assembly.made(&archive, "usr/lib").unwrap();
    let image = Image::assembled("a", &[assembly.finish().unwrap()], &cache).unwrap();
    for name in ["made", "same"] {
        assert_eq!(image.read(&format!("/usr/lib/pkg/{name}"), 100).unwrap(), b"made");
    }
    let index = |assembly: &Assembly<'_>, path: &str| {
        let parts = parts(path.as_bytes(), &Bounds::default()).unwrap();
        let index = assembly.unpacker.draft.find(&parts).unwrap();
        assembly.unpacker.draft.node(index).unwrap().attrs.clone()
    };
    let mut assembly = Assembly::begin(&cache, &Bounds::default()).unwrap();
    assembly.made(&archive, "usr/lib").unwrap();
    let attrs = index(&assembly, "usr/lib/pkg/made");
    assert_eq!((attrs.mode & 0o7777, attrs.uid, attrs.gid), (0o755, 0, 0));
    assembly.own("usr/lib/pkg", 7, 8).unwrap();
    let owner = |path: &str| {
        let attrs = index(&assembly, path);
        (attrs.uid, attrs.gid)
    };
    assert_eq!((owner("usr/lib/pkg"), owner("usr/lib/pkg/made")), ((7, 8), (7, 8)));
    assert_eq!(owner("usr/lib"), (0, 0));
}

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

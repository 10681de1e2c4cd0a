use crate::digest::Digest;
use crate::layer::tests::{Bench, dir, file, find, link, tar, text};
use crate::tar::{Kind, Member};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A layout under construction.
struct Layout {
    path: PathBuf,
}

impl Layout {
    fn new(bench: &Bench, name: &str) -> Self {
        let path = bench.path(name);
        std::fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        std::fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        Self { path }
    }

    fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        std::fs::write(self.path.join(format!("blobs/sha256/{digest}")), bytes).unwrap();
        json!({ "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": format!("sha256:{digest}"), "size": bytes.len() })
    }

    fn image(&self, layers: &[Vec<u8>], packed: fn(&[u8]) -> Vec<u8>) -> Value {
        let diffs: Vec<String> = layers
            .iter()
            .map(|layer| format!("sha256:{}", Digest::of(layer)))
            .collect();
        let config = json!({
            "config": { "Env": ["PATH=/app/bin", "X=1", "bad"], "Entrypoint": ["/app/run"], "Cmd": null, "WorkingDir": "/app", "User": "7" },
            "rootfs": { "type": "layers", "diff_ids": diffs },
        });
        let config = self.blob("config.v1+json", config.to_string().as_bytes());
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| self.blob("layer.v1.tar+gzip", &packed(layer)))
            .collect();
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers });
        self.blob("manifest.v1+json", manifest.to_string().as_bytes())
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        std::fs::write(self.path.join("index.json"), index.to_string()).unwrap();
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn layers() -> Vec<Vec<u8>> {
    vec![
        tar(&[
            file("etc/a", "one"),
            file("etc/b", "one"),
            file("opt/x/y", "one"),
            file("usr/f", "shared"),
            dir("etc"),
        ]),
        tar(&[
            file("etc/.wh.a", ""),
            file("etc/b", "two"),
            file("opt/x/.wh..wh..opq", ""),
            file("opt/x/z", "two"),
            link("usr/g", "/usr/f", Kind::HardLink),
            file(".wh..wh.plnk/x", ""),
        ]),
    ]
}

fn check(bench: &Bench, path: &Path) {
    let image = bench.open(path).unwrap();
    assert_eq!(text(&image, "/etc/a"), None);
    assert_eq!(text(&image, "/etc/b").unwrap(), "two");
    assert_eq!(text(&image, "/opt/x/y"), None);
    assert_eq!(text(&image, "/opt/x/z").unwrap(), "two");
    assert_eq!(text(&image, "/usr/g").unwrap(), "shared");
    let fs = image.filesystem();
    assert_eq!(find(&*fs, "usr/g").unwrap().ino, find(&*fs, "usr/f").unwrap().ino);
    assert!(find(&*fs, "etc/.wh.a").is_err() && find(&*fs, "opt/x/.wh..wh..opq").is_err());
    let config = image.config();
    assert_eq!(
        config.variables().collect::<Vec<_>>(),
        [("PATH", "/app/bin"), ("X", "1")]
    );
    assert_eq!(
        (&*config.entrypoint, &*config.working_dir, &*config.user),
        (&["/app/run".to_owned()][..], "/app", "7")
    );
    assert!(config.cmd.is_empty());
    assert_eq!(image.layers().len(), 2);
}

fn directory(members: &mut Vec<(Member, Vec<u8>)>, path: &Path, name: &str) {
    let mut entries: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for entry in entries {
        let name = format!("{name}{}", entry.file_name().unwrap().to_str().unwrap());
        match entry.is_dir() {
            true => directory(members, &entry, &format!("{name}/")),
            false => {
                let content = std::fs::read(&entry).unwrap();
                let mut member = file(&name, "").0;
                member.size = content.len() as u64;
                members.push((member, content));
            }
        }
    }
}

#[test]
fn layouts_are_read_from_directories_and_archives() {
    for (name, packed) in [
        ("plain", <[u8]>::to_vec as fn(&[u8]) -> Vec<u8>),
        ("gzip", gzip),
        ("zstd", zstd),
    ] {
        let bench = Bench::new();
        let layout = Layout::new(&bench, name);
        let manifest = layout.image(&layers(), packed);
        layout.index(&[manifest]);
        check(&bench, &layout.path);
        let mut members = Vec::new();
        directory(&mut members, &layout.path, "");
        for (name, bytes) in [("layout.tar", tar(&members)), ("layout.tar.gz", gzip(&tar(&members)))] {
            std::fs::write(bench.path(name), bytes).unwrap();
            check(&bench, &bench.path(name));
        }
        assert!(bench.is_clean());
    }
}

#[test]
fn the_image_of_this_platform_is_taken() {
    let bench = Bench::new();
    let layout = Layout::new(&bench, "layout");
    let platform = |mut manifest: Value, architecture: &str, os: &str| {
        manifest["platform"] = json!({ "architecture": architecture, "os": os });
        manifest
    };
    let ours = layout.image(&layers(), gzip);
    let other = layout.image(&layers()[..1], gzip);
    let manifests = [
        platform(other.clone(), "s390x", "linux"),
        platform(ours.clone(), super::architecture(), "linux"),
        platform(other.clone(), "unknown", "unknown"),
        json!({ "mediaType": "application/x-signature", "digest": "sha256:0", "size": 1 }),
    ];
    layout.index(&manifests);
    check(&bench, &layout.path);
    // Behind an index of indexes.
    let inner = json!({ "manifests": manifests });
    let inner = layout.blob("index.v1+json", inner.to_string().as_bytes());
    layout.index(&[inner]);
    check(&bench, &layout.path);
    let refused = |manifests: &[Value]| {
        layout.index(manifests);
        bench.open(&layout.path).unwrap_err().to_string()
    };
    assert!(refused(&manifests[..1]).contains("it has some for linux/s390x"));
    assert!(refused(&[]).contains("names no image"));
    assert!(refused(&[ours.clone(), other]).contains("several images"));
    let mut around = ours;
    for _ in 0..6 {
        around = layout.blob("index.v1+json", json!({ "manifests": [around] }).to_string().as_bytes());
    }
    assert!(refused(&[around]).contains("too many indexes"));
}

#[test]
fn what_is_not_what_its_digest_says_is_refused() {
    let bench = Bench::new();
    let layout = Layout::new(&bench, "layout");
    let manifest = layout.image(&layers(), gzip);
    layout.index(&[manifest]);
    let blobs = layout.path.join("blobs/sha256");
    let names: Vec<_> = std::fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let good = std::fs::read(&name).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        for bad in [
            bad,
            good[..good.len() - 1].to_vec(),
            [&good[..], b" "].concat(),
            Vec::new(),
        ] {
            std::fs::write(&name, bad).unwrap();
            assert!(bench.open(&layout.path).is_err(), "{}", name.display());
            assert!(bench.is_clean());
            // What was unpacked before it failed was right, and is not what is tested here.
            std::fs::remove_dir_all(bench.path("cache")).unwrap();
        }
        std::fs::remove_file(&name).unwrap();
        assert!(
            bench
                .open(&layout.path)
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
        std::os::unix::fs::symlink("/etc/passwd", &name).unwrap();
        assert!(
            bench
                .open(&layout.path)
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
        std::fs::remove_file(&name).unwrap();
        std::fs::write(&name, good).unwrap();
        std::fs::remove_dir_all(bench.path("cache")).unwrap();
    }
    check(&bench, &layout.path);
}

#[test]
fn documents_that_make_no_sense_are_refused() {
    let bench = Bench::new();
    let layout = Layout::new(&bench, "layout");
    let config = layout.blob("config.v1+json", br#"{"rootfs": {"diff_ids": ["sha256:00"]}}"#);
    let layer = layout.blob("layer.v1.tar", &layers()[0]);
    let other = json!({ "mediaType": "application/octet-stream", "digest": layer["digest"], "size": layer["size"] });
    let upper = json!({ "mediaType": layer["mediaType"], "digest": layer["digest"].as_str().unwrap().to_uppercase(), "size": 1 });
    let borrowed = tar(&[link("x", "nowhere", Kind::HardLink)]);
    let whole = |layers: Value, config: &Value| {
        let manifest = json!({ "config": config, "layers": layers });
        layout.index(&[layout.blob("manifest.v1+json", manifest.to_string().as_bytes())]);
        bench.open(&layout.path).unwrap_err().to_string()
    };
    assert!(whole(json!([layer]), &config).contains("is not sha256: and 64"));
    assert!(whole(json!([]), &config).contains("names 1 layers, and its manifest 0"));
    let diff = json!({ "rootfs": { "diff_ids": [format!("sha256:{}", Digest::of(b"x"))] } }).to_string();
    let config = layout.blob("config.v1+json", diff.as_bytes());
    assert!(whole(json!([layer]), &config).contains("unpacked layer of the image has the digest"));
    assert!(whole(json!([other]), &config).contains("media type"));
    assert!(whole(json!([upper]), &config).contains("is not sha256: and 64"));
    let diff = json!({ "rootfs": { "diff_ids": [format!("sha256:{}", Digest::of(&borrowed))] } }).to_string();
    let config = layout.blob("config.v1+json", diff.as_bytes());
    let layer = layout.blob("layer.v1.tar", &borrowed);
    assert!(whole(json!([layer]), &config).contains("\"nowhere\": is named by a hard link"));
    for index in ["", "[]", "{\"manifests\": 1}", "{\"manifests\": [{}]}"] {
        std::fs::write(layout.path.join("index.json"), index).unwrap();
        assert!(
            bench
                .open(&layout.path)
                .unwrap_err()
                .to_string()
                .contains("index of the image")
        );
    }
}

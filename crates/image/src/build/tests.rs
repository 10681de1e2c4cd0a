use super::*;
use crate::layer::tests::{Bench, dir, file, find, link, tar, text};
use crate::tar::Kind;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, content) in members {
        archive.extend(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100_644,
                content.len()
            )
            .bytes(),
        );
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    archive
}

fn deb(bench: &Bench) -> Package {
    let control = tar(&[file("./control", "Package: tool\nVersion: 1.2-3\n")]);
    let data = tar(&[
        dir("./"),
        dir("./lib/"),
        file("./lib/libtool.so.1", "library"),
        link("./lib/libtool.so", "libtool.so.1", Kind::Symlink),
        file("./usr/bin/tool", "program"),
        link("./bin/tool2", "./usr/bin/tool", Kind::HardLink),
    ]);
    let parts = [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar.gz", &gzip(&control)),
        ("data.tar.gz/", &gzip(&data)),
    ];
    let path = bench.path("tool.deb");
    std::fs::write(&path, ar(&parts)).unwrap();
    Package::Deb(path)
}

fn npm(bench: &Bench, name: &str, manifest: &str) -> Package {
    let archive = tar(&[
        file("package/package.json", manifest),
        file("package/bin/cli.js", "#!/usr/bin/env node\n"),
        file("package/lib/index.js", "module.exports = 1\n"),
        link("package/evil", "/etc/passwd", Kind::Symlink),
    ]);
    let path = bench.path(name);
    std::fs::write(&path, gzip(&archive)).unwrap();
    Package::Npm(path)
}

const MANIFEST: &str =
    r#"{"name": "@my/cli", "version": "1.0.0", "bin": {"cli": "./bin/cli.js"}, "dependencies": {"x": "1"}}"#;

fn run(bench: &Bench, packages: &[Package], format: Format, to: &str) -> Result<Built> {
    build(packages, format, &bench.path(to), &bench.cache(), &Bounds::default())
}

#[test]
fn packages_become_an_image_in_both_formats() {
    let bench = Bench::new();
    let packages = [deb(&bench), npm(&bench, "cli.tgz", MANIFEST)];
    for (format, name, layers) in [(Format::Tar, "image.tar", 1), (Format::Oci, "layout", 2)] {
        let built = run(&bench, &packages, format, name).unwrap();
        assert_eq!(built.packages, ["tool 1.2-3", "@my/cli 1.0.0"]);
        assert_eq!(
            built.warnings,
            ["@my/cli depends on x, which is not among the packages"]
        );
        let image = bench.open(&bench.path(name)).unwrap();
        assert_eq!(image.layers().len(), layers);
        let fs = image.filesystem();
        assert_eq!(text(&image, "/usr/lib/libtool.so.1").unwrap(), "library");
        let tool = find(&*fs, "usr/bin/tool").unwrap();
        assert_eq!(find(&*fs, "usr/bin/tool2").unwrap().ino, tool.ino);
        assert_eq!(fs.readlink(find(&*fs, "lib").unwrap().ino).unwrap(), b"usr/lib");
        let home = "usr/local/lib/node_modules/@my/cli";
        assert_eq!(find(&*fs, &format!("{home}/bin/cli.js")).unwrap().mode.bits(), 0o755);
        assert_eq!(find(&*fs, &format!("{home}/lib/index.js")).unwrap().mode.bits(), 0o644);
        assert!(find(&*fs, &format!("{home}/evil")).is_err());
        let command = find(&*fs, "usr/local/bin/cli").unwrap();
        assert_eq!(
            fs.readlink(command.ino).unwrap(),
            b"../lib/node_modules/@my/cli/bin/cli.js"
        );
    }
    assert!(bench.is_clean());
}

#[test]
fn the_same_packages_make_the_same_bytes() {
    let bench = Bench::new();
    let packages = [deb(&bench), npm(&bench, "cli.tgz", MANIFEST)];
    let one = run(&bench, &packages, Format::Tar, "one.tar").unwrap();
    let two = run(&bench, &packages, Format::Tar, "two.tar").unwrap();
    assert_eq!(one, two);
    let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(read("one.tar"), read("two.tar"));
    let one = run(&bench, &packages, Format::Oci, "one").unwrap();
    let two = run(&bench, &packages, Format::Oci, "two").unwrap();
    assert_eq!(one, two);
    assert_eq!(read("one/index.json"), read("two/index.json"));
}

#[test]
fn bad_packages_are_refused_and_leave_nothing() {
    let bench = Bench::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(bench.path(name), bytes).unwrap();
        bench.path(name)
    };
    let cases = [
        (Package::Deb(write("a.deb", b"rubbish!")), "is no ar archive"),
        (
            Package::Deb(write("b.deb", &ar(&[("data.tar", b"")]))),
            "does not begin with debian-binary",
        ),
        (
            Package::Deb(write("c.deb", &ar(&[("debian-binary", b"2.0\n")]))),
            "has no data.tar",
        ),
        (
            Package::Deb(write("d.deb", &ar(&[("debian-binary", b"3.0\n")]))),
            "other than 2.x",
        ),
        (Package::Deb(write("e.deb", b"!<arch>\nshort")), "malformed header"),
        (
            Package::Deb(write(
                "f.deb",
                &ar(&[("debian-binary", b"2.0\n"), ("data.tar", &tar(&[file("../../x", "")]))]),
            )),
            "has `..`",
        ),
        (npm(&bench, "a.tgz", "{}"), "missing field `name`"),
        (npm(&bench, "b.tgz", r#"{"name": "../x"}"#), "is no name of a package"),
        (npm(&bench, "c.tgz", r#"{"name": "@a/.."}"#), "is no name of a package"),
        (
            npm(&bench, "d.tgz", r#"{"name": "a", "bin": {"..": "x"}}"#),
            "is no name of a command",
        ),
        (npm(&bench, "e.tgz", r#"{"name": "a", "bin": "../../x"}"#), "has `..`"),
        (
            npm(&bench, "f.tgz", r#"{"name": "a", "bin": "nowhere"}"#),
            "not in the package",
        ),
        (
            Package::Npm(write("g.tgz", &gzip(&tar(&[file("package/x", "")])))),
            "has no package.json",
        ),
        (Package::Npm(bench.path("missing.tgz")), "missing.tgz"),
    ];
    for (package, said) in cases {
        for format in [Format::Tar, Format::Oci] {
            let error = run(&bench, std::slice::from_ref(&package), format, "out")
                .unwrap_err()
                .to_string();
            assert!(error.contains(said), "{error}, not {said}");
            assert!(!bench.path("out").exists() && bench.is_clean());
        }
    }
}

//! Archives, good and bad, as images.

use crate::bounds::Bounds;
use crate::cache::Cache;
use crate::tar::{Kind, Member, Writer};
use crate::{Error, Image, Source};
use agentos_kernel::vfs::{Attr, FileType, Filesystem};
use agentos_kernel::{Errno, Result as KernelResult};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) dir: TempDir,
}

pub(crate) fn member(path: &str, kind: Kind) -> Member {
    Member {
        path: path.as_bytes().to_vec(),
        kind,
        mode: if kind == Kind::Directory { 0o755 } else { 0o644 },
        uid: 0,
        gid: 0,
        mtime: 1_000_000_000,
        size: 0,
        link: Vec::new(),
        xattrs: Vec::new(),
    }
}

pub(crate) fn file(path: &str, text: &str) -> (Member, Vec<u8>) {
    let size = text.len() as u64;
    (
        Member {
            size,
            ..member(path, Kind::File)
        },
        text.as_bytes().to_vec(),
    )
}

pub(crate) fn dir(path: &str) -> (Member, Vec<u8>) {
    (member(path, Kind::Directory), Vec::new())
}

pub(crate) fn link(path: &str, target: &str, kind: Kind) -> (Member, Vec<u8>) {
    let link = target.as_bytes().to_vec();
    (
        Member {
            link,
            ..member(path, kind)
        },
        Vec::new(),
    )
}

pub(crate) fn tar(members: &[(Member, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (member, content) in members {
        writer.add(member, &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::open(self.path("cache")).unwrap()
    }

    pub(crate) fn open(&self, path: &Path) -> Result<Image, Error> {
        Image::open_with(
            &Source::path(path),
            &|| Cache::open(self.path("cache")),
            &Bounds::default(),
        )
    }

    pub(crate) fn image(&self, members: &[(Member, Vec<u8>)]) -> Result<Image, Error> {
        let path = self.path("image.tar");
        std::fs::write(&path, tar(members)).unwrap();
        self.open(&path)
    }

    /// Nothing is left of what failed, and nothing is anywhere but in the cache.
    pub(crate) fn is_clean(&self) -> bool {
        std::fs::read_dir(self.path("cache/work")).is_ok_and(|entries| entries.count() == 0)
    }
}

pub(crate) fn find(fs: &dyn Filesystem, path: &str) -> KernelResult<Attr> {
    let names = path.split('/').filter(|name| !name.is_empty());
    let mut at = fs.getattr(fs.root())?;
    for name in names {
        at = fs.lookup(at.ino, name.as_bytes())?;
    }
    Ok(at)
}

pub(crate) fn text(image: &Image, path: &str) -> Option<String> {
    image.read(path, 1 << 20).map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn an_archive_becomes_a_tree() {
    let bench = Bench::new();
    let mut tool = file("usr/bin/tool", "#!/bin/sh\n");
    (tool.0.mode, tool.0.uid, tool.0.gid) = (0o4755, 7, 8);
    tool.0.xattrs = vec![
        (b"user.a".to_vec(), b"b".to_vec()),
        (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
    ];
    let image = bench
        .image(&[
            dir("./"),
            file("./etc/motd", "hello"),
            tool,
            link("usr/bin/same", "./usr/bin/tool", Kind::HardLink),
            link("bin", "usr/bin", Kind::Symlink),
            link("up", "../../../etc/shadow", Kind::Symlink),
            link("abs", "/etc/shadow", Kind::Symlink),
            file("etc/motd", "later"),
            (member("dev/null", Kind::CharDevice), Vec::new()),
            dir("empty"),
            file("zero", ""),
        ])
        .unwrap();
    let fs = image.filesystem();
    assert_eq!(text(&image, "/etc/motd").unwrap(), "later");
    let tool = find(&*fs, "usr/bin/tool").unwrap();
    assert_eq!(
        (tool.mode.bits(), tool.uid.0, tool.gid.0, tool.nlink),
        (0o4755, 7, 8, 2)
    );
    assert_eq!(tool.mtime.0, 1_000_000_000);
    assert_eq!(find(&*fs, "usr/bin/same").unwrap().ino, tool.ino);
    assert_eq!(fs.getxattr(tool.ino, b"user.a").unwrap(), b"b");
    assert_eq!(fs.listxattr(tool.ino).unwrap(), [b"user.a"]);
    let abs = find(&*fs, "abs").unwrap();
    assert_eq!(
        (abs.kind, fs.readlink(abs.ino).unwrap()),
        (FileType::Symlink, b"/etc/shadow".to_vec())
    );
    assert_eq!(find(&*fs, "dev").unwrap_err().errno(), Errno::ENOENT);
    assert_eq!(find(&*fs, "usr").unwrap().nlink, 3);
    assert_eq!(find(&*fs, "").unwrap().nlink, 5);
    assert_eq!(fs.name_of(tool.ino).unwrap().0, find(&*fs, "usr/bin").unwrap().ino);
    assert_eq!(text(&image, "/zero").unwrap(), "");
    let file = fs.host_file(tool.ino).unwrap().unwrap();
    assert!(rustix::io::write(&file, b"x").is_err());
    let layer = &image.layers()[0];
    assert_eq!((layer.bytes, image.layers().len()), (Some(20), 1));
    assert!(bench.is_clean());
}

type Members = Vec<(Member, Vec<u8>)>;

/// Archives that are refused, and what the refusal says.
fn bad() -> Vec<(Members, &'static str)> {
    let nul = |name: &str| {
        let mut member = file(name, "");
        // Only an extended header can have such a name.
        member.0.path = [name.as_bytes(), &[b'x'; 100], b"\0y"].concat();
        member
    };
    vec![
        (vec![file("/etc/passwd", "x")], "\"/etc/passwd\": has an absolute name"),
        (vec![file("../x", "x")], "\"../x\": has `..`"),
        (vec![file("a/../../x", "x")], "has `..`"),
        (vec![dir("a/..")], "has `..`"),
        (
            vec![link("l", "/tmp", Kind::Symlink), file("l/x", "x")],
            "\"l/x\": goes through l, which is no directory",
        ),
        (
            vec![link("l", "d", Kind::Symlink), dir("d"), dir("l/x")],
            "goes through l",
        ),
        (vec![file("f", "x"), file("f/x", "x")], "goes through f"),
        (
            vec![link("h", "/etc/passwd", Kind::HardLink)],
            "\"h\": is a hard link to \"/etc/passwd\", which is outside",
        ),
        (
            vec![link("h", "../../etc/passwd", Kind::HardLink)],
            "which is outside of the archive",
        ),
        (
            vec![link("h", "f", Kind::HardLink), file("f", "x")],
            "which is not in the archive before it",
        ),
        (vec![dir("d"), link("h", "d", Kind::HardLink)], "which is no file"),
        (vec![link("h", "", Kind::HardLink)], "which is not in the archive"),
        (
            vec![link("l", "/", Kind::Symlink), link("h", "l/etc/passwd", Kind::HardLink)],
            "not in the archive before it",
        ),
        (
            vec![(member("null", Kind::CharDevice), vec![])],
            "\"null\": is a device",
        ),
        (vec![(member("sda", Kind::BlockDevice), vec![])], "is a device"),
        (vec![(member("pipe", Kind::Fifo), vec![])], "is a FIFO"),
        (
            vec![file("d/x", "x"), file("d", "x")],
            "is a directory with something in it",
        ),
        (
            vec![file("d/x", "x"), link("d", "/", Kind::Symlink)],
            "is a directory with something in it",
        ),
        (vec![link("./", "x", Kind::Symlink)], "is the root, and no directory"),
        (vec![link("l", "", Kind::Symlink)], "that no link can have"),
        (
            vec![link("l", &"t".repeat(5000), Kind::Symlink)],
            "that no link can have",
        ),
        (vec![file(&"n".repeat(256), "")], "has a component of 256 bytes"),
        (vec![file(&"d/".repeat(300), "")], "directories deep"),
        (vec![file(&"long/".repeat(1000), "")], "has a name of"),
        (vec![nul("nul")], "has a NUL in its name"),
    ]
}

#[test]
fn bad_archives_are_refused_and_name_the_member() {
    let bench = Bench::new();
    for (members, said) in bad() {
        // A member before it, which must not stay.
        let members = [vec![file("before", "x")], members].concat();
        // A name that ends in a slash is a directory's.
        let error = match bench.image(&members) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("accepted: {said}"),
        };
        assert!(
            error.contains(said) && error.contains("image.tar"),
            "{error}, not {said}"
        );
        assert!(bench.is_clean(), "{said}");
    }
    assert!(std::fs::read_dir(bench.path("cache/layers")).unwrap().next().is_none());
}

#[test]
fn names_that_are_not_text_are_kept() {
    let bench = Bench::new();
    let mut odd = file("x", "odd");
    odd.0.path = b"dir/\xff\xfe\n".to_vec();
    let image = bench.image(&[odd]).unwrap();
    let fs = image.filesystem();
    let dir = find(&*fs, "dir").unwrap();
    assert_eq!(fs.lookup(dir.ino, b"\xff\xfe\n").unwrap().size, 3);
}

#[test]
fn an_archive_is_unpacked_once_and_known_by_its_content() {
    let bench = Bench::new();
    let members = [file("a", "text")];
    let first = bench.image(&members).unwrap();
    let other = bench.path("other.tar");
    std::fs::write(&other, tar(&members)).unwrap();
    let second = bench.open(&other).unwrap();
    assert_eq!(first.layers(), second.layers());
    assert_eq!(std::fs::read_dir(bench.path("cache/layers")).unwrap().count(), 1);
    // Another archive at the same path is another layer.
    std::fs::write(&other, tar(&[file("b", "text")])).unwrap();
    assert_eq!(text(&bench.open(&other).unwrap(), "/b").unwrap(), "text");
}

#[test]
fn a_damaged_layer_is_unpacked_anew() {
    let bench = Bench::new();
    let members = [file("a", "text")];
    bench.image(&members).unwrap();
    let layer = std::fs::read_dir(bench.path("cache/layers"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for damage in [&b""[..], b"agentos layer 1\n", b"rubbish"] {
        std::fs::remove_file(layer.join("index")).unwrap();
        std::fs::write(layer.join("index"), damage).unwrap();
        assert_eq!(text(&bench.image(&members).unwrap(), "/a").unwrap(), "text");
    }
    // Content that was cut off is an error of whoever reads it, and never other content.
    let image = bench.image(&members).unwrap();
    let content = layer.join("files/00/0");
    std::fs::remove_file(&content).unwrap();
    std::fs::write(&content, "te").unwrap();
    let a = find(&*image.filesystem(), "a").unwrap();
    assert_eq!(image.filesystem().host_file(a.ino).unwrap_err().errno(), Errno::EIO);
}

#[test]
fn what_a_dead_process_left_is_swept_and_what_a_living_one_does_is_not() {
    let bench = Bench::new();
    let cache = bench.cache();
    std::fs::create_dir_all(bench.path("cache/work/dead/files/00")).unwrap();
    let living = cache.begin().unwrap();
    drop(bench.cache());
    assert!(!bench.path("cache/work/dead").exists());
    assert_eq!(std::fs::read_dir(bench.path("cache/work")).unwrap().count(), 1);
    drop(living);
    assert!(bench.is_clean());
}

#[test]
fn several_may_unpack_the_same_at_once() {
    let bench = Bench::new();
    let path = bench.path("image.tar");
    let members: Vec<_> = (0..50)
        .map(|at| file(&format!("d/{at}"), &format!("text {at}")))
        .collect();
    std::fs::write(&path, tar(&members)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let image = bench.open(&path).unwrap();
                assert_eq!(text(&image, "/d/49").unwrap(), "text 49");
            });
        }
    });
    assert_eq!(std::fs::read_dir(bench.path("cache/layers")).unwrap().count(), 1);
    assert!(bench.is_clean());
}

#[test]
fn a_cache_that_others_can_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    drop(bench.cache());
    std::fs::set_permissions(bench.path("cache"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Cache::open(bench.path("cache")).unwrap_err();
    assert!(error.to_string().contains("nobody else may write"), "{error}");
}

#[test]
fn bounds_hold() {
    let bench = Bench::new();
    let path = bench.path("image.tar");
    let members = [file("a", &"x".repeat(3000)), file("b", ""), file("c", "")];
    std::fs::write(&path, tar(&members)).unwrap();
    let open = |change: fn(&mut Bounds)| {
        let mut bounds = Bounds::default();
        change(&mut bounds);
        let opened = Image::open_with(&Source::path(&path), &|| Cache::open(bench.path("cache")), &bounds);
        opened.unwrap_err().to_string()
    };
    assert!(open(|bounds| bounds.bytes = 2999).contains("content of the archive: 3000 exceed the limit of 2999"));
    assert!(open(|bounds| bounds.entries = 2).contains("members of the archive: 3 exceed"));
    assert!(open(|bounds| bounds.metadata = 1).contains("names and attributes of the archive: 2 exceed"));
    assert!(open(|bounds| bounds.path = 0).contains("has a name of 1 bytes"));
    std::fs::write(&path, tar(&[file(&"d/".repeat(200), ""), file("x", "")])).unwrap();
    assert!(open(|bounds| bounds.entries = 100).contains("files and directories of the archive: 200 exceed"));
    assert!(bench.is_clean());
}

#[test]
fn holes_take_no_room_and_read_as_zeros() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    let mut big = file("big", "");
    big.0.size = 8 << 20;
    big.1 = vec![0; 8 << 20];
    big.1[5 << 20] = 1;
    let image = bench.image(&[big]).unwrap();
    let fs = image.filesystem();
    let attr = find(&*fs, "big").unwrap();
    assert_eq!(attr.size, 8 << 20);
    let mut buf = [9; 4];
    fs.read(attr.ino, (5 << 20) - 1, &mut buf).unwrap();
    assert_eq!(buf, [0, 1, 0, 0]);
    let stored = std::fs::File::from(fs.host_file(attr.ino).unwrap().unwrap());
    assert!(stored.metadata().unwrap().blocks() * 512 < 4 << 20);
}

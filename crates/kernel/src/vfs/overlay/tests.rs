//! Promises of the overlay: lowers never change, numbers never change, whiteouts hide, copies are whole.

use super::*;
use crate::clock::{Clock, Instant};
use crate::id::{Gid, Uid};
use crate::limits::Counter;
use crate::vfs::{FsQuota, MemoryFs, Mode, SetTime};
use core::sync::atomic::{AtomicUsize, Ordering};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp(77)
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &core::task::Waker) {}
}

fn memory(bytes: u64) -> Arc<MemoryFs> {
    let counter = |capacity| Counter::new("limits.resources.maxFilesystemBytes", "bytes", capacity, Errno::ENOSPC);
    let quota = FsQuota {
        bytes: counter(bytes),
        inodes: counter(bytes),
    };
    MemoryFs::new(Arc::new(Fixed), Arc::new(quota))
}

fn node(kind: FileType) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(0o750),
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
    }
}

fn put(fs: &dyn Filesystem, dir: Ino, name: &str, content: &str) -> Ino {
    let ino = fs.create(dir, name.as_bytes(), &node(FileType::Regular)).unwrap().ino;
    fs.write(ino, 0, content.as_bytes()).unwrap();
    ino
}

fn mkdir(fs: &dyn Filesystem, dir: Ino, name: &str) -> Ino {
    fs.mkdir(dir, name.as_bytes(), &node(FileType::Directory)).unwrap().ino
}

fn find(fs: &dyn Filesystem, path: &str) -> Result<Attr> {
    let mut attr = fs.getattr(fs.root())?;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        attr = fs.lookup(attr.ino, name.as_bytes())?;
    }
    Ok(attr)
}

fn read(fs: &dyn Filesystem, path: &str) -> String {
    let mut buf = [0; 4096];
    let count = fs.read(find(fs, path).unwrap().ino, 0, &mut buf).unwrap();
    String::from_utf8(buf[..count].to_vec()).unwrap()
}

fn list(fs: &dyn Filesystem, path: &str) -> Vec<String> {
    let mut names = Vec::new();
    fs.readdir(find(fs, path).unwrap().ino, 0, &mut |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    names.sort();
    names
}

/// Two lowers: the bottom one has `etc/{a,b}`, `only/deep/x`, `file`; the top one `etc/{b,c}` and `top`.
struct Layers {
    top: Arc<MemoryFs>,
    bottom: Arc<MemoryFs>,
    upper: Arc<MemoryFs>,
    fs: Arc<OverlayFs>,
}

fn layers() -> Layers {
    let (top, bottom, upper) = (memory(u64::MAX), memory(u64::MAX), memory(1 << 20));
    let etc = mkdir(&*bottom, bottom.root(), "etc");
    put(&*bottom, etc, "a", "bottom a");
    put(&*bottom, etc, "b", "bottom b");
    let only = mkdir(&*bottom, bottom.root(), "only");
    let deep = mkdir(&*bottom, only, "deep");
    put(&*bottom, deep, "x", "deep x");
    let file = put(&*bottom, bottom.root(), "file", "one file");
    bottom.link(file, bottom.root(), b"again").unwrap();
    let etc = mkdir(&*top, top.root(), "etc");
    put(&*top, etc, "b", "top b");
    put(&*top, etc, "c", "top c");
    put(&*top, top.root(), "top", "top");
    let fs = OverlayFs::new(upper.clone(), vec![top.clone(), bottom.clone()]).unwrap();
    Layers { top, bottom, upper, fs }
}

/// Names, contents and attributes of a whole tree.
fn dump(fs: &dyn Filesystem, path: &str, into: &mut Vec<String>) {
    for name in list(fs, path) {
        let path = format!("{path}/{name}");
        let attr = find(fs, &path).unwrap();
        into.push(format!("{path} {attr:?}"));
        match attr.kind {
            FileType::Directory => dump(fs, &path, into),
            FileType::Regular => into.push(read(fs, &path)),
            _ => {}
        }
    }
}

#[test]
fn layers_are_merged() {
    let Layers { fs, .. } = layers();
    assert_eq!(list(&*fs, ""), ["again", "etc", "file", "only", "top"]);
    assert_eq!(list(&*fs, "etc"), ["a", "b", "c"]);
    assert_eq!(read(&*fs, "etc/b"), "top b");
    assert_eq!(read(&*fs, "only/deep/x"), "deep x");
}

#[test]
fn changes_go_to_the_upper_and_keep_the_number() {
    let Layers { fs, top, bottom, upper } = layers();
    let dumped = || {
        let mut dumped = Vec::new();
        dump(&*top, "", &mut dumped);
        dump(&*bottom, "", &mut dumped);
        dumped
    };
    let before = dumped();
    let numbers: Vec<_> = ["etc", "etc/a", "only", "only/deep", "only/deep/x"]
        .map(|path| (path, find(&*fs, path).unwrap().ino))
        .into();
    let x = find(&*fs, "only/deep/x").unwrap();
    fs.append(x.ino, b"!").unwrap();
    let time = SetAttr {
        mtime: SetTime::At(Timestamp(5)),
        ..SetAttr::default()
    };
    fs.setattr(find(&*fs, "etc").unwrap().ino, &time).unwrap();
    fs.setxattr(find(&*fs, "etc/a").unwrap().ino, b"user.k", b"v", XattrMode::Any)
        .unwrap();
    for (path, ino) in numbers {
        assert_eq!(find(&*fs, path).unwrap().ino, ino, "{path}");
    }
    assert_eq!(
        (read(&*fs, "only/deep/x").as_str(), read(&*fs, "etc/a").as_str()),
        ("deep x!", "bottom a")
    );
    assert_eq!(find(&*fs, "etc").unwrap().mtime, Timestamp(5));
    assert_eq!(find(&*fs, "only/deep/x").unwrap().mode, x.mode);
    assert_eq!(
        fs.listxattr(find(&*fs, "etc/a").unwrap().ino).unwrap(),
        [b"user.k".to_vec()]
    );
    assert_eq!(list(&*upper, "only/deep"), ["x"]);
    // A second overlay over the same upper sees the same files under the same numbers.
    let again = OverlayFs::new(upper, vec![top.clone(), bottom.clone()]).unwrap();
    assert_eq!(find(&*again, "only/deep/x").unwrap().ino, x.ino);
    assert_eq!(list(&*again, "etc"), ["a", "b", "c"]);
    assert_eq!(dumped(), before);
}

#[test]
fn removed_names_stay_hidden() {
    let Layers { fs, top, bottom, upper } = layers();
    let root = fs.root();
    let etc = find(&*fs, "etc").unwrap().ino;
    assert_eq!(fs.rmdir(root, b"etc").unwrap_err(), Errno::ENOTEMPTY);
    for name in [b"a", b"b", b"c"] {
        fs.unlink(etc, name).unwrap();
    }
    assert!(list(&*fs, "etc").is_empty());
    fs.rmdir(root, b"etc").unwrap();
    assert_eq!(find(&*fs, "etc").unwrap_err(), Errno::ENOENT);
    let fresh = mkdir(&*fs, root, "etc");
    assert!(list(&*fs, "etc").is_empty(), "opaque");
    put(&*fs, fresh, "b", "new b");
    assert_eq!(list(&*fs, "etc"), ["b"]);
    let again = OverlayFs::new(upper, vec![top, bottom]).unwrap();
    assert_eq!(
        (list(&*again, "etc"), read(&*again, "etc/b")),
        (vec!["b".to_owned()], "new b".to_owned())
    );
}

#[test]
fn hard_links_of_a_lower_file_stay_together() {
    let Layers { fs, .. } = layers();
    let root = fs.root();
    let file = find(&*fs, "file").unwrap();
    assert_eq!((file.nlink, find(&*fs, "again").unwrap().ino), (2, file.ino));
    fs.write(file.ino, 0, b"two").unwrap();
    assert_eq!(read(&*fs, "again"), "two file");
    fs.link(file.ino, root, b"third").unwrap();
    assert_eq!(find(&*fs, "again").unwrap().nlink, 3);
    fs.rename(root, b"again", root, b"moved", RenameFlags::Replace).unwrap();
    fs.unlink(root, b"file").unwrap();
    assert_eq!(
        (find(&*fs, "moved").unwrap().nlink, read(&*fs, "third").as_str()),
        (2, "two file")
    );
    assert_eq!(list(&*fs, ""), ["etc", "moved", "only", "third", "top"]);
}

#[test]
fn lower_directories_move_with_their_content() {
    let Layers { fs, top, bottom, upper } = layers();
    let root = fs.root();
    let etc = find(&*fs, "etc").unwrap().ino;
    fs.rename(root, b"only", etc, b"moved", RenameFlags::Replace).unwrap();
    assert_eq!(read(&*fs, "etc/moved/deep/x"), "deep x");
    assert_eq!(find(&*fs, "only").unwrap_err(), Errno::ENOENT);
    fs.rename(root, b"etc", root, b"top", RenameFlags::Exchange).unwrap();
    assert_eq!(list(&*fs, "top"), ["a", "b", "c", "moved"]);
    assert_eq!(read(&*fs, "etc"), "top");
    let deep = find(&*fs, "top/moved").unwrap().ino;
    assert_eq!(
        fs.rename(root, b"top", deep, b"x", RenameFlags::Replace).unwrap_err(),
        Errno::EINVAL
    );
    mkdir(&*fs, root, "only");
    assert!(list(&*fs, "only").is_empty());
    fs.rename(etc, b"moved", root, b"only", RenameFlags::Replace).unwrap();
    assert_eq!(read(&*fs, "only/deep/x"), "deep x");
    let again = OverlayFs::new(upper, vec![top, bottom]).unwrap();
    assert_eq!(read(&*again, "only/deep/x"), "deep x");
    assert_eq!(list(&*again, "top"), ["a", "b", "c"]);
}

#[test]
fn open_files_outlive_their_names() {
    let Layers { fs, .. } = layers();
    let root = fs.root();
    let top = find(&*fs, "top").unwrap().ino;
    fs.retain(top).unwrap();
    fs.unlink(root, b"top").unwrap();
    assert_eq!(fs.getattr(top).unwrap().nlink, 0);
    fs.append(top, b" more").unwrap();
    let mut buf = [0; 8];
    assert_eq!(fs.read(top, 0, &mut buf).unwrap(), 8);
    assert_eq!(&buf, b"top more");
    assert_eq!(fs.link(top, root, b"back").unwrap_err(), Errno::ENOENT);
    fs.release(top);
    assert_eq!(fs.getattr(top).unwrap_err(), Errno::ESTALE);
}

#[test]
fn a_refused_copy_leaves_nothing_behind() {
    let (lower, upper) = (memory(u64::MAX), memory(4096));
    put(&*lower, lower.root(), "big", &"x".repeat(4000));
    let fs = OverlayFs::new(upper.clone(), vec![lower]).unwrap();
    let big = find(&*fs, "big").unwrap().ino;
    assert_eq!(fs.append(big, b"y").unwrap_err(), Errno::ENOSPC);
    assert_eq!((upper.charged(), read(&*fs, "big").len()), ((0, 0), 4000));
    fs.setattr(
        big,
        &SetAttr {
            size: Some(10),
            ..SetAttr::default()
        },
    )
    .unwrap();
    assert_eq!(read(&*fs, "big"), "x".repeat(10));
}

#[test]
fn listings_are_stable_while_files_are_copied_up() {
    let (lower, upper) = (memory(u64::MAX), memory(1 << 20));
    for index in 0..100 {
        put(&*lower, lower.root(), &format!("f{index}"), "");
    }
    let fs = OverlayFs::new(upper, vec![lower]).unwrap();
    put(&*fs, fs.root(), "new", "");
    let (mut seen, mut position) = (Vec::new(), 0);
    loop {
        let mut last = None;
        fs.readdir(fs.root(), position, &mut |entry| {
            last = Some((entry.ino, entry.next));
            seen.push(entry.name.to_vec());
            ControlFlow::Break(())
        })
        .unwrap();
        let Some((ino, next)) = last else { break };
        position = next;
        fs.append(ino, b"changed").unwrap();
    }
    assert_eq!(seen.len(), 101);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 101);
}

#[test]
fn the_overlays_own_marks_are_out_of_reach() {
    let Layers { fs, .. } = layers();
    let etc = find(&*fs, "etc").unwrap().ino;
    fs.setxattr(etc, b"user.k", b"", XattrMode::Any).unwrap();
    assert_eq!(fs.listxattr(etc).unwrap(), [b"user.k".to_vec()]);
    assert_eq!(fs.getxattr(etc, b"trusted.overlay.lowers").unwrap_err(), Errno::ENODATA);
    let set = fs.setxattr(etc, b"trusted.overlay.lowers", b"", XattrMode::Any);
    assert_eq!(set.unwrap_err(), Errno::EPERM);
    assert_eq!(
        fs.create(etc, b"w", &node(FileType::CharDevice)).unwrap_err(),
        Errno::EPERM
    );
}

/// A filesystem that counts what it is asked.
struct Counting {
    inner: Arc<dyn Filesystem>,
    asked: AtomicUsize,
}

impl Counting {
    fn counted<T>(&self, call: impl FnOnce() -> Result<T>) -> Result<T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        call()
    }
}

impl Filesystem for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }

    fn root(&self) -> Ino {
        self.inner.root()
    }

    fn release(&self, ino: Ino) {
        self.inner.release(ino);
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    crate::pass_filesystem_calls!(counted);
}

#[test]
fn each_step_of_a_path_asks_a_lower_once() {
    let Layers { bottom, upper, .. } = layers();
    let lower = Arc::new(Counting {
        inner: bottom,
        asked: AtomicUsize::new(0),
    });
    let fs = OverlayFs::new(upper, vec![Arc::clone(&lower) as Arc<dyn Filesystem>]).unwrap();
    let asked = || lower.asked.swap(0, Ordering::Relaxed);
    for _ in 0..2 {
        asked();
        let deep = find(&*fs, "only/deep/x").unwrap();
        assert_eq!(asked(), 3);
        fs.retain(deep.ino).unwrap();
        fs.release(deep.ino);
        assert_eq!((asked(), fs.getattr(deep.ino).unwrap()), (0, deep));
    }
    // What a name says is what the file says, also where a lower has the name and the upper the content.
    let file = find(&*fs, "file").unwrap();
    fs.write(file.ino, 0, b"longer than it was").unwrap();
    for path in ["file", "again"] {
        let found = find(&*fs, path).unwrap();
        assert_eq!((found.size, found), (18, fs.getattr(file.ino).unwrap()), "{path}");
    }
}

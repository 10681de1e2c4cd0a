//! T2: quotas hold on every path that writes, to the byte. Each case fills a filesystem by one kind of call, and after every
//! single call no more is stored, and no more is counted, than the cap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/mod.rs"]
mod common;
#[path = "enforcement/world.rs"]
mod world;

use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{
    CappedFs, FileType, Filesystem, FsQuota, HostDirFs, Mode, MountOptions, RenameFlags, XattrMode,
};
use agentos_kernel::{Errno, Result};
use common::ready;
use std::path::Path;
use std::sync::Arc;
use world::World;

const CWD: Dir = Dir::Cwd;
const BYTES: u64 = 64 << 10;
const FILES: u64 = 40;

/// A filesystem with a cap, mounted at `/q`.
struct Place {
    world: World,
    stored: Box<dyn Fn() -> (u64, u64)>,
    counted: Box<dyn Fn() -> (u64, u64)>,
    name: &'static str,
}

/// The VM's own quota, and the caps of a mounted directory of the host.
fn places() -> Vec<Place> {
    vec![memory(), host()]
}

fn memory() -> Place {
    let world = World::within("/q", BYTES, FILES);
    let quota: Arc<FsQuota> = world.kernel.quota().clone();
    let used = move || (quota.bytes.used(), quota.inodes.used());
    Place {
        world,
        counted: Box::new(used.clone()),
        // What memory holds is what is counted; the model of files compares contents.
        stored: Box::new(used),
        name: "memory",
    }
}

fn host() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let world = World::under(&serde_json::json!("default"));
    world.dir("/q");
    std::fs::write(dir.path().join("before"), vec![1; 5000]).unwrap();
    let inner: Arc<dyn Filesystem> = HostDirFs::open(dir.path(), false).unwrap();
    let capped = CappedFs::new(inner, Some(BYTES), Some(FILES));
    world
        .kernel
        .vfs()
        .mount(b"/q", capped.clone(), MountOptions::default())
        .unwrap();
    Place {
        world,
        counted: Box::new(move || capped.used()),
        stored: Box::new(move || {
            let (bytes, files) = tree(dir.path());
            (bytes.saturating_sub(5000), files.saturating_sub(1))
        }),
        name: "host directory",
    }
}

/// Sizes and number of what is below a directory of the host.
fn tree(dir: &Path) -> (u64, u64) {
    let (mut bytes, mut files) = (0, 0);
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        files += 1;
        if metadata.is_dir() {
            let (b, f) = tree(&entry.path());
            (bytes, files) = (bytes + b, files + f);
        } else {
            bytes += metadata.len();
        }
    }
    (bytes, files)
}

impl Place {
    fn check(&self) {
        let (stored, counted) = ((self.stored)(), (self.counted)());
        for (bytes, files) in [stored, counted] {
            assert!(
                bytes <= BYTES && files <= FILES,
                "{}: {bytes} bytes, {files} files",
                self.name
            );
        }
    }

    /// Calls until the quota refuses; says how many calls went well.
    fn fill(&self, mut call: impl FnMut(&World, usize) -> Result<()>) -> usize {
        for index in 0..100_000 {
            let done = call(&self.world, index);
            self.check();
            if let Err(error) = done {
                assert_eq!(error.errno(), Errno::ENOSPC, "{}: {error}", self.name);
                return index;
            }
        }
        panic!("{}: never full", self.name);
    }

    /// How much of the bytes is taken, nearly all.
    fn is_full(&self) {
        let (bytes, _) = (self.counted)();
        assert!(bytes + 8192 > BYTES, "{}: only {bytes} bytes are taken", self.name);
    }
}

fn write(world: &World, fd: Fd, data: &[u8]) -> Result<()> {
    let count = ready(world.process.write(fd, data, None))?;
    // A short count is what fits; the next call fails.
    assert!(count > 0 && count <= data.len());
    Ok(())
}

#[test]
fn t2_write() {
    for place in places() {
        let fd = place.world.open("/q/f", "wc").unwrap();
        place.fill(|world, _| write(world, fd, &[7; 999]));
        place.is_full();
    }
}

#[test]
fn t2_pwrite() {
    for place in places() {
        let fd = place.world.open("/q/f", "wc").unwrap();
        let at = |index: usize| (index as u64) * 777;
        place.fill(|world, index| ready(world.process.pwrite(fd, at(index), &[7; 999], None)).map(drop));
        place.is_full();
        // A hole beyond the end is room that a file claims.
        let far = ready(place.world.process.pwrite(fd, 10 << 20, b"x", None));
        assert_eq!(
            far.is_ok(),
            place.name == "memory" && (place.counted)().0 < BYTES,
            "{}",
            place.name
        );
        place.check();
    }
}

#[test]
fn t2_append() {
    for place in places() {
        let fds: Vec<Fd> = (0..2).map(|_| place.world.open("/q/f", "wca").unwrap()).collect();
        place.fill(|world, index| write(world, fds[index % 2], &[7; 1001]));
        place.is_full();
    }
}

#[test]
fn t2_many_small_files() {
    for place in places() {
        let made = place.fill(|world, index| {
            let fd = world.open(&format!("/q/{index}"), "wc")?;
            let written = write(world, fd, &[7; 3000]);
            world.process.close(fd).and(written)
        });
        assert!(made > 10, "{}", place.name);
    }
}

#[test]
fn t2_extending_truncate() {
    for place in places() {
        let fd = place.world.open("/q/f", "wc").unwrap();
        // A hole costs nothing in memory and takes what it claims on a host.
        let done = place.world.process.ftruncate(fd, BYTES + 1);
        place.check();
        if place.name != "memory" {
            assert_eq!(done.unwrap_err(), Errno::ENOSPC);
            assert_eq!(
                place.world.process.truncate(CWD, b"/q/f", BYTES + 1).unwrap_err(),
                Errno::ENOSPC
            );
            place.world.process.ftruncate(fd, BYTES).unwrap();
            place.check();
            assert_eq!(
                ready(place.world.process.pwrite(fd, BYTES, b"x", None)).unwrap_err(),
                Errno::ENOSPC
            );
            place.world.process.ftruncate(fd, 0).unwrap();
            assert_eq!((place.counted)().0, 0);
        }
        place.fill(|world, index| ready(world.process.pwrite(fd, index as u64 * 4096, &[7; 4096], None)).map(drop));
        place.is_full();
    }
}

#[test]
fn t2_allocate() {
    for place in places() {
        let fd = place.world.open("/q/f", "wc").unwrap();
        let too_much = place.world.process.allocate(fd, 0, BYTES + 1, false, false);
        assert!(
            [Errno::ENOSPC, Errno::EOPNOTSUPP].contains(&too_much.unwrap_err().errno()),
            "{}",
            place.name
        );
        place.check();
        // Room beyond the end that no size shows.
        let hidden = place.world.process.allocate(fd, 0, BYTES + 1, true, false);
        assert!(
            [Errno::ENOSPC, Errno::EOPNOTSUPP].contains(&hidden.unwrap_err().errno()),
            "{}",
            place.name
        );
        place.check();
        let fits = place.world.process.allocate(fd, 0, BYTES / 2, false, false);
        if fits.is_ok() {
            assert!((place.counted)().0 >= BYTES / 2, "{}", place.name);
        }
        place.check();
    }
}

#[test]
fn t2_copy() {
    for place in places() {
        place.world.file("/tmp/source", &"s".repeat(5000));
        let fd = place.world.open("/q/f", "wc").unwrap();
        place.fill(|world, _| {
            let from = world.open("/tmp/source", "r")?;
            let copied = ready(world.process.copy_range((from, None), (fd, None), 5000, None));
            world.process.close(from)?;
            copied.map(drop)
        });
        if place.name != "memory" {
            place.is_full();
        }
    }
}

#[test]
fn t2_rename_over_gives_back_once() {
    for place in places() {
        for round in 0..200 {
            let fd = place.world.open("/q/new", "wc").unwrap();
            write(&place.world, fd, &[7; 9000]).unwrap();
            place.world.process.close(fd).unwrap();
            place.check();
            let rename =
                |old: &[u8], new: &[u8]| place.world.process.rename((CWD, old), (CWD, new), RenameFlags::Replace);
            rename(b"/q/new", b"/q/kept").unwrap_or_else(|error| panic!("{} round {round}: {error}", place.name));
            place.check();
        }
        assert!((place.counted)().0 >= 9000, "{}", place.name);
    }
}

#[test]
fn t2_symlink_texts() {
    for place in places() {
        let made = place.fill(|world, index| {
            let path = format!("/q/{index}");
            world.process.symlink(&[b'x'; 4000], CWD, path.as_bytes())
        });
        assert!(made >= 10, "{}", place.name);
        place.is_full();
    }
}

#[test]
fn t2_directories() {
    for place in places() {
        let made = place.fill(|world, index| {
            world
                .process
                .mkdir(CWD, format!("/q/{index}").as_bytes(), Mode::new(0o777))
        });
        assert!(made as u64 <= FILES, "{}", place.name);
        for index in 0..made {
            place
                .world
                .process
                .rmdir(CWD, format!("/q/{index}").as_bytes())
                .unwrap();
        }
        assert_eq!(
            place.fill(|world, index| world
                .process
                .mkdir(CWD, format!("/q/{index}").as_bytes(), Mode::new(0o777))),
            made
        );
    }
}

#[test]
fn t2_inode_count() {
    for place in places() {
        let made = place.fill(|world, index| {
            let path = format!("/q/{index}");
            match index % 2 {
                0 => world.open(&path, "wc").and_then(|fd| world.process.close(fd)),
                _ => world
                    .process
                    .mknod(CWD, path.as_bytes(), FileType::Regular, Mode::new(0o600), 0),
            }
        });
        let (_, files) = (place.counted)();
        assert!(
            made as u64 <= FILES && files + 1 >= FILES,
            "{}: {made} made, {files} counted",
            place.name
        );
    }
}

#[test]
fn t2_names_of_one_file() {
    // A further name takes no inode; in memory it takes its bytes.
    let place = memory();
    place.world.open("/q/f", "wc").unwrap();
    let made = place.fill(|world, index| {
        let name = format!("/q/{}{index}", "n".repeat(200));
        world
            .process
            .link((CWD, b"/q/f"), (CWD, name.as_bytes()), AtFlags::FOLLOW)
    });
    assert!(made > 100);
    place.is_full();
}

#[test]
fn t2_extended_attributes() {
    for place in places() {
        for file in 0..20 {
            place.world.open(&format!("/q/{file}"), "wc").unwrap();
        }
        let set = |world: &World, index: usize| {
            let (file, name) = (format!("/q/{}", index % 20), format!("user.{index}"));
            world.process.setxattr(
                CWD,
                file.as_bytes(),
                name.as_bytes(),
                &[1; 1000],
                XattrMode::Any,
                AtFlags::FOLLOW,
            )
        };
        if set(&place.world, 0).is_err_and(|error| error == Errno::EOPNOTSUPP) {
            continue;
        }
        // The host's own filesystem may have less room for attributes than the cap leaves.
        place.fill(|world, index| set(world, index));
    }
}

#[test]
fn t2_a_removed_file_that_is_open_still_counts() {
    for place in places() {
        let fd = place.world.open("/q/f", "rwc").unwrap();
        write(&place.world, fd, &[7; 30_000]).unwrap();
        place.world.process.unlink(CWD, b"/q/f").unwrap();
        assert!((place.counted)().0 >= 30_000, "{}", place.name);
        let other = place.world.open("/q/g", "wc").unwrap();
        let filled = place.fill(|world, _| write(world, other, &[7; 1000]));
        assert!(filled < 40, "{}: {filled}", place.name);
        place.world.process.close(fd).unwrap();
        assert!((place.counted)().0 < BYTES - 25_000, "{}", place.name);
        write(&place.world, other, &[7; 1000]).unwrap();
    }
}

#[test]
fn t2_two_writers_take_the_same_room_once() {
    for place in places() {
        let fds: Vec<Fd> = (0..2)
            .map(|n| place.world.open(&format!("/q/{n}"), "wc").unwrap())
            .collect();
        let process = &place.world.process;
        std::thread::scope(|scope| {
            for fd in &fds {
                scope.spawn(|| while ready(process.write(*fd, &[7; 511], None)).is_ok() {});
            }
        });
        place.check();
        place.is_full();
    }
}

//! Speed of the durable filesystem: `cargo bench -p agentos-store --bench durable [DIRECTORY]`.
//!
//! The directory should be on the disk that is of interest; the default is that of temporary files. Each line is one
//! measurement; next to it, where it makes sense, the memory filesystem.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement may fail, and prints"
)]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant as KernelInstant, Timestamp};
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{FileType, Filesystem, FsQuota, MemoryFs, Mode, NewNode};
use agentos_store::Database;
use agentos_store::database::Options;
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_store::tables::VM_SCHEMA;

struct Wall;

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Timestamp(since.as_nanos() as i64)
    }

    fn instant(&self) -> KernelInstant {
        KernelInstant(0)
    }

    fn wake_at(&self, _: KernelInstant, _: &core::task::Waker) {}
}

fn quota() -> Arc<FsQuota> {
    let counter = |path| Counter::new(path, "", 1 << 50, Errno::ENOSPC);
    Arc::new(FsQuota {
        bytes: counter("limits.resources.maxFilesystemBytes"),
        inodes: counter("limits.resources.maxInodeCount"),
    })
}

fn open(dir: &Path) -> Arc<DurableFs> {
    let database = Database::open(&dir.join("vm.sqlite"), &VM_SCHEMA, Options::default()).unwrap();
    DurableFs::open(&database, Arc::new(Wall), quota(), FsLimits::default()).unwrap()
}

fn node(kind: FileType) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(0o755),
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
    }
}

fn file(fs: &dyn Filesystem, name: &str) -> Ino {
    fs.create(fs.root(), name.as_bytes(), &node(FileType::Regular))
        .unwrap()
        .ino
}

fn line(what: &str, value: impl core::fmt::Display) {
    println!("{what:<58} {value}");
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn micros(duration: Duration) -> String {
    format!("{:.1} us", duration.as_nanos() as f64 / 1000.0)
}

fn rate(bytes: u64, duration: Duration) -> String {
    format!("{:.0} MB/s", bytes as f64 / 1e6 / duration.as_secs_f64())
}

/// Bytes of a write.
const SIZE: usize = 4096;

fn main() {
    let dir = match std::env::args().skip(1).find(|word| !word.starts_with('-')) {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    disk(dir.path());
    let fs = open(dir.path());
    durable(&fs);
    cached(&*fs, "durable, cached");
    cached(&*MemoryFs::new(Arc::new(Wall), quota()), "memory");
    bulk(&fs);
    fs.database().close().unwrap();
    drop(fs);
    home(dir.path());
}

/// What a flush of the disk costs by itself.
fn disk(dir: &Path) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(dir.join("probe")).unwrap();
    let mut all: Vec<Duration> = (0..500u64)
        .map(|index| {
            timed(|| {
                file.write_all_at(&[1; SIZE], index * SIZE as u64).unwrap();
                file.sync_data().unwrap();
            })
        })
        .collect();
    all.sort_unstable();
    line("host: write of 4 KiB and fdatasync, p50", micros(all[all.len() / 2]));
}

fn durable(fs: &Arc<DurableFs>) {
    let ino = file(&**fs, "durable");
    let mut all: Vec<Duration> = (0..2000u64)
        .map(|index| {
            timed(|| {
                fs.write(ino, index % 64 * SIZE as u64, &[index as u8; SIZE]).unwrap();
                fs.durable().wait().unwrap();
            })
        })
        .collect();
    all.sort_unstable();
    line("durable write of 4 KiB, one writer, p50", micros(all[all.len() / 2]));
    line(
        "durable write of 4 KiB, one writer, p99",
        micros(all[all.len() * 99 / 100]),
    );
    let (writers, each) = (32u64, 300u64);
    let spent = timed(|| {
        std::thread::scope(|scope| {
            for writer in 0..writers {
                scope.spawn(move || {
                    for index in 0..each {
                        let at = (writer * 64 + index % 64) * SIZE as u64;
                        fs.write(ino, at, &[index as u8; SIZE]).unwrap();
                        fs.durable().wait().unwrap();
                    }
                });
            }
        });
    });
    let rate = (writers * each) as f64 / spent.as_secs_f64();
    line("durable writes of 4 KiB, 32 writers", format!("{rate:.0}/s"));
}

fn cached(fs: &dyn Filesystem, what: &str) {
    let ino = file(fs, "cached");
    let (count, mut buf) = (200_000u64, [0; SIZE]);
    let spent = timed(|| {
        for index in 0..count {
            fs.write(ino, index % 1024 * SIZE as u64, &[index as u8; SIZE]).unwrap();
        }
    });
    line(&format!("{what}: write of 4 KiB"), micros(spent / count as u32));
    let spent = timed(|| {
        for index in 0..count {
            fs.read(ino, index % 1024 * SIZE as u64, &mut buf).unwrap();
        }
    });
    line(&format!("{what}: read of 4 KiB"), micros(spent / count as u32));
    let files = 10_000;
    let dir = fs
        .mkdir(fs.root(), b"cached.d", &node(FileType::Directory))
        .unwrap()
        .ino;
    let spent = timed(|| {
        for index in 0..files {
            let name = format!("f{index}");
            let made = fs.create(dir, name.as_bytes(), &node(FileType::Regular)).unwrap();
            fs.write(made.ino, 0, b"small").unwrap();
        }
    });
    line(&format!("{what}: create a small file"), micros(spent / files));
    let spent = timed(|| {
        for index in 0..files {
            fs.lookup(dir, format!("f{index}").as_bytes()).unwrap();
        }
    });
    line(&format!("{what}: look a file up"), micros(spent / files));
    let spent = timed(|| {
        for index in 0..files {
            fs.unlink(dir, format!("f{index}").as_bytes()).unwrap();
        }
    });
    line(&format!("{what}: remove a file"), micros(spent / files));
}

fn bulk(fs: &Arc<DurableFs>) {
    const BYTES: u64 = 256 << 20;
    let ino = file(&**fs, "bulk");
    let piece = vec![7; 1 << 20];
    let spent = timed(|| {
        for index in 0..BYTES >> 20 {
            fs.write(ino, index << 20, &piece).unwrap();
        }
        fs.sync().unwrap();
    });
    line("256 MiB written in sequence and flushed", rate(BYTES, spent));
    let mut buf = vec![0; 1 << 20];
    let spent = timed(|| {
        for index in 0..BYTES >> 20 {
            fs.read(ino, index << 20, &mut buf).unwrap();
        }
    });
    line("256 MiB read in sequence, 32 MiB of cache", rate(BYTES, spent));
    let spent = timed(|| {
        fs.unlink(fs.root(), b"bulk").unwrap();
        fs.sync().unwrap();
    });
    line("the same removed and flushed", micros(spent));
}

fn home(dir: &Path) {
    let files = 10_000u32;
    let fs = open(dir);
    let spent = timed(|| {
        for index in 0..files {
            let name = format!("d{}", index / 100);
            let sub = match fs.lookup(fs.root(), name.as_bytes()) {
                Ok(found) => found.ino,
                Err(_) => {
                    fs.mkdir(fs.root(), name.as_bytes(), &node(FileType::Directory))
                        .unwrap()
                        .ino
                }
            };
            let made = fs
                .create(sub, format!("f{index}").as_bytes(), &node(FileType::Regular))
                .unwrap();
            fs.write(made.ino, 0, &[1; 1000]).unwrap();
        }
        fs.sync().unwrap();
    });
    line(
        "a home of 10,000 files of 1 kB made and flushed",
        format!("{} ms", spent.as_millis()),
    );
    fs.database().close().unwrap();
    drop(fs);
    let start = Instant::now();
    let fs = open(dir);
    line("opened (database and filesystem)", micros(start.elapsed()));
    let spent = timed(|| {
        let sub = fs.lookup(fs.root(), b"d50").unwrap().ino;
        let found = fs.lookup(sub, b"f5050").unwrap();
        fs.read(found.ino, 0, &mut [0; 1000]).unwrap();
    });
    line("first read of one file", micros(spent));
    let mut seen = 0;
    let spent = timed(|| walk(&fs, fs.root(), &mut seen));
    line(
        &format!("all {seen} inodes listed and looked at, from disk"),
        micros(spent),
    );
    let spent = timed(|| assert!(DurableFs::check(fs.database()).unwrap().is_sound()));
    line("checked for contradictions", micros(spent));
    fs.database().close().unwrap();
}

fn walk(fs: &Arc<DurableFs>, dir: Ino, seen: &mut u64) {
    let mut found = Vec::new();
    fs.readdir(dir, 0, &mut |entry| {
        found.push((entry.name.to_vec(), entry.kind));
        ControlFlow::Continue(())
    })
    .unwrap();
    for (name, kind) in found {
        let ino = fs.lookup(dir, &name).unwrap().ino;
        *seen += 1;
        if kind == FileType::Directory {
            walk(fs, ino, seen);
        }
    }
}

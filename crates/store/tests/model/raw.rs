//! Random operations on inodes, below paths: what a filesystem is asked directly. While the disk cannot be read now and then,
//! each either happens as in memory, or is `EIO` and leaves everything as it was.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{
    FileType, Filesystem, MemoryFs, Mode, NewNode, RenameFlags, SeekTarget, SetAttr, SetTime, XattrMode,
};
use agentos_kernel::{Errno, Result};
use agentos_store::fs::FsLimits;
use agentos_store_faults::Disk;

use super::common::{Home, Still, difference, survey};
use super::op::Random;
use super::{OPS, number, quota};

/// An operation; inodes and names by small numbers, so that they meet.
#[derive(Debug, Clone, Copy)]
struct Op {
    what: u64,
    inodes: [Ino; 2],
    names: [u8; 2],
    offset: u64,
    len: usize,
    pick: u64,
}

fn node(kind: FileType, op: &Op) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(op.pick as u32),
        uid: Uid(op.names[0].into()),
        gid: Gid(op.names[1].into()),
        rdev: op.pick % 1000,
    }
}

/// What an operation answers, as text.
fn apply(fs: &dyn Filesystem, op: &Op) -> Result<String> {
    let [a, b] = op.inodes;
    let [n, m] = op.names.map(|name| [b'n', name]);
    let data: Vec<u8> = (0..op.len).map(|index| (index as u64 ^ op.pick) as u8).collect();
    let text = |value: &dyn core::fmt::Debug| Ok(format!("{value:?}"));
    match op.what {
        0 | 1 => text(&fs.create(a, &n, &node(FileType::Regular, op))?),
        2 => text(&fs.mkdir(a, &n, &node(FileType::Directory, op))?),
        3 => text(&fs.symlink(a, &n, &data[..op.len.min(3000)], &node(FileType::Symlink, op))?),
        4 => text(&fs.link(b, a, &n)?),
        5 => text(&fs.unlink(a, &n)?),
        6 => text(&fs.rmdir(a, &n)?),
        7 | 8 => text(&fs.rename(a, &n, b, &m, RenameFlags::Replace)?),
        9 => text(&fs.rename(a, &n, b, &m, RenameFlags::Exchange)?),
        10 => text(&fs.rename(a, &n, b, &m, RenameFlags::NoReplace)?),
        11..=13 => text(&fs.write(a, op.offset, &data)?),
        14 => text(&fs.append(a, &data)?),
        15 => {
            let size = Some(op.offset);
            text(&fs.setattr(
                a,
                &SetAttr {
                    size,
                    ..SetAttr::default()
                },
            )?)
        }
        16 => {
            let set = SetAttr {
                mode: Some(Mode::new(op.pick as u32)),
                atime: SetTime::At(Timestamp(op.pick as i64)),
                ..SetAttr::default()
            };
            text(&fs.setattr(a, &set)?)
        }
        17 => text(&fs.allocate(a, op.offset, op.len as u64 + 1, op.pick.is_multiple_of(2), true)?),
        18 => text(&fs.allocate(a, op.offset, op.len as u64 + 1, op.pick.is_multiple_of(2), false)?),
        19 => text(&fs.setxattr(a, &n, &data[..op.len.min(500)], XattrMode::Any)?),
        20 => text(&fs.removexattr(a, &n)?),
        21 => text(&(fs.getxattr(a, &n)?, fs.listxattr(a)?)),
        22 => text(&fs.touch(a)?),
        23 => {
            let mut buf = vec![0; op.len];
            let count = fs.read(a, op.offset, &mut buf)?;
            text(&&buf[..count])
        }
        24 => text(&fs.seek(a, op.offset, SeekTarget::Data)?),
        25 => text(&fs.seek(a, op.offset, SeekTarget::Hole)?),
        26 => text(&fs.lookup(a, &n)?),
        27 => text(&fs.parent(a)?),
        28 => text(&fs.name_of(a).map(drop)?),
        29 => text(&fs.readlink(a)?),
        _ => text(&fs.getattr(a)?),
    }
}

fn random_op(random: &mut Random) -> Op {
    let mut ino = || match random.below(3) {
        0 => Ino(1),
        1 => Ino(1 + random.below(12)),
        _ => Ino(1 + random.below(80)),
    };
    let inodes = [ino(), ino()];
    Op {
        what: random.below(31),
        inodes,
        names: [random.below(7) as u8 + b'0', random.below(7) as u8 + b'0'],
        offset: [random.below(70_000), 4096 * random.below(17)][random.below(2) as usize],
        len: [0, 1, 100, 4096, 5000, 20_000][random.below(6) as usize],
        pick: random.next(),
    }
}

#[test]
fn a_disk_that_cannot_be_read_leaves_nothing_half_done() {
    let seed = number("AGENTOS_MODEL_SEED", 20_261_126) ^ 77;
    println!("seed {seed}");
    let mut random = Random(seed);
    let (mut unread, mut done) = (0u64, 0u64);
    for _ in 0..number("AGENTOS_MODEL_OPS", OPS).div_ceil(30_000) {
        let clock = Arc::new(Still::default());
        let disk = Disk::new();
        let mut home = Home::new();
        home.vfs = Some(disk.vfs().to_owned());
        let memory = MemoryFs::new(clock.clone(), quota(1 << 40));
        let mut limits = FsLimits::default();
        limits.cache_bytes = 2_000;
        let durable = home.open(clock.clone(), quota(1 << 40), limits);
        for index in 0..4_000 {
            clock.0.fetch_add(1, Ordering::Relaxed);
            if random.below(3) == 0 {
                // So that there is something to forget, and to read again.
                durable.sync().unwrap();
            }
            let op = random_op(&mut random);
            let faulty = random.below(2) == 0;
            disk.fail_reads(if faulty { 1 + random.below(3) } else { 0 });
            let ours = apply(&*durable, &op);
            disk.heal();
            let hurt = matches!(&ours, Err(error) if *error == Errno::EIO);
            assert!(
                faulty || !hurt,
                "operation {index} (seed {seed}): {op:?} is EIO without reason"
            );
            unread += u64::from(hurt);
            if !hurt {
                let theirs = apply(&*memory, &op);
                done += u64::from(theirs.is_ok());
                assert!(
                    ours.as_ref().map_err(agentos_kernel::Error::errno)
                        == theirs.as_ref().map_err(agentos_kernel::Error::errno),
                    "operation {index} (seed {seed}): {op:?}\n  memory: {theirs:?}\n  durable: {ours:?}"
                );
            }
            if hurt || random.below(50) == 0 {
                let difference = difference(&survey(&*memory), &survey(&*durable));
                assert_eq!(difference, None, "operation {index} (seed {seed}): {op:?} was {ours:?}");
                assert_eq!(
                    memory.charged(),
                    durable.charged(),
                    "charges after {op:?} (seed {seed})"
                );
            }
        }
        durable.database().close().unwrap();
    }
    println!("{unread} operations could not read, {done} were done");
    assert!(unread > 100 && done > 1000);
}

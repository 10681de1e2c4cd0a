//! Operations, and random ones.

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    ReadWrite,
    Create,
    CreateNew,
    Truncate,
    CreateTruncate,
    Directory,
    NoFollow,
    Unnamed,
}

/// How a range is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    Reserve,
    ReserveKeepingSize,
    Punch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Replace,
    NoReplace,
    Exchange,
}

pub(crate) type Path = Vec<u8>;

/// One system call. Slots are open files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Open(usize, Path, How, u32),
    Close(usize),
    Read(usize, u64, usize),
    Write(usize, u64, usize, u8),
    Append(usize, usize, u8),
    Resize(usize, u64),
    Allocate(usize, Range, u64, u64),
    SeekData(usize, u64),
    SeekHole(usize, u64),
    StatOpen(usize),
    NameOpen(usize, Path),
    Truncate(Path, u64),
    Mkdir(Path, u32),
    Fifo(Path, u32),
    Rmdir(Path),
    Unlink(Path),
    Rename(Path, Path, Move),
    Link(Path, Path, bool),
    Symlink(Path, Path),
    Readlink(Path),
    Chmod(Path, u32),
    Chown(Path, u32, u32, bool),
    Stat(Path, bool),
    List(Path),
    SetXattr(Path, Vec<u8>, Vec<u8>, bool, bool),
    GetXattr(Path, Vec<u8>),
    RemoveXattr(Path, Vec<u8>),
    ListXattr(Path),
}

/// What an operation returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Done,
    Count(u64),
    Bytes(Vec<u8>),
    Names(Vec<(Vec<u8>, Option<u32>)>),
    Stat(Stat),
}

/// What is compared of an inode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stat {
    /// Type and permissions.
    pub(crate) mode: u32,
    pub(crate) nlink: u64,
    pub(crate) size: u64,
    pub(crate) blocks: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A value or the number of an error.
pub(crate) type Outcome = Result<Value, i32>;

/// What may be generated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    pub(crate) chown: bool,
    pub(crate) special: bool,
    pub(crate) set_id: bool,
    pub(crate) unnamed: bool,
    pub(crate) xattr: bool,
    pub(crate) reserve: bool,
}

/// Open files at once.
pub(crate) const SLOTS: usize = 6;

/// SplitMix64.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn name(&mut self) -> Vec<u8> {
        match self.below(200) {
            0 => vec![b'n'; 255],
            1 => vec![b'n'; 256],
            2 => b"\xff\xfe".to_vec(),
            3 => b".hidden name\n".to_vec(),
            _ => vec![self.pick(b"abcdef")],
        }
    }

    pub(crate) fn path(&mut self) -> Path {
        match self.below(400) {
            0 => return Vec::new(),
            1 => return b"a/".repeat(2100),
            2 => return b"./././a/.".to_vec(),
            3 => return b"..".to_vec(),
            4 => return b".".to_vec(),
            _ => {}
        }
        let depth = self.pick(&[1, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
        let mut path = Vec::new();
        for index in 0..depth {
            if index > 0 {
                path.push(b'/');
                if self.chance(2) {
                    path.push(b'/');
                }
            }
            match self.below(100) {
                0 => path.extend_from_slice(b"."),
                1 if index > 0 => path.extend_from_slice(b".."),
                _ => path.extend(self.name()),
            }
        }
        if self.chance(4) {
            path.push(b'/');
        }
        path
    }

    fn target(&mut self) -> Path {
        match self.below(60) {
            0 => Vec::new(),
            1 => vec![b'x'; 4096],
            2..=20 => [b"../".to_vec(), self.name()].concat(),
            21..=24 => b".".to_vec(),
            _ => {
                let path = self.path();
                // Absolute and long ones would leave the tree under test.
                if path.is_empty() || path.len() > 600 {
                    b"a".to_vec()
                } else {
                    path
                }
            }
        }
    }

    fn offset(&mut self) -> u64 {
        match self.below(20) {
            0 => self.below(1 << 20),
            1 => 4096 * self.below(40),
            2 => 4096 * self.below(40) + 1,
            3 => i64::MAX as u64 - self.below(3),
            4 => 1 << 40,
            _ => self.below(20_000),
        }
    }

    fn small(&mut self) -> u64 {
        match self.below(10) {
            0 => 4096 * self.below(30),
            1 => self.below(200_000),
            _ => self.below(20_000),
        }
    }

    fn len(&mut self) -> usize {
        self.pick(&[0, 1, 10, 100, 1000, 4096, 5000, 20_000])
    }

    fn mode(&mut self, may: &Abilities) -> u32 {
        let mode = self.pick(&[
            0o644, 0o755, 0o600, 0o777, 0, 0o1777, 0o4755, 0o2755, 0o6711, 0o2644, 0o555,
        ]);
        if may.set_id { mode } else { mode & 0o777 }
    }

    fn xattr(&mut self) -> Vec<u8> {
        match self.below(30) {
            0 => b"user.".to_vec(),
            1 => b"nothing".to_vec(),
            2 => [b"user.".as_slice(), &[b'x'; 260]].concat(),
            _ => vec![b'u', b's', b'e', b'r', b'.', self.pick(b"xyz")],
        }
    }

    fn slot(&mut self) -> usize {
        self.below(SLOTS as u64) as usize
    }

    /// The next operation.
    pub(crate) fn op(&mut self, may: &Abilities) -> Op {
        loop {
            let op = self.any(may);
            let possible = match &op {
                Op::Open(_, _, How::Unnamed, _) | Op::NameOpen(..) => may.unnamed,
                Op::Chown(..) => may.chown,
                Op::Fifo(..) => may.special,
                Op::Allocate(_, Range::Punch, ..) => true,
                Op::Allocate(..) => may.reserve,
                Op::SetXattr(..) | Op::GetXattr(..) | Op::RemoveXattr(..) | Op::ListXattr(..) => may.xattr,
                _ => true,
            };
            if possible {
                return op;
            }
        }
    }

    fn any(&mut self, may: &Abilities) -> Op {
        match self.below(100) {
            0..=17 => {
                let how = self.pick(&[
                    How::Read,
                    How::ReadWrite,
                    How::Create,
                    How::Create,
                    How::Create,
                    How::CreateNew,
                    How::Truncate,
                    How::CreateTruncate,
                    How::Directory,
                    How::NoFollow,
                    How::Unnamed,
                ]);
                Op::Open(self.slot(), self.path(), how, self.mode(may))
            }
            18..=19 => Op::Close(self.slot()),
            20..=24 => Op::Read(self.slot(), self.offset(), self.len()),
            25..=31 => Op::Write(self.slot(), self.offset(), self.len(), self.next() as u8 | 1),
            32..=34 => Op::Append(self.slot(), self.len(), self.next() as u8 | 1),
            35..=37 => Op::Resize(self.slot(), self.small()),
            38..=40 => {
                let range = self.pick(&[Range::Reserve, Range::ReserveKeepingSize, Range::Punch, Range::Punch]);
                Op::Allocate(self.slot(), range, self.small(), self.small())
            }
            41..=42 => Op::SeekData(self.slot(), self.small()),
            43..=44 => Op::SeekHole(self.slot(), self.small()),
            45..=46 => Op::StatOpen(self.slot()),
            47 => Op::NameOpen(self.slot(), self.path()),
            48 => Op::Truncate(self.path(), self.small()),
            49..=55 => Op::Mkdir(self.path(), self.mode(may)),
            56 => Op::Fifo(self.path(), self.mode(may)),
            57..=59 => Op::Rmdir(self.path()),
            60..=63 => Op::Unlink(self.path()),
            64..=72 => {
                let how = self.pick(&[
                    Move::Replace,
                    Move::Replace,
                    Move::Replace,
                    Move::NoReplace,
                    Move::Exchange,
                ]);
                Op::Rename(self.path(), self.path(), how)
            }
            73..=76 => Op::Link(self.path(), self.path(), self.chance(30)),
            77..=80 => Op::Symlink(self.target(), self.path()),
            81 => Op::Readlink(self.path()),
            82..=83 => Op::Chmod(self.path(), self.mode(may)),
            84..=85 => Op::Chown(
                self.path(),
                self.pick(&[0, 1000, 5]),
                self.pick(&[0, 1000, 7]),
                self.chance(50),
            ),
            86..=90 => Op::Stat(self.path(), self.chance(50)),
            91..=93 => Op::List(self.path()),
            94..=95 => {
                let len = self.pick(&[0, 5, 100, 4000]);
                let value = vec![self.next() as u8; len];
                Op::SetXattr(self.path(), self.xattr(), value, self.chance(20), self.chance(20))
            }
            96..=97 => Op::GetXattr(self.path(), self.xattr()),
            98 => Op::RemoveXattr(self.path(), self.xattr()),
            _ => Op::ListXattr(self.path()),
        }
    }
}

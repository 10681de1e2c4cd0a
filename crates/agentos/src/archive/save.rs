//! Writing an archive: walks two trees side by side and keeps what differs.

use super::tar::{Head, Records, Writer, kind};
use super::{MARK, SPARSE_COUNT, SPARSE_MAP, SPARSE_SIZE, VERSION, XATTR};
use agentos_kernel::Error as KernelError;
use agentos_kernel::id::Ino;
use agentos_kernel::vfs::{Attr, FileType, Filesystem, SeekTarget};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

/// An archive of what `files`, which nobody changes, has and `base` has not. `files` began as a copy of `base`, so that an inode
/// with the same number and the same time of its last change is the same. The file `without` is left out.
///
/// # Errors
/// A filesystem that cannot be read.
pub(crate) fn save(files: &dyn Filesystem, base: &dyn Filesystem, without: &[u8]) -> Result<Vec<u8>, KernelError> {
    let mut saver = Saver {
        files,
        base,
        without,
        links: HashMap::new(),
        writer: Writer::default(),
    };
    saver.writer.global(&vec![(MARK.to_vec(), VERSION.to_vec())]);
    let mut left = vec![Folder {
        ino: files.root(),
        base: Some(base.root()),
        path: Vec::new(),
    }];
    while let Some(folder) = left.pop() {
        saver.folder(&folder, &mut left)?;
    }
    Ok(saver.writer.finish())
}

struct Saver<'a> {
    files: &'a dyn Filesystem,
    base: &'a dyn Filesystem,
    without: &'a [u8],
    /// Files with several names, by the one that they were saved under.
    links: HashMap<Ino, Vec<u8>>,
    writer: Writer,
}

/// Offsets and lengths.
type Map = Vec<(u64, u64)>;

/// A directory to look through.
struct Folder {
    ino: Ino,
    base: Option<Ino>,
    path: Vec<u8>,
}

impl Saver<'_> {
    fn folder(&mut self, folder: &Folder, left: &mut Vec<Folder>) -> Result<(), KernelError> {
        let now = entries(self.files, folder.ino)?;
        let before = match folder.base {
            Some(base) => entries(self.base, base)?,
            None => BTreeMap::new(),
        };
        let within = |name: &[u8]| {
            let mut path = folder.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            path
        };
        for name in before.keys().filter(|name| !now.contains_key(*name)) {
            self.removed(within(name));
        }
        for (name, ino) in now {
            let attr = self.files.getattr(ino)?;
            let old = before.get(&name).map(|ino| self.base.getattr(*ino)).transpose()?;
            let path = within(&name);
            let same = old.is_some_and(|old| (old.ino, old.kind, old.ctime) == (attr.ino, attr.kind, attr.ctime));
            if !same && path != self.without {
                self.changed(&path, &attr)?;
            }
            if attr.kind == FileType::Directory {
                let base = old.filter(|old| old.kind == FileType::Directory).map(|old| old.ino);
                left.push(Folder { ino, base, path });
            }
        }
        Ok(())
    }

    fn removed(&mut self, path: Vec<u8>) {
        let head = Head {
            kind: kind::CHAR_DEVICE,
            path,
            ..Head::default()
        };
        self.writer.member(&head, 0, []);
    }

    fn changed(&mut self, path: &[u8], attr: &Attr) -> Result<(), KernelError> {
        let kind = match attr.kind {
            FileType::Regular => kind::FILE,
            FileType::Directory => kind::DIRECTORY,
            FileType::Symlink => kind::SYMLINK,
            FileType::Fifo => kind::FIFO,
            // Nobody listens at a socket of a VM that has not started; devices belong to the kernel.
            FileType::Socket | FileType::CharDevice | FileType::BlockDevice => return Ok(()),
        };
        let mut head = Head {
            kind,
            path: path.to_vec(),
            mode: attr.mode.bits(),
            uid: attr.uid.0,
            gid: attr.gid.0,
            mtime: attr.mtime,
            records: self.attributes(attr.ino)?,
            ..Head::default()
        };
        if attr.nlink > 1 && attr.kind != FileType::Directory {
            if let Some(first) = self.links.get(&attr.ino) {
                (head.kind, head.target) = (kind::LINK, first.clone());
                self.writer.member(&head, 0, []);
                return Ok(());
            }
            self.links.insert(attr.ino, path.to_vec());
        }
        match attr.kind {
            FileType::Regular => self.content(head, attr),
            FileType::Symlink => {
                head.target = self.files.readlink(attr.ino)?;
                self.writer.member(&head, 0, []);
                Ok(())
            }
            _ => {
                self.writer.member(&head, 0, []);
                Ok(())
            }
        }
    }

    fn attributes(&self, ino: Ino) -> Result<Records, KernelError> {
        let mut records = Records::new();
        for name in self.files.listxattr(ino)? {
            let value = self.files.getxattr(ino, &name)?;
            records.push(([XATTR, &name].concat(), value));
        }
        Ok(records)
    }

    fn content(&mut self, mut head: Head, attr: &Attr) -> Result<(), KernelError> {
        if let Some(blob) = self.files.blob(attr.ino) {
            self.writer
                .member(&head, blob.bytes().len() as u64, [&blob.bytes()[..]]);
            return Ok(());
        }
        let (map, data) = self.pieces(attr)?;
        if map != [(0, attr.size)] && attr.size > 0 {
            let numbers = map
                .iter()
                .flat_map(|(from, length)| [from.to_string(), length.to_string()]);
            let numbers: Vec<String> = numbers.collect();
            let mut record = |name: &[u8], value: String| head.records.push((name.to_vec(), value.into_bytes()));
            record(SPARSE_SIZE, attr.size.to_string());
            record(SPARSE_COUNT, map.len().to_string());
            record(SPARSE_MAP, numbers.join(","));
        }
        self.writer.member(&head, data.len() as u64, [&data[..]]);
        Ok(())
    }

    /// Where a file has data, and all of it one after the other.
    fn pieces(&self, attr: &Attr) -> Result<(Map, Vec<u8>), KernelError> {
        let (mut map, mut data) = (Map::new(), Vec::new());
        let mut at = 0;
        while at < attr.size {
            // There is none any more if this fails.
            let Ok(from) = self.files.seek(attr.ino, at, SeekTarget::Data) else {
                break;
            };
            let to = self.files.seek(attr.ino, from, SeekTarget::Hole)?;
            let start = data.len();
            data.resize(start + usize::try_from(to - from).unwrap_or(0), 0);
            let room = data.get_mut(start..).unwrap_or_default();
            let count = self.files.read(attr.ino, from, room)?;
            data.truncate(start + count);
            map.push((from, count as u64));
            if count as u64 != to - from {
                break;
            }
            at = to;
        }
        Ok((map, data))
    }
}

/// What is in a directory, by name.
fn entries(fs: &dyn Filesystem, dir: Ino) -> Result<BTreeMap<Vec<u8>, Ino>, KernelError> {
    let mut found = BTreeMap::new();
    fs.readdir(dir, 0, &mut |entry| {
        found.insert(entry.name.to_vec(), entry.ino);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

//! Reading an archive into the files of a VM that has not started.

use super::tar::{Head, Reader, kind};
use super::{MARK, SPARSE_MAP, SPARSE_SIZE, VERSION, XATTR};
use crate::error::{Error, Result};
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{FileType, Filesystem, Mode, NAME_MAX, NewNode, PATH_MAX, SetAttr, SetTime, XattrMode};
use agentos_kernel::{Errno, Error as KernelError};
use std::ops::ControlFlow;

/// Makes the changes that an archive tells of.
///
/// # Errors
/// [`Error::InvalidOption`] for what is no archive of ours, a limit for one that holds more than the VM may.
pub(crate) fn restore(files: &dyn Filesystem, archive: &[u8]) -> Result<()> {
    let mut reader = Reader::new(archive);
    let invalid = |path: &[u8], reason: &str| {
        let at = match path {
            [] => String::new(),
            path => format!("{}: ", String::from_utf8_lossy(path)),
        };
        let reason = format!("{at}{reason}; expected what snapshots of agentOS are saved as");
        Error::InvalidOption {
            option: "snapshot",
            reason,
        }
    };
    let first = reader.next().map_err(|reason| invalid(&[], reason))?;
    let version = first.and_then(|(head, _)| head.records.into_iter().find(|(name, _)| name == MARK));
    match version {
        Some((_, version)) if version == VERSION => {}
        Some(_) => return Err(invalid(&[], "it is of a later version")),
        None => return Err(invalid(&[], "it is something else")),
    }
    let mut restorer = Restorer {
        files,
        dated: Vec::new(),
    };
    while let Some((head, data)) = reader.next().map_err(|reason| invalid(&[], reason))? {
        restorer.member(&head, data).map_err(|problem| match problem {
            Problem::Wrong(reason) => invalid(&head.path, reason),
            Problem::Refused(error) => Error::file("restore", &String::from_utf8_lossy(&head.path))(error),
        })?;
    }
    // What was added to directories has changed their times.
    for (ino, set) in restorer.dated {
        // One that a later member removed is gone.
        let _ = files.setattr(ino, &set);
    }
    Ok(())
}

/// Why a member cannot be had.
enum Problem {
    Wrong(&'static str),
    Refused(KernelError),
}

impl From<KernelError> for Problem {
    fn from(error: KernelError) -> Self {
        Self::Refused(error)
    }
}

impl From<Errno> for Problem {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno.into())
    }
}

struct Restorer<'a> {
    files: &'a dyn Filesystem,
    dated: Vec<(Ino, SetAttr)>,
}

impl Restorer<'_> {
    fn member(&mut self, head: &Head, data: &[u8]) -> Result<(), Problem> {
        let (dir, name) = self.place(&head.path)?;
        if head.kind == kind::DIRECTORY {
            return self.directory(head, dir, name);
        }
        if head.kind == kind::LINK {
            let (from, of) = self.place(&head.target)?;
            let known = self.files.lookup(from, of)?;
            if known.kind == FileType::Directory {
                return Err(Problem::Wrong("a hard link to a directory"));
            }
            // A link to itself must not remove what it leads to.
            if (from, of) != (dir, name) {
                remove(self.files, dir, name)?;
                self.files.link(known.ino, dir, name)?;
            }
            return Ok(());
        }
        remove(self.files, dir, name)?;
        let node = |kind| NewNode {
            kind,
            mode: mode(head),
            uid: Uid(head.uid),
            gid: Gid(head.gid),
            rdev: 0,
        };
        let made = match head.kind {
            kind::CHAR_DEVICE if head.device == (0, 0) => return Ok(()),
            kind::FILE => self.files.create(dir, name, &node(FileType::Regular))?,
            kind::FIFO => self.files.create(dir, name, &node(FileType::Fifo))?,
            kind::SYMLINK => {
                if head.target.is_empty() || head.target.len() > PATH_MAX || head.target.contains(&0) {
                    return Err(Problem::Wrong("a link that leads nowhere"));
                }
                self.files.symlink(dir, name, &head.target, &node(FileType::Symlink))?
            }
            _ => return Err(Problem::Wrong("a member of a kind that no snapshot has")),
        };
        if head.kind == kind::FILE {
            self.content(head, made.ino, data)?;
        }
        self.attributes(head, made.ino)?;
        self.files.setattr(made.ino, &dated(head))?;
        Ok(())
    }

    fn directory(&mut self, head: &Head, dir: Ino, name: &[u8]) -> Result<(), Problem> {
        let known = self.files.lookup(dir, name);
        let ino = match known {
            Ok(attr) if attr.kind == FileType::Directory => attr.ino,
            _ => {
                remove(self.files, dir, name)?;
                self.files
                    .mkdir(dir, name, &folder(mode(head), head.uid, head.gid))?
                    .ino
            }
        };
        self.attributes(head, ino)?;
        let owned = SetAttr {
            mode: Some(mode(head)),
            uid: Some(Uid(head.uid)),
            gid: Some(Gid(head.gid)),
            ..dated(head)
        };
        self.dated.push((ino, owned));
        Ok(())
    }

    /// The directory that a path leads to, made where it is not there, and the last name. Links are not followed.
    fn place<'p>(&self, path: &'p [u8]) -> Result<(Ino, &'p [u8]), Problem> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let mut dir = self.files.root();
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            if name.is_empty() || name == b"." || name == b".." || name.len() > NAME_MAX || name.contains(&0) {
                return Err(Problem::Wrong("a path with a name that no file can have"));
            }
            if names.peek().is_none() {
                return Ok((dir, name));
            }
            dir = match self.files.lookup(dir, name) {
                Ok(attr) if attr.kind == FileType::Directory => attr.ino,
                Ok(_) => return Err(Problem::Wrong("a path through what is no directory")),
                Err(error) if error.errno() == Errno::ENOENT => {
                    self.files.mkdir(dir, name, &folder(Mode::new(0o755), 0, 0))?.ino
                }
                Err(error) => return Err(error.into()),
            };
        }
        Err(Problem::Wrong("an empty path"))
    }

    fn content(&self, head: &Head, ino: Ino, data: &[u8]) -> Result<(), Problem> {
        let record = |name: &[u8]| head.records.iter().find(|(known, _)| known == name);
        let Some((_, map)) = record(SPARSE_MAP) else {
            return self.write(ino, 0, data);
        };
        let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        let size = record(SPARSE_SIZE).and_then(|(_, size)| number(size));
        let size = size.ok_or(Problem::Wrong("a file with holes and without a size"))?;
        let mut rest = data;
        let mut numbers = map.split(|byte| *byte == b',').filter(|text| !text.is_empty());
        while let Some(from) = numbers.next() {
            let piece = number(from).zip(numbers.next().and_then(number));
            let piece = piece.and_then(|(from, length)| {
                let (now, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                from.checked_add(length)
                    .filter(|end| *end <= size)
                    .map(|_| (from, now, after))
            });
            let (from, now, after) = piece.ok_or(Problem::Wrong("a file whose pieces do not fit it"))?;
            self.write(ino, from, now)?;
            rest = after;
        }
        let set = SetAttr {
            size: Some(size),
            ..SetAttr::default()
        };
        self.files.setattr(ino, &set)?;
        Ok(())
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<(), Problem> {
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            done += self.files.write(ino, offset + done as u64, rest)?;
        }
        Ok(())
    }

    fn attributes(&self, head: &Head, ino: Ino) -> Result<(), Problem> {
        for (name, value) in &head.records {
            let Some(name) = name.strip_prefix(XATTR) else {
                continue;
            };
            if name.is_empty() || name.len() > NAME_MAX || name.contains(&0) {
                return Err(Problem::Wrong("an extended attribute without a proper name"));
            }
            self.files.setxattr(ino, name, value, XattrMode::Any)?;
        }
        Ok(())
    }
}

/// Permissions without the bits that would make programs of somebody else.
fn mode(head: &Head) -> Mode {
    Mode::new(head.mode & !(Mode::SETUID | Mode::SETGID))
}

fn folder(mode: Mode, uid: u32, gid: u32) -> NewNode {
    NewNode {
        kind: FileType::Directory,
        mode,
        uid: Uid(uid),
        gid: Gid(gid),
        rdev: 0,
    }
}

fn dated(head: &Head) -> SetAttr {
    SetAttr {
        mtime: SetTime::At(head.mtime),
        ..SetAttr::default()
    }
}

/// Removes what a name leads to, with all that is in it; nothing if there is none.
fn remove(files: &dyn Filesystem, dir: Ino, name: &[u8]) -> Result<(), KernelError> {
    let attr = match files.lookup(dir, name) {
        Err(error) if error.errno() == Errno::ENOENT => return Ok(()),
        found => found?,
    };
    if attr.kind != FileType::Directory {
        return files.unlink(dir, name);
    }
    let mut open = vec![(dir, name.to_vec(), attr.ino)];
    while let Some((parent, name, ino)) = open.last() {
        let mut first = None;
        files.readdir(*ino, 0, &mut |entry| {
            first = Some((entry.name.to_vec(), entry.ino, entry.kind));
            ControlFlow::Break(())
        })?;
        match first {
            None => {
                files.rmdir(*parent, name)?;
                open.pop();
            }
            Some((name, child, FileType::Directory)) => {
                let parent = *ino;
                open.push((parent, name, child));
            }
            Some((name, ..)) => files.unlink(*ino, &name)?,
        }
    }
    Ok(())
}

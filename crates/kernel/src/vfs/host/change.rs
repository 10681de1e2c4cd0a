//! Changing files of the host.

use super::HostDirFs;
use super::node::{self, Handle, Rights};
use super::open::{beneath, descriptor_path};
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::attr::{Attr, FileType, SetAttr, SetTime};
use crate::vfs::filesystem::{NewNode, RenameFlags, XattrMode};
use rustix::fs::{self, AtFlags, Mode, OFlags, Timespec, Timestamps};
use std::sync::Arc;

/// Largest value of an extended attribute (`XATTR_SIZE_MAX`), and largest list of names (`XATTR_LIST_MAX`).
const XATTR_MAX: usize = 64 * 1024;

impl HostDirFs {
    pub(super) fn create_file(&self, dir: Ino, name: &[u8], new: &NewNode) -> Result<Attr> {
        self.writable()?;
        match new.kind {
            FileType::Regular => {}
            // The host's programs could not use it, and the VM's would think that they could.
            FileType::Socket => return Err(Errno::EOPNOTSUPP.into()),
            _ => return Err(Errno::EPERM.into()),
        }
        let at = self.dir(dir)?;
        let mode = new.mode.bits() & 0o777;
        let fd = beneath(at.fd(), name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, mode)?;
        let file = Arc::new(Handle::new(fd, Rights::ReadWrite));
        let mut stat = node::stat_handle(&file)?;
        if stat.mode() & 0o777 != mode {
            // The umask of this process is not the guest's.
            fs::fchmod(file.fd(), Mode::from_raw_mode(mode))?;
            stat = node::stat_handle(&file)?;
        }
        let (ino, closed) = {
            let mut table = self.table.lock();
            let ino = table.see(dir, name, &stat)?;
            (ino, table.created(ino, file))
        };
        drop(closed);
        Ok(stat.attr(ino))
    }

    pub(super) fn create_dir(&self, dir: Ino, name: &[u8], new: &NewNode) -> Result<Attr> {
        self.writable()?;
        let at = self.dir(dir)?;
        let mode = new.mode.bits() & 0o1777;
        fs::mkdirat(at.fd(), name, Mode::from_raw_mode(mode))?;
        let made = self.find(dir, name)?;
        if made.mode.bits() & 0o1777 == mode {
            return Ok(made);
        }
        let set = SetAttr {
            mode: Some(crate::vfs::Mode::new(mode)),
            ..SetAttr::default()
        };
        self.change(made.ino, &set)?;
        self.find(dir, name)
    }

    pub(super) fn add_link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.writable()?;
        let known = self.table.lock().get(ino)?;
        if known.kind == FileType::Directory {
            return Err(Errno::EPERM.into());
        }
        let to = self.dir(dir)?;
        let (from, old) = self.place(&known)?;
        // By name, as linking a descriptor is a privilege on the host. The file that got the name is then looked at.
        fs::linkat(from.fd(), &*old, to.fd(), name, AtFlags::empty())?;
        let linked = self.find(dir, name)?;
        if linked.ino != ino {
            return Err(Errno::ESTALE.into());
        }
        Ok(linked)
    }

    pub(super) fn remove(&self, dir: Ino, name: &[u8], flags: AtFlags) -> Result<()> {
        self.writable()?;
        let at = self.dir(dir)?;
        let victim = node::stat_name(&at, name)?;
        fs::unlinkat(at.fd(), name, flags)?;
        let closed = {
            let mut table = self.table.lock();
            let ino = table.number(victim.key);
            table.lost(ino, dir, name)
        };
        drop(closed);
        Ok(())
    }

    pub(super) fn move_name(
        &self,
        dir: Ino,
        name: &[u8],
        to_dir: Ino,
        to_name: &[u8],
        flags: RenameFlags,
    ) -> Result<()> {
        self.writable()?;
        let (from, to) = (self.dir(dir)?, self.dir(to_dir)?);
        let source = node::stat_name(&from, name)?;
        let target = node::stat_name(&to, to_name).ok();
        let flags = match flags {
            RenameFlags::Replace => fs::RenameFlags::empty(),
            RenameFlags::NoReplace => fs::RenameFlags::NOREPLACE,
            RenameFlags::Exchange => fs::RenameFlags::EXCHANGE,
        };
        fs::renameat_with(from.fd(), name, to.fd(), to_name, flags)?;
        if target.is_some_and(|target| target.key == source.key) {
            return Ok(());
        }
        let closed = {
            let mut table = self.table.lock();
            let mut closed = None;
            if let Some(target) = target {
                let ino = table.number(target.key);
                match flags == fs::RenameFlags::EXCHANGE {
                    true => drop(table.see(dir, name, &target)?),
                    false => closed = table.lost(ino, to_dir, to_name),
                }
            }
            table.see(to_dir, to_name, &source)?;
            closed
        };
        drop(closed);
        Ok(())
    }

    /// Changes attributes: first what may fail, so that all or nothing is done as far as the host allows.
    pub(super) fn change(&self, ino: Ino, set: &SetAttr) -> Result<()> {
        self.writable()?;
        let owned = set.uid.is_none_or(|uid| uid == Uid::USER) && set.gid.is_none_or(|gid| gid == Gid::USER);
        if !owned {
            return Err(Errno::EPERM.into());
        }
        if let Some(size) = set.size {
            let file = self.writer(ino)?;
            fs::ftruncate(file.fd(), size)?;
        }
        if let Some(mode) = set.mode {
            let mode = Mode::from_raw_mode(mode.bits() & 0o1777);
            let handle = self.descriptor(ino)?;
            match handle.is_path() {
                true => fs::chmod(descriptor_path(&handle), mode)?,
                false => fs::fchmod(handle.fd(), mode)?,
            }
        }
        if (set.atime, set.mtime) != (SetTime::Keep, SetTime::Keep) {
            self.set_times(ino, set)?;
        }
        Ok(())
    }

    fn set_times(&self, ino: Ino, set: &SetAttr) -> Result<()> {
        let times = Timestamps {
            last_access: timespec(set.atime),
            last_modification: timespec(set.mtime),
        };
        let handle = self.descriptor(ino)?;
        let known = self.table.lock().get(ino)?;
        if known.kind == FileType::Symlink {
            let (dir, name) = self.place(&known)?;
            return Ok(fs::utimensat(dir.fd(), &*name, &times, AtFlags::SYMLINK_NOFOLLOW)?);
        }
        let done = match handle.is_path() {
            true => fs::utimensat(fs::CWD, descriptor_path(&handle), &times, AtFlags::empty()),
            false => fs::futimens(handle.fd(), &times),
        };
        Ok(done?)
    }

    pub(super) fn append_data(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        let file = self.writer(ino)?;
        let _turn = self.appending.lock();
        let offset = node::stat_handle(&file)?.size();
        let room = crate::vfs::SIZE_MAX.saturating_sub(offset);
        if room == 0 && !data.is_empty() {
            return Err(Errno::EFBIG.into());
        }
        let fits = usize::try_from(room).map_or(data.len(), |room| room.min(data.len()));
        let count = rustix::io::pwrite(file.fd(), data.get(..fits).unwrap_or(data), offset)?;
        Ok((count, offset + count as u64))
    }

    pub(super) fn get_attribute(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        let handle = self.attribute_holder(ino, name)?;
        let mut value = vec![0; XATTR_MAX];
        let len = fs::getxattr(descriptor_path(&handle), name, value.as_mut_slice())?;
        value.truncate(len);
        Ok(value)
    }

    pub(super) fn set_attribute(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        self.writable()?;
        let handle = self.attribute_holder(ino, name)?;
        let flags = match mode {
            XattrMode::Any => fs::XattrFlags::empty(),
            XattrMode::Create => fs::XattrFlags::CREATE,
            XattrMode::Replace => fs::XattrFlags::REPLACE,
        };
        Ok(fs::setxattr(descriptor_path(&handle), name, value, flags)?)
    }

    pub(super) fn remove_attribute(&self, ino: Ino, name: &[u8]) -> Result<()> {
        self.writable()?;
        let handle = self.attribute_holder(ino, name)?;
        Ok(fs::removexattr(descriptor_path(&handle), name)?)
    }

    pub(super) fn list_attributes(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        let Ok(handle) = self.attribute_holder(ino, USER) else {
            return Ok(Vec::new());
        };
        let mut list = vec![0; XATTR_MAX];
        let len = match fs::listxattr(descriptor_path(&handle), list.as_mut_slice()) {
            Err(rustix::io::Errno::OPNOTSUPP) => 0,
            listed => listed?,
        };
        let names = list.get(..len).unwrap_or_default().split(|byte| *byte == 0);
        Ok(names
            .filter(|name| name.starts_with(USER))
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// A descriptor through which attributes can be reached: `user.*` ones of files and directories.
    fn attribute_holder(&self, ino: Ino, name: &[u8]) -> Result<Arc<Handle>> {
        let kind = self.table.lock().get(ino)?.kind;
        if !name.starts_with(USER) || !matches!(kind, FileType::Regular | FileType::Directory) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.descriptor(ino)
    }
}

const USER: &[u8] = b"user.";

fn timespec(time: SetTime) -> Timespec {
    let special = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    match time {
        SetTime::Keep => special(fs::UTIME_OMIT),
        SetTime::Now => special(fs::UTIME_NOW),
        SetTime::At(Timestamp(nanos)) => Timespec {
            tv_sec: nanos.div_euclid(1_000_000_000),
            tv_nsec: nanos.rem_euclid(1_000_000_000),
        },
    }
}

//! Reading archives: listing and extracting.
//!
//! Names never lead out of the target directory: leading slashes are cut off, members with `..` are skipped, and a
//! symbolic link that could lead out is made only after everything else, so that no member is written through it.

use super::names::{safe, strip, trim};
use super::options::{Mode, Options};
use super::{Run, list};
use crate::codec;
use crate::io::{path as path_of, reason};
use agentos_tools_base::platform::{MetadataExt, PermissionsExt, lchown, symlink};
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tar::{Archive, Entry, EntryType};

/// Reads members from an archive.
pub struct Reader<'a> {
    options: &'a Options,
    run: &'a mut Run,
    base: PathBuf,
    /// Which operands were found.
    found: Vec<bool>,
    /// Directories, whose mode and time are set in the end.
    directories: Vec<(PathBuf, u32, u64, u32, u32)>,
    /// Symbolic links that might lead out: path and target.
    links: Vec<(PathBuf, PathBuf)>,
    noted: bool,
}

impl<'a> Reader<'a> {
    /// A reader that does what `options` ask for.
    pub fn new(options: &'a Options, run: &'a mut Run) -> Self {
        let base = options.folder.as_ref().map(PathBuf::from).unwrap_or_default();
        let found = vec![false; options.members.len()];
        Self {
            options,
            run,
            base,
            found,
            directories: Vec::new(),
            links: Vec::new(),
            noted: false,
        }
    }

    /// Goes through the archive.
    ///
    /// # Errors
    ///
    /// What reading the archive or writing to standard output says.
    pub fn read(&mut self, source: &mut dyn Read) -> io::Result<()> {
        let mut archive = Archive::new(source);
        archive.set_ignore_zeros(self.options.ignore_zeros);
        for entry in archive.entries()? {
            let mut entry = entry?;
            let kind = entry.header().entry_type();
            if kind.is_pax_global_extensions() {
                continue;
            }
            let name = entry.path_bytes().into_owned();
            if self.wanted(&name) {
                self.member(&mut entry, &name)?;
            }
        }
        self.finish();
        Ok(())
    }

    fn wanted(&mut self, name: &[u8]) -> bool {
        let mut wanted = self.options.members.is_empty();
        for (index, member) in self.options.members.iter().enumerate() {
            if self.options.rules.selects(&member.name, name) {
                self.found[index] = true;
                wanted = true;
            }
        }
        wanted && !self.options.rules.excludes(name)
    }

    fn member(&mut self, entry: &mut Entry<'_, &mut dyn Read>, name: &[u8]) -> io::Result<()> {
        if self.options.mode == Mode::List {
            let line = list::line(entry, name, self.options);
            return self.run.out.write_all(&line);
        }
        let Some(stored) = self.target_name(name) else {
            return Ok(());
        };
        if self.options.verbose > 1 {
            let line = list::line(entry, name, self.options);
            self.run.write_shown(&line)?;
        } else {
            self.run.show(self.options.verbose > 0, name);
        }
        if self.options.to_stdout {
            if entry.header().entry_type().is_file() {
                codec::copy(entry, &mut self.run.out)?;
            }
            return Ok(());
        }
        let path = self.base.join(path_of(&stored));
        match self.place(entry, &path) {
            Err(Trouble::Read(error)) => Err(error),
            Err(Trouble::Write(what, error)) => {
                let shown = String::from_utf8_lossy(&stored).into_owned();
                self.run.fail(format_args!("{shown}: {what}: {}", reason(&error)));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Name below the target directory; `None` when nothing is left of it.
    fn target_name(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let name = self
            .options
            .transforms
            .iter()
            .fold(name.to_vec(), |name, one| one.apply(&name));
        let name = strip(&name, self.options.strip)?;
        if self.options.absolute {
            return Some(name.to_vec());
        }
        if name.split(|&b| b == b'/').any(|part| part == b"..") {
            let shown = String::from_utf8_lossy(name).into_owned();
            self.run
                .fail(format_args!("{shown}: Member name contains '..', skipping member"));
            return None;
        }
        let (rest, cut) = safe(name);
        if !cut.is_empty() && !self.noted {
            self.noted = true;
            let cut = String::from_utf8_lossy(cut).into_owned();
            self.run
                .complain(format_args!("Removing leading `{cut}' from member names"));
        }
        (!trim(rest).is_empty()).then(|| rest.to_vec())
    }

    fn place(&mut self, entry: &mut Entry<'_, &mut dyn Read>, path: &Path) -> Result<(), Trouble> {
        let kind = entry.header().entry_type();
        let write = |what| move |error| Trouble::Write(what, error);
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(write("Cannot mkdir"))?;
        }
        if kind.is_dir() {
            return self.directory(entry, path);
        }
        if let Ok(existing) = path.symlink_metadata() {
            if self.options.skip_old {
                return Ok(());
            }
            if self.options.keep_old {
                return Err(Trouble::Write("Cannot open", io::ErrorKind::AlreadyExists.into()));
            }
            let newer = || {
                existing
                    .modified()
                    .ok()
                    .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            };
            let entry_time = entry.header().mtime().unwrap_or(0);
            if self.options.keep_newer && newer().is_some_and(|time| time.as_secs() >= entry_time) {
                return Ok(());
            }
            if existing.is_dir() {
                fs::remove_dir(path).map_err(write("Cannot open"))?;
            } else {
                fs::remove_file(path).map_err(write("Cannot unlink"))?;
            }
        }
        match kind {
            EntryType::Symlink => self.symlink(entry, path),
            EntryType::Link => self.hard_link(entry, path),
            EntryType::Fifo | EntryType::Char | EntryType::Block => {
                Err(Trouble::Write("Cannot mknod", io::ErrorKind::Unsupported.into()))
            }
            _ => self.file(entry, path),
        }
    }

    fn directory(&mut self, entry: &Entry<'_, &mut dyn Read>, path: &Path) -> Result<(), Trouble> {
        if !path.is_dir() {
            if path.symlink_metadata().is_ok() && !self.options.keep_old {
                let _ = fs::remove_file(path);
            }
            fs::create_dir(path).map_err(|error| Trouble::Write("Cannot mkdir", error))?;
        }
        let header = entry.header();
        let mode = header.mode().unwrap_or(0o755) & 0o7777;
        let id = |found: io::Result<u64>| found.ok().and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
        let time = header.mtime().unwrap_or(0);
        self.directories
            .push((path.to_owned(), mode, time, id(header.uid()), id(header.gid())));
        Ok(())
    }

    fn link_target(entry: &Entry<'_, &mut dyn Read>) -> Result<Vec<u8>, Trouble> {
        match entry.link_name_bytes() {
            Some(target) => Ok(target.into_owned()),
            None => Err(Trouble::Write("Cannot link", io::ErrorKind::InvalidData.into())),
        }
    }

    fn symlink(&mut self, entry: &Entry<'_, &mut dyn Read>, path: &Path) -> Result<(), Trouble> {
        let target = Self::link_target(entry)?;
        let leads_out = target.starts_with(b"/") || target.split(|&b| b == b'/').any(|part| part == b"..");
        let target = path_of(&target);
        if leads_out && !self.options.absolute {
            // An empty file holds the place.
            File::create(path).map_err(|error| Trouble::Write("Cannot create symlink", error))?;
            self.links.push((path.to_owned(), target));
            return Ok(());
        }
        symlink(&target, path).map_err(|error| Trouble::Write("Cannot create symlink", error))
    }

    fn hard_link(&mut self, entry: &Entry<'_, &mut dyn Read>, path: &Path) -> Result<(), Trouble> {
        let target = Self::link_target(entry)?;
        let error = |error| Trouble::Write("Cannot hard link", error);
        let Some(target) = self.target_name(&target) else {
            return Err(error(io::ErrorKind::NotFound.into()));
        };
        let target = self.base.join(path_of(&target));
        // A link to a link that waits for the end waits too.
        if let Some((_, to)) = self.links.iter().find(|(from, _)| *from == target).cloned() {
            File::create(path).map_err(error)?;
            self.links.push((path.to_owned(), to));
            return Ok(());
        }
        fs::hard_link(&target, path).map_err(error)
    }

    fn file(&mut self, entry: &mut Entry<'_, &mut dyn Read>, path: &Path) -> Result<(), Trouble> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| Trouble::Write("Cannot open", error))?;
        let created = file.metadata().ok();
        let mut target = BufWriter::with_capacity(crate::io::BLOCK, Sorted { file, failed: None });
        codec::copy(entry, &mut target).map_err(Trouble::Read)?;
        let outcome = target.into_inner().map_err(|error| Trouble::Read(error.into_error()))?;
        if let Some(error) = outcome.failed {
            return Err(Trouble::Write("Cannot write", error));
        }
        let file = outcome.file;
        let header = entry.header();
        let (umask, root) = match &created {
            Some(created) => (created.mode() & 0o777, created.uid() == 0),
            None => (0o666, false),
        };
        let id = |found: io::Result<u64>| found.ok().and_then(|id| u32::try_from(id).ok());
        if self.options.same_owner.unwrap_or(root) {
            let _ = lchown(path, id(header.uid()), id(header.gid()));
        }
        let mode = header.mode().unwrap_or(0o644) & 0o7777;
        let mode = if self.options.permissions.unwrap_or(root) {
            mode
        } else {
            mode & (umask | (umask & 0o444) >> 2)
        };
        let _ = fs::set_permissions(path, Permissions::from_mode(mode));
        if !self.options.touch {
            let time = UNIX_EPOCH + Duration::from_secs(header.mtime().unwrap_or(0));
            let _ = file.set_times(FileTimes::new().set_modified(time));
        }
        Ok(())
    }

    /// What had to wait: links that might lead out, modes and times of directories, operands not found.
    fn finish(&mut self) {
        for (path, target) in std::mem::take(&mut self.links) {
            let outcome = fs::remove_file(&path).and_then(|()| symlink(&target, &path));
            if let Err(error) = outcome {
                self.run.fail(format_args!(
                    "{}: Cannot create symlink: {}",
                    path.display(),
                    reason(&error)
                ));
            }
        }
        for (path, mode, time, uid, gid) in std::mem::take(&mut self.directories).into_iter().rev() {
            let found = path.symlink_metadata().ok().filter(fs::Metadata::is_dir);
            let Some(found) = found else { continue };
            let root = found.uid() == 0;
            if self.options.same_owner.unwrap_or(root) {
                let _ = lchown(&path, Some(uid), Some(gid));
            }
            if !self.options.touch {
                let time = UNIX_EPOCH + Duration::from_secs(time);
                let _ = File::open(&path).and_then(|file| file.set_times(FileTimes::new().set_modified(time)));
            }
            let mode = if self.options.permissions.unwrap_or(root) {
                mode
            } else {
                mode & found.mode() & 0o777
            };
            let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
        }
        let missing: Vec<String> = self
            .options
            .members
            .iter()
            .zip(&self.found)
            .filter(|(_, found)| !**found)
            .map(|(member, _)| String::from_utf8_lossy(&member.name).into_owned())
            .collect();
        for name in missing {
            self.run.fail(format_args!("{name}: Not found in archive"));
        }
    }
}

/// Which side went wrong: an archive that cannot be read ends everything, a file that cannot be written does not.
enum Trouble {
    Read(io::Error),
    Write(&'static str, io::Error),
}

/// Remembers the first error of writing and swallows the rest, so that the member is read to its end.
struct Sorted {
    file: File,
    failed: Option<io::Error>,
}

impl Write for Sorted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.file.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

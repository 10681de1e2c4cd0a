//! Writing archives: GNU headers, long names in entries of their own.

use super::Run;
use super::names::{safe, trim};
use super::options::{Member, Options};
use super::users::Users;
use crate::io::{BLOCK, bytes_of, path as path_of, reason};
use agentos_tools_base::platform::{FileTypeExt, MetadataExt};
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// Bytes of a record.
const RECORD: u64 = 512;
/// An archive is padded to a multiple of this.
const BLOCKING: u64 = 20 * RECORD;
/// Deepest nesting of directories followed.
const DEPTH_LIMIT: usize = 1000;

/// Writes members into an archive.
pub struct Creator<'a, W: Write> {
    options: &'a Options,
    run: &'a mut Run,
    target: W,
    written: u64,
    users: Users,
    /// Names under which files with several links were written, by device and number.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// What must not be archived into itself.
    own: Option<(u64, u64)>,
    /// Members of the archive that is updated, with their times.
    known: HashMap<Vec<u8>, u64>,
    noted: bool,
    buffer: Vec<u8>,
}

impl<'a, W: Write> Creator<'a, W> {
    /// A writer of members into `target`, which already holds `written` bytes.
    pub fn new(options: &'a Options, run: &'a mut Run, target: W, written: u64, own: Option<(u64, u64)>) -> Self {
        Self {
            options,
            run,
            target,
            written,
            users: Users::load(),
            links: HashMap::new(),
            own,
            known: HashMap::new(),
            noted: false,
            buffer: vec![0; BLOCK],
        }
    }

    /// Only members newer than these are added.
    pub fn only_newer(&mut self, known: HashMap<Vec<u8>, u64>) {
        self.known = known;
    }

    /// Adds all operands.
    ///
    /// # Errors
    ///
    /// Only what writing says; trouble with a file is reported and remembered.
    pub fn add_all(&mut self, members: &[Member]) -> io::Result<()> {
        for member in members {
            let base = member.folder.as_ref().map(PathBuf::from).unwrap_or_default();
            self.add(&base, &member.name, 0)?;
        }
        Ok(())
    }

    fn add(&mut self, base: &Path, name: &[u8], depth: usize) -> io::Result<()> {
        if self.options.rules.excludes(name) {
            return Ok(());
        }
        let path = base.join(path_of(name));
        let found = if self.options.dereference {
            fs::metadata(&path)
        } else {
            fs::symlink_metadata(&path)
        };
        let meta = match found {
            Ok(meta) => meta,
            Err(error) => {
                self.run.fail(format_args!(
                    "{}: Cannot stat: {}",
                    String::from_utf8_lossy(name),
                    reason(&error)
                ));
                return Ok(());
            }
        };
        if self.own == Some((meta.dev(), meta.ino())) {
            self.run.complain(format_args!(
                "{}: archive cannot contain itself; not dumped",
                String::from_utf8_lossy(name)
            ));
            self.run.status = self.run.status.max(1);
            return Ok(());
        }
        if meta.is_dir() {
            return self.add_directory(base, name, &path, &meta, depth);
        }
        if self.known.get(trim(name)).is_some_and(|&time| seconds(&meta) <= time) {
            return Ok(());
        }
        self.add_file(name, &path, &meta)?;
        if self.options.remove
            && let Err(error) = fs::remove_file(&path)
        {
            self.run
                .fail(format_args!("{}: Cannot unlink: {}", path.display(), reason(&error)));
        }
        Ok(())
    }

    fn add_directory(
        &mut self,
        base: &Path,
        name: &[u8],
        path: &Path,
        meta: &Metadata,
        depth: usize,
    ) -> io::Result<()> {
        let mut full = name.to_vec();
        if !full.ends_with(b"/") {
            full.push(b'/');
        }
        self.header(&full, b"", meta, EntryType::Directory, 0)?;
        if !self.options.recursive || depth >= DEPTH_LIMIT {
            return Ok(());
        }
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) => {
                self.run
                    .fail(format_args!("{}: Cannot open: {}", path.display(), reason(&error)));
                return Ok(());
            }
        };
        let mut names: Vec<Vec<u8>> = entries
            .flatten()
            .map(|entry| bytes_of(&entry.file_name()).to_vec())
            .collect();
        names.sort();
        for entry in names {
            self.add(base, &[full.as_slice(), &entry].concat(), depth + 1)?;
        }
        if self.options.remove {
            let _ = fs::remove_dir(path);
        }
        Ok(())
    }

    fn add_file(&mut self, name: &[u8], path: &Path, meta: &Metadata) -> io::Result<()> {
        let kind = meta.file_type();
        if kind.is_symlink() {
            return match fs::read_link(path) {
                Ok(target) => self.header(name, bytes_of(target.as_os_str()), meta, EntryType::Symlink, 0),
                Err(error) => {
                    self.run
                        .fail(format_args!("{}: Cannot readlink: {}", path.display(), reason(&error)));
                    Ok(())
                }
            };
        }
        if kind.is_fifo() {
            return self.header(name, b"", meta, EntryType::Fifo, 0);
        }
        if !kind.is_file() {
            self.run.complain(format_args!("{}: socket ignored", path.display()));
            return Ok(());
        }
        if meta.nlink() > 1 {
            let key = (meta.dev(), meta.ino());
            if let Some(first) = self.links.get(&key).cloned() {
                return self.header(name, &first, meta, EntryType::Link, 0);
            }
            let stored = self.stored_name(name);
            self.links.insert(key, stored);
        }
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                self.run.fail(format_args!(
                    "{}: Cannot open: {}",
                    String::from_utf8_lossy(name),
                    reason(&error)
                ));
                return Ok(());
            }
        };
        self.header(name, b"", meta, EntryType::Regular, meta.len())?;
        self.contents(&mut file, name, meta.len())
    }

    /// Exactly `length` bytes: what a file grew is left out, what it shrank is zeros.
    fn contents(&mut self, file: &mut File, name: &[u8], length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let wanted = self.buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = match file.read(&mut self.buffer[..wanted]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.run.fail(format_args!(
                        "{}: Read error: {}",
                        String::from_utf8_lossy(name),
                        reason(&error)
                    ));
                    0
                }
            };
            if count == 0 {
                let shown = String::from_utf8_lossy(name).into_owned();
                self.run
                    .complain(format_args!("{shown}: File shrank by {left} bytes; padding with zeros"));
                self.run.status = self.run.status.max(1);
                io::copy(&mut io::repeat(0).take(left), &mut self.target)?;
                self.written += left;
                break;
            }
            self.target.write_all(&self.buffer[..count])?;
            self.written += count as u64;
            left -= count as u64;
        }
        self.pad(RECORD)
    }

    fn pad(&mut self, unit: u64) -> io::Result<()> {
        let rest = (unit - self.written % unit) % unit;
        io::copy(&mut io::repeat(0).take(rest), &mut self.target)?;
        self.written += rest;
        Ok(())
    }

    /// The name that goes into the archive.
    fn stored_name(&mut self, name: &[u8]) -> Vec<u8> {
        let mut stored = self
            .options
            .transforms
            .iter()
            .fold(name.to_vec(), |name, one| one.apply(&name));
        if !self.options.absolute {
            let (rest, cut) = safe(&stored);
            if !cut.is_empty() && !self.noted {
                self.noted = true;
                let cut = String::from_utf8_lossy(cut).into_owned();
                self.run
                    .complain(format_args!("Removing leading `{cut}' from member names"));
            }
            stored = if rest.is_empty() { b"./".to_vec() } else { rest.to_vec() };
        }
        stored
    }

    fn header(&mut self, name: &[u8], link: &[u8], meta: &Metadata, kind: EntryType, size: u64) -> io::Result<()> {
        self.run.show(self.options.verbose > 0, name);
        let stored = self.stored_name(name);
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(self.options.file_mode.unwrap_or(meta.mode() & 0o7777));
        header.set_mtime(self.options.mtime.unwrap_or_else(|| seconds(meta)));
        let user = identity(&self.options.owner, u64::from(meta.uid()), &self.users.users);
        let group = identity(&self.options.group, u64::from(meta.gid()), &self.users.groups);
        header.set_uid(user.1);
        header.set_gid(group.1);
        if !self.options.numeric {
            // A name that does not fit is left out; the number counts.
            let _ = header.set_username(&user.0);
            let _ = header.set_groupname(&group.0);
        }
        self.long(link, EntryType::GNULongLink)?;
        self.long(&stored, EntryType::GNULongName)?;
        if let Some(fields) = header.as_gnu_mut() {
            fill(&mut fields.name, &stored);
            fill(&mut fields.linkname, link);
        }
        header.set_cksum();
        self.target.write_all(header.as_bytes())?;
        self.written += RECORD;
        Ok(())
    }

    /// A name longer than the header's field goes before it.
    fn long(&mut self, name: &[u8], kind: EntryType) -> io::Result<()> {
        if name.len() <= 100 {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(name.len() as u64 + 1);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if let Some(fields) = header.as_gnu_mut() {
            fill(&mut fields.name, b"././@LongLink");
        }
        header.set_cksum();
        self.target.write_all(header.as_bytes())?;
        self.target.write_all(name)?;
        self.target.write_all(&[0])?;
        self.written += RECORD + name.len() as u64 + 1;
        self.pad(RECORD)
    }

    /// Writes the end of the archive and gives the target back.
    ///
    /// # Errors
    ///
    /// What writing says.
    pub fn finish(mut self) -> io::Result<W> {
        self.target.write_all(&[0; 2 * RECORD as usize])?;
        self.written += 2 * RECORD;
        self.pad(BLOCKING)?;
        Ok(self.target)
    }
}

fn fill(field: &mut [u8], text: &[u8]) {
    let count = text.len().min(field.len());
    field[..count].copy_from_slice(&text[..count]);
}

fn seconds(meta: &Metadata) -> u64 {
    let passed = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    passed.map_or(0, |passed| passed.as_secs())
}

fn identity(wanted: &Option<(String, Option<u64>)>, own: u64, names: &HashMap<u64, String>) -> (String, u64) {
    let name_of = |number: u64| names.get(&number).cloned().unwrap_or_default();
    match wanted {
        None => (name_of(own), own),
        Some((name, Some(number))) if name.is_empty() => (name_of(*number), *number),
        Some((name, Some(number))) => (name.clone(), *number),
        Some((name, None)) => {
            let number = names
                .iter()
                .find(|(_, known)| *known == name)
                .map_or(own, |(number, _)| *number);
            (name.clone(), number)
        }
    }
}

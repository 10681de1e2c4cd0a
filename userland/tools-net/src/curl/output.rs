//! Where a transfer's bytes go: a file that is made when the first of them comes, or standard output.

use crate::engine::{Exit, Failure, Result};
use agentos_tools_base::io::reason;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// How a file is opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    pub(super) append: bool,
    pub(super) create_dirs: bool,
    /// An existing file is left alone and another name taken.
    pub(super) no_clobber: bool,
    /// An existing file is an error.
    pub(super) fresh: bool,
}

/// An output.
pub(super) struct Output {
    path: Option<PathBuf>,
    mode: Mode,
    file: Option<File>,
    guard: bool,
    /// Bytes written.
    pub(super) written: u64,
    /// What to tell the user of it.
    pub(super) warning: Option<String>,
}

impl Output {
    /// Standard output; `guard` keeps what is no text from a terminal.
    pub(super) fn stdout(guard: bool) -> Self {
        Self {
            path: None,
            mode: Mode::default(),
            file: None,
            guard: guard && io::stdout().is_terminal(),
            written: 0,
            warning: None,
        }
    }

    /// A file.
    pub(super) fn file(path: PathBuf, mode: Mode) -> Self {
        Self {
            path: Some(path),
            mode,
            file: None,
            guard: false,
            written: 0,
            warning: None,
        }
    }

    /// The file's name.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Gives the file another name of the same folder, as long as nothing was written.
    pub(super) fn rename(&mut self, name: OsString) {
        if let (Some(path), None) = (&mut self.path, &self.file) {
            path.set_file_name(name);
            self.mode.fresh = true;
        }
    }

    /// Writes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.guard && bytes.contains(&0) {
            self.warning = Some(
                "Binary output can mess up your terminal. Use \"--output -\" to tell curl to output it to your \
                 terminal anyway, or consider \"--output <FILE>\" to save to a file."
                    .to_owned(),
            );
            return Err(failed());
        }
        self.open()?;
        if let Some(file) = &mut self.file {
            file.write_all(bytes).map_err(|error| {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    self.warning = Some(format!("Failed to write: {}", reason(&error)));
                }
                failed()
            })?;
        }
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file even if nothing was written.
    pub(super) fn open(&mut self) -> Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let opened = match &self.path {
            None => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            Some(path) => open(path, self.mode).map(|(path, file)| {
                self.path = Some(path);
                file
            }),
        };
        self.file = Some(opened.map_err(|error| {
            let name = self.path.as_deref().unwrap_or(Path::new("-")).display();
            self.warning = Some(format!("Failed to open the file {name}: {}", reason(&error)));
            failed()
        })?);
        Ok(())
    }

    /// Takes back what was written, for another attempt.
    pub(super) fn rewind(&mut self) {
        if let (Some(_), Some(file)) = (&self.path, &self.file) {
            let length = file.metadata().map_or(0, |known| known.len());
            let _ = file.set_len(length.saturating_sub(self.written));
            let _ = io::Seek::seek(&mut &*file, io::SeekFrom::End(0));
            self.written = 0;
        }
    }

    /// Removes the file.
    pub(super) fn remove(&mut self) {
        if let (Some(path), Some(_)) = (&self.path, self.file.take()) {
            let _ = fs::remove_file(path);
        }
    }

    /// The file's modification time becomes the server's.
    pub(super) fn set_time(&self, seconds: i64) {
        let Ok(seconds) = u64::try_from(seconds) else { return };
        if let (Some(_), Some(file)) = (&self.path, &self.file) {
            let _ = file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
        }
    }
}

fn open(path: &Path, mode: Mode) -> io::Result<(PathBuf, File)> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| mode.create_dirs && !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    if mode.fresh || mode.no_clobber {
        options.create_new(true);
    } else if mode.append {
        options.append(true).create(true);
    } else {
        options.create(true).truncate(true);
    }
    match options.open(path) {
        Err(error) if mode.no_clobber && error.kind() == io::ErrorKind::AlreadyExists => numbered(path, &options),
        opened => Ok((path.to_owned(), opened?)),
    }
}

/// `NAME.1`, `NAME.2`, up to 100.
fn numbered(path: &Path, options: &OpenOptions) -> io::Result<(PathBuf, File)> {
    for number in 1..=100 {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        match options.open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((name.into(), opened?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn failed() -> Failure {
    Failure::new(Exit::Write, "Failure writing output to destination")
}

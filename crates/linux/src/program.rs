//! Making an ELF file ready to run.

use crate::elf::{self, Plan};
use crate::executor::Based;
use crate::job;
use crate::park::Invocation;
use crate::pipe::host_error;
use crate::plans::{self, Stamp};
use crate::sys;
use agentos_kernel::process::{Kernel, Process};
use agentos_kernel::vfs::{Attr, FileType, InodeHandle};
use agentos_kernel::{Errno, Error, Result};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::SystemTime;

/// A program and, if it has one, its interpreter (the dynamic linker), open and planned.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) program: Arc<Image>,
    pub(crate) interpreter: Option<Arc<Image>>,
    /// Whether a parked process may do.
    pub(crate) invocation: Option<Box<Invocation>>,
}

/// One file to map.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) plan: Plan,
    pub(crate) file: OwnedFd,
}

impl Loaded {
    /// Opens and plans `file` and what interprets it.
    pub(crate) fn new(kernel: &Kernel, file: &InodeHandle) -> Result<Self> {
        let program = Image::of(kernel, file, &file.getattr()?)?;
        let interpreter = match &program.plan.interpreter {
            None => None,
            Some(path) => Some(interpreter(kernel, path)?),
        };
        Ok(Self {
            program,
            interpreter,
            invocation: None,
        })
    }

    /// Path of what a process is to run.
    pub(crate) fn path_of(&self, process: &Process) -> Option<Vec<u8>> {
        exe_path(process)
    }

    /// The job of a process that is to run it.
    pub(crate) fn job(&self, process: &Process) -> Vec<u8> {
        let image = process.image();
        let path = exe_path(process).unwrap_or_else(|| image.argv.first().cloned().unwrap_or_default());
        let cred = process.cred();
        job::encode(&job::Request {
            program: &self.program.plan,
            interpreter: self.interpreter.as_ref().map(|image| &image.plan),
            argv: &image.argv,
            env: &image.env,
            path: &path,
            name: &image.name,
            ids: [cred.ruid.0, cred.euid.0, cred.rgid.0, cred.egid.0],
        })
    }
}

/// Path of the file that a process runs.
fn exe_path(process: &Process) -> Option<Vec<u8>> {
    let exe = process.exe()?;
    let cx = process.cx().ok()?;
    process.kernel().vfs().path_of(&cx.fs(), &exe).ok()
}

fn interpreter(kernel: &Kernel, path: &[u8]) -> Result<Arc<Image>> {
    let shown = String::from_utf8_lossy(path).into_owned();
    let missing = |why: &str| Error::not_executable(format!("its interpreter {shown} {why}"));
    let cx = kernel.init().cx()?;
    let (location, attr) = kernel
        .vfs()
        .resolve_program(&cx.fs(), path)
        .map_err(|error| match error.errno() {
            Errno::ENOENT | Errno::ENOTDIR => missing(
                "is not in the VM: add an image that has it, such as `host` or the packages of the system that it was built for",
            ),
            _ => missing(&format!("cannot be opened: {error}")),
        })?;
    if location.kind() != FileType::Regular {
        return Err(missing("is not a file"));
    }
    let image = Image::of(kernel, &InodeHandle::new(location), &attr)?;
    match image.plan.interpreter {
        Some(_) => Err(missing("has an interpreter itself")),
        None => Ok(image),
    }
}

impl Image {
    /// Opens and plans a file that is at present as `attr` says, unless that was done a moment ago.
    fn of(kernel: &Kernel, file: &InodeHandle, attr: &Attr) -> Result<Arc<Self>> {
        let whose = std::ptr::from_ref(kernel).addr();
        Self::known_or_new(whose, file, Stamp::of(attr), SystemTime::now())
    }

    /// The same for the programs of a kernel that `whose` stands for. Nothing has been read of the file before `now`, so what is read of one that
    /// is settled then is what it is from now on.
    pub(crate) fn known_or_new(whose: usize, file: &InodeHandle, stamp: Stamp, now: SystemTime) -> Result<Arc<Self>> {
        if let Some(image) = plans::get(whose, file, &stamp) {
            return Ok(image);
        }
        let location = file.location();
        if let Some(fd) = location.filesystem().natives_own(location.ino())? {
            // Whoever made it may change it at any time, so it is planned each time.
            return Ok(Arc::new(Self::new(file, stamp.size(), fd)?));
        }
        match location.filesystem().host_file(location.ino())? {
            Some(fd) => {
                let image = Arc::new(Self::new(file, stamp.size(), fd)?);
                plans::put(whose, file, (stamp, now), &image);
                Ok(image)
            }
            None => Ok(Arc::new(Self::new(file, stamp.size(), content(file)?)?)),
        }
    }

    fn new(file: &InodeHandle, size: u64, bytes: OwnedFd) -> Result<Self> {
        let mut read = |at: u64, into: &mut [u8]| file.read_at(at, into).map_err(|error| error.to_string());
        let plan = elf::plan(size, &mut read).map_err(Error::not_executable)?;
        Ok(Self { plan, file: bytes })
    }
}

/// A description of a regular file's bytes, for reading: the file's own, or a copy that nobody can change.
pub(crate) fn content(file: &InodeHandle) -> Result<OwnedFd> {
    let location = file.location();
    if let Some(fd) = location.filesystem().native(location.ino(), false)? {
        return Ok(fd);
    }
    copy(&mut |at, into| file.read_at(at, into))
}

/// Bytes of a file that is handed to a guest as a copy; then `EFBIG`.
const COPY_MAX: u64 = 1 << 30;

/// A sealed copy of what `read` gives, of at most [`COPY_MAX`] bytes.
pub(crate) fn copy(read: &mut dyn FnMut(u64, &mut [u8]) -> Result<usize>) -> Result<OwnedFd> {
    const CHUNK: usize = 256 << 10;
    let fd = sys::memfd(c"copy", true).map_err(|error| host_error(&error))?;
    let mut buf = vec![0; CHUNK];
    let mut at = 0;
    loop {
        let count = read(at, &mut buf)?;
        if count == 0 {
            break;
        }
        write_all(&fd, buf.get(..count).unwrap_or_default()).map_err(|error| host_error(&error))?;
        at += count as u64;
        if at > COPY_MAX {
            return Err(Errno::EFBIG.into());
        }
    }
    sys::seal(fd.as_fd())
        .and_then(|()| sys::reopen(fd.as_fd(), libc::O_RDONLY))
        .map_err(|error| host_error(&error))
}

pub(crate) fn write_all(fd: &OwnedFd, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        // SAFETY: `data` is readable.
        let count = unsafe { libc::write(fd.as_raw_fd(), data.as_ptr().cast(), data.len()) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        data = data.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// A program that waits for its process.
pub(crate) struct Ready {
    pub(crate) loaded: Loaded,
    pub(crate) core: Arc<crate::executor::Core>,
    /// What parked processes for such a start boot on.
    pub(crate) base: Option<Based>,
}

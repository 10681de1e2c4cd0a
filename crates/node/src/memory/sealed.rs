//! Large contents that a file of a VM and buffers of scripts share.
//!
//! What a script writes is copied once, into a file in memory (`memfd_create`) that is then *sealed*: from there on the system
//! lets nobody change it, this process neither. A mapping that can only be read is the content of the VM's file. Whoever reads
//! the whole file gets a *view*: a private mapping of the same memory, of which the system copies a page when the script writes
//! to it. So nothing is copied that both sides leave as it is, and no side ever sees a change of the other:
//!
//! ```text
//!   script's buffer  --copy-->  sealed file  <--read only--  the VM's file (a changed one has memory of its own, see the kernel)
//!                                    ^------private-------  buffer of each reader
//! ```
//!
//! A view outlives the file: the system keeps the memory until its last mapping is gone. Each content needs a descriptor for
//! as long as the file has it, so there are only so many; others, and those on systems that refuse one of the steps, are
//! copied as small ones are.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::ptr::{NonNull, null_mut};

/// Smaller contents are copied each time.
const SEALED_FROM: usize = 4 << 20;
/// Most contents at a time: each has a descriptor, of which a process may have 1024 only.
const SEALED_MOST: usize = 64;
/// Page size of the platforms that addons are built for.
const PAGE: usize = 4096;

/// Contents that are mapped now, by where they begin.
static HELD: Mutex<BTreeMap<usize, Held>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy)]
struct Held {
    file: RawFd,
    length: usize,
}

/// A mapping, which ends with it.
struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: what is done through a shared reference is reading, see `Sealed`; a `View` gives out its address only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: RawFd, offset: usize, length: usize, protection: i32, flags: i32) -> Option<Self> {
        let offset = libc::off_t::try_from(offset).ok()?;
        // SAFETY: a new mapping at a place that the system chooses touches no memory that is in use.
        let start = unsafe { libc::mmap(null_mut(), length, protection, flags, file, offset) };
        match start == libc::MAP_FAILED {
            true => None,
            false => NonNull::new(start).map(|start| Self { start, length }),
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was made in `new`, and whoever used its memory has dropped it.
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}

/// A content, as the VM's file holds it.
struct Sealed {
    mapping: Mapping,
    _file: OwnedFd,
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped there, and the seals keep everybody from changing or shortening them.
        unsafe { std::slice::from_raw_parts(self.mapping.start.as_ptr().cast::<u8>(), self.mapping.length) }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // Before the mapping goes, so that no other has its place while it is in the list.
        HELD.lock().remove(&(self.mapping.start.as_ptr() as usize));
    }
}

/// A script's own view of a content: what it writes there is seen by nobody else.
pub(crate) struct View(Mapping);

impl View {
    /// Where it begins.
    pub(crate) fn start(&self) -> *mut c_void {
        self.0.start.as_ptr()
    }

    /// Its bytes.
    pub(crate) fn length(&self) -> usize {
        self.0.length
    }
}

/// A copy of a script's memory that can be viewed; `None` if it is small, or there are too many, or the system refuses.
pub(crate) fn sealed_copy(data: *const u8, length: usize) -> Option<Bytes> {
    if length < SEALED_FROM || HELD.lock().len() >= SEALED_MOST || !may_write(length) {
        return None;
    }
    let file = memory_file()?;
    fill(&file, data, length)?;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: it takes no memory of ours.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return None;
    }
    let mapping = Mapping::new(file.as_raw_fd(), 0, length, libc::PROT_READ, libc::MAP_SHARED)?;
    let held = Held {
        file: file.as_raw_fd(),
        length,
    };
    HELD.lock().insert(mapping.start.as_ptr() as usize, held);
    Some(Bytes::from_owner(Sealed { mapping, _file: file }))
}

/// Whether these bytes are one whole sealed content.
pub(crate) fn is_sealed(bytes: &Bytes) -> bool {
    held(bytes).is_some_and(|(held, offset)| offset == 0 && held.length == bytes.len())
}

/// A view of sealed bytes; `None` for any others, or if the system refuses.
pub(crate) fn view(bytes: &Bytes) -> Option<View> {
    let (held, offset) = held(bytes)?;
    if offset % PAGE != 0 || bytes.len() < SEALED_FROM {
        return None;
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // The descriptor stays what it is for as long as `bytes` hold their content.
    Mapping::new(held.file, offset, bytes.len(), protection, libc::MAP_PRIVATE).map(View)
}

/// The content that bytes are of, and where in it they begin. While somebody has the bytes it stays in the list.
fn held(bytes: &Bytes) -> Option<(Held, usize)> {
    let at = bytes.as_ptr() as usize;
    let list = HELD.lock();
    let (start, held) = list.range(..=at).next_back()?;
    let offset = at - start;
    (bytes.len() <= held.length.checked_sub(offset)?).then_some((*held, offset))
}

/// Whether this process may write files so large: it would get a signal otherwise.
fn may_write(length: usize) -> bool {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the place is a live local.
    let asked = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    asked && limit.rlim_cur >= length as libc::rlim_t
}

/// An empty file in memory that can be sealed.
fn memory_file() -> Option<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name is a string with an end.
    let create = |flags| unsafe { libc::memfd_create(c"agentos-file".as_ptr(), flags) };
    // Older systems do not know the flag that says that nobody will run it.
    let file = match create(flags | libc::MFD_NOEXEC_SEAL) {
        -1 => create(flags),
        file => file,
    };
    // SAFETY: a descriptor of our own that was just opened.
    (file >= 0).then(|| unsafe { OwnedFd::from_raw_fd(file) })
}

/// Writes a script's memory into a file.
fn fill(file: &OwnedFd, data: *const u8, length: usize) -> Option<()> {
    let mut done = 0;
    while done < length {
        // SAFETY: the rest of the caller's memory; the system copes with one that changes meanwhile.
        let written = unsafe { libc::write(file.as_raw_fd(), data.add(done).cast(), length - done) };
        match usize::try_from(written) {
            Ok(0) => return None,
            Ok(count) => done += count,
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(())
}

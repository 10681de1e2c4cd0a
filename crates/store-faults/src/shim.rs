//! A VFS of SQLite that wraps the operating system's. All `unsafe` of this crate.
//!
//! SQLite calls a VFS through tables of C functions. This one gives every file a header of its own in front of the wrapped
//! file's, and hands all calls on; those that change a file are asked about and noted first.
//!
//! What the safety arguments below rest on:
//!
//! * SQLite gives each function a pointer that it got from the same VFS: a `sqlite3_vfs` that [`register`] made, or a
//!   `sqlite3_file` of `szOsFile` bytes that [`open`] filled, until [`close`] returns.
//! * It uses a file from one thread at a time.
//! * The default VFS and what `register` makes are never freed, so that they outlive every connection.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;

use crate::journal::{Fault, Shared, Step};

/// A file of ours. The wrapped file follows it in memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    info: *mut Info,
}

/// What we know of an open file.
struct Info {
    shared: Arc<Shared>,
    name: String,
    /// Whether its steps count: databases and their journals.
    counts: bool,
}

/// Registers a VFS that reports to `shared`, and returns its name.
pub(crate) fn register(shared: Arc<Shared>) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let name = format!("agentos-faults-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let c_name = CString::new(name.clone()).unwrap_or_default();
    // SAFETY: asking for the default VFS initialises SQLite and returns a table that lives for ever.
    let inner = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    assert!(!inner.is_null(), "SQLite has no default VFS");
    // SAFETY: `inner` is valid (see above); the table is plain data, and its functions take any VFS of the same kind, as
    // they use of it at most the longest path's length, which the copy has too. (Opening is the exception, and is ours.)
    let mut ours = unsafe { ptr::read(inner) };
    ours.szOsFile += size_of::<File>() as c_int;
    ours.pNext = ptr::null_mut();
    ours.zName = c_name.into_raw();
    ours.pAppData = Box::into_raw(Box::new(App { inner, shared })).cast();
    ours.xOpen = Some(open);
    ours.xDelete = Some(delete);
    // SAFETY: the table and all it refers to are leaked, so they live as long as SQLite may use them.
    let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(ours)), 0) };
    assert_eq!(code, ffi::SQLITE_OK, "a VFS is registered");
    name
}

/// What a VFS of ours knows.
struct App {
    inner: *mut ffi::sqlite3_vfs,
    shared: Arc<Shared>,
}

/// # Safety
/// `vfs` is one that `register` made.
unsafe fn app<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a App {
    // SAFETY: `register` put a leaked `App` there.
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

/// The wrapped file.
///
/// # Safety
/// `file` is one of ours, in memory of `szOsFile` bytes.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: the wrapped file's memory begins where ours ends, in the same allocation; the size of `File` is a multiple of
    // its alignment, which is that of pointers, as SQLite's own structures need it.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// # Safety
/// `file` is an open file of ours.
unsafe fn info<'a>(file: *mut ffi::sqlite3_file) -> &'a Info {
    // SAFETY: `open` put a boxed `Info` there, which only `close` takes away.
    unsafe { &*(*file.cast::<File>()).info }
}

/// A path as text.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn text(path: *const c_char) -> String {
    if path.is_null() {
        return String::new();
    }
    // SAFETY: by contract of this function.
    unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned()
}

fn code(fault: Fault, io: c_int) -> c_int {
    match fault {
        Fault::Io => io,
        Fault::Full => ffi::SQLITE_FULL,
    }
}

/// Calls a function of the wrapped file.
macro_rules! call {
    ($file:ident, $function:ident $(, $argument:expr)*) => {{
        let wrapped = inner($file);
        match (*wrapped).pMethods.as_ref().and_then(|methods| methods.$function) {
            Some(function) => function(wrapped $(, $argument)*),
            None => ffi::SQLITE_IOERR,
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with a VFS of ours, room for a file of `szOsFile` bytes, and a path that outlives the file. The
    // wrapped VFS gets its own table and the rest of that room.
    unsafe {
        let app = app(vfs);
        (*file).pMethods = ptr::null();
        let wrapped = inner(file);
        let Some(open) = (*app.inner).xOpen else {
            return ffi::SQLITE_CANTOPEN;
        };
        let done = open(app.inner, path, wrapped, flags, out_flags);
        if done != ffi::SQLITE_OK {
            if let Some(close) = (*wrapped).pMethods.as_ref().and_then(|methods| methods.xClose) {
                close(wrapped);
            }
            return done;
        }
        let kinds = ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
        let info = Info {
            shared: Arc::clone(&app.shared),
            name: app.shared.name_of(&text(path)),
            counts: flags & kinds != 0,
        };
        (*file.cast::<File>()).info = Box::into_raw(Box::new(info));
        (*file).pMethods = &raw const METHODS;
        done
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite calls with a VFS of ours and a C string; the wrapped VFS gets its own table.
    unsafe {
        let app = app(vfs);
        let Some(delete) = (*app.inner).xDelete else {
            return ffi::SQLITE_OK;
        };
        let file = app.shared.name_of(&text(path));
        if let Err(fault) = app.shared.step(Step::Delete { file }) {
            return code(fault, ffi::SQLITE_IOERR_DELETE);
        }
        delete(app.inner, path, sync)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the file is open, and SQLite uses it no more after this; so the `Info` is taken back exactly once.
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).info));
        let wrapped = inner(file);
        (*file).pMethods = ptr::null();
        match (*wrapped).pMethods.as_ref().and_then(|methods| methods.xClose) {
            Some(close) => close(wrapped),
            None => ffi::SQLITE_OK,
        }
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, data: *const c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, and `data` holds `len` bytes.
    unsafe {
        let info = info(file);
        if info.counts {
            let bytes = core::slice::from_raw_parts(data.cast::<u8>(), usize::try_from(len).unwrap_or(0));
            let step = Step::Write {
                file: info.name.clone(),
                offset: u64::try_from(offset).unwrap_or(0),
                data: bytes.to_vec(),
            };
            if let Err(fault) = info.shared.step(step) {
                return code(fault, ffi::SQLITE_IOERR_WRITE);
            }
        }
        call!(file, xWrite, data, len, offset)
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, data: *mut c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: the file is open, and `data` has room for `len` bytes.
    unsafe {
        let info = info(file);
        if info.counts && info.shared.is_unreadable() {
            return ffi::SQLITE_IOERR_READ;
        }
        call!(file, xRead, data, len, offset)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        let info = info(file);
        if info.counts {
            let step = Step::Truncate {
                file: info.name.clone(),
                size: u64::try_from(size).unwrap_or(0),
            };
            if let Err(fault) = info.shared.step(step) {
                return code(fault, ffi::SQLITE_IOERR_TRUNCATE);
            }
        }
        call!(file, xTruncate, size)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: the file is open.
    unsafe {
        let info = info(file);
        if info.counts {
            let step = Step::Sync {
                file: info.name.clone(),
            };
            if let Err(fault) = info.shared.step(step) {
                return code(fault, ffi::SQLITE_IOERR_FSYNC);
            }
        }
        call!(file, xSync, flags)
    }
}

/// Functions that only hand on.
macro_rules! hand_on {
    ($($name:ident = $function:ident($($argument:ident: $kind:ty),*);)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> c_int {
            // SAFETY: the file is open, and the wrapped one takes the same arguments.
            unsafe { call!(file, $function $(, $argument)*) }
        })*
    };
}

hand_on! {
    file_size = xFileSize(size: *mut i64);
    lock = xLock(level: c_int);
    unlock = xUnlock(level: c_int);
    check_reserved_lock = xCheckReservedLock(out: *mut c_int);
    file_control = xFileControl(operation: c_int, argument: *mut c_void);
    sector_size = xSectorSize();
    device_characteristics = xDeviceCharacteristics();
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int);
    shm_unmap = xShmUnmap(delete: c_int);
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: the file is open.
    unsafe {
        let wrapped = inner(file);
        if let Some(barrier) = (*wrapped).pMethods.as_ref().and_then(|methods| methods.xShmBarrier) {
            barrier(wrapped);
        }
    }
}

/// Version 2: with shared memory, which WAL needs, and without memory mapping, which would pass by `write`.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

//! Calling an import: the one place with `unsafe` calls and error numbers.

use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Calls an import and turns its error number into a result.
macro_rules! call {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        #[cfg(target_family = "wasm")]
        // SAFETY: every pointer that this crate passes is to live memory of at least the length passed beside it; the
        // kernel writes nothing else and keeps no pointer.
        let errno = unsafe { agentos_abi::imports::$name($($arg),*) };
        #[cfg(not(target_family = "wasm"))]
        let errno = {
            $(let _ = $arg;)*
            agentos_abi::errno::ENOSYS
        };
        $crate::call::check(errno)
    }};
}

/// The kernel's number of an error (see [`agentos_abi::errno`]), if it came from the kernel.
pub fn errno(error: &io::Error) -> Option<u32> {
    error.raw_os_error().and_then(|n| u32::try_from(n).ok())
}

pub(crate) fn check(errno: u32) -> io::Result<()> {
    match errno {
        0 => Ok(()),
        _ if !cfg!(target_family = "wasm") => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(io::Error::from_raw_os_error(errno as i32)),
    }
}

/// Repeats `call` while signals interrupt it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Calls `fill` with a buffer and cuts it to the length that comes back.
pub(crate) fn filled(
    capacity: usize,
    fill: impl FnOnce(*mut u8, u32, &mut u32) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; capacity];
    let mut len = 0;
    fill(buf.as_mut_ptr(), capacity as u32, &mut len)?;
    buf.truncate(len as usize);
    Ok(buf)
}

pub(crate) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

pub(crate) fn os_string(bytes: Vec<u8>) -> OsString {
    #[cfg(unix)]
    use std::os::unix::ffi::OsStringExt;
    #[cfg(target_os = "wasi")]
    use std::os::wasi::ffi::OsStringExt;
    OsString::from_vec(bytes)
}

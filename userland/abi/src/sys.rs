//! The machine as the VM shows it.

use std::ffi::{OsStr, OsString};
use std::io;

use agentos_abi::process as abi;

use crate::call::{filled, os_string};

/// A field of `uname(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uname {
    /// Name of the system.
    Sysname,
    /// Host name.
    Nodename,
    /// Release.
    Release,
    /// Version.
    Version,
    /// Machine.
    Machine,
}

/// Longest field.
const FIELD_MAX: usize = 256;

/// A field of `uname(2)`.
pub fn uname(field: Uname) -> io::Result<OsString> {
    let field = match field {
        Uname::Sysname => abi::UNAME_SYSNAME,
        Uname::Nodename => abi::UNAME_NODENAME,
        Uname::Release => abi::UNAME_RELEASE,
        Uname::Version => abi::UNAME_VERSION,
        Uname::Machine => abi::UNAME_MACHINE,
    };
    filled(FIELD_MAX, |buf, cap, len| call!(sys_uname(field, buf, cap, len))).map(os_string)
}

/// Sets the host name.
pub fn set_hostname(name: &OsStr) -> io::Result<()> {
    let name = name.as_encoded_bytes();
    call!(sys_sethostname(name.as_ptr(), name.len() as u32))
}

/// CPUs that the VM may use.
pub fn cpus() -> io::Result<u32> {
    let mut out = 0;
    call!(sys_cpus(&mut out))?;
    Ok(out)
}

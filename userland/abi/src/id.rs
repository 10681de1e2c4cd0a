//! Identities. Names come from `/etc/passwd` and `/etc/group`, which the guest reads itself.

use std::io;

pub use agentos_abi::process::Credentials;

/// Supplementary groups that a process can have, as on Linux.
const GROUPS_MAX: usize = 65_536;

/// The caller's user and group ids.
pub fn credentials() -> Credentials {
    let mut out = Credentials::default();
    // A valid pointer is all that this call could complain about.
    let _ = call!(id_get(&mut out));
    out
}

/// The caller's supplementary groups.
pub fn groups() -> io::Result<Vec<u32>> {
    let mut room = 64;
    loop {
        let mut buf = vec![0; room];
        let mut n = 0;
        match call!(id_groups(buf.as_mut_ptr(), room as u32, &mut n)) {
            Ok(()) if n as usize <= room => {
                buf.truncate(n as usize);
                return Ok(buf);
            }
            Err(error) if room >= GROUPS_MAX || crate::errno(&error) != Some(agentos_abi::errno::ERANGE) => {
                return Err(error);
            }
            _ => room = GROUPS_MAX,
        }
    }
}

/// Sets real, effective and saved user id; `None` leaves one as it is.
pub fn set_uid(real: Option<u32>, effective: Option<u32>, saved: Option<u32>) -> io::Result<()> {
    call!(id_set_uid(or_same(real), or_same(effective), or_same(saved)))
}

/// Sets real, effective and saved group id; `None` leaves one as it is.
pub fn set_gid(real: Option<u32>, effective: Option<u32>, saved: Option<u32>) -> io::Result<()> {
    call!(id_set_gid(or_same(real), or_same(effective), or_same(saved)))
}

/// Sets the supplementary groups.
pub fn set_groups(groups: &[u32]) -> io::Result<()> {
    call!(id_set_groups(groups.as_ptr(), groups.len() as u32))
}

fn or_same(id: Option<u32>) -> u32 {
    id.unwrap_or(u32::MAX)
}

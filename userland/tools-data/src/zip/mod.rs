//! `zip`, `unzip`, `zipinfo`, in the manner of Info-ZIP, without encryption and below 4 GiB.
//!
//! Reading is the crate `zip`'s; writing is ours ([`format`]), because what was saved is printed member by member and
//! members of an archive that is updated move over as they are.

mod create;
mod extract;
mod format;

pub use create::zip;
pub use extract::{unzip, zipinfo};

use chrono::NaiveDate;
use std::io::Read;
use zip_crate::read::ZipFile;

/// What the directory of an archive says about a member.
fn entry_of<R: Read>(member: &ZipFile<'_, R>) -> format::Entry {
    let directory = member.name_raw().ends_with(b"/");
    let default = if directory { 0o040_755 } else { 0o100_644 };
    let mode = member.unix_mode().unwrap_or(default);
    let time = member.last_modified().and_then(|time| {
        let date = NaiveDate::from_ymd_opt(i32::from(time.year()), u32::from(time.month()), u32::from(time.day()))?;
        let clock = (
            u32::from(time.hour()),
            u32::from(time.minute()),
            u32::from(time.second()),
        );
        Some(date.and_hms_opt(clock.0, clock.1, clock.2)?.and_utc().timestamp())
    });
    #[allow(deprecated)]
    let method = member.compression().to_u16();
    format::Entry {
        name: member.name_raw().to_vec(),
        mode: if mode & 0o170_000 == 0 {
            mode | (default & 0o170_000)
        } else {
            mode
        },
        mtime: time.unwrap_or(0),
        method,
        crc: member.crc32(),
        compressed: member.compressed_size(),
        size: member.size(),
        ..format::Entry::default()
    }
}

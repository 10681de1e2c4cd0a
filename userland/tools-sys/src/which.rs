//! `which`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use agentos_tools_base::io::bytes_of;

use crate::system::flags;
use crate::{access, write};

pub(crate) fn which(args: Vec<OsString>) -> i32 {
    const HELP: &str = "Usage: which [-as] COMMAND...\nWrite the full path of COMMAND(s).\n";
    let (flags, names) = match flags("which", args, &["a,all", "s,silent", "help", "version"], HELP) {
        Ok(found) => found,
        Err(status) => return status,
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut status = i32::from(names.is_empty());
    let mut out = Vec::new();
    for name in &names {
        let mut found = candidates(name, &path).into_iter().filter(|path| is_program(path));
        let shown: Vec<PathBuf> = if flags.contains(&"all") {
            found.collect()
        } else {
            found.next().into_iter().collect()
        };
        if shown.is_empty() {
            status = 1;
        }
        for path in shown {
            out.extend_from_slice(bytes_of(path.as_os_str()));
            out.push(b'\n');
        }
    }
    if flags.contains(&"silent") {
        status
    } else {
        write::all("which", &out).max(status)
    }
}

fn candidates(name: &OsStr, path: &OsStr) -> Vec<PathBuf> {
    if bytes_of(name).contains(&b'/') {
        return vec![PathBuf::from(name)];
    }
    std::env::split_paths(path)
        .map(|dir| {
            if dir.as_os_str().is_empty() {
                Path::new(".").join(name)
            } else {
                dir.join(name)
            }
        })
        .collect()
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access::may(path, access::EXECUTE)
}

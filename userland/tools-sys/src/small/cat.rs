//! `cat` without options; those need the complete tool.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use agentos_tools_base::io::{BLOCK, bytes_of, complain, complain_file};
use agentos_tools_base::platform::MetadataExt;

use crate::write;

pub(super) fn cat(args: &[OsString]) -> Option<i32> {
    let mut names = Vec::new();
    let mut options = true;
    for arg in args.iter().skip(1) {
        match bytes_of(arg) {
            b"--" if options => options = false,
            b"-u" if options => {}
            bytes if options && bytes.len() > 1 && bytes[0] == b'-' => return None,
            _ => names.push(arg.clone()),
        }
    }
    if names.is_empty() {
        names.push("-".into());
    }
    let output = output_identity();
    let mut block = vec![0; BLOCK];
    let mut status = 0;
    for name in names {
        match copy(&name, output, &mut block) {
            Ok(()) => {}
            Err(Failure::Input(error)) => {
                complain_file("cat", &name, &error);
                status = 1;
            }
            Err(Failure::Same) => {
                complain(
                    "cat",
                    format_args!("{}: input file is output file", name.to_string_lossy()),
                );
                status = 1;
            }
            Err(Failure::Output(error)) => return Some(write::done("cat", Err(error))),
        }
    }
    Some(status)
}

enum Failure {
    Input(io::Error),
    Output(io::Error),
    Same,
}

/// Device and inode of standard output, if it is a regular file that is not empty.
fn output_identity() -> Option<(u64, u64)> {
    let meta = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?)
        .metadata()
        .ok()?;
    (meta.is_file() && meta.len() > 0).then(|| (meta.dev(), meta.ino()))
}

fn copy(name: &OsString, output: Option<(u64, u64)>, block: &mut [u8]) -> Result<(), Failure> {
    if name == "-" {
        return pump(&mut io::stdin().lock(), block);
    }
    let mut input = File::open(name).map_err(Failure::Input)?;
    if output.is_some() {
        let meta = input.metadata().map_err(Failure::Input)?;
        if output == Some((meta.dev(), meta.ino())) {
            return Err(Failure::Same);
        }
    }
    pump(&mut input, block)
}

fn pump(input: &mut dyn Read, block: &mut [u8]) -> Result<(), Failure> {
    loop {
        match input.read(block) {
            Ok(0) => return Ok(()),
            Ok(n) => write::raw(&block[..n]).map_err(Failure::Output)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Input(error)),
        }
    }
}

//! `cargo xtask userland`: the guest programs and the toolchain that builds them.
//!
//! Built guest programs are committed, compressed, beside a manifest that says what they were built from. Three rooms:
//!
//! ```text
//! toolchain  packages -> private prefix -> sysroot (std overlay, libc supplement) -> wrappers
//! recipe     how one program is built, as text that is hashed with its sources
//! artefacts  building, the manifest, checking without a toolchain, rebuilding to compare
//! ```

mod artefacts;
mod libc;
mod overlay;
mod packages;
mod paths;
mod recipe;
mod sources;
mod sysroot;

use crate::error::{Error, Result};
use paths::Paths;
pub(crate) use sources::{digest_without, sha256};

const USAGE: &str = "usage: cargo xtask userland COMMAND
  toolchain        fetch, unpack and prepare the guest toolchain
  cargo ARGS...    run cargo on the guest workspace with that toolchain
  build [NAME...]  build guest programs and commit-ready artefacts
  check            compare sources and artefacts; needs no toolchain
  verify [NAME...] rebuild and compare bit for bit
usage: cargo xtask inspector build|check|verify";

/// Runs the command that `args` name.
pub(crate) fn dispatch(args: &[String]) -> Result<()> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let paths = Paths::find()?;
    match words.as_slice() {
        ["userland", "toolchain"] => sysroot::prepare(&paths).map(drop),
        ["userland", "cargo", rest @ ..] => recipe::cargo(&paths, &sysroot::prepare(&paths)?, rest),
        ["userland", "build", names @ ..] => artefacts::build(&paths, names),
        ["userland", "check"] => artefacts::check(&paths),
        ["userland", "verify", names @ ..] => artefacts::verify(&paths, names),
        _ => Err(Error::Usage(USAGE.to_owned())),
    }
}

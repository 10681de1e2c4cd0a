//! Builds the loader: the one program that Linux guests really execute (see `loader/main.rs`).
//!
//! It is compiled by the same compiler, for the same target, without the standard library, as a static position-independent
//! executable.
//!
//! Here alone it is decided where Linux guests are supported: there the crate and its tests have `cfg(jail)`. Elsewhere the executor
//! says that it cannot run, and there is no loader.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    println!("cargo::rerun-if-changed=loader/main.rs");
    println!("cargo::rerun-if-changed=loader/answers.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let var = |name: &str| env::var(name).unwrap_or_default();
    println!("cargo::rustc-check-cfg=cfg(jail)");
    let supported = var("CARGO_CFG_TARGET_OS") == "linux" && var("CARGO_CFG_TARGET_ARCH") == "x86_64";
    if !supported {
        return Ok(());
    }
    println!("cargo::rustc-cfg=jail");
    let out = PathBuf::from(var("OUT_DIR")).join("loader");
    let mut rustc = Command::new(var("RUSTC"));
    rustc.args([
        "--edition",
        "2024",
        "--crate-type",
        "bin",
        "--crate-name",
        "agentos_loader",
    ]);
    rustc
        .args(["--target", &var("TARGET"), "loader/main.rs", "-o"])
        .arg(&out);
    for option in [
        "opt-level=2",
        "panic=abort",
        "debuginfo=0",
        "strip=symbols",
        "overflow-checks=off",
        "debug-assertions=off",
        "relocation-model=pic",
        "target-feature=+crt-static",
        "link-arg=-nostartfiles",
        "link-arg=-nostdlib",
        "link-arg=-static-pie",
        "link-arg=-Wl,-z,noexecstack",
        "link-arg=-Wl,--build-id=none",
    ] {
        rustc.args(["-C", option]);
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    // Flags of the build around this one (sanitizers, coverage) would not work in a program without a library.
    rustc.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    match rustc.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("the loader does not compile: {status}").into()),
    }
}

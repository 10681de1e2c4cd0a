//! How guest programs are built. The recipe is text that goes into each artefact's source hash, so that a changed flag
//! makes an artefact stale like a changed source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::paths::Paths;
use super::sysroot::{self, Sysroot};
use crate::error::{At, Error, Result};
use crate::run;

/// A guest program that is committed in built form.
pub(crate) struct Program {
    /// Name of the artefact, `NAME.wasm.xz`.
    pub(crate) name: &'static str,
    /// Package of the guest workspace, whose binary has the artefact's name.
    pub(crate) package: &'static str,
    /// Whether only tests use it: it is committed apart and no image contains it.
    pub(crate) for_tests: bool,
}

/// All of them.
pub(crate) const PROGRAMS: &[Program] = &[
    Program {
        name: "box",
        package: "agentos-box",
        for_tests: false,
    },
    Program {
        name: "net",
        package: "agentos-net-tools",
        for_tests: false,
    },
    Program {
        name: "probe",
        package: "agentos-probe",
        for_tests: true,
    },
    Program {
        name: "sh",
        package: "agentos-sh",
        for_tests: false,
    },
    Program {
        name: "tiny",
        package: "agentos-tiny",
        for_tests: false,
    },
];

const TARGET: &str = "wasm32-wasip1";
const RUSTFLAGS: &[&str] = &["-Ctarget-feature=+simd128"];
const BUILD_STD: &str = "std,panic_abort";

/// Options of the compressor: one thread, so that the same input gives the same bytes; a check that every decoder knows.
const XZ: &[&str] = &["-9e", "-T1", "--check=crc32"];

/// The recipe of a program as text, without any path of this machine.
pub(crate) fn text(program: &Program) -> String {
    format!(
        "RUSTC_BOOTSTRAP=1 RUSTFLAGS={:?} cargo build --release --locked --target {TARGET} -Zbuild-std={BUILD_STD} \
         --package {}; xz {}",
        RUSTFLAGS.join(" "),
        program.package,
        XZ.join(" ")
    )
}

/// Runs cargo on the guest workspace with the guest toolchain.
pub(crate) fn cargo(paths: &Paths, _ready: &Sysroot, args: &[&str]) -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(&paths.userland);
    // What the outer cargo set for this program must not reach the inner one.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if (name.starts_with("CARGO") || name.starts_with("RUST")) && !KEPT.contains(&name.as_str()) {
            command.env_remove(&name);
        }
    }
    for (name, value) in environment(paths) {
        command.env(name, value);
    }
    run::run(&mut command)
}

/// Variables of the outer cargo that the inner one needs.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "CARGO_NET_OFFLINE",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
];

fn environment(paths: &Paths) -> Vec<(&'static str, String)> {
    let bin = |name: &str| paths.bin(name).display().to_string();
    vec![
        ("RUSTC", bin("guest-rustc")),
        ("RUSTC_BOOTSTRAP", "1".to_owned()),
        ("CARGO_BUILD_TARGET", TARGET.to_owned()),
        ("CARGO_UNSTABLE_BUILD_STD", BUILD_STD.to_owned()),
        ("CARGO_TARGET_WASM32_WASIP1_LINKER", bin("wasm-ld")),
        ("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", RUSTFLAGS.join(" ")),
        (sysroot::REMAP, remap(paths)),
        ("CC_wasm32_wasip1", bin("guest-cc")),
        ("AR_wasm32_wasip1", bin("guest-ar")),
    ]
}

/// Options that keep this machine's paths out of the programs. They reach the compiler through its wrapper, not through
/// cargo, so that two checkouts that share a target folder share what they compile.
fn remap(paths: &Paths) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default();
    let flags = [
        (paths.sysroot().join("lib/rustlib/src/rust"), "/rust"),
        (cargo_home.join("registry/src"), "/registry"),
        (paths.root.clone(), "/agentos"),
    ]
    .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    flags.join(" ")
}

/// Builds a program; returns the path of its module. It is always linked anew, since cargo does not know that a module
/// depends on the libc in the sysroot.
pub(crate) fn build(paths: &Paths, ready: &Sysroot, program: &Program) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths.userland.join("target"), PathBuf::from);
    let folder = target.join(TARGET).join("release");
    unlink(&folder.join("deps"), program.name)?;
    cargo(
        paths,
        ready,
        &["build", "--release", "--locked", "--package", program.package],
    )?;
    Ok(folder.join(format!("{}.wasm", program.name)))
}

/// Removes what was linked under this name before.
fn unlink(folder: &Path, name: &str) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.at(folder)?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let ours = stem.rsplit_once('-').is_some_and(|(base, _)| base == name);
        if ours && path.extension().is_some_and(|e| e == "wasm") {
            fs::remove_file(&path).at(&path)?;
        }
    }
    Ok(())
}

/// Compresses a module.
pub(crate) fn compress(module: &Path) -> Result<Vec<u8>> {
    let file = fs::File::open(module).at(module)?;
    let mut command = Command::new("xz");
    let done = command
        .args(XZ)
        .arg("--stdout")
        .stdin(file)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| Error::Command {
            command: "xz".to_owned(),
            detail: e.to_string(),
        })?;
    if done.status.success() {
        Ok(done.stdout)
    } else {
        Err(Error::Command {
            command: "xz".to_owned(),
            detail: done.status.to_string(),
        })
    }
}

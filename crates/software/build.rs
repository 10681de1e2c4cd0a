//! Lists the committed artefacts of the userland, so that adding one needs no edit here.
// A build script may fail only in this way.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::Path;

fn main() {
    // Asked for when it runs: a target folder that was copied keeps the script, but not the checkout.
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR for build scripts");
    let folder = Path::new(&root).join("../../userland/artefacts");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".wasm.xz").map(str::to_owned))
        .collect();
    names.sort_unstable();
    let mut code = format!(
        "const MANIFEST: &str = include_str!({:?});\n",
        folder.join("manifest.json")
    );
    code.push_str("static PACKED: &[(&str, &[u8])] = &[\n");
    for name in names {
        let file = folder.join(format!("{name}.wasm.xz"));
        // Writing to a string cannot fail.
        let _ = writeln!(code, "    ({name:?}, include_bytes!({file:?})),");
    }
    code.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    std::fs::write(Path::new(&out).join("bundled.rs"), code).expect("OUT_DIR is writable");
}

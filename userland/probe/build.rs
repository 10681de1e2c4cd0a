//! Compiles the C half for the guest; on a host there is none.

fn main() {
    println!("cargo::rerun-if-changed=c");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        cc::Build::new()
            .file("c/probe.c")
            .warnings_into_errors(true)
            .compile("probe");
    }
}

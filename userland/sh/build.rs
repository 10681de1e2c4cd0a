//! Lets the kernel see the stack pointer, which a copy of the process starts with: the copy's frames then lie below those
//! of its parent, which its body still refers to.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-bins=--export=__stack_pointer");
    }
}

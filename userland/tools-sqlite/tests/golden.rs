//! The golden cases of this crate's tools; see the crate `agentos-golden`.

fn main() -> std::process::ExitCode {
    agentos_golden::main(
        agentos_tools_sqlite::applets(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"),
    )
}

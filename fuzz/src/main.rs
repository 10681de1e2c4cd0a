//! Runs fuzz targets for a bounded time.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    agentos_fuzz::runner::main()
}

//! The C half, compiled with the guest toolchain's own clang and headers: see `c/probe.c`.

use std::ffi::{CString, c_char, c_int};
use std::process::ExitCode;

unsafe extern "C" {
    fn probe_main(argc: c_int, argv: *const *const c_char) -> c_int;
}

/// Runs it as a program.
pub fn run(args: &[&str]) -> ExitCode {
    let words: Vec<CString> = args.iter().filter_map(|word| CString::new(*word).ok()).collect();
    let mut pointers: Vec<*const c_char> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: a vector of arguments as `main` gets it, which outlives the call.
    let status = unsafe { probe_main(words.len() as c_int, pointers.as_ptr()) };
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

//! WASI preview 1, as a program finds it that knows nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{ExitStatus, FileAction};
use common::*;
use std::sync::Arc;

const NUMBERS: &[(&str, &str, &str)] = &[
    (P1, "proc_exit", "(param i32)"),
    (P1, "args_get", "(param i32 i32) (result i32)"),
    (P1, "args_sizes_get", "(param i32 i32) (result i32)"),
    (P1, "environ_get", "(param i32 i32) (result i32)"),
    (P1, "environ_sizes_get", "(param i32 i32) (result i32)"),
    (P1, "clock_res_get", "(param i32 i32) (result i32)"),
    (P1, "clock_time_get", "(param i32 i64 i32) (result i32)"),
    (P1, "fd_advise", "(param i32 i64 i64 i32) (result i32)"),
    (P1, "fd_allocate", "(param i32 i64 i64) (result i32)"),
    (P1, "fd_close", "(param i32) (result i32)"),
    (P1, "fd_datasync", "(param i32) (result i32)"),
    (P1, "fd_fdstat_get", "(param i32 i32) (result i32)"),
    (P1, "fd_fdstat_set_flags", "(param i32 i32) (result i32)"),
    (P1, "fd_fdstat_set_rights", "(param i32 i64 i64) (result i32)"),
    (P1, "fd_filestat_get", "(param i32 i32) (result i32)"),
    (P1, "fd_filestat_set_size", "(param i32 i64) (result i32)"),
    (P1, "fd_filestat_set_times", "(param i32 i64 i64 i32) (result i32)"),
    (P1, "fd_pread", "(param i32 i32 i32 i64 i32) (result i32)"),
    (P1, "fd_prestat_get", "(param i32 i32) (result i32)"),
    (P1, "fd_prestat_dir_name", "(param i32 i32 i32) (result i32)"),
    (P1, "fd_pwrite", "(param i32 i32 i32 i64 i32) (result i32)"),
    (P1, "fd_read", "(param i32 i32 i32 i32) (result i32)"),
    (P1, "fd_readdir", "(param i32 i32 i32 i64 i32) (result i32)"),
    (P1, "fd_renumber", "(param i32 i32) (result i32)"),
    (P1, "fd_seek", "(param i32 i64 i32 i32) (result i32)"),
    (P1, "fd_sync", "(param i32) (result i32)"),
    (P1, "fd_tell", "(param i32 i32) (result i32)"),
    (P1, "fd_write", "(param i32 i32 i32 i32) (result i32)"),
    (P1, "path_create_directory", "(param i32 i32 i32) (result i32)"),
    (P1, "path_filestat_get", "(param i32 i32 i32 i32 i32) (result i32)"),
    (
        P1,
        "path_filestat_set_times",
        "(param i32 i32 i32 i32 i64 i64 i32) (result i32)",
    ),
    (P1, "path_link", "(param i32 i32 i32 i32 i32 i32 i32) (result i32)"),
    (
        P1,
        "path_open",
        "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
    ),
    (P1, "path_readlink", "(param i32 i32 i32 i32 i32 i32) (result i32)"),
    (P1, "path_remove_directory", "(param i32 i32 i32) (result i32)"),
    (P1, "path_rename", "(param i32 i32 i32 i32 i32 i32) (result i32)"),
    (P1, "path_symlink", "(param i32 i32 i32 i32 i32) (result i32)"),
    (P1, "path_unlink_file", "(param i32 i32 i32) (result i32)"),
    (P1, "poll_oneoff", "(param i32 i32 i32 i32) (result i32)"),
    (P1, "proc_raise", "(param i32) (result i32)"),
    (P1, "random_get", "(param i32 i32) (result i32)"),
    (P1, "sched_yield", "(result i32)"),
    (P1, "sock_accept", "(param i32 i32 i32) (result i32)"),
    (P1, "sock_recv", "(param i32 i32 i32 i32 i32 i32) (result i32)"),
    (P1, "sock_send", "(param i32 i32 i32 i32 i32) (result i32)"),
    (P1, "sock_shutdown", "(param i32 i32) (result i32)"),
];

/// Strings that the programs use, at fixed places.
fn strings() -> String {
    data(0x100, b"dir") + &data(0x108, b"dir/file") + &data(0x118, b"dir/link") + &data(0x128, b"dir/../../x") + &data(0x138, b"/etc")
        + &data(0x140, b"dir/other") + &data(0x150, b"file")
        // A vector of "hello" and " world", and one of 64 bytes at 0x400.
        + &data(0x160, b"hello world") + &data(0x180, &[0x60, 1, 0, 0, 5, 0, 0, 0, 0x65, 1, 0, 0, 6, 0, 0, 0])
        + &data(0x190, &[0, 4, 0, 0, 64, 0, 0, 0])
}

/// Runs a pure preview-1 program in `/tmp` and gives its status.
fn status(body: &str) -> u8 {
    status_in(&Vm::new(), &[], body)
}

fn status_in(vm: &Vm, actions: &[FileAction], body: &str) -> u8 {
    let more = strings() + OK + "
        (func $is (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then (call $proc_exit (local.get 0)) unreachable)))
        (func $open (param $path i32) (param $len i32) (param $oflags i32) (param $rights i64) (result i32)
            (call $ok (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len) (local.get $oflags) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 0)))
            (i32.load (i32.const 0)))";
    let name = format!("p{}", vm.kernel.clock().instant().0);
    vm.install(
        &name,
        &program(
            NUMBERS,
            &format!("{more} (func (export \"_start\") (local $a i32) (local $b i32) {body})"),
        ),
    );
    let mut request = vm.request(&[&name, "one", ""]);
    request.env = vec![b"A=1".to_vec()];
    request.cwd = Some(b"/tmp".to_vec());
    request.actions = actions.to_vec();
    match wait(&vm.spawn_request(&request).unwrap()) {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled(signal) => panic!("{signal} in {body}"),
    }
}

#[test]
fn arguments_and_environment() {
    // argc * 64 + bytes; the second argument is "one".
    assert_eq!(status("(call $ok (call $args_sizes_get (i32.const 0) (i32.const 4)))
        (call $is (i32.load (i32.const 0)) (i32.const 3))
        (call $ok (call $args_get (i32.const 0x400) (i32.const 0x500)))
        (call $is (i32.load (i32.load (i32.const 0x404))) (i32.const 0x00656e6f))
        (call $is (i32.load8_u (i32.load (i32.const 0x408))) (i32.const 0))
        (call $is (i32.sub (i32.add (i32.load (i32.const 0x408)) (i32.const 1)) (i32.const 0x500)) (i32.load (i32.const 4)))
        (call $ok (call $environ_sizes_get (i32.const 0) (i32.const 4)))
        (call $is (i32.load (i32.const 0)) (i32.const 1)) (call $is (i32.load (i32.const 4)) (i32.const 4))
        (call $ok (call $environ_get (i32.const 0x400) (i32.const 0x500)))
        (call $is (i32.load (i32.const 0x500)) (i32.const 0x00313d41))
        (call $is (call $args_get (i32.const 0x1fffc) (i32.const 0x500)) (i32.const 21))
        (call $is (call $args_get (i32.const 0x400) (i32.const 0x1fffc)) (i32.const 21))"), 0);
}

#[test]
fn the_root_is_preopened() {
    assert_eq!(
        status(
            "
        (call $ok (call $fd_prestat_get (i32.const 3) (i32.const 0)))
        (call $is (i32.load (i32.const 0)) (i32.const 0)) (call $is (i32.load (i32.const 4)) (i32.const 1))
        (call $ok (call $fd_prestat_dir_name (i32.const 3) (i32.const 8) (i32.const 1)))
        (call $is (i32.load8_u (i32.const 8)) (i32.const 47))
        (call $is (call $fd_prestat_get (i32.const 4) (i32.const 0)) (i32.const 8))
        (call $is (call $fd_prestat_get (i32.const 1) (i32.const 0)) (i32.const 8))
        (call $is (call $fd_prestat_dir_name (i32.const 3) (i32.const 8) (i32.const 0)) (i32.const 37))
        (call $ok (call $fd_close (i32.const 3)))
        (call $is (call $fd_prestat_get (i32.const 3) (i32.const 0)) (i32.const 8))"
        ),
        0
    );
}

#[test]
fn a_descriptor_at_3_does_not_hide_the_preopen() {
    let vm = Vm::new();
    let (read, _write) = vm.pipe();
    let actions = [FileAction::Inherit(Fd(3), read)];
    assert_eq!(
        status_in(
            &vm,
            &actions,
            "
        (call $ok (call $fd_prestat_get (i32.const 3) (i32.const 0)))
        (call $is (i32.load (i32.const 0)) (i32.const 1))
        (call $ok (call $fd_prestat_get (i32.const 4) (i32.const 0)))
        (call $is (i32.load (i32.const 0)) (i32.const 0))
        (call $is (call $fd_prestat_get (i32.const 5) (i32.const 0)) (i32.const 8))"
        ),
        0
    );
}

#[test]
fn paths_are_looked_for_here_and_below_the_root() {
    // In /tmp: "dir" is made here, "tmp/file" is found below the root, "bin" is found there too, "../tmp/dir" is the one here.
    assert_eq!(
        status(&format!(
            "
        (call $ok (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 3)))
        (call $ok (call $fd_close (call $open (i32.const 0x108) (i32.const 8) (i32.const 1) {ALL})))
        {} {} {} {}",
            stat("tmp/dir/file", 4),
            stat("dir/file", 4),
            stat("bin", 3),
            stat("../tmp/dir", 3)
        )),
        0
    );
}

/// Instructions that check the type of what is at a path.
fn stat(path: &str, kind: u8) -> String {
    format!("{} (call $ok (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 0x700) (i32.const {}) (i32.const 0x400)))
        (call $is (i32.load8_u (i32.const 0x410)) (i32.const {kind}))", store(0x700, path), path.len())
}

#[test]
fn paths_stay_below_their_directory() {
    assert_eq!(
        status(&format!(
            "
        (call $is (call $path_create_directory (i32.const 3) (i32.const 0x138) (i32.const 4)) (i32.const 76))
        (call $is (call $path_create_directory (i32.const 9) (i32.const 0x100) (i32.const 3)) (i32.const 8))
        (call $is (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 5000)) (i32.const 37))
        (call $is (call $path_create_directory (i32.const 3) (i32.const -1) (i32.const 3)) (i32.const 21))
        (call $ok (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 3)))
        (local.set $a (call $open (i32.const 0x100) (i32.const 3) (i32.const 2) {ALL}))
        (call $is (call $path_create_directory (local.get $a) (i32.const 0x128) (i32.const 11)) (i32.const 76))"
        )),
        0
    );
}

const ALL: &str = "(i64.const 0x3fffffff)";

#[test]
fn files_are_written_read_and_measured() {
    assert_eq!(status(&format!("
        (call $ok (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 3)))
        (local.set $a (call $open (i32.const 0x108) (i32.const 8) (i32.const 1) {ALL}))
        (call $is (local.get $a) (i32.const 4))
        (call $ok (call $fd_write (local.get $a) (i32.const 0x180) (i32.const 2) (i32.const 0)))
        (call $is (i32.load (i32.const 0)) (i32.const 11))
        (call $ok (call $fd_tell (local.get $a) (i32.const 0))) (call $is (i32.load (i32.const 0)) (i32.const 11))
        (call $ok (call $fd_seek (local.get $a) (i64.const -5) (i32.const 2) (i32.const 0))) (call $is (i32.load (i32.const 0)) (i32.const 6))
        (call $ok (call $fd_read (local.get $a) (i32.const 0x190) (i32.const 1) (i32.const 0))) (call $is (i32.load (i32.const 0)) (i32.const 5))
        (call $is (i32.load (i32.const 0x400)) (i32.const 0x6c726f77))
        (call $ok (call $fd_pread (local.get $a) (i32.const 0x190) (i32.const 1) (i64.const 1) (i32.const 0))) (call $is (i32.load (i32.const 0)) (i32.const 10))
        (call $ok (call $fd_pwrite (local.get $a) (i32.const 0x180) (i32.const 2) (i64.const 20) (i32.const 0))) (call $is (i32.load (i32.const 0)) (i32.const 11))
        (call $ok (call $fd_filestat_get (local.get $a) (i32.const 0x400)))
        (call $is (i32.load8_u (i32.const 0x410)) (i32.const 4)) (call $is (i32.load (i32.const 0x420)) (i32.const 31)) (call $is (i32.load (i32.const 0x418)) (i32.const 1))
        (call $ok (call $fd_filestat_set_size (local.get $a) (i64.const 3)))
        (call $ok (call $fd_filestat_set_times (local.get $a) (i64.const 7) (i64.const 9) (i32.const 5)))
        (call $ok (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 0x108) (i32.const 8) (i32.const 0x400)))
        (call $is (i32.load (i32.const 0x420)) (i32.const 3)) (call $is (i32.load (i32.const 0x428)) (i32.const 7)) (call $is (i32.load (i32.const 0x430)) (i32.const 9))
        (call $ok (call $fd_sync (local.get $a))) (call $ok (call $fd_datasync (local.get $a)))
        (call $ok (call $fd_advise (local.get $a) (i64.const 0) (i64.const 9) (i32.const 3)))
        (call $is (call $fd_advise (local.get $a) (i64.const 0) (i64.const 9) (i32.const 6)) (i32.const 28))
        (call $ok (call $fd_allocate (local.get $a) (i64.const 0) (i64.const 100)))
        (call $is (call $fd_seek (local.get $a) (i64.const 0) (i32.const 3) (i32.const 0)) (i32.const 28))
        (call $is (call $fd_seek (local.get $a) (i64.const -1) (i32.const 0) (i32.const 0)) (i32.const 28))
        (call $is (call $fd_read (local.get $a) (i32.const 0x190) (i32.const 1) (i32.const -1)) (i32.const 21))
        (call $ok (call $fd_renumber (local.get $a) (i32.const 9)))
        (call $is (call $fd_tell (local.get $a) (i32.const 0)) (i32.const 8))
        (call $ok (call $fd_close (i32.const 9))) (call $is (call $fd_close (i32.const 9)) (i32.const 8))")), 0);
}

#[test]
fn names_come_and_go() {
    assert_eq!(status(&format!("
        (call $ok (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 3)))
        (call $is (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 3)) (i32.const 20))
        (call $ok (call $fd_close (call $open (i32.const 0x108) (i32.const 8) (i32.const 5) {ALL})))
        (call $is (call $path_open (i32.const 3) (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 5) {ALL} (i64.const 0) (i32.const 0) (i32.const 0)) (i32.const 20))
        (call $is (call $path_open (i32.const 3) (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 2) {ALL} (i64.const 0) (i32.const 0) (i32.const 0)) (i32.const 54))
        (call $is (call $path_open (i32.const 3) (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 16) {ALL} (i64.const 0) (i32.const 0) (i32.const 0)) (i32.const 28))
        (call $ok (call $path_symlink (i32.const 0x150) (i32.const 4) (i32.const 3) (i32.const 0x118) (i32.const 8)))
        (call $ok (call $path_readlink (i32.const 3) (i32.const 0x118) (i32.const 8) (i32.const 0x400) (i32.const 3) (i32.const 0))) (call $is (i32.load (i32.const 0)) (i32.const 3))
        (call $ok (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 0x118) (i32.const 8) (i32.const 0x400))) (call $is (i32.load8_u (i32.const 0x410)) (i32.const 7))
        (call $ok (call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 0x118) (i32.const 8) (i32.const 0x400))) (call $is (i32.load8_u (i32.const 0x410)) (i32.const 4))
        (call $is (call $path_open (i32.const 3) (i32.const 0) (i32.const 0x118) (i32.const 8) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)) (i32.const 32))
        (call $ok (call $path_link (i32.const 3) (i32.const 0) (i32.const 0x108) (i32.const 8) (i32.const 3) (i32.const 0x140) (i32.const 9)))
        (call $ok (call $path_unlink_file (i32.const 3) (i32.const 0x108) (i32.const 8)))
        (call $is (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 0x108) (i32.const 8) (i32.const 0x400)) (i32.const 44))
        (call $ok (call $path_rename (i32.const 3) (i32.const 0x140) (i32.const 9) (i32.const 3) (i32.const 0x150) (i32.const 4)))
        (call $ok (call $path_filestat_set_times (i32.const 3) (i32.const 0) (i32.const 0x150) (i32.const 4) (i64.const 1) (i64.const 2) (i32.const 5)))
        (call $is (call $path_remove_directory (i32.const 3) (i32.const 0x100) (i32.const 3)) (i32.const 55))
        (call $is (call $path_unlink_file (i32.const 3) (i32.const 0x100) (i32.const 3)) (i32.const 31))
        (call $ok (call $path_unlink_file (i32.const 3) (i32.const 0x118) (i32.const 8)))
        (call $ok (call $path_remove_directory (i32.const 3) (i32.const 0x100) (i32.const 3)))")), 0);
}

#[test]
fn directories_are_listed_in_pieces() {
    // 40 bytes hold "." and the beginning of "..": the listing is cut and goes on from the last whole entry.
    assert_eq!(status(&format!("
        (call $ok (call $path_create_directory (i32.const 3) (i32.const 0x100) (i32.const 3)))
        (call $ok (call $fd_close (call $open (i32.const 0x108) (i32.const 8) (i32.const 1) {ALL})))
        (local.set $a (call $open (i32.const 0x100) (i32.const 3) (i32.const 2) {ALL}))
        (call $ok (call $fd_readdir (local.get $a) (i32.const 0x400) (i32.const 40) (i64.const 0) (i32.const 0)))
        (call $is (i32.load (i32.const 0)) (i32.const 40))
        (call $is (i32.load (i32.const 0x410)) (i32.const 1)) (call $is (i32.load8_u (i32.const 0x414)) (i32.const 3)) (call $is (i32.load8_u (i32.const 0x418)) (i32.const 46))
        (call $ok (call $fd_readdir (local.get $a) (i32.const 0x400) (i32.const 200) (i64.load (i32.const 0x400)) (i32.const 0)))
        (call $is (i32.load (i32.const 0x410)) (i32.const 2))
        (call $is (i32.load (i32.const 0x42a)) (i32.const 4)) (call $is (i32.load8_u (i32.const 0x42e)) (i32.const 4))
        (call $is (i32.load (i32.const 0x432)) (i32.const 0x656c6966))
        (call $is (i32.load (i32.const 0)) (i32.const 54))
        (call $ok (call $fd_readdir (local.get $a) (i32.const 0x400) (i32.const 200) (i64.load (i32.const 0x41a)) (i32.const 0)))
        (call $is (i32.load (i32.const 0)) (i32.const 0))
        (call $is (call $fd_readdir (local.get $a) (i32.const 0x400) (i32.const -1) (i64.const 0) (i32.const 0)) (i32.const 21))
        (call $is (call $fd_readdir (i32.const 0) (i32.const 0x400) (i32.const 9) (i64.const 0) (i32.const 0)) (i32.const 8))")), 0);
}

/// Type, and whether it can seek, as `fd_fdstat_get` tells; 64 is added if it can.
fn kind(vm: &Vm, file: &Arc<OpenFile>) -> u8 {
    let actions = [FileAction::Inherit(Fd(0), Arc::clone(file))];
    status_in(vm, &actions, "(call $ok (call $fd_fdstat_get (i32.const 0) (i32.const 0x400)))
        (call $proc_exit (i32.add (i32.load8_u (i32.const 0x400)) (i32.shl (i32.and (i32.load (i32.const 0x408)) (i32.const 4)) (i32.const 4))))")
}

#[test]
fn kinds_of_descriptor_are_what_libc_expects() {
    let vm = Vm::new();
    let (read, _write) = vm.pipe();
    assert_eq!(kind(&vm, &read), 0, "a pipe is unknown, not a socket");
    let pty = vm.kernel.open_pty().unwrap();
    assert_eq!(kind(&vm, &pty.slave), 2, "a terminal cannot seek");
    let body = |path: &str, len: usize| {
        format!("(i64.store (i32.const 0x600) (i64.const 0)) {}
        (call $ok (call $path_open (i32.const 3) (i32.const 1) (i32.const 0x700) (i32.const {len}) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
        (call $ok (call $fd_fdstat_get (i32.load (i32.const 0)) (i32.const 0x400)))
        (call $proc_exit (i32.add (i32.load8_u (i32.const 0x400)) (i32.shl (i32.and (i32.load (i32.const 0x408)) (i32.const 4)) (i32.const 4))))", store(0x700, path))
    };
    assert_eq!(status_in(&vm, &[], &body("dev/null", 8)), 2 + 64, "the null device can");
    assert_eq!(status_in(&vm, &[], &body("tmp", 3)), 3);
}

/// Instructions that store a string.
fn store(at: usize, text: &str) -> String {
    text.bytes()
        .enumerate()
        .map(|(index, byte)| format!("(i32.store8 (i32.const {}) (i32.const {byte}))", at + index))
        .collect()
}

#[test]
fn clocks_and_randomness() {
    assert_eq!(
        status(
            "
        (call $ok (call $clock_res_get (i32.const 1) (i32.const 0)))
        (call $ok (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 0x400)))
        (if (i64.lt_u (i64.load (i32.const 0x400)) (i64.const 1600000000000000000)) (then unreachable))
        (call $ok (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0x400)))
        (call $ok (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 0x408)))
        (if (i64.lt_u (i64.load (i32.const 0x408)) (i64.load (i32.const 0x400))) (then unreachable))
        (call $ok (call $clock_time_get (i32.const 2) (i64.const 0) (i32.const 0x408)))
        (call $is (call $clock_time_get (i32.const 9) (i64.const 0) (i32.const 0x400)) (i32.const 28))
        (call $is (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const -4)) (i32.const 21))
        (call $ok (call $random_get (i32.const 0x400) (i32.const 4)))
        (call $is (i32.load (i32.const 0x400)) (i32.const 0x59585b5a))
        (call $ok (call $random_get (i32.const 0x400) (i32.const 0x1fc00)))
        (call $is (call $random_get (i32.const 0x400) (i32.const 0x1fc01)) (i32.const 21))
        (call $ok (call $sched_yield))"
        ),
        0
    );
}

/// Instructions that store a clock subscription at 0x400 + 48 n.
fn clock(n: usize, id: u32, timeout: u64, flags: u32) -> String {
    let at = 0x400 + 48 * n;
    format!("(i64.store (i32.const {at}) (i64.const {})) (i32.store8 (i32.const {}) (i32.const 0)) (i32.store (i32.const {}) (i32.const {id}))
        (i64.store (i32.const {}) (i64.const {timeout})) (i32.store16 (i32.const {}) (i32.const {flags}))", n + 100, at + 8, at + 16, at + 24, at + 40)
}

/// The same for a descriptor.
fn watch(n: usize, tag: u32, fd: u32) -> String {
    let at = 0x400 + 48 * n;
    format!(
        "(i64.store (i32.const {at}) (i64.const {})) (i32.store8 (i32.const {}) (i32.const {tag})) (i32.store (i32.const {}) (i32.const {fd}))",
        n + 100,
        at + 8,
        at + 16
    )
}

#[test]
fn polling_reports_what_happened() {
    let poll = |count: usize| {
        format!("(call $ok (call $poll_oneoff (i32.const 0x400) (i32.const 0x800) (i32.const {count}) (i32.const 0)))")
    };
    let vm = Vm::new();
    let (read, write) = vm.pipe();
    let run = |body: String| {
        status_in(
            &vm,
            &[
                FileAction::Inherit(Fd(0), Arc::clone(&read)),
                FileAction::Inherit(Fd(1), Arc::clone(&write)),
            ],
            &body,
        )
    };
    let only = |number: u32, error: u32, tag: u32| {
        format!("(call $is (i32.load (i32.const 0)) (i32.const 1)) (call $is (i32.load (i32.const 0x800)) (i32.const {number}))
        (call $is (i32.load16_u (i32.const 0x808)) (i32.const {error})) (call $is (i32.load8_u (i32.const 0x80a)) (i32.const {tag}))")
    };
    assert_eq!(run(clock(0, 1, 1_000_000, 0) + &poll(1) + &only(100, 0, 0)), 0);
    assert_eq!(
        run(clock(0, 0, 1, 1) + &poll(1) + &only(100, 0, 0)),
        0,
        "a moment in the past"
    );
    assert_eq!(
        run(clock(0, 2, 1, 0) + &poll(1) + &only(100, 58, 0)),
        0,
        "CPU time cannot be waited for"
    );
    assert_eq!(
        run(watch(0, 1, 0) + &watch(1, 2, 1) + &poll(2) + &only(101, 0, 2)),
        0,
        "room to write, nothing to read"
    );
    assert_eq!(
        run(watch(0, 1, 0) + &clock(1, 1, 1_000_000, 0) + &poll(2) + &only(101, 0, 0)),
        0,
        "nothing to read in time"
    );
    assert_eq!(
        run(watch(0, 1, 77) + &poll(1) + &only(100, 8, 1)),
        0,
        "no such descriptor"
    );
    assert_eq!(run("(call $is (call $poll_oneoff (i32.const 0x400) (i32.const 0x800) (i32.const 0) (i32.const 0)) (i32.const 28))
        (call $is (call $poll_oneoff (i32.const 0x1fff0) (i32.const 0x800) (i32.const 1) (i32.const 0)) (i32.const 21))
        (call $is (call $poll_oneoff (i32.const 0x400) (i32.const 0x1fff0) (i32.const 1) (i32.const 0)) (i32.const 21))
        (call $is (call $poll_oneoff (i32.const 0x400) (i32.const 0x800) (i32.const -1) (i32.const 0)) (i32.const 28))".into()), 0);
}

#[test]
fn flags_and_rights() {
    assert_eq!(status(&format!("
        (local.set $a (call $open (i32.const 0x150) (i32.const 4) (i32.const 1) {ALL}))
        (call $ok (call $fd_fdstat_set_flags (local.get $a) (i32.const 1)))
        (call $ok (call $fd_fdstat_get (local.get $a) (i32.const 0x400))) (call $is (i32.load16_u (i32.const 0x402)) (i32.const 1))
        (call $is (call $fd_fdstat_set_flags (local.get $a) (i32.const 32)) (i32.const 28))
        (call $ok (call $fd_fdstat_set_rights (local.get $a) (i64.const 2) (i64.const 0)))
        (call $is (call $fd_fdstat_set_rights (local.get $a) (i64.const 0x2000) (i64.const 0)) (i32.const 76))
        (local.set $b (call $open (i32.const 0x150) (i32.const 4) (i32.const 0) (i64.const 2)))
        (call $is (call $fd_write (local.get $b) (i32.const 0x180) (i32.const 1) (i32.const 0)) (i32.const 8))
        (call $is (call $sock_recv (local.get $a) (i32.const 0x190) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8)) (i32.const 57))
        (call $is (call $sock_send (local.get $a) (i32.const 0x190) (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 57))
        (call $is (call $sock_accept (local.get $a) (i32.const 0) (i32.const 0)) (i32.const 57))
        (call $is (call $sock_shutdown (local.get $a) (i32.const 3)) (i32.const 57))
        (call $is (call $sock_shutdown (local.get $a) (i32.const 4)) (i32.const 28))
        (call $ok (call $proc_raise (i32.const 0)))
        (call $is (call $proc_raise (i32.const 99)) (i32.const 28))")), 0);
}

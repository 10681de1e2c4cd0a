//! `agentos_v1`, call by call: what good arguments lead to. Bad ones are in `hostile.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::fd::IoResult;
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::limits::Limits;
use agentos_kernel::net::{Datagrams, Domain, Egress, Lookup, Outgoing, Query, Stream};
use agentos_kernel::process::{ExitStatus, FileAction};
use agentos_kernel::{Errno, Error};
use common::*;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// Every import of the module, as guests declare it.
fn imports() -> Vec<(String, String)> {
    let text = include_str!("../../abi/src/imports.rs");
    let one = |rest: &str| {
        let (name, rest) = rest.split_once('(').unwrap();
        let (params, _) = rest.split_once(')').unwrap();
        let wide = |ty: &str| ty == "u64" || ty == "i64";
        let types = params
            .split(',')
            .filter_map(|param| param.split_once(':'))
            .map(|(_, ty)| wide(ty.trim()));
        let types: String = types.map(|wide| if wide { " i64" } else { " i32" }).collect();
        (name.to_owned(), format!("(param{types}) (result i32)"))
    };
    text.split("pub fn ").skip(1).map(one).collect()
}

/// Runs a program in `/tmp` as root of a fresh VM; it exits with the number of what was not as expected.
fn status(body: &str) -> u8 {
    status_in(&Vm::new(), &[], "", body)
}

/// `$is` compares, `$at` compares a word in memory with a value.
const HELP: &str = "
    (func $is (param i32 i32) (if (i32.ne (local.get 0) (local.get 1)) (then (call $proc_exit (local.get 0)) unreachable)))
    (func $at (param i32 i32) (call $is (i32.load (local.get 0)) (local.get 1)))
    (func $fd (result i32) (i32.load (i32.const 0)))";

fn status_in(vm: &Vm, actions: &[FileAction], more: &str, body: &str) -> u8 {
    let strings = data(0x100, b"dir")
        + &data(0x108, b"dir/file")
        + &data(0x118, b"dir/link")
        + &data(0x128, b"file")
        + &data(0x130, b"user.name")
        + &data(0x140, b"value")
        + &data(0x150, b"/tmp")
        + &data(0x158, b"newname")
        + &data(0x180, &[0x28, 1, 0, 0, 4, 0, 0, 0]);
    let mut text = String::from("(module\n");
    for (name, signature) in imports() {
        text += &format!("(import \"{OS}\" \"{name}\" (func ${name} {signature}))\n");
    }
    for (name, signature) in [
        ("proc_exit", "(param i32)"),
        ("fd_write", "(param i32 i32 i32 i32) (result i32)"),
        ("fd_read", "(param i32 i32 i32 i32) (result i32)"),
        ("fd_close", "(param i32) (result i32)"),
        ("fd_prestat_get", "(param i32 i32) (result i32)"),
        ("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)"),
        ("path_symlink", "(param i32 i32 i32 i32 i32) (result i32)"),
    ] {
        text += &format!("(import \"{P1}\" \"{name}\" (func ${name} {signature}))\n");
    }
    text += &format!(
        "(memory (export \"memory\") 2) {strings} {OK} {HELP} {more} (func (export \"_start\") (local $a i32) {body}))"
    );
    let name = format!("p{}", vm.kernel.clock().instant().0);
    vm.install(&name, &text);
    let mut request = vm.request(&[&name]);
    request.cwd = Some(b"/tmp".to_vec());
    request.setsid = true;
    request.actions = actions.to_vec();
    match wait(&vm.spawn_request(&request).unwrap()) {
        ExitStatus::Exited(code) => code,
        ExitStatus::Signaled(signal) => panic!("{signal} in {body}"),
    }
}

const CWD: &str = "(i32.const -100)";
/// Opens `/tmp/file` for reading and writing, making it; its descriptor goes to 0.
const OPEN: &str = "(call $ok (call $path_open_mode (i32.const -100) (i32.const 0x128) (i32.const 4) (i32.const 0x301) (i32.const 0) (i32.const 0x1a4) (i32.const 0)))";

#[test]
fn process_numbers_and_places() {
    assert_eq!(status(&format!("
        (call $ok (call $proc_ids (i32.const 0x400)))
        (call $is (i32.load (i32.const 0x400)) (i32.load (i32.const 0x408))) (call $at (i32.const 0x404) (i32.const 1))
        (call $ok (call $proc_getpgid (i32.const 0) (i32.const 0))) (call $is (call $fd) (i32.load (i32.const 0x408)))
        (call $ok (call $proc_getsid (i32.const 0) (i32.const 0))) (call $is (call $fd) (i32.load (i32.const 0x40c)))
        (call $is (call $proc_getsid (i32.const 99) (i32.const 0)) (i32.const 71))
        (call $is (call $proc_setsid (i32.const 0)) (i32.const 63))
        (call $is (call $proc_setpgid (i32.const 0) (i32.const 0)) (i32.const 63))
        (call $is (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 0x400)) (i32.const 12))
        (call $is (call $proc_wait (i32.const -1) (i32.const 0x70) (i32.const 0x400)) (i32.const 28))
        (call $ok (call $proc_umask (i32.const 1) (i32.const 0x3f) (i32.const 0))) (call $at (i32.const 0) (i32.const 18))
        (call $ok (call $proc_umask (i32.const 0) (i32.const 0) (i32.const 0))) (call $at (i32.const 0) (i32.const 0x3f))
        (call $ok (call $proc_getcwd (i32.const 0x400) (i32.const 100) (i32.const 0))) (call $at (i32.const 0) (i32.const 4)) (call $at (i32.const 0x400) (i32.const 0x706d742f))
        (call $is (call $proc_getcwd (i32.const 0x400) (i32.const 3) (i32.const 0)) (i32.const 68))
        (call $ok (call $proc_getcwd (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $ok (call $path_mkdir {CWD} (i32.const 0x100) (i32.const 3) (i32.const 0x1ff)))
        (call $ok (call $proc_chdir {CWD} (i32.const 0x100) (i32.const 3)))
        (call $ok (call $proc_getcwd (i32.const 0x400) (i32.const 100) (i32.const 0))) (call $at (i32.const 0) (i32.const 8))
        (call $ok (call $path_open_mode {CWD} (i32.const 0x150) (i32.const 4) (i32.const 0x102) (i32.const 0) (i32.const 0) (i32.const 0x20)))
        (call $ok (call $proc_chdir (i32.load (i32.const 0x20)) (i32.const 0) (i32.const 0)))
        (call $ok (call $proc_getcwd (i32.const 0x400) (i32.const 100) (i32.const 0))) (call $at (i32.const 0) (i32.const 4))
        (call $ok (call $proc_chdir (i32.load (i32.const 0x20)) (i32.const 0x100) (i32.const 3)))
        (call $ok (call $proc_getcwd (i32.const 0x400) (i32.const 100) (i32.const 0))) (call $at (i32.const 0) (i32.const 8))
        (call $ok (call $proc_chdir (i32.const 0x40000000) (i32.const 0) (i32.const 0)))
        (call $ok (call $proc_getcwd (i32.const 0x400) (i32.const 100) (i32.const 0))) (call $at (i32.const 0) (i32.const 1))
        (call $is (call $proc_chdir {CWD} (i32.const 0) (i32.const 0)) (i32.const 44))")), 0);
}

#[test]
fn the_machine_and_limits() {
    assert_eq!(status("
        (call $ok (call $sys_uname (i32.const 1) (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 3)) (call $at (i32.const 0x400) (i32.const 0x00786f62))
        (call $ok (call $sys_uname (i32.const 0) (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0x400) (i32.const 0x756e694c))
        (call $is (call $sys_uname (i32.const 5) (i32.const 0x400) (i32.const 64) (i32.const 0)) (i32.const 28))
        (call $ok (call $sys_sethostname (i32.const 0x158) (i32.const 7)))
        (call $ok (call $sys_uname (i32.const 1) (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 7))
        (call $is (call $sys_sethostname (i32.const 0x158) (i32.const 65)) (i32.const 28))
        (call $ok (call $sys_cpus (i32.const 0))) (call $at (i32.const 0) (i32.const 1))
        (call $ok (call $proc_times (i32.const 0x400)))
        (call $ok (call $proc_limit_get (i32.const 7) (i32.const 0x400))) (call $at (i32.const 0x400) (i32.const 1024))
        (i64.store (i32.const 0x400) (i64.const 10)) (i64.store (i32.const 0x408) (i64.const 20))
        (call $ok (call $proc_limit_set (i32.const 7) (i32.const 0x400)))
        (call $is (call $fd_dup (i32.const 0x7fffffff) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 8))
        (call $ok (call $fd_pipe (i32.const 0) (i32.const 0) (i32.const 4)))
        (call $is (call $fd_dup (call $fd) (i32.const 10) (i32.const 0) (i32.const 8)) (i32.const 28))
        (call $is (call $proc_limit_get (i32.const 16) (i32.const 0x400)) (i32.const 28))
        (i64.store (i32.const 0x400) (i64.const 30))
        (call $is (call $proc_limit_set (i32.const 7) (i32.const 0x400)) (i32.const 28))
        (call $ok (call $proc_nice (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))) (call $at (i32.const 0) (i32.const 20))
        (call $ok (call $proc_nice (i32.const 0) (i32.const 1) (i32.const 100) (i32.const 0))) (call $at (i32.const 0) (i32.const 39))"), 0);
}

#[test]
fn descriptors() {
    assert_eq!(status(&format!("
        {OPEN} (local.set $a (call $fd))
        (call $ok (call $fd_dup (local.get $a) (i32.const 20) (i32.const 1) (i32.const 0))) (call $at (i32.const 0) (i32.const 20))
        (call $ok (call $fd_flags_get (i32.const 20) (i32.const 0))) (call $at (i32.const 0) (i32.const 1))
        (call $ok (call $fd_flags_set (i32.const 20) (i32.const 0)))
        (call $ok (call $fd_flags_get (i32.const 20) (i32.const 0))) (call $at (i32.const 0) (i32.const 0))
        (call $ok (call $fd_dup_to (local.get $a) (i32.const 21) (i32.const 0)))
        (call $is (call $fd_dup_to (i32.const 77) (i32.const 21) (i32.const 0)) (i32.const 8))
        (call $ok (call $fd_status_get (i32.const 21) (i32.const 0))) (call $at (i32.const 0) (i32.const 0x300))
        (call $ok (call $fd_status_set (i32.const 21) (i32.const 0x301)))
        (call $ok (call $fd_status_get (local.get $a) (i32.const 0))) (call $at (i32.const 0) (i32.const 0x301))
        (call $ok (call $fd_write (local.get $a) (i32.const 0x180) (i32.const 1) (i32.const 0)))
        (call $ok (call $fd_available (local.get $a) (i32.const 0))) (call $at (i32.const 0) (i32.const 0))
        (call $ok (call $fd_pipe (i32.const 3) (i32.const 0x20) (i32.const 0x24)))
        (call $ok (call $fd_flags_get (i32.load (i32.const 0x20)) (i32.const 0))) (call $at (i32.const 0) (i32.const 1))
        (call $is (call $fd_read (i32.load (i32.const 0x20)) (i32.const 0x180) (i32.const 1) (i32.const 0)) (i32.const 6))
        (i64.store (i32.const 0x30) (i64.const 1))
        (call $ok (call $fd_copy_range (local.get $a) (i32.const 0x30) (i32.load (i32.const 0x24)) (i32.const 0) (i64.const 100) (i32.const 0)))
        (call $at (i32.const 0) (i32.const 3)) (call $at (i32.const 0x30) (i32.const 4))
        (call $ok (call $fd_available (i32.load (i32.const 0x20)) (i32.const 0))) (call $at (i32.const 0) (i32.const 3))
        (call $ok (call $fd_flock (local.get $a) (i32.const 6)))
        (call $ok (call $fd_flock (local.get $a) (i32.const 8)))
        (call $is (call $fd_flock (local.get $a) (i32.const 3)) (i32.const 28))
        (i32.store (i32.const 0x400) (i32.const 1))
        (call $ok (call $fd_record_lock (local.get $a) (i32.const 6) (i32.const 0x400)))
        (call $ok (call $fd_record_lock (local.get $a) (i32.const 5) (i32.const 0x400))) (call $at (i32.const 0x400) (i32.const 2))
        (call $is (call $fd_record_lock (local.get $a) (i32.const 9) (i32.const 0x400)) (i32.const 28))")), 0);
}

#[test]
fn files_and_their_attributes() {
    assert_eq!(status(&format!("
        (call $ok (call $path_mkdir {CWD} (i32.const 0x100) (i32.const 3) (i32.const 0x1c0)))
        (call $ok (call $path_open_mode {CWD} (i32.const 0x108) (i32.const 8) (i32.const 0x305) (i32.const 0) (i32.const 0x180) (i32.const 0))) (local.set $a (call $fd))
        (call $is (call $path_open_mode {CWD} (i32.const 0x108) (i32.const 8) (i32.const 0x305) (i32.const 0) (i32.const 0x180) (i32.const 0)) (i32.const 20))
        (call $is (call $path_open_mode {CWD} (i32.const 0x108) (i32.const 8) (i32.const 0x800) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 28))
        (call $ok (call $fd_write (local.get $a) (i32.const 0x180) (i32.const 1) (i32.const 0)))
        (call $ok (call $path_chmod {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 0x9e9)))
        (call $ok (call $path_chown {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 7) (i32.const -1)))
        (call $ok (call $path_set_times {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i64.const 11) (i64.const 0x8000000000000000)))
        (call $ok (call $path_stat {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 0x400)))
        (call $at (i32.const 0x410) (i32.const 0x81e9)) (call $at (i32.const 0x414) (i32.const 1)) (call $at (i32.const 0x418) (i32.const 7)) (call $at (i32.const 0x41c) (i32.const 0))
        (call $at (i32.const 0x428) (i32.const 4)) (call $at (i32.const 0x440) (i32.const 11))
        (call $ok (call $path_stat (local.get $a) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0x500)))
        (call $is (i32.load (i32.const 0x508)) (i32.load (i32.const 0x408)))
        (call $is (call $path_stat (local.get $a) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x500)) (i32.const 44))
        (call $is (call $path_stat {CWD} (i32.const 8) (i32.const 0x108) (i32.const 8) (i32.const 0x500)) (i32.const 28))
        (call $ok (call $path_stat (i32.const 0x40000000) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0x500))) (call $at (i32.const 0x510) (i32.const 0x41ed))
        (call $ok (call $path_symlink (i32.const 0x128) (i32.const 4) (i32.const -100) (i32.const 0x118) (i32.const 8)))
        (call $ok (call $path_stat {CWD} (i32.const 0) (i32.const 0x118) (i32.const 8) (i32.const 0x400))) (call $at (i32.const 0x410) (i32.const 0xa1ff))
        (call $ok (call $path_resolve {CWD} (i32.const 1) (i32.const 0x118) (i32.const 8) (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 13))
        (call $ok (call $path_access {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 7)))
        (call $is (call $path_access {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 8)) (i32.const 28))
        (call $ok (call $path_statfs {CWD} (i32.const 1) (i32.const 0x150) (i32.const 4) (i32.const 0x400))) (call $at (i32.const 0x438) (i32.const 255))
        (call $ok (call $path_mknod {CWD} (i32.const 0x128) (i32.const 4) (i32.const 0x11a4) (i64.const 0)))
        (call $is (call $path_rename2 {CWD} (i32.const 0x108) (i32.const 8) {CWD} (i32.const 0x128) (i32.const 4) (i32.const 1)) (i32.const 20))
        (call $ok (call $path_rename2 {CWD} (i32.const 0x108) (i32.const 8) {CWD} (i32.const 0x128) (i32.const 4) (i32.const 2)))
        (call $ok (call $path_stat {CWD} (i32.const 1) (i32.const 0x108) (i32.const 8) (i32.const 0x400))) (call $at (i32.const 0x410) (i32.const 0x11a4))
        (call $is (call $path_rename2 {CWD} (i32.const 0x108) (i32.const 8) {CWD} (i32.const 0x128) (i32.const 4) (i32.const 3)) (i32.const 28))
        (call $ok (call $fs_sync))")), 0);
}

#[test]
fn extended_attributes() {
    let path = "(i32.const -100) (i32.const 1) (i32.const 0x128) (i32.const 4)";
    let name = "(i32.const 0x130) (i32.const 9)";
    assert_eq!(status(&format!("{OPEN}
        (call $is (call $path_xattr_get {path} {name} (i32.const 0x400) (i32.const 64) (i32.const 0)) (i32.const 49))
        (call $ok (call $path_xattr_set {path} {name} (i32.const 0x140) (i32.const 5)))
        (call $is (call $path_xattr_set (i32.const -100) (i32.const 0x101) (i32.const 0x128) (i32.const 4) {name} (i32.const 0x140) (i32.const 5)) (i32.const 20))
        (call $ok (call $path_xattr_set (i32.const -100) (i32.const 0x201) (i32.const 0x128) (i32.const 4) {name} (i32.const 0x140) (i32.const 5)))
        (call $is (call $path_xattr_set (i32.const -100) (i32.const 0x301) (i32.const 0x128) (i32.const 4) {name} (i32.const 0x140) (i32.const 5)) (i32.const 28))
        (call $ok (call $path_xattr_get {path} {name} (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 5)) (call $at (i32.const 0x400) (i32.const 0x756c6176))
        (call $ok (call $path_xattr_get {path} {name} (i32.const 0) (i32.const 0) (i32.const 0))) (call $at (i32.const 0) (i32.const 5))
        (call $is (call $path_xattr_get {path} {name} (i32.const 0x400) (i32.const 4) (i32.const 0)) (i32.const 68))
        (call $ok (call $path_xattr_list {path} (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 10))
        (call $ok (call $path_xattr_remove {path} {name}))
        (call $ok (call $path_xattr_list {path} (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 0))")), 0);
}

#[test]
fn identities() {
    assert_eq!(status("
        (call $ok (call $id_get (i32.const 0x400))) (call $at (i32.const 0x404) (i32.const 0))
        (i32.store (i32.const 0x500) (i32.const 5)) (i32.store (i32.const 0x504) (i32.const 6))
        (call $ok (call $id_set_groups (i32.const 0x500) (i32.const 2)))
        (call $ok (call $id_groups (i32.const 0) (i32.const 0) (i32.const 0))) (call $at (i32.const 0) (i32.const 2))
        (call $is (call $id_groups (i32.const 0x600) (i32.const 1) (i32.const 0)) (i32.const 28))
        (call $ok (call $id_groups (i32.const 0x600) (i32.const 9) (i32.const 0))) (call $at (i32.const 0x604) (i32.const 6))
        (call $is (call $id_set_groups (i32.const 0x500) (i32.const 65)) (i32.const 28))
        (call $ok (call $id_set_gid (i32.const 3) (i32.const 3) (i32.const 3)))
        (call $ok (call $id_set_uid (i32.const 1) (i32.const 2) (i32.const -1)))
        (call $ok (call $id_get (i32.const 0x400))) (call $at (i32.const 0x400) (i32.const 1)) (call $at (i32.const 0x404) (i32.const 2)) (call $at (i32.const 0x410) (i32.const 3))
        (call $is (call $id_set_uid (i32.const 9) (i32.const -1) (i32.const -1)) (i32.const 63))
        (call $is (call $sys_sethostname (i32.const 0x158) (i32.const 7)) (i32.const 63))"), 0);
}

#[test]
fn terminals() {
    assert_eq!(status("
        (call $is (call $tty_get (i32.const 0) (i32.const 0x400)) (i32.const 8))
        (call $ok (call $tty_open (i32.const 0) (i32.const 0x20) (i32.const 0x24))) (local.set $a (i32.load (i32.const 0x24)))
        (call $ok (call $tty_get (local.get $a) (i32.const 0x400)))
        (i32.store (i32.const 0x40c) (i32.and (i32.load (i32.const 0x40c)) (i32.const -3)))
        (call $ok (call $tty_set (local.get $a) (i32.const 0) (i32.const 0x400)))
        (call $ok (call $tty_get (local.get $a) (i32.const 0x500))) (call $is (i32.load (i32.const 0x50c)) (i32.load (i32.const 0x40c)))
        (call $is (call $tty_set (local.get $a) (i32.const 3) (i32.const 0x400)) (i32.const 28))
        (i64.store (i32.const 0x600) (i64.const 0x0000000000500018))
        (call $ok (call $tty_size_set (local.get $a) (i32.const 0x600)))
        (call $ok (call $tty_size_get (i32.load (i32.const 0x20)) (i32.const 0x608))) (call $at (i32.const 0x608) (i32.const 0x00500018))
        (call $ok (call $tty_name (local.get $a) (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 10))
        (call $is (call $tty_pgrp_get (local.get $a) (i32.const 0)) (i32.const 59))
        (call $ok (call $tty_set_controlling (local.get $a)))
        (call $ok (call $proc_ids (i32.const 0x400)))
        (call $ok (call $tty_pgrp_set (local.get $a) (i32.load (i32.const 0x408))))
        (call $ok (call $tty_pgrp_get (local.get $a) (i32.const 0))) (call $is (call $fd) (i32.load (i32.const 0x408)))
        (call $is (call $tty_pgrp_set (local.get $a) (i32.const 999)) (i32.const 71))
        (call $is (call $tty_pgrp_set (local.get $a) (i32.const -1)) (i32.const 28))"), 0);
}

#[test]
fn signals_and_timers() {
    assert_eq!(status("
        (call $ok (call $sig_disposition (i32.const 10) (i32.const 2) (i32.const 0))) (call $at (i32.const 0) (i32.const 0))
        (call $ok (call $sig_disposition (i32.const 10) (i32.const 3) (i32.const 0))) (call $at (i32.const 0) (i32.const 2))
        (call $is (call $sig_disposition (i32.const 9) (i32.const 1) (i32.const 0)) (i32.const 28))
        (call $is (call $sig_disposition (i32.const 65) (i32.const 1) (i32.const 0)) (i32.const 28))
        (call $ok (call $sig_mask (i32.const 0) (i64.const 0x200) (i32.const 0x10)))
        (call $ok (call $sig_mask (i32.const 2) (i64.const 0x200) (i32.const 0x10))) (call $at (i32.const 0x10) (i32.const 0x200))
        (call $is (call $sig_mask (i32.const 3) (i64.const 0) (i32.const 0x10)) (i32.const 28))
        (call $is (call $sig_take (i64.const -1) (i32.const 0x400)) (i32.const 6))
        (call $ok (call $proc_ids (i32.const 0x400)))
        (call $ok (call $sig_kill (i32.load (i32.const 0x400)) (i32.const 0)))
        (call $ok (call $sig_kill (i32.load (i32.const 0x400)) (i32.const 10)))
        (call $is (call $sig_kill (i32.const 999) (i32.const 10)) (i32.const 71))
        (call $is (call $sig_kill (i32.const 0) (i32.const 65)) (i32.const 28))
        (call $ok (call $sig_pending (i32.const 0x10))) (call $at (i32.const 0x10) (i32.const 0x200))
        (call $ok (call $sig_wait (i64.const 0x200) (i64.const 0) (i32.const 0x500))) (call $at (i32.const 0x500) (i32.const 10)) (call $is (i32.load (i32.const 0x508)) (i32.load (i32.const 0x400)))
        (call $is (call $sig_wait (i64.const 0x200) (i64.const 1000000) (i32.const 0x500)) (i32.const 6))
        (call $ok (call $timer_real (i64.const 1000000000000) (i64.const 0) (i32.const 0x10))) (call $at (i32.const 0x10) (i32.const 0))
        (call $ok (call $timer_real (i64.const 0) (i64.const 0) (i32.const 0x10)))
        (if (i64.eqz (i64.load (i32.const 0x10))) (then unreachable))"), 0);
}

#[test]
fn waiting_for_several_things_at_once() {
    let vm = Vm::new();
    let (read, write) = vm.pipe();
    let actions = [
        FileAction::Inherit(Fd(0), read),
        FileAction::Inherit(Fd(1), Arc::clone(&write)),
    ];
    let clone = "(func (export \"agentos_clone_entry\") (param i32) (result i32) (i32.const 3))";
    let entry = |at: u32, kind: u32, id: i32| {
        format!(
            "(i32.store (i32.const {at}) (i32.const {kind})) (i32.store (i32.const {}) (i32.const {id})) (i32.store (i32.const {}) (i32.const 1))",
            at + 4,
            at + 8
        )
    };
    let poll = |count: u32, timeout: i64| {
        format!(
            "(call $ok (call $fd_poll (i32.const 0x400) (i32.const {count}) (i64.const {timeout}) (i32.const 0) (i32.const 0)))"
        )
    };
    let body = entry(0x400, 0, 0) + &entry(0x410, 1, -1) + &entry(0x420, 2, 0)
        // Nothing in time; then the child; then a signal; then data.
        + &poll(3, 1_000_000) + "(call $at (i32.const 0) (i32.const 0))"
        + "(call $ok (call $proc_clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x20)))"
        + &poll(3, -1) + "(call $at (i32.const 0) (i32.const 1)) (call $at (i32.const 0x40c) (i32.const 0)) (call $at (i32.const 0x41c) (i32.const 1))
        (call $ok (call $proc_wait (i32.load (i32.const 0x20)) (i32.const 0) (i32.const 0x500))) (call $at (i32.const 0x508) (i32.const 3))
        (call $ok (call $sig_disposition (i32.const 14) (i32.const 2) (i32.const 0)))
        (call $ok (call $timer_real (i64.const 1000000) (i64.const 0) (i32.const 0x10)))"
        + &poll(3, -1) + "(call $at (i32.const 0) (i32.const 1)) (call $at (i32.const 0x42c) (i32.const 1))
        (call $ok (call $sig_take (i64.const -1) (i32.const 0x500))) (call $at (i32.const 0x500) (i32.const 14))
        (call $ok (call $fd_write (i32.const 1) (i32.const 0x180) (i32.const 1) (i32.const 0)))"
        + &poll(1, -1) + "(call $at (i32.const 0) (i32.const 1)) (call $at (i32.const 0x40c) (i32.const 1))"
        + &entry(0x400, 0, 77) + &poll(1, -1) + "(call $at (i32.const 0x40c) (i32.const 32))
        (i32.store (i32.const 0x400) (i32.const 9))
        (call $is (call $fd_poll (i32.const 0x400) (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)) (i32.const 28))";
    assert_eq!(status_in(&vm, &actions, clone, &body), 0);
}

#[test]
fn sockets() {
    // An address of the unix domain at 0x700, one of IPv4 loopback with port 0 at 0x720.
    let addresses = data(0x700, b"\x01\0/tmp/socket") + &data(0x720, &[2, 0, 0, 0, 127, 0, 0, 1]);
    let moved = "(call $at (i32.const 0) (i32.const 4)) (call $at (i32.const 0x400) (i32.const 0x656c6966))";
    let body = format!("
        (call $ok (call $sock_pair (i32.const 1) (i32.const 1) (i32.const 0x20) (i32.const 0x24)))
        (call $ok (call $sock_send_to (i32.load (i32.const 0x20)) (i32.const 0x128) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $ok (call $sock_recv_from (i32.load (i32.const 0x24)) (i32.const 0x400) (i32.const 64) (i32.const 2) (i32.const 0x600) (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 8))) {moved}
        (call $ok (call $sock_recv_from (i32.load (i32.const 0x24)) (i32.const 0x400) (i32.const 64) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 8))) {moved}
        (call $is (call $sock_recv_from (i32.load (i32.const 0x24)) (i32.const 0x400) (i32.const 64) (i32.const 0x40) (i32.const 0x600) (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 8)) (i32.const 6))
        (call $is (call $sock_pair (i32.const 2) (i32.const 1) (i32.const 0x20) (i32.const 0x24)) (i32.const 58))
        (call $is (call $sock_open (i32.const 77) (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 5))
        (call $ok (call $sock_open (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0x30)))
        (call $ok (call $sock_bind (i32.load (i32.const 0x30)) (i32.const 0x700) (i32.const 13)))
        (call $ok (call $sock_listen (i32.load (i32.const 0x30)) (i32.const 4)))
        (call $ok (call $sock_name (i32.load (i32.const 0x30)) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 13))
        (call $ok (call $sock_open (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0x34)))
        (call $ok (call $sock_connect (i32.load (i32.const 0x34)) (i32.const 0x700) (i32.const 13)))
        (call $ok (call $sock_accept_from (i32.load (i32.const 0x30)) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0x38) (i32.const 0)))
        (call $ok (call $sock_open (i32.const 2) (i32.const 0x801) (i32.const 0) (i32.const 0x3c)))
        (call $ok (call $sock_bind (i32.load (i32.const 0x3c)) (i32.const 0x720) (i32.const 8)))
        (call $ok (call $sock_name (i32.load (i32.const 0x3c)) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 8)) (call $at (i32.const 0x604) (i32.const 0x0100007f))
        (call $is (call $sock_name (i32.load (i32.const 0x3c)) (i32.const 1) (i32.const 0x600) (i32.const 64) (i32.const 0)) (i32.const 53))
        (call $ok (call $sock_opt_get (i32.load (i32.const 0x3c)) (i32.const 1) (i32.const 3) (i32.const 0x600) (i32.const 4) (i32.const 0))) (call $at (i32.const 0x600) (i32.const 1))
        (i32.store (i32.const 0x600) (i32.const 1))
        (call $ok (call $sock_opt_set (i32.load (i32.const 0x3c)) (i32.const 1) (i32.const 2) (i32.const 0x600) (i32.const 4)))
        (call $is (call $sock_opt_set (i32.load (i32.const 0x3c)) (i32.const 1) (i32.const 99) (i32.const 0x600) (i32.const 4)) (i32.const 50))
        (call $is (call $sock_opt_set (i32.load (i32.const 0x3c)) (i32.const 1) (i32.const 2) (i32.const 0x600) (i32.const 3)) (i32.const 28))
        (call $ok (call $sock_resolve (i32.const 0x740) (i32.const 9) (i32.const 2) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 10)) (call $at (i32.const 0x606) (i32.const 0x0100007f))
        (call $is (call $sock_resolve (i32.const 0x150) (i32.const 4) (i32.const 2) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0)) (i32.const 44))");
    assert_eq!(
        status_in(&Vm::new(), &[], &(addresses + &data(0x740, b"localhost")), &body),
        0
    );
}

/// A way out that refuses connections and knows one name, after a while.
struct Out;

struct Later(Mutex<bool>);

impl Egress for Out {
    fn connect(&self, _: &Outgoing) -> agentos_kernel::Result<Arc<dyn Stream>> {
        Err(Error::refused("EACCES: not there"))
    }
    fn datagrams(&self, _: &Outgoing) -> agentos_kernel::Result<Arc<dyn Datagrams>> {
        Err(Error::refused("EACCES: not there either"))
    }
    fn resolve(&self, name: &[u8], _: Option<Domain>, _: Pid) -> agentos_kernel::Result<Arc<dyn Lookup>> {
        assert_eq!(name, b"example.org");
        Ok(Arc::new(Later(Mutex::new(false))))
    }
    fn query(&self, _: &[u8], _: Pid) -> agentos_kernel::Result<Arc<dyn Query>> {
        Err(Errno::EINVAL.into())
    }
}

impl Lookup for Later {
    fn poll(&self, waker: Option<&Waker>) -> IoResult<Vec<IpAddr>> {
        if std::mem::replace(&mut *self.0.lock().unwrap(), true) {
            return Poll::Ready(Ok(vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()]));
        }
        let waker = waker.unwrap().clone();
        std::thread::spawn(move || waker.wake());
        Poll::Pending
    }
}

#[test]
fn the_way_out() {
    // 192.0.2.7:80 at 0x720, a name at 0x740, two vectors at 0x760: "fi" and "le", two more at 0x780.
    let more = data(0x720, &[2, 0, 80, 0, 192, 0, 2, 7])
        + &data(0x740, b"example.org")
        + &data(0x760, &[0x28, 1, 0, 0, 2, 0, 0, 0, 0x2a, 1, 0, 0, 2, 0, 0, 0])
        + &data(0x780, &[0, 4, 0, 0, 3, 0, 0, 0, 3, 4, 0, 0, 9, 0, 0, 0])
        + &data(0x7a0, b"192.0.2.7");
    let body = "
        (call $ok (call $proc_last_denial (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 0))
        (call $ok (call $sock_open (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 0x30)))
        (call $is (call $sock_connect (i32.load (i32.const 0x30)) (i32.const 0x720) (i32.const 8)) (i32.const 2))
        (call $ok (call $proc_last_denial (i32.const 0x400) (i32.const 64) (i32.const 0))) (call $at (i32.const 0) (i32.const 17))
        (call $at (i32.const 0x400) (i32.const 0x43434145))
        (call $is (call $proc_last_denial (i32.const 0x400) (i32.const 4) (i32.const 0)) (i32.const 68))
        (call $ok (call $sock_resolve (i32.const 0x740) (i32.const 11) (i32.const 0) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0)))
        (call $at (i32.const 0) (i32.const 40)) (call $at (i32.const 0x606) (i32.const 0x070200c0))
        (call $ok (call $sock_resolve (i32.const 0x740) (i32.const 11) (i32.const 10) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0)))
        (call $at (i32.const 0) (i32.const 30))
        (call $is (call $sock_resolve (i32.const 0x7a0) (i32.const 9) (i32.const 10) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0)) (i32.const 44))
        (call $ok (call $sock_pair (i32.const 1) (i32.const 2) (i32.const 0x20) (i32.const 0x24)))
        (call $ok (call $sock_send_msg (i32.load (i32.const 0x20)) (i32.const 0x760) (i32.const 2) (i32.const 0x8000) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $at (i32.const 0) (i32.const 4))
        (call $ok (call $sock_recv_msg (i32.load (i32.const 0x24)) (i32.const 0x780) (i32.const 2) (i32.const 0) (i32.const 0x600) (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 8)))
        (call $at (i32.const 0) (i32.const 4)) (call $at (i32.const 0x400) (i32.const 0x656c6966))
        (call $is (call $sock_recv_msg (i32.load (i32.const 0x24)) (i32.const 0x780) (i32.const 2) (i32.const 0x40) (i32.const 0x600) (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 8)) (i32.const 6))
        (i32.store (i32.const 0x600) (i32.const 1))
        (call $is (call $sock_opt_set (i32.load (i32.const 0x30)) (i32.const 1) (i32.const 25) (i32.const 0x600) (i32.const 4)) (i32.const 63))
        (call $is (call $sock_opt_set (i32.load (i32.const 0x30)) (i32.const 0) (i32.const 35) (i32.const 0x600) (i32.const 8)) (i32.const 2))
        (call $ok (call $sock_opt_set (i32.load (i32.const 0x30)) (i32.const 6) (i32.const 4) (i32.const 0x600) (i32.const 4)))
        (call $ok (call $sock_opt_get (i32.load (i32.const 0x30)) (i32.const 6) (i32.const 4) (i32.const 0x610) (i32.const 4) (i32.const 0))) (call $at (i32.const 0x610) (i32.const 1))";
    let vm = Vm::with_egress(shared(), Limits::default(), Some(Arc::new(Out)));
    assert_eq!(status_in(&vm, &[], &more, body), 0);
}

#[test]
fn the_root_preopen_is_a_number_that_no_descriptor_has() {
    assert_eq!(status("
        (call $ok (call $fd_prestat_get (i32.const 0x40000000) (i32.const 0))) (call $at (i32.const 4) (i32.const 1))
        (call $is (call $fd_prestat_get (i32.const 3) (i32.const 0)) (i32.const 8))
        (call $ok (call $path_open (i32.const 0x40000000) (i32.const 1) (i32.const 0x151) (i32.const 3) (i32.const 2) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
        (call $at (i32.const 0) (i32.const 0))
        (call $is (call $fd_close (i32.const 0x40000000)) (i32.const 8))"), 0);
}

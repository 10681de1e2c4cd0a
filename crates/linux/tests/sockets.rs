//! Sockets of Linux programs: each case prints the same in a VM as on the host.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, has};
use std::process::Command;

/// What the host's own program prints.
fn native(argv: &[&str]) -> String {
    let done = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "on the host: {out}{err}");
    out.into_owned()
}

fn prints_the_same(argv: &[&str]) {
    let Some(vm) = Vm::new() else { return };
    if has(argv[0]) {
        assert_eq!(vm.run(argv).ok(), native(argv));
    }
}

const PYTHON: &str = "/usr/bin/python3";
const NODE: &str = "/usr/bin/node";

#[test]
fn tcp_of_python() {
    prints_the_same(&[PYTHON, "-c", include_str!("sockets/tcp.py")]);
}

#[test]
fn udp_of_python() {
    prints_the_same(&[PYTHON, "-c", include_str!("sockets/udp.py")]);
}

#[test]
fn unix_sockets_of_python() {
    let Some(vm) = Vm::new() else { return };
    if !has(PYTHON) {
        return;
    }
    let script = include_str!("sockets/unix.py");
    let dir = tempfile::tempdir().unwrap();
    let native = native(&[PYTHON, "-c", script, dir.path().to_str().unwrap()]);
    assert_eq!(vm.run(&[PYTHON, "-c", script, "/tmp"]).ok(), native);
}

#[test]
fn servers_and_clients_of_node() {
    prints_the_same(&[NODE, "-e", include_str!("sockets/node.js")]);
}

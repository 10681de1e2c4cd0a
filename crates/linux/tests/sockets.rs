//! Sockets of Linux programs: each case prints the same in a VM as on the host.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, compile, has};
use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
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

/// The host compares a process's limit of descriptors with all that its user has in flight anywhere, also what is left of other tests.
fn many_on_their_way(limits: &mut agentos_kernel::limits::Limits) {
    limits.max_open_fds_per_process = 100_000;
    limits.max_open_fds = 100_000;
}

#[test]
fn descriptors_are_handed_over() {
    let Some(vm) = Vm::limited(many_on_their_way) else {
        return;
    };
    if !has(PYTHON) {
        return;
    }
    let script = include_str!("sockets/rights.py");
    let dir = tempfile::tempdir().unwrap();
    let native = native(&[PYTHON, "-c", script, dir.path().to_str().unwrap()]);
    assert_eq!(vm.run(&[PYTHON, "-c", script, "/tmp"]).ok(), native);
    // None is on its way any more.
    common::settled(|| vm.kernel.usage().open_fds.used() == 0);
}

#[test]
fn only_so_many_descriptors_are_on_their_way() {
    // Nobody reads, so they stay in the VM's socket once the reader's pair is full.
    let script = "\
import array, errno, socket, sys
def rights(count): return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1] * count))]
if sys.argv[1] == 'stream':
    server = socket.socket(socket.AF_UNIX)
    server.bind('\\0many')
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect('\\0many')
    other, _ = server.accept()
else:
    client, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
client.setblocking(False)
sent, failed = 0, None
while not failed:
    try:
        client.sendmsg([b'x' * 60000], rights(100))
        sent += 1
    except BlockingIOError:
        pass
    except OSError as error:
        failed = errno.errorcode[error.errno]
print(failed, sent > 0)
try:
    client.sendmsg([b'x'], rights(250))
except OSError as error:
    print('more than there may be', errno.errorcode[error.errno])
";
    for kind in ["stream", "datagram"] {
        let Some(vm) = Vm::limited(|limits| {
            many_on_their_way(limits);
            limits.max_open_fds = 200;
        }) else {
            return;
        };
        if !has(PYTHON) {
            return;
        }
        let wanted = "ETOOMANYREFS True\nmore than there may be ETOOMANYREFS\n";
        assert_eq!(vm.run(&[PYTHON, "-c", script, kind]).ok(), wanted, "{kind}");
        common::settled(|| vm.kernel.usage().open_fds.used() == 0);
    }
}

#[test]
fn servers_and_clients_of_node() {
    prints_the_same(&[NODE, "-e", include_str!("sockets/node.js")]);
}

#[test]
fn an_address_that_changes_under_a_call_leads_nowhere_else() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(include_str!("sockets/races.c"), &["-static", "-pthread", "-O1"]) else {
        return;
    };
    let (stream, datagram) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        UdpSocket::bind("127.0.0.1:0").unwrap(),
    );
    let port = stream.local_addr().unwrap().port();
    vm.put("/tmp/races", &program, 0o755);
    for port in [port, datagram.local_addr().unwrap().port()] {
        let own = if port == 20_000 { "20001" } else { "20000" };
        assert_eq!(vm.run(&["/tmp/races", own, &port.to_string()]).ok(), "some all 1\n");
    }
    stream.set_nonblocking(true).unwrap();
    datagram.set_nonblocking(true).unwrap();
    assert_eq!(stream.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(datagram.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn what_is_written_as_soon_as_it_can_be_arrives() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(include_str!("sockets/early.c"), &["-static", "-pthread", "-O1"]) else {
        return;
    };
    vm.put("/tmp/early", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/early"]).ok(), "800 of 800\n");
}

#[test]
fn names_of_the_host_are_not_there() {
    let Some(vm) = Vm::new() else { return };
    if !has(PYTHON) {
        return;
    }
    let label = format!("agentos-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&label).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    let script = format!("import socket; s = socket.socket(socket.AF_UNIX); print(s.connect_ex('\\0{label}'))");
    assert_eq!(vm.run(&[PYTHON, "-c", &script]).ok(), "111\n");
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_socket_of_another_program_is_inherited() {
    use agentos_kernel::net::{Domain, Kind};
    let Some(vm) = Vm::new() else { return };
    let init = vm.kernel.init();
    let (own, other) = init.socket_pair(Domain::Unix, Kind::Stream, false, true).unwrap();
    let (mine, theirs) = (init.file(own).unwrap(), init.file(other).unwrap());
    init.close(own).unwrap();
    init.close(other).unwrap();
    let process = vm
        .spawn(
            &["/usr/bin/tr", "a-z", "A-Z"],
            &[(0, &theirs), (1, &theirs), (2, &theirs)],
        )
        .unwrap();
    drop(theirs);
    assert_eq!(
        common::block(|waker| mine.write(b"through a socket", Some(waker))).unwrap(),
        16
    );
    mine.object_as::<agentos_kernel::net::Socket>()
        .unwrap()
        .shutdown(agentos_kernel::net::Shutdown::Write)
        .unwrap();
    assert_eq!(common::drain(&mine), "THROUGH A SOCKET");
    assert_eq!(common::wait(&process), agentos_kernel::process::ExitStatus::Exited(0));
}

#[test]
fn interfaces_are_the_vms() {
    let Some(vm) = Vm::new() else { return };
    if has(PYTHON) {
        let script = "import socket; print(socket.if_nameindex())";
        assert_eq!(vm.run(&[PYTHON, "-c", script]).ok(), "[(1, 'lo'), (2, 'eth0')]\n");
    }
    if has(NODE) {
        let script = "for (const [name, list] of Object.entries(require('os').networkInterfaces())) \
                      for (const a of list) console.log(name, a.cidr, a.internal)";
        let wanted = "lo 127.0.0.1/8 true\nlo ::1/128 true\neth0 10.0.2.15/24 false\neth0 fd00::a00:20f/64 false\n";
        let mut lines: Vec<String> = vm.run(&[NODE, "-e", script]).ok().lines().map(str::to_owned).collect();
        let mut wanted: Vec<&str> = wanted.lines().collect();
        lines.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(lines, wanted);
    }
}

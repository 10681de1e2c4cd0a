//! Sockets among guest programs, called as compiled programs call them: by the imports.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod support;

use agentos::{AgentOs, Process, Signal};
use support::{install, limited};

/// A program with the socket calls, a page of memory, and these data and body. `$ok` ends the program with the error number
/// of a call that failed. Descriptors are kept at 100 and 104, a length at 108, messages at 4096.
fn program(data: &str, body: &str) -> String {
    format!(
        r#"(module
            (import "agentos_v1" "sock_open" (func $open (param i32 i32 i32 i32) (result i32)))
            (import "agentos_v1" "sock_bind" (func $bind (param i32 i32 i32) (result i32)))
            (import "agentos_v1" "sock_listen" (func $listen (param i32 i32) (result i32)))
            (import "agentos_v1" "sock_connect" (func $connect (param i32 i32 i32) (result i32)))
            (import "agentos_v1" "sock_accept_from" (func $accept (param i32 i32 i32 i32 i32 i32) (result i32)))
            (import "agentos_v1" "sock_recv_from" (func $receive (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "agentos_v1" "sock_send_to" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "agentos_v1" "fd_poll" (func $poll (param i32 i32 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 2)
            (data (i32.const 0) "ready\n")
            (data (i32.const 200) "{data}")
            (func $ok (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
            (func $first (result i32) (i32.load (i32.const 100)))
            (func $second (result i32) (i32.load (i32.const 104)))
            (func $write (param $fd i32) (param $at i32) (param $len i32)
                (i32.store (i32.const 16) (local.get $at))
                (i32.store (i32.const 20) (local.get $len))
                (call $ok (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))))
            (func $read (param $fd i32) (result i32)
                (i32.store (i32.const 16) (i32.const 4096))
                (i32.store (i32.const 20) (i32.const 60000))
                (call $ok (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
                (i32.load (i32.const 24)))
            (func $ready (call $write (i32.const 1) (i32.const 0) (i32.const 6)))
            (func $copy (param $from i32) (param $to i32) (local $n i32)
                (loop $more
                    (local.set $n (call $read (local.get $from)))
                    (if (local.get $n) (then
                        (call $write (local.get $to) (i32.const 4096) (local.get $n))
                        (br $more)))))
            (func (export "_start") {body}))"#
    )
}

/// 127.0.0.1:8080 and its length.
const TCP: (&str, usize) = (r"\02\00\90\1f\7f\00\00\01", 8);
/// /tmp/socket and its length.
const UNIX: (&str, usize) = (r"\01\00/tmp/socket", 13);

/// Accepts one connection and sends back what comes until it ends.
fn echo_server((address, len): (&str, usize)) -> String {
    let family = if len == TCP.1 { 2 } else { 1 };
    let body = format!(
        "(call $ok (call $open (i32.const {family}) (i32.const 1) (i32.const 0) (i32.const 100)))
         (call $ok (call $bind (call $first) (i32.const 200) (i32.const {len})))
         (call $ok (call $listen (call $first) (i32.const 4)))
         (call $ready)
         (call $ok (call $accept (call $first) (i32.const 0) (i32.const 300) (i32.const 100) (i32.const 104) (i32.const 108)))
         (call $copy (call $second) (call $second))"
    );
    program(address, &body)
}

/// Sends its standard input, tells its end, and prints the answer.
fn client((address, len): (&str, usize)) -> String {
    let family = if len == TCP.1 { 2 } else { 1 };
    let body = format!(
        "(call $ok (call $open (i32.const {family}) (i32.const 1) (i32.const 0) (i32.const 100)))
         (call $ok (call $connect (call $first) (i32.const 200) (i32.const {len})))
         (call $write (call $first) (i32.const 4096) (call $read (i32.const 0)))
         (call $write (i32.const 1) (i32.const 4096) (call $read (call $first)))"
    );
    program(address, &body)
}

/// Starts a server and waits until it says that it is ready.
async fn serve(vm: &AgentOs, module: &str) -> Process {
    let path = install(vm, "server", module).await;
    let none: [&str; 0] = [];
    let mut server = vm.spawn(path, none).start().await.expect("it starts");
    let output = server.first_output().await.expect("it says something");
    assert_eq!(&output.data[..], b"ready\n");
    server
}

async fn talks_over(address: (&str, usize)) {
    let vm = AgentOs::create().await.unwrap();
    let mut server = serve(&vm, &echo_server(address)).await;
    let path = install(&vm, "client", &client(address)).await;
    let output = vm.exec_argv([path]).stdin("through the VM").await.unwrap();
    assert_eq!((output.exit_code, output.stdout_text()), (0, "through the VM".into()));
    assert_eq!(server.wait().await.unwrap(), 0);
}

#[tokio::test]
async fn programs_talk_over_tcp() {
    talks_over(TCP).await;
}

#[tokio::test]
async fn programs_talk_over_a_unix_socket() {
    talks_over(UNIX).await;
}

#[tokio::test]
async fn where_nobody_listens_and_outside_nothing_is_reachable() {
    let locked = agentos::Policy::locked();
    let vm = AgentOs::builder().permissions(locked).create().await.unwrap();
    let path = install(&vm, "client", &client(TCP)).await;
    // 2 is `acces` of preview 1, 14 `connrefused`: a port of the loopback is the VM's own or not reachable.
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 2);
    let outside = (r"\02\00\50\00\5d\b8\d8\22", 8);
    let path = install(&vm, "client", &client(outside)).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 2);
    // A file that is no socket refuses, too.
    vm.write_file("/tmp/socket", "").await.unwrap();
    let path = install(&vm, "client", &client(UNIX)).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 14);
}

#[tokio::test]
async fn a_server_that_waits_can_be_ended_and_its_port_used_again() {
    let vm = AgentOs::create().await.unwrap();
    for _ in 0..3 {
        let mut server = serve(&vm, &echo_server(TCP)).await;
        server.signal(Signal::Term).unwrap();
        assert_eq!(server.wait().await.unwrap(), 143);
    }
    // The second to ask for the port is told that it is taken: 3 is `addrinuse`.
    let _server = serve(&vm, &echo_server(TCP)).await;
    let path = install(&vm, "another", &echo_server(TCP)).await;
    assert_eq!(vm.exec_argv([path]).await.unwrap().exit_code, 3);
}

/// UDP from a program to itself, after it waited for it with `fd_poll`.
#[tokio::test]
async fn a_program_waits_for_a_datagram() {
    let vm = AgentOs::create().await.unwrap();
    let body = "
        (call $ok (call $open (i32.const 2) (i32.const 2) (i32.const 0) (i32.const 100)))
        (call $ok (call $bind (call $first) (i32.const 200) (i32.const 8)))
        (call $ok (call $open (i32.const 2) (i32.const 2) (i32.const 0) (i32.const 104)))
        (call $ok (call $send (call $second) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 200) (i32.const 8) (i32.const 112)))
        (i32.store (i32.const 404) (call $first))
        (i32.store (i32.const 408) (i32.const 1))
        (call $ok (call $poll (i32.const 400) (i32.const 1) (i64.const -1) (i32.const 0) (i32.const 112)))
        (if (i32.ne (i32.load (i32.const 412)) (i32.const 1)) (then (call $exit (i32.const 99))))
        (call $ok (call $receive (call $first) (i32.const 4096) (i32.const 100) (i32.const 0)
            (i32.const 500) (i32.const 100) (i32.const 112) (i32.const 116) (i32.const 120)))
        (call $write (i32.const 1) (i32.const 4096) (i32.load (i32.const 112)))";
    let path = install(&vm, "udp", &program(TCP.0, body)).await;
    let output = vm.exec_argv([path]).await.unwrap();
    assert_eq!((output.exit_code, output.stdout_text()), (0, "ready".into()));
}

/// Sockets that a program leaves open are gone with it, so that a limit of two is enough for any number of programs.
#[tokio::test]
async fn the_limit_of_sockets_is_the_vms() {
    let vm = limited(&[("maxSockets", 2)]).await;
    let open = "(call $ok (call $open (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 100)))";
    let two = install(&vm, "two", &program("", &open.repeat(2))).await;
    let three = install(&vm, "three", &program("", &open.repeat(3))).await;
    for _ in 0..5 {
        assert_eq!(vm.exec_argv([&two]).await.unwrap().exit_code, 0);
        // 6 is `again`.
        assert_eq!(vm.exec_argv([&three]).await.unwrap().exit_code, 6);
    }
}

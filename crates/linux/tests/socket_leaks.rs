//! What is left of many sockets. Alone in its process, because it counts the process's descriptors.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, compile};

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn nothing_is_left_of_ten_thousand_connections() {
    let Some(vm) = Vm::limited(|limits| {
        // The host compares this with what its user has in flight anywhere.
        limits.max_open_fds_per_process = 100_000;
        limits.max_open_fds = 100_000;
    }) else {
        return;
    };
    let source = r#"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_in address = {AF_INET, htons(20000), {htonl(INADDR_LOOPBACK)}};
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (void *)&address, sizeof address) || listen(server, 128)) return 1;
    for (int i = 0; i < 5000; i++) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(client, (void *)&address, sizeof address)) return 2;
        int connection = accept(server, 0, 0);
        if (connection < 0) return 3;
        char byte = 'x';
        if (i % 4 == 0 && (write(client, &byte, 1) != 1 || read(connection, &byte, 1) != 1)) return 4;
        close(i % 2 ? client : connection);
        close(i % 2 ? connection : client);
        if (i % 8 == 0) close(socket(AF_INET, SOCK_DGRAM, 0));
    }
    return 0;
}
"#;
    let Some(program) = compile(source, &["-static", "-O1"]) else {
        return;
    };
    vm.put("/tmp/many", &program, 0o755);
    let net = vm.kernel.net();
    vm.run(&["/tmp/many"]).ok();
    // The end of the process has closed what it had.
    common::settled(|| net.sockets().used() == 0 && net.connections().used() == 0);
    let before = descriptors();
    vm.run(&["/tmp/many"]).ok();
    common::settled(|| net.sockets().used() == 0 && net.connections().used() == 0 && descriptors() <= before + 16);
    assert_eq!(net.buffered().used(), 0);
    let Some(program) = compile(include_str!("sockets/knots.c"), &["-static", "-O1"]) else {
        return;
    };
    vm.put("/tmp/knots", &program, 0o755);
    vm.run(&["/tmp/knots"]).ok();
    // What is in flight over itself ends with the thread of the VM at the latest.
    common::settled(|| net.sockets().used() == 0 && net.connections().used() == 0 && descriptors() <= before + 16);
    assert_eq!(net.buffered().used(), 0);
}

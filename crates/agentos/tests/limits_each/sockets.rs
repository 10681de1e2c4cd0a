//! Limits of sockets inside the VM and of flows out of it.

use crate::modules::{OPEN, PAIR, address, flood, module_of, until_it_fails};
use crate::tools::{audited, idle, install, limited, run, says, serve, start, until, used};
use agentos::{AgentOs, Errno, Limits, Signal};
use std::net::UdpSocket;

pub(crate) mod max_sockets {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxSockets", 3)]).await;
        let mut events = vm.events();
        let mut servers = Vec::new();
        for port in [7001, 7002, 7003] {
            servers.push(serve(&vm, &format!("exec nc -v -l {port}")).await);
        }
        let output = vm.exec("nc -l 7004").await.unwrap();
        assert_ne!(output.exit_code, 0);
        says(&output, "nc: Resource temporarily unavailable");
        audited(&mut events, ("resources.maxSockets", "count", 4, 3, Errno::EAGAIN)).await;
        assert_eq!(used(&vm, "maxSockets").observed, 3);
        drop(servers);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxSockets", 7)]).await;
        let mut events = vm.events();
        let call = "(call $open (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 64))";
        assert_eq!(run(&vm, "sockets.wasm", &until_it_fails(OPEN, call)).await, 6);
        audited(&mut events, ("resources.maxSockets", "count", 8, 7, Errno::EAGAIN)).await;
        idle(&vm).await;
    }
}

pub(crate) mod max_connections {
    use super::*;

    pub(crate) async fn program() {
        let vm = limited(&[("maxConnections", 2)]).await;
        let mut events = vm.events();
        let server = serve(&vm, "exec httpd -p 8080").await;
        let mut clients = Vec::new();
        for held in 1..=2 {
            clients.push(start(&vm, "sleep 1000 | nc 127.0.0.1 8080").await);
            until(|| used(&vm, "maxConnections").observed == held).await;
        }
        let output = vm.exec("nc 127.0.0.1 8080").await.unwrap();
        assert_ne!(output.exit_code, 0);
        says(&output, "Resource temporarily unavailable");
        audited(&mut events, ("resources.maxConnections", "count", 3, 2, Errno::EAGAIN)).await;
        used(&vm, "maxConnections");
        drop((server, clients));
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxConnections", 3)]).await;
        let mut events = vm.events();
        let call = "(call $pair (i32.const 1) (i32.const 1) (i32.const 64) (i32.const 68))";
        assert_eq!(run(&vm, "pairs.wasm", &until_it_fails(PAIR, call)).await, 6);
        audited(&mut events, ("resources.maxConnections", "count", 4, 3, Errno::EAGAIN)).await;
        idle(&vm).await;
    }
}

pub(crate) mod max_socket_buffered_bytes {
    use super::*;

    /// What is buffered never exceeds the cap, becomes nearly as much, and counts as memory of the VM.
    async fn fills(vm: &AgentOs) {
        until(|| used(vm, "maxSocketBufferedBytes").observed > 99_000).await;
        assert!(vm.usage().memory_bytes > 100_000);
    }

    pub(crate) async fn program() {
        let vm = limited(&[("maxSocketBufferedBytes", 100_000)]).await;
        let (mut servers, mut clients) = (Vec::new(), Vec::new());
        // Servers that are stopped take nothing, so their clients wait.
        for port in 7001..7004 {
            let server = serve(&vm, &format!("exec nc -v -d -l {port} > got{port}")).await;
            vm.signal_process(server.pid(), Signal::Stop).await.unwrap();
            servers.push(server);
            let client = format!("head -c 1000000 /dev/zero | nc -q 0 127.0.0.1 {port}");
            clients.push(start(&vm, &client).await);
        }
        fills(&vm).await;
        // Nothing was lost on the way.
        for server in &mut servers {
            vm.signal_process(server.pid(), Signal::Cont).await.unwrap();
        }
        for (port, mut server) in (7001..7004).zip(servers) {
            assert_eq!(server.wait().await.unwrap(), 0);
            let got = vm.stat(format!("/home/user/got{port}")).await.unwrap();
            assert_eq!(got.size, 1_000_000);
        }
        drop(clients);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("maxSocketBufferedBytes", 100_000)]).await;
        let path = install(&vm, "flood.wasm", &flood(1)).await;
        let mut writers = Vec::new();
        for _ in 0..3 {
            writers.push(vm.spawn(&path, [""; 0]).start().await.unwrap());
        }
        fills(&vm).await;
        drop(writers);
        idle(&vm).await;
    }
}

pub(crate) mod max_socket_datagram_queue_len {
    use super::*;

    const FULL: crate::tools::Expected = ("resources.maxSocketDatagramQueueLen", "count", 4, 3, Errno::ENOBUFS);

    async fn small() -> AgentOs {
        limited(&[("maxSocketDatagramQueueLen", 3), ("maxSocketBufferedBytes", 1 << 20)]).await
    }

    pub(crate) async fn program() {
        let vm = small().await;
        let mut events = vm.events();
        let server = serve(&vm, "exec nc -v -u -l 7000").await;
        vm.signal_process(server.pid(), Signal::Stop).await.unwrap();
        let sent = vm
            .exec("for i in 1 2 3 4 5; do echo $i | nc -u -q 0 127.0.0.1 7000 || exit 9; done")
            .await
            .unwrap();
        // To the senders a datagram that is lost is none of their business.
        assert_eq!(sent.exit_code, 0, "{}", sent.stderr_text());
        audited(&mut events, FULL).await;
        assert_eq!(used(&vm, "maxSocketBufferedBytes").observed, 3 * 2);
        drop(server);
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = small().await;
        let mut events = vm.events();
        let path = install(&vm, "packets.wasm", &flood(2)).await;
        let writer = vm.spawn(&path, [""; 0]).start().await.unwrap();
        // Between unix sockets the writer waits, and three packets are all that is ever there.
        let buffered = || {
            let buffered = used(&vm, "maxSocketBufferedBytes").observed;
            assert!(buffered <= 3000, "{buffered}");
            buffered
        };
        until(|| buffered() == 3000).await;
        vm.signal_process(writer.pid(), Signal::Kill).await.unwrap();
        drop(writer);
        idle(&vm).await;
        // UDP packets to itself are lost.
        let imports = format!(
            r#"{OPEN} (import "agentos_v1" "sock_bind" (func $bind (param i32 i32 i32) (result i32)))
            (import "agentos_v1" "sock_send_to" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"#
        );
        let items = format!(r#"(data (i32.const 200) "{}")"#, address([127, 0, 0, 1], 7000));
        let body = "(drop (call $open (i32.const 2) (i32.const 2) (i32.const 0) (i32.const 100)))
            (drop (call $bind (i32.load (i32.const 100)) (i32.const 200) (i32.const 8)))
            (loop $more
                (drop (call $send (i32.load (i32.const 100)) (i32.const 4096) (i32.const 1000) (i32.const 0)
                    (i32.const 200) (i32.const 8) (i32.const 300)))
                (br $more))";
        let path = install(&vm, "udp.wasm", &module_of(&imports, &items, "", body)).await;
        let writer = vm.spawn(&path, [""; 0]).start().await.unwrap();
        audited(&mut events, FULL).await;
        assert_eq!(buffered(), 3000);
        drop(writer);
        idle(&vm).await;
    }
}

pub(crate) mod max_udp_peers_per_socket {
    use super::*;

    /// Sockets of the host that answer nothing, their ports, and a VM that may reach them.
    async fn world(peers: usize, cap: u64) -> (Vec<UdpSocket>, Vec<u16>, AgentOs) {
        let sockets: Vec<UdpSocket> = (0..peers).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        let mut limits = Limits::default();
        limits.set("maxUdpPeersPerSocket", cap).unwrap();
        let vm = AgentOs::builder()
            .limits(limits)
            .loopback_exempt_ports(ports.iter().copied())
            .create()
            .await
            .unwrap();
        (sockets, ports, vm)
    }

    /// Sends one byte from one socket to each port in turn, and exits with the error of the first that fails.
    fn sender(ports: &[u16]) -> String {
        let imports = format!(
            r#"{OPEN} (import "agentos_v1" "sock_send_to" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"#
        );
        let addresses: String = ports.iter().map(|port| address([127, 0, 0, 1], *port)).collect();
        let items = format!(r#"(data (i32.const 1000) "{addresses}")"#);
        let send: String = (0..ports.len())
            .map(|at| {
                format!(
                    "(br_if $end (local.tee $error (call $send (i32.load (i32.const 100)) (i32.const 4096) (i32.const 1)
                        (i32.const 0) (i32.const {}) (i32.const 8) (i32.const 300))))",
                    1000 + 8 * at
                )
            })
            .collect();
        let open = "(drop (call $open (i32.const 2) (i32.const 2) (i32.const 0) (i32.const 100)))";
        module_of(&imports, &items, "", &format!("{open} (block $end {send})"))
    }

    pub(crate) async fn program() {
        let (sockets, ports, vm) = world(2, 1).await;
        let mut events = vm.events();
        // The tools have a socket for each peer, so one is enough for them.
        let tools = format!(
            "for p in {} {}; do echo hi | nc -u -q 0 127.0.0.1 $p || exit 9; done",
            ports[0], ports[1]
        );
        let output = vm.exec(tools).await.unwrap();
        assert_eq!(output.exit_code, 0, "{}", output.stderr_text());
        for socket in &sockets {
            assert_eq!(socket.recv_from(&mut [0; 8]).unwrap().0, 3);
        }
        // A program that talks to two from one socket is told so at the second, and the first still hears it.
        assert_eq!(run(&vm, "same.wasm", &sender(&[ports[0], ports[0]])).await, 0);
        assert_eq!(run(&vm, "two.wasm", &sender(&[ports[0], ports[1]])).await, 6);
        audited(
            &mut events,
            ("network.maxUdpPeersPerSocket", "count", 2, 1, Errno::EAGAIN),
        )
        .await;
        for _ in 0..3 {
            assert_eq!(sockets[0].recv_from(&mut [0; 8]).unwrap().0, 1);
        }
    }

    pub(crate) async fn hostile() {
        let (sockets, ports, vm) = world(40, 16).await;
        let mut events = vm.events();
        assert_eq!(run(&vm, "many.wasm", &sender(&ports)).await, 6);
        audited(
            &mut events,
            ("network.maxUdpPeersPerSocket", "count", 17, 16, Errno::EAGAIN),
        )
        .await;
        assert_eq!(vm.network_usage().flows, 16);
        for socket in &sockets[..16] {
            assert_eq!(socket.recv_from(&mut [0; 8]).unwrap().0, 1);
        }
        for socket in &sockets[16..] {
            socket.set_nonblocking(true).unwrap();
            assert!(socket.recv_from(&mut [0; 8]).is_err());
        }
    }
}

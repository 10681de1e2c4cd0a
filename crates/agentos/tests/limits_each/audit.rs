//! Every way to reach a limit leaves exactly one entry in the audit trail.
//!
//! Each row is a VM of its own, something that reaches one limit once, and the name of the limit. When the VM is gone, its
//! trail is complete and is counted. Waiting, throttling and short counts are no breaches and leave none.

use crate::hosts::{Deaf, Mute, NameServer};
use crate::modules::{GROW, MAKE_PIPE, OPEN, PAIR, PIPE, SPIN, address, module_of, until_it_fails};
use crate::tools::{idle, install, run, serve, start};
use agentos::http::Request;
use agentos::{AgentOs, AuditKind, Builder, Event, Limits, Mount, Network, Secret, ShellOptions};
use std::future::Future;
use std::net::UdpSocket;
use std::pin::Pin;

type Deed = for<'a> fn(&'a AgentOs) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A row: the field and its value, further fields, and what is done.
struct Row(&'static str, u64, &'static [(&'static str, u64)], Deed);

macro_rules! deed {
    (|$vm:ident| $body:block) => {
        |$vm| Box::pin(async move { $body })
    };
}

/// How often the trail of a VM tells of a limit, from its creation to its end.
async fn told(builder: Builder, limits: &[(&str, u64)], name: &str, deed: impl AsyncFnOnce(&AgentOs)) -> u64 {
    let mut all = Limits::default();
    for (name, value) in limits {
        all.set(name, *value).unwrap();
    }
    let vm = builder.limits(all).create().await.unwrap();
    let mut events = vm.events();
    deed(&vm).await;
    idle(&vm).await;
    drop(vm);
    let mut count = 0;
    while let Some(event) = events.next().await {
        if let Event::Audit(entry) = event
            && let AuditKind::LimitExceeded { limit, .. } | AuditKind::ProcessKilled { limit, .. } = &entry.kind
        {
            assert_eq!(limit.limit, name, "another limit was reached: {limit}");
            count += entry.count;
        }
    }
    count
}

async fn each_once(rows: &[Row]) {
    for (at, Row(name, value, others, deed)) in rows.iter().enumerate() {
        let limits: Vec<_> = others.iter().copied().chain([(*name, *value)]).collect();
        let count = told(AgentOs::builder(), &limits, name, async |vm| deed(vm).await).await;
        assert_eq!(count, 1, "row {at}, {name}");
    }
}

const CLONE: &str = r#"(import "agentos_v1" "proc_clone" (func $clone (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))"#;

/// Runs a module that makes a call until it fails.
async fn exhausts(vm: &AgentOs, imports: &str, call: &str) {
    assert_ne!(run(vm, "exhausts.wasm", &until_it_fails(imports, call)).await, 0);
}

#[tokio::test]
async fn files_of_clients() {
    let small = "maxFilesystemBytes";
    each_once(&[
        Row(
            small,
            1 << 16,
            &[],
            deed!(|vm| {
                vm.write_file("/home/user/f", vec![0; 70_000]).await.unwrap_err();
            }),
        ),
        Row(
            small,
            1 << 16,
            &[],
            deed!(|vm| {
                vm.append_file("/home/user/f", vec![0; 70_000]).await.unwrap_err();
            }),
        ),
        Row(
            small,
            1 << 16,
            &[],
            deed!(|vm| {
                let written = vm
                    .write_files([("/home/user/f", vec![0; 70_000]), ("/home/user/g", Vec::new())])
                    .await;
                assert!(written[0].result.is_err() && written[1].result.is_ok());
            }),
        ),
        Row(
            "maxInodeCount",
            1,
            &[],
            deed!(|vm| {
                vm.mkdir("/home/user/a").await.unwrap();
                vm.mkdir("/home/user/b").await.unwrap_err();
            }),
        ),
        Row(
            "maxInodeCount",
            2,
            &[],
            deed!(|vm| {
                vm.mkdir_all("/home/user/a/b/c").await.unwrap_err();
            }),
        ),
        Row(
            "maxInodeCount",
            1,
            &[],
            deed!(|vm| {
                let written = vm.write_files([("/home/user/a/b/c", "")]).await;
                assert!(written[0].result.is_err());
            }),
        ),
        Row(
            "maxInodeCount",
            1,
            &[],
            deed!(|vm| {
                vm.symlink("x", "/home/user/a").await.unwrap();
                vm.symlink("x", "/home/user/b").await.unwrap_err();
            }),
        ),
        // A longer name is more than there is room for; and a move to another filesystem is a copy.
        Row(
            small,
            300,
            &[],
            deed!(|vm| {
                vm.write_file("/home/user/f", "").await.unwrap();
                vm.rename("/home/user/f", format!("/home/user/{}", "n".repeat(200)))
                    .await
                    .unwrap_err();
            }),
        ),
        Row(
            small,
            1000,
            &[],
            deed!(|vm| {
                let folder = host_folder();
                vm.mount(Mount::host_dir(folder.path(), "/data")).await.unwrap();
                vm.rename("/data/big", "/home/user/big").await.unwrap_err();
            }),
        ),
        Row(
            "maxInodeCount",
            1,
            &[],
            deed!(|vm| {
                vm.mount(Mount::memory("/a/b/c")).await.unwrap_err();
            }),
        ),
        Row(
            "maxReaddirEntries",
            1,
            &[],
            deed!(|vm| {
                vm.read_dir("/usr").await.unwrap_err();
            }),
        ),
        Row(
            "maxPreadBytes",
            10,
            &[],
            deed!(|vm| {
                vm.read_file("/etc/passwd").await.unwrap_err();
            }),
        ),
        Row(
            "maxPreadBytes",
            10,
            &[],
            deed!(|vm| {
                vm.read_file_range("/etc/passwd", 0, 11).await.unwrap_err();
            }),
        ),
    ])
    .await;
}

fn host_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("big"), vec![0; 5000]).unwrap();
    folder
}

#[tokio::test]
async fn commands_of_clients() {
    each_once(&[
        Row(
            "maxProcesses",
            1,
            &[],
            deed!(|vm| {
                let _held = vm.spawn("sleep", ["1000"]).start().await.unwrap();
                vm.exec_argv(["true"]).await.unwrap_err();
            }),
        ),
        Row(
            "maxPipes",
            1,
            &[],
            deed!(|vm| {
                vm.exec_argv(["true"]).await.unwrap_err();
            }),
        ),
        Row(
            "maxPtys",
            0,
            &[],
            deed!(|vm| {
                vm.open_shell(ShellOptions::default()).await.unwrap_err();
            }),
        ),
        Row(
            "maxOpenFds",
            3,
            &[("maxOpenFdsPerProcess", 3)],
            deed!(|vm| {
                vm.spawn("sleep", ["1000"]).start().await.unwrap_err();
            }),
        ),
        Row(
            "maxSpawnFileActions",
            2,
            &[],
            deed!(|vm| {
                vm.exec("true").await.unwrap_err();
            }),
        ),
        Row(
            "maxProcessArgvBytes",
            100,
            &[],
            deed!(|vm| {
                vm.exec("x".repeat(200)).await.unwrap_err();
            }),
        ),
        Row(
            "maxProcessEnvBytes",
            500,
            &[],
            deed!(|vm| {
                vm.exec_argv(["true"]).env("X", "x".repeat(600)).await.unwrap_err();
            }),
        ),
        Row(
            "maxModuleFileBytes",
            1000,
            &[],
            deed!(|vm| {
                vm.exec_argv(["true"]).await.unwrap_err();
            }),
        ),
        Row(
            "maxWasmMemoryBytes",
            1 << 16,
            &[],
            deed!(|vm| {
                vm.exec_argv(["sh"]).await.unwrap_err();
            }),
        ),
    ])
    .await;
}

#[tokio::test]
async fn ends_of_processes() {
    each_once(&[
        Row(
            "maxCapturedOutputBytes",
            10,
            &[],
            deed!(|vm| {
                vm.exec("echo 12345678901").await.unwrap();
            }),
        ),
        Row(
            "capturedOutputLimitBytes",
            10,
            &[],
            deed!(|vm| {
                vm.exec("echo 12345678901 >&2").await.unwrap();
            }),
        ),
        Row(
            "maxCpuTimeMs",
            50,
            &[],
            deed!(|vm| {
                run(vm, "spin.wasm", SPIN).await;
            }),
        ),
        Row(
            "runnerCpuTimeLimitMs",
            50,
            &[],
            deed!(|vm| {
                run(vm, "spin.wasm", SPIN).await;
            }),
        ),
        Row(
            "runnerHeapLimitMb",
            32,
            &[],
            deed!(|vm| {
                run(vm, "grow.wasm", GROW).await;
            }),
        ),
        Row(
            "maxWasmFuel",
            1000,
            &[],
            deed!(|vm| {
                run(vm, "spin.wasm", SPIN).await;
            }),
        ),
    ])
    .await;
}

#[tokio::test]
async fn calls_of_guests() {
    each_once(&[
        Row(
            "maxProcesses",
            4,
            &[],
            deed!(|vm| {
                let child = r#"(func (export "agentos_clone_entry") (param i32) (result i32)
                (loop $l (drop (call $yield)) (br $l)) (i32.const 0))"#;
                let body = "(loop $more (br_if $more (i32.eqz
                (call $clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)))))";
                run(vm, "bomb.wasm", &module_of(CLONE, child, "", body)).await;
            }),
        ),
        Row(
            "maxPipes",
            6,
            &[],
            deed!(|vm| {
                exhausts(vm, PIPE, MAKE_PIPE).await;
            }),
        ),
        Row(
            "maxOpenFds",
            20,
            &[("maxOpenFdsPerProcess", 20)],
            deed!(|vm| {
                exhausts(vm, PIPE, MAKE_PIPE).await;
            }),
        ),
        Row(
            "maxOpenFdsPerProcess",
            16,
            &[],
            deed!(|vm| {
                exhausts(vm, PIPE, MAKE_PIPE).await;
            }),
        ),
        Row(
            "maxPtys",
            2,
            &[],
            deed!(|vm| {
                let open = r#"(import "agentos_v1" "tty_open" (func $open (param i32 i32 i32) (result i32)))"#;
                exhausts(vm, open, "(call $open (i32.const 0) (i32.const 64) (i32.const 68))").await;
            }),
        ),
        Row(
            "maxSockets",
            7,
            &[],
            deed!(|vm| {
                exhausts(
                    vm,
                    OPEN,
                    "(call $open (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 64))",
                )
                .await;
            }),
        ),
        Row(
            "maxConnections",
            3,
            &[],
            deed!(|vm| {
                exhausts(
                    vm,
                    PAIR,
                    "(call $pair (i32.const 1) (i32.const 1) (i32.const 64) (i32.const 68))",
                )
                .await;
            }),
        ),
        Row(
            "maxWasmMemoryBytes",
            16 << 20,
            &[],
            deed!(|vm| {
                run(vm, "grow.wasm", GROW).await;
            }),
        ),
        Row(
            "maxMemoryBytes",
            16 << 20,
            &[("maxWasmMemoryBytes", 16 << 20)],
            deed!(|vm| {
                // The shell has a part of it, so one process alone does not come to its own limit.
                install(vm, "grow.wasm", GROW).await;
                vm.exec("./grow.wasm; true").await.unwrap();
            }),
        ),
        Row(
            "maxBlockingReadMs",
            20,
            &[],
            deed!(|vm| {
                let mut process = vm.spawn("cat", [""; 0]).start().await.unwrap();
                let _held = process.stdin();
                process.control().wait().await.unwrap();
            }),
        ),
        Row(
            "maxFilesystemBytes",
            1 << 16,
            &[],
            deed!(|vm| {
                vm.exec("head -c 70000 /dev/zero > f").await.unwrap();
            }),
        ),
        Row(
            "maxInodeCount",
            1,
            &[],
            deed!(|vm| {
                vm.exec("mkdir a && mkdir b").await.unwrap();
            }),
        ),
        Row(
            "maxProcessArgvBytes",
            500,
            &[],
            deed!(|vm| {
                vm.exec("/bin/echo $(seq 300)").await.unwrap();
            }),
        ),
        Row(
            "maxProcessEnvBytes",
            1000,
            &[],
            deed!(|vm| {
                vm.exec("export X=$(seq 500); /bin/true").await.unwrap();
            }),
        ),
        Row(
            "maxSpawnFileActionBytes",
            5,
            &[],
            deed!(|vm| {
                vm.exec("echo a | xargs echo").await.unwrap();
            }),
        ),
        Row(
            "maxModuleFileBytes",
            32 << 20,
            &[],
            deed!(|vm| {
                vm.exec("cp /bin/sh big; truncate -s 33M big; ./big").await.unwrap();
            }),
        ),
        Row(
            "maxSocketDatagramQueueLen",
            1,
            &[],
            deed!(|vm| {
                let server = serve(vm, "exec nc -v -u -l 7000").await;
                vm.signal_process(server.pid(), agentos::Signal::Stop).await.unwrap();
                vm.exec("for i in 1 2; do echo $i | nc -u -q 0 127.0.0.1 7000; done")
                    .await
                    .unwrap();
            }),
        ),
    ])
    .await;
}

#[tokio::test]
async fn requests_of_the_host() {
    let once = async |name: &'static str,
                      value,
                      server: &'static str,
                      deed: fn(AgentOs) -> Pin<Box<dyn Future<Output = ()> + Send>>| {
        let limits = [(name, value)];
        let count = told(AgentOs::builder(), &limits, name, async |vm| {
            let _server = serve(vm, server).await;
            deed(vm.clone()).await;
        });
        assert_eq!(count.await, 1, "{name}");
    };
    once("maxFetchRequestBytes", 4, "exec httpd -p 8080", |vm| {
        Box::pin(async move {
            vm.fetch(8080, Request::post("/").body("12345").unwrap())
                .await
                .unwrap_err();
        })
    })
    .await;
    once("maxHeaderBytes", 8192, "exec httpd -p 8080", |vm| {
        Box::pin(async move {
            let request = Request::get("/").header("x", "x".repeat(9000)).body(()).unwrap();
            vm.fetch(8080, request).await.unwrap_err();
        })
    })
    .await;
    once(
        "maxHeaderBytes",
        8192,
        r"(printf 'HTTP/1.1 200 OK\r\nX: '; yes | tr -d '\n') | nc -v -l 8080",
        |vm| {
            Box::pin(async move {
                vm.fetch(8080, Request::get("/").body(()).unwrap()).await.unwrap_err();
            })
        },
    )
    .await;
    for server in [
        r"(printf 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx'; sleep 1000) | nc -v -l 8080",
        r"(printf 'HTTP/1.1 200 OK\r\n\r\n'; yes) | nc -v -l 8080",
    ] {
        once("maxFetchResponseBytes", 10, server, |vm| {
            Box::pin(async move {
                let response = vm.fetch(8080, Request::get("/").body(()).unwrap()).await.unwrap();
                response.into_body().bytes().await.unwrap_err();
            })
        })
        .await;
    }
    once("fetchTimeoutMs", 100, "sleep 1000 | nc -v -l 8080", |vm| {
        Box::pin(async move {
            vm.fetch(8080, Request::get("/").body(()).unwrap()).await.unwrap_err();
        })
    })
    .await;
    let half = r"(printf 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'; sleep 1000) | nc -v -l 8080";
    // Long enough for the first half to arrive, on a busy machine too.
    once("fetchTimeoutMs", 3000, half, |vm| {
        Box::pin(async move {
            let response = vm.fetch(8080, Request::get("/").body(()).unwrap()).await.unwrap();
            response.into_body().bytes().await.unwrap_err();
        })
    })
    .await;
}

#[tokio::test]
async fn deadlines_of_the_network() {
    let deaf = Deaf::start();
    let builder = AgentOs::builder().loopback_exempt_ports([deaf.port]);
    // Both to a program that waits in `connect` and to one that polls and asks how it went.
    let scripts = [
        "nc 127.0.0.1 PORT",
        "nc -w 5 127.0.0.1 PORT",
        "curl -s http://127.0.0.1:PORT/",
    ];
    for script in scripts.map(|script| script.replace("PORT", &deaf.port.to_string())) {
        let limits = [("connectTimeoutMs", 100)];
        let count = told(builder.clone(), &limits, "connectTimeoutMs", async |vm| {
            vm.exec(&script).await.unwrap();
        });
        assert_eq!(count.await, 1, "{script}");
    }
    // The same where something stands between.
    let hooked = builder.clone().egress_hook(std::sync::Arc::new(Nothing));
    let count = told(hooked, &[("connectTimeoutMs", 100)], "connectTimeoutMs", async |vm| {
        vm.exec(format!("nc 127.0.0.1 {}", deaf.port)).await.unwrap();
    });
    assert_eq!(count.await, 1);

    let server = NameServer::start(false);
    for script in ["getent ahosts slow.test", "nslookup -type=A -retry=1 slow.test"] {
        let builder = AgentOs::builder().network(server.network());
        let count = told(builder, &[("dnsTimeoutMs", 100)], "dnsTimeoutMs", async |vm| {
            vm.exec(script).await.unwrap();
        });
        assert_eq!(count.await, 1, "{script}");
    }

    let mute = Mute::start();
    let url = format!("curl -s https://api.example.com:{}/", mute.port);
    let half = format!(
        "getent ahosts api.example.com > /dev/null; mkfifo f; exec 9<>f; printf '\\026' >&9; nc 127.0.0.1 {} <&9",
        mute.port
    );
    for script in [url, half] {
        let builder = AgentOs::builder()
            .network(Network::new().dns_override("api.example.com", ["127.0.0.1"]))
            .loopback_exempt_ports([mute.port])
            .secret(Secret::new("KEY", "sk-live-0123456789abcdef").hosts(["api.example.com"]));
        let count = told(
            builder,
            &[("handshakeTimeoutMs", 100)],
            "handshakeTimeoutMs",
            async |vm| {
                vm.exec(&script).await.unwrap();
            },
        );
        assert_eq!(count.await, 1, "{script}");
    }
}

#[derive(Debug)]
struct Nothing;

impl agentos::EgressHook for Nothing {
    fn route<'a>(&'a self, _: &'a agentos::Target) -> agentos::BoxFuture<'a, agentos::Route> {
        Box::pin(async { agentos::Route::Allow })
    }
}

#[tokio::test]
async fn flows_of_datagrams() {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let ports = sockets.each_ref().map(|socket| socket.local_addr().unwrap().port());
    let imports = format!(
        r#"{OPEN} (import "agentos_v1" "sock_send_to" (func $send (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"#
    );
    let items = format!(
        r#"(data (i32.const 1000) "{}{}")"#,
        address([127, 0, 0, 1], ports[0]),
        address([127, 0, 0, 1], ports[1])
    );
    let send = |at: u32| {
        format!(
            "(local.set $error (call $send (i32.load (i32.const 100)) (i32.const 4096) (i32.const 1) (i32.const 0)
                (i32.const {at}) (i32.const 8) (i32.const 300)))"
        )
    };
    let open = "(drop (call $open (i32.const 2) (i32.const 2) (i32.const 0) (i32.const 100)))";
    let module = module_of(&imports, &items, "", &format!("{open} {} {}", send(1000), send(1008)));
    let builder = AgentOs::builder().loopback_exempt_ports(ports);
    let count = told(
        builder,
        &[("maxUdpPeersPerSocket", 1)],
        "maxUdpPeersPerSocket",
        async |vm| {
            assert_eq!(run(vm, "two.wasm", &module).await, 6);
        },
    );
    assert_eq!(count.await, 1);
}

#[tokio::test]
async fn waiting_and_short_counts_are_no_breaches() {
    let limits = [
        ("pendingStdinBytes", 100_000),
        ("pendingEventBytes", 100_000),
        ("pendingEventCount", 2),
        ("maxSocketBufferedBytes", 100_000),
        ("maxPreadBytes", 1000),
        ("maxFdWriteBytes", 1000),
        ("syncReadLimitBytes", 1000),
        ("maxRetainedExited", 1),
    ];
    let count = told(AgentOs::builder(), &limits, "none", async |vm| {
        let writers = [start(vm, "yes").await, start(vm, "yes").await];
        crate::tools::until(|| crate::tools::used(vm, "pendingEventBytes").observed > 50_000).await;
        drop(writers);
        vm.exec("head -c 500000 /dev/zero | cat | wc -c; cat /etc/services > copy; true")
            .await
            .unwrap();
    });
    assert_eq!(count.await, 0);
}

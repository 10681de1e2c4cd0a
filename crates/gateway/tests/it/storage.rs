//! Storage that is full: every call is answered with the reason, also over a connection that cannot be.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agentos_actor::{CreateOptions, Registry};
use agentos_gateway::Gateway;
use agentos_store::{DiskSpace, Headroom};
use agentos_value::Key;
use agentos_wire::{Encoding, ToClient};

use crate::support::ws::Socket;
use crate::support::{actors, soon};

#[tokio::test]
async fn calls_over_a_connection_to_a_new_actor_are_answered_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(5));
    let measured = Arc::clone(&free);
    let registry = Registry::builder()
        .define("counter", actors::Counter::open(actors::Log::default()))
        .data_dir(directory.path())
        .headroom(Headroom::with(10, 0, move || {
            let free = measured.load(Ordering::Relaxed);
            Ok(DiskSpace { total: 100, free })
        }))
        .build()
        .unwrap();
    let running = Gateway::builder(registry.clone())
        .build()
        .unwrap()
        .serve(TcpListener::bind("127.0.0.1:0").unwrap())
        .unwrap();
    let key = Key::new(["k"]);
    let made = registry.get_or_create("counter", &key, CreateOptions::default());
    let id = made.await.unwrap().0.id.to_string();
    for encoding in [Encoding::Bare, Encoding::Json, Encoding::Cbor] {
        let mut socket = Socket::connect(running.address(), &id, encoding).await;
        for action in 1..=3 {
            socket.act(action, "increment", vec![]).await;
            match socket.message().await {
                ToClient::Error { body, action_id } => {
                    assert_eq!(action_id, Some(action));
                    assert!(body.error.is("agentos", "ENOSPC"), "{}", body.error);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(!directory.path().join("vms").join(&id).exists(), "no file was made");
    free.store(100, Ordering::Relaxed);
    // A measurement is used for a moment; whoever comes back then is served.
    soon(async {
        loop {
            let mut socket = Socket::connect(running.address(), &id, Encoding::Bare).await;
            socket.act(1, "increment", vec![]).await;
            if let ToClient::Response { .. } = socket.message().await {
                break;
            }
        }
    })
    .await;
    running.close().await;
    registry.drain().await;
}

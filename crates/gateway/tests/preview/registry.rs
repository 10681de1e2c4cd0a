//! The same proxy over the tokens of a registry, served by the gateway.

use crate::support::{body, status, values};
use agentos_actor::{
    ActionCall, ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ByteStream, ConnectRequest, Failure,
    Registry, Transport,
};
use agentos_gateway::Gateway;
use agentos_gateway::preview::{PreviewHost, PreviewOptions, PreviewProxy, RegistryPreviews};
use agentos_value::{ActorError, ActorId, Key, Value};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Serves "hello" at port 80; makes and revokes previews.
struct Greeter;

impl ActorDefinition for Greeter {
    fn action_kind(&self, name: &str) -> Option<ActionKind> {
        matches!(name, "preview" | "revoke").then_some(ActionKind::Stored)
    }

    fn stored_action<'a>(&'a self, ctx: ActorContext, call: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async move {
            match (call.name.as_str(), call.args.first()) {
                ("preview", Some(Value::Int(port))) => {
                    let port = u16::try_from(*port).expect("a port");
                    Ok(Value::Text(ctx.create_preview(port, None).await?.token))
                }
                (_, Some(Value::Text(token))) => ctx.revoke_preview(token).await.map(|()| Value::Null),
                _ => Err(ActorError::user("usage", "an argument is missing").into()),
            }
        })
    }

    fn boot<'a>(&'a self, _: ActorContext, _: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Ok(Arc::new(Awake) as Arc<dyn Actor>) })
    }
}

struct Awake;

impl Actor for Awake {
    fn action<'a>(&'a self, _: ActorContext, _: ActionCall) -> BoxFuture<'a, Result<Value, Failure>> {
        Box::pin(async { Ok(Value::Null) })
    }

    fn open_port<'a>(&'a self, port: u16) -> BoxFuture<'a, Result<Box<dyn ByteStream>, Failure>> {
        Box::pin(async move {
            if port != 80 {
                return Err(ActorError::agentos("no_listener", "nothing listens").into());
            }
            let (ours, mut theirs) = tokio::io::duplex(4096);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(theirs.read_u8().await?);
                }
                // The head is answered, and then the stream stays open.
                theirs.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").await?;
                theirs.read_u8().await
            });
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

async fn open(address: std::net::SocketAddr, target: &str, host: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

async fn whole(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_token_of_an_actor_leads_to_its_port_until_it_is_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::builder()
        .define("greeter", Greeter)
        .data_dir(directory.path())
        .build()
        .unwrap();
    let key = Key::new(["one"]);
    let actor: ActorId = registry
        .get_or_create("greeter", &key, Default::default())
        .await
        .unwrap()
        .0
        .id;
    let call = |action: &'static str, argument: Value| {
        registry.call(&actor, ConnectRequest::new(Transport::Http), action, vec![argument])
    };
    let token = |value: Value| match value {
        Value::Text(token) => token.to_string(),
        other => panic!("{other:?}"),
    };
    let good = token(call("preview", Value::Int(80)).await.unwrap());
    let idle = token(call("preview", Value::Int(81)).await.unwrap());

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let host = format!("localhost:{}", address.port());
    let mut options = PreviewOptions::default();
    options.host = PreviewHost::parse(&host);
    let proxy = PreviewProxy::new(Arc::new(RegistryPreviews::new(registry.clone())), options);
    let gateway = Gateway::builder(registry.clone())
        .extension(Arc::new(proxy.clone()))
        .build()
        .unwrap();
    let running = gateway.serve(listener).unwrap();

    let path = |token: &str| format!("/gateway/{actor}/request/fetch/{token}/x");
    let nothing = whole(open(address, &path(&idle), &host).await).await;
    assert_eq!(status(&nothing), 502, "{nothing}");
    let other = format!("/gateway/other/request/fetch/{good}/");
    assert_eq!(status(&whole(open(address, &other, &host).await).await), 403);

    let mut clients = vec![
        open(address, &path(&good), &host).await,
        open(address, "/x", &format!("{good}.{host}")).await,
    ];
    for client in &mut clients {
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!((status(&answer), body(&answer)), (200, "5\r\nhello\r\n"));
        assert_eq!(values(&answer, "referrer-policy"), ["no-referrer"]);
    }
    call("revoke", Value::Text(good.clone())).await.unwrap();
    for client in clients {
        assert!(!whole(client).await.contains("0\r\n\r\n"));
    }
    let denied = whole(open(address, &path(&good), &host).await).await;
    assert_eq!(status(&denied), 403);
    assert!(!denied.contains(&good));
    assert_eq!(proxy.active(), 0);
    running.close().await;
}

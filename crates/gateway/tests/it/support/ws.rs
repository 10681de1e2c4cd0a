//! A WebSocket client of the protocol, on a library that the gateway does not use for frames.

use std::net::SocketAddr;

use agentos_value::Value;
use agentos_wire::{Encoding, Format, Limits, ToClient, ToServer, Version, decode_to_client};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::{http, soon};

pub(crate) struct Socket {
    pub(crate) stream: WebSocketStream<TcpStream>,
    pub(crate) encoding: Encoding,
    pub(crate) version: u16,
}

/// What the server said.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Message(Version, ToClient),
    Close(u16, String),
}

pub(crate) async fn open(address: SocketAddr, target: &str, protocols: &str) -> WebSocketStream<TcpStream> {
    try_open(address, target, protocols, &[]).await.expect("a socket")
}

pub(crate) async fn try_open(
    address: SocketAddr,
    target: &str,
    protocols: &str,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("ws://{address}{target}").into_client_request()?;
    request
        .headers_mut()
        .insert("sec-websocket-protocol", protocols.parse().expect("protocols"));
    request.headers_mut().insert(
        "sec-websocket-extensions",
        "permessage-deflate".parse().expect("extensions"),
    );
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a header"));
    }
    let stream = TcpStream::connect(address).await.expect("connects");
    stream.set_nodelay(true).expect("no delay");
    let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
    let (socket, response) = soon(tokio_tungstenite::client_async_with_config(
        request,
        stream,
        Some(config),
    ))
    .await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], "rivet");
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
    Ok(socket)
}

impl Socket {
    /// Opens a connection to an actor by id; the first message is still to come.
    pub(crate) async fn open(address: SocketAddr, id: &str, encoding: Encoding, params: Option<&str>) -> Self {
        let params = params
            .map(|params| format!(", rivet_conn_params.{params}"))
            .unwrap_or_default();
        let protocols = format!("rivet, rivet_encoding.{}{params}", encoding.name());
        let stream = open(address, &format!("/gateway/{id}/connect"), &protocols).await;
        Self {
            stream,
            encoding,
            version: 4,
        }
    }

    /// Opens a connection that must be admitted.
    pub(crate) async fn connect(address: SocketAddr, id: &str, encoding: Encoding) -> Self {
        let mut socket = Self::open(address, id, encoding, None).await;
        match socket.next().await {
            Said::Message(
                version,
                ToClient::Init {
                    actor_id,
                    connection_id,
                },
            ) => {
                assert_eq!((version, actor_id.as_str()), (Version::UNREADABLE, id));
                assert_eq!(connection_id.len(), 36);
            }
            other => panic!("{other:?}"),
        }
        socket
    }

    pub(crate) fn format(&self) -> Format {
        http::format(self.encoding, self.version)
    }

    pub(crate) async fn send(&mut self, message: &ToServer) {
        let bytes = self.format().to_server(message).expect("a message");
        let message = match self.encoding {
            Encoding::Json => Message::text(String::from_utf8(bytes.to_vec()).expect("text")),
            _ => Message::binary(bytes),
        };
        soon(self.stream.send(message)).await.expect("sent");
    }

    pub(crate) async fn act(&mut self, id: u64, name: &str, args: Vec<Value>) {
        self.send(&ToServer::Action {
            id,
            name: name.into(),
            args,
        })
        .await;
    }

    pub(crate) async fn subscribe(&mut self, event: &str) {
        self.send(&ToServer::Subscription {
            event: event.into(),
            subscribe: true,
        })
        .await;
    }

    /// The next thing that is no ping or pong.
    pub(crate) async fn next(&mut self) -> Said {
        loop {
            let bytes: Bytes = match soon(self.stream.next()).await {
                Some(Ok(Message::Text(text))) => Bytes::copy_from_slice(text.as_bytes()),
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Said::Close(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => return Said::Close(1005, String::new()),
                Some(Ok(_)) => continue,
                gone => return Said::Close(1006, format!("{gone:?}")),
            };
            let (version, message) = decode_to_client(&bytes, self.encoding, &Limits::default()).expect("a message");
            return Said::Message(version, message);
        }
    }

    pub(crate) async fn message(&mut self) -> ToClient {
        match self.next().await {
            Said::Message(_, message) => message,
            close => panic!("{close:?}"),
        }
    }

    /// The error that closes the connection, and the close frame.
    pub(crate) async fn refused(&mut self) -> (String, u16, String) {
        let error = match self.next().await {
            Said::Message(Version::UNREADABLE, ToClient::Error { body, action_id: None }) => body.error,
            other => panic!("{other:?}"),
        };
        match self.next().await {
            Said::Close(code, reason) => (
                format!("{}/{}: {}", error.group, error.code, error.message),
                code,
                reason,
            ),
            other => panic!("{other:?}"),
        }
    }
}

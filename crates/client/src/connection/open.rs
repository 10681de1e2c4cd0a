//! Opening the socket up to the server's `Init`.

use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::http::ANSWER_MAX;
use crate::stream::{self, Transport};
use agentos_wire::{Limits, ToClient, decode_to_client};
use bytes::Bytes;
use futures_util::StreamExt as _;
use percent_encoding::utf8_percent_encode;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// How long a server may take to accept: its hooks have 15 s, the way there and back the rest.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) type Socket = WebSocketStream<Box<dyn Transport>>;

/// An accepted connection.
pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) connection_id: String,
}

/// Opens a socket and waits until the actor's hooks have accepted it.
pub(super) async fn open(handle: &Handle) -> Result<Opened> {
    let endpoint = &handle.client.inner.endpoint;
    let unreachable = |reason: String| Error::Unreachable {
        endpoint: endpoint.url(),
        reason,
    };
    tokio::time::timeout(OPEN_TIMEOUT, async {
        let mut socket = upgrade(handle).await.map_err(|error| match error {
            SocketError::Http(response) => unreachable(format!("upgrade refused with status {}", response.status())),
            error => unreachable(error.to_string()),
        })?;
        let connection_id = accepted(&mut socket, endpoint).await?;
        Ok(Opened { socket, connection_id })
    })
    .await
    .unwrap_or_else(|_| Err(unreachable(format!("no answer within {} s", OPEN_TIMEOUT.as_secs()))))
}

async fn upgrade(handle: &Handle) -> Result<Socket, SocketError> {
    let endpoint = &handle.client.inner.endpoint;
    let scheme = if endpoint.tls { "wss" } else { "ws" };
    let mut url = format!(
        "{scheme}://{}{}",
        endpoint.authority,
        endpoint.actor_path(handle.id(), "")
    );
    if let Some(token) = &endpoint.token {
        url.push('@');
        url.extend(utf8_percent_encode(token, crate::endpoint::SEGMENT));
    }
    url.push_str("/connect");
    let mut request = url.into_client_request()?;
    let mut protocols = format!("rivet, rivet_encoding.{}", endpoint.encoding.name());
    if let Some(params) = handle.params_json() {
        protocols.push_str(", rivet_conn_params.");
        protocols.extend(utf8_percent_encode(params, crate::endpoint::SEGMENT));
    }
    let headers = request.headers_mut();
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        protocols
            .parse()
            .map_err(tokio_tungstenite::tungstenite::http::Error::from)?,
    );
    headers.insert(
        USER_AGENT,
        crate::http::AGENT
            .parse()
            .map_err(tokio_tungstenite::tungstenite::http::Error::from)?,
    );
    let config = WebSocketConfig::default()
        .max_message_size(Some(ANSWER_MAX))
        .max_frame_size(Some(ANSWER_MAX));
    let transport = stream::open(endpoint, &handle.client.inner.tls)
        .await
        .map_err(SocketError::Io)?;
    Ok(
        tokio_tungstenite::client_async_with_config(request, transport, Some(config))
            .await?
            .0,
    )
}

/// Waits for `Init`; a refusal is an `Error` frame followed by a close.
async fn accepted(socket: &mut Socket, endpoint: &Endpoint) -> Result<String> {
    let mut refusal = None;
    while let Some(message) = socket.next().await {
        let message = message.map_err(|error| Error::Unreachable {
            endpoint: endpoint.url(),
            reason: error.to_string(),
        })?;
        let frame = match message {
            Message::Close(close) => {
                let reason = close.map(|close| close.reason.to_string()).unwrap_or_default();
                return Err(refusal.unwrap_or(Error::Closed { reason }));
            }
            message => match payload(message) {
                Some(frame) => frame,
                None => continue,
            },
        };
        match decode_to_client(&frame, endpoint.encoding, &Limits::default())?.1 {
            ToClient::Init { connection_id, .. } => return Ok(connection_id),
            ToClient::Error { body, .. } => refusal = Some(Error::Actor(body.error)),
            _ => return Err(Error::Protocol("a message before Init".to_owned())),
        }
    }
    Err(refusal.unwrap_or_else(|| Error::Protocol("the socket ended before Init".to_owned())))
}

/// The bytes of a data message.
pub(super) fn payload(message: Message) -> Option<Bytes> {
    match message {
        Message::Text(text) => Some(text.into()),
        Message::Binary(bytes) => Some(bytes),
        _ => None,
    }
}

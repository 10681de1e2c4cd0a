//! The task that owns the socket.

use super::open::{Socket, open, payload};
use super::{Command, EVENT_CAPACITY, Pending, Status};
use crate::error::{Error, Result};
use crate::handle::Handle;
use crate::http::format;
use agentos_value::Value;
use agentos_wire::{Encoding, Limits, ToClient, ToServer, decode_to_client};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;

/// First and longest delay between attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// A peer that says nothing for this long is asked, and given up after as long again.
const SILENCE: Duration = Duration::from_secs(30);
/// Reason of a connection that this side closed.
const DISPOSED: &str = "Disposed";
/// Commands that are taken into one write.
const BATCH: usize = 64;

/// Senders of the events that somebody listens to.
type Listeners = HashMap<String, broadcast::Sender<Arc<[Value]>>>;

/// What the task has at hand.
pub(super) struct Task {
    handle: Handle,
    encoding: Encoding,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<Status>,
    pending: Arc<Pending>,
    closing: CancellationToken,
    listeners: Listeners,
    losses: u64,
}

/// How one socket ended.
enum End {
    /// Closed by this side; nothing is left to do.
    Done,
    /// Lost; come back.
    Lost(String),
    /// The server asked not to come back.
    Refused(String),
}

impl Task {
    pub(super) fn new(
        handle: Handle,
        commands: mpsc::Receiver<Command>,
        state: watch::Sender<Status>,
        pending: Arc<Pending>,
        closing: CancellationToken,
    ) -> Self {
        Self {
            encoding: handle.client.inner.endpoint.encoding,
            handle,
            commands,
            state,
            pending,
            closing,
            listeners: HashMap::new(),
            losses: 0,
        }
    }

    /// Serves sockets, one after the other, until the connection is closed for good.
    pub(super) async fn run(mut self, first: Socket) {
        let mut socket = first;
        let reason = loop {
            let reason = match self.serve(socket).await {
                End::Done => break DISPOSED.to_owned(),
                End::Refused(reason) => break reason,
                End::Lost(reason) => reason,
            };
            self.losses += 1;
            self.pending.fail(&reason);
            match self.reconnect(reason).await {
                Ok(opened) => socket = opened,
                Err(reason) => break reason,
            }
        };
        self.state.send_replace(Status::Closed { reason: reason.clone() });
        self.pending.fail(&reason);
    }

    /// Tries until a socket is open; gives the reason when there is no use in trying on.
    async fn reconnect(&mut self, mut reason: String) -> Result<Socket, String> {
        let mut delay = BACKOFF.0;
        loop {
            self.state.send_replace(Status::Reconnecting { reason });
            let attempt = async {
                tokio::time::sleep(delay).await;
                open(&self.handle).await
            };
            let outcome = tokio::select! {
                outcome = attempt => outcome,
                () = self.closing.cancelled() => return Err(DISPOSED.to_owned()),
                () = self.state.closed() => return Err(DISPOSED.to_owned()),
            };
            delay = (delay * 2).min(BACKOFF.1);
            match outcome {
                Ok(opened) => {
                    self.state.send_replace(Status::Open {
                        connection_id: opened.connection_id,
                        losses: self.losses,
                    });
                    return Ok(opened.socket);
                }
                Err(error) if may_come_back(&error) => reason = error.to_string(),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Serves one socket until it ends.
    async fn serve(&mut self, mut socket: Socket) -> End {
        for event in self.listeners.keys() {
            let frame = ToServer::Subscription {
                event: event.clone(),
                subscribe: true,
            };
            if let Err(error) = self.feed(&mut socket, &frame).await {
                return End::Lost(error);
            }
        }
        if let Err(error) = socket.flush().await {
            return End::Lost(error.to_string());
        }
        let mut heard = Instant::now();
        let mut asked = false;
        loop {
            let end = tokio::select! {
                message = socket.next() => {
                    (heard, asked) = (Instant::now(), false);
                    self.hear(message)
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(&mut socket, command).await.err().map(End::Lost),
                    None => Some(dispose(&mut socket).await),
                },
                () = self.closing.cancelled() => Some(dispose(&mut socket).await),
                () = tokio::time::sleep_until(heard + SILENCE) => {
                    let lost = asked || socket.send(Message::Ping(Bytes::new())).await.is_err();
                    (heard, asked) = (Instant::now(), true);
                    lost.then(|| End::Lost("the server is silent".to_owned()))
                }
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Takes what the socket gave.
    fn hear(&mut self, message: Option<Result<Message, SocketError>>) -> Option<End> {
        match message {
            None => Some(End::Lost("the socket ended".to_owned())),
            Some(Err(error)) => Some(End::Lost(error.to_string())),
            Some(Ok(Message::Close(close))) => {
                Some(ended(&close.map(|close| close.reason.to_string()).unwrap_or_default()))
            }
            Some(Ok(message)) => {
                let frame = payload(message)?;
                self.receive(&frame).err().map(|error| End::Lost(error.to_string()))
            }
        }
    }

    /// Takes a command and those that wait behind it, and sends them in one write.
    async fn obey(&mut self, socket: &mut Socket, first: Command) -> Result<(), String> {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(command) = next.take().or_else(|| self.commands.try_recv().ok()) else {
                break;
            };
            match command {
                Command::Call { action, args, reply } => self.call(socket, action, args, reply).await?,
                Command::Subscribe { event, receiver } => {
                    let (receive, new) = self.listen(&event);
                    let _ = receiver.send(receive);
                    if new {
                        self.feed(socket, &ToServer::Subscription { event, subscribe: true })
                            .await?;
                    }
                }
            }
        }
        socket.flush().await.map_err(|error| error.to_string())
    }

    async fn call(
        &mut self,
        socket: &mut Socket,
        name: String,
        args: Vec<Value>,
        reply: tokio::sync::oneshot::Sender<Result<Value>>,
    ) -> Result<(), String> {
        if reply.is_closed() {
            return Ok(());
        }
        let id = self.pending.add(reply);
        match format(self.encoding).to_server(&ToServer::Action { id, name, args }) {
            Ok(frame) => socket
                .feed(self.message(frame))
                .await
                .map_err(|error| error.to_string()),
            Err(error) => {
                self.pending.answer(id, Err(error.into()));
                Ok(())
            }
        }
    }

    /// A receiver of an event, and whether the server must be told.
    fn listen(&mut self, event: &str) -> (broadcast::Receiver<Arc<[Value]>>, bool) {
        if let Some(sender) = self.listeners.get(event) {
            return (sender.subscribe(), false);
        }
        let (sender, receiver) = broadcast::channel(EVENT_CAPACITY);
        self.listeners.insert(event.to_owned(), sender);
        (receiver, true)
    }

    async fn feed(&self, socket: &mut Socket, frame: &ToServer) -> Result<(), String> {
        let frame = format(self.encoding)
            .to_server(frame)
            .map_err(|error| error.to_string())?;
        socket
            .feed(self.message(frame))
            .await
            .map_err(|error| error.to_string())
    }

    fn message(&self, frame: Bytes) -> Message {
        match self.encoding.is_text() {
            // What this side wrote as JSON is UTF-8.
            true => Message::Text(String::from_utf8_lossy(&frame).into_owned().into()),
            false => Message::Binary(frame),
        }
    }

    fn receive(&mut self, frame: &Bytes) -> Result<()> {
        match decode_to_client(frame, self.encoding, &Limits::default())?.1 {
            ToClient::Response { id, output } => self.pending.answer(id, Ok(output)),
            ToClient::Error {
                body,
                action_id: Some(id),
            } => self.pending.answer(id, Err(Error::Actor(body.error))),
            // A close with the same reason follows.
            ToClient::Error { .. } | ToClient::Init { .. } => {}
            ToClient::Event { name, args } => {
                if let Some(sender) = self.listeners.get(&name)
                    && sender.send(args.into()).is_err()
                {
                    // Nobody listens any more. The subscription stays: the next listener needs no round trip.
                    tracing::trace!(event = %name, "an event without listener");
                }
            }
        }
        Ok(())
    }
}

/// Says goodbye.
async fn dispose(socket: &mut Socket) -> End {
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: DISPOSED.into(),
    };
    // The server closes without being asked if this does not reach it.
    let _ = socket.close(Some(frame)).await;
    End::Done
}

/// What the reason of a close asks for.
fn ended(reason: &str) -> End {
    let forever = match reason.split('#').next().unwrap_or("") {
        "actor.destroyed" | "auth.unauthorized" | "auth.forbidden" => true,
        kind => kind.starts_with("user."),
    };
    match forever {
        true => End::Refused(reason.to_owned()),
        false => End::Lost(reason.to_owned()),
    }
}

/// Whether another attempt can succeed.
fn may_come_back(error: &Error) -> bool {
    match error {
        Error::Actor(error) => !matches!(&*error.group, "auth" | "user") && !error.is("actor", "not_found"),
        Error::Closed { reason } => matches!(ended(reason), End::Lost(_)),
        Error::Unreachable { .. } => true,
        _ => false,
    }
}

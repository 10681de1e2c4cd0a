//! Raw sockets: frames for the actor's own handler, untouched.
//!
//! The handler gets two bounded channels, so that each direction waits for whoever is slower. When the client has gone or
//! the server finishes, the handler sees the end of its input and gets a moment to end by itself.

use std::future::Future;
use std::sync::Arc;

use agentos_actor::{CloseReason, Connection, Outgoing, RawMessage, RawSocket};
use agentos_value::ActorError;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::channel::Channel;
use super::end::End;
use super::outbound::Outbound;
use crate::Peer;
use crate::limits::Limits;
use crate::router::Router;
use crate::ws::{Kind, Message, Meter, Opcode, ReadError, Reader};

/// Frames that may wait in each direction.
const DEPTH: usize = 16;

/// What the reading side says to the writing side.
#[derive(Default)]
struct Notes {
    state: Mutex<State>,
    noted: Notify,
}

#[derive(Default)]
struct State {
    pong: Option<Bytes>,
    end: Option<End>,
    /// Something was read since the last tick.
    heard: bool,
    /// The client was asked and has not been heard since.
    asked: bool,
}

/// Serves an admitted raw socket to its end.
pub(crate) async fn serve(connection: Connection, mut channel: Channel, router: &Arc<Router>, peer: &Peer) {
    let limits = &router.limits;
    let notes = Notes::default();
    let (to_actor, incoming) = mpsc::channel(DEPTH);
    let (outgoing, from_actor) = mpsc::channel(DEPTH);
    let end = {
        let handler = connection.raw_socket(RawSocket { incoming, outgoing });
        let meter = channel.reader.meter();
        let reading = async {
            let end = tokio::select! {
                biased;
                () = peer.draining() => End::Close(CloseReason::going_away()),
                end = read(&mut channel.reader, to_actor, &notes) => end,
            };
            notes.note(|state| state.end = Some(end));
            std::future::pending::<()>().await;
        };
        let writing = write(
            &mut channel.writer,
            from_actor,
            handler,
            &connection,
            &notes,
            &meter,
            limits,
        );
        tokio::select! {
            biased;
            () = peer.closing() => End::Close(CloseReason::going_away()),
            end = writing => end,
            () = reading => End::Gone,
        }
    };
    connection.close(end.as_reason());
    drop(connection);
    channel.farewell(end, None, limits).await;
}

impl Notes {
    fn note(&self, write: impl FnOnce(&mut State)) {
        write(&mut self.state.lock());
        self.noted.notify_one();
    }

    /// Whether the client has been silent for two ticks; it is asked after the first.
    fn tick(&self, received: bool) -> Tick {
        let mut state = self.state.lock();
        let heard = std::mem::take(&mut state.heard) || received;
        match (heard, state.asked) {
            (true, _) => {
                state.asked = false;
                Tick::Fine
            }
            (false, false) => {
                state.asked = true;
                Tick::Ask
            }
            (false, true) => Tick::Gone,
        }
    }
}

enum Tick {
    Fine,
    Ask,
    Gone,
}

async fn read<R: AsyncRead + Unpin>(reader: &mut Reader<R>, to_actor: mpsc::Sender<RawMessage>, notes: &Notes) -> End {
    loop {
        let message = reader.next().await;
        notes.state.lock().heard = true;
        let message = match message {
            Ok(Message::Whole(Kind::Binary, payload)) => RawMessage::Binary(payload),
            // The decoder has checked it; a client's text is never changed by this.
            Ok(Message::Whole(Kind::Text, payload)) => RawMessage::Text(String::from_utf8_lossy(&payload).into_owned()),
            Ok(Message::Oversized { .. }) => return End::Close(CloseReason::new(1009, "actor.message_too_large")),
            Ok(Message::Ping(payload)) => {
                notes.note(|state| state.pong = Some(payload));
                continue;
            }
            Ok(Message::Pong) => continue,
            Ok(Message::Close(close)) => return End::Client(close),
            Err(ReadError::Gone) => return End::Gone,
            Err(ReadError::Violation(violation)) => return End::of_violation(violation),
        };
        if to_actor.send(message).await.is_err() {
            // The handler wants no more input; what the client still sends is read and dropped.
            while !matches!(reader.next().await, Err(_) | Ok(Message::Close(_))) {}
            return End::Gone;
        }
        // Waiting for the handler is no silence of the client.
        notes.state.lock().heard = true;
    }
}

async fn write<W: AsyncWrite + Unpin>(
    writer: &mut Outbound<W>,
    mut from_actor: mpsc::Receiver<RawMessage>,
    handler: impl Future<Output = Result<(), ActorError>>,
    connection: &Connection,
    notes: &Notes,
    meter: &Meter,
    limits: &Limits,
) -> End {
    let mut metered = 0;
    let mut handler = std::pin::pin!(handler);
    let mut next = std::pin::pin!(connection.next());
    let mut pings = interval_at(Instant::now() + limits.ping_interval, limits.ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut open = true;
    loop {
        let end = tokio::select! {
            biased;
            message = from_actor.recv(), if open => match message {
                Some(message) => forward(writer, message, &mut from_actor, limits).await,
                None => {
                    open = false;
                    None
                }
            },
            result = handler.as_mut() => {
                let end = finish(writer, result, &mut from_actor, limits).await;
                // The handler may have ended because its input did.
                return notes.state.lock().end.take().unwrap_or(end);
            }
            outgoing = next.as_mut() => match outgoing {
                Outgoing::Close(reason) => Some(End::Close(reason)),
                _ => {
                    next.set(connection.next());
                    None
                }
            },
            () = notes.noted.notified() => {
                let mut state = notes.state.lock();
                if let Some(payload) = state.pong.take() {
                    writer.control(Opcode::Pong, &payload);
                }
                state.end.take()
            }
            _ = pings.tick() => match notes.tick(meter.moved(&mut metered)) {
                Tick::Fine => None,
                Tick::Ask => {
                    writer.control(Opcode::Ping, b"");
                    None
                }
                Tick::Gone => Some(End::Gone),
            },
        };
        if let Some(end) = end {
            // Nobody listens any more; the handler sees the end of its input and may finish.
            from_actor.close();
            let _ = timeout(limits.close_timeout, handler).await;
            return end;
        }
        if writer.flush().await.is_err() {
            return End::Gone;
        }
    }
}

/// Sends a frame and those behind it.
async fn forward<W: AsyncWrite + Unpin>(
    writer: &mut Outbound<W>,
    message: RawMessage,
    from_actor: &mut mpsc::Receiver<RawMessage>,
    limits: &Limits,
) -> Option<End> {
    let mut next = Some(message);
    while let Some(message) = next {
        let (kind, payload) = match message {
            RawMessage::Text(text) => (Kind::Text, Bytes::from(text)),
            RawMessage::Binary(bytes) => (Kind::Binary, bytes),
        };
        if payload.len() > limits.max_outgoing_message {
            return Some(End::Close(CloseReason::new(1009, "actor.message_too_large")));
        }
        if writer.message(kind, payload).await.is_err() {
            return Some(End::Gone);
        }
        next = from_actor.try_recv().ok();
    }
    None
}

/// What the handler left to be sent, and the end that it chose.
async fn finish<W: AsyncWrite + Unpin>(
    writer: &mut Outbound<W>,
    result: Result<(), ActorError>,
    from_actor: &mut mpsc::Receiver<RawMessage>,
    limits: &Limits,
) -> End {
    if let Ok(message) = from_actor.try_recv()
        && let Some(end) = forward(writer, message, from_actor, limits).await
    {
        return end;
    }
    match result {
        Ok(()) => End::Close(CloseReason::new(1000, "")),
        Err(error) => End::of_error(error),
    }
}

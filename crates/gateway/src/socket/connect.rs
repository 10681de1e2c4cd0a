//! The protocol connection: actions and subscriptions in, results and events out.
//!
//! ```text
//!              frames                 dispatch                    Outgoing                one write
//!   client ──────────────▶ reading ─────────────▶ Connection ─────────────▶ writing ──────────────▶ client
//!                             │    notes: errors, pongs, the end               ▲
//!                             └────────────────────────────────────────────────┘
//! ```
//!
//! Only writing writes, so frames never mix; only reading reads, so that it can pause: while the client has too many
//! actions running, nothing is read from it and its own TCP window tells it to wait. Whatever reading has to say goes to
//! writing as a note. The version of answers follows the client's latest frame.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use agentos_actor::{CloseReason, Connection, Outgoing};
use agentos_value::{ActorError, Value};
use agentos_wire::{ActorSpecifier, Dialect, Encoding, Format, ToServer, Version, decode_to_server, peek_action_id};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::attention::Attention;
use super::channel::Channel;
use super::end::End;
use super::outbound::Outbound;
use crate::Peer;
use crate::limits::Limits;
use crate::ws::{Kind, Message, Meter, Opcode, ReadError, Reader};
use crate::{heavy, refusal};

/// Notes that may wait for writing before reading pauses.
const MOST_NOTES: usize = 64;

/// How a client writes and what it understands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) encoding: Encoding,
    pub(crate) dialect: Dialect,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            encoding: Encoding::Json,
            dialect: Dialect::Plain,
        }
    }
}

impl Manner {
    pub(super) fn format(self, version: Version) -> Format {
        Format::new(self.encoding, version, self.dialect)
    }

    pub(super) fn kind(self) -> Kind {
        if self.encoding.is_text() {
            Kind::Text
        } else {
            Kind::Binary
        }
    }

    /// The message for an error that belongs to no action and comes before the client has said anything.
    pub(crate) fn refusal(self, error: &ActorError) -> (Kind, Bytes) {
        (self.kind(), self.format(Version::UNREADABLE).error(error, None, None))
    }
}

/// A connection that the hooks have admitted.
pub(crate) struct Connect<'a> {
    connection: Connection,
    manner: Manner,
    actor: ActorSpecifier,
    limits: &'a Limits,
    wire_limits: &'a agentos_wire::Limits,
    version: AtomicU8,
    /// Actions whose results have not been taken for writing.
    in_flight: AtomicUsize,
    eased: Notify,
    notes: Mutex<Notes>,
    noted: Notify,
    opened: Instant,
    /// Milliseconds from opening to the client's latest message.
    heard: AtomicUsize,
    paused: AtomicBool,
}

/// What reading has to say.
#[derive(Default)]
struct Notes {
    errors: Vec<(u64, ActorError)>,
    /// The latest ping that was not answered. A client that floods us gets one answer for many.
    pong: Option<Bytes>,
    end: Option<End>,
}

impl<'a> Connect<'a> {
    pub(crate) fn new(
        connection: Connection,
        manner: Manner,
        actor: ActorSpecifier,
        limits: &'a Limits,
        wire_limits: &'a agentos_wire::Limits,
    ) -> Self {
        Self {
            connection,
            manner,
            actor,
            limits,
            wire_limits,
            version: AtomicU8::new(2),
            in_flight: AtomicUsize::new(0),
            eased: Notify::new(),
            notes: Mutex::default(),
            noted: Notify::new(),
            opened: Instant::now(),
            heard: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
        }
    }

    /// Serves the connection to its end, the close frame included.
    pub(crate) async fn run(self, mut channel: Channel, peer: &Peer) {
        let init = self.format().init(&self.actor.actor_id, self.connection.id());
        let mut end = End::Gone;
        if channel.writer.message(self.manner.kind(), init).await.is_ok() {
            let meter = channel.reader.meter();
            let reading = async {
                let end = self.read(&mut channel.reader, peer).await;
                self.note(|notes| notes.end = Some(end));
                std::future::pending::<()>().await;
            };
            end = tokio::select! {
                biased;
                () = peer.closing() => End::Close(CloseReason::going_away()),
                end = self.write(&mut channel.writer, &meter) => end,
                () = reading => End::Gone,
            };
        }
        self.connection.close(end.as_reason());
        let error = match &end {
            End::Error(error, _) => Some((self.manner.kind(), self.format().error(error, Some(&self.actor), None))),
            _ => None,
        };
        drop(self.connection);
        channel.farewell(end, error, self.limits).await;
    }

    fn format(&self) -> Format {
        let version = Version::new(u16::from(self.version.load(Ordering::Relaxed))).unwrap_or(Version::UNREADABLE);
        self.manner.format(version)
    }

    fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.notes.lock());
        self.noted.notify_one();
    }

    // Reading.

    async fn read<R: AsyncRead + Unpin>(&self, reader: &mut Reader<R>, peer: &Peer) -> End {
        let mut draining = std::pin::pin!(peer.draining());
        let mut attention = Attention::new();
        loop {
            let message = tokio::select! {
                biased;
                () = draining.as_mut() => {
                    self.idle().await;
                    return End::Close(CloseReason::going_away());
                }
                message = self.read_one(reader, &mut attention) => message,
            };
            match message {
                Ok(message) => {
                    if let Some(end) = self.heard(message).await {
                        return end;
                    }
                    // Most actions are done by now. However many have come at once, answers and other tasks have their turns.
                    tokio::task::coop::consume_budget().await;
                }
                Err(ReadError::Gone) => return End::Gone,
                Err(ReadError::Violation(violation)) => return End::of_violation(violation),
            }
        }
    }

    async fn read_one<R: AsyncRead + Unpin>(
        &self,
        reader: &mut Reader<R>,
        attention: &mut Attention,
    ) -> Result<Message, ReadError> {
        if !self.has_room() {
            self.paused.store(true, Ordering::Relaxed);
            self.room().await;
        }
        self.connection.dispatch_ready().await;
        if self.paused.swap(false, Ordering::Relaxed) {
            self.stamp();
        }
        let message = attention.wait(reader.next()).await;
        self.stamp();
        message
    }

    fn stamp(&self) {
        let since = usize::try_from(self.opened.elapsed().as_millis()).unwrap_or(usize::MAX);
        self.heard.store(since, Ordering::Relaxed);
    }

    /// Takes one message of the client; an end if it was the last.
    async fn heard(&self, message: Message) -> Option<End> {
        match message {
            Message::Whole(_, payload) => self.frame(payload).await.err().map(End::of_error),
            Message::Oversized { start, size, .. } => {
                let error =
                    refusal::message_too_large(size, self.limits.max_incoming_message, "maxIncomingMessageSize");
                match peek_action_id(&start, self.manner.encoding) {
                    Some(id) => {
                        self.refuse(id, error);
                        None
                    }
                    None => Some(End::Close(super::end::close_for(&error))),
                }
            }
            Message::Ping(payload) => {
                self.note(|notes| notes.pong = Some(payload));
                None
            }
            Message::Pong => None,
            Message::Close(close) => Some(End::Client(close)),
        }
    }

    async fn frame(&self, payload: Bytes) -> Result<(), ActorError> {
        let (encoding, limits) = (self.manner.encoding, *self.wire_limits);
        let decoded = heavy::read(payload, move |payload| decode_to_server(payload, encoding, &limits)).await;
        let (version, message) = decoded.map_err(|error| error.to_actor_error())?;
        self.version
            .store(u8::try_from(version.number()).unwrap_or(2), Ordering::Relaxed);
        match message {
            ToServer::Action { id, name, args } => {
                self.in_flight.fetch_add(1, Ordering::AcqRel);
                if let Err(error) = self.connection.dispatch(id, name, args) {
                    self.took_one();
                    self.refuse(id, error);
                }
            }
            ToServer::Subscription { event, subscribe } => self.connection.subscribe(&event, subscribe)?,
        }
        Ok(())
    }

    /// Answers an action that was not begun.
    fn refuse(&self, id: u64, error: ActorError) {
        self.note(|notes| notes.errors.push((id, error)));
    }

    fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) < self.limits.max_in_flight_actions
            && self.notes.lock().errors.len() < MOST_NOTES
    }

    /// Resolves when one more action may be begun.
    async fn room(&self) {
        self.until(|| self.has_room()).await;
    }

    /// Resolves when no action is running.
    async fn idle(&self) {
        self.until(|| self.in_flight.load(Ordering::Acquire) == 0).await;
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        loop {
            let mut eased = std::pin::pin!(self.eased.notified());
            eased.as_mut().enable();
            if condition() {
                return;
            }
            eased.await;
        }
    }

    fn took_one(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.eased.notify_waiters();
    }

    // Writing.

    async fn write<W: AsyncWrite + Unpin>(&self, writer: &mut Outbound<W>, meter: &Meter) -> End {
        let mut metered = 0;
        let period = self.limits.ping_interval;
        let mut pings = interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = std::pin::pin!(self.connection.next());
        loop {
            // Everything that is ready, then one write.
            while let std::task::Poll::Ready(outgoing) = futures_util::poll!(next.as_mut()) {
                next.set(self.connection.next());
                if let Some(end) = self.send(outgoing, writer).await {
                    return end;
                }
            }
            if let Some(end) = self.send_notes(writer).await {
                return end;
            }
            if writer.flush().await.is_err() {
                return End::Gone;
            }
            let outgoing = tokio::select! {
                outgoing = next.as_mut() => outgoing,
                () = self.noted.notified() => continue,
                _ = pings.tick() => {
                    // A long message that is still arriving is no silence.
                    if meter.moved(&mut metered) {
                        self.stamp();
                    }
                    if self.is_silent(period, writer) {
                        return End::Gone;
                    }
                    continue;
                }
            };
            next.set(self.connection.next());
            if let Some(end) = self.send(outgoing, writer).await {
                return end;
            }
        }
    }

    /// Asks a client that has been quiet whether it is there; true if it has been asked before and did not answer.
    fn is_silent<W: AsyncWrite + Unpin>(&self, period: Duration, writer: &mut Outbound<W>) -> bool {
        if self.paused.load(Ordering::Relaxed) {
            return false;
        }
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed) as u64);
        let quiet = self.opened.elapsed().saturating_sub(heard);
        // The first tick may come a moment early by the clock of the last message.
        if quiet + Duration::from_secs(1) >= period {
            writer.control(Opcode::Ping, b"");
        }
        quiet >= period * 2
    }

    async fn send<W: AsyncWrite + Unpin>(&self, outgoing: Outgoing, writer: &mut Outbound<W>) -> Option<End> {
        let frame = match outgoing {
            Outgoing::Reply { tag, result } => {
                let frame = self.reply(tag, result).await;
                self.took_one();
                frame
            }
            Outgoing::Event(event) => self.event(&event)?,
            Outgoing::Close(reason) => return Some(End::Close(reason)),
            // Kinds that do not exist yet have nothing for this client.
            _ => return None,
        };
        writer
            .message(self.manner.kind(), frame)
            .await
            .is_err()
            .then_some(End::Gone)
    }

    async fn reply(&self, id: u64, result: Result<Value, ActorError>) -> Bytes {
        let format = self.format();
        let most = self.limits.max_outgoing_message;
        let error = match result {
            Ok(output) => match heavy::write(output.size(), move || format.response(id, &output)).await {
                Ok(frame) if frame.len() <= most => return frame,
                Ok(frame) => refusal::message_too_large(frame.len() as u64, most, "maxOutgoingMessageSize"),
                Err(error) => refusal::internal("an action's result", &error),
            },
            Err(error) => error,
        };
        let frame = format.error(&error, Some(&self.actor), Some(id));
        if frame.len() <= most {
            return frame;
        }
        let error = refusal::message_too_large(frame.len() as u64, most, "maxOutgoingMessageSize");
        format.error(&error, Some(&self.actor), Some(id))
    }

    /// The frame of an event. One that cannot be sent is told as the failure of its stream.
    fn event(&self, event: &agentos_actor::Event) -> Option<Bytes> {
        let most = self.limits.max_outgoing_message;
        let problem = match self.format().event(&event.name, &event.args) {
            Ok(frame) if frame.len() <= most => return Some(frame),
            Ok(frame) => format!(
                "an event has {} of {most} bytes (limits.server.maxOutgoingMessageSize)",
                frame.len()
            ),
            Err(error) => error.to_string(),
        };
        tracing::warn!(event = %event.name, problem, "an event cannot be sent");
        let mut fields = vec![
            ("code", Value::from("stream_failed")),
            ("skipped", Value::from(1_i64)),
            ("message", Value::from(format!("{}: {problem}", event.name))),
        ];
        if let Some(scope) = &event.scope {
            fields.extend([("scope", Value::from(scope.kind)), ("id", scope.id.clone())]);
        }
        self.format().event("streamError", &[Value::object(fields)]).ok()
    }

    async fn send_notes<W: AsyncWrite + Unpin>(&self, writer: &mut Outbound<W>) -> Option<End> {
        let notes = std::mem::take(&mut *self.notes.lock());
        if let Some(payload) = notes.pong {
            writer.control(Opcode::Pong, &payload);
        }
        if !notes.errors.is_empty() {
            self.eased.notify_waiters();
        }
        for (id, error) in notes.errors {
            let frame = self.format().error(&error, Some(&self.actor), Some(id));
            if writer.message(self.manner.kind(), frame).await.is_err() {
                return Some(End::Gone);
            }
        }
        notes.end
    }
}

//! An upgraded connection: frames in, frames out, a farewell.

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::end::End;
use super::outbound::Outbound;
use crate::Peer;
use crate::budget::Budget;
use crate::limits::Limits;
use crate::server::pulse::Beat;
use crate::server::transport::Transport;
use crate::ws::{Kind, Message, Reader};

/// Both directions of a WebSocket.
pub(crate) struct Channel {
    pub(crate) reader: Reader<ReadHalf<Transport>>,
    pub(crate) writer: Outbound<WriteHalf<Transport>>,
    pub(crate) beat: Beat,
}

impl Channel {
    /// Waits until the response that accepts is written. `None` if the client went away before.
    pub(crate) async fn open(upgrade: OnUpgrade, peer: &Peer, limits: &Limits, budget: &Budget) -> Option<Self> {
        let beat = peer.pulse().begin();
        let upgraded = timeout(limits.write_timeout, upgrade).await.ok()?.ok()?;
        // The gateway made this connection itself, from exactly this type.
        let parts = upgraded.downcast::<TokioIo<Transport>>().ok()?;
        let (read, write) = tokio::io::split(parts.io.into_inner());
        let reader = Reader::new(
            read,
            parts.read_buf,
            limits.max_incoming_message,
            budget,
            limits.body_timeout,
        );
        Some(Self {
            reader,
            writer: Outbound::new(write),
            beat,
        })
    }

    /// Says goodbye: the error message if there is one, the close frame, and a moment for the client's answer, without
    /// which the operating system could throw away what was just written.
    pub(crate) async fn farewell(mut self, end: End, error: Option<(Kind, Bytes)>, limits: &Limits) {
        let answered = matches!(end, End::Client(_));
        if matches!(end, End::Gone) {
            return;
        }
        if let Some((kind, message)) = error
            && self.writer.message(kind, message).await.is_err()
        {
            return;
        }
        match &end {
            End::Client(None) => self.writer.close(1000, ""),
            End::Client(Some((code, reason))) => self.writer.close(*code, reason),
            _ => {
                let reason = end.as_reason();
                self.writer.close(reason.code, &reason.reason);
            }
        }
        let finish = async {
            if self.writer.flush().await.is_err() {
                return;
            }
            while !answered && !matches!(self.reader.next().await, Err(_) | Ok(Message::Close(_))) {}
            self.writer.shutdown().await;
        };
        let _ = timeout(limits.close_timeout, finish).await;
        drop(self.beat);
    }
}

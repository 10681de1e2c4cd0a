//! One client over a pair of byte streams: a message a line, as clients that start servers speak.
//!
//! Everything that can come is answered or ends the connection: a line that is no JSON with a parse error, JSON that is no
//! message with an invalid request, a line beyond the bound with the bound, and then reading goes on after its end. Answers
//! go through a queue of few messages; while a client does not read them, nothing more is read from it.

use crate::failure::Exceeded;
use crate::server::Server;
use rmcp::model::{ErrorCode, ErrorData, JsonRpcMessage};
use rmcp::service::{QuitReason, RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServiceExt};
use serde_json::json;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Answers that wait to be written.
const QUEUE: usize = 64;

/// Time in which a client that closed its end has to take the last answers.
const FLUSH: Duration = Duration::from_secs(2);

/// Serves one client until it closes its end.
///
/// # Errors
/// The streams failed, or the client did not begin as clients have to.
pub async fn serve<R, W>(server: &Server, input: R, output: W) -> io::Result<()>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let transport = Lines::new(input, output, server.limits().max_message_bytes);
    match server.client().serve(transport).await {
        Ok(running) => match running.waiting().await {
            Ok(QuitReason::JoinError(error)) | Err(error) => Err(io::Error::other(error)),
            Ok(_) => Ok(()),
        },
        // A client that leaves without having said anything is no failure.
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The streams.
struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    cap: usize,
    /// Bytes so far of a line beyond the bound.
    beyond: Option<u64>,
    /// An answer to what could not be read, which goes first.
    complaint: Option<Vec<u8>>,
    queue: Option<mpsc::Sender<Vec<u8>>>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

/// What came.
enum Read {
    Line,
    Beyond(u64),
    End,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    fn new(input: R, output: impl AsyncWrite + Send + Unpin + 'static, cap: usize) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            cap,
            beyond: None,
            complaint: None,
            queue: Some(queue),
            writer: Some(tokio::spawn(write(output, waiting))),
        }
    }

    /// Reads a line into `self.line`. Can be dropped and called again at any time: what was read is kept in `self`.
    async fn read(&mut self) -> io::Result<Read> {
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                return Ok(Read::End);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |at| at + 1);
            let observed = self.beyond.unwrap_or(self.line.len() as u64) + taken as u64;
            if observed > self.cap as u64 {
                self.line = Vec::new();
                self.beyond = Some(observed);
            } else {
                self.line.extend_from_slice(available.get(..taken).unwrap_or_default());
            }
            self.input.consume(taken);
            match (end, self.beyond) {
                (None, _) => {}
                (Some(_), None) => return Ok(Read::Line),
                (Some(_), Some(observed)) => {
                    self.beyond = None;
                    return Ok(Read::Beyond(observed));
                }
            }
        }
    }

    /// The message in `self.line`; if there is none, what to answer.
    fn parse(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let line = std::mem::take(&mut self.line);
        let text = line.trim_ascii();
        if text.is_empty() {
            return None;
        }
        match serde_json::from_slice(text) {
            Ok(message) => Some(message),
            Err(error) if error.is_data() => {
                self.complain(ErrorData::invalid_request(
                    format!("no message of JSON-RPC 2.0: {error}"),
                    None,
                ));
                None
            }
            Err(error) => {
                self.complain(ErrorData::new(
                    ErrorCode::PARSE_ERROR,
                    format!("no JSON: {error}"),
                    None,
                ));
                None
            }
        }
    }

    fn complain(&mut self, error: ErrorData) {
        let message: TxJsonRpcMessage<RoleServer> = JsonRpcMessage::error(error, None);
        self.complaint = encoded(&message).ok();
    }
}

fn encoded(message: &TxJsonRpcMessage<RoleServer>) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

async fn write(mut output: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(line) = waiting.recv().await {
        output.write_all(&line).await?;
        output.flush().await?;
    }
    output.shutdown().await
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let (line, queue) = (encoded(&item), self.queue.clone());
        async move {
            let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
            queue.ok_or_else(gone)?.send(line?).await.map_err(|_| gone())
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            // Nothing is read for a client that does not read.
            let place = self.queue.as_ref()?.reserve().await.ok()?;
            if let Some(complaint) = self.complaint.take() {
                place.send(complaint);
                continue;
            }
            drop(place);
            match self.read().await {
                Ok(Read::Line) => {
                    if let Some(message) = self.parse() {
                        return Some(message);
                    }
                }
                Ok(Read::Beyond(observed)) => {
                    let limit = Exceeded::new("mcp.maxMessageBytes", observed, self.cap as u64, "message");
                    let data = json!({ "limit": limit });
                    self.complain(ErrorData::invalid_request(limit.to_string(), Some(data)));
                }
                Ok(Read::End) => return None,
                Err(error) => {
                    tracing::warn!(%error, "the client cannot be read from");
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.queue = None;
        let Some(writer) = self.writer.take() else {
            return Ok(());
        };
        let abort = writer.abort_handle();
        match tokio::time::timeout(FLUSH, writer).await {
            Ok(Ok(written)) => written,
            Ok(Err(error)) => Err(io::Error::other(error)),
            Err(_) => {
                abort.abort();
                Ok(())
            }
        }
    }
}

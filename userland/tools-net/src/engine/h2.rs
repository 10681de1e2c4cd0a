//! HTTP/2: the crate `h2` over a connection of ours, driven by hand.
//!
//! There is no runtime. [`Session::drive`] polls the wanted future and the connection until the future is done; when neither
//! can go on, the connection has said what it waits for and [`Control`] waits for that.

use super::connection::{Connection, would_block};
use super::control::Control;
use super::failure::{Exit, Failure, Result};
use super::head::Head;
use super::observe::{Flow, Observer, Part};
use super::request::Request;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that speaks HTTP/2.
pub(super) struct Session {
    send: SendRequest<Bytes>,
    driver: Driver,
}

struct Driver {
    connection: h2::client::Connection<Io, Bytes>,
    shared: Rc<RefCell<Shared>>,
    closed: bool,
}

/// The connection and what it waits for.
struct Shared {
    connection: Connection,
    reads: bool,
    writes: bool,
}

#[derive(Clone)]
struct Io(Rc<RefCell<Shared>>);

impl Session {
    /// Begins HTTP/2.
    pub(super) fn begin(connection: Connection, control: &mut Control) -> Result<Self> {
        let shared = Rc::new(RefCell::new(Shared {
            connection,
            reads: false,
            writes: false,
        }));
        let mut builder = h2::client::Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .max_frame_size(FRAME)
            .max_header_list_size(HEADS_MOST)
            .max_send_buffer_size(BLOCK);
        let handshake = builder.handshake(Io(Rc::clone(&shared)));
        let (send, connection) = settle(handshake, &shared, control)?.map_err(|error| framing(&error))?;
        let driver = Driver {
            connection,
            shared,
            closed: false,
        };
        Ok(Self { send, driver })
    }

    /// Addresses and number of the connection below.
    pub(super) fn with_connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.driver.shared.borrow().connection)
    }

    /// Whether it can serve again: what came meanwhile was taken care of and it was not closed.
    pub(super) fn is_alive(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.driver.closed
            && Pin::new(&mut self.driver.connection).poll(&mut cx).is_pending()
            && matches!(self.send.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    /// Sends a request and takes the response; whether the connection can serve again.
    pub(super) fn exchange(
        &mut self,
        request: &Request,
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<(Head, bool)> {
        let send = &mut self.send;
        self.driver
            .drive(poll_fn(|cx| send.poll_ready(cx)), control)?
            .map_err(|error| stream_failure(&error))?;
        control.times.pretransfer = control.elapsed();
        let shown = shown_request(request)?;
        observer.note(Part::Request(&shown));
        control.counts.requests += shown.len() as u64;
        let wanted = request.body.is_some() && request.body.length() != Some(0);
        let sent = self.send.send_request(message(request)?, !wanted);
        let (mut response, mut stream) = sent.map_err(|error| stream_failure(&error))?;
        let early = if wanted {
            self.upload(request, &mut stream, &mut response, control)?
        } else {
            None
        };
        let response = match early {
            Some(response) => response,
            None => self.driver.drive(&mut response, control)?,
        };
        let response = response.map_err(|error| stream_failure(&error))?;
        control.times.first_byte = control.elapsed();
        let (parts, body) = response.into_parts();
        let head = head_of(&parts);
        control.counts.heads += head.raw.len() as u64;
        if request.method != "HEAD" {
            control.counts.down_total = head.length()?;
        }
        let flow = observer.head(&head)?;
        let whole = flow != Flow::Stop && self.download(body, flow, control, observer)?;
        Ok((head, whole && !self.driver.closed))
    }

    /// Sends the body; the response if it came first.
    fn upload(
        &mut self,
        request: &Request,
        stream: &mut SendStream<Bytes>,
        response: &mut ResponseFuture,
        control: &mut Control,
    ) -> Result<Option<Result<http::Response<RecvStream>, h2::Error>>> {
        let mut reader = request.body.open();
        loop {
            let mut block = vec![0; BLOCK];
            let count = reader.read(&mut block)?;
            block.truncate(count);
            let mut block = Bytes::from(block);
            if block.is_empty() {
                stream.send_data(block, true).map_err(|error| stream_failure(&error))?;
                return Ok(None);
            }
            while !block.is_empty() {
                stream.reserve_capacity(block.len());
                let step = poll_fn(|cx| {
                    if let Poll::Ready(response) = Pin::new(&mut *response).poll(cx) {
                        return Poll::Ready(Step::Response(Box::new(response)));
                    }
                    stream.poll_capacity(cx).map(Step::Capacity)
                });
                match self.driver.drive(step, control)? {
                    Step::Response(response) => return Ok(Some(*response)),
                    Step::Capacity(Some(Ok(room))) => {
                        let part = block.split_to(room.min(block.len()));
                        let count = part.len();
                        stream.send_data(part, false).map_err(|error| stream_failure(&error))?;
                        control.sent(count)?;
                    }
                    Step::Capacity(Some(Err(error))) => return Err(stream_failure(&error)),
                    Step::Capacity(None) => return Ok(None),
                }
            }
        }
    }

    /// Takes the body; whether all of it was read.
    fn download(
        &mut self,
        mut body: RecvStream,
        flow: Flow,
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<bool> {
        let mut dropped = 0;
        while let Some(data) = self.driver.drive(poll_fn(|cx| body.poll_data(cx)), control)? {
            let data = data.map_err(|error| stream_failure(&error))?;
            if flow == Flow::Deliver {
                observer.body(&data)?;
                control.received(data.len())?;
            } else {
                dropped += data.len();
                if dropped > DISCARD_MOST {
                    return Ok(false);
                }
            }
            let _ = body.flow_control().release_capacity(data.len());
        }
        let trailers = self.driver.drive(poll_fn(|cx| body.poll_trailers(cx)), control)?;
        if let Some(trailers) = trailers.map_err(|error| stream_failure(&error))? {
            let mut raw = Vec::new();
            write_fields(&trailers, &mut raw);
            observer.note(Part::Trailers(&raw));
        }
        Ok(true)
    }
}

enum Step {
    Response(Box<Result<http::Response<RecvStream>, h2::Error>>),
    Capacity(Option<Result<usize, h2::Error>>),
}

impl Driver {
    /// Runs `future` while the connection is looked after.
    fn drive<F: Future>(&mut self, future: F, control: &mut Control) -> Result<F::Output> {
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                if !self.closed {
                    self.closed = self.turn(&mut cx)?;
                }
                return Ok(output);
            }
            if self.closed {
                return Err(Failure::new(Exit::Http2, "the server closed the HTTP/2 connection"));
            }
            self.closed = self.turn(&mut cx)?;
            if flag.0.swap(false, Ordering::Relaxed) || self.closed {
                continue;
            }
            wait(&self.shared, control)?;
        }
    }

    /// Lets the connection go on; whether it ended.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool> {
        {
            let mut shared = self.shared.borrow_mut();
            (shared.reads, shared.writes) = (false, false);
        }
        match Pin::new(&mut self.connection).poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(())) => Ok(true),
            Poll::Ready(Err(error)) => Err(framing(&error)),
        }
    }
}

/// Runs a future that owns the connection.
fn settle<F: Future>(future: F, shared: &Rc<RefCell<Shared>>, control: &mut Control) -> Result<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        wait(shared, control)?;
    }
}

fn wait(shared: &Rc<RefCell<Shared>>, control: &mut Control) -> Result<()> {
    let shared = shared.borrow();
    let neither = !shared.reads && !shared.writes;
    control.wait(&mut [shared.connection.ready(shared.reads || neither, shared.writes)])
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.0.borrow_mut();
        match would_block(shared.connection.try_read(buf.initialize_unfilled()))? {
            Some(count) => {
                buf.advance(count);
                Poll::Ready(Ok(()))
            }
            None => {
                shared.reads = true;
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        match would_block(shared.connection.try_write(buf))? {
            Some(count) => Poll::Ready(Ok(count)),
            None => {
                shared.writes = true;
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.0.borrow_mut();
        match would_block(shared.connection.try_flush())? {
            Some(()) => Poll::Ready(Ok(())),
            None => {
                shared.writes = true;
                Poll::Pending
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The request in the crate's form.
fn message(request: &Request) -> Result<http::Request<()>> {
    let host = request
        .header("host")
        .map(|value| String::from_utf8_lossy(value).into_owned());
    let authority = host.unwrap_or_else(|| request.url.authority());
    let target = request.target.clone().unwrap_or_else(|| request.url.target());
    let uri = format!("{}://{authority}{target}", request.url.scheme);
    let mut builder = http::Request::builder().method(request.method.as_str()).uri(uri);
    for header in request.headers.iter().filter(|header| !is_hop(&header.name)) {
        builder = builder.header(header.name.to_ascii_lowercase(), header.value.as_slice());
    }
    builder
        .body(())
        .map_err(|error| Failure::new(Exit::BadArgument, format!("no request for HTTP/2: {error}")))
}

/// Fields of a single connection of HTTP/1, and the one that HTTP/2 writes in another way.
fn is_hop(name: &str) -> bool {
    const HOP: [&str; 7] = [
        "host",
        "connection",
        "transfer-encoding",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "expect",
    ];
    HOP.iter().any(|hop| hop.eq_ignore_ascii_case(name))
}

/// The request as HTTP/1 would write it, for the curious.
fn shown_request(request: &Request) -> Result<Vec<u8>> {
    let mut shown = request.clone();
    shown
        .headers
        .retain(|header| !is_hop(&header.name) || header.name.eq_ignore_ascii_case("host"));
    for header in &mut shown.headers {
        if !header.name.eq_ignore_ascii_case("host") {
            header.name.make_ascii_lowercase();
        }
    }
    let head = String::from_utf8_lossy(&shown.head(false)?).replacen(" HTTP/1.1\r\n", " HTTP/2\r\n", 1);
    Ok(head.into_bytes())
}

fn head_of(parts: &http::response::Parts) -> Head {
    let mut raw = format!("HTTP/2 {} \r\n", parts.status.as_u16()).into_bytes();
    write_fields(&parts.headers, &mut raw);
    raw.extend(b"\r\n");
    let fields = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    Head {
        version: "2",
        status: parts.status.as_u16(),
        fields: fields.collect(),
        raw,
    }
}

fn write_fields(fields: &http::HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        out.extend(name.as_str().as_bytes());
        out.extend(b": ");
        out.extend(value.as_bytes());
        out.extend(b"\r\n");
    }
}

fn framing(error: &h2::Error) -> Failure {
    match error.get_io() {
        Some(error) => super::connection::receive_failure(error),
        None => Failure::new(Exit::Http2, format!("Error in the HTTP2 framing layer: {error}")),
    }
}

fn stream_failure(error: &h2::Error) -> Failure {
    match error.reason() {
        Some(reason) if error.is_reset() => {
            let text = format!(
                "HTTP/2 stream was not closed cleanly: {reason:?} (err {})",
                u32::from(reason)
            );
            Failure::new(Exit::Http2Stream, text)
        }
        _ => framing(error),
    }
}

/// Window of a stream.
const WINDOW: u32 = 8 * 1024 * 1024;
/// Largest frame that is taken.
const FRAME: u32 = 256 * 1024;
/// Largest head that is taken.
const HEADS_MOST: u32 = 300 * 1024;
/// Bytes sent at once.
const BLOCK: usize = 256 * 1024;
/// Most bytes of an unwanted body that are read to keep a connection.
const DISCARD_MOST: usize = 1024 * 1024;

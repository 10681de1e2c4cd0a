//! HTTP/1.0 and 1.1 over one connection: one request, its heads, its body.
//!
//! A body goes from the socket into one large buffer and from there to the observer. While a request's body is sent the
//! connection is read too, so that a server that refuses early is heard.

use super::connection::{Connection, would_block};
use super::control::Control;
use super::failure::{Exit, Failure, Result};
use super::framing::{Chunk, Framing};
use super::head::{Head, end_of_head, no_http};
use super::observe::{Flow, Observer, Part};
use super::request::{Request, Version};
use std::time::{Duration, Instant};

/// What came of a request.
pub(super) struct Done {
    /// The final head.
    pub(super) head: Head,
    /// The connection can serve again.
    pub(super) reusable: bool,
}

/// One request over one connection.
pub(super) struct Exchange<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) request: &'a Request,
    /// The request goes to a proxy, not through a tunnel.
    pub(super) proxied: bool,
    pub(super) control: &'a mut Control,
    pub(super) observer: &'a mut dyn Observer,
    /// Received and not used yet.
    inbox: Vec<u8>,
    searched: usize,
    heads: usize,
    sent_all: bool,
}

impl<'a> Exchange<'a> {
    /// Prepares.
    pub(super) fn new(
        connection: &'a mut Connection,
        request: &'a Request,
        proxied: bool,
        control: &'a mut Control,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self {
            connection,
            request,
            proxied,
            control,
            observer,
            inbox: Vec::new(),
            searched: 0,
            heads: 0,
            sent_all: true,
        }
    }

    /// Sends the request and takes the response.
    pub(super) fn run(mut self) -> Result<Done> {
        let head = self.request.head(self.proxied)?;
        self.control.times.pretransfer = self.control.elapsed();
        self.observer.note(Part::Request(&head));
        let early = match self.send(head) {
            Err(failure) if failure.exit == Exit::Send => {
                self.sent_all = false;
                // A server that refuses a body may close before it has all of it; what it said matters more.
                Some(self.next_head().map_err(|_| failure)?)
            }
            sent => sent?,
        };
        let head = match early {
            Some(head) => head,
            None => self.next_head()?,
        };
        let mut head = head;
        while head.is_interim() {
            self.observer.head(&head)?;
            head = self.next_head()?;
        }
        let framing = if head.version == "0.9" {
            Framing::Close
        } else {
            Framing::of(&head, &self.request.method)?
        };
        if let Framing::Length(length) = framing {
            self.control.counts.down_total = Some(length);
        }
        let flow = self.observer.head(&head)?;
        let whole = flow != Flow::Stop && self.body(framing, flow)?;
        let reusable = whole && self.sent_all && self.inbox.is_empty() && keeps_alive(&head, self.request);
        Ok(Done { head, reusable })
    }

    fn send(&mut self, mut first: Vec<u8>) -> Result<Option<Head>> {
        self.control.counts.requests += first.len() as u64;
        let mut reader = self.request.body.open();
        let chunked = self
            .request
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
        let expects = self
            .request
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
        let mut body = 0;
        if !expects {
            body = append(&mut reader, &mut first, chunked)?;
        }
        self.write(&first)?;
        if expects && let Some(head) = self.await_continue()? {
            self.sent_all = false;
            return Ok(Some(head));
        }
        let mut more = expects || body > 0;
        self.control.sent(body)?;
        let mut block = Vec::with_capacity(BLOCK + 32);
        while more && self.request.body.is_some() {
            block.clear();
            let count = append(&mut reader, &mut block, chunked)?;
            more = count > 0;
            if let Some(head) = self.write_listening(&block)? {
                self.sent_all = false;
                return Ok(Some(head));
            }
            self.control.sent(count)?;
        }
        Ok(None)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.connection.write_all(bytes, self.control)
    }

    /// Waits a moment for leave to send the body; a final head if that is what came.
    fn await_continue(&mut self) -> Result<Option<Head>> {
        let until = Instant::now() + CONTINUE_TIME;
        loop {
            if let Some(head) = self.head_in_inbox()? {
                if head.status == 100 {
                    self.observer.head(&head)?;
                    return Ok(None);
                }
                if !head.is_interim() {
                    return Ok(Some(head));
                }
                self.observer.head(&head)?;
                continue;
            }
            let goes_on = match self.fill()? {
                Some(count) => count > 0,
                None => self
                    .control
                    .wait_until(&mut [self.connection.ready(true, false)], Some(until))?,
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    /// Writes a block; a final head if the server sent a refusal meanwhile.
    fn write_listening(&mut self, mut bytes: &[u8]) -> Result<Option<Head>> {
        let mut listening = true;
        while !bytes.is_empty() {
            match would_block(self.connection.try_write(bytes)).map_err(|error| Failure::send(&error))? {
                Some(count) => bytes = bytes.get(count..).unwrap_or_default(),
                None => self.control.wait(&mut [self.connection.ready(listening, true)])?,
            }
            if !listening || self.inbox.len() > BLOCK {
                continue;
            }
            listening = self.fill()? != Some(0);
            while let Some(head) = self.head_in_inbox()? {
                if head.is_interim() {
                    self.observer.head(&head)?;
                } else {
                    return Ok(Some(head));
                }
            }
        }
        while would_block(self.connection.try_flush())
            .map_err(|error| Failure::send(&error))?
            .is_none()
        {
            self.control.wait(&mut [self.connection.ready(false, true)])?;
        }
        Ok(None)
    }

    /// Takes what is there into the inbox: `None` for nothing, 0 at the end.
    fn fill(&mut self) -> Result<Option<usize>> {
        let before = self.inbox.len();
        self.inbox.resize(before + HEAD_BLOCK, 0);
        let room = self.inbox.get_mut(before..).unwrap_or_default();
        let read = would_block(self.connection.try_read(room));
        let count = read.as_ref().ok().copied().flatten().unwrap_or(0);
        self.inbox.truncate(before + count);
        if count > 0 && before == 0 && self.heads == 0 {
            self.control.times.first_byte = self.control.elapsed();
        }
        read.map_err(|error| super::connection::receive_failure(&error))
    }

    fn next_head(&mut self) -> Result<Head> {
        loop {
            if let Some(head) = self.head_in_inbox()? {
                return Ok(head);
            }
            match self.fill() {
                Ok(None) => self.control.wait(&mut [self.connection.ready(true, false)])?,
                Ok(Some(0)) if self.inbox.is_empty() => return Err(nothing()),
                Ok(Some(0)) => return self.cut_head(),
                Ok(Some(_)) => {}
                Err(mut failure) => {
                    failure.stale = self.inbox.is_empty() && self.heads == 0;
                    return Err(failure);
                }
            }
        }
    }

    /// What to make of an answer that ended before its head did.
    fn cut_head(&mut self) -> Result<Head> {
        if self.request.http09 && !b"HTTP/".starts_with(self.inbox.get(..5).unwrap_or(&self.inbox)) {
            return Ok(Head {
                version: "0.9",
                status: 200,
                ..Head::default()
            });
        }
        check_beginning(&self.inbox)?;
        Err(Failure::new(
            Exit::Receive,
            "transfer closed in the middle of the response headers",
        ))
    }

    fn head_in_inbox(&mut self) -> Result<Option<Head>> {
        if self.request.http09 && check_beginning(&self.inbox).is_err() {
            return self.cut_head().map(Some);
        }
        check_beginning(&self.inbox)?;
        let end = end_of_head(&self.inbox, self.searched);
        self.searched = self.inbox.len();
        let size = self.heads + end.unwrap_or(self.inbox.len());
        if size > HEADS_MOST {
            let text = format!("Too large response headers: {size} > {HEADS_MOST}");
            return Err(Failure::new(Exit::Receive, text));
        }
        let Some(end) = end else { return Ok(None) };
        let rest = self.inbox.split_off(end);
        let raw = std::mem::replace(&mut self.inbox, rest);
        (self.searched, self.heads) = (0, size);
        self.control.counts.heads += raw.len() as u64;
        Head::parse(&raw).map(Some)
    }

    /// Takes the body; whether all of it was read.
    fn body(&mut self, mut framing: Framing, flow: Flow) -> Result<bool> {
        if framing == Framing::Empty || framing == Framing::Length(0) {
            return Ok(true);
        }
        let mut dropped = 0;
        let held = std::mem::take(&mut self.inbox);
        let mut rest = held.as_slice();
        let mut done = self.take(&mut framing, &mut rest, flow)?;
        self.inbox = rest.to_vec();
        let mut buf = vec![0; if flow == Flow::Deliver { BLOCK } else { HEAD_BLOCK }];
        while !done {
            if flow == Flow::Discard && dropped > DISCARD_MOST {
                return Ok(false);
            }
            let most = self.control.portion(buf.len());
            let room = buf.get_mut(..most).unwrap_or_default();
            let count = self.connection.read(room, self.control)?;
            if count == 0 {
                return self.ended(&framing);
            }
            dropped += count;
            let mut bytes = room.get(..count).unwrap_or_default();
            done = self.take(&mut framing, &mut bytes, flow)?;
            self.inbox.extend_from_slice(bytes);
        }
        Ok(true)
    }

    /// Uses up `bytes` as far as the body goes; whether it is complete.
    fn take(&mut self, framing: &mut Framing, bytes: &mut &[u8], flow: Flow) -> Result<bool> {
        match framing {
            Framing::Empty => Ok(true),
            Framing::Close => {
                let all = std::mem::take(bytes);
                self.deliver(all, flow)?;
                Ok(false)
            }
            Framing::Length(left) => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                let (mine, rest) = bytes.split_at(most);
                (*bytes, *left) = (rest, *left - most as u64);
                self.deliver(mine, flow)?;
                Ok(*left == 0)
            }
            Framing::Chunked(chunks) => loop {
                match chunks.next(bytes)? {
                    Chunk::Data(data) => self.deliver(data, flow)?,
                    Chunk::More => return Ok(false),
                    Chunk::End => {
                        if chunks.trailers.len() > 2 {
                            self.observer.note(Part::Trailers(&chunks.trailers));
                        }
                        return Ok(true);
                    }
                }
            },
        }
    }

    fn deliver(&mut self, bytes: &[u8], flow: Flow) -> Result<()> {
        if bytes.is_empty() || flow != Flow::Deliver {
            return Ok(());
        }
        self.observer.body(bytes)?;
        self.control.received(bytes.len())
    }

    fn ended(&self, framing: &Framing) -> Result<bool> {
        let text = match framing {
            Framing::Close | Framing::Empty => return Ok(false),
            Framing::Length(left) => format!("transfer closed with {left} bytes remaining to read"),
            Framing::Chunked(_) => "transfer closed with outstanding read data remaining".to_owned(),
        };
        Err(Failure::new(Exit::PartialFile, text))
    }
}

/// Reads a head and not a byte more, as the beginning of a tunnel must.
pub(super) fn read_head_exactly(connection: &mut Connection, control: &mut Control) -> Result<Head> {
    let mut raw = Vec::new();
    while end_of_head(&raw, raw.len().saturating_sub(1)).is_none() {
        let mut byte = [0];
        if connection.read(&mut byte, control)? == 0 {
            return Err(Failure::new(Exit::Receive, "Proxy CONNECT aborted"));
        }
        raw.push(byte[0]);
        check_beginning(&raw)?;
        if raw.len() > HEADS_MOST {
            return Err(Failure::new(Exit::Receive, "Too large response headers from the proxy"));
        }
    }
    Head::parse(&raw)
}

/// Adds a block of the body to `out`, framed; returns how many body bytes.
fn append(reader: &mut super::body::Reader, out: &mut Vec<u8>, chunked: bool) -> Result<usize> {
    let mut data = vec![0; BLOCK];
    let count = reader.read(&mut data)?;
    let data = data.get(..count).unwrap_or_default();
    if chunked {
        out.extend(format!("{count:x}\r\n").as_bytes());
        out.extend(data);
        out.extend(b"\r\n");
    } else {
        out.extend(data);
    }
    Ok(count)
}

fn keeps_alive(head: &Head, request: &Request) -> bool {
    let wanted = request.version != Version::Http10 || head.has_token("connection", "keep-alive");
    let asked = request
        .header("connection")
        .is_none_or(|value| !value.eq_ignore_ascii_case(b"close"));
    let ambiguous = head.values("transfer-encoding").next().is_some() && head.values("content-length").next().is_some();
    let agreed = match head.version {
        "1.1" => !head.has_token("connection", "close"),
        _ => head.has_token("connection", "keep-alive"),
    };
    wanted && asked && agreed && !ambiguous && head.status != 101
}

fn check_beginning(bytes: &[u8]) -> Result<()> {
    let known = b"HTTP/";
    let most = bytes.len().min(known.len());
    if bytes.get(..most) == known.get(..most) {
        Ok(())
    } else {
        Err(no_http())
    }
}

fn nothing() -> Failure {
    let mut failure = Failure::new(Exit::GotNothing, "Empty reply from server");
    failure.stale = true;
    failure
}

/// Bytes moved at once.
const BLOCK: usize = 256 * 1024;
/// Bytes read at once while a head is awaited.
const HEAD_BLOCK: usize = 16 * 1024;
/// Most bytes of all heads of a response.
const HEADS_MOST: usize = 300 * 1024;
/// Most bytes of an unwanted body that are read to keep a connection.
const DISCARD_MOST: usize = 1024 * 1024;
/// How long leave to send a body is awaited.
const CONTINUE_TIME: Duration = Duration::from_secs(1);

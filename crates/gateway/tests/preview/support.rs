//! A proxy with one actor behind it, whose guest is a script, and clients that write their requests themselves.

use agentos_actor::ManualClock;
use agentos_gateway::preview::{
    Form, Grant, GuestConnection, PreviewHost, PreviewOptions, PreviewProxy, Previews, Refusal, Token, Visitor, Waiting,
};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

pub const TOKEN: &str = "0123456789abcdefghijklmnopqrstuv";
pub const WRONG: &str = "vutsrqponmlkjihgfedcba9876543210";
pub const PORT: u16 = 8080;

/// What the pipes between the parties hold; small, so that back-pressure shows.
pub const PIPE: usize = 16 << 10;

/// The guest's end of one connection.
pub struct Guest(pub DuplexStream);

impl Guest {
    /// The head of the request.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a whole head"));
        }
        String::from_utf8(head).unwrap()
    }

    pub async fn write(&mut self, text: &str) {
        // The other side may be gone; that is for the test to find out.
        let _ = self.0.write_all(text.as_bytes()).await;
    }

    /// Waits until the proxy has let go of the connection.
    pub async fn gone(mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
    }
}

type Opened = Result<GuestConnection, Refusal>;

/// An actor `a1` with one valid token.
pub struct Actor {
    waiting: Mutex<VecDeque<Opened>>,
    pub revoked: watch::Sender<bool>,
    /// How often a token was looked up.
    pub asked: Mutex<u32>,
}

/// What the proxy knows the actor by.
struct Known(Arc<Actor>);

impl Previews for Known {
    fn authorize<'a>(
        &'a self,
        actor: Option<&'a str>,
        token: &'a Token,
    ) -> Waiting<'a, Result<Arc<dyn Grant>, Refusal>> {
        *self.0.asked.lock() += 1;
        let valid = actor.is_none_or(|actor| actor == "a1") && token.secret() == TOKEN && !*self.0.revoked.borrow();
        let grant: Arc<dyn Grant> = Arc::new(Valid(self.0.clone()));
        Box::pin(async move { if valid { Ok(grant) } else { Err(Refusal::Denied) } })
    }
}

struct Valid(Arc<Actor>);

impl Grant for Valid {
    fn actor(&self) -> &str {
        "a1"
    }

    fn port(&self) -> u16 {
        PORT
    }

    fn open(&self) -> Waiting<'_, Opened> {
        let next = self.0.waiting.lock().pop_front();
        Box::pin(async move { next.unwrap_or(Err(Refusal::NoListener)) })
    }

    fn ended(&self) -> Waiting<'static, ()> {
        let mut revoked = self.0.revoked.subscribe();
        Box::pin(async move {
            let _ = revoked.wait_for(|revoked| *revoked).await;
        })
    }
}

/// The proxy and what is around it.
pub struct House {
    pub proxy: PreviewProxy,
    pub actor: Arc<Actor>,
    pub clock: ManualClock,
}

pub fn house() -> House {
    house_with(|_| {})
}

pub fn house_with(change: impl FnOnce(&mut PreviewOptions)) -> House {
    let actor = Arc::new(Actor {
        waiting: Mutex::default(),
        revoked: watch::channel(false).0,
        asked: Mutex::new(0),
    });
    let clock = ManualClock::default();
    let mut options = PreviewOptions::default();
    options.host = PreviewHost::parse("preview.test");
    options.gateway_token = Some("gatesecret".to_owned());
    change(&mut options);
    let proxy = PreviewProxy::with_clock(Arc::new(Known(actor.clone())), options, Arc::new(clock.clone()));
    House { proxy, actor, clock }
}

impl House {
    /// The next connection to the guest.
    pub fn guest(&self) -> Guest {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        self.actor.waiting.lock().push_back(Ok(Box::new(theirs)));
        Guest(ours)
    }

    pub fn refuse(&self, refusal: Refusal) {
        self.actor.waiting.lock().push_back(Err(refusal));
    }

    /// A guest that reads the head, answers this, and tells what it read.
    pub fn canned(&self, answer: &'static str) -> tokio::task::JoinHandle<String> {
        let mut guest = self.guest();
        tokio::spawn(async move {
            let head = guest.head().await;
            guest.write(answer).await;
            head
        })
    }

    /// A client's connection, as the gateway serves one.
    pub fn client(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let proxy = self.proxy.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let proxy = proxy.clone();
            async move {
                let target = request
                    .uri()
                    .path_and_query()
                    .map_or("", |target| target.as_str())
                    .to_owned();
                let visitor = Visitor {
                    address: "192.0.2.7".parse().unwrap(),
                    secure: false,
                };
                let reply = proxy.answer(request, &target, visitor).await;
                if let Some(tunnel) = reply.tunnel {
                    tokio::spawn(tunnel);
                }
                Ok::<_, Infallible>(reply.response)
            }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(theirs), answer)
            .with_upgrades();
        tokio::spawn(serving);
        ours
    }

    /// A client that has asked, and the guest that has read the head of it.
    pub async fn asked(&self, request: String) -> (DuplexStream, Guest, String) {
        let (mut guest, mut client) = (self.guest(), self.client());
        client.write_all(request.as_bytes()).await.unwrap();
        let head = guest.head().await;
        (client, guest, head)
    }

    /// Sends bytes and gives back everything that comes.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.client();
        client.write_all(bytes.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        // A connection that ends in the middle of an answer is an end, too.
        let _ = client.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A request in one of the forms, with these header lines, on a connection of its own.
    pub async fn ask(&self, form: Form, method: &str, rest: &str, lines: &str) -> String {
        self.raw(request(form, TOKEN, method, rest, lines)).await
    }

    pub async fn get(&self, lines: &str) -> String {
        self.ask(Form::Path, "GET", "/", lines).await
    }
}

/// The bytes of a request; `lines` end with CR LF each.
pub fn request(form: Form, token: &str, method: &str, rest: &str, lines: &str) -> String {
    let (target, host) = match form {
        Form::Path => (
            format!("/gateway/a1/request/fetch/{token}{rest}"),
            "gate.test".to_owned(),
        ),
        Form::Origin => (rest.to_owned(), format!("{token}.preview.test")),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n")
}

pub fn status(answer: &str) -> u16 {
    let code = answer
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no answer: {answer:?}"));
    code.parse().unwrap()
}

pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

/// All values of a header of an answer, or of a request, in order.
pub fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let head = head.split("\r\n\r\n").next().unwrap();
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines
        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

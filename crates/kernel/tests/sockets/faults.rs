//! Everything that can go wrong on the way out, at every step. Whoever waits gets an answer.

use super::common::{Alarm, ready};
use super::ours::{Process, Setup, assert_unused};
use agentos_kernel::errno::Errno;
use agentos_kernel::events::{Event, EventSink};
use agentos_kernel::fd::{File, IoResult, PollEvents};
use agentos_kernel::id::Pid;
use agentos_kernel::net::{
    Datagrams, Domain, Egress, Kind, Lookup, MessageFlags, Net, NetworkConfig, OptionName, OptionValue, Outgoing,
    Query, Shutdown, Socket, SocketAddress, Stream,
};
use agentos_kernel::{Error, Result};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What one kind of call does, call after call; at the end of the list it waits.
type Steps = VecDeque<Step>;

#[derive(Debug, Clone)]
enum Step {
    /// Done, with so many bytes.
    Bytes(usize),
    Fail(Errno),
    Refuse(&'static str),
}

#[derive(Default)]
struct State {
    begin: Option<Error>,
    connected: Steps,
    reads: Steps,
    writes: Steps,
    waiting: Vec<Waker>,
    asked: Vec<Outgoing>,
    questions: Vec<Vec<u8>>,
    answers: VecDeque<Result<Vec<u8>>>,
    closed: usize,
}

/// A way out that does as it is told.
#[derive(Default)]
struct Scripted(Mutex<State>);

impl Scripted {
    /// Changes the script and lets everybody look again.
    fn now(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        change(&mut state);
        let woken = core::mem::take(&mut state.waiting);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    fn step(&self, of: impl FnOnce(&mut State) -> &mut Steps, waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.0.lock();
        match of(&mut state).pop_front() {
            Some(Step::Bytes(count)) => Poll::Ready(Ok(count)),
            Some(Step::Fail(errno)) => Poll::Ready(Err(errno.into())),
            Some(Step::Refuse(text)) => Poll::Ready(Err(Error::refused(text))),
            None => {
                state.waiting.extend(waker.cloned());
                Poll::Pending
            }
        }
    }
}

/// One stream, flow or question of the script.
struct One(Arc<Scripted>);

struct Way(Arc<Scripted>);

impl Egress for Way {
    fn connect(&self, request: &Outgoing) -> Result<Arc<dyn Stream>> {
        let mut state = self.0.0.lock();
        state.asked.push(*request);
        match state.begin.take() {
            Some(error) => Err(error),
            None => Ok(Arc::new(One(Arc::clone(&self.0)))),
        }
    }
    fn datagrams(&self, request: &Outgoing) -> Result<Arc<dyn Datagrams>> {
        self.connect(request)?;
        Ok(Arc::new(One(Arc::clone(&self.0))))
    }
    fn resolve(&self, _: &[u8], _: Option<Domain>, _: Pid) -> Result<Arc<dyn Lookup>> {
        Err(Errno::ENOENT.into())
    }
    fn query(&self, message: &[u8], _: Pid) -> Result<Arc<dyn Query>> {
        self.0.0.lock().questions.push(message.to_vec());
        Ok(Arc::new(One(Arc::clone(&self.0))))
    }
}

impl Stream for One {
    fn poll_connected(&self, waker: Option<&Waker>) -> IoResult<SocketAddr> {
        let step = self.0.step(|state| &mut state.connected, waker);
        step.map_ok(|_| (Ipv4Addr::LOCALHOST, 1).into())
    }
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.0
            .step(|state| &mut state.reads, waker)
            .map_ok(|count| count.min(buf.len()))
    }
    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.0
            .step(|state| &mut state.writes, waker)
            .map_ok(|count| count.min(data.len()))
    }
    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.0.0.lock();
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::IN, !state.reads.is_empty());
        ready.set(PollEvents::OUT, !state.writes.is_empty());
        ready &= interest;
        if ready.is_empty() {
            state.waiting.extend(waker.cloned());
        }
        ready
    }
    fn available(&self) -> u64 {
        0
    }
    fn shutdown(&self, _: Shutdown) {}
    fn close(&self, _: bool) {
        self.0.now(|state| state.closed += 1);
    }
    fn set_no_delay(&self, _: bool) {}
    fn take_error(&self) -> Option<Error> {
        None
    }
}

impl Datagrams for One {
    fn send(&self, _: &[u8], waker: Option<&Waker>) -> IoResult<()> {
        self.0.step(|state| &mut state.writes, waker).map_ok(drop)
    }
    fn receive(&self, _: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.0.step(|state| &mut state.reads, waker)
    }
    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        Stream::poll(self, interest, waker)
    }
    fn take_error(&self) -> Option<Error> {
        None
    }
    fn close(&self) {
        self.0.now(|state| state.closed += 1);
    }
}

impl Query for One {
    fn poll(&self, waker: Option<&Waker>) -> IoResult<Vec<u8>> {
        let mut state = self.0.0.lock();
        match state.answers.pop_front() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.waiting.extend(waker.cloned());
                Poll::Pending
            }
        }
    }
}

fn world() -> (Arc<Net>, Arc<Scripted>) {
    let script = Arc::new(Scripted::default());
    let setup = Setup {
        egress: Some(Arc::new(Way(Arc::clone(&script)))),
        ..Setup::default()
    };
    (setup.net(), script)
}

fn socket(net: &Arc<Net>, kind: Kind) -> Arc<Socket> {
    net.socket(Domain::Inet, kind, 0, &Process::new()).unwrap()
}

fn outside() -> SocketAddress {
    SocketAddress::Inet((Ipv4Addr::new(203, 0, 113, 7), 443).into())
}

fn connect(socket: &Socket, waker: Option<&Waker>) -> IoResult<()> {
    socket.connect(&outside(), &Process::new(), waker)
}

fn connected(net: &Arc<Net>, script: &Scripted) -> Arc<Socket> {
    let client = socket(net, Kind::Stream);
    script.now(|state| state.connected = [Step::Bytes(0)].into());
    ready(connect(&client, Some(Waker::noop()))).unwrap();
    client
}

/// Errors that a host reports for a connection.
const ERRORS: [Errno; 6] = [
    Errno::ECONNREFUSED,
    Errno::ETIMEDOUT,
    Errno::EHOSTUNREACH,
    Errno::ENETUNREACH,
    Errno::ECONNRESET,
    Errno::EACCES,
];

#[test]
fn a_refusal_before_the_attempt_is_the_answer() {
    let (net, script) = world();
    let client = socket(&net, Kind::Stream);
    for waker in [None, Some(Waker::noop())] {
        script.now(|state| state.begin = Some(Error::refused("EACCES: no")));
        let error = ready(connect(&client, waker)).unwrap_err();
        assert_eq!(error.denial().as_deref(), Some("EACCES: no"));
        assert_eq!(net.connections().used(), 0);
    }
    assert_eq!(
        script.0.lock().asked[0],
        Outgoing::new((Ipv4Addr::new(203, 0, 113, 7), 443).into(), Pid(7))
    );
    // Nothing came of it, so the next attempt is a first one.
    script.now(|state| state.connected = [Step::Bytes(0)].into());
    ready(connect(&client, Some(Waker::noop()))).unwrap();
    drop(client);
    assert_unused(&net);
}

#[test]
fn a_connection_that_fails_while_it_is_waited_for_tells_why() {
    for errno in ERRORS {
        let (net, script) = world();
        let (blocked, polled) = (socket(&net, Kind::Stream), socket(&net, Kind::Stream));
        let (alarm, waker) = Alarm::new();
        assert!(connect(&blocked, Some(&waker)).is_pending());
        assert!(blocked.read(&mut [0; 1], Some(&waker)).is_pending());
        assert_eq!(ready(connect(&polled, None)).unwrap_err(), Errno::EINPROGRESS);
        assert!(polled.poll(PollEvents::OUT, Some(&waker)).is_empty());
        assert_eq!(ready(connect(&polled, None)).unwrap_err(), Errno::EALREADY);
        script.now(|state| state.connected = [Step::Fail(errno), Step::Fail(errno)].into());
        assert!(alarm.rings() >= 2);
        assert_eq!(ready(connect(&blocked, Some(&waker))).unwrap_err(), errno);
        assert!(polled.poll(PollEvents::OUT, None).contains(PollEvents::ERR));
        assert_eq!(
            polled.option(OptionName::Error).unwrap(),
            OptionValue::Error(Some(errno))
        );
        assert_eq!(net.connections().used(), 0);
        assert_eq!(
            ready(blocked.peer_name().map_or_else(Poll::Ready, |_| Poll::Pending)),
            Errno::ENOTCONN
        );
        drop((blocked, polled));
        assert_unused(&net);
    }
}

#[test]
fn the_reason_of_a_background_refusal_is_kept_for_who_asks() {
    let (net, script) = world();
    let client = socket(&net, Kind::Stream);
    let _ = connect(&client, None);
    script.now(|state| state.connected = [Step::Refuse("EACCES: blocked outbound network access")].into());
    let error = client.pending_error().unwrap();
    assert_eq!(error.denial().unwrap(), "EACCES: blocked outbound network access");
    assert_eq!(client.pending_error(), None);
}

#[test]
fn every_call_that_waits_gets_an_answer() {
    for errno in [Errno::ECONNRESET, Errno::ETIMEDOUT, Errno::EPIPE] {
        let (net, script) = world();
        let client = connected(&net, &script);
        let (alarm, waker) = Alarm::new();
        let mut buf = [0; 8];
        assert!(client.read(&mut buf, Some(&waker)).is_pending());
        assert!(client.receive(&mut buf, MessageFlags::PEEK, Some(&waker)).is_pending());
        assert!(
            client
                .receive(&mut buf, MessageFlags::WAITALL, Some(&waker))
                .is_pending()
        );
        assert!(client.write(b"x", Some(&waker)).is_pending());
        assert!(client.poll(PollEvents::IN, Some(&waker)).is_empty());
        let fail = || Steps::from([Step::Fail(errno), Step::Fail(errno), Step::Fail(errno)]);
        script.now(|state| (state.reads, state.writes) = (fail(), fail()));
        assert!(alarm.rings() >= 5);
        assert_eq!(ready(client.read(&mut buf, None)).unwrap_err(), errno);
        assert_eq!(
            ready(client.receive(&mut buf, MessageFlags::PEEK, None)).unwrap_err(),
            errno
        );
        assert_eq!(
            ready(client.receive(&mut buf, MessageFlags::WAITALL, Some(&waker))).unwrap_err(),
            errno
        );
        assert_eq!(ready(client.write(b"x", None)).unwrap_err(), errno);
        drop(client);
        assert_eq!(script.0.lock().closed, 1, "closed once");
        assert_unused(&net);
    }
}

#[test]
fn what_came_before_an_error_is_read_before_it() {
    let (net, script) = world();
    let client = connected(&net, &script);
    let mut buf = [0; 8];
    script.now(|state| state.reads = [Step::Bytes(3), Step::Fail(Errno::ECONNRESET)].into());
    let got = ready(client.receive(&mut buf, MessageFlags::WAITALL, Some(Waker::noop()))).unwrap();
    assert_eq!(got.length, 3);
    assert_eq!(client.poll(PollEvents::IN, None), PollEvents::IN | PollEvents::ERR);
    assert_eq!(ready(client.read(&mut buf, None)).unwrap_err(), Errno::ECONNRESET);
    script.now(|state| state.reads = [2, 0, 0, 0, 0].map(Step::Bytes).into());
    let got = ready(client.receive(&mut buf, MessageFlags::WAITALL, Some(Waker::noop()))).unwrap();
    assert_eq!(got.length, 2, "the end comes before the rest");
    assert_eq!(ready(client.read(&mut buf, None)).unwrap(), 0);
    // A read that was shut down ends at once, whatever the peer does.
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!(ready(client.read(&mut buf, Some(Waker::noop()))).unwrap(), 0);
    assert!(client.poll(PollEvents::IN, None).contains(PollEvents::IN));
}

#[test]
fn closing_while_connecting_gives_everything_back() {
    let (net, script) = world();
    let client = socket(&net, Kind::Stream);
    let (alarm, waker) = Alarm::new();
    assert!(connect(&client, Some(&waker)).is_pending());
    client.close();
    assert!(alarm.rings() > 0, "the stream was closed, which wakes its waiters");
    assert_eq!(script.0.lock().closed, 1);
    drop(client);
    assert_unused(&net);
}

#[test]
fn datagram_errors_are_the_callers() {
    let (net, script) = world();
    let process = Process::new();
    let client = socket(&net, Kind::Datagram);
    script.now(|state| state.begin = Some(Error::refused("EACCES: no")));
    let to = outside();
    let send = |client: &Socket| client.send(b"x", MessageFlags::empty(), Some((&to, &process)), Some(Waker::noop()));
    assert_eq!(ready(send(&client)).unwrap_err(), Errno::EACCES);
    assert!(send(&client).is_pending());
    script.now(|state| state.writes = [Step::Fail(Errno::ENOBUFS), Step::Bytes(0)].into());
    assert_eq!(ready(send(&client)).unwrap_err(), Errno::ENOBUFS);
    assert_eq!(ready(send(&client)).unwrap(), 1);
    // An error of some earlier datagram is no news to a socket that has no peer.
    script.now(|state| state.reads = [Step::Fail(Errno::ECONNREFUSED), Step::Bytes(5)].into());
    assert!(client.read(&mut [0; 8], None).is_pending());
    assert_eq!(ready(client.read(&mut [0; 8], None)).unwrap(), 5);
    script.now(|state| state.begin = Some(Error::refused("EACCES: no")));
    let elsewhere = SocketAddress::Inet((Ipv4Addr::new(203, 0, 113, 8), 443).into());
    assert_eq!(
        ready(client.connect(&elsewhere, &process, None)).unwrap_err(),
        Errno::EACCES
    );
    assert!(client.peer_name().is_err(), "a refused peer is none");
}

fn question(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(b"\x07example\x03org\0\0\x01\0\x01");
    message
}

const RESOLVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), 53);

#[test]
fn the_resolver_answers_datagrams() {
    let (net, script) = world();
    let process = Process::new();
    let client = socket(&net, Kind::Datagram);
    let to = SocketAddress::Inet(RESOLVER);
    let (alarm, waker) = Alarm::new();
    let send = |data: &[u8]| ready(client.send(data, MessageFlags::empty(), Some((&to, &process)), None)).unwrap();
    send(&question(7));
    send(b"nonsense");
    let mut buf = [0; 1000];
    assert!(
        client
            .receive(&mut buf, MessageFlags::empty(), Some(&waker))
            .is_pending()
    );
    assert!(client.poll(PollEvents::IN, Some(&waker)).is_empty());
    let mut long = question(7);
    long.resize(700, 9);
    script.now(|state| state.answers = [Ok(question(7)), Ok(long)].into());
    assert!(alarm.rings() > 0);
    let got = ready(client.receive(&mut buf, MessageFlags::empty(), None)).unwrap();
    assert_eq!((&buf[..got.length], got.source), (&question(7)[..], Some(to.clone())));
    send(&question(7));
    let got = ready(client.receive(&mut buf, MessageFlags::empty(), None)).unwrap();
    assert_eq!(
        (got.length, buf[2] & 2),
        (question(7).len(), 2),
        "cut, and marked as cut"
    );
    assert_eq!(script.0.lock().questions.len(), 2, "nonsense went nowhere");
    // Questions that nobody answers are forgotten, not piled up.
    for _ in 0..500 {
        send(&question(1));
    }
    drop(client);
    assert_unused(&net);
}

#[test]
fn the_resolver_answers_streams() {
    let (net, script) = world();
    let process = Process::new();
    let client = socket(&net, Kind::Stream);
    ready(client.connect(&SocketAddress::Inet(RESOLVER), &process, Some(Waker::noop()))).unwrap();
    assert_eq!(client.peer_name().unwrap(), SocketAddress::Inet(RESOLVER));
    let framed = |message: Vec<u8>| [(message.len() as u16).to_be_bytes().to_vec(), message].concat();
    let asked = framed(question(3));
    let (alarm, waker) = Alarm::new();
    for byte in &asked {
        ready(client.write(&[*byte], None)).unwrap();
    }
    let mut buf = [0; 1000];
    assert!(client.read(&mut buf, Some(&waker)).is_pending());
    let mut long = question(3);
    long.resize(700, 9);
    script.now(|state| state.answers = [Ok(long.clone())].into());
    assert!(alarm.rings() > 0);
    let count = ready(client.read(&mut buf, None)).unwrap();
    assert_eq!(buf[..count], framed(long));
    // A failure closes the connection, as a server would; so does nonsense.
    ready(client.write(&asked, None)).unwrap();
    script.now(|state| state.answers = [Err(Errno::EAGAIN.into())].into());
    assert_eq!(ready(client.read(&mut buf, Some(&waker))).unwrap(), 0);
    let rude = socket(&net, Kind::Stream);
    ready(rude.connect(&SocketAddress::Inet(RESOLVER), &process, Some(Waker::noop()))).unwrap();
    ready(rude.write(&[0, 1, 7], None)).unwrap();
    assert_eq!(ready(rude.read(&mut buf, Some(&waker))).unwrap(), 0);
    assert_eq!(ready(rude.write(&asked, None)).unwrap_err(), Errno::EPIPE);
    drop((client, rude));
    assert_unused(&net);
}

/// A guest that asks without end, and never reads, finds that writing stops.
#[test]
fn questions_of_a_stream_are_bounded() {
    let (net, _script) = world();
    let client = socket(&net, Kind::Stream);
    ready(client.connect(&SocketAddress::Inet(RESOLVER), &Process::new(), Some(Waker::noop()))).unwrap();
    let asked = [(question(1).len() as u16).to_be_bytes().to_vec(), question(1)]
        .concat()
        .repeat(100);
    let mut written = 0;
    while let Poll::Ready(Ok(count)) = client.write(&asked, None) {
        written += count;
        assert!(written < 100_000, "it never stops");
    }
    drop(client);
    assert_unused(&net);
}

#[test]
fn listeners_stay_where_the_operator_wants_them() {
    let net = |config: NetworkConfig, policy: &str| {
        let policy = agentos_kernel::policy::Policy::from_json(&serde_json::from_str(policy).unwrap()).unwrap();
        let setup = Setup {
            config,
            policy: Arc::new(policy),
            ..Setup::default()
        };
        setup.net()
    };
    let process = Process::new();
    let listen = |net: &Arc<Net>, port: u16| {
        let socket = socket(net, Kind::Stream);
        socket.bind(&SocketAddress::Inet((Ipv4Addr::UNSPECIFIED, port).into()), &process)?;
        socket.listen(1, &process)?;
        Ok::<_, Error>(socket.name())
    };
    let mut config = NetworkConfig::default();
    config.listen_ports = 3000..=3002;
    let narrow = net(config.clone(), "\"default\"");
    let error = listen(&narrow, 4000).unwrap_err();
    assert_eq!(error, Errno::EACCES);
    assert_eq!(
        error.denial().unwrap(),
        "EACCES: permission denied, tcp://0.0.0.0:4000: network.listen gives ports 3000 to 3002 to guests"
    );
    listen(&narrow, 3001).unwrap();
    for _ in 0..3 {
        match listen(&narrow, 0).unwrap() {
            SocketAddress::Inet(address) => assert!(config.listen_ports.contains(&address.port())),
            other => panic!("{other:?}"),
        }
    }
    let datagrams = socket(&narrow, Kind::Datagram);
    let at = |port: u16| SocketAddress::Inet((Ipv4Addr::LOCALHOST, port).into());
    assert_eq!(datagrams.bind(&at(4000), &process).unwrap_err(), Errno::EACCES);
    datagrams.bind(&at(3000), &process).unwrap();

    config.listen_ports = 1..=100;
    config.allow_privileged = true;
    listen(&net(config, "\"default\""), 80).unwrap();

    let locked = net(NetworkConfig::default(), "\"locked\"");
    assert!(matches!(listen(&locked, 8080).unwrap_err(), Error::Denied(_)));
    assert!(matches!(
        socket(&locked, Kind::Datagram).bind(&at(8080), &process).unwrap_err(),
        Error::Denied(_)
    ));
}

/// Keeps what was reported.
#[derive(Default)]
struct Reported(Mutex<Vec<String>>);

impl EventSink for Reported {
    fn emit(&self, event: Event) {
        if let Event::Audit(event) = event {
            self.0.lock().push(event.to_json().to_string());
        }
    }
}

#[test]
fn the_policy_is_asked_about_sockets_of_the_vm() {
    let process = Process::new();
    let local = SocketAddress::Inet((Ipv4Addr::LOCALHOST, 8080).into());
    let world = |policy: &str| {
        let policy = agentos_kernel::policy::Policy::from_json(&serde_json::from_str(policy).unwrap()).unwrap();
        let setup = Setup {
            policy: Arc::new(policy),
            ..Setup::default()
        };
        let (net, audit, reported) = setup.reporting(Arc::new(Reported::default()));
        let listener = socket(&net, Kind::Stream);
        listener.bind(&local, &process).unwrap();
        listener.listen(4, &process).unwrap();
        let receiver = socket(&net, Kind::Datagram);
        receiver.bind(&local, &process).unwrap();
        (net, audit, reported, [listener, receiver])
    };
    let connect = |net: &Arc<Net>| ready(socket(net, Kind::Stream).connect(&local, &process, Some(Waker::noop())));
    let send = |net: &Arc<Net>| {
        let sender = socket(net, Kind::Datagram);
        ready(sender.send(b"x", MessageFlags::empty(), Some((&local, &process)), None)).map(drop)
    };
    // The rule that every rule set begins with.
    let rules = r#"{"network": {"default": "deny", "rules": [{"mode": "deny", "operations": ["dns"]}]}}"#;
    let (net, _, _, _sockets) = world(rules);
    connect(&net).unwrap();
    send(&net).unwrap();

    let rules = r#"{"network": {"default": "allow", "rules": [
        {"mode": "deny", "operations": ["http", "udp"], "patterns": ["localhost:8080"]}]}}"#;
    let (net, audit, reported, sockets) = world(rules);
    let denied = |result: Result<()>| result.unwrap_err().denial().unwrap();
    let text = |scheme: &str, operation: &str| {
        format!("EACCES: permission denied, {scheme}://127.0.0.1:8080: blocked by network.{operation} policy")
    };
    assert_eq!(denied(connect(&net)), text("tcp", "http"));
    assert_eq!(denied(send(&net)), text("udp", "udp"));
    let (_, waker) = Alarm::new();
    assert!(
        sockets[1].read(&mut [0; 4], Some(&waker)).is_pending(),
        "nothing arrived"
    );
    audit.flush();
    let reported = reported.0.lock().join("\n");
    assert!(
        reported.contains("\"operation\":\"http\"") && reported.contains("\"operation\":\"udp\""),
        "{reported}"
    );
}

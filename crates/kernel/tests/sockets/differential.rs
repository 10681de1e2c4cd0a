//! Random scripts, run on both sides.
//!
//! Unix sockets answer at once on the host, so every answer must agree. The host's TCP and UDP deliver in the background:
//! where a call finds the host not ready yet, it is asked again for a moment. What a call that cannot be asked again said may
//! still be a matter of when the host came to deliver, which is late on a busy machine. So a script whose answers differ is run
//! again with more and more time between its calls: only a difference that time does not mend is one.

use super::bridge::Bridge;
use super::common::wait;
use super::host::Host;
use super::ours::{Ours, Process, Setup};
use super::world::{Answer, Call, NAMES, World};
use agentos_kernel::errno::Errno;
use agentos_kernel::net::{Domain, Kind, SocketAddress};
use proptest::prelude::*;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn call(domain: Domain, kinds: &'static [Kind]) -> impl Strategy<Value = Call> {
    let kind = prop::sample::select(kinds);
    let slot = 0usize..6;
    let name = 0usize..NAMES;
    let size = prop_oneof![3 => 0usize..200, 1 => 0usize..3000];
    let one = slot.clone();
    prop_oneof![
        3 => kind.clone().prop_map(move |kind| Call::Socket(domain, kind)),
        2 => kind.prop_map(Call::Pair),
        3 => (slot.clone(), name.clone()).prop_map(|(slot, name)| Call::Bind(slot, name)),
        2 => (slot.clone(), 0u32..3).prop_map(|(slot, backlog)| Call::Listen(slot, backlog)),
        4 => (slot.clone(), name.clone()).prop_map(|(slot, name)| Call::Connect(slot, name)),
        3 => slot.clone().prop_map(Call::Accept),
        6 => (slot.clone(), size.clone()).prop_map(|(slot, size)| Call::Send(slot, size)),
        2 => (slot.clone(), name, size.clone()).prop_map(|(slot, name, size)| Call::SendTo(slot, name, size)),
        6 => (slot, size, any::<bool>()).prop_map(|(slot, size, peek)| Call::Receive(slot, size, peek)),
        1 => one.clone().prop_map(Call::ShutRead),
        1 => one.clone().prop_map(Call::ShutWrite),
        1 => one.clone().prop_map(Call::ShutBoth),
        4 => one.clone().prop_map(Call::Poll),
        1 => one.clone().prop_map(Call::Error),
        1 => one.clone().prop_map(Call::Peer),
        1 => one.clone().prop_map(Call::Own),
        1 => one.clone().prop_map(Call::Available),
        2 => one.prop_map(Call::Close),
    ]
}

/// How long an answer of the host's may be late: only a disagreement takes that long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time that the host is given after each call, one run after the other.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(20),
    Duration::from_millis(200),
];

/// The outcome of the first run that succeeds, or of the last.
fn with_time(mut run: impl FnMut(Duration) -> Result<(), TestCaseError>) -> Result<(), TestCaseError> {
    let mut outcome = Ok(());
    for pause in PAUSES {
        outcome = run(pause);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn compare(domain: Domain, script: &[Call]) -> Result<(), TestCaseError> {
    match domain {
        Domain::Unix => compare_once(domain, script, Duration::ZERO),
        _ => with_time(|pause| compare_once(domain, script, pause)),
    }
}

fn compare_once(domain: Domain, script: &[Call], pause: Duration) -> Result<(), TestCaseError> {
    let (mut host, mut ours) = (Host::new(domain), Ours::new(domain));
    let mut log = Vec::new();
    let mut bound = Vec::new();
    for call in script {
        match call {
            // A TCP that connects to its own port finds itself, which is a curiosity that the kernel does not have.
            Call::Connect(slot, name) if domain != Domain::Unix && bound.contains(&(slot, name)) => continue,
            Call::Bind(slot, name) => bound.push((slot, name)),
            _ => {}
        }
        let ours = ours.call(call);
        let theirs = settle(&mut host, call, &ours, domain != Domain::Unix);
        std::thread::sleep(pause);
        log.push(format!("{call:?} -> {ours:?}"));
        prop_assert_eq!(&ours, &theirs, "ours, the host's; after\n{}", log.join("\n"));
    }
    Ok(())
}

/// The host's answer, given the time that its background work needs to reach the expected one.
fn settle(host: &mut Host, call: &Call, expected: &Answer, patient: bool) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = host.call(call);
        let unready = match call {
            Call::Poll(_) | Call::Available(_) | Call::Peer(_) => true,
            Call::Receive(_, _, true) => true,
            _ => answer == Answer::Failed(Errno::EAGAIN),
        };
        if answer == *expected || !patient || !unready || Instant::now() > until {
            return answer;
        }
        std::thread::yield_now();
    }
}

/// A connection from a socket of either kind to one of the host. Slot 0 is the client, slot 1 the server.
struct Ends<C> {
    client: C,
    server: Host,
}

impl<C: World> World for Ends<C> {
    fn call(&mut self, call: &Call) -> Answer {
        match at_first(call) {
            // A way out does not tell that there was nothing left to shut down.
            (0, call) => match self.client.call(&call) {
                Answer::Failed(Errno::ENOTCONN) => Answer::Done,
                answer => answer,
            },
            (_, call) => self.server.call(&call),
        }
    }
}

/// The slot of a call, and the call on slot 0.
fn at_first(call: &Call) -> (usize, Call) {
    match *call {
        Call::Send(slot, size) => (slot, Call::Send(0, size)),
        Call::Receive(slot, size, peek) => (slot, Call::Receive(0, size, peek)),
        Call::ShutRead(slot) => (slot, Call::ShutRead(0)),
        Call::ShutWrite(slot) => (slot, Call::ShutWrite(0)),
        Call::ShutBoth(slot) => (slot, Call::ShutBoth(0)),
        Call::Poll(slot) => (slot, Call::Poll(0)),
        Call::Error(slot) => (slot, Call::Error(0)),
        Call::Available(slot) => (slot, Call::Available(0)),
        Call::Close(slot) => (slot, Call::Close(0)),
        ref other => (0, other.clone()),
    }
}

fn call_of_ends() -> impl Strategy<Value = Call> {
    let slot = 0usize..2;
    let size = prop_oneof![3 => 0usize..200, 1 => 0usize..3000];
    let one = slot.clone();
    prop_oneof![
        6 => (slot.clone(), size.clone()).prop_map(|(slot, size)| Call::Send(slot, size)),
        6 => (slot, size, any::<bool>()).prop_map(|(slot, size, peek)| Call::Receive(slot, size, peek)),
        1 => one.clone().prop_map(Call::ShutRead),
        1 => one.clone().prop_map(Call::ShutWrite),
        1 => one.clone().prop_map(Call::ShutBoth),
        4 => one.clone().prop_map(Call::Poll),
        1 => one.clone().prop_map(Call::Error),
        2 => one.clone().prop_map(Call::Available),
        1 => one.prop_map(Call::Close),
    ]
}

/// A guest's connection out of the VM, beside one that the host made to the same listener.
fn compare_outside(script: &[Call]) -> Result<(), TestCaseError> {
    with_time(|pause| compare_outside_once(script, pause))
}

fn compare_outside_once(script: &[Call], pause: Duration) -> Result<(), TestCaseError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let server = || {
        let socket = listener.accept().unwrap().0;
        socket.set_nonblocking(true).unwrap();
        let mut host = Host::new(Domain::Inet);
        host.adopt(socket.into());
        host
    };
    let mut theirs = Host::new(Domain::Inet);
    let plain = TcpStream::connect(at).unwrap();
    plain.set_nonblocking(true).unwrap();
    theirs.adopt(plain.into());
    let mut theirs = Ends {
        client: theirs,
        server: server(),
    };
    let setup = Setup {
        egress: Some(Bridge::new()),
        ..Setup::default()
    };
    let net = setup.net();
    let process = Process::new();
    let client = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
    let outside = SocketAddress::Inet((Ipv4Addr::new(203, 0, 113, 7), at.port()).into());
    wait(|waker| client.connect(&outside, &process, waker)).unwrap();
    let mut ours = Ends {
        client: Ours::with(net, Domain::Inet, [client]),
        server: server(),
    };
    let mut log = Vec::new();
    for call in script {
        let until = Instant::now() + PATIENCE;
        let (mut one, mut other) = (ours.call(call), theirs.call(call));
        while one != other && Instant::now() < until {
            // Both deliver in the background, and either may be late.
            if may_repeat(call, &one) {
                one = ours.call(call);
            }
            if may_repeat(call, &other) {
                other = theirs.call(call);
            }
            std::thread::yield_now();
        }
        std::thread::sleep(pause);
        log.push(format!("{call:?} -> {one:?}"));
        prop_assert_eq!(&one, &other, "ours, the host's; after\n{}", log.join("\n"));
    }
    Ok(())
}

/// Whether a call that gave this answer had no effect.
fn may_repeat(call: &Call, answer: &Answer) -> bool {
    let looks = matches!(call, Call::Poll(_) | Call::Available(_) | Call::Receive(_, _, true));
    looks || *answer == Answer::Failed(Errno::EAGAIN)
}

/// Whoever reads without a buffer finds the end of the stream where the peer ended it before it reset the connection: the error
/// is the writer's.
#[test]
fn the_end_comes_before_the_reset() {
    let reset = [Call::ShutBoth(1), Call::Send(0, 1)];
    let after: [&[Call]; 4] = [
        &[Call::Receive(0, 0, false), Call::Receive(0, 1, false)],
        &[Call::Poll(0), Call::Receive(0, 0, false), Call::Error(0)],
        &[Call::Poll(0), Call::Receive(0, 0, true), Call::Send(0, 1)],
        &[Call::Poll(0), Call::Error(0), Call::Receive(0, 0, false)],
    ];
    for after in after {
        let script = [&reset, after].concat();
        compare_outside(&script).unwrap_or_else(|error| panic!("{script:?}: {error}"));
    }
}

/// Random scripts, as many as `PROPTEST_CASES` says if that is more than usual. Making a failure small takes a minute at most.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..ProptestConfig::with_cases(ProptestConfig::default().cases.max(600))
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn unix_streams(script in prop::collection::vec(call(Domain::Unix, &[Kind::Stream]), 1..50)) {
        compare(Domain::Unix, &script)?;
    }

    #[test]
    fn unix_datagrams(script in prop::collection::vec(call(Domain::Unix, &[Kind::Datagram]), 1..50)) {
        compare(Domain::Unix, &script)?;
    }

    #[test]
    fn unix_packets(script in prop::collection::vec(call(Domain::Unix, &[Kind::SeqPacket]), 1..50)) {
        compare(Domain::Unix, &script)?;
    }

    #[test]
    fn unix_kinds_mixed(script in prop::collection::vec(call(Domain::Unix, &[Kind::Stream, Kind::Datagram, Kind::SeqPacket]), 1..50)) {
        compare(Domain::Unix, &script)?;
    }

    #[test]
    fn udp(script in prop::collection::vec(call(Domain::Inet, &[Kind::Datagram]), 1..50)) {
        compare(Domain::Inet, &script)?;
    }

    #[test]
    fn tcp(script in prop::collection::vec(call(Domain::Inet, &[Kind::Stream]), 1..50)) {
        compare(Domain::Inet, &script)?;
    }

    #[test]
    fn inet6(script in prop::collection::vec(call(Domain::Inet6, &[Kind::Stream, Kind::Datagram]), 1..50)) {
        compare(Domain::Inet6, &script)?;
    }

    #[test]
    fn streams_outside(script in prop::collection::vec(call_of_ends(), 1..40)) {
        compare_outside(&script)?;
    }
}

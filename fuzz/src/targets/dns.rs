//! Name servers and guests that send whatever they like.
//!
//! The first byte chooses: the input is a guest's message to the VM's resolver, or what a server answers to an ordinary
//! question (the beginning of the answer fits the question, so that it is read at all).

use crate::input::Input;
use agentos_kernel::id::Pid;
use agentos_kernel::net::Egress;
use agentos_net::{DnsConfig, Guard, GuardConfig, Reach};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

/// What the server answers with, after the question that it was asked.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// A question for the addresses of `a.test`, as a guest writes it.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01";

/// Nothing panics, every question gets an answer, and no address in it is a blocked one.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let guests = input.flag();
    let rest = input.take(usize::MAX);
    let guard = guard();
    let mut question = QUESTION.to_vec();
    if guests {
        question = rest.to_vec();
    } else {
        *ANSWER.lock().expect("nobody panics with it") = rest.to_vec();
    }
    if let Ok(query) = guard.query(&question, Pid(1)) {
        let answer = wait(|waker| query.poll(waker)).expect("a question is answered");
        assert_eq!(answer.get(..2), question.get(..2), "the answer to another question");
    }
    if !guests {
        let lookup = guard.resolve(b"a.test", None, Pid(1)).expect("the name is one");
        let addresses: Vec<IpAddr> = wait(|waker| lookup.poll(waker)).unwrap_or_default();
        for address in addresses {
            assert_ne!(guard.classify(address).reach, Reach::Blocked, "{address}");
        }
    }
}

/// A guard of its own for every input: nothing is remembered from the one before.
fn guard() -> Guard {
    let mut config = GuardConfig::new(Arc::default());
    config.dns = Arc::new(DnsConfig::new(vec![server()], []));
    config.limits.dns_timeout = Duration::from_millis(30);
    Guard::new(config)
}

fn server() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let address = socket.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&answer(&buffer[..length]), from);
            }
        });
        address
    })
}

/// Id and question of what was asked; flags, counts and records out of the input.
fn answer(asked: &[u8]) -> Vec<u8> {
    let made = ANSWER.lock().expect("nobody panics with it").clone();
    let mut input = Input::new(&made);
    let question = asked
        .get(12..12 + b"\x01a\x04test\x00\x00\x01\x00\x01".len())
        .unwrap_or_default();
    let mut answer = asked.get(..2).unwrap_or_default().to_vec();
    answer.extend([0x81, 0x80 | (input.u8() & 0x0f), 0, 1]);
    for _ in 0..3 {
        answer.extend([0, input.u8() % 8]);
    }
    answer.extend(question);
    answer.extend(input.take(usize::MAX));
    answer
}

struct Signal(mpsc::Sender<()>);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

fn wait<T>(mut ask: impl FnMut(Option<&Waker>) -> Poll<T>) -> T {
    let (sender, receiver) = mpsc::channel();
    let waker = Waker::from(Arc::new(Signal(sender)));
    loop {
        if let Poll::Ready(answer) = ask(Some(&waker)) {
            return answer;
        }
        receiver
            .recv_timeout(Duration::from_secs(20))
            .expect("somebody wakes the waiting task");
    }
}

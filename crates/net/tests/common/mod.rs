//! What the tests of the guard share: a dialer that records, a name server that lies, and how to wait for answers.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod dialer;
pub mod naive;
pub mod server;

use agentos_kernel::id::Pid;
use agentos_kernel::net::{Egress, Outgoing};
use agentos_kernel::{Error, Result};
use agentos_net::{DnsConfig, Guard, GuardConfig};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Long enough for anything that is going to happen.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const PID: Pid = Pid(7);

struct Signal(mpsc::Sender<()>);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

/// Asks until there is an answer, each time after the waker was called.
pub fn wait<T>(mut ask: impl FnMut(Option<&Waker>) -> Poll<T>) -> T {
    let (sender, receiver) = mpsc::channel();
    let waker = Waker::from(Arc::new(Signal(sender)));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answer) = ask(Some(context.waker())) {
            return answer;
        }
        receiver.recv_timeout(PATIENCE).expect("nobody woke the waiting task");
        context = Context::from_waker(&waker);
    }
}

/// The addresses of a name.
pub fn resolve(guard: &Guard, name: &str) -> Result<Vec<IpAddr>> {
    let lookup = guard.resolve(name.as_bytes(), None, PID)?;
    wait(|waker| lookup.poll(waker))
}

/// Connects and waits for how it ends.
pub fn connect(guard: &Guard, to: SocketAddr) -> Result<SocketAddr> {
    let stream = guard.connect(&Outgoing::new(to, PID))?;
    wait(|waker| stream.poll_connected(waker))
}

/// A guard that asks one name server.
pub fn config(server: SocketAddr) -> GuardConfig {
    let mut config = GuardConfig::new(Arc::default());
    config.dns = Arc::new(DnsConfig::new(vec![server], []));
    config
}

/// The text of a refusal.
pub fn text(error: &Error) -> String {
    match error {
        Error::Refused(_) | Error::Denied(_) => error.to_string(),
        _ => format!("no denial: {error}"),
    }
}

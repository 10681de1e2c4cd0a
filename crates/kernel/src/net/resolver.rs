//! The resolver at 127.0.0.53:53, which the egress answers.
//!
//! A guest library that speaks DNS itself finds it in `/etc/resolv.conf`. Over UDP a message is a datagram, and an answer that
//! is longer than the guest said it could take comes back cut, which makes it ask over TCP; there a message follows its
//! length. Both keep a bounded number of questions open and do not take more until one of them is answered.

use super::stack::Net;
use super::way::RESOLVER;
use super::{Datagrams, Egress, Query, Shutdown, Stream};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fd::{IoResult, PollEvents, Waiters, Woken};
use crate::id::Pid;
use core::net::SocketAddr;
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Questions that one socket may have open.
const OPEN_MAX: usize = 16;
/// Bytes of a header, and of an answer that everybody can take over UDP.
const HEADER: usize = 12;
const UDP_MIN: usize = 512;
/// Largest question. One asks for a name; more is nonsense.
const QUESTION_MAX: usize = 4096;

/// Who asks, and whom.
struct Asker {
    net: Arc<Net>,
    egress: Arc<dyn Egress>,
    pid: Pid,
}

/// A question that waits for its answer, counted among those of the VM.
struct Open {
    query: Arc<dyn Query>,
    /// Longest answer that the asker takes.
    room: usize,
    net: Arc<Net>,
}

impl Asker {
    fn new(net: &Arc<Net>, egress: &Arc<dyn Egress>, pid: Pid) -> Self {
        Self {
            net: Arc::clone(net),
            egress: Arc::clone(egress),
            pid,
        }
    }

    fn ask(&self, message: &[u8], room: usize) -> Result<Open> {
        self.net.questions.take(1, "query")?;
        let asked = self.egress.query(message, self.pid);
        let net = Arc::clone(&self.net);
        match asked {
            Ok(query) => Ok(Open { query, room, net }),
            Err(error) => {
                net.questions.give(1);
                Err(error)
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.net.questions.give(1);
    }
}

/// The first answer among open questions, which is then no question any more.
fn answer(open: &mut Vec<Open>, waker: Option<&Waker>) -> Option<Result<Vec<u8>>> {
    for at in 0..open.len() {
        let one = open.get(at)?;
        if let Poll::Ready(answer) = one.query.poll(waker) {
            let room = open.swap_remove(at).room;
            return Some(answer.map(|answer| cut(answer, room)));
        }
    }
    None
}

/// Cuts an answer that is too long down to its question, and says so in the header.
fn cut(mut answer: Vec<u8>, room: usize) -> Vec<u8> {
    if answer.len() <= room {
        return answer;
    }
    let end = question_end(&answer).filter(|end| *end <= room).unwrap_or(HEADER);
    answer.truncate(end);
    if let Some(flags) = answer.get_mut(2) {
        // TC.
        *flags |= 0x02;
    }
    let questions = u8::from(end > HEADER);
    if let Some(counts) = answer.get_mut(4..HEADER) {
        counts.copy_from_slice(&[0, questions, 0, 0, 0, 0, 0, 0]);
    }
    answer
}

/// Where the only question of a message ends.
fn question_end(message: &[u8]) -> Option<usize> {
    if message.get(4..6) != Some(&[0, 1]) {
        return None;
    }
    let mut at = HEADER;
    loop {
        let label = usize::from(*message.get(at)?);
        at += 1;
        match label {
            0 => break,
            // A pointer has nothing to point to in a question.
            64.. => return None,
            label => at += label,
        }
    }
    let end = at + 4;
    (end <= message.len()).then_some(end)
}

/// How long an answer the asker takes over UDP: 512 bytes, or what its EDNS record says.
fn udp_room(question: &[u8]) -> usize {
    let additional = question.get(6..HEADER) == Some(&[0, 0, 0, 0, 0, 1]);
    let record = question_end(question).and_then(|end| question.get(end..));
    match record {
        // The root, type OPT, and the size in place of a class.
        Some([0, 0, 41, high, low, ..]) if additional => usize::from(u16::from_be_bytes([*high, *low])).max(UDP_MIN),
        _ => UDP_MIN,
    }
}

/// Questions and answers as datagrams.
pub(super) struct ResolverFlow {
    asker: Asker,
    state: Mutex<FlowState>,
}

#[derive(Default)]
struct FlowState {
    open: Vec<Open>,
    closed: bool,
    waiting: Waiters,
}

impl ResolverFlow {
    pub(super) fn new(net: &Arc<Net>, egress: &Arc<dyn Egress>, pid: Pid) -> Arc<Self> {
        Arc::new(Self {
            asker: Asker::new(net, egress, pid),
            state: Mutex::default(),
        })
    }
}

impl Datagrams for ResolverFlow {
    fn send(&self, data: &[u8], _: Option<&Waker>) -> IoResult<()> {
        if data.len() < HEADER || data.len() > QUESTION_MAX {
            // Nobody answers nonsense.
            return Poll::Ready(Ok(()));
        }
        let Ok(asked) = self.asker.ask(data, udp_room(data)) else {
            return Poll::Ready(Ok(()));
        };
        let mut state = self.state.lock();
        if state.closed {
            return Poll::Ready(Err(Errno::EBADF.into()));
        }
        // As a queue that is full would: the oldest question is forgotten, and its asker asks again.
        let forgotten = (state.open.len() >= OPEN_MAX).then(|| state.open.remove(0));
        state.open.push(asked);
        let woken = state.waiting.take();
        drop(state);
        drop(forgotten);
        woken.wake();
        Poll::Ready(Ok(()))
    }

    fn receive(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.state.lock();
        let mut cleared = Woken::default();
        let result = loop {
            match answer(&mut state.open, waker) {
                Some(Ok(answer)) => {
                    super::queue::copy_start(&answer, buf);
                    break Poll::Ready(Ok(answer.len()));
                }
                // No server answered, so neither does this one.
                Some(Err(_)) => {}
                None => {
                    cleared = state.waiting.register(waker);
                    break Poll::Pending;
                }
            }
        };
        drop(state);
        cleared.wake();
        result
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.state.lock();
        let answered = state.open.iter().any(|one| one.query.poll(waker).is_ready());
        let mut ready = PollEvents::OUT;
        ready.set(PollEvents::IN, answered);
        ready &= interest;
        let cleared = match ready.is_empty() {
            true => state.waiting.register(waker),
            false => Woken::default(),
        };
        drop(state);
        cleared.wake();
        ready
    }

    fn take_error(&self) -> Option<Error> {
        None
    }

    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let open = core::mem::take(&mut state.open);
        let woken = state.waiting.take();
        drop(state);
        drop(open);
        woken.wake();
    }
}

/// Questions and answers after their lengths.
pub(super) struct ResolverStream {
    asker: Asker,
    state: Mutex<StreamState>,
}

#[derive(Default)]
struct StreamState {
    /// What was written and is no whole question yet.
    input: Vec<u8>,
    open: Vec<Open>,
    /// Answers that were not read yet.
    output: VecDeque<u8>,
    /// No more questions will come, and nobody listens.
    finished: bool,
    broken: bool,
    closed: bool,
    waiting: Waiters,
}

impl ResolverStream {
    pub(super) fn new(net: &Arc<Net>, egress: &Arc<dyn Egress>, pid: Pid) -> Arc<Self> {
        Arc::new(Self {
            asker: Asker::new(net, egress, pid),
            state: Mutex::default(),
        })
    }

    /// Makes questions of what was written, as many as may be open.
    fn ask(&self, state: &mut StreamState) {
        while state.open.len() < OPEN_MAX {
            let Some((length, rest)) = state.input.split_first_chunk::<2>() else {
                return;
            };
            let length = usize::from(u16::from_be_bytes(*length));
            if !(HEADER..=QUESTION_MAX).contains(&length) {
                state.broken = true;
                return;
            }
            let Some(message) = rest.get(..length) else { return };
            match self.asker.ask(message, usize::from(u16::MAX)) {
                Ok(asked) => state.open.push(asked),
                Err(_) => state.broken = true,
            }
            state.input.drain(..2 + length);
        }
    }

    /// Brings answers to where they can be read.
    fn collect(&self, state: &mut StreamState, waker: Option<&Waker>) {
        while state.output.is_empty() && !state.broken {
            match answer(&mut state.open, waker) {
                Some(Ok(answer)) => {
                    let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
                    state.output.extend(length.to_be_bytes());
                    state.output.extend(answer.iter().take(usize::from(length)));
                    self.ask(state);
                }
                Some(Err(_)) => state.broken = true,
                None => return,
            }
        }
    }
}

impl StreamState {
    fn ended(&self) -> bool {
        self.output.is_empty() && (self.broken || self.closed || (self.finished && self.open.is_empty()))
    }

    fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX && self.input.len() > QUESTION_MAX
    }

    fn events(&self) -> PollEvents {
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::IN, !self.output.is_empty() || self.ended());
        ready.set(PollEvents::RDHUP, self.ended());
        ready.set(PollEvents::OUT, !self.is_full());
        ready.set(PollEvents::HUP, self.ended() && self.finished);
        ready
    }
}

impl Stream for ResolverStream {
    fn poll_connected(&self, _: Option<&Waker>) -> IoResult<SocketAddr> {
        Poll::Ready(Ok(RESOLVER))
    }

    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.state.lock();
        self.collect(&mut state, waker);
        let mut woken = Woken::default();
        let result = if state.ended() {
            Poll::Ready(Ok(0))
        } else if state.output.is_empty() {
            woken = state.waiting.register(waker);
            Poll::Pending
        } else {
            let count = buf.len().min(state.output.len());
            let taken = state.output.drain(..count);
            buf.iter_mut().zip(taken).for_each(|(to, from)| *to = from);
            woken = state.waiting.take();
            Poll::Ready(Ok(count))
        };
        drop(state);
        woken.wake();
        result
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.state.lock();
        if state.finished || state.broken || state.closed {
            return Poll::Ready(Err(Errno::EPIPE.into()));
        }
        self.collect(&mut state, waker);
        if state.is_full() {
            let cleared = state.waiting.register(waker);
            drop(state);
            cleared.wake();
            return Poll::Pending;
        }
        let count = data.len().min(2 + QUESTION_MAX);
        state.input.extend_from_slice(data.get(..count).unwrap_or_default());
        self.ask(&mut state);
        let woken = state.waiting.take();
        drop(state);
        woken.wake();
        Poll::Ready(Ok(count))
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.state.lock();
        self.collect(&mut state, waker);
        let ready = state.events() & (interest | PollEvents::HUP | PollEvents::ERR);
        let cleared = match ready.is_empty() {
            true => state.waiting.register(waker),
            false => Woken::default(),
        };
        drop(state);
        cleared.wake();
        ready
    }

    fn available(&self) -> u64 {
        self.state.lock().output.len() as u64
    }

    fn shutdown(&self, how: Shutdown) {
        let mut state = self.state.lock();
        state.finished |= how != Shutdown::Read;
        let woken = state.waiting.take();
        drop(state);
        woken.wake();
    }

    fn close(&self, _: bool) {
        let mut state = self.state.lock();
        state.closed = true;
        let open = core::mem::take(&mut state.open);
        let woken = state.waiting.take();
        drop(state);
        drop(open);
        woken.wake();
    }

    fn set_no_delay(&self, _: bool) {}

    fn take_error(&self) -> Option<Error> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question for `a.example`, and what follows it.
    fn message(rest: &[u8], additional: u8) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, additional];
        message.extend(b"\x01a\x07example\0\0\x01\0\x01");
        message.extend(rest);
        message
    }

    #[test]
    fn a_long_answer_is_cut_to_its_question() {
        let question = message(&[], 0);
        assert_eq!(udp_room(&question), 512);
        let long = message(&[7; 900], 0);
        let short = cut(long, 512);
        let mut expected = question;
        expected[2] |= 2;
        assert_eq!(short, expected);
        assert_eq!(cut(message(&[7; 9], 0), 512), message(&[7; 9], 0));
    }

    #[test]
    fn edns_says_how_much_fits() {
        assert_eq!(udp_room(&message(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0], 1)), 4096);
        assert_eq!(udp_room(&message(&[0, 0, 41, 0, 1, 0, 0, 0, 0, 0, 0], 1)), 512);
        assert_eq!(udp_room(&message(&[0, 0, 41], 1)), 512);
        assert_eq!(udp_room(&[]), 512);
    }

    #[test]
    fn nonsense_is_cut_to_its_header() {
        let mut odd = vec![0xff; 700];
        odd[4..6].copy_from_slice(&[0, 1]);
        let short = cut(odd, 512);
        assert_eq!((short.len(), &short[4..]), (HEADER, &[0u8; 8][..]));
    }
}

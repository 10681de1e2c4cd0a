//! The terminal's line discipline: keys, output, attributes and readers in any order.

use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::fd::{File, IoResult, PollEvents};
use agentos_kernel::id::{Gid, Pid, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::tty::{
    BUFFER, CONTROLS, InputModes, JobControl, LocalModes, OutputModes, PtyTable, Queue, Termios, TtySignal, When, WindowSize,
};
use arbitrary::{Arbitrary, Unstructured};
use std::sync::Arc;
use std::task::{Poll, Waker};

#[derive(Debug, Arbitrary)]
enum Step {
    Keys(Vec<u8>),
    Print(Vec<u8>),
    /// Many bytes, to reach full queues.
    Pour { keys: bool, byte: u8, count: u16 },
    Look(u16),
    Read(u16),
    Modes { input: u32, output: u32, local: u32, chars: [u8; CONTROLS], when: u8 },
    Resize(u16, u16),
    Flush(u8),
    Stop(bool),
    Raw,
    Reset,
}

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

struct Nobody;

impl JobControl for Nobody {
    fn signal_group(&self, _: Pid, _: TtySignal) {}

    fn signal_leader(&self, _: Pid, _: TtySignal) {}
}

/// Drives one terminal; no step may panic, take more than was given, or hold more than a queue's worth.
pub(crate) fn run(bytes: &[u8]) {
    let steps: Vec<Step> = Unstructured::new(bytes).arbitrary().unwrap_or_default();
    let table = PtyTable::new(&Limits::default(), Arc::new(Still), Arc::new(Nobody));
    let (master, slave) = table.open((Uid::USER, Gid::USER)).expect("the first of many");
    let pty = slave.pty().clone();
    for step in steps.into_iter().take(256) {
        match step {
            Step::Keys(keys) => taken(master.write(&keys, None), keys.len()),
            Step::Print(text) => taken(slave.write(&text, None), text.len()),
            Step::Pour { keys, byte, count } => {
                let data = vec![byte; usize::from(count)];
                taken(if keys { master.write(&data, None) } else { slave.write(&data, None) }, data.len());
            }
            Step::Look(count) => taken(master.read(&mut vec![0; usize::from(count)], None), usize::from(count)),
            Step::Read(count) => taken(slave.read(&mut vec![0; usize::from(count)], None), usize::from(count)),
            Step::Modes { input, output, local, chars, when } => {
                let mut modes = Termios { chars, ..Termios::default() };
                modes.input = InputModes::from_bits_retain(input);
                modes.output = OutputModes::from_bits_retain(output);
                modes.local = LocalModes::from_bits_retain(local);
                let when = [When::Now, When::Drain, When::Flush][usize::from(when % 3)];
                pty.set_attributes(when, modes).expect("an open terminal");
                assert_eq!(pty.attributes().expect("an open terminal"), modes);
            }
            Step::Resize(rows, columns) => {
                pty.set_window(WindowSize { rows, columns, width: 0, height: 0 }).expect("an open terminal");
            }
            Step::Flush(queue) => {
                pty.flush([Queue::Input, Queue::Output, Queue::Both][usize::from(queue % 3)]).expect("an open terminal");
            }
            Step::Stop(stopped) => pty.set_output_stopped(stopped).expect("an open terminal"),
            Step::Raw => pty.set_attributes(When::Now, Termios::default().raw()).expect("an open terminal"),
            Step::Reset => pty.set_attributes(When::Now, Termios::default()).expect("an open terminal"),
        }
        let shown = master.available().expect("an open terminal");
        // Echo and expanded output of what was taken may exceed a queue by one write's worth, never by more.
        assert!(shown <= 4 * BUFFER as u64, "{shown} bytes wait to be shown");
        let _ = (master.poll(PollEvents::all(), None), slave.poll(PollEvents::all(), None));
    }
    master.close();
    assert!(slave.write(b"x", None).is_ready());
}

fn taken(result: IoResult<usize>, given: usize) {
    match result {
        Poll::Ready(Ok(count)) => assert!(count <= given, "{count} of {given}"),
        Poll::Ready(Err(error)) => assert!(matches!(error.errno(), Errno::EIO | Errno::EAGAIN), "{error}"),
        Poll::Pending => {}
    }
}

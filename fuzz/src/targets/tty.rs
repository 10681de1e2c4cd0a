//! The terminal's line discipline: keys, output, attributes and readers in any order.

use crate::input::Input;
use agentos_kernel::Errno;
use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::fd::{File, IoResult, PollEvents};
use agentos_kernel::id::{Gid, Pid, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::tty::{
    BUFFER, CONTROLS, InputModes, JobControl, LocalModes, OutputModes, PtyTable, Queue, Slave, Termios, TtySignal,
    When, WindowSize,
};
use std::sync::Arc;
use std::task::{Poll, Waker};

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
    let mut input = Input::new(bytes);
    let table = PtyTable::new(&Limits::default(), Arc::new(Still), Arc::new(Nobody));
    let (master, slave) = table.open((Uid::USER, Gid::USER)).expect("the first of many");
    while !input.is_empty() {
        step(&mut input, &*master, &slave);
        let shown = master.available().expect("an open terminal");
        // Echo and expanded output of what was taken may exceed a queue by one write's worth, never by more.
        assert!(shown <= 4 * BUFFER as u64, "{shown} bytes wait to be shown");
        let _ = (
            master.poll(PollEvents::all(), None),
            slave.poll(PollEvents::all(), None),
        );
    }
    master.close();
    assert!(slave.write(b"x", None).is_ready());
}

fn step(input: &mut Input<'_>, master: &dyn File, slave: &Slave) {
    let pty = slave.pty();
    let done = match input.u8() % 12 {
        0 | 1 => return typed(master, &input.data()),
        2 => return typed(slave, &input.data()),
        // Many bytes, to reach full queues.
        3 => return typed(master, &vec![input.u8(); usize::from(input.u16())]),
        4 => return typed(slave, &vec![input.u8(); usize::from(input.u16())]),
        5 => return seen(master, input.u16().into()),
        6 => return seen(slave, input.u16().into()),
        7 => {
            let mut modes = Termios {
                chars: [0; CONTROLS].map(|_| input.u8()),
                ..Termios::default()
            };
            modes.input = InputModes::from_bits_retain(input.u32());
            modes.output = OutputModes::from_bits_retain(input.u32());
            modes.local = LocalModes::from_bits_retain(input.u32());
            pty.set_attributes(input.pick(&[When::Now, When::Drain, When::Flush]), modes)
        }
        8 => pty.set_window(WindowSize {
            rows: input.u16(),
            columns: input.u16(),
            width: 0,
            height: 0,
        }),
        9 => pty.flush(input.pick(&[Queue::Input, Queue::Output, Queue::Both])),
        10 => pty.set_output_stopped(input.flag()),
        _ => {
            let modes = Termios::default();
            pty.set_attributes(When::Now, if input.flag() { modes.raw() } else { modes })
        }
    };
    done.expect("an open terminal");
}

fn typed(file: &dyn File, data: &[u8]) {
    taken(file.write(data, None), data.len());
}

fn seen(file: &dyn File, count: usize) {
    taken(file.read(&mut vec![0; count], None), count);
}

fn taken(result: IoResult<usize>, given: usize) {
    match result {
        Poll::Ready(Ok(count)) => assert!(count <= given, "{count} of {given}"),
        Poll::Ready(Err(error)) => assert!(matches!(error.errno(), Errno::EIO | Errno::EAGAIN), "{error}"),
        Poll::Pending => {}
    }
}

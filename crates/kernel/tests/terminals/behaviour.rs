//! Signals, sessions, waiting and bounds: what the comparison with the host does not reach.

use super::common::Alarm;
use super::ours::{now, table};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::id::{Gid, Pid, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::tty::{
    Access, Admission, BUFFER, Caller, Control, InputModes, LINE_MAX, LocalModes, Queue, Termios, TtySignal, When,
    WindowSize,
};
use core::task::Poll;
use std::sync::Arc;

const OWNER: (Uid, Gid) = (Uid::USER, Gid::USER);

/// A process with this group, in session 10.
struct Process {
    group: u32,
    ignores: Option<TtySignal>,
    orphaned: bool,
}

fn process(group: u32) -> Process {
    Process {
        group,
        ignores: None,
        orphaned: false,
    }
}

impl Caller for Process {
    fn session(&self) -> Pid {
        Pid(10)
    }
    fn group(&self) -> Pid {
        Pid(self.group)
    }
    fn ignores(&self, signal: TtySignal) -> bool {
        self.ignores == Some(signal)
    }
    fn group_is_orphaned(&self) -> bool {
        self.orphaned
    }
}

fn with(change: impl FnOnce(&mut Termios)) -> Termios {
    let mut termios = Termios::default();
    change(&mut termios);
    termios
}

#[test]
fn control_characters_signal_the_foreground_group() {
    let (table, _, signals) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    let pty = slave.pty();
    now(master.write(b"\x03", None)).unwrap();
    assert_eq!(signals.take(), [], "nobody is in the foreground");
    pty.set_controlling(&process(10), false).unwrap();
    pty.set_foreground(&process(10), Pid(20)).unwrap();
    now(master.write(b"a\x03b\x1cc\x1a", None)).unwrap();
    let kinds = [TtySignal::Interrupt, TtySignal::Quit, TtySignal::Suspend];
    assert_eq!(signals.take(), kinds.map(|kind| (Pid(20), kind)));
    pty.set_attributes(When::Now, with(|termios| termios.local -= LocalModes::ISIG))
        .unwrap();
    now(master.write(b"\x03\n", None)).unwrap();
    assert_eq!(signals.take(), []);
    let mut buf = [0; 8];
    assert_eq!(now(slave.read(&mut buf, None)), Ok(2));
}

#[test]
fn a_new_size_is_told_once() {
    let (table, _, signals) = table();
    let (_master, slave) = table.open(OWNER).unwrap();
    let pty = slave.pty();
    pty.set_controlling(&process(10), false).unwrap();
    let size = WindowSize {
        rows: 24,
        columns: 80,
        ..WindowSize::default()
    };
    pty.set_window(size).unwrap();
    pty.set_window(size).unwrap();
    assert_eq!(signals.take(), [(Pid(10), TtySignal::WindowChange)]);
    assert_eq!(pty.window().unwrap(), size);
}

#[test]
fn closing_the_master_hangs_up() {
    let (table, _, signals) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    slave.pty().set_controlling(&process(10), false).unwrap();
    let (alarm, waker) = Alarm::new();
    let mut buf = [0; 8];
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    drop(master);
    assert_eq!(alarm.rings(), 1);
    assert_eq!(
        signals.take(),
        [(Pid(10), TtySignal::HangUp), (Pid(10), TtySignal::Continue)]
    );
    assert_eq!(now(slave.read(&mut buf, None)), Ok(0));
    assert_eq!(now(slave.write(b"x", None)), Err(Errno::EIO));
    let events = PollEvents::IN | PollEvents::OUT;
    assert_eq!(slave.poll(events, None), events | PollEvents::HUP | PollEvents::ERR);
    assert_eq!(slave.pty().attributes().unwrap_err(), Errno::EIO);
    drop(slave);
    assert_eq!((table.usage().used(), table.numbers().len()), (0, 0));
}

#[test]
fn the_master_reads_what_is_left_and_then_an_error() {
    let (table, ..) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    let second = slave.pty().open_slave().unwrap();
    now(slave.write(b"bye\n", None)).unwrap();
    drop(slave);
    let (alarm, waker) = Alarm::new();
    let mut buf = [0; 8];
    assert_eq!(now(master.read(&mut buf, None)), Ok(5));
    assert!(master.read(&mut buf, Some(&waker)).is_pending());
    drop(second);
    assert_eq!(alarm.rings(), 1);
    assert_eq!(now(master.read(&mut buf, None)), Err(Errno::EIO));
    assert_eq!(master.poll(PollEvents::IN, None), PollEvents::HUP);
    let again = master.pty().open_slave().unwrap();
    assert!(master.read(&mut buf, None).is_pending());
    drop(again);
}

#[test]
fn background_processes_are_stopped_or_refused() {
    let (table, _, signals) = table();
    let (_master, slave) = table.open(OWNER).unwrap();
    let pty = slave.pty();
    pty.set_controlling(&process(10), false).unwrap();
    assert_eq!(pty.admit(Access::Read, &process(10)).unwrap(), Admission::Proceed);
    assert_eq!(pty.admit(Access::Read, &process(20)).unwrap(), Admission::Signalled);
    assert_eq!(signals.take(), [(Pid(20), TtySignal::BackgroundRead)]);
    let ignoring = Process {
        ignores: Some(TtySignal::BackgroundRead),
        ..process(20)
    };
    assert_eq!(pty.admit(Access::Read, &ignoring).unwrap_err(), Errno::EIO);
    let orphan = Process {
        orphaned: true,
        ..process(20)
    };
    assert_eq!(pty.admit(Access::Read, &orphan).unwrap_err(), Errno::EIO);
    assert_eq!(pty.admit(Access::Write, &process(20)).unwrap(), Admission::Proceed);
    pty.set_attributes(When::Now, with(|termios| termios.local |= LocalModes::TOSTOP))
        .unwrap();
    assert_eq!(pty.admit(Access::Write, &process(20)).unwrap(), Admission::Signalled);
    assert_eq!(pty.admit(Access::Change, &process(20)).unwrap(), Admission::Signalled);
    assert_eq!(signals.take(), [(Pid(20), TtySignal::BackgroundWrite); 2]);
    let ignoring = Process {
        ignores: Some(TtySignal::BackgroundWrite),
        ..process(20)
    };
    assert_eq!(pty.admit(Access::Write, &ignoring).unwrap(), Admission::Proceed);
}

#[test]
fn a_session_lets_go_of_its_terminal() {
    let (table, _, signals) = table();
    let (_master, slave) = table.open(OWNER).unwrap();
    let pty = slave.pty();
    pty.set_controlling(&process(10), false).unwrap();
    pty.set_foreground(&process(10), Pid(20)).unwrap();
    assert!(table.controlling(Pid(10)).is_some());
    pty.release_session(Pid(11), true);
    assert_eq!(signals.take(), []);
    pty.release_session(Pid(10), true);
    assert_eq!(signals.take(), [(Pid(20), TtySignal::HangUp)]);
    assert!(table.controlling(Pid(10)).is_none());
    assert_eq!(pty.set_foreground(&process(10), Pid(20)).unwrap_err(), Errno::ENOTTY);
}

/// The four cases of `termios(3)` for reads without lines, against a clock that the test moves.
#[test]
fn raw_reads_count_and_time() {
    const TENTH: u64 = 100_000_000;
    let (table, clock, _) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    let (alarm, waker) = Alarm::new();
    let set = |fewest, tenths| {
        let mut termios = Termios::default().raw();
        termios.set_char(Control::Min, fewest);
        termios.set_char(Control::Time, tenths);
        slave.pty().set_attributes(When::Flush, termios).unwrap();
        alarm.rings();
    };
    let mut buf = [0; 8];

    set(0, 0);
    assert_eq!(now(slave.read(&mut buf, Some(&waker))), Ok(0));

    set(3, 0);
    now(master.write(b"ab", None)).unwrap();
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    assert!(slave.poll(PollEvents::IN, Some(&waker)).is_empty());
    now(master.write(b"c", None)).unwrap();
    assert!(alarm.rings() > 0);
    assert_eq!(now(slave.read(&mut buf, Some(&waker))), Ok(3));

    set(0, 5);
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    clock.advance(4 * TENTH);
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    clock.advance(TENTH);
    assert!(alarm.rings() > 0);
    assert_eq!(now(slave.read(&mut buf, Some(&waker))), Ok(0));

    set(3, 5);
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    clock.advance(50 * TENTH);
    assert!(
        slave.read(&mut buf, Some(&waker)).is_pending(),
        "the timer starts with the first byte"
    );
    now(master.write(b"a", None)).unwrap();
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    clock.advance(4 * TENTH);
    now(master.write(b"b", None)).unwrap();
    assert!(slave.read(&mut buf, Some(&waker)).is_pending());
    clock.advance(4 * TENTH);
    assert!(
        slave.read(&mut buf, Some(&waker)).is_pending(),
        "each byte starts it anew"
    );
    clock.advance(TENTH);
    assert_eq!(now(slave.read(&mut buf, Some(&waker))), Ok(2));
}

#[test]
fn a_line_without_end_is_cut_and_keeps_its_end() {
    let (table, ..) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    slave
        .pty()
        .set_attributes(When::Now, with(|termios| termios.local -= LocalModes::ECHO))
        .unwrap();
    assert_eq!(now(master.write(&[b'x'; 10_000], None)), Ok(10_000));
    assert_eq!(now(master.write(b"yz\n", None)), Ok(3));
    let mut buf = vec![0; 10_000];
    assert_eq!(now(slave.read(&mut buf, None)), Ok(LINE_MAX));
    assert_eq!(buf[LINE_MAX - 2..LINE_MAX], *b"x\n");
}

#[test]
fn full_queues_make_their_writer_wait_but_not_a_signal() {
    let (table, _, signals) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    slave.pty().set_controlling(&process(10), false).unwrap();
    slave
        .pty()
        .set_attributes(When::Now, with(|termios| termios.local -= LocalModes::ECHO))
        .unwrap();
    let line = [&[b'x'; 999][..], b"\n"].concat();
    let mut typed = 0;
    while let Poll::Ready(Ok(count)) = master.write(&line, None) {
        typed += count;
    }
    assert!((BUFFER - 2 * LINE_MAX..=BUFFER).contains(&typed), "{typed}");
    let (alarm, waker) = Alarm::new();
    assert!(master.write(b"x", Some(&waker)).is_pending());
    assert!(master.poll(PollEvents::OUT, None).is_empty());
    let mut buf = vec![0; 8192];
    assert_eq!(now(slave.read(&mut buf, None)), Ok(1000));
    assert!(alarm.rings() > 0);
    while master.write(&line, None).is_ready() {}
    assert_eq!(now(master.write(b"\x03", None)), Ok(1));
    assert_eq!(signals.take(), [(Pid(10), TtySignal::Interrupt)]);
    assert_eq!(slave.available().unwrap(), 0, "the signal threw the input away");

    let mut printed = 0;
    while let Poll::Ready(Ok(count)) = slave.write(&line, None) {
        printed += count;
    }
    assert!((BUFFER - 2000..=BUFFER).contains(&printed), "{printed}");
    assert!(slave.write(b"x", Some(&waker)).is_pending());
    assert!(slave.poll(PollEvents::OUT, None).is_empty());
    assert!(now(master.read(&mut buf, None)).unwrap() > 0);
    assert!(alarm.rings() > 0);
    assert_eq!(now(slave.write(b"x", None)), Ok(1));
}

#[test]
fn stopped_output_waits_for_start() {
    let (table, ..) = table();
    let (master, slave) = table.open(OWNER).unwrap();
    let (alarm, waker) = Alarm::new();
    now(master.write(b"\x13", None)).unwrap();
    assert!(slave.write(b"text", Some(&waker)).is_pending());
    now(master.write(b"\x11", None)).unwrap();
    assert!(alarm.rings() > 0);
    assert_eq!(now(slave.write(b"text", None)), Ok(4));
    slave.pty().set_output_stopped(true).unwrap();
    now(master.write(b"\x11", None)).unwrap();
    assert!(slave.write(b"text", None).is_pending());
    slave.pty().set_output_stopped(false).unwrap();
    assert_eq!(now(slave.write(b"text", None)), Ok(4));
    now(master.write(b"\x13", None)).unwrap();
    slave
        .pty()
        .set_attributes(When::Now, with(|termios| termios.input -= InputModes::IXON))
        .unwrap();
    assert_eq!(now(slave.write(b"more", None)), Ok(4));
    slave.pty().flush(Queue::Output).unwrap();
    assert!(master.read(&mut [0; 8], None).is_pending());
}

#[test]
fn pairs_are_counted_and_numbers_reused() {
    let mut limits = Limits::default();
    limits.set("maxPtys", 2).unwrap();
    let (clock, signals) = (Arc::default(), Arc::default());
    let clock: Arc<super::common::ManualClock> = clock;
    let signals: Arc<super::ours::Signals> = signals;
    let table = agentos_kernel::tty::PtyTable::new(&limits, clock, signals);
    let first = table.open(OWNER).unwrap();
    let second = table.open(OWNER).unwrap();
    let error = table.open(OWNER).err().unwrap();
    assert_eq!(
        (error.errno(), error.limit().unwrap().limit),
        (Errno::EAGAIN, "maxPtys")
    );
    assert_eq!(table.numbers(), [0, 1]);
    drop(first);
    let third = table.open(OWNER).unwrap();
    assert_eq!(third.1.describe(), "/dev/pts/0");
    drop((second, third));
    assert_eq!(table.usage().used(), 0);
}

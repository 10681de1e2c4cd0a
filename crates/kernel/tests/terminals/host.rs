//! The host's side.

use super::differential::Terminal;
use agentos_kernel::errno::Errno;
use agentos_kernel::tty::{Control, Queue, Termios, When};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{self, Action, OptionalActions, QueueSelector, SpecialCodeIndex};
use rustix::time::Timespec;

pub struct Host {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Host {
    /// A pair of the host; `None` where it has no pseudo-terminals.
    pub fn new() -> Option<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).ok()?;
        grantpt(&master).ok()?;
        unlockpt(&master).ok()?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let slave = rustix::fs::open(ptsname(&master, Vec::new()).ok()?, flags, Mode::empty()).ok()?;
        rustix::io::ioctl_fionbio(&master, true).ok()?;
        Some(Self { master, slave })
    }

    fn attributes(&self) -> Termios {
        let theirs = termios::tcgetattr(&self.slave).unwrap();
        let mut ours = Termios {
            input: agentos_kernel::tty::InputModes::from_bits_retain(theirs.input_modes.bits()),
            output: agentos_kernel::tty::OutputModes::from_bits_retain(theirs.output_modes.bits()),
            // Without the bits of the speed.
            control: theirs.control_modes.bits() & !0o10017 | 0o17,
            local: agentos_kernel::tty::LocalModes::from_bits_retain(theirs.local_modes.bits()),
            ..Termios::default()
        };
        for (which, index) in CONTROLS {
            ours.set_char(which, theirs.special_codes[index]);
        }
        ours
    }
}

/// The control characters under both names.
const CONTROLS: [(Control, SpecialCodeIndex); 15] = [
    (Control::Intr, SpecialCodeIndex::VINTR),
    (Control::Quit, SpecialCodeIndex::VQUIT),
    (Control::Erase, SpecialCodeIndex::VERASE),
    (Control::Kill, SpecialCodeIndex::VKILL),
    (Control::Eof, SpecialCodeIndex::VEOF),
    (Control::Time, SpecialCodeIndex::VTIME),
    (Control::Min, SpecialCodeIndex::VMIN),
    (Control::Start, SpecialCodeIndex::VSTART),
    (Control::Stop, SpecialCodeIndex::VSTOP),
    (Control::Susp, SpecialCodeIndex::VSUSP),
    (Control::Eol, SpecialCodeIndex::VEOL),
    (Control::Reprint, SpecialCodeIndex::VREPRINT),
    (Control::Werase, SpecialCodeIndex::VWERASE),
    (Control::Lnext, SpecialCodeIndex::VLNEXT),
    (Control::Eol2, SpecialCodeIndex::VEOL2),
];

impl Terminal for Host {
    fn set(&mut self, wanted: &Termios, when: When) -> Termios {
        let mut theirs = termios::tcgetattr(&self.slave).unwrap();
        theirs.input_modes = termios::InputModes::from_bits_retain(wanted.input.bits());
        theirs.output_modes = termios::OutputModes::from_bits_retain(wanted.output.bits());
        theirs.local_modes = termios::LocalModes::from_bits_retain(wanted.local.bits());
        for (which, index) in CONTROLS {
            theirs.special_codes[index] = wanted.char(which);
        }
        let when = match when {
            When::Now => OptionalActions::Now,
            When::Drain => OptionalActions::Drain,
            When::Flush => OptionalActions::Flush,
        };
        termios::tcsetattr(&self.slave, when, &theirs).unwrap();
        self.attributes()
    }
    fn type_keys(&mut self, keys: &[u8]) -> Result<usize, Errno> {
        Ok(rustix::io::write(&self.master, keys)?)
    }
    fn print(&mut self, text: &[u8]) -> Result<usize, Errno> {
        Ok(rustix::io::write(&self.slave, text)?)
    }
    fn read(&mut self, most: usize) -> Result<Vec<u8>, Errno> {
        let mut buf = vec![0; most];
        let count = rustix::io::read(&self.slave, &mut buf[..])?;
        buf.truncate(count);
        Ok(buf)
    }
    fn screen(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buf = [0; 1000];
        while let Ok(count) = rustix::io::read(&self.master, &mut buf[..]) {
            all.extend_from_slice(&buf[..count]);
        }
        all
    }
    fn available(&mut self) -> u64 {
        rustix::io::ioctl_fionread(&self.slave).unwrap()
    }
    fn readable(&mut self) -> bool {
        let mut targets = [PollFd::new(&self.slave, PollFlags::IN)];
        poll(&mut targets, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        targets[0].revents().contains(PollFlags::IN)
    }
    fn flush(&mut self, queue: Queue) {
        let queue = match queue {
            Queue::Input => QueueSelector::IFlush,
            Queue::Output => QueueSelector::OFlush,
            Queue::Both => QueueSelector::IOFlush,
        };
        termios::tcflush(&self.slave, queue).unwrap();
    }
    fn hold(&mut self, held: bool) {
        let action = if held { Action::OOff } else { Action::OOn };
        termios::tcflow(&self.slave, action).unwrap();
    }
}

//! The line discipline.

use super::job::TtySignal;
use super::termios::Termios;
use smallvec::SmallVec;

#[derive(Debug, Default)]
pub(super) struct Discipline {
    termios: Termios,
}

impl Discipline {
    pub(super) fn termios(&self) -> &Termios {
        &self.termios
    }
    pub(super) fn set_termios(&mut self, termios: Termios) {
        self.termios = termios;
    }
    pub(super) fn receive(&mut self, _data: &[u8]) -> usize {
        0
    }
    pub(super) fn transmit(&mut self, _data: &[u8]) -> usize {
        0
    }
    pub(super) fn readable(&self) -> bool {
        false
    }
    pub(super) fn read_line(&mut self, _buf: &mut [u8]) -> Option<usize> {
        None
    }
    pub(super) fn read_bytes(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
    pub(super) fn raw_available(&self) -> usize {
        0
    }
    pub(super) fn available(&self) -> usize {
        0
    }
    pub(super) fn output_len(&self) -> usize {
        0
    }
    pub(super) fn take_output(&mut self, _buf: &mut [u8]) -> usize {
        0
    }
    pub(super) fn can_transmit(&self) -> bool {
        false
    }
    pub(super) fn can_receive(&self) -> bool {
        false
    }
    pub(super) fn flush_input(&mut self) {}
    pub(super) fn flush_output(&mut self) {}
    pub(super) fn set_stopped(&mut self, _stopped: bool) {}
    pub(super) fn take_signals(&mut self) -> SmallVec<[TtySignal; 1]> {
        SmallVec::new()
    }
}

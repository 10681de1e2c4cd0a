//! Exit statuses, held as the status word of `wait(2)` on Linux.

use super::abi;
use crate::fmt;
use crate::num::NonZero;

#[derive(PartialEq, Eq, Clone, Copy, Debug, Default)]
pub struct ExitStatus(i32);

impl ExitStatus {
    pub(super) fn from_wait(result: &abi::WaitResult) -> ExitStatus {
        let code = result.code as i32;
        ExitStatus(match result.kind {
            abi::WAITED_SIGNALED => code & 0x7f,
            abi::WAITED_STOPPED => ((code & 0xff) << 8) | 0x7f,
            abi::WAITED_CONTINUED => 0xffff,
            _ => (code & 0xff) << 8,
        })
    }

    pub fn from_raw(raw: i32) -> ExitStatus {
        ExitStatus(raw)
    }

    pub fn into_raw(self) -> i32 {
        self.0
    }

    pub fn exit_ok(&self) -> Result<(), ExitStatusError> {
        match NonZero::new(self.0) {
            None => Ok(()),
            Some(raw) => Err(ExitStatusError(raw)),
        }
    }

    pub fn code(&self) -> Option<i32> {
        (self.0 & 0x7f == 0).then_some((self.0 >> 8) & 0xff)
    }

    pub fn signal(&self) -> Option<i32> {
        let signal = self.0 & 0x7f;
        (signal != 0 && signal != 0x7f).then_some(signal)
    }

    pub fn core_dumped(&self) -> bool {
        self.signal().is_some() && self.0 & 0x80 != 0
    }

    pub fn stopped_signal(&self) -> Option<i32> {
        (self.0 & 0xff == 0x7f).then_some((self.0 >> 8) & 0xff)
    }

    pub fn continued(&self) -> bool {
        self.0 == 0xffff
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code() {
            write!(f, "exit status: {code}")
        } else if let Some(signal) = self.signal() {
            write!(f, "signal: {signal}")
        } else if self.continued() {
            f.write_str("continued")
        } else if let Some(signal) = self.stopped_signal() {
            write!(f, "stopped by signal: {signal}")
        } else {
            write!(f, "unrecognised wait status: {:#x}", self.0)
        }
    }
}

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub struct ExitStatusError(NonZero<i32>);

impl Into<ExitStatus> for ExitStatusError {
    fn into(self) -> ExitStatus {
        ExitStatus(self.0.get())
    }
}

impl ExitStatusError {
    pub fn code(self) -> Option<NonZero<i32>> {
        ExitStatus(self.0.get()).code().and_then(NonZero::new)
    }
}

/// What this process exits with.
#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub struct ExitCode(u8);

impl ExitCode {
    pub const SUCCESS: ExitCode = ExitCode(0);
    pub const FAILURE: ExitCode = ExitCode(1);

    pub fn as_i32(&self) -> i32 {
        self.0 as i32
    }
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> ExitCode {
        ExitCode(code)
    }
}

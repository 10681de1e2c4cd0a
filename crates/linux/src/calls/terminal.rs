//! What guests ask of terminals: attributes, window, foreground group, session. The VM's terminal answers; the host's, whose
//! descriptors guests hold, only carries bytes.

use super::{Call, Fail, Outcome, interfaces, lend};
use crate::sys::Answer;
use crate::vm::{Actions, Terminal};
use agentos_kernel::fd::{IoResult, StatusFlags};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{Dir, MaskHow, Process, SigSet, Signal};
use agentos_kernel::tty::{CONTROLS, InputModes, LocalModes, OutputModes, Pty, Queue, Termios, When, WindowSize};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::Poll;

const TCGETS: u32 = 0x5401;
const TCSETS: u32 = 0x5402;
const TCSETSW: u32 = 0x5403;
const TCSETSF: u32 = 0x5404;
const TCSBRK: u32 = 0x5409;
const TCXONC: u32 = 0x540a;
const TCFLSH: u32 = 0x540b;
const TIOCSCTTY: u32 = 0x540e;
const TIOCGPGRP: u32 = 0x540f;
const TIOCSPGRP: u32 = 0x5410;
const TIOCOUTQ: u32 = 0x5411;
const TIOCGWINSZ: u32 = 0x5413;
const TIOCSWINSZ: u32 = 0x5414;
const TIOCNOTTY: u32 = 0x5422;
const TIOCGSID: u32 = 0x5429;
const TIOCGPTPEER: u32 = 0x5441;
const TIOCSPTLCK: u32 = 0x4004_5431;
const TIOCGPTN: u32 = 0x8004_5430;
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;
const TCSETSW2: u32 = 0x402c_542c;
const TCSETSF2: u32 = 0x402c_542d;

/// What programs ask of terminals, and of interfaces. Of everything else they are told that it is no terminal.
pub(crate) fn ioctl(call: &mut Call<'_>) -> Outcome {
    let fd = call.int(0);
    if interfaces::is_about(call.uint(1)) {
        return interfaces::ioctl(call);
    }
    let Some(terminal) = call.vm.terminal(call.key, fd)? else {
        let is_socket = call.vm.host_stat(call.key, fd)?.st_mode & libc::S_IFMT == libc::S_IFSOCK;
        return match call.file(fd)? {
            Some(file) if file.access().is_empty() => Err(Fail(libc::EBADF)),
            // Bytes that the other end has not read yet the host counts.
            None if call.uint(1) == TIOCOUTQ && is_socket => Ok(Answer::Continue),
            _ => Err(Fail(libc::ENOTTY)),
        };
    };
    match call.uint(1) {
        TCGETS => get(call, terminal.pty(), OLD),
        TCGETS2 => get(call, terminal.pty(), NEW),
        TCSETS => set(call, &terminal, When::Now, OLD),
        TCSETSW => set(call, &terminal, When::Drain, OLD),
        TCSETSF => set(call, &terminal, When::Flush, OLD),
        TCSETS2 => set(call, &terminal, When::Now, NEW),
        TCSETSW2 => set(call, &terminal, When::Drain, NEW),
        TCSETSF2 => set(call, &terminal, When::Flush, NEW),
        // Output counts as sent when it is queued, and there is no line to break.
        TCSBRK => Ok(Answer::OK),
        TCXONC => flow(call, terminal.pty()),
        TCFLSH => flush(call, &terminal),
        TIOCGPGRP => group(call, &terminal),
        TIOCSPGRP => set_group(call, &terminal),
        TIOCGSID => session(call, &terminal),
        TIOCSCTTY => control(call, &terminal),
        TIOCNOTTY => give_up(call, &terminal),
        TIOCOUTQ => give(call, 0),
        TIOCGWINSZ => window(call, terminal.pty()),
        TIOCSWINSZ => set_window(call, terminal.pty()),
        TIOCGPTN | TIOCSPTLCK | TIOCGPTPEER => of_master(call, &terminal),
        _ => Err(Fail(libc::ENOTTY)),
    }
}

/// Bytes of `struct termios` and of `struct termios2` as the host's kernel has them.
const OLD: usize = 36;
const NEW: usize = 44;
/// Control characters in both.
const SHOWN: usize = 19;

fn get(call: &mut Call<'_>, pty: &Arc<Pty>, size: usize) -> Outcome {
    let termios = pty.attributes()?;
    let mut bytes = Vec::with_capacity(size);
    for word in [
        termios.input.bits(),
        termios.output.bits(),
        termios.control,
        termios.local.bits(),
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.push(0);
    bytes.extend(&termios.chars[..SHOWN]);
    if size == NEW {
        bytes.extend(termios.input_speed.to_le_bytes());
        bytes.extend(termios.output_speed.to_le_bytes());
    }
    call.write(call.arg(2), &bytes)?;
    Ok(Answer::OK)
}

fn set(call: &mut Call<'_>, terminal: &Terminal, when: When, size: usize) -> Outcome {
    let mut bytes = [0; NEW];
    let bytes = bytes.get_mut(..size).ok_or(Fail(libc::EINVAL))?;
    call.read(call.arg(2), bytes)?;
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).unwrap_or_default();
        bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
    };
    let mut chars = [0; CONTROLS];
    chars[..SHOWN].copy_from_slice(bytes.get(17..17 + SHOWN).unwrap_or(&[0; SHOWN]));
    let old = terminal.pty().attributes()?;
    let (input_speed, output_speed) = match size {
        NEW => (word(36), word(40)),
        _ => (old.input_speed, old.output_speed),
    };
    let termios = Termios {
        input: InputModes::from_bits_retain(word(0)),
        output: OutputModes::from_bits_retain(word(4)),
        control: word(8),
        local: LocalModes::from_bits_retain(word(12)),
        chars,
        input_speed,
        output_speed,
    };
    let waker = call.guest()?.waker.clone();
    change(call, terminal, |process, fd| {
        process.set_tty_attributes(fd, when, termios, Some(&waker))
    })
}

/// Does what job control may refuse or put off.
fn change(call: &mut Call<'_>, terminal: &Terminal, run: impl FnOnce(&Arc<Process>, Fd) -> IoResult<()>) -> Outcome {
    let process = call.process()?;
    let pty = terminal.pty();
    // What the guest blocks and ignores the host knows; it matters for those in the background.
    let background = pty.session() == Some(process.sid()) && pty.foreground() != Some(process.pgid());
    let actions = match background {
        true => Actions::of_thread(call.guest()?.proc_dir.as_fd(), call.n.tid),
        false => Actions::default(),
    };
    let spared = [actions.blocked, actions.ignored]
        .iter()
        .any(|set| set.contains(Signal::TTOU));
    if spared {
        process.sig_mask(Some((MaskHow::Set, SigSet::of(&[Signal::TTOU]))));
    }
    let changed = ask(call, terminal, run);
    if spared {
        process.sig_mask(Some((MaskHow::Set, SigSet::EMPTY)));
    }
    let changed = changed?;
    call.settle(changed, |_, ()| Ok(Answer::OK))
}

/// Asks the kernel as the guest, whose table holds the terminal meanwhile.
fn ask<T>(
    call: &mut Call<'_>,
    terminal: &Terminal,
    run: impl FnOnce(&Arc<Process>, Fd) -> IoResult<T>,
) -> Result<IoResult<T>, Fail> {
    let process = call.process()?;
    let file = call.vm.lend_terminal(call.key, terminal)?;
    call.confirm()?;
    lend(&process, Fd(0), file, |dir| match dir {
        Dir::Fd(fd) => Ok(run(&process, fd)),
        Dir::Cwd => Err(agentos_kernel::Errno::EBADF.into()),
    })
}

/// As [`ask`], for what is answered at once.
fn ask_now<T>(
    call: &mut Call<'_>,
    terminal: &Terminal,
    run: impl FnOnce(&Arc<Process>, Fd) -> agentos_kernel::Result<T>,
) -> Result<T, Fail> {
    match ask(call, terminal, |process, fd| Poll::Ready(run(process, fd)))? {
        Poll::Ready(done) => Ok(done?),
        Poll::Pending => Err(Fail(libc::EAGAIN)),
    }
}

fn flush(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    let queue = match call.int(2) {
        libc::TCIFLUSH => Queue::Input,
        libc::TCOFLUSH => Queue::Output,
        libc::TCIOFLUSH => Queue::Both,
        _ => return Err(Fail(libc::EINVAL)),
    };
    let waker = call.guest()?.waker.clone();
    change(call, terminal, |process, fd| process.flush_tty(fd, queue, Some(&waker)))
}

fn flow(call: &mut Call<'_>, pty: &Arc<Pty>) -> Outcome {
    match call.int(2) {
        libc::TCOOFF => pty.set_output_stopped(true)?,
        libc::TCOON => pty.set_output_stopped(false)?,
        // Asking the other side to pause is left to its buffer.
        libc::TCIOFF | libc::TCION => {}
        _ => return Err(Fail(libc::EINVAL)),
    }
    Ok(Answer::OK)
}

/// Gives the guest a number.
fn give(call: &mut Call<'_>, number: u32) -> Outcome {
    call.write(call.arg(2), &number.to_le_bytes())?;
    Ok(Answer::OK)
}

fn group(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    let group = ask_now(call, terminal, |process, fd| process.tty_group(fd))?;
    let shown = call.vm.visible_pid(group);
    give(call, shown)
}

fn set_group(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    let mut bytes = [0; 4];
    call.read(call.arg(2), &mut bytes)?;
    let group = u32::try_from(i32::from_le_bytes(bytes)).map_err(|_| Fail(libc::EINVAL))?;
    let group: Pid = call.vm.kernel_pid(group);
    let waker = call.guest()?.waker.clone();
    call.vm.expect_readers();
    change(call, terminal, |process, fd| {
        process.set_tty_group(fd, group, Some(&waker))
    })
    // Of a group that nobody would stop or continue Linux says so here.
    .map_err(|fail| {
        if fail == Fail(libc::EIO) {
            Fail(libc::ENOTTY)
        } else {
            fail
        }
    })
}

fn session(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    let own = call.process()?.sid();
    let session = terminal.pty().session().filter(|session| *session == own);
    let shown = call.vm.visible_pid(session.ok_or(Fail(libc::ENOTTY))?);
    give(call, shown)
}

fn control(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    ask_now(call, terminal, |process, fd| process.set_controlling_tty(fd))?;
    Ok(Answer::OK)
}

/// The master's number, lock and slave.
fn of_master(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    let Terminal::Master(pty, _) = terminal else {
        return Err(Fail(libc::ENOTTY));
    };
    match call.uint(1) {
        TIOCGPTN => give(call, pty.number()),
        // Slaves of a VM need no unlocking.
        TIOCSPTLCK => Ok(Answer::OK),
        _ => {
            let flags = call.int(2);
            let mut status = StatusFlags::empty();
            status.set(StatusFlags::NONBLOCK, flags & libc::O_NONBLOCK != 0);
            call.confirm()?;
            let slave = call.vm.open_peer(call.key, pty, status)?;
            Ok(Answer::Descriptor(slave, flags & libc::O_CLOEXEC != 0))
        }
    }
}

fn give_up(call: &mut Call<'_>, terminal: &Terminal) -> Outcome {
    let (process, pty) = (call.process()?, terminal.pty());
    if pty.session() != Some(process.sid()) {
        return Err(Fail(libc::ENOTTY));
    }
    call.confirm()?;
    // Only the leader's terminal is the session's; for another process Linux forgets it alone, which nobody depends on.
    if process.sid() == process.pid() {
        pty.release_session(process.sid(), false);
    }
    Ok(Answer::OK)
}

fn window(call: &mut Call<'_>, pty: &Arc<Pty>) -> Outcome {
    let size = pty.window()?;
    let bytes: Vec<u8> = [size.rows, size.columns, size.width, size.height]
        .iter()
        .flat_map(|side| side.to_le_bytes())
        .collect();
    call.write(call.arg(2), &bytes)?;
    Ok(Answer::OK)
}

fn set_window(call: &mut Call<'_>, pty: &Arc<Pty>) -> Outcome {
    let mut bytes = [0; 8];
    call.read(call.arg(2), &mut bytes)?;
    let side = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    pty.set_window(WindowSize {
        rows: side(0),
        columns: side(2),
        width: side(4),
        height: side(6),
    })?;
    Ok(Answer::OK)
}

//! Terminals.

use super::request::group;
use crate::imports::Cx;
use agentos_abi::fd::{DUP_CLOEXEC, PIPE_NONBLOCK};
use agentos_abi::tty::{self as abi, Termios, Winsize};
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::tty::{self, InputModes, LocalModes, OutputModes, When, WindowSize};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker};

pub(super) fn get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let termios = cx.state.process.tty_attributes(Fd(fd))?;
    let record = Termios {
        iflag: termios.input.bits(),
        oflag: termios.output.bits(),
        cflag: termios.control,
        lflag: termios.local.bits(),
        cc: termios.chars,
        ispeed: termios.input_speed,
        ospeed: termios.output_speed,
    };
    Ok(cx.memory.put(out, &record)?)
}

pub(super) fn set(cx: &mut Cx<'_>, waker: &Waker, fd: u32, when: u32, termios: u32) -> IoResult<()> {
    let when = match when {
        abi::TCSANOW => When::Now,
        abi::TCSADRAIN => When::Drain,
        abi::TCSAFLUSH => When::Flush,
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let record: Termios = cx.memory.get(termios)?;
    let termios = tty::Termios {
        input: InputModes::from_bits_retain(record.iflag),
        output: OutputModes::from_bits_retain(record.oflag),
        control: record.cflag,
        local: LocalModes::from_bits_retain(record.lflag),
        chars: record.cc,
        input_speed: record.ispeed,
        output_speed: record.ospeed,
    };
    cx.state.process.set_tty_attributes(Fd(fd), when, termios, Some(waker))
}

pub(super) fn size_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let window = cx.state.process.tty_window(Fd(fd))?;
    let record = Winsize {
        rows: window.rows,
        cols: window.columns,
        xpixel: window.width,
        ypixel: window.height,
    };
    Ok(cx.memory.put(out, &record)?)
}

pub(super) fn size_set(cx: &mut Cx<'_>, fd: u32, size: u32) -> Result<()> {
    let size: Winsize = cx.memory.get(size)?;
    let window = WindowSize {
        rows: size.rows,
        columns: size.cols,
        width: size.xpixel,
        height: size.ypixel,
    };
    cx.state.process.set_tty_window(Fd(fd), window)
}

pub(super) fn pgrp_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<()> {
    let group = cx.state.process.tty_group(Fd(fd))?;
    Ok(cx.memory.put(out, &group.0)?)
}

pub(super) fn pgrp_set(cx: &mut Cx<'_>, waker: &Waker, fd: u32, pgid: u32) -> IoResult<()> {
    let group = group(pgid.cast_signed())?;
    cx.state.process.set_tty_group(Fd(fd), group, Some(waker))
}

pub(super) fn set_controlling(cx: &mut Cx<'_>, fd: u32) -> Result<()> {
    cx.state.process.set_controlling_tty(Fd(fd))
}

pub(super) fn open(cx: &mut Cx<'_>, flags: u32, master: u32, slave: u32) -> Result<()> {
    if flags & !(DUP_CLOEXEC | PIPE_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    cx.memory.check::<u32>(master)?;
    cx.memory.check::<u32>(slave)?;
    let pair = cx
        .state
        .process
        .open_tty(flags & PIPE_NONBLOCK != 0, flags & DUP_CLOEXEC != 0)?;
    cx.memory.put(master, &pair.0.0)?;
    Ok(cx.memory.put(slave, &pair.1.0)?)
}

pub(super) fn name(cx: &mut Cx<'_>, fd: u32, buf: u32, cap: u32, len: u32) -> Result<()> {
    let name = cx.state.process.tty_name(Fd(fd))?;
    Ok(cx.memory.put_bytes(name.as_bytes(), buf, cap, len)?)
}

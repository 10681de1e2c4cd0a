//! Taking connections that wait at a listener.

use super::sockets::{behind, give_address, holding};
use super::{Call, Fail, Outcome};
use crate::sys::{self, Answer};
use agentos_kernel::Errno;
use agentos_kernel::fd::{File, IoResult, PollEvents};
use std::os::fd::AsFd;
use std::task::Poll;

pub(crate) fn accept(call: &mut Call<'_>) -> Outcome {
    take(call, 0)
}

pub(crate) fn accept4(call: &mut Call<'_>) -> Outcome {
    let flags = call.int(3);
    if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
        return Err(Fail(libc::EINVAL));
    }
    take(call, flags)
}

fn take(call: &mut Call<'_>, flags: i32) -> Outcome {
    let bridge = behind(call, call.int(0))?.ok_or(Fail(libc::EINVAL))?;
    let nonblocking = call.flags_of(call.int(0))? & libc::O_NONBLOCK != 0;
    let waker = call.guest()?.waker.clone();
    call.confirm()?;
    let once = |call: &Call<'_>| -> Result<IoResult<_>, Fail> {
        holding(call, &bridge, nonblocking, |process, fd| {
            process.accept(fd, false, false, Some(&waker)).map_ok(|(fd, peer)| {
                let file = process.file(fd);
                let _ = process.close(fd);
                (file, peer)
            })
        })
    };
    let mut result = once(call)?;
    let waits = || {
        bridge
            .socket()
            .is_some_and(|socket| !socket.poll(PollEvents::IN, None).is_empty())
    };
    if matches!(&result, Poll::Ready(Err(error)) if *error == Errno::EAGAIN) && waits() {
        // A connection is there, so this is a limit. Sockets may be closed, and nobody has looked yet.
        call.vm.settle_sockets();
        result = once(call)?;
    }
    bridge.taken();
    call.settle(result, |call, (file, peer)| {
        let guest = call.vm.sockets.add(file?, true)?;
        sys::set_nonblocking(guest.as_fd(), flags & libc::SOCK_NONBLOCK != 0)?;
        if call.arg(1) != 0 {
            give_address(call, &peer, call.arg(1), call.arg(2))?;
        }
        Ok(Answer::Descriptor(guest, flags & libc::SOCK_CLOEXEC != 0))
    })
}

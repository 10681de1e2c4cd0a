"""VMs for programs that wait."""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional, Type, TypeVar

from . import _calls as calls
from . import _native
from ._calls import Call
from ._errors import error_of
from ._handles import Handle, Options, Started, described
from ._types import Event, Output

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")
R = TypeVar("R")


def run(handle: int, call: Call[T]) -> T:
    """Makes a call and waits for its result."""
    ok, text, blobs = _native.call(handle, call.method, call.args, call.data)
    if not ok:
        raise error_of(text)
    return call.read(json.loads(text), blobs)


def _method(make: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], T]:
    """A method that makes a call and waits."""

    def method(self: Any, /, *args: P.args, **given: P.kwargs) -> T:
        return run(self._handle, make(*args, **given))

    return described(method, make)


def _maker(make: Callable[P, Call[calls.Made]], of: Callable[[int, int], R]) -> Callable[Concatenate[Any, P], R]:
    """The same for a call that gives a handle."""

    def method(self: Any, /, *args: P.args, **given: P.kwargs) -> R:
        return of(*run(self._handle, make(*args, **given)))

    return described(method, make)


class Process(Started):
    """A process that a VM runs. Iterate over it for its output. Letting go of it leaves the process running."""

    read = _method(calls.output)
    write = _method(calls.write)
    close_stdin = _method(calls.close_stdin)
    wait = _method(calls.wait)
    poll = _method(calls.poll)
    signal = _method(calls.signal)
    terminate = _method(calls.terminate)
    kill = _method(calls.kill)

    def __iter__(self) -> Iterator[Output]:
        while True:
            output = self.read()
            if output is None:
                return
            yield output


class Shell(Started):
    """A program on a terminal. Iterate over it for what it prints. Letting go of it hangs up."""

    read = _method(calls.screen)
    write = _method(calls.keys)
    resize = _method(calls.resize)
    wait = _method(calls.wait)
    poll = _method(calls.poll)
    signal = _method(calls.signal)
    close = _method(calls.hang_up)

    def __iter__(self) -> Iterator[bytes]:
        while True:
            piece = self.read()
            if piece is None:
                return
            yield piece


class Events(Handle):
    """What a VM reports, from when this was made; it ends with the VM. Iterate over it."""

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = run(self._handle, calls.next_event())
            if event is None:
                return
            yield event


class AgentOs(Options):
    """A VM in this process. Leaving its ``with`` block, or the last reference to it, ends it and all that runs in it."""

    def _begin(self, create: Call[int]) -> None:
        self._take(run(0, create))

    def __enter__(self) -> AgentOs:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.dispose()

    def dispose(self) -> None:
        """Ends the VM and all that runs in it. May be repeated."""
        if self._release is not None and self._release.alive:
            run(self._handle, calls.dispose())
            self._release()

    exec = _method(calls.exec_)
    exec_argv = _method(calls.exec_argv)
    spawn = _maker(calls.spawn, Process)
    open_shell = _maker(calls.open_shell, Shell)
    read_file = _method(calls.read_file)
    read_text = _method(calls.read_text)
    write_file = _method(calls.write_file)
    mkdir = _method(calls.mkdir)
    readdir = _method(calls.readdir)
    readdir_recursive = _method(calls.readdir_recursive)
    stat = _method(calls.stat)
    exists = _method(calls.exists)
    move = _method(calls.move)
    delete = _method(calls.delete)
    chmod = _method(calls.chmod)
    processes = _method(calls.processes)
    signal_process = _method(calls.signal_process)
    fetch = _method(calls.fetch)
    explain = _method(calls.explain)
    usage = _method(calls.usage)
    mount = _method(calls.mount)
    unmount = _method(calls.unmount)
    snapshot = _method(calls.snapshot)
    events = _maker(calls.events, lambda handle, _pid: Events(handle))
    def fork(self) -> AgentOs:
        """A second VM with a copy of this one's files, which costs nothing until either changes them."""
        handle, _pid = run(self._handle, calls.fork())
        vm: AgentOs = AgentOs._of(handle, self._desk)
        return vm

"""VMs for programs with an event loop. The methods are those of ``AgentOs``, awaited; cancelling a task cancels its call."""

from __future__ import annotations

import asyncio
import json
import socket
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, AsyncIterator, Awaitable, Callable, Dict, Generator, Optional, Type, TypeVar

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


class _Queue:
    """Where the outcomes of one loop's calls arrive. The loop watches a socket that is readable when there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        ok, text, _ = _native.open_queue()
        if not ok:
            raise error_of(text)
        shape = json.loads(text)
        self.handle: int = shape["handle"]
        self._waiting: Dict[int, asyncio.Future[Any]] = {}
        self._bell = socket.socket(fileno=shape["fd"])
        self._bell.setblocking(False)
        loop.add_reader(self._bell, self._arrived)
        weakref.finalize(loop, _close, self.handle, self._bell)

    def _arrived(self) -> None:
        try:
            self._bell.recv(64)
        except BlockingIOError:
            pass
        for number, outcome in _native.take(self.handle):
            future = self._waiting.pop(number, None)
            if future is not None and not future.done():
                future.set_result(outcome)

    async def outcome(self, handle: int, call: Call[Any]) -> Any:
        ok, text, blobs = _native.submit(self.handle, handle, call.method, call.args, call.data)
        if not ok:
            return ok, text, blobs
        number: int = json.loads(text)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            return await future
        except asyncio.CancelledError:
            self._waiting.pop(number, None)
            _native.cancel(self.handle, number)
            raise


def _close(handle: int, bell: socket.socket) -> None:
    bell.close()
    _native.release(handle)


_queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = weakref.WeakKeyDictionary()


async def run(handle: int, call: Call[T]) -> T:
    """Makes a call; the loop goes on meanwhile."""
    loop = asyncio.get_running_loop()
    queue = _queues.get(loop)
    if queue is None:
        queue = _queues[loop] = _Queue(loop)
    ok, text, blobs = await queue.outcome(handle, call)
    if not ok:
        raise error_of(text)
    return call.read(json.loads(text), blobs)


def _method(make: Callable[P, Call[T]]) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    """A method that makes a call, to be awaited."""

    async def method(self: Any, /, *args: P.args, **given: P.kwargs) -> T:
        return await run(self._handle, make(*args, **given))

    return described(method, make)


def _maker(make: Callable[P, Call[calls.Made]], of: Callable[[int, int], R]) -> Callable[Concatenate[Any, P], Awaitable[R]]:
    """The same for a call that gives a handle."""

    async def method(self: Any, /, *args: P.args, **given: P.kwargs) -> R:
        return of(*await run(self._handle, make(*args, **given)))

    return described(method, make)


class AsyncProcess(Started):
    """A process that a VM runs. Iterate over it with ``async for`` for its output. Letting go of it leaves the process running."""

    read = _method(calls.output)
    write = _method(calls.write)
    close_stdin = _method(calls.close_stdin)
    wait = _method(calls.wait)
    poll = _method(calls.poll)
    signal = _method(calls.signal)
    terminate = _method(calls.terminate)
    kill = _method(calls.kill)

    async def __aiter__(self) -> AsyncIterator[Output]:
        while True:
            output = await self.read()
            if output is None:
                return
            yield output


class AsyncShell(Started):
    """A program on a terminal. Iterate over it with ``async for`` for what it prints. Letting go of it hangs up."""

    read = _method(calls.screen)
    write = _method(calls.keys)
    resize = _method(calls.resize)
    wait = _method(calls.wait)
    poll = _method(calls.poll)
    signal = _method(calls.signal)
    close = _method(calls.hang_up)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            piece = await self.read()
            if piece is None:
                return
            yield piece


class AsyncEvents(Handle):
    """What a VM reports, from when this was made; it ends with the VM. Iterate over it with ``async for``."""

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = await run(self._handle, calls.next_event())
            if event is None:
                return
            yield event


class AsyncAgentOs(Options):
    """A VM in this process: ``async with AsyncAgentOs() as vm``, or ``vm = await AsyncAgentOs()``."""

    def _begin(self, create: Call[int]) -> None:
        self._create = create

    def __await__(self) -> Generator[Any, None, AsyncAgentOs]:
        return self._made().__await__()

    async def _made(self) -> AsyncAgentOs:
        if self._release is None:
            self._take(await run(0, self._create))
        return self

    async def __aenter__(self) -> AsyncAgentOs:
        return await self._made()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.dispose()

    async def dispose(self) -> None:
        """Ends the VM and all that runs in it. May be repeated."""
        if self._release is not None and self._release.alive:
            await run(self._handle, calls.dispose())
            self._release()

    exec = _method(calls.exec_)
    exec_argv = _method(calls.exec_argv)
    spawn = _maker(calls.spawn, AsyncProcess)
    open_shell = _maker(calls.open_shell, AsyncShell)
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
    events = _maker(calls.events, lambda handle, _pid: AsyncEvents(handle))
    async def fork(self) -> AsyncAgentOs:
        """A second VM with a copy of this one's files, which costs nothing until either changes them."""
        handle, _pid = await run(self._handle, calls.fork())
        vm: AsyncAgentOs = AsyncAgentOs._of(handle, self._desk)
        return vm

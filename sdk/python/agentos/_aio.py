"""VMs for programs with an event loop. The methods are those of ``AgentOs``, awaited; cancelling a task cancels its call."""

from __future__ import annotations

import asyncio
import json
import socket
import weakref
from types import TracebackType
from typing import Any, AsyncIterator, Dict, Generator, Iterable, List, Mapping, Optional, Sequence, Type, TypeVar

from . import _calls as calls
from . import _native
from ._calls import Call
from ._errors import error_of
from ._types import Data, DirectoryEntry, ExecResult, Explanation, HostDir, Output, ProcessInfo, Response, Stat

T = TypeVar("T")


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


class AsyncProcess:
    """A process that a VM runs. Iterate over it with ``async for`` for its output. Letting go of it leaves the process running."""

    def __init__(self, handle: int, pid: int) -> None:
        self._handle = handle
        self._release = weakref.finalize(self, _native.release, handle)
        #: Its id in the VM.
        self.pid = pid

    async def __aiter__(self) -> AsyncIterator[Output]:
        while True:
            output = await self.read()
            if output is None:
                return
            yield output

    async def read(self) -> Optional[Output]:
        """The next piece of output; None at the end."""
        return await run(self._handle, calls.output())

    async def write(self, data: Data) -> None:
        """Writes to its standard input; waits while the pipe is full."""
        await run(self._handle, calls.write(data))

    async def close_stdin(self) -> None:
        """Ends its standard input."""
        await run(self._handle, calls.close_input())

    async def wait(self) -> int:
        """Waits for its end; its exit code."""
        return await run(self._handle, calls.wait())

    async def poll(self) -> Optional[int]:
        """Its exit code; None while it runs."""
        return await run(self._handle, calls.poll())

    async def signal(self, name: str) -> None:
        """Sends a signal, by its name: ``SIGTERM``."""
        await run(self._handle, calls.signal(name))

    async def terminate(self) -> None:
        """SIGTERM."""
        await self.signal("SIGTERM")

    async def kill(self) -> None:
        """SIGKILL."""
        await self.signal("SIGKILL")


class AsyncAgentOs:
    """A VM in this process: ``async with AsyncAgentOs() as vm``, or ``vm = await AsyncAgentOs()``."""

    def __init__(
        self,
        *,
        software: Optional[Sequence[str]] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        hostname: Optional[str] = None,
        limits: Optional[Dict[str, Any]] = None,
        permissions: Optional[Any] = None,
        mounts: Optional[Sequence[HostDir]] = None,
        loopback_exempt_ports: Optional[Sequence[int]] = None,
        dns_servers: Optional[Sequence[str]] = None,
        proxy: Optional[str] = None,
        cache_dir: Optional[str] = None,
        _handle: Optional[int] = None,
    ) -> None:
        self._options = calls.options(
            software=list(software) if software is not None else None,
            env=dict(env) if env else None,
            cwd=cwd,
            hostname=hostname,
            limits=limits,
            permissions=permissions,
            mounts=mounts,
            loopback_exempt_ports=list(loopback_exempt_ports) if loopback_exempt_ports is not None else None,
            dns_servers=list(dns_servers) if dns_servers is not None else None,
            proxy=proxy,
            cache_dir=str(cache_dir) if cache_dir is not None else None,
        )
        # 0 is no VM: calls before it was made say that it is not there.
        self._handle = 0
        self._release: Optional[weakref.finalize[Any, AsyncAgentOs]] = None
        if _handle is not None:
            self._take(_handle)

    def _take(self, handle: int) -> None:
        self._handle = handle
        self._release = weakref.finalize(self, _native.release, handle)

    def __await__(self) -> Generator[Any, None, AsyncAgentOs]:
        return self._create().__await__()

    async def _create(self) -> AsyncAgentOs:
        if self._release is None:
            make: Call[int] = Call("create", self._options, b"", lambda shape, _blobs: shape["handle"])
            self._take(await run(0, make))
        return self

    async def __aenter__(self) -> AsyncAgentOs:
        return await self._create()

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

    async def fork(self) -> AsyncAgentOs:
        """A second VM with a copy of this one's files, which costs nothing until either changes them."""
        handle: int = await run(self._handle, calls.fork())
        return AsyncAgentOs(_handle=handle)

    async def exec(
        self,
        command: str,
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        stdin: Data = b"",
        timeout: Optional[float] = None,
        cpu_time: Optional[float] = None,
    ) -> ExecResult:
        """Runs a command line in the VM's shell and waits for its end. Times are seconds."""
        call = calls.exec_(command, env=env, cwd=cwd, stdin=stdin, timeout=timeout, cpu_time=cpu_time)
        return await run(self._handle, call)

    async def exec_argv(
        self,
        argv: Sequence[str],
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        stdin: Data = b"",
        timeout: Optional[float] = None,
        cpu_time: Optional[float] = None,
    ) -> ExecResult:
        """Runs a program without a shell and waits for its end."""
        call = calls.exec_(None, argv, env=env, cwd=cwd, stdin=stdin, timeout=timeout, cpu_time=cpu_time)
        return await run(self._handle, call)

    async def spawn(
        self,
        command: str,
        args: Iterable[str] = (),
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        cpu_time: Optional[float] = None,
        stdin: bool = True,
    ) -> AsyncProcess:
        """Starts a program. With ``stdin=False`` it has ``/dev/null`` to read from instead of a pipe."""
        call = calls.spawn(command, args, env=env, cwd=cwd, cpu_time=cpu_time, stdin=stdin)
        started = await run(self._handle, call)
        return AsyncProcess(started["handle"], started["pid"])

    async def read_file(self, path: str, *, offset: Optional[int] = None, length: Optional[int] = None) -> bytes:
        """The bytes of a file, or a part of them."""
        return await run(self._handle, calls.read_file(path, offset, length))

    async def read_text(self, path: str) -> str:
        """The text of a file in UTF-8."""
        return (await self.read_file(path)).decode("utf-8")

    async def write_file(self, path: str, content: Data, *, append: bool = False) -> None:
        """Creates or replaces a file, all or nothing; its directory must exist."""
        await run(self._handle, calls.write_file(path, content, append))

    async def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Makes a directory; ``parents`` also makes those above and accepts one that exists."""
        await run(self._handle, calls.mkdir(path, parents))

    async def readdir(self, path: str) -> List[str]:
        """Names in a directory, sorted by their bytes."""
        return await run(self._handle, calls.readdir(path))

    async def readdir_recursive(
        self, path: str, *, max_depth: Optional[int] = None, exclude: Iterable[str] = ()
    ) -> List[DirectoryEntry]:
        """What is in a directory and below, breadth first. ``exclude`` names directories to leave out."""
        return await run(self._handle, calls.readdir_recursive(path, max_depth, exclude))

    async def stat(self, path: str) -> Stat:
        """What a path leads to."""
        return await run(self._handle, calls.stat(path))

    async def exists(self, path: str) -> bool:
        """Whether a path leads somewhere."""
        return await run(self._handle, calls.exists(path))

    async def move(self, source: str, target: str) -> None:
        """Moves or renames."""
        await run(self._handle, calls.move(source, target))

    async def delete(self, path: str, *, recursive: bool = False) -> None:
        """Deletes a file or an empty directory, with ``recursive`` also what is in it."""
        await run(self._handle, calls.delete(path, recursive))

    async def chmod(self, path: str, mode: int) -> None:
        """Changes the mode of a file."""
        await run(self._handle, calls.chmod(path, mode))

    async def processes(self) -> List[ProcessInfo]:
        """Every process of the VM."""
        return await run(self._handle, calls.processes())

    async def signal_process(self, pid: int, signal: str) -> None:
        """Sends a signal to a process of the VM."""
        await run(self._handle, calls.signal_process(pid, signal))

    async def fetch(
        self,
        port: int,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Optional[Mapping[str, str]] = None,
        body: Data = b"",
    ) -> Response:
        """A request to a server in the VM. No socket of the host is involved."""
        return await run(self._handle, calls.fetch(port, path, method, headers, body))

    async def explain(self, scope: str, operation: str, *resources: str) -> Explanation:
        """What the policy says about an operation."""
        return await run(self._handle, calls.explain(scope, operation, resources))

    async def mount(self, what: HostDir) -> None:
        """Mounts a directory of the host."""
        await run(self._handle, calls.mount(what))

    async def unmount(self, guest: str) -> None:
        """Takes a mount away; ``EBUSY`` while it is in use."""
        await run(self._handle, calls.unmount(guest))

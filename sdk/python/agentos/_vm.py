"""VMs for programs that wait."""

from __future__ import annotations

import json
import weakref
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Type, TypeVar

from . import _calls as calls
from . import _native
from ._calls import Call
from ._errors import error_of
from ._types import Data, DirectoryEntry, ExecResult, Explanation, HostDir, Output, ProcessInfo, Response, Stat

T = TypeVar("T")


def run(handle: int, call: Call[T]) -> T:
    """Makes a call and waits for its result."""
    ok, text, blobs = _native.call(handle, call.method, call.args, call.data)
    if not ok:
        raise error_of(text)
    return call.read(json.loads(text), blobs)


class Process:
    """A process that a VM runs. Iterate over it for its output. Letting go of it leaves the process running."""

    def __init__(self, handle: int, pid: int) -> None:
        self._handle = handle
        self._release = weakref.finalize(self, _native.release, handle)
        #: Its id in the VM.
        self.pid = pid

    def __iter__(self) -> Iterator[Output]:
        while True:
            output = self.read()
            if output is None:
                return
            yield output

    def read(self) -> Optional[Output]:
        """The next piece of output; None at the end."""
        return run(self._handle, calls.output())

    def write(self, data: Data) -> None:
        """Writes to its standard input; waits while the pipe is full."""
        run(self._handle, calls.write(data))

    def close_stdin(self) -> None:
        """Ends its standard input."""
        run(self._handle, calls.close_input())

    def wait(self) -> int:
        """Waits for its end; its exit code."""
        return run(self._handle, calls.wait())

    def poll(self) -> Optional[int]:
        """Its exit code; None while it runs."""
        return run(self._handle, calls.poll())

    def signal(self, name: str) -> None:
        """Sends a signal, by its name: ``SIGTERM``."""
        run(self._handle, calls.signal(name))

    def terminate(self) -> None:
        """SIGTERM."""
        self.signal("SIGTERM")

    def kill(self) -> None:
        """SIGKILL."""
        self.signal("SIGKILL")


class AgentOs:
    """A VM in this process. Leaving its ``with`` block, or the last reference to it, ends it and all that runs in it."""

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
        if _handle is None:
            text = calls.options(
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
            _handle = run(0, Call("create", text, b"", lambda shape, _blobs: shape["handle"]))
        self._handle: int = _handle
        self._release = weakref.finalize(self, _native.release, _handle)

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
        if self._release.alive:
            run(self._handle, calls.dispose())
            self._release()

    def fork(self) -> AgentOs:
        """A second VM with a copy of this one's files, which costs nothing until either changes them."""
        return AgentOs(_handle=run(self._handle, calls.fork()))

    def exec(
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
        return run(self._handle, call)

    def exec_argv(
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
        return run(self._handle, call)

    def spawn(
        self,
        command: str,
        args: Iterable[str] = (),
        *,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        cpu_time: Optional[float] = None,
        stdin: bool = True,
    ) -> Process:
        """Starts a program. With ``stdin=False`` it has ``/dev/null`` to read from instead of a pipe."""
        call = calls.spawn(command, args, env=env, cwd=cwd, cpu_time=cpu_time, stdin=stdin)
        started = run(self._handle, call)
        return Process(started["handle"], started["pid"])

    def read_file(self, path: str, *, offset: Optional[int] = None, length: Optional[int] = None) -> bytes:
        """The bytes of a file, or a part of them."""
        return run(self._handle, calls.read_file(path, offset, length))

    def read_text(self, path: str) -> str:
        """The text of a file in UTF-8."""
        return self.read_file(path).decode("utf-8")

    def write_file(self, path: str, content: Data, *, append: bool = False) -> None:
        """Creates or replaces a file, all or nothing; its directory must exist."""
        run(self._handle, calls.write_file(path, content, append))

    def mkdir(self, path: str, *, parents: bool = False) -> None:
        """Makes a directory; ``parents`` also makes those above and accepts one that exists."""
        run(self._handle, calls.mkdir(path, parents))

    def readdir(self, path: str) -> List[str]:
        """Names in a directory, sorted by their bytes."""
        return run(self._handle, calls.readdir(path))

    def readdir_recursive(
        self, path: str, *, max_depth: Optional[int] = None, exclude: Iterable[str] = ()
    ) -> List[DirectoryEntry]:
        """What is in a directory and below, breadth first. ``exclude`` names directories to leave out."""
        return run(self._handle, calls.readdir_recursive(path, max_depth, exclude))

    def stat(self, path: str) -> Stat:
        """What a path leads to."""
        return run(self._handle, calls.stat(path))

    def exists(self, path: str) -> bool:
        """Whether a path leads somewhere."""
        return run(self._handle, calls.exists(path))

    def move(self, source: str, target: str) -> None:
        """Moves or renames."""
        run(self._handle, calls.move(source, target))

    def delete(self, path: str, *, recursive: bool = False) -> None:
        """Deletes a file or an empty directory, with ``recursive`` also what is in it."""
        run(self._handle, calls.delete(path, recursive))

    def chmod(self, path: str, mode: int) -> None:
        """Changes the mode of a file."""
        run(self._handle, calls.chmod(path, mode))

    def processes(self) -> List[ProcessInfo]:
        """Every process of the VM."""
        return run(self._handle, calls.processes())

    def signal_process(self, pid: int, signal: str) -> None:
        """Sends a signal to a process of the VM."""
        run(self._handle, calls.signal_process(pid, signal))

    def fetch(
        self,
        port: int,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Optional[Mapping[str, str]] = None,
        body: Data = b"",
    ) -> Response:
        """A request to a server in the VM. No socket of the host is involved."""
        return run(self._handle, calls.fetch(port, path, method, headers, body))

    def explain(self, scope: str, operation: str, *resources: str) -> Explanation:
        """What the policy says about an operation."""
        return run(self._handle, calls.explain(scope, operation, resources))

    def mount(self, what: HostDir) -> None:
        """Mounts a directory of the host."""
        run(self._handle, calls.mount(what))

    def unmount(self, guest: str) -> None:
        """Takes a mount away; ``EBUSY`` while it is in use."""
        run(self._handle, calls.unmount(guest))

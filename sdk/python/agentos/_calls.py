"""What calls send to the native module, and how its replies are read; the same for both kinds of VM.

A call is described by a :class:`Call`: the method, its arguments as JSON, bytes beside them, and the function that makes the
result of the reply. The classes of ``_vm`` run it and wait, those of ``_aio`` run it and let the loop go on. The functions here
have the signatures and descriptions of the methods of these classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, Iterable, List, Mapping, Optional, Sequence, Tuple, TypeVar

from ._types import (
    Data,
    DirectoryEntry,
    Event,
    ExecResult,
    Explanation,
    HostDir,
    LimitUsage,
    Memory,
    Mount,
    Output,
    ProcessInfo,
    Response,
    Stat,
    Usage,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call that has not begun."""

    method: str
    args: str
    data: bytes
    read: Callable[[Any, List[bytes]], T]


#: What a call for something with a handle of its own gives: the handle, and its pid if it is a process.
Made = Tuple[int, int]


def encode(data: Data) -> bytes:
    """Bytes of what is to be sent."""
    if isinstance(data, str):
        return data.encode("utf-8")
    return data if isinstance(data, bytes) else bytes(data)


def _call(method: str, read: Callable[[Any, List[bytes]], T], data: bytes = b"", /, **args: Any) -> Call[T]:
    given = {name: value for name, value in args.items() if value is not None}
    return Call(method, json.dumps(given), data, read)


def _nothing(_json: Any, _blobs: List[bytes]) -> None:
    return None


def _json(value: Any, _blobs: List[bytes]) -> Any:
    return value


def _bytes(_json: Any, blobs: List[bytes]) -> bytes:
    return blobs[0]


def _made(shape: Any, _blobs: List[bytes]) -> Made:
    return shape["handle"], shape.get("pid", 0)


def create(snapshot: Optional[bytes], **given: Any) -> Call[int]:
    known = {name: value for name, value in given.items() if value is not None}
    if "mounts" in known:
        known["mounts"] = [_mount(mount) for mount in known["mounts"]]
    return Call("create", json.dumps(known), snapshot or b"", lambda shape, _blobs: shape["handle"])


def _mount(mount: Mount) -> Dict[str, Any]:
    if not isinstance(mount, (HostDir, Memory)):
        raise TypeError(f"a mount is a HostDir or a Memory, not {mount!r}")
    caps = {"max_bytes": mount.max_bytes, "max_files": mount.max_files}
    shape: Dict[str, Any] = {"guest": mount.guest, **{name: cap for name, cap in caps.items() if cap is not None}}
    if isinstance(mount, HostDir):
        shape.update(host=str(mount.host), read_only=mount.read_only)
    return shape


def exec_(
    command: str,
    *,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    stdin: Data = b"",
    timeout: Optional[float] = None,
    cpu_time: Optional[float] = None,
) -> Call[ExecResult]:
    """Runs a command line in the VM's shell and waits for its end. Times are seconds."""
    return _exec(encode(stdin), command=command, env=_env(env), cwd=cwd, timeout=timeout, cpu_time=cpu_time)


def exec_argv(
    argv: Sequence[str],
    *,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    stdin: Data = b"",
    timeout: Optional[float] = None,
    cpu_time: Optional[float] = None,
) -> Call[ExecResult]:
    """Runs a program without a shell and waits for its end."""
    return _exec(encode(stdin), argv=list(argv), env=_env(env), cwd=cwd, timeout=timeout, cpu_time=cpu_time)


def _exec(stdin: bytes, /, **args: Any) -> Call[ExecResult]:
    def read(shape: Any, blobs: List[bytes]) -> ExecResult:
        return ExecResult(stdout_bytes=blobs[0], stderr_bytes=blobs[1], **shape)

    return _call("exec", read, stdin, **args)


def _env(env: Optional[Mapping[str, str]]) -> Optional[Dict[str, str]]:
    return dict(env) if env else None


def spawn(
    command: str,
    args: Iterable[str] = (),
    *,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    cpu_time: Optional[float] = None,
    stdin: bool = True,
) -> Call[Made]:
    """Starts a program. With ``stdin=False`` it has ``/dev/null`` to read from instead of a pipe."""
    return _call("spawn", _made, argv=[command, *args], env=_env(env), cwd=cwd, cpu_time=cpu_time, input=stdin)


def open_shell(
    command: str = "sh",
    args: Iterable[str] = (),
    *,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    cols: int = 80,
    rows: int = 24,
) -> Call[Made]:
    """Starts a program on a terminal of the VM. Letting go of the terminal hangs up."""
    return _call("open_shell", _made, argv=[command, *args], env=_env(env), cwd=cwd, cols=cols, rows=rows)


def read_file(path: str, *, offset: Optional[int] = None, length: Optional[int] = None) -> Call[bytes]:
    """The bytes of a file, or a part of them."""
    return _call("read_file", _bytes, path=path, offset=offset, length=length)


def read_text(path: str) -> Call[str]:
    """The text of a file in UTF-8."""
    return _call("read_file", lambda _json, blobs: blobs[0].decode("utf-8"), path=path)


def write_file(path: str, content: Data, *, append: bool = False) -> Call[None]:
    """Creates or replaces a file, all or nothing; its directory must exist."""
    return _call("write_file", _nothing, encode(content), path=path, append=append)


def mkdir(path: str, *, parents: bool = False) -> Call[None]:
    """Makes a directory; ``parents`` also makes those above and accepts one that exists."""
    return _call("mkdir", _nothing, path=path, recursive=parents)


def readdir(path: str) -> Call[List[str]]:
    """Names in a directory, sorted by their bytes."""
    return _call("readdir", _json, path=path)


def readdir_recursive(
    path: str, *, max_depth: Optional[int] = None, exclude: Iterable[str] = ()
) -> Call[List[DirectoryEntry]]:
    """What is in a directory and below, breadth first. ``exclude`` names directories to leave out."""

    def read(entries: Any, _blobs: List[bytes]) -> List[DirectoryEntry]:
        return [DirectoryEntry(**entry) for entry in entries]

    return _call("readdir_recursive", read, path=path, max_depth=max_depth, exclude=list(exclude))


def stat(path: str) -> Call[Stat]:
    """What a path leads to."""
    return _call("stat", lambda shape, _blobs: Stat(**shape), path=path)


def exists(path: str) -> Call[bool]:
    """Whether a path leads somewhere."""
    return _call("exists", _json, path=path)


def move(source: str, target: str) -> Call[None]:
    """Moves or renames."""
    # "from" is a word of the language.
    return Call("move", json.dumps({"from": source, "to": target}), b"", _nothing)


def delete(path: str, *, recursive: bool = False) -> Call[None]:
    """Deletes a file or an empty directory, with ``recursive`` also what is in it."""
    return _call("delete", _nothing, path=path, recursive=recursive)


def chmod(path: str, mode: int) -> Call[None]:
    """Changes the mode of a file."""
    return _call("chmod", _nothing, path=path, mode=mode)


def processes() -> Call[List[ProcessInfo]]:
    """Every process of the VM."""
    return _call("processes", lambda shapes, _blobs: [ProcessInfo(**shape) for shape in shapes])


def signal_process(pid: int, signal: str) -> Call[None]:
    """Sends a signal to a process of the VM."""
    return _call("signal", _nothing, pid=pid, signal=signal)


def fetch(
    port: int,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Optional[Mapping[str, str]] = None,
    body: Data = b"",
) -> Call[Response]:
    """A request to a server in the VM. No socket of the host is involved."""

    def read(shape: Any, blobs: List[bytes]) -> Response:
        return Response(shape["status"], shape["headers"], blobs[0])

    pairs = list((headers or {}).items())
    return _call("fetch", read, encode(body), port=port, path=path, method=method, headers=pairs)


def explain(scope: str, operation: str, *resources: str) -> Call[Explanation]:
    """What the policy says about an operation."""

    def read(shape: Any, _blobs: List[bytes]) -> Explanation:
        return Explanation(shape["decision"], shape)

    return _call("explain", read, scope=scope, operation=operation, resources=list(resources))


def usage() -> Call[Usage]:
    """What the VM uses now."""

    def read(shape: Any, _blobs: List[bytes]) -> Usage:
        limits = [LimitUsage(**limit) for limit in shape.pop("limits")]
        return Usage(limits=limits, **shape)

    return _call("usage", read)


def mount(what: Mount) -> Call[None]:
    """Mounts a directory of the host, or memory."""
    return Call("mount", json.dumps(_mount(what)), b"", _nothing)


def unmount(guest: str) -> Call[None]:
    """Takes a mount away; ``EBUSY`` while it is in use."""
    return _call("unmount", _nothing, guest=guest)


def snapshot() -> Call[bytes]:
    """The files as bytes, from which ``snapshot=`` starts a VM in this process or another: a tar file of what differs from
    the software. Processes and the content of mounts are not part of it."""
    return _call("snapshot", _bytes)


def fork() -> Call[Made]:
    """A second VM with a copy of this one's files, which costs nothing until either changes them."""
    return _call("fork", _made)


def events() -> Call[Made]:
    """What the VM reports from now on: limits that are nearly reached, and the audit trail."""
    return _call("events", _made)


def dispose() -> Call[None]:
    return _call("dispose", _nothing)


def next_event() -> Call[Optional[Event]]:
    def read(shape: Any, _blobs: List[bytes]) -> Optional[Event]:
        if shape is None:
            return None
        details, missed = shape
        return Event(details["event"], details, missed)

    return _call("next", read)


def output() -> Call[Optional[Output]]:
    """The next piece of output; None at the end."""

    def read(stream: Any, blobs: List[bytes]) -> Optional[Output]:
        return None if stream is None else Output(stream, blobs[0])

    return _call("output", read)


def screen() -> Call[Optional[bytes]]:
    """The next piece of what the program prints; None at the end."""
    return _call("output", lambda more, blobs: blobs[0] if more else None)


def write(data: Data) -> Call[None]:
    """Writes to its standard input; waits while the pipe is full."""
    return _call("write", _nothing, encode(data))


def keys(data: Data) -> Call[None]:
    """Types; waits while the terminal is full."""
    return _call("write", _nothing, encode(data))


def close_stdin() -> Call[None]:
    """Ends its standard input."""
    return _call("close_input", _nothing)


def resize(cols: int, rows: int) -> Call[None]:
    """Changes the size; the program is told by SIGWINCH."""
    return _call("resize", _nothing, cols=cols, rows=rows)


def wait() -> Call[int]:
    """Waits for its end; its exit code."""
    return _call("wait", _json)


def poll() -> Call[Optional[int]]:
    """Its exit code; None while it runs."""
    return _call("poll", _json)


def signal(name: str) -> Call[None]:
    """Sends a signal, by its name: ``SIGTERM``."""
    return _call("signal", _nothing, signal=name)


def terminate() -> Call[None]:
    """SIGTERM."""
    return signal("SIGTERM")


def kill() -> Call[None]:
    """SIGKILL."""
    return signal("SIGKILL")


def hang_up() -> Call[None]:
    """SIGHUP, as when a terminal's window is closed."""
    return signal("SIGHUP")

"""What calls send to the native module, and how its replies are read; the same for both kinds of VM.

A call is described by a :class:`Call`: the method, its arguments as JSON, bytes beside them, and the function that makes the
result of the reply. The classes of ``_vm`` run it and wait, those of ``_aio`` run it and let the loop go on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, Generic, Iterable, List, Mapping, Optional, Sequence, TypeVar

from ._types import (
    Data,
    DirectoryEntry,
    ExecResult,
    Explanation,
    HostDir,
    Output,
    ProcessInfo,
    Response,
    Stat,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call that has not begun."""

    method: str
    args: str
    data: bytes
    read: Callable[[Any, List[bytes]], T]


def encode(data: Data) -> bytes:
    """Bytes of what is to be sent."""
    return data.encode("utf-8") if isinstance(data, str) else bytes(data)


def _call(method: str, read: Callable[[Any, List[bytes]], T], data: bytes = b"", /, **args: Any) -> Call[T]:
    given = {name: value for name, value in args.items() if value is not None}
    return Call(method, json.dumps(given), data, read)


def _nothing(_json: Any, _blobs: List[bytes]) -> None:
    return None


def _json(value: Any, _blobs: List[bytes]) -> Any:
    return value


def _bytes(_json: Any, blobs: List[bytes]) -> bytes:
    return blobs[0]


def options(**given: Any) -> str:
    """Options of a VM as JSON. Those that are None are left to their defaults."""
    known = {name: value for name, value in given.items() if value is not None}
    if "mounts" in known:
        known["mounts"] = [mount_json(mount) for mount in known["mounts"]]
    return json.dumps(known)


def mount_json(mount: HostDir) -> Dict[str, Any]:
    """A mount as the native module reads it."""
    return {"guest": mount.guest, "host": str(mount.host), "read_only": mount.read_only}


def exec_(
    command: Optional[str] = None,
    argv: Optional[Sequence[str]] = None,
    *,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[str] = None,
    stdin: Data = b"",
    timeout: Optional[float] = None,
    cpu_time: Optional[float] = None,
) -> Call[ExecResult]:
    def read(shape: Any, blobs: List[bytes]) -> ExecResult:
        return ExecResult(stdout_bytes=blobs[0], stderr_bytes=blobs[1], **shape)

    args = {"env": dict(env) if env else None, "cwd": cwd, "timeout": timeout, "cpu_time": cpu_time}
    program = {"command": command} if argv is None else {"argv": list(argv)}
    return _call("exec", read, encode(stdin), **program, **args)


def spawn(
    command: str,
    args: Iterable[str],
    *,
    env: Optional[Mapping[str, str]],
    cwd: Optional[str],
    cpu_time: Optional[float],
    stdin: bool,
) -> Call[Any]:
    variables = dict(env) if env else None
    return _call("spawn", _json, argv=[command, *args], env=variables, cwd=cwd, cpu_time=cpu_time, input=stdin)


def read_file(path: str, offset: Optional[int], length: Optional[int]) -> Call[bytes]:
    return _call("read_file", _bytes, path=path, offset=offset, length=length)


def write_file(path: str, content: Data, append: bool) -> Call[None]:
    return _call("write_file", _nothing, encode(content), path=path, append=append)


def mkdir(path: str, parents: bool) -> Call[None]:
    return _call("mkdir", _nothing, path=path, recursive=parents)


def readdir(path: str) -> Call[List[str]]:
    return _call("readdir", _json, path=path)


def readdir_recursive(path: str, max_depth: Optional[int], exclude: Iterable[str]) -> Call[List[DirectoryEntry]]:
    def read(entries: Any, _blobs: List[bytes]) -> List[DirectoryEntry]:
        return [DirectoryEntry(**entry) for entry in entries]

    return _call("readdir_recursive", read, path=path, max_depth=max_depth, exclude=list(exclude))


def stat(path: str) -> Call[Stat]:
    return _call("stat", lambda shape, _blobs: Stat(**shape), path=path)


def exists(path: str) -> Call[bool]:
    return _call("exists", _json, path=path)


def move(source: str, target: str) -> Call[None]:
    # "from" is a word of the language.
    return Call("move", json.dumps({"from": source, "to": target}), b"", _nothing)


def delete(path: str, recursive: bool) -> Call[None]:
    return _call("delete", _nothing, path=path, recursive=recursive)


def chmod(path: str, mode: int) -> Call[None]:
    return _call("chmod", _nothing, path=path, mode=mode)


def processes() -> Call[List[ProcessInfo]]:
    return _call("processes", lambda shapes, _blobs: [ProcessInfo(**shape) for shape in shapes])


def signal_process(pid: int, signal: str) -> Call[None]:
    return _call("signal", _nothing, pid=pid, signal=signal)


def fetch(port: int, path: str, method: str, headers: Optional[Mapping[str, str]], body: Data) -> Call[Response]:
    def read(shape: Any, blobs: List[bytes]) -> Response:
        return Response(shape["status"], shape["headers"], blobs[0])

    pairs = list((headers or {}).items())
    return _call("fetch", read, encode(body), port=port, path=path, method=method, headers=pairs)


def explain(scope: str, operation: str, resources: Sequence[str]) -> Call[Explanation]:
    def read(shape: Any, _blobs: List[bytes]) -> Explanation:
        return Explanation(shape["decision"], shape)

    return _call("explain", read, scope=scope, operation=operation, resources=list(resources))


def mount(what: HostDir) -> Call[None]:
    return Call("mount", json.dumps(mount_json(what)), b"", _nothing)


def unmount(guest: str) -> Call[None]:
    return _call("unmount", _nothing, guest=guest)


def fork() -> Call[int]:
    return _call("fork", lambda shape, _blobs: shape["handle"])


def dispose() -> Call[None]:
    return _call("dispose", _nothing)


def output() -> Call[Optional[Output]]:
    def read(stream: Any, blobs: List[bytes]) -> Optional[Output]:
        return None if stream is None else Output(stream, blobs[0])

    return _call("output", read)


def write(data: Data) -> Call[None]:
    return _call("write", _nothing, encode(data))


def close_input() -> Call[None]:
    return _call("close_input", _nothing)


def wait() -> Call[int]:
    return _call("wait", _json)


def poll() -> Call[Optional[int]]:
    return _call("poll", _json)


def signal(name: str) -> Call[None]:
    return _call("signal", _nothing, signal=name)

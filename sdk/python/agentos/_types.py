"""What calls take and give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Union

#: Text is sent as UTF-8.
Data = Union[str, bytes, bytearray, memoryview]


@dataclass(frozen=True)
class HostDir:
    """A directory of the host at a path of the VM."""

    host: str
    guest: str
    read_only: bool = False
    #: Most bytes that are added through this mount.
    max_bytes: Optional[int] = None
    #: Most files, directories and links that are added.
    max_files: Optional[int] = None


@dataclass(frozen=True)
class Memory:
    """An empty filesystem in memory at a path of the VM. It counts against the VM's limits."""

    guest: str
    max_bytes: Optional[int] = None
    max_files: Optional[int] = None


#: What can be mounted.
Mount = Union[HostDir, Memory]


@dataclass(frozen=True)
class ExecResult:
    """How a command ended."""

    #: 128 + n after signal n, 124 after a timeout.
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    timed_out: bool = False
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    #: The limit for which it was killed, if it was.
    limit: Optional[str] = None

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become replacement characters."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0


@dataclass(frozen=True)
class Output:
    """A piece of a process's output."""

    #: ``stdout`` or ``stderr``.
    stream: str
    data: bytes


@dataclass(frozen=True)
class Stat:
    """Attributes of a file. Times are seconds since 1970."""

    mode: int
    size: int
    #: ``file``, ``directory``, ``symlink`` or ``other``.
    type: str
    ino: int
    nlink: int
    uid: int
    gid: int
    atime: float
    mtime: float
    ctime: float


@dataclass(frozen=True)
class DirectoryEntry:
    """One entry of a recursive listing."""

    path: str
    type: str
    size: int


@dataclass(frozen=True)
class ProcessInfo:
    """A process of the VM."""

    pid: int
    ppid: int
    command: str
    args: List[str]
    cwd: str
    exit_code: Optional[int]


@dataclass(frozen=True)
class Response:
    """What a server in the VM answered."""

    status: int
    #: Pairs, in the order in which they came.
    header_list: List[List[str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def headers(self) -> Dict[str, str]:
        """By lower-case name; of several with one name the last."""
        return dict((name.lower(), value) for name, value in self.header_list)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Explanation:
    """What the policy says about an operation."""

    #: ``allow`` or ``deny``.
    decision: str
    #: Everything else that is known, as :doc:`permissions.md` has it.
    details: Dict[str, Any]

    @property
    def allowed(self) -> bool:
        """Whether it may be done."""
        return self.decision == "allow"


@dataclass(frozen=True)
class LimitUsage:
    """A limit that is warned about, with how much of it is used."""

    name: str
    observed: int
    capacity: int


@dataclass(frozen=True)
class Usage:
    """What a VM uses."""

    processes: int
    processes_started: int
    open_fds: int
    filesystem_bytes: int
    inodes: int
    memory_bytes: int
    peak_memory_bytes: int
    #: Seconds.
    cpu_time: float
    limits: List[LimitUsage]


@dataclass(frozen=True)
class Event:
    """Something that a VM reported."""

    #: ``limit_warning``, or the name of an entry of the audit trail such as ``security.permission.denied``.
    event: str
    #: All that is known.
    details: Dict[str, Any]
    #: How many events were lost so far because they were not taken in time.
    missed: int

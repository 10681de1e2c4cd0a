"""agentOS: a computer for an AI agent, inside your process.

>>> from agentos import AgentOs
>>> with AgentOs() as vm:
...     vm.exec("echo hello").stdout
'hello\\n'
"""

from ._aio import AsyncAgentOs, AsyncProcess
from ._errors import (
    AgentOsError,
    Disposed,
    InvalidArgument,
    InvalidConfig,
    LimitExceeded,
    NotFound,
    PermissionDenied,
)
from ._native import version as __version__
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
from ._vm import AgentOs, Process

__all__ = [
    "AgentOs",
    "AgentOsError",
    "AsyncAgentOs",
    "AsyncProcess",
    "Data",
    "DirectoryEntry",
    "Disposed",
    "ExecResult",
    "Explanation",
    "HostDir",
    "InvalidArgument",
    "InvalidConfig",
    "LimitExceeded",
    "NotFound",
    "Output",
    "PermissionDenied",
    "Process",
    "ProcessInfo",
    "Response",
    "Stat",
    "__version__",
]

"""agentOS: a computer for an AI agent, inside your process.

>>> from agentos import AgentOs
>>> with AgentOs() as vm:
...     vm.exec("echo hello").stdout
'hello\\n'
"""

from ._aio import AsyncAgentOs, AsyncEvents, AsyncProcess, AsyncShell
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
from ._tools import Tool, ToolContext, ToolKit, UserError
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
from ._vm import AgentOs, Events, Process, Shell

__all__ = [
    "AgentOs",
    "AgentOsError",
    "AsyncAgentOs",
    "AsyncEvents",
    "AsyncProcess",
    "AsyncShell",
    "Data",
    "DirectoryEntry",
    "Disposed",
    "Event",
    "Events",
    "ExecResult",
    "Explanation",
    "HostDir",
    "InvalidArgument",
    "InvalidConfig",
    "LimitExceeded",
    "LimitUsage",
    "Memory",
    "Mount",
    "NotFound",
    "Output",
    "PermissionDenied",
    "Process",
    "ProcessInfo",
    "Response",
    "Shell",
    "Stat",
    "Tool",
    "ToolContext",
    "ToolKit",
    "Usage",
    "UserError",
    "__version__",
]

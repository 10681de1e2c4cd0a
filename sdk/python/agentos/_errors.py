"""Errors: one class, with subclasses for what programs look for."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional


class AgentOsError(Exception):
    """Why a call failed. ``code`` is stable and for programs, the message for people."""

    def __init__(self, code: str, message: str, metadata: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.metadata: Dict[str, Any] = metadata or {}

    @property
    def errno(self) -> Optional[str]:
        """Name of the system error behind it, such as ``ENOENT``."""
        return self.metadata.get("errno")

    def __reduce__(self) -> Any:
        return (type(self), (self.code, self.message, self.metadata))


class LimitExceeded(AgentOsError):
    """A configured limit was reached; ``metadata`` has ``limit``, ``observed`` and ``capacity``."""


class InvalidConfig(AgentOsError):
    """Options of a VM are not accepted; the message names each with what is accepted."""


class InvalidArgument(AgentOsError):
    """An argument of a call is not accepted."""


class Disposed(AgentOsError):
    """The VM or the process was disposed."""


class NotFound(AgentOsError):
    """A file or command does not exist (``ENOENT``)."""


class PermissionDenied(AgentOsError):
    """The policy or a guard refused (``EACCES``)."""


_CLASSES = {
    "limit_exceeded": LimitExceeded,
    "invalid_config": InvalidConfig,
    "invalid_argument": InvalidArgument,
    "invalid_params": InvalidArgument,
    "vm_disposed": Disposed,
    "ENOENT": NotFound,
    "EACCES": PermissionDenied,
}


def error_of(text: str) -> AgentOsError:
    """The exception for what the native module reports."""
    shape = json.loads(text)
    kind = _CLASSES.get(shape["code"], AgentOsError)
    return kind(shape["code"], shape["message"], shape["metadata"])

"""What both kinds of VM, process, terminal and event stream have in common: a handle of the native module."""

from __future__ import annotations

import inspect
import re
import weakref
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, TypeVar, Union

from . import _calls as calls
from . import _native
from ._calls import Call
from ._tools import Desk, ToolKit
from ._types import Mount

F = TypeVar("F", bound=Callable[..., Any])


class Named:
    """A class whose methods of calls have the names that they are assigned to."""

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        for name, value in vars(cls).items():
            if hasattr(value, "__signature__"):
                value.__name__, value.__qualname__ = name, f"{cls.__qualname__}.{name}"


class Handle(Named):
    """Something that the native module holds. The last reference lets go of it."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._release = weakref.finalize(self, _native.release, handle)


class Started(Handle):
    """A process or a terminal."""

    def __init__(self, handle: int, pid: int) -> None:
        super().__init__(handle)
        #: Its id in the VM.
        self.pid = pid


class Options(Named):
    """A VM that may have to be made first."""

    #: 0 is no VM: calls before it was made say that it is not there.
    _handle = 0
    _release: Optional[weakref.finalize[Any, Any]] = None
    #: Where calls of its tools arrive; copies of the VM share it.
    _desk: Optional[Desk] = None

    def __init__(
        self,
        *,
        software: Optional[Sequence[str]] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[str] = None,
        hostname: Optional[str] = None,
        limits: Optional[Dict[str, Any]] = None,
        permissions: Optional[Any] = None,
        mounts: Optional[Sequence[Mount]] = None,
        loopback_exempt_ports: Optional[Sequence[int]] = None,
        dns_servers: Optional[Sequence[str]] = None,
        proxy: Optional[str] = None,
        cache_dir: Optional[str] = None,
        snapshot: Optional[Union[bytes, bytearray, memoryview]] = None,
        tool_kits: Optional[Sequence[ToolKit]] = None,
    ) -> None:
        if tool_kits:
            self._desk = Desk(tool_kits)
        self._begin(
            calls.create(
                bytes(snapshot) if snapshot is not None else None,
                software=_list(software),
                env=dict(env) if env else None,
                cwd=cwd,
                hostname=hostname,
                limits=limits,
                permissions=permissions,
                mounts=_list(mounts),
                loopback_exempt_ports=_list(loopback_exempt_ports),
                dns_servers=_list(dns_servers),
                proxy=proxy,
                cache_dir=str(cache_dir) if cache_dir is not None else None,
                tools=self._desk.option() if self._desk is not None else None,
            )
        )

    def _begin(self, create: Call[int]) -> None:
        raise NotImplementedError

    def _take(self, handle: int) -> None:
        self._handle = handle
        self._release = weakref.finalize(self, _native.release, handle)

    @classmethod
    def _of(cls: Any, handle: int, desk: Optional[Desk]) -> Any:
        """The VM with this handle."""
        vm = cls.__new__(cls)
        vm._desk = desk
        vm._take(handle)
        return vm


def _list(given: Optional[Sequence[Any]]) -> Optional[List[Any]]:
    return list(given) if given is not None else None


def described(method: F, make: Callable[..., Any]) -> F:
    """Gives a method the description and the arguments of the function that makes its call."""
    method.__doc__, method.__module__ = make.__doc__, make.__module__.rpartition(".")[0]
    signature = inspect.signature(make)
    of = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    gives = re.sub(r"^Call\[(.*)\]$", r"\1", str(signature.return_annotation))
    parameters = [of, *signature.parameters.values()]
    method.__signature__ = signature.replace(parameters=parameters, return_annotation=gives)  # type: ignore[attr-defined]
    return method

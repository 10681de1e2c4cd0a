"""Functions of the program that programs in a VM call as commands."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import threading
import traceback
import warnings
import weakref
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from . import _native
from ._errors import error_of


class UserError(Exception):
    """An error whose message the program in the VM sees. Of any other exception it sees an id that the warning has as well."""

    def __init__(self, message: str, *, code: str = "user_error", metadata: Optional[Any] = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.metadata = metadata


@dataclass(frozen=True)
class ToolContext:
    """What a tool is told besides its input."""

    #: The process that calls.
    pid: int
    #: Set when nobody waits for the result any more: the tool's time is over, or its caller was killed.
    cancelled: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Tool:
    """A function with the JSON Schema of its input: ``function(input, context)``, or a coroutine function.

    It runs in a thread of its own. What it returns has to be JSON. ``timeout`` is seconds.
    """

    function: Callable[[Dict[str, Any], ToolContext], Any]
    schema: Mapping[str, Any]
    description: str = ""
    examples: Sequence[Tuple[str, Any]] = ()
    timeout: Optional[float] = None


@dataclass(frozen=True)
class ToolKit:
    """Tools under one name, which become the command ``agentos-{name}``."""

    name: str
    description: str
    tools: Mapping[str, Tool]


class Desk:
    """Where the calls of a VM's tools arrive. A thread waits for them and gives each a thread of its own."""

    def __init__(self, kits: Sequence[ToolKit]) -> None:
        ok, text, _ = _native.open_desk()
        if not ok:
            raise error_of(text)
        shape = json.loads(text)
        self.handle: int = shape["handle"]
        functions: List[Callable[[Dict[str, Any], ToolContext], Any]] = []
        self._kits = [_kit(kit, functions) for kit in kits]
        bell = socket.socket(fileno=shape["fd"])
        serving = threading.Thread(target=_serve, args=(self.handle, bell, functions), name="agentos-tools", daemon=True)
        serving.start()
        weakref.finalize(self, _native.release, self.handle)

    def option(self) -> Dict[str, Any]:
        """The option of the VM."""
        return {"desk": self.handle, "kits": self._kits}


def _kit(kit: ToolKit, functions: List[Callable[[Dict[str, Any], ToolContext], Any]]) -> Dict[str, Any]:
    tools = []
    for name, tool in kit.tools.items():
        shape: Dict[str, Any] = {
            "name": name,
            "description": tool.description,
            "schema": tool.schema,
            "function": len(functions),
            "examples": list(tool.examples),
        }
        if tool.timeout is not None:
            shape["timeout_ms"] = max(0, round(tool.timeout * 1000))
        functions.append(tool.function)
        tools.append(shape)
    return {"name": kit.name, "description": kit.description, "tools": tools}


def _serve(desk: int, bell: socket.socket, functions: Sequence[Callable[[Dict[str, Any], ToolContext], Any]]) -> None:
    """Takes calls until the desk is gone."""
    running: Dict[int, ToolContext] = {}
    with bell:
        while bell.recv(64):
            for text in _native.take_calls(desk):
                letter = json.loads(text)
                if "over" in letter:
                    over = running.pop(letter["over"], None)
                    if over is not None:
                        over.cancelled.set()
                    continue
                number = letter["call"]
                context = running[number] = ToolContext(letter["pid"])
                call = (desk, number, functions[letter["function"]], letter["input"], context, running)
                threading.Thread(target=_run, args=call, name="agentos-tool", daemon=True).start()


def _run(
    desk: int,
    number: int,
    function: Callable[[Dict[str, Any], ToolContext], Any],
    given: Dict[str, Any],
    context: ToolContext,
    running: Dict[int, ToolContext],
) -> None:
    try:
        result = function(given, context)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        outcome = json.dumps({"result": result}, allow_nan=False)
    except UserError as error:
        outcome = _refusal(error)
    except BaseException as error:  # whatever it is, somebody waits for an answer
        warnings.warn(f"a host tool failed: {error!r}", RuntimeWarning, stacklevel=1)
        outcome = json.dumps({"masked": traceback.format_exc()})
    finally:
        running.pop(number, None)
    _native.settle(desk, number, outcome)


def _refusal(error: UserError) -> str:
    try:
        return json.dumps({"user": [error.message, error.code, error.metadata]}, allow_nan=False)
    except (TypeError, ValueError):
        # Metadata that is no JSON is left out rather than losing the message.
        return json.dumps({"user": [error.message, error.code, None]})

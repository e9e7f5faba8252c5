"""Loggers that never harm who logs.

They are structlog's, with the configuration that the program has (ours in the processes of `dalsegno`, the
user's own or structlog's default where a worker or client is part of a program), but for two things:

- No call raises. A value whose `repr` raises is shown as what it is; what cannot be said at all is counted.
- No call waits. Processors run where the call is made, so that a line knows its time, its context and its
  exception; what comes out of them is written by a thread (see `_outlet`).

structlog is loaded with the first line that is said: it takes a fifth of the time of a command that says none.
"""

from __future__ import annotations

import contextvars
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from dalsegno._outlet import FLUSH_SECONDS, Outlet

_WRITING = frozenset(
    (
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "critical",
        "fatal",
        "exception",
        "msg",
        "log",
        "failure",
        "err",
    )
)
"""The methods by which structlog hands a line to whatever it wraps."""


_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}
_NUMBERS = {name: number for number, name in _LEVELS.items()}
_ASYNC = frozenset(
    f"a{name}"
    for name in ("debug", "info", "warning", "warn", "error", "critical", "fatal", "exception", "msg", "log")
)


class _Later(NamedTuple):
    """A configuration that is made when there is something to say. Below `level` there is not."""

    level: int
    configure: Callable[[], None]


_later: _Later | None = None


def configure_at_first_line(level: int, configure: Callable[[], None]) -> None:
    """Have it called before the first line of this level (as the standard library numbers them) or above; what
    is below is not said."""
    global _later
    _later = _Later(level, configure)


def _configured() -> None:
    """Two threads may do it at one time: it is the same each time."""
    global _later
    if (later := _later) is not None:
        later.configure()
        _later = None


_muted = 0


@contextmanager
def muted() -> Iterator[None]:
    """No logger of this process says anything meanwhile."""
    global _muted
    _muted += 1
    try:
        yield
    finally:
        _muted -= 1


class Logger:
    """See the module. `bind` gives another one that says these values with every event."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: Mapping[str, Any]) -> None:
        self._names = names
        self._values = values

    def bind(self, **values: Any) -> Logger:
        return Logger(self._names, {**self._values, **values})

    def unbind(self, *keys: str) -> Logger:
        return Logger(self._names, {key: value for key, value in self._values.items() if key not in keys})

    def new(self, **values: Any) -> Logger:
        return Logger(self._names, values)

    try_unbind = unbind

    def debug(self, event: object, /, *args: Any, **values: Any) -> None:
        self._say("debug", event, args, values)

    def info(self, event: object, /, *args: Any, **values: Any) -> None:
        self._say("info", event, args, values)

    def warning(self, event: object, /, *args: Any, **values: Any) -> None:
        self._say("warning", event, args, values)

    def error(self, event: object, /, *args: Any, **values: Any) -> None:
        self._say("error", event, args, values)

    def critical(self, event: object, /, *args: Any, **values: Any) -> None:
        self._say("critical", event, args, values)

    def exception(self, event: object, /, *args: Any, **values: Any) -> None:
        """As `error`, with the traceback of the exception that is being handled."""
        values.setdefault("exc_info", True)
        self._say("error", event, args, values)

    def log(self, level: int, event: object, /, *args: Any, **values: Any) -> None:
        """`level` as the standard library numbers them; a number between two counts as the lower."""
        floor = max((number for number in _LEVELS if number <= level), default=min(_LEVELS))
        self._say(_LEVELS[floor], event, args, values)

    warn = warning
    err = error
    fatal = critical
    msg = info

    def is_enabled_for(self, level: int) -> bool:
        """Whether a line of this level would be said: True where the configuration does not filter."""
        return level >= self.get_effective_level()

    def get_effective_level(self) -> int:
        if (later := _later) is not None:
            return later.level
        import structlog

        try:
            return int(structlog.get_logger(*self._names).get_effective_level())
        except Exception:  # noqa: BLE001 - not every wrapper knows levels
            return 0

    def __getattr__(self, name: str) -> Any:
        """structlog's `ainfo` and its like: nothing here waits, so they only look different."""
        if name not in _ASYNC:
            raise AttributeError(f"a logger has no {name!r}")

        async def say(*args: Any, **values: Any) -> None:
            getattr(self, name[1:])(*args, **values)

        return say

    def _say(self, method: str, event: object, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        if _muted or (_later is not None and _NUMBERS.get(method, 0) < _later.level):
            return
        if values.get("exc_info") is True:
            # What is being handled, while it is: the line may be written in another thread.
            values["exc_info"] = sys.exc_info() if sys.exc_info()[0] is not None else None
        try:
            self._hand_over(method, event, args, values)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - whatever a user's `repr` raises, it must not leave a log call
            self._say_as_text(method, event, args, values)

    def _say_as_text(
        self, method: str, event: object, args: tuple[Any, ...], values: Mapping[str, Any]
    ) -> None:
        """A value cannot be shown, or a key means something else to structlog."""
        try:
            text = _shown(event) if not args else f"{_shown(event)} {_shown(args)}"
            shown = dict(map(_as_text, {**self._values, **values}.items()))
            Logger(self._names, {})._hand_over(method, text, (), shown)
        except Exception:  # noqa: BLE001 - the configuration of this program cannot say it at all
            outlet.drop()

    def _hand_over(self, method: str, event: object, args: tuple[Any, ...], values: Mapping[str, Any]) -> None:
        if _later is not None:
            _configured()
        import structlog

        raw = structlog.get_config()["logger_factory"](*self._names)
        bound = structlog.wrap_logger(_Handing(raw)).bind(**self._values)
        getattr(bound, method)(event, *args, **values)


class _Handing:
    """Stands before what structlog would write to, and hands it over instead."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._raw, name)
        if name not in _WRITING:
            return attribute

        def hand_over(*args: Any, **values: Any) -> None:
            # Handlers and filters of the standard library may want the caller's context.
            context = contextvars.copy_context()
            outlet.offer(partial(context.run, partial(attribute, *args, **values)))

        return hand_over


_TAKEN = frozenset(("event", "self", "method_name"))
"""What structlog's own methods call their parameters."""


def _as_text(item: tuple[str, Any]) -> tuple[str, Any]:
    key, value = item
    if key == "exc_info":
        return "exception", _traceback(value)
    return (f"{key}_" if key in _TAKEN else key), _shown(value)


def _shown(value: object) -> str:
    try:
        return value if type(value) is str else repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - see _say
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def _traceback(value: object) -> str:
    error = value[1] if isinstance(value, tuple) and len(value) == 3 else value
    if not isinstance(error, BaseException):
        return ""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - see _say
        return type(error).__name__


def get_logger(*names: str) -> Logger:
    """A logger that neither raises nor waits. It asks for the configuration at each call, so that it may be
    made before there is one."""
    return Logger(names, {})


def flush(seconds: float = FLUSH_SECONDS) -> bool:
    """Wait until what was logged so far is written, at most that long; whether it is. Before `os._exit`."""
    return outlet.flush(seconds)


def say_dropped(count: int) -> None:
    """That an outlet has dropped so many lines."""
    get_logger("dalsegno").warning("log_lines_dropped", count=count)


outlet = Outlet(say_dropped)

"""The loggers of workflow and activity code: structlog's way to log and the standard library's, and no call of
either ever raises.

    logger.info("charged", order=5)                              # structlog
    logger.info("charged %s for %d", name, 5, extra={"order": 5})     # logging

Levels, handlers and filters belong to whoever configures the logging of the process; what sets them here does
nothing.
"""

# ruff: noqa: N802 - the standard library's names
from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from dalsegno._log import Logger, get_logger
from dalsegno.given import shown

_OF_THE_LINE = frozenset(("exc_info", "stack_info"))
"""Keywords that structlog and the standard library understand alike."""
_TAKEN = frozenset(("event", "level", "self", "method_name", "timestamp"))
"""Keys of the line itself: a user's value of that name gets an underscore behind it."""
_LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


class UserLogger:
    """`find` gives the logger that knows what runs now, or None where nobody is to hear it."""

    __slots__ = ("_find", "_values", "name")

    def __init__(self, name: str, find: Callable[[], Logger | None], values: Mapping[str, Any]) -> None:
        self.name = name
        self._find = find
        self._values = values

    # structlog's

    def bind(self, /, **values: Any) -> UserLogger:
        """Another logger, which says these values with every line."""
        return type(self)(self.name, self._find, {**self._values, **values})

    def unbind(self, *keys: str) -> UserLogger:
        kept = {key: value for key, value in self._values.items() if key not in keys}
        return type(self)(self.name, self._find, kept)

    try_unbind = unbind

    def new(self, /, **values: Any) -> UserLogger:
        return type(self)(self.name, self._find, values)

    # Both's

    def debug(self, /, *args: Any, **values: Any) -> None:
        self._say(logging.DEBUG, args, values)

    def info(self, /, *args: Any, **values: Any) -> None:
        self._say(logging.INFO, args, values)

    def warning(self, /, *args: Any, **values: Any) -> None:
        self._say(logging.WARNING, args, values)

    def error(self, /, *args: Any, **values: Any) -> None:
        self._say(logging.ERROR, args, values)

    def critical(self, /, *args: Any, **values: Any) -> None:
        self._say(logging.CRITICAL, args, values)

    def exception(self, /, *args: Any, **values: Any) -> None:
        """As `error`, with the traceback of the exception that is being handled, if there is one."""
        values.setdefault("exc_info", True)
        self._say(logging.ERROR, args, values)

    def log(self, level: int | str = logging.INFO, /, *args: Any, **values: Any) -> None:
        """`level` is a number or name as of the standard library."""
        self._say(level, args, values)

    warn = warning
    err = error
    fatal = critical
    msg = info

    async def adebug(self, /, *args: Any, **values: Any) -> None:
        self.debug(*args, **values)

    async def ainfo(self, /, *args: Any, **values: Any) -> None:
        self.info(*args, **values)

    async def awarning(self, /, *args: Any, **values: Any) -> None:
        self.warning(*args, **values)

    async def aerror(self, /, *args: Any, **values: Any) -> None:
        self.error(*args, **values)

    async def acritical(self, /, *args: Any, **values: Any) -> None:
        self.critical(*args, **values)

    async def aexception(self, /, *args: Any, **values: Any) -> None:
        self.exception(*args, **values)

    async def alog(self, level: int | str = logging.INFO, /, *args: Any, **values: Any) -> None:
        self.log(level, *args, **values)

    # The standard library's

    level = logging.NOTSET
    disabled = False
    propagate = True
    parent = None

    @property
    def handlers(self) -> list[logging.Handler]:
        return []

    @property
    def filters(self) -> list[Any]:
        return []

    def isEnabledFor(self, level: int | str) -> bool:
        """Whether such a line would be heard. The same when code runs again, though nothing is heard then."""
        try:
            return get_logger(self.name).is_enabled_for(_number(level))
        except Exception:  # noqa: BLE001 - no call raises
            return True

    def getEffectiveLevel(self) -> int:
        try:
            return get_logger(self.name).get_effective_level()
        except Exception:  # noqa: BLE001 - no call raises
            return logging.NOTSET

    is_enabled_for = isEnabledFor
    get_effective_level = getEffectiveLevel

    def getChild(self, suffix: str) -> UserLogger:
        return type(self)(f"{self.name}.{suffix}", self._find, {**self._values, "logger": suffix})

    def getChildren(self) -> set[logging.Logger]:
        return set()

    def hasHandlers(self) -> bool:
        return True

    def setLevel(self, level: int | str) -> None:
        """Nothing: see the module. The same for all below."""

    def addHandler(self, handler: logging.Handler) -> None:
        """Nothing."""

    def removeHandler(self, handler: logging.Handler) -> None:
        """Nothing."""

    def addFilter(self, filter: Any) -> None:  # noqa: A002 - the standard library's name for it
        """Nothing."""

    def removeFilter(self, filter: Any) -> None:  # noqa: A002 - the standard library's name for it
        """Nothing."""

    # How a line is said

    def _say(self, level: int | str, args: tuple[Any, ...], values: dict[str, Any]) -> None:
        try:
            logger = self._find()
            if logger is None:
                return
            event = args[0] if args else values.pop("event", values.pop("msg", ""))
            said = _values_of(values)
            method = _LEVELS[max(10, min(_number(level) // 10 * 10, 50))]
            getattr(logger.bind(**self._values), method)(_formatted(event, args[1:]), **said)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - whatever the values do, a line is not worth a workflow
            return

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def _number(level: int | str) -> int:
    if isinstance(level, str):
        level = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    return int(level)


def _formatted(event: Any, args: tuple[Any, ...]) -> Any:
    """With arguments as the standard library has it; where they don't fit, both are shown."""
    if not args:
        return event
    only = args[0]
    try:
        return str(event) % (only if len(args) == 1 and isinstance(only, Mapping) and only else args)
    except Exception:  # noqa: BLE001 - told badly, but told
        return f"{shown(event)} {', '.join(map(shown, args))}"


def _values_of(values: dict[str, Any]) -> dict[str, Any]:
    values.pop("stacklevel", None)
    extra = values.pop("extra", None)
    said = {**extra, **values} if isinstance(extra, Mapping) else values
    return {
        (f"{key}_" if key in _TAKEN else str(key)): value
        for key, value in said.items()
        if key not in _OF_THE_LINE or value
    }

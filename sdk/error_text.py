"""Exceptions of users as text. Nothing here raises, whatever their own methods and attributes do.

What stands in the slots of BaseException (cause, context, traceback) is read from there, since a class may have
a property of the same name; the class is asked by `type`, since an object may lie about it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, cast

_CAUSE, _CONTEXT, _TRACEBACK = (
    cast("Callable[[BaseException], Any]", BaseException.__dict__[name].__get__)
    for name in ("__cause__", "__context__", "__traceback__")
)
_CLASS_NAME = cast("Callable[[type], str]", type.__dict__["__name__"].__get__)


def cause_of(error: BaseException) -> BaseException | None:
    """What it was raised from."""
    return cast("BaseException | None", _CAUSE(error))


def context_of(error: BaseException) -> BaseException | None:
    """What was being handled when it was raised."""
    return cast("BaseException | None", _CONTEXT(error))


def traceback_of(error: BaseException) -> TracebackType | None:
    return cast("TracebackType | None", _TRACEBACK(error))


def parts_of_group(error: BaseException) -> tuple[BaseException, ...]:
    """What an ExceptionGroup holds, which is never nothing; () for any other error."""
    if not is_a(error, BaseExceptionGroup):
        return ()
    parts: tuple[BaseException, ...] = BaseExceptionGroup.exceptions.__get__(error)
    return parts


def is_a(error: BaseException, classes: type[Any] | tuple[type[Any], ...]) -> bool:
    """isinstance that believes the object's type alone."""
    return issubclass(type(error), classes)


def class_name(error: BaseException, characters: int = 255) -> str:
    return storable(_CLASS_NAME(type(error)), characters)


def message_of(error: BaseException, characters: int) -> str:
    try:
        return storable(str(error), characters)
    except BaseException as inner:  # noqa: BLE001 - a user's __str__ may raise anything; the error must be told
        return f"<the error's own __str__ raised {class_name(inner)}>"


def stack_of(error: BaseException, characters: int) -> str:
    """Its frames, without the message; the end is kept, since the innermost frames say most."""
    try:
        return storable("".join(traceback.format_tb(traceback_of(error))))[-characters:]
    except BaseException as inner:  # noqa: BLE001 - a user's import hook is asked for the source
        return f"<the traceback could not be formatted: {class_name(inner)}>"


def whole_of(error: BaseException, characters: int) -> str:
    """All that Python would print of it; the end is kept."""
    try:
        return storable("".join(traceback.format_exception(error)))[-characters:]
    except BaseException as inner:  # noqa: BLE001 - formatting runs the users' methods as well
        return f"<the traceback could not be formatted: {class_name(inner)}>"


def field_of(error: BaseException, name: str, default: Any) -> Any:
    """An attribute that a class of ours has, and that a subclass may have broken."""
    try:
        return getattr(error, name, default)
    except BaseException:  # noqa: BLE001 - a property may raise anything
        return default


def storable(text: str, characters: int | None = None) -> str:
    """A plain str, with what survives neither UTF-8 nor databases in escapes: lone surrogates (from file names
    of other encodings) and NUL. Cut first, so that a text of gigabytes costs nothing."""
    plain = str.__str__(text)[:characters]
    return plain.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")[:characters]

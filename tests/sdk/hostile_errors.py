"""Errors whose own methods, attributes and classes do what they should not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

from dalsegno.errors import ActivityError, ApplicationError, TimedOutError


def refuse(*_: Any) -> NoReturn:
    raise RuntimeError("not to be asked")


class UnbornError(ApplicationError):
    """Its __init__ does not call the base's."""

    def __init__(self, article: str) -> None:
        self.article = article

    def __str__(self) -> str:
        return f"no {self.article} left"


class UnbornActivityError(ActivityError):
    def __init__(self) -> None:
        pass


class UnbornTimeoutError(TimedOutError):
    def __init__(self) -> None:
        pass


class Loud(str):
    """A text that is not what it shows."""

    encode = refuse  # type: ignore[assignment]
    __getitem__ = refuse


class ToldByASubclassOfStrError(Exception):
    def __str__(self) -> str:
        return Loud("loud")


class ToldByANumberError(Exception):
    def __str__(self) -> Any:
        return 5


class NeverToldError(Exception):
    __str__ = __repr__ = refuse


class EndsTheProcessError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class RecursiveError(Exception):
    def __str__(self) -> str:
        return f"<{self}>"


class OddAttributesError(Exception):
    __cause__ = property(refuse)
    __context__ = property(refuse)
    __traceback__ = property(refuse)
    __dict__ = property(refuse)
    __notes__: ClassVar[Any] = 5  # type: ignore[misc]


class EndlessError(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        return EndlessError()


class ClaimsToBeAnotherError(Exception):
    __class__ = property(refuse)


class FalsyError(Exception):
    __bool__ = __len__ = __eq__ = __hash__ = refuse


class OddFieldsError(ApplicationError):
    def __init__(self) -> None:
        super().__init__("odd")
        values: dict[str, Any] = {"type": 5, "non_retryable": None, "details": 3, "next_retry_delay": "soon"}
        self.__dict__.update(values)


class RaisingFieldsError(ApplicationError):
    type = non_retryable = details = next_retry_delay = property(refuse, lambda *_: None)


class Metaclass(type):
    @property
    def __name__(cls) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("nameless")


class NamelessError(Exception, metaclass=Metaclass):
    pass


class OwnEnd(BaseException):
    pass


class OddGroup(ExceptionGroup[Exception]):
    exceptions = property(refuse)


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "its __init__ skips the base's": lambda: UnbornError("tea"),
    "an activity's error without fields": UnbornActivityError,
    "a timeout without fields": UnbornTimeoutError,
    "its text is a subclass of str": ToldByASubclassOfStrError,
    "its text is a number": ToldByANumberError,
    "__str__ and __repr__ raise": NeverToldError,
    "__str__ ends the process": EndsTheProcessError,
    "__str__ calls itself": RecursiveError,
    "properties in place of the slots": OddAttributesError,
    "causes without end": EndlessError,
    "an object that lies about its class": ClaimsToBeAnotherError,
    "neither true nor false": FalsyError,
    "fields of other types": OddFieldsError,
    "fields that raise": lambda: RaisingFieldsError("x"),
    "a class without a name": NamelessError,
    "surrogates and NUL": lambda: ValueError("\ud800\0"),
    "a huge name": lambda: type("X" * 100_000, (ApplicationError,), {})("x"),
    "a huge message": lambda: ValueError("x" * 10_000_000),
    "a huge number in its message": lambda: ValueError(10**10_000),
    "unpicklable arguments": lambda: ValueError(lambda: None, object()),
    "notes of another type": OddAttributesError,
    "details that cannot travel": lambda: ApplicationError("x", object(), refuse, float("nan"), "\ud800"),
    "a group that hides its parts": lambda: OddGroup("hidden", [ValueError("inside")]),
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(3),
    "a BaseException of one's own": OwnEnd,
    "a cancellation": asyncio.CancelledError,
}

"""What type checkers know of signals, queries and updates: ordinary methods, and which of the three.

At run time a decorated method is the function that it was. Checkers are told that it is a SignalMethod, a
QueryMethod or an UpdateMethod: it is called as before, by tests and by other methods, and the client can tell
which of them it is given, with which arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Q_co = TypeVar("Q_co", covariant=True)
W = TypeVar("W")
F_co = TypeVar("F_co", bound=Callable[..., Any], covariant=True)


class SignalMethod(Protocol[P, R_co]):
    """A method with @workflow.signal."""

    __name__: str
    __qualname__: str

    def __call__(self, workflow: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> SignalMethod[P, R_co]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any], /) -> Callable[P, R_co]: ...

    def __dalsegno_signal__(self) -> Callable[P, R_co]: ...


class QueryMethod(Protocol[P, R_co, Q_co]):
    """A method with @workflow.query. `Q_co` is what the client is given: of an async method, what the await
    gives."""

    __name__: str
    __qualname__: str

    def __call__(self, workflow: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> QueryMethod[P, R_co, Q_co]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any], /) -> Callable[P, R_co]: ...

    def __dalsegno_query__(self) -> Callable[P, Q_co]: ...


class UpdateMethod(Protocol[P, R_co, Q_co]):
    """A method with @workflow.update. `Q_co` is what the client is given: of an async method, what the await
    gives."""

    __name__: str
    __qualname__: str

    def __call__(self, workflow: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> UpdateMethod[P, R_co, Q_co]: ...

    @overload
    def __get__(self, instance: object, owner: type[Any], /) -> Callable[P, R_co]: ...

    def __dalsegno_update__(self) -> Callable[P, Q_co]: ...

    def validator(self, method: Callable[Concatenate[W, P], None], /) -> Callable[Concatenate[W, P], None]:
        """Mark the method that lets updates pass, or raises."""


# What the client asks for: a callable's defaults count when it is compared as a whole, and mypy names the
# argument that is wrong when the callable stands in the parameter's type.


class SignalOf(Protocol[F_co]):
    """A signal whose handler can be called as `F_co`, without the workflow."""

    def __dalsegno_signal__(self) -> F_co: ...


class QueryOf(Protocol[F_co]):
    """A query whose handler can be called as `F_co`, without the workflow."""

    def __dalsegno_query__(self) -> F_co: ...


class UpdateOf(Protocol[F_co]):
    """An update whose handler can be called as `F_co`, without the workflow, and without awaiting it."""

    def __dalsegno_update__(self) -> F_co: ...


class SignalDecorator(Protocol):
    """What `@workflow.signal(...)` gives."""

    def __call__(self, method: Callable[Concatenate[W, P], R], /) -> SignalMethod[P, R]: ...


class QueryDecorator(Protocol):
    """What `@workflow.query(...)` gives."""

    @overload
    def __call__(
        self, method: Callable[Concatenate[W, P], Coroutine[Any, Any, R]], /
    ) -> QueryMethod[P, Coroutine[Any, Any, R], R]: ...

    @overload
    def __call__(self, method: Callable[Concatenate[W, P], R], /) -> QueryMethod[P, R, R]: ...


class UpdateDecorator(Protocol):
    """What `@workflow.update(...)` gives."""

    @overload
    def __call__(
        self, method: Callable[Concatenate[W, P], Coroutine[Any, Any, R]], /
    ) -> UpdateMethod[P, Coroutine[Any, Any, R], R]: ...

    @overload
    def __call__(self, method: Callable[Concatenate[W, P], R], /) -> UpdateMethod[P, R, R]: ...

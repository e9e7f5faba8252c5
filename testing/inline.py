"""An executor that does its work within the call, so that nothing is under way that its loop cannot see."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class InlineExecutor(Executor):
    """`submit` gives back a future that is done."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - as a thread's executor: it is the future's
            future.set_exception(error)
        return future


def inline(name: str) -> Executor:
    """Implements NewThread."""
    return InlineExecutor()

"""Activities replaced by mocks.

    env.worker(workflows=[Order], activities=[mocked(charge, lambda order: "receipt")])

A child is replaced by another class of its type's name, among the `workflows` of a worker of its task queue.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from dalsegno.definition import EXECUTOR_ATTRIBUTE, NAME_ATTRIBUTE, described
from dalsegno.errors import DefinitionError
from dalsegno.testing.errors import MockSignatureError


def mocked(activity: Callable[..., Any], by: Callable[..., Any]) -> Callable[..., Any]:
    """An activity of the same name and types that calls `by`, which may be async, or of `unittest.mock`.

    It runs where `activity` would: on the worker's loop if that is async, else in a thread. Raises
    MockSignatureError for what cannot be called as the activity is, as far as that can be known before.
    """
    if not isinstance(getattr(activity, NAME_ATTRIBUTE, None), str):
        raise DefinitionError(
            f"{described(activity)} is not an activity: give mocked() what is decorated with @activity.defn."
        )
    if not callable(by):
        raise MockSignatureError(activity, f"{type(by).__name__} object", "cannot be called")
    _check_signature(activity, by)
    if inspect.iscoroutinefunction(activity) or inspect.iscoroutinefunction(by):

        @functools.wraps(activity)
        async def in_its_place(*args: Any) -> Any:
            result = by(*args)
            return await result if isinstance(result, Awaitable) else result

        replaced: Callable[..., Any] = in_its_place
    else:

        @functools.wraps(activity)
        def in_its_thread(*args: Any) -> Any:
            return by(*args)

        replaced = in_its_thread
    setattr(replaced, EXECUTOR_ATTRIBUTE, "thread")  # a mock is of this process
    return replaced


def _check_signature(activity: Callable[..., Any], by: Callable[..., Any]) -> None:
    wanted = inspect.signature(activity)
    try:
        given = inspect.signature(by)
    except (TypeError, ValueError):
        return  # it does not say
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in wanted.parameters.values()):
        return
    required = [p for p in wanted.parameters.values() if p.default is p.empty]
    for count in (len(required), len(wanted.parameters)):
        try:
            given.bind(*[None] * count)
        except TypeError as error:
            raise MockSignatureError(
                activity, described(by), f"takes {_names(given)} where it has {_names(wanted)}: {error}"
            ) from None


def _names(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"

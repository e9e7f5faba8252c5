"""A call of an activity as user code writes it, looked at: its arguments are what they should be, or it raises.

What is accepted here can be stored, sent, and read by whoever receives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

from dalsegno import given
from dalsegno._runtime import ActivityCall
from dalsegno.converter import Signature, encode_args, result_hint, signature_of
from dalsegno.data_converter import DataConverter
from dalsegno.definition import DYNAMIC_NAME, NAME_ATTRIBUTE, described
from dalsegno.elsewhere import no_option
from dalsegno.policies import ActivityCancellationType, Duration, RetryPolicy
from dalsegno.priority import Priority, given_level

ACTIVITY_ID_BYTES_MAX = 200
"""With the run ID before it, it is the idempotency key, which is a name."""

UNSET = cast(Any, object())

_START_TO_CLOSE_DEFAULT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another activity, for `on_exhausted`: see `workflow.fallback`."""

    activity: Callable[..., Any] | str
    arg: Any
    options: Mapping[str, Any]
    line: str


class _Known(NamedTuple):
    activity_type: str
    result_hint: Any
    signature: Signature | None
    """None for an activity that is known by its name alone."""
    taken: Signature | None
    """What its arguments are restored as."""


def activity_call(
    converter: DataConverter,
    line: str,
    activity: Callable[..., Any] | str,
    arg: Any,
    *,
    args: Sequence[Any] = (),
    task_queue: str | None = None,
    start_to_close_timeout: Duration | None = _START_TO_CLOSE_DEFAULT_SECONDS,
    schedule_to_close_timeout: Duration | None = None,
    schedule_to_start_timeout: Duration | None = None,
    heartbeat_timeout: Duration | None = None,
    retry_policy: RetryPolicy | None = None,
    cancellation_type: ActivityCancellationType = ActivityCancellationType.TRY_CANCEL,
    activity_id: str | None = None,
    result_type: Any = UNSET,
    on_exhausted: Any = "fail",
    priority: Priority | None = None,
    summary: Any = None,
    versioning_intent: Any = None,
    **unknown: Any,
) -> ActivityCall:
    """Raises TypeError and ValueError, which name the option, and PayloadError for arguments."""
    if unknown:
        raise no_option("An activity", next(iter(unknown)))
    values = args if type(args) is tuple else given.arguments("args", args)
    if arg is not UNSET:
        if values:
            raise TypeError("An activity is given one argument, or args=[...] for several, not both.")
        values = (arg,)
    if not (retry_policy is None or isinstance(retry_policy, RetryPolicy)):
        raise given.wrong_type("retry_policy", retry_policy, "a RetryPolicy or None")
    pauses, fallback = False, None
    if on_exhausted != "fail":
        pauses = on_exhausted == "pause"
        fallback = None if pauses else _fallback(converter, on_exhausted, values)
    known = _activity(activity)
    if known.signature is not None:
        _require_fitting(known.signature, len(values))
    return ActivityCall(
        known.activity_type,
        encode_args(known.activity_type, values, converter, known.taken),
        known.result_hint if result_type is UNSET else result_hint(result_type, converter),
        None if task_queue is None else given.task_queue("task_queue", task_queue),
        None if start_to_close_timeout is None else _limit("start_to_close_timeout", start_to_close_timeout),
        None
        if schedule_to_close_timeout is None
        else _limit("schedule_to_close_timeout", schedule_to_close_timeout),
        None
        if schedule_to_start_timeout is None
        else _limit("schedule_to_start_timeout", schedule_to_start_timeout),
        None if heartbeat_timeout is None else _limit("heartbeat_timeout", heartbeat_timeout),
        retry_policy,
        given.choice("cancellation_type", cancellation_type, ActivityCancellationType)._value_,
        None if activity_id is None else _activity_id(activity_id),
        line,
        None,
        pauses,
        fallback,
        None if priority is None else given_level(priority),
    )


def _fallback(converter: DataConverter, given_one: Any, values: Sequence[Any]) -> ActivityCall:
    """The activity that is run instead; `values` are the arguments of the one that fails."""
    if not isinstance(given_one, Fallback):
        expected = "'fail', 'pause' or workflow.fallback(activity)"
        if isinstance(given_one, str):
            raise given.wrong_value("on_exhausted", given_one, expected)
        raise given.wrong_type("on_exhausted", given_one, expected)
    options = {"args": values, **given_one.options} if given_one.arg is UNSET else given_one.options
    return activity_call(converter, given_one.line, given_one.activity, given_one.arg, **options)


def type_of_activity(activity: Any) -> str:
    """Its name. Raises TypeError."""
    return _activity(activity).activity_type


def signature_of_activity(activity: Any) -> Signature | None:
    """What its arguments are restored as; None for one that is known by its name alone. Raises TypeError."""
    return _activity(activity).taken


def _activity(target: Any) -> _Known:
    if isinstance(target, str):
        return _Known(given.name("The name of an activity", target), Any, None, None)
    function = getattr(target, "__func__", target)
    try:
        return _decorated(function)
    except TypeError as error:
        if getattr(function, NAME_ATTRIBUTE, None) is None:
            raise TypeError(
                f"{described(function)} is not an activity: decorate it with @activity.defn, or give the "
                "activity's name."
            ) from None
        raise error


@lru_cache(maxsize=4096)
def _decorated(function: Callable[..., Any]) -> _Known:
    activity_type = getattr(function, NAME_ATTRIBUTE, None)
    if not isinstance(activity_type, str):
        raise TypeError
    if activity_type == DYNAMIC_NAME:
        raise TypeError(
            f"{described(function)} is dynamic, it takes all names: give the one you mean as a string."
        )
    if isinstance(function, type):
        signature = signature_of(function.__call__, method=True)
        return _Known(activity_type, signature.returns, signature, signature)
    signature = signature_of(function)
    # Of a method that is given as `Class.method`, nobody can tell for sure whether its first parameter is to be
    # given, so that they are not counted.
    first = signature.parameters[0].name if signature.parameters else ""
    if first not in ("self", "cls"):
        return _Known(activity_type, signature.returns, signature, signature)
    return _Known(activity_type, signature.returns, None, signature_of(function, method=True))


def _require_fitting(signature: Signature, count: int) -> None:
    if not signature.accepts(count):
        raise TypeError(f"{signature.name} takes {signature.expected}, but is given {count}.")


def _activity_id(value: Any) -> str:
    activity_id = given.name("activity_id", value)
    if len(activity_id.encode()) > ACTIVITY_ID_BYTES_MAX:
        raise ValueError(
            f"activity_id {given.shown(activity_id)} is longer than {ACTIVITY_ID_BYTES_MAX} bytes in UTF-8."
        )
    return activity_id


def _limit(name: str, duration: Duration) -> int:
    return given.microseconds(name, duration, positive=True)

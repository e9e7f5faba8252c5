"""When what has failed is tried again: attempts of activities, and runs."""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from dalsegno.actors.workflow_actor.interface.times import FAR_FUTURE
from dalsegno.errors import RetryState
from dalsegno.failure import Failure
from dalsegno.given import MICROSECONDS_MAX
from dalsegno.policies import MAXIMUM_INTERVAL_FACTOR, MICROSECONDS_PER_SECOND, RetryPolicy, to_microseconds

_SCHEDULES_KEPT = 1_024


class RetrySchedule(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """RetryPolicy in microseconds. `maximum_attempts` 0 means no limit. Stored as an array: a new field
    is a new format (see `stored.formats`)."""

    initial_interval: int = 1_000_000
    backoff_coefficient: float = 2.0
    maximum_interval: int = 100_000_000
    maximum_attempts: int = 0
    non_retryable_error_types: tuple[str, ...] = ()


@lru_cache(maxsize=_SCHEDULES_KEPT)
def retry_schedule(policy: RetryPolicy) -> RetrySchedule:
    initial = to_microseconds(policy.initial_interval)
    maximum = policy.maximum_interval
    return RetrySchedule(
        initial_interval=initial,
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=to_microseconds(maximum)
        if maximum is not None
        else min(initial * MAXIMUM_INTERVAL_FACTOR, MICROSECONDS_MAX),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=policy.error_types,
    )


def policy_of(schedule: RetrySchedule) -> RetryPolicy:
    """The way back."""
    return RetryPolicy(
        initial_interval=schedule.initial_interval / MICROSECONDS_PER_SECOND,
        backoff_coefficient=schedule.backoff_coefficient,
        maximum_interval=schedule.maximum_interval / MICROSECONDS_PER_SECOND,
        maximum_attempts=schedule.maximum_attempts,
        non_retryable_error_types=schedule.non_retryable_error_types,
    )


def retry_at(
    retry: RetrySchedule,
    failure: Failure,
    *,
    attempt: int,
    now: int,
    delay: int | None = None,
    before: int | None = None,
) -> int | RetryState:
    """When the next begins after `attempt` has failed now, or why there is none. `delay` replaces the
    schedule's; none begins at `before`, or later."""
    if failure.non_retryable or _is_among(failure, retry.non_retryable_error_types):
        return RetryState.NON_RETRYABLE_FAILURE
    if 0 < retry.maximum_attempts <= attempt:
        return RetryState.MAXIMUM_ATTEMPTS_REACHED
    at = min(now + (retry_delay(retry, attempt) if delay is None else delay), FAR_FUTURE)
    return RetryState.TIMEOUT if before is not None and at >= before else at


def _is_among(failure: Failure, types: tuple[str, ...]) -> bool:
    """By its type, or that of a part of a group."""
    return bool(types) and (failure.type in types or any(_is_among(part, types) for part in failure.parts))


def retry_delay(retry: RetrySchedule, attempt: int) -> int:
    """Microseconds between the end of `attempt` and the next."""
    try:
        delay = retry.initial_interval * retry.backoff_coefficient ** (attempt - 1)
    except OverflowError:
        return retry.maximum_interval
    # The other way round, a coefficient that is not a number would slip through.
    return int(delay) if delay < retry.maximum_interval else retry.maximum_interval

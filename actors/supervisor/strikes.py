"""Strikes: how often a run's code did not yield, or killed its host, at one cause. The parent process writes
them; the next host reads them before it runs the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

STRIKES_LIMIT = 2


def struck(strikes: Iterable[tuple[str, int]]) -> str | None:
    """Why the code must not run any more, given (cause, count); None if it may."""
    return next(iter(struck_causes(strikes).values()), None)


def struck_causes(strikes: Iterable[tuple[str, int]]) -> Mapping[str, str]:
    """The causes at which the code must not run any more, and why."""
    return {
        cause: f"its code did not yield, or killed its host, {count} times at: {cause}"
        for cause, count in strikes
        if count >= STRIKES_LIMIT
    }

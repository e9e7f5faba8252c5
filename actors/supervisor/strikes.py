"""Strikes: how often a run's code did not yield, or killed its host, at one cause. The parent process writes
them; the next host reads them before it runs the code."""

from __future__ import annotations

from collections.abc import Iterable

STRIKES_LIMIT = 2


def struck(strikes: Iterable[tuple[str, int]]) -> str | None:
    """Why the code must not run any more, given (cause, count); None if it may."""
    for cause, count in strikes:
        if count >= STRIKES_LIMIT:
            return f"its code did not yield, or killed its host, {count} times at: {cause}"
    return None

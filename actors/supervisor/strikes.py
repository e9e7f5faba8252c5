"""Strikes: how often a run's code did not yield, or killed its host, at one cause. The parent process writes
them; the next host reads them before it runs the code.

A strike is against one version of the code: other code has its own. A run that is struck is suspended for the
code that did it, and a host with other code tries it anew, until that has struck as often. The rows stay when
it goes well, so hosts of two versions that hand a run to each other do not die of the bad one again and again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

STRIKES_LIMIT = 2

_OF_CODE = " @"


def struck_point(cause: str, fingerprint: str) -> str:
    """What strikes of one run are counted by. Without a `fingerprint` they count against all code."""
    return f"{cause}{_OF_CODE}{fingerprint}" if fingerprint else cause


def struck(strikes: Iterable[tuple[str, int]], fingerprint: str) -> str | None:
    """Why the code must not run any more, given (point, count); None if it may."""
    return next(iter(struck_causes(strikes, fingerprint).values()), None)


def struck_causes(strikes: Iterable[tuple[str, int]], fingerprint: str) -> Mapping[str, str]:
    """The causes at which this code must not run any more, and why."""
    causes = {}
    for point, count in strikes:
        cause, _, code = point.rpartition(_OF_CODE)
        if count >= STRIKES_LIMIT and code == fingerprint:
            causes[cause] = f"its code did not yield, or killed its host, {count} times at: {cause}"
        elif count >= STRIKES_LIMIT and not cause:
            causes[point] = f"its code did not yield, or killed its host, {count} times at: {point}"
    return causes

"""Times and failures in sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from shlex import quote

from dalsegno.failure import Failure

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
_LAST = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MESSAGE_CHARACTERS_MAX = 300


def moment(at: int) -> str:
    """2026-12-01 14:00:07 UTC."""
    return (_EPOCH + timedelta(microseconds=min(at, _LAST))).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(microseconds: int) -> str:
    """In the largest unit of which there are two at least: 40 s, 3 min, 5 h, 12 d."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if microseconds >= 2 * unit:
            return f"{microseconds // unit} {name}"
    return f"{max(0, microseconds) // SECOND} s"


def since(at: int | None, now: int) -> str:
    """since ..., with the blank before it; nothing where it is not known."""
    return "" if at is None else f" since {moment(at)} ({span(now - at)})"


def ago(at: int, now: int) -> str:
    return f"{span(now - at)} ago"


def due(at: int, now: int) -> str:
    """at ..., and how long that is from now on, if it is to come."""
    return f"at {moment(at)} (in {span(at - now)})" if at > now else f"at {moment(at)} ({ago(at, now)})"


def innermost(failure: Failure) -> Failure:
    """What only wraps another says less than that."""
    while failure.cause is not None and not failure.type:
        failure = failure.cause
    return failure


def because(failure: Failure | None) -> str:
    """Its type, where it has one, and what it says, on one line."""
    if failure is None:
        return ""
    said = innermost(failure)
    text = " ".join((f"{said.type}: {said.message}" if said.type else said.message).split())
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else f"{text[: MESSAGE_CHARACTERS_MAX - 3]}..."


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def command(*words: str) -> str:
    """A command line of ours; words in capitals stand for what its user knows."""
    return " ".join(["dalsegno", *(quote(word) if word else "''" for word in words)])

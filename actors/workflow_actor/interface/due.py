"""What falls due for a run: each room whose things have a time says so of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dalsegno.actors.workflow_actor.interface.decision import Decision


class FallsDue(NamedTuple):
    """Of one room. Its things are known by numbers."""

    pending: Callable[[Any], Iterable[int]]
    """By the state, the numbers of all that may have a time."""

    at: Callable[[Any, int, Any], int | None]
    """By state, number, and heartbeats: when it is due; None when it is no more."""

    moved_by: Mapping[type, Callable[[Any], int]]
    """The events after which one is due for the first time, or at another time than before, and which."""

    do: Callable[[Any, int, Any], Decision[Any]]
    """By state, number, and what is known beside the state: what comes of it, now that it is due."""

    events: tuple[type, ...]
    """What `do` may lead to."""

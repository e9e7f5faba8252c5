"""Who closed the channel? The broker does not say which of the messages in the air it was, so they are sent one
by one: the one that is in the air when the channel closes again is the culprit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 5.0
"""A channel is closed at once. What has not closed it for so long is innocent, although it is not confirmed
either: its queue may have no leader."""


class LineUp(Generic[T]):
    """The suspects, and the one that is being tried."""

    def __init__(self) -> None:
        self.suspects: list[T] = []
        self.in_the_air: T | None = None
        self._tried_at = 0.0

    def __bool__(self) -> bool:
        """Nothing else may be sent meanwhile."""
        return bool(self.suspects)

    def begin(self, suspects: Iterable[T]) -> None:
        self.suspects = list(suspects)
        self.in_the_air = None

    def channel_closed(self) -> T | None:
        """It closed over one of what was in the air: the culprit, if there was but one. The others go on being
        suspects, of another fault."""
        culprit, self.in_the_air = self.in_the_air, None
        if culprit is not None:
            self.suspects.remove(culprit)
        return culprit

    def take_next(self, may_go: Callable[[T], bool], now: float) -> T | None:
        """The suspect that is to be sent now; None when there is none left."""
        self.in_the_air = None
        while self.suspects:
            if may_go(self.suspects[0]):
                self.in_the_air = self.suspects[0]
                self._tried_at = now
                return self.in_the_air
            self.suspects.pop(0)
        return None

    def acquit(self, suspect: T) -> bool:
        """It was answered; whether it was the one that was being tried."""
        if self.in_the_air is not suspect:
            return False
        self.suspects.remove(suspect)
        self.in_the_air = None
        return True

    def overdue(self, now: float) -> T | None:
        """The one in the air, if it would have closed the channel long ago."""
        return self.in_the_air if now - self._tried_at >= PATIENCE_SECONDS else None

"""Which deliveries of a channel may be acknowledged: always the longest finished prefix, in one `multiple`.

A prefix, because one acknowledgement for many is much cheaper than many, and because what is behind an
unfinished message would come back behind it anyway.
"""

from __future__ import annotations


class AcknowledgementWindow:
    """The unacknowledged deliveries of one channel. Tags grow by one from 1."""

    __slots__ = ("_acknowledged", "_delivered", "_finished")

    def __init__(self) -> None:
        self._acknowledged = 0
        self._delivered = 0
        self._finished: set[int] = set()

    def delivered(self, tag: int) -> None:
        self._delivered = tag

    def finish(self, tag: int) -> None:
        """All that `tag` caused is durable and confirmed."""
        self._finished.add(tag)

    def take_prefix(self) -> int | None:
        """The tag up to which to acknowledge now, or None when the prefix has not grown."""
        tag = self._acknowledged
        while tag + 1 in self._finished:
            tag += 1
            self._finished.discard(tag)
        if tag == self._acknowledged:
            return None
        self._acknowledged = tag
        return tag

    @property
    def last_delivered(self) -> int:
        """The tag of the newest delivery; 0 if there was none."""
        return self._delivered

    @property
    def open(self) -> int:
        """Deliveries that are not acknowledged."""
        return self._delivered - self._acknowledged

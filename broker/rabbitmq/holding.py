"""What a consumer holds, in bytes, and how many messages are fetched for it.

RabbitMQ bounds what is unacknowledged by number alone, and what it has sent comes. So a body that does not fit
is not assembled: it and all behind it on the channel are passed over, and once all that was handed over before
is settled, the channel ends. What was passed over returns to the front of the queue in its order, and comes to
the next channel, whose prefetch is what fits; it grows again when messages are small again.
"""

from __future__ import annotations

from dalsegno.broker.held_bytes import HeldBytes

GROWS_AFTER = 50
"""By so many times its prefetch of messages it is judged, again and again, whether a consumer's is doubled."""


class Rations:
    """Of one session: what its consumers hold together, and for which queues fewer are fetched than was asked
    for, of which there are no more than it has consumed."""

    def __init__(self, held_bytes: int | None) -> None:
        self.held = HeldBytes(held_bytes)
        self._fewer: dict[str, int] = {}
        self.consumers = 0

    def prefetch_for(self, queue: str, wanted: int) -> int:
        """AMQP's rule: a prefetch of 0 is no limit."""
        fewer = self._fewer.get(queue, wanted)
        return fewer if not wanted else min(fewer, wanted)

    def shrink(self, queue: str, prefetch: int, largest: int) -> None:
        """Its messages did not fit: the next consumer fetches what is its share."""
        share = self._share(largest)
        self._fewer[queue] = max(1, min(prefetch // 2, share) if prefetch else share)

    def may_grow(self, prefetch: int, largest: int) -> bool:
        return prefetch * 2 <= self._share(largest)

    def grow(self, queue: str, prefetch: int) -> None:
        self._fewer[queue] = prefetch * 2

    def _share(self, largest: int) -> int:
        limit = self.held.limit or 0
        return limit // max(1, self.consumers) // max(1, largest)


class Holding:
    """Of one consumer, whose deliveries have tags from 1. `wanted` is the prefetch that was asked for,
    `prefetch` the one that it has."""

    def __init__(self, rations: Rations, queue: str, wanted: int) -> None:
        self._rations = rations
        self._queue = queue
        self._wanted = wanted
        self.prefetch = rations.prefetch_for(queue, wanted)
        self._sizes: dict[int, int] = {}
        self._last_tag = 0
        self._judged_at = 0
        """By the deliveries up to this one; `_largest` is that of those since."""
        self._largest = 0
        self.is_over = False
        """Something did not fit, or it is to grow: nothing more is handed over."""
        self._grows = False
        rations.consumers += 1

    def admit(self, size: int) -> bool:
        """Whether the next delivery, with a body of `size` bytes, may be handed over."""
        if self._rations.held.limit is None:
            return True
        self._last_tag += 1
        self._largest = max(self._largest, size)
        if not self.is_over and self._sizes and not self._rations.held.fits(size):
            self.is_over = True
            self._rations.shrink(self._queue, self.prefetch, self._largest)
        if self.is_over:
            return False
        self._sizes[self._last_tag] = size
        self._rations.held.take(size)
        return True

    def settle(self, tag: int, *, multiple: bool) -> str | None:
        """It is acknowledged or rejected. Returns why the channel is to end now, if it is."""
        if self._rations.held.limit is None:
            return None
        tags = [tag]
        if multiple:
            tags = []
            for held in self._sizes:
                if held > tag:
                    break
                tags.append(held)
        for held in tags:
            self._rations.held.give_back(self._sizes.pop(held, 0))
        if not self.is_over:
            self._judge()
        if self._sizes or not self.is_over:
            return None
        if self._grows:
            return "its messages are small again, and more are fetched at a time from now on"
        return "its messages are larger than what may be held, and fewer are fetched at a time from now on"

    def _judge(self) -> None:
        """Whether more may be fetched, by all that has come since it was judged last: one that is small says
        little. Under load there may be no moment in which nothing is held, so it is not waited for."""
        if self.prefetch == self._wanted or self._last_tag - self._judged_at < GROWS_AFTER * self.prefetch:
            return
        if self._rations.may_grow(self.prefetch, self._largest):
            self._rations.grow(self._queue, self.prefetch)
            self.is_over = self._grows = True
        self._judged_at, self._largest = self._last_tag, 0

    def end(self) -> None:
        """The channel is closed: what it held is the queue's again."""
        self._rations.held.give_back(sum(self._sizes.values()))
        self._sizes.clear()
        self._rations.consumers -= 1

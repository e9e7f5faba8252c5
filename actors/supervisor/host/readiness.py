"""When a host may say that it is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Protocol

from dalsegno.partition_id import PartitionID


class Owned(Protocol):
    """The part of a partition's supervisor that is looked at."""

    @property
    def channel(self) -> object | None: ...


class Readiness:
    """Calls `ready` once: when the host has its share of the partitions, and consumes all that it has. It waits
    until others have handed its share over, if there are partitions enough for all.

    It looks when a consumer is there or a host has come, and again and again: what it waits for may also come
    about by what this host gives away, such as a partition that it was about to consume.
    """

    def __init__(
        self,
        ready: Callable[[], None],
        *,
        owned: Mapping[PartitionID, Owned],
        partitions: int,
        peers: Callable[[], Sized],
    ) -> None:
        """`partitions`: of the namespace. `peers`: all hosts that are known, this one among them; none before
        it has joined."""
        self._ready: Callable[[], None] | None = ready
        self._owned = owned
        self._partitions = partitions
        self._peers = peers

    def look(self) -> None:
        if self._ready is None or not (peers := len(self._peers())):
            return
        has_share = len(self._owned) >= self._partitions // peers
        if has_share and all(owned.channel is not None for owned in self._owned.values()):
            ready, self._ready = self._ready, None
            ready()

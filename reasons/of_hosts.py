"""Reasons that lie with the hosts: nothing is known of the run, or it does not matter."""

from __future__ import annotations

from typing import ClassVar

from dalsegno.reasons.reason import Reason
from dalsegno.reasons.words import counted


class NoHost(Reason, frozen=True, kw_only=True):
    """No host runs in the namespace."""

    kind: ClassVar[str] = "no_host"
    is_stuck: ClassVar[bool] = True

    @property
    def sentence(self) -> str:
        return "No host is running, so no workflow moves."

    @property
    def helps(self) -> str | None:
        return "dalsegno host MODULES"


class NoOwner(Reason, frozen=True, kw_only=True):
    """`waiting`: messages in the partition's queue, if that was looked at."""

    kind: ClassVar[str] = "no_owner"
    is_stuck: ClassVar[bool] = True
    partition: int
    waiting: int | None = None

    @property
    def sentence(self) -> str:
        waiting = "" if not self.waiting else f"; {counted(self.waiting, 'message')} wait in its queue"
        return (
            f"Partition {self.partition}, in which it lives, has no owner: no host consumes it{waiting}. Hosts "
            "take such a partition within the time of a lease; where they do not, their log says why."
        )

    @property
    def helps(self) -> str | None:
        return "dalsegno partitions"

    @property
    def topic(self) -> str:
        return f"partition {self.partition}"


class HostSilent(Reason, frozen=True, kw_only=True):
    """Somebody consumes the partition, and no answer came within `seconds`."""

    kind: ClassVar[str] = "host_silent"
    is_stuck: ClassVar[bool] = True
    seconds: float
    partition: int | None = None
    owner: str | None = None
    waiting: int | None = None

    @property
    def sentence(self) -> str:
        where = "" if self.partition is None else f" of partition {self.partition}"
        who = "The host" if self.owner is None else f"Host {self.owner}, the owner"
        queue = "" if self.waiting is None else f"; {counted(self.waiting, 'message')} wait in its queue"
        return (
            f"{who}{where} has not answered within {self.seconds:g} s: it is busy, frozen, or cannot reach its "
            f"database{queue}."
        )

    @property
    def helps(self) -> str | None:
        return "dalsegno ping"

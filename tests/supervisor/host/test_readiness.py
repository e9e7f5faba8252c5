"""A host is ready when it has its share of the partitions and consumes all that it has."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dalsegno.actors.supervisor.host.readiness import Owned, Readiness
from dalsegno.partition_id import PartitionID
from tests.partition_ids import nths


class Joining:
    """A host of a namespace with four partitions."""

    def __init__(self) -> None:
        self.owned: dict[PartitionID, Owned] = {}
        self.peers: tuple[str, ...] = ()
        self.said = 0
        self._readiness = Readiness(self._ready, owned=self.owned, partitions=4, peers=lambda: self.peers)

    def _ready(self) -> None:
        self.said += 1

    def owns(self, *numbers: int, consumed: bool) -> None:
        channel = object() if consumed else None
        self.owned.update({nths(4)[number]: SimpleNamespace(channel=channel) for number in numbers})

    def is_ready(self) -> bool:
        self._readiness.look()
        return self.said == 1


@pytest.fixture
def host() -> Joining:
    return Joining()


def test_alone_it_waits_for_all_and_says_so_once(host: Joining) -> None:
    assert not host.is_ready()
    host.peers = ("a",)
    host.owns(0, 1, 2, consumed=True)
    assert not host.is_ready()
    host.owns(3, consumed=False)
    assert not host.is_ready()
    host.owns(3, consumed=True)
    assert host.is_ready()
    host.owned.clear()
    assert host.is_ready()


def test_beside_another_its_share_is_enough(host: Joining) -> None:
    host.peers = ("a", "b")
    host.owns(0, consumed=True)
    assert not host.is_ready()
    host.owns(1, consumed=True)
    assert host.is_ready()


def test_with_more_hosts_than_partitions_it_waits_for_none(host: Joining) -> None:
    host.peers = tuple("abcde")
    assert host.is_ready()


def test_a_partition_that_is_given_away_before_it_was_consumed_is_waited_for_no_more(host: Joining) -> None:
    """It took all of them when it began, and another came at once: nothing is opened or gained any more."""
    host.peers = ("a",)
    host.owns(0, 1, consumed=True)
    host.owns(2, 3, consumed=False)
    host.peers = ("a", "b")
    assert not host.is_ready()
    for given_away in nths(4)[2:]:
        del host.owned[given_away]
    assert host.is_ready()

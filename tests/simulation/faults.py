"""Which faults happen when: drawn from the seed, one stream for each kind, so that leaving one kind out (to
find out which matter) changes nothing about the others."""

from __future__ import annotations

from collections.abc import Collection
from random import Random

PER_EVENT: dict[str, float] = {
    # the network
    "frame delayed": 0.02,
    "confirm late": 0.05,
    "confirm refused": 0.012,
    "confirm refused though stored": 0.012,
    "confirm never comes": 0.002,
    "publish closes the channel": 0.004,
    "publish refused for its exchange": 0.004,
    "connection refused": 0.05,
    "connection cut before the last frames": 0.5,
    "publisher opened late": 0.1,
    "consumers before their publisher": 0.2,
    # the database
    "commit slow": 0.04,
    "commit fails": 0.03,
    "commit done but reported failed": 0.03,
    "read slow": 0.02,
    "read fails": 0.02,
    "membership call fails": 0.01,
    "membership call done but reported failed": 0.01,
    "membership answer late": 0.03,
    # processes that die in the middle of what they do
    "host killed: round begun": 0.004,
    "host killed: transaction open": 0.004,
    "host killed: committed": 0.004,
    "host killed: publishing": 0.004,
    "host killed: confirmed": 0.002,
    "host killed: acknowledging": 0.002,
    "host killed: loading": 0.003,
    "host killed: leases gained": 0.01,
    "host killed: membership call": 0.002,
    # what the process itself lacks
    "memory runs out": 3e-4,
    "log raises": 0.2,
    "worker killed: task taken": 0.01,
    "worker killed: work done": 0.01,
    "worker killed: result published": 0.01,
    "worker killed: result confirmed": 0.02,
    # what workers and clients do
    "result sent twice": 0.05,
    "result with a forged token": 0.03,
    "result of an old attempt": 0.05,
    "task done twice": 0.02,
    "work goes on outside": 0.1,
    "command sent twice": 0.08,
    "command to a foreign partition": 0.02,
    "command nobody can read": 0.02,
    "signal with its start's message ID": 0.1,
}
"""The chance of each where it may happen."""

MUCH_LATER: dict[str, float] = {
    "read answered late": 0.02,
    "command repeated much later": 0.03,
    "word of a worker repeated much later": 0.02,
}
"""The same, of what comes long after it was sent."""

AT_RANDOM: dict[str, float] = {
    "host killed": 6.0,
    "host frozen": 6.0,
    "host drained": 10.0,
    "loop blocked": 8.0,
    "worker killed": 5.0,
    "worker frozen": 8.0,
    "broker restarted": 12.0,
    "connection cut": 2.5,
    "consumer channel closed": 2.5,
    "link to the broker silent": 6.0,
    "link to the database silent": 6.0,
    "database slow": 6.0,
    "publishers blocked": 15.0,
    "queue full": 8.0,
    "task queue purged": 12.0,
    "task queue deleted": 15.0,
    "clock steps": 8.0,
    "rows damaged": 4.0,
    "actor crashes": 6.0,
    "host killed as the clock goes back": 15.0,
}
"""Seconds between two of a kind, on average."""

TWO_RELEASES: dict[str, float] = {
    "host replaced by the other release": 6.0,
    "newer format asked for": 12.0,
    "newer format forced": 30.0,
}
"""The same, where hosts of two releases work side by side."""

BY_PLAN = ("signal the database refuses",)
"""Clients do it as their stories have it."""

OFF_LOOP: dict[str, float] = {
    "preparation fails": 0.03,
    "preparation never ends": 0.02,
    "local work never ends": 0.05,
    "host killed: local work done": 0.03,
}
"""The same, of what turns wait for."""

SWITCHED: dict[str, float] = {
    "keys away": 4.0,
    "payload store away": 6.0,
    "payload lost": 3.0,
    "payload damaged": 3.0,
}
"""The same as `AT_RANDOM`, where payload codecs and stores are switched on."""

KINDS = (*PER_EVENT, *AT_RANDOM, *BY_PLAN, *MUCH_LATER, *TWO_RELEASES, *OFF_LOOP, *SWITCHED)


FaultID = tuple[str, int]
"""A kind, and the how manieth chance of it: what else happens does not change it."""


class Faults:
    """`only` these happen, if it is given: for finding out which of them a failure takes. A seed leaves out
    some kinds by itself, and has some more often: what hides in a storm may show in a breeze."""

    def __init__(self, seed: int, *, only: Collection[FaultID] | None = None) -> None:
        self.happened: list[FaultID] = []
        self.active = True
        self.streams = {kind: Random(f"{seed} {kind}") for kind in KINDS}
        self._only = only
        self._numbers = dict.fromkeys(KINDS, 0)
        swarm = Random(f"{seed} swarm")
        weights = {kind: swarm.choice((0.0, 0.5, 1.0, 1.0, 3.0)) for kind in KINDS}
        self._chances = {
            kind: chance * weights[kind] for kind, chance in (PER_EVENT | MUCH_LATER | OFF_LOOP).items()
        }
        by_themselves = AT_RANDOM | TWO_RELEASES | SWITCHED
        self.intervals = {kind: s / weights[kind] for kind, s in by_themselves.items() if weights[kind]}

    def happens(self, kind: str) -> bool:
        """Draw; what happens is noted."""
        if not self.active:
            return False
        self._numbers[kind] += 1
        chance = self._chances[kind]
        return chance > 0.0 and self.streams[kind].random() < chance and self._lets(kind) and self.note(kind)

    def comes(self, kind: str) -> bool:
        """The time of one that comes by itself has come. Whether it could be done is to be noted."""
        self._numbers[kind] += 1
        return self.active and self._lets(kind)

    def _lets(self, kind: str) -> bool:
        return self._only is None or (kind, self._numbers[kind]) in self._only

    def note(self, kind: str) -> bool:
        """It did happen."""
        self.happened.append((kind, self._numbers[kind]))
        return True

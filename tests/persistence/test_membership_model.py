"""Any order of joins, renewals, deaths, take-overs and releases keeps to a model of ten lines."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dalsegno.errors import FencedError
from dalsegno.persistence import open_store
from dalsegno.persistence.port import Fence, LeaseRow
from tests.partition_ids import nth, nths
from tests.persistence.rounds import HOUR, creation, round_of, run_of, step

PARTITIONS = 3
HOSTS = st.sampled_from(["a", "b", "c"])
CHOICES = st.sets(st.integers(0, PARTITIONS - 1))


@dataclass
class Model:
    live: set[str] = field(default_factory=set)
    owners: list[str | None] = field(default_factory=lambda: [None] * PARTITIONS)
    epochs: list[int] = field(default_factory=lambda: [0] * PARTITIONS)

    def holds(self, host: str, partition: int) -> bool:
        """By the leases alone: an expired host commits until somebody takes its lease."""
        return self.owners[partition] == host


class MembershipMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(f"sqlite:///{Path(self.folder.name) / 'model.db'}")
        self.store.migrate(partitions=PARTITIONS)
        self.membership, self.writer = self.store.membership(), self.store.writer()
        self.model = Model()
        self.held: dict[tuple[str, int], int] = {}
        self.sequences = [0] * PARTITIONS

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(host=HOSTS)
    def join(self, host: str) -> None:
        self.membership.join(host, ttl=HOUR, version="1")
        self.model.live.add(host)
        self.model.owners = [None if owner == host else owner for owner in self.model.owners]

    @rule(host=HOSTS, lapses=st.booleans())
    def renew(self, host: str, lapses: bool) -> None:
        if host not in self.model.live:
            with suppress(FencedError):
                self.membership.renew(host, ttl=HOUR)
                raise AssertionError("a host that is gone has renewed")
            return
        self.membership.renew(host, ttl=-1 if lapses else HOUR)
        if lapses:
            self.model.live.remove(host)

    @rule(host=HOSTS)
    def expire(self, host: str) -> None:
        self.membership.expire(host)
        self.model.live.discard(host)

    @rule(host=HOSTS, wanted=CHOICES)
    def take(self, host: str, wanted: set[int]) -> None:
        model = self.model
        if host not in model.live:
            with suppress(FencedError):
                self.membership.take([nth(number) for number in sorted(wanted)], host)
                raise AssertionError("a host that is gone has taken")
            return
        free = [number for number in sorted(wanted) if model.owners[number] not in model.live]
        for number in free:
            model.owners[number] = host
            model.epochs[number] += 1
            self.held[host, number] = model.epochs[number]
        expected = [LeaseRow(nth(number), host, model.epochs[number]) for number in free]
        assert self.membership.take([nth(number) for number in sorted(wanted)], host) == expected

    @rule(host=HOSTS, partition=st.integers(0, PARTITIONS - 1))
    def release(self, host: str, partition: int) -> None:
        epoch = self.held.get((host, partition), 0)
        self.membership.release([Fence(nth(partition), epoch)], host)
        if self.model.holds(host, partition) and self.model.epochs[partition] == epoch:
            self.model.owners[partition] = None

    @rule(host=HOSTS)
    def commit_for_all(self, host: str) -> None:
        """With the epochs that the host last took, though it may have lost them long ago."""
        epochs = {number: self.held.get((host, number), 0) for number in range(PARTITIONS)}
        writes = []
        for number in range(PARTITIONS):
            name, sequence = f"w{number}", self.sequences[number] + 1
            make = {"partition": nth(number), "journal": ()}
            writes.append(
                step(name, sequence, **make)
                if sequence > 1
                else creation(name, run_id=run_of(name), opened=(), **make)
            )
        outcome = self.writer.commit(
            round_of(*writes, host=host, epochs={nth(number): epoch for number, epoch in epochs.items()})
        )
        kept = {
            number
            for number in range(PARTITIONS)
            if self.model.holds(host, number) and self.model.epochs[number] == epochs[number]
        }
        assert outcome.lost == set(nths(PARTITIONS)) - {nth(number) for number in kept}
        assert outcome.missed == frozenset()
        for number in kept:
            self.sequences[number] += 1

    @invariant()
    def the_database_agrees_with_the_model(self) -> None:
        cluster = self.membership.cluster()
        assert {host.host_id for host in cluster.hosts} == self.model.live
        assert [lease.owner for lease in cluster.leases] == self.model.owners
        assert [lease.epoch for lease in cluster.leases] == self.model.epochs


TestMembershipMachine = MembershipMachine.TestCase
TestMembershipMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)

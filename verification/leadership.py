"""I3: per partition, one host writes in an epoch, epochs only grow, and none comes back.

Three kinds of evidence, from the strongest: a run's own order (a later row never has an older epoch); the
rounds of one host, which it numbers (a later round never has an older epoch of the same partition); and times,
which are of the database's clock as each host knows it, so that only a large difference counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

from dalsegno.partition_id import PartitionID
from dalsegno.persistence.ended_runs import NOBODY
from dalsegno.persistence.port import JournalRow, LeaseRow
from dalsegno.verification.finding import Finding, Invariant, Violation

CLOCK_TOLERANCE = 60_000_000
"""Microseconds by which epochs may seem to overlap: hosts know the database's clock only so well."""


class Witness(Struct, frozen=True):
    """A row that shows something. `value` is its round or time."""

    value: int
    workflow_id: str
    run_id: str
    sequence: int

    def __str__(self) -> str:
        return f"workflow {self.workflow_id}, run {self.run_id}, sequence {self.sequence}"


class _Reign:
    """One epoch of one partition, as far as rows tell."""

    __slots__ = ("first_round", "first_time", "host", "last_round", "last_time")

    def __init__(self, host: str, round_: Witness, time: Witness) -> None:
        self.host = host
        self.first_round = self.last_round = round_
        self.first_time = self.last_time = time

    def extend(self, round_: Witness, time: Witness) -> None:
        self.first_round = min(self.first_round, round_, key=_value)
        self.last_round = max(self.last_round, round_, key=_value)
        self.first_time = min(self.first_time, time, key=_value)
        self.last_time = max(self.last_time, time, key=_value)


def _value(witness: Witness) -> int:
    return witness.value


class Leadership:
    """Of a whole namespace: a few numbers per partition and epoch. Being told a row again is harmless."""

    def __init__(self) -> None:
        self._reigns: dict[PartitionID, dict[int, _Reign]] = defaultdict(dict)

    def on_row(self, row: JournalRow, before: JournalRow | None, *, workflow_id: str) -> Iterator[Violation]:
        """`before` is the row of the same run that comes before it, if there is one."""
        if (row.epoch, row.host) == NOBODY:
            return
        yield from _order(row, before)
        round_ = Witness(row.round, workflow_id, row.run_id, row.sequence)
        time = Witness(row.time, workflow_id, row.run_id, row.sequence)
        reign = self._reigns[row.partition].get(row.epoch)
        if reign is None:
            self._reigns[row.partition][row.epoch] = _Reign(row.host, round_, time)
        elif reign.host == row.host:
            reign.extend(round_, time)
        else:
            text = (
                f"host {row.host} wrote it for partition {row.partition.number} in epoch {row.epoch}, "
                f"in which host {reign.host} wrote {reign.first_time}"
            )
            yield Violation(Invariant.LEADERSHIP, row.sequence, text)

    def on_end(self, leases: Iterable[LeaseRow]) -> Iterator[Finding]:
        """`leases` must have been read after the last row."""
        held = {lease.partition: lease for lease in leases}
        for partition, reigns in sorted(self._reigns.items()):
            ordered = sorted(reigns.items())
            newest, last = ordered[-1]
            yield from _lease_fits(partition, held.get(partition), newest, last)
            yield from _rounds_in_order(partition, ordered)
            yield from _times_in_order(partition, ordered)


def _order(row: JournalRow, before: JournalRow | None) -> Iterator[Violation]:
    if before is None or before.partition != row.partition:
        return
    if row.epoch < before.epoch:
        text = f"it was written in epoch {row.epoch}, behind a row of epoch {before.epoch}"
        yield Violation(Invariant.LEADERSHIP, row.sequence, text)
    elif row.epoch == before.epoch and row.host == before.host and row.round < before.round:
        text = f"it was written in round {row.round}, behind a row of round {before.round}"
        yield Violation(Invariant.LEADERSHIP, row.sequence, text)


def _found(text: str, witness: Witness) -> Finding:
    place = {"workflow_id": witness.workflow_id, "run_id": witness.run_id, "sequence": witness.sequence}
    return Finding(Invariant.LEADERSHIP, text, **place)  # type: ignore[arg-type]  # texts and a number


def _lease_fits(partition: PartitionID, lease: LeaseRow | None, epoch: int, reign: _Reign) -> Iterator[Finding]:
    if lease is None:
        yield _found(f"it was written for partition {partition.number}, which has no lease", reign.last_time)
    elif epoch > lease.epoch:
        text = (
            f"it was written in epoch {epoch} of partition {partition.number}, whose lease is at {lease.epoch}"
        )
        yield _found(text, reign.last_time)
    elif epoch == lease.epoch and lease.owner is not None and lease.owner != reign.host:
        text = (
            f"host {reign.host} wrote it for partition {partition.number} in epoch {epoch}, "
            f"whose lease is of host {lease.owner}"
        )
        yield _found(text, reign.last_time)


def _rounds_in_order(partition: PartitionID, ordered: list[tuple[int, _Reign]]) -> Iterator[Finding]:
    by_host: dict[str, list[tuple[int, _Reign]]] = defaultdict(list)
    for epoch, reign in ordered:
        by_host[reign.host].append((epoch, reign))
    for host, reigns in by_host.items():
        for (older, before), (newer, after) in pairwise(reigns):
            if before.last_round.value >= after.first_round.value:
                text = (
                    f"host {host} wrote it for partition {partition.number} in epoch {older} with round "
                    f"{before.last_round.value}, but in epoch {newer} with round {after.first_round.value}: "
                    f"{after.first_round}"
                )
                yield _found(text, before.last_round)


def _times_in_order(partition: PartitionID, ordered: list[tuple[int, _Reign]]) -> Iterator[Finding]:
    for (older, before), (newer, after) in pairwise(ordered):
        late = before.last_time.value - after.first_time.value
        if late > CLOCK_TOLERANCE:
            text = (
                f"it was written for partition {partition.number} in epoch {older}, {late / 1e6:.0f} s after "
                f"epoch {newer} had begun with {after.first_time}; "
                "or the database's clock was set back meanwhile"
            )
            yield _found(text, before.last_time)

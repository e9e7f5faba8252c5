"""Commit a round so that what the database refuses harms nothing but itself.

Each database writes a round in one transaction. When it refuses the data, the round is written in halves, down
to the instance at fault: each half is fenced anew, and instances owe each other no atomicity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from dalsegno.persistence.database import DataRefusedError
from dalsegno.persistence.port import MessageKey, Round, RoundOutcome

Known = tuple[str, str, str, str]
"""Workflow ID, type, message ID, answer."""


def commit_bisecting(round_: Round, write: Callable[[Round], RoundOutcome]) -> RoundOutcome:
    """`write` the round; what raises DataRefusedError is found and comes back as `rejected`."""
    check_round(round_)
    return _bisect(round_, write)


def _bisect(round_: Round, write: Callable[[Round], RoundOutcome]) -> RoundOutcome:
    try:
        return write(round_)
    except DataRefusedError as refused:
        if len(round_.instances) + len(round_.seen) <= 1:
            return _rejected(round_, str(refused), write)
    first, second = (_bisect(half, write) for half in _halves(round_))
    return RoundOutcome(
        now=second.now,
        lost=first.lost | second.lost,
        missed=first.missed | second.missed,
        known={**first.known, **second.known},
        rejected={**first.rejected, **second.rejected},
    )


def _rejected(round_: Round, reason: str, write: Callable[[Round], RoundOutcome]) -> RoundOutcome:
    # What is at fault may stand in a partition that is lost as well: then only that counts.
    outcome = write(msgspec.structs.replace(round_, instances=(), seen=()))
    units = [(unit.partition, unit.workflow_id) for unit in round_.instances]
    units += [(partition, row.workflow_id) for partition, _, row in round_.seen]
    rejected = {name: reason for partition, name in units if partition not in outcome.lost}
    return msgspec.structs.replace(outcome, rejected=rejected)


def _halves(round_: Round) -> tuple[Round, Round]:
    instances, refused = round_.instances, round_.seen
    middle = (len(instances) + len(refused)) // 2
    rest = max(0, middle - len(instances))
    return (
        msgspec.structs.replace(round_, instances=instances[:middle], seen=refused[:rest], asides=()),
        msgspec.structs.replace(round_, instances=instances[middle:], seen=refused[rest:]),
    )


def check_round(round_: Round) -> None:
    """What a caller must never do."""
    workflow_ids = {write.workflow_id for write in round_.instances}
    assert len(workflow_ids) == len(round_.instances), "two writes of one round share a workflow ID"
    used = {write.partition for write in round_.instances} | {partition for partition, _, _ in round_.seen}
    used |= {aside.partition for aside in round_.asides}
    fenced = {fence.partition for fence in round_.fences}
    assert used <= fenced, "a round writes for a partition that it does not fence"


def outcome_of(
    round_: Round, *, now: int, held: Iterable[int], written: Iterable[str], known: Iterable[Known]
) -> RoundOutcome:
    """`held`: numbers of partitions. `known`: commands that were answered before."""
    held, written = set(held), set(written)
    answers: dict[str, dict[MessageKey, str]] = {}
    for workflow_id, type_, message_id, answer in known:
        answers.setdefault(workflow_id, {})[type_, message_id] = answer
    return RoundOutcome(
        now=now,
        lost=frozenset(fence.partition for fence in round_.fences if fence.partition.number not in held),
        missed=frozenset(
            write.workflow_id
            for write in round_.instances
            if write.partition.number in held and write.workflow_id not in (written | answers.keys())
        ),
        known=answers,
    )

"""What must hold after a kill, and at the end of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing

import sqlalchemy as sa

from dalsegno.broker.protocol.messages import Marker
from dalsegno.broker.topology import (
    CONTROL_QUEUE,
    DEAD_QUEUE,
    DEAD_TASKS_QUEUE,
    DEFAULT_PARTITIONS,
    partition_queue,
    task_queue,
)
from dalsegno.persistence import open_database, tables
from dalsegno.persistence.database import Role
from dalsegno.policies import WorkflowStatus
from dalsegno.verification import AuditReader, Finding, Scope, verify
from tests.crash.ledger import Ledger
from tests.crash.post import Post
from tests.crash.recorder import Recorder
from tests.partition_ids import nth
from tests.system.stack import until

MESSAGE_ID_HEADER = "x-dalsegno-message-id"
"""Of a dead letter: the ID that the message had."""
QUEUES = [
    CONTROL_QUEUE,
    DEAD_QUEUE,
    DEAD_TASKS_QUEUE,
    task_queue("default"),
    *(partition_queue(nth(number)) for number in range(DEFAULT_PARTITIONS)),
]


def same_values(
    ledger: Ledger, workflow_id: str, values: Sequence[str], expected: Sequence[str], *, of_runs: int = 1
) -> list[str]:
    """Each value came from an attempt of its own activity, whose effect is the expected one; and no activity
    did anything whose result does not count. They are of so many runs."""
    entries = {entry.value: entry for entry in ledger.of(workflow_id)}
    counted = [entries.get(value) for value in values]
    found = [None if entry is None else entry.what for entry in counted]
    if found != list(expected):
        return [f"its results come from {found}, not from {list(expected)}"]
    used = [(entry.run_id, entry.activity_id) for entry in counted if entry is not None]
    if len(set(used)) != len(used):
        return [f"the result of one activity counts twice: {used}"]
    runs = {run_id for run_id, _ in used}
    if len(runs) != of_runs:
        return [f"its results are of {len(runs)} runs"]
    done = {(entry.run_id, entry.activity_id) for entry in entries.values() if entry.run_id in runs}
    return [f"activities {done - set(used)} took effect without a result"] if done - set(used) else []


def effects_in_order(ledger: Ledger, workflow_id: str, expected: Sequence[str]) -> list[str]:
    """The first effects of activities came in this order."""
    first = {entry.activity_id: entry.what for entry in reversed(ledger.of(workflow_id))}
    order = [entry.activity_id for entry in ledger.of(workflow_id)]
    found = [first[activity_id] for activity_id in dict.fromkeys(order)]
    return [] if found == list(expected) else [f"it took effect as {found}, not as {list(expected)}"]


def ended_once(database: str, expected_runs: Mapping[str, int]) -> list[str]:
    """Each workflow has so many runs, all completed or gone on as another, and nothing is to be done for it any
    more."""
    engine = open_database(database).engine(Role.READER)
    runs, instances = tables.runs, tables.instances
    try:
        with engine.connect() as connection:
            ids = list(expected_runs)
            found = connection.execute(
                sa.select(runs.c.workflow_id, runs.c.status).where(runs.c.workflow_id.in_(ids))
            ).all()
            waking = connection.scalars(
                sa.select(instances.c.workflow_id).where(
                    instances.c.workflow_id.in_(ids), instances.c.wake_at.is_not(None)
                )
            ).all()
    finally:
        engine.dispose()
    ended = (WorkflowStatus.COMPLETED, WorkflowStatus.CONTINUED_AS_NEW)
    wrong = [f"{name}: its run is {status}" for name, status in found if status not in ended]
    for workflow_id, number in expected_runs.items():
        runs_found = sum(name == workflow_id for name, _ in found)
        if runs_found != number:
            wrong.append(f"{workflow_id}: it has {runs_found} runs, not {number}")
    return wrong + [f"{name}: it has ended, and wakes up again" for name in waking]


def verified(database: str, *, since: int | None = None) -> list[str]:
    """What `dalsegno verify` finds."""
    findings: list[Finding] = []
    with closing(AuditReader(database, batch=2_000)) as reader:
        summary = verify(reader, Scope(since=since), on_finding=findings.append)
    unread = [f"{summary.unread} runs could not be read"] if summary.unread else []
    return [finding.sentence for finding in findings] + unread


async def left_in_queues(post: Post, queues: Iterable[str] = QUEUES) -> list[str]:
    """Messages that are ready; with nobody consuming, all there are."""
    depths = [(queue, await post.depth(queue)) for queue in queues]
    return [f"{depth} messages are left in {queue}" for queue, depth in depths if depth]


async def left_for_good(post: Post, queues: Iterable[str] = QUEUES) -> list[str]:
    """As `left_in_queues`, when all processes have ended: by what they are, but for the markers by which a host
    sees that its broker takes messages, and which it may have sent when it did not consume any more."""
    left: list[str] = []
    for queue in queues:
        depth = await post.depth(queue)
        kinds = [message.type for message in await post.take(queue, depth)] if depth else []
        left += [f"a {kind} is left in {queue}" for kind in kinds if kind != Marker.TYPE]
    return left


async def letters(post: Post, expected: int) -> list[str]:
    """One dead letter of each message, but that of the one over which a host died came twice, under one ID."""
    copies: Counter[tuple[object, str | None]] = Counter()

    async def has_come_again() -> bool:
        if depth := await post.depth(DEAD_QUEUE):
            found = await post.take(DEAD_QUEUE, depth)
            copies.update((letter.headers[MESSAGE_ID_HEADER], letter.message_id) for letter in found)
        return len(copies) >= expected and max(copies.values()) > 1

    await until(has_come_again, "every dead letter is there, and one is there twice")
    wrong = [f"dead letter {letter} came {times} times" for letter, times in copies.items() if times > 2]
    unlike = len({message_id for message_id, _ in copies}) != len(copies) or len(copies) != expected
    return wrong + [f"{expected} messages have {len(copies)} dead letters"] * unlike


def unended(recorder: Recorder) -> list[str]:
    """Starts that were confirmed to somebody who then never saw a result."""
    confirmed: set[str] = set()
    ended: set[str] = set()
    for line in recorder.lines():
        if line["what"] == "ok":
            (ended if "result" in line else confirmed).add(line["workflow_id"])
    return [f"{workflow_id}: its start was confirmed, and no end was seen" for workflow_id in confirmed - ended]

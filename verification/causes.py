"""I8: a message changes a workflow at most once.

A journal row names the type and message ID of its cause. Four things look like a message that was applied
twice and are none: a start that takes the place of an open run (it ends one and begins another); the end of a
run that goes on as another (that one begins with it); a worker's
word that it has begun (a task may be handed out again, and the words of both workers come again); and a client
that uses a message ID anew after the time for which answered commands are remembered.
"""

from __future__ import annotations

from collections.abc import Iterator

from dalsegno.actors.workflow_actor.run.events import Record, RunStarted
from dalsegno.broker.protocol import messages as wire
from dalsegno.persistence.port import JournalRow
from dalsegno.verification.finding import Invariant, Violation
from dalsegno.verification.used_ids import Use, UsedIDs

FROM_CLIENTS = frozenset(
    kind.TYPE
    for kind in (
        wire.StartWorkflow,
        wire.SignalWithStart,
        wire.UpdateWithStart,
        wire.SignalWorkflow,
        wire.CancelWorkflow,
        wire.TerminateWorkflow,
        wire.SuspendWorkflow,
        wire.ResumeWorkflow,
    )
)
FROM_WORKERS = frozenset(
    kind.TYPE for kind in (wire.ActivityCompleted, wire.ActivityFailed, wire.ActivityCanceled)
)


class Causes:
    """Of one run; `used` is of the whole namespace. A workflow's runs must come in the order of their times."""

    def __init__(self, workflow_id: str, used: UsedIDs) -> None:
        self._workflow_id = workflow_id
        self._used = used

    def on_record(self, row: JournalRow, record: Record) -> Iterator[Violation]:
        type_, _, message_id = row.cause.partition(" ")
        from_client = type_ in FROM_CLIENTS
        if not message_id or not (from_client or type_ in FROM_WORKERS):
            return
        started = next((event.info for event in record.events if isinstance(event, RunStarted)), None)
        if started is not None and started.continued_run_id is not None:
            return  # its cause is what ended the run before
        begins = started is not None
        name = ("start" if begins else "message", self._workflow_id, message_id)
        use = Use(row.run_id, row.sequence, row.time)
        earlier = self._used.use(*name, at=use)
        if earlier is None:
            return
        if from_client and use.time - earlier.time > self._used.remembered:
            self._used.move(*name, at=use)
            return
        text = f"{row.cause} was applied before, in run {earlier.run_id}, sequence {earlier.sequence}"
        yield Violation(Invariant.CAUSES, row.sequence, text)

"""A command that comes again: what is known of it, and when it asks for more than it did before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Command, Start
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.interface.recipients import QueueOf, Recipient, is_full, recipient_of
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.outstanding.outstanding import effect_of
from dalsegno.actors.workflow_actor.run.state import ResultDue, WorkflowState
from dalsegno.actors.workflow_actor.shown import answers
from dalsegno.failure import Failure

MessageKey = tuple[str, str]
"""The type and the message ID of a command."""

SEEN_LIMIT = 1000
"""Message IDs that an actor remembers itself. When another comes again, its commit finds that out."""

REASONS_LIMIT = 50
"""Refusals of which an actor remembers more than the code."""


class Refused(NamedTuple):
    """A sentence, and what a validator has raised."""

    text: str
    failure: Failure


class SeenCommands:
    """How commands to one workflow ID were answered: some of those that the database knows, and all that the
    rounds in progress will write. `told` are older ones that came again, as a commit has found: it did not
    write what they led to."""

    __slots__ = ("_answers", "_reasons", "_unwritten", "told")

    def __init__(self) -> None:
        self._answers: OrderedDict[MessageKey, str] = OrderedDict()
        self._reasons: dict[MessageKey, Refused] = {}
        self._unwritten = 0
        """How many of them no commit has written yet: the newest."""
        self.told: Mapping[MessageKey, str] = {}

    def read(self, answers: Mapping[MessageKey, str]) -> None:
        """Some that the database knows."""
        self._answers = OrderedDict({**answers, **self._answers})

    def remember(self, cause: Cause, answer: str, why: Refused | None = None) -> bool:
        """`answer` is the code that it is refused with, or nothing; `why` the refusal in full. False if it was
        answered before: then that stands."""
        key = cause.key
        if self.answer_to(key) is not None:
            return False
        self._answers[key] = answer
        if why is not None:
            self._reasons[key] = why
            if len(self._reasons) > REASONS_LIMIT:
                del self._reasons[next(iter(self._reasons))]
        self._unwritten += 1
        return True

    def written(self, count: int) -> None:
        """That many of those that were remembered are durable."""
        self._unwritten -= count
        while len(self._answers) > SEEN_LIMIT + self._unwritten:
            self._answers.popitem(last=False)

    def why(self, key: MessageKey) -> Refused | None:
        """Why it was refused, in full, as long as that is remembered: the database has the code alone."""
        return self._reasons.get(key)

    def answer_to(self, key: MessageKey) -> str | None:
        """As for `remember`; None if it is not known here. What was stored without its type may be of any."""
        of_any = "", key[1]
        for known in (self._answers, self.told):
            answer = known.get(key, known.get(of_any))
            if answer is not None:
                return answer
        return None


def asked_from_elsewhere(command: Command | AwaitOutcome, state: WorkflowState | None) -> Recipient | None:
    """Whom a start that comes again names, if that is not on record: its client has a new queue."""
    if not isinstance(command, Start) or state is None or not state.info.is_begun_by(command.run_id):
        return None
    recipient = recipient_of(command)
    # Another workflow is told as durably as it can be.
    if not isinstance(recipient, QueueOf) or is_full(state.recipients):
        return None
    return None if answers.is_to_be_told(state, recipient) else recipient


def started_before(
    start: Start, state: WorkflowState, confirmations: Confirmations, *, now: int
) -> list[Activation]:
    """The start of the run that is there: it is answered again, and what is outstanding goes along, run by run.
    If it comes from elsewhere and the run has ended, that address is told the outcome, too."""
    run_id = state.info.run_id
    replies: list[Effect] = [*answers.to_command(start, start.workflow_id, state)]
    if (elsewhere := asked_from_elsewhere(start, state)) is not None:
        if state.outcome is None or state.outcome.is_known:
            replies.append(effect_of(state, ResultDue(elsewhere), run_id))
        elif isinstance(elsewhere, QueueOf):
            replies.append(answers.end_is_unknown(elsewhere.client, state))
    by_run: dict[str, list[tuple[EffectID | None, Effect]]] = {run_id: [(None, reply) for reply in replies]}
    for effect_id, effect in confirmations.unconfirmed(state):
        by_run.setdefault(effect.run_id, []).append((effect_id, effect))
    return [
        Activation(run_id=of, sequence=state.sequence, recorded=False, time=now, effects=tuple(effects))
        for of, effects in by_run.items()
    ]

"""A command that comes again: what is known of it, and when it asks for more than it did before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from dalsegno.actors.workflow_actor.interface.activation import Activation
from dalsegno.actors.workflow_actor.interface.cause import AwaitOutcome, Cause
from dalsegno.actors.workflow_actor.interface.commands import Command, Start
from dalsegno.actors.workflow_actor.interface.effects import Effect, EffectID
from dalsegno.actors.workflow_actor.outstanding.confirmations import Confirmations
from dalsegno.actors.workflow_actor.outstanding.outstanding import effect_of, is_to_be_told
from dalsegno.actors.workflow_actor.run.state import ResultDue, WorkflowState
from dalsegno.actors.workflow_actor.shown import answers

MessageKey = tuple[str, str]
"""The type and the message ID of a command."""

SEEN_LIMIT = 10_000
"""Message IDs that an actor remembers itself; older ones are looked up."""


class SeenCommands:
    """How commands to one workflow ID were answered: the newest of what the database knows, and what the round
    in progress will write."""

    __slots__ = ("_answers", "_is_partial", "_not_seen", "is_unread")

    def __init__(self) -> None:
        self._answers: OrderedDict[MessageKey, str] = OrderedDict()
        self._is_partial = False
        self._not_seen: set[MessageKey] = set()
        self.is_unread = False
        """Nothing has been read: there was said to be no such workflow."""

    def read(self, answers: Mapping[MessageKey, str], *, is_partial: bool) -> None:
        """`is_partial`: the database has older ones."""
        self._answers = OrderedDict({**answers, **self._answers})
        self._is_partial = is_partial
        self.is_unread = False

    def found(self, answers: Mapping[MessageKey, str]) -> None:
        """Older ones, which were looked up."""
        self._answers.update(answers)

    def looked_up(self, key: MessageKey) -> None:
        """All that the database has of it was found."""
        if self.answer_to(key) is None:
            self._not_seen.add(key)

    def remember(self, cause: Cause, answer: str) -> bool:
        """`answer` is the code that it is refused with, or nothing. False if it was answered before: then that
        stands."""
        key = cause.key
        if self.answer_to(key) is not None:
            return False
        self._answers[key] = answer
        self._not_seen.discard(key)
        if len(self._answers) > SEEN_LIMIT:
            self._answers.popitem(last=False)
            self._is_partial = True
        return True

    def answer_to(self, key: MessageKey) -> str | None:
        """As for `remember`; None if it is not known. What was stored without its type may be of any."""
        return self._answers.get(key, self._answers.get(("", key[1])))

    def is_to_be_looked_up(self, key: MessageKey) -> bool:
        """It is not known, but the database may know it."""
        return self._is_partial and key not in self._not_seen


def asks_from_elsewhere(command: Command | AwaitOutcome, state: WorkflowState | None) -> bool:
    """A start that comes again with a reply address that is not on record: its client has a new queue."""
    if not isinstance(command, Start) or not command.wants_result or command.caller is None:
        return False
    if state is None or state.info.run_id != command.run_id:
        return False
    return not is_to_be_told(state, command.caller)


def started_before(
    start: Start, state: WorkflowState, confirmations: Confirmations, *, now: int
) -> list[Activation]:
    """The start of the run that is there: it is answered again, and what is outstanding goes along, run by run.
    If it comes from elsewhere and the run has ended, that address is told the outcome, too."""
    run_id = state.info.run_id
    replies: list[Effect] = [*answers.to_command(start, start.workflow_id, state, None)]
    if start.caller is not None and asks_from_elsewhere(start, state):
        replies.append(effect_of(state, ResultDue(start.caller), run_id))
    by_run: dict[str, list[tuple[EffectID | None, Effect]]] = {run_id: [(None, reply) for reply in replies]}
    for effect_id, effect in confirmations.unconfirmed(state):
        by_run.setdefault(effect.run_id, []).append((effect_id, effect))
    return [
        Activation(run_id=of, sequence=state.sequence, recorded=False, time=now, effects=tuple(effects))
        for of, effects in by_run.items()
    ]

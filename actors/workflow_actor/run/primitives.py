"""What the rooms of the primitives bring, put together: what is stored, and tables by type.

Beside these lines a new primitive has its rules among those of `decide`, and its part of the `state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, get_args

from dalsegno.actors.workflow_actor.activities import attempts as activity_attempts
from dalsegno.actors.workflow_actor.activities import changes as activity_changes
from dalsegno.actors.workflow_actor.activities import due as activity_due
from dalsegno.actors.workflow_actor.activities import sends as activity_sends
from dalsegno.actors.workflow_actor.activities import wants as activity_wants
from dalsegno.actors.workflow_actor.activities.events import (
    ActivityEvent,
    ActivityResolved,
    ActivityWant,
    ActivityWanted,
    PauseWanted,
    TaskReturned,
)
from dalsegno.actors.workflow_actor.activities.intents import PauseWhenExhausted
from dalsegno.actors.workflow_actor.activities.sends import ActivityDue
from dalsegno.actors.workflow_actor.attributes import changes as attribute_changes
from dalsegno.actors.workflow_actor.attributes import wants as attribute_wants
from dalsegno.actors.workflow_actor.attributes.events import SearchAttributesUpserted
from dalsegno.actors.workflow_actor.children import changes as child_changes
from dalsegno.actors.workflow_actor.children import decisions as child_decisions
from dalsegno.actors.workflow_actor.children import sends as child_sends
from dalsegno.actors.workflow_actor.children import wants as child_wants
from dalsegno.actors.workflow_actor.children.events import ChildEvent, ChildTold, ChildWant, ChildWanted
from dalsegno.actors.workflow_actor.children.sends import ChildDue
from dalsegno.actors.workflow_actor.compensation import changes as compensation_changes
from dalsegno.actors.workflow_actor.compensation import wants as compensation_wants
from dalsegno.actors.workflow_actor.compensation.events import CompensationWant
from dalsegno.actors.workflow_actor.deadlines import changes as deadline_changes
from dalsegno.actors.workflow_actor.deadlines import due as deadline_due
from dalsegno.actors.workflow_actor.deadlines import wants as deadline_wants
from dalsegno.actors.workflow_actor.deadlines.events import DeadlineEvent, DeadlineNeared, DeadlineWant
from dalsegno.actors.workflow_actor.externals import changes as external_changes
from dalsegno.actors.workflow_actor.externals import decisions as external_decisions
from dalsegno.actors.workflow_actor.externals import sends as external_sends
from dalsegno.actors.workflow_actor.externals import wants as external_wants
from dalsegno.actors.workflow_actor.externals.events import (
    ExternalEvent,
    ExternalTold,
    ExternalWant,
    ExternalWanted,
)
from dalsegno.actors.workflow_actor.externals.sends import ExternalDue
from dalsegno.actors.workflow_actor.interface.decision import Decision
from dalsegno.actors.workflow_actor.interface.due import FallsDue
from dalsegno.actors.workflow_actor.interface.effects import DurableEffect
from dalsegno.actors.workflow_actor.interface.waiting import LocalWork
from dalsegno.actors.workflow_actor.local_activities import changes as local_changes
from dalsegno.actors.workflow_actor.local_activities import due as local_due
from dalsegno.actors.workflow_actor.local_activities import wants as local_wants
from dalsegno.actors.workflow_actor.local_activities import work as local_work
from dalsegno.actors.workflow_actor.local_activities.events import (
    LocalActivityEvent,
    LocalActivityWant,
    LocalActivityWanted,
)
from dalsegno.actors.workflow_actor.memo import changes as memo_changes
from dalsegno.actors.workflow_actor.memo import wants as memo_wants
from dalsegno.actors.workflow_actor.memo.events import MemoUpserted
from dalsegno.actors.workflow_actor.patches import changes as patch_changes
from dalsegno.actors.workflow_actor.patches import wants as patch_wants
from dalsegno.actors.workflow_actor.patches.events import PatchTaken
from dalsegno.actors.workflow_actor.patches.intents import TakePatch
from dalsegno.actors.workflow_actor.signals import changes as signal_changes
from dalsegno.actors.workflow_actor.signals import wants as signal_wants
from dalsegno.actors.workflow_actor.signals.events import SignalEvent, SignalInput, SignalQuarantined
from dalsegno.actors.workflow_actor.signals.intents import SetSignalAside
from dalsegno.actors.workflow_actor.timers import changes as timer_changes
from dalsegno.actors.workflow_actor.timers import due as timer_due
from dalsegno.actors.workflow_actor.timers import wants as timer_wants
from dalsegno.actors.workflow_actor.timers.events import TimerElapsed, TimerFired, TimerWant
from dalsegno.actors.workflow_actor.updates import changes as update_changes
from dalsegno.actors.workflow_actor.updates import sends as update_sends
from dalsegno.actors.workflow_actor.updates import wants as update_wants
from dalsegno.actors.workflow_actor.updates.events import Updated, UpdateEvent, UpdateWant
from dalsegno.actors.workflow_actor.updates.sends import UpdateDue
from dalsegno.name_rules import is_level

PrimitiveEvent = (
    ActivityEvent
    | LocalActivityEvent
    | TimerElapsed
    | SignalEvent
    | UpdateEvent
    | ChildEvent
    | ExternalEvent
    | DeadlineEvent
)
PrimitiveWant = (
    ActivityWant
    | LocalActivityWant
    | TimerWant
    | SignalQuarantined
    | UpdateWant
    | CompensationWant
    | ChildWant
    | ExternalWant
    | SearchAttributesUpserted
    | MemoUpserted
    | PatchTaken
    | DeadlineWant
)
PrimitiveInput = (
    ActivityResolved | TimerFired | SignalInput | Updated | ChildTold | ExternalTold | DeadlineNeared
)
PrimitiveEffectDue = ActivityDue | UpdateDue | ChildDue | ExternalDue

LATER_IN_FORMAT_1: frozenset[type] = frozenset({TaskReturned})
"""Events that were added to the first stored format when a release of it was in use. That release cannot read a
row with such an event, so a snapshot follows it in the same commit, however large the state is (0.4 s for ten
thousand activities): until `dalsegno init` is run after an upgrade. Later formats have none: whoever reads
them knows all."""

LATER_IN_FORMAT_3: frozenset[type] = frozenset(
    (
        *get_args(CompensationWant),
        *get_args(DeadlineWant),
        *(ChildWanted, ExternalWanted, LocalActivityWanted, MemoUpserted, PatchTaken, PauseWanted),
    )
)
"""What code may want, that no older format has a place for: as long as one of those must be written, code that
wants it is suspended."""

NOT_YET = (
    "What its code wants cannot be stored yet (a saga, another run to go on as, a child, a local activity, a "
    "request to another workflow, another memo, a deadline, a pause for a person, a priority, a patch, "
    "headers): replace all hosts of older versions, and run `dalsegno init`. It is tried again."
)


def is_later(wants: Iterable[object]) -> bool:
    """Whether any of them has no place in a format before 3. Hosts that write those know no levels either: they
    take the queue of one for a task queue that nobody may have."""
    return any(
        type(want) in LATER_IN_FORMAT_3
        or (isinstance(want, ActivityWanted) and (want.spec.headers or is_level(want.spec.task_queue)))
        for want in wants
    )


WANTS: dict[type, Callable[[Any, bytes], PrimitiveWant]] = {
    **activity_wants.WANTS,
    **local_wants.WANTS,
    **timer_wants.WANTS,
    **signal_wants.WANTS,
    **update_wants.WANTS,
    **compensation_wants.WANTS,
    **child_wants.WANTS,
    **external_wants.WANTS,
    **attribute_wants.WANTS,
    **memo_wants.WANTS,
    **patch_wants.WANTS,
    **deadline_wants.WANTS,
}
"""What an intent becomes; the bytes are random."""

UNSAID: frozenset[type] = frozenset({SetSignalAside, PauseWhenExhausted, TakePatch})
"""Intents that are not remembered with their input, to be compared when code runs again: options of what is
asked for may change with the code, and it may ask for a patch no more."""

OVER_SIGN: dict[type, Callable[[Any], Any]] = signal_wants.OVER_SIGN
"""By its type, what a want becomes that the last sign of its step comes after."""

LOCAL: dict[type, Callable[[Any, Any], LocalWork | None]] = {**local_work.LOCAL}
"""By its type, and the state that it led to, what of a want is done within the turn (see `open_turn`); None
where that one is not."""

LATER: dict[type, Callable[[Any, Any], LocalWork | None]] = {**local_work.LATER}
"""The same of an event, of which nobody waits for the end: it is begun when the turn is over."""

APPLY: dict[type, Callable[[Any, Any], None]] = {
    **activity_changes.APPLY,
    **local_changes.APPLY,
    **timer_changes.APPLY,
    **signal_changes.APPLY,
    **update_changes.APPLY,
    **compensation_changes.APPLY,
    **child_changes.APPLY,
    **external_changes.APPLY,
    **attribute_changes.APPLY,
    **memo_changes.APPLY,
    **patch_changes.APPLY,
    **deadline_changes.APPLY,
}
"""What an event or want does to the draft of a state."""

CLOSE: tuple[tuple[str | None, Callable[[Any], None]], ...] = (
    (None, activity_changes.close),
    ("updates", update_changes.close),
    ("children", child_changes.close),
)
"""What the end of the run does to the draft of its state; with a part named, if there is anything in that."""

EFFECTS: dict[type, Callable[[Any, Any, str], DurableEffect]] = {
    **activity_sends.EFFECTS,
    **update_sends.EFFECTS,
    **child_sends.EFFECTS,
    **external_sends.EFFECTS,
}
"""By state, what is due, and run: the message that leaves."""

REFUSED: dict[type, Callable[[Any, Any, str], Decision[PrimitiveEvent]]] = {
    **activity_attempts.REFUSED,
    **child_decisions.REFUSED,
    **external_decisions.REFUSED,
}
"""By state, what is due, and reason: what comes of a message that the broker does not take, whoever sends it.
Others are dropped."""


class DueKind(IntEnum):
    """What can be due. Of two at the same time the first here comes first: a timer beats the deadline."""

    BEGIN = 0
    CONTINUE = 1
    TIMER = 2
    ACTIVITY = 3
    DEADLINE = 4
    LOCAL_ACTIVITY = 5
    NAMED_DEADLINE = 6
    """Which code has set; DEADLINE is that of the run."""


DUE: dict[DueKind, FallsDue] = {
    DueKind.TIMER: timer_due.DUE,
    DueKind.ACTIVITY: activity_due.DUE,
    DueKind.LOCAL_ACTIVITY: local_due.DUE,
    DueKind.NAMED_DEADLINE: deadline_due.DUE,
}
"""The other kinds are the run's own."""

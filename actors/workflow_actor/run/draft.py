"""The state of a run while events are applied to it: each collection is copied once, when it first changes
(a large one in part: see `chunked_map`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from dalsegno.actors.workflow_actor.activities.activity import Activity
from dalsegno.actors.workflow_actor.children.child import ChildWorkflow
from dalsegno.actors.workflow_actor.compensation.compensation import Compensation
from dalsegno.actors.workflow_actor.externals.external import External
from dalsegno.actors.workflow_actor.incidents.incident import Incident
from dalsegno.actors.workflow_actor.interface.effects import EffectID
from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivity
from dalsegno.actors.workflow_actor.run.chunked_map import DICT_MAX, EntriesEdit, kept, put
from dalsegno.actors.workflow_actor.run.inputs import Input
from dalsegno.actors.workflow_actor.run.log import put_in_place
from dalsegno.actors.workflow_actor.run.state import EffectDue, Outstanding, WorkflowState
from dalsegno.actors.workflow_actor.signals.events import Signaled
from dalsegno.actors.workflow_actor.signals.set_aside import QuarantinedSignal
from dalsegno.actors.workflow_actor.updates.events import Updated
from dalsegno.actors.workflow_actor.updates.update import OpenUpdate, UpdateOutcome


class Draft:
    """What changes often has names of its own here; the rest is changed by `change`."""

    __slots__ = (
        "_activities",
        "_children",
        "_compensations",
        "_externals",
        "_incidents",
        "_locals",
        "_made",
        "_outcomes",
        "_outstanding",
        "_timers",
        "_updates",
        "children",
        "externals",
        "fence",
        "log",
        "processed",
        "sequence",
        "state",
        "time",
        "updates",
    )

    def __init__(self, state: WorkflowState) -> None:
        self.state = state
        """As it was, but for what was changed by `change`."""
        self.sequence = state.sequence
        self.time = state.time
        """Of the activation: these two do not change."""
        self.log = state.log
        self.processed = state.processed
        self.fence = state.fence
        self.updates: Mapping[str, OpenUpdate] = state.updates
        self.children: Mapping[int, ChildWorkflow] = state.children
        self.externals: Mapping[int, External] = state.externals
        self._made = state.effects_made
        self._activities: EntriesEdit[int, Activity] | None = None
        self._locals: EntriesEdit[int, LocalActivity] | None = None
        self._timers: EntriesEdit[int, int] | None = None
        self._outstanding: EntriesEdit[EffectID, Outstanding] | None = None
        self._updates: EntriesEdit[str, OpenUpdate] | None = None
        self._outcomes: EntriesEdit[str, UpdateOutcome] | None = None
        self._compensations: EntriesEdit[int, Compensation] | None = None
        self._children: EntriesEdit[int, ChildWorkflow] | None = None
        self._externals: EntriesEdit[int, External] | None = None
        self._incidents: EntriesEdit[int, Incident] | None = None

    def change(self, **fields: Any) -> None:
        self.state = replace(self.state, **fields)

    # --- inputs ------------------------------------------------------------------------------------------

    def give(self, input_: Input) -> None:
        """User code is to be stepped with it, after what it was given before."""
        self.log = self.log.append(self.time, input_)

    def give_first(self, input_: Signaled | Updated) -> None:
        """As `give`; what comes before the run has begun is for the code before its first step."""
        is_early = self.processed == 0 and not self.state.signed.signs
        self.log = self.log.before_begin(input_) if is_early else self.log.append(self.time, input_)

    def set_aside(self, place: int, name: str) -> None:
        """The signal that was given to the code behind so many others since the last sign. Raises LookupError
        where there is none of that name."""
        signed = self.state.signed
        signals, place = put_in_place(signed.signals, place, name)
        if place < 0:
            self.change(signed=replace(signed, signals=signals))
        else:
            self.log = self.log.set_aside(place, name)

    def begin_anew(self) -> None:
        """The log begins with an entry that stands for the beginning after a sign; inputs that have not been
        run yet stay behind it."""
        self.log = self.log.begun_anew(self.processed)
        self.processed = 0

    # --- activities --------------------------------------------------------------------------------------

    @property
    def activities(self) -> Mapping[int, Activity]:
        return self.state.activities if self._activities is None else self._activities

    def put(self, activity: Activity) -> None:
        """A new one, or one that has changed."""
        if self._activities is None:
            self._activities = self.state.activities.copy()
        self._activities[activity.spec.number] = activity

    def take(self, number: int) -> Activity:
        """It is pending no more, and its incident is none. Raises KeyError if it was not."""
        if self._activities is None:
            self._activities = self.state.activities.copy()
        activity = self._activities.pop(number)
        if activity.incident:
            self.close_incident(activity.incident)
        return activity

    def open_incident(self, activity: int) -> int:
        """For the activity of that number; its own is returned."""
        number = self.state.incidents_opened + 1
        self.change(incidents_opened=number)
        if self._incidents is None:
            self._incidents = self.state.incidents.copy()
        self._incidents[number] = Incident(activity, self.time)
        return number

    def close_incident(self, number: int) -> None:
        """Raises KeyError if none is open under that number."""
        if self._incidents is None:
            self._incidents = self.state.incidents.copy()
        del self._incidents[number]

    @property
    def local_activities(self) -> Mapping[int, LocalActivity]:
        return self.state.local_activities if self._locals is None else self._locals

    def put_local(self, pending: LocalActivity) -> None:
        """A new one, or one that has changed."""
        if self._locals is None:
            self._locals = self.state.local_activities.copy()
        self._locals[pending.spec.number] = pending

    def take_local(self, number: int) -> LocalActivity:
        """It is pending no more. Raises KeyError if it was not."""
        if self._locals is None:
            self._locals = self.state.local_activities.copy()
        return self._locals.pop(number)

    # --- timers ------------------------------------------------------------------------------------------

    def set_timer(self, number: int, fire_at: int) -> None:
        if self._timers is None:
            self._timers = self.state.timers.copy()
        self._timers[number] = fire_at

    def drop_timer(self, number: int) -> bool:
        """Whether it was set."""
        if self._timers is None:
            self._timers = self.state.timers.copy()
        return self._timers.pop(number, None) is not None

    # --- signals -----------------------------------------------------------------------------------------

    def put_quarantined(self, signal: QuarantinedSignal, number: int | None = None) -> None:
        """With the next number, or with one that it had."""
        if number is None:
            number = self.state.quarantined + 1
            self.change(quarantined=number)
        self.change(quarantine=dict(sorted({**self.state.quarantine, number: signal}.items())))

    def take_quarantined(self, number: int) -> QuarantinedSignal:
        """Raises KeyError if there is none."""
        left = dict(self.state.quarantine)
        signal = left.pop(number)
        self.change(quarantine=left)
        return signal

    # --- updates -----------------------------------------------------------------------------------------

    @property
    def update_outcomes(self) -> Mapping[str, UpdateOutcome]:
        return self.state.update_outcomes if self._outcomes is None else self._outcomes

    def count_update(self) -> int:
        """Its number: how many there were in the run, with this one."""
        number = self.state.updates_admitted + 1
        self.change(updates_admitted=number)
        return number

    def put_update(self, update_id: str, update: OpenUpdate) -> None:
        """A new one, or one that has changed."""
        if self._updates is None:
            self._updates = self.state.updates.copy()
        self.updates = self._updates = put(self._updates, update_id, update)

    def take_update(self, update_id: str) -> OpenUpdate:
        """It is open no more. Raises KeyError if it was not."""
        if self._updates is None:
            self.updates = self._updates = self.state.updates.copy()
        return self._updates.pop(update_id)

    def put_outcome(self, update_id: str, outcome: UpdateOutcome) -> None:
        if self._outcomes is None:
            self._outcomes = self.state.update_outcomes.copy()
        self._outcomes = put(self._outcomes, update_id, outcome)

    def drop_outcome(self, update_id: str) -> None:
        if self._outcomes is None:
            self._outcomes = self.state.update_outcomes.copy()
        del self._outcomes[update_id]

    # --- compensations -----------------------------------------------------------------------------------

    @property
    def compensations(self) -> Mapping[int, Compensation]:
        return self.state.compensations if self._compensations is None else self._compensations

    def put_compensation(self, number: int, compensation: Compensation) -> None:
        """A new one, or one that has changed."""
        if self._compensations is None:
            self._compensations = self.state.compensations.copy()
        self._compensations[number] = compensation

    def drop_compensation(self, number: int) -> None:
        """Raises KeyError if there is none."""
        if self._compensations is None:
            self._compensations = self.state.compensations.copy()
        del self._compensations[number]

    def count_compensating(self, more: int) -> None:
        self.change(compensating=self.state.compensating + more)

    # --- other workflows ---------------------------------------------------------------------------------

    def put_child(self, number: int, child: ChildWorkflow) -> None:
        """A new one, or one that has changed."""
        if self._children is None:
            self.children = self._children = self.state.children.copy()
        self._children[number] = child

    def take_child(self, number: int) -> ChildWorkflow:
        """It is open no more. Raises KeyError if it was not."""
        if self._children is None:
            self.children = self._children = self.state.children.copy()
        return self._children.pop(number)

    def put_external(self, number: int, external: External) -> None:
        if self._externals is None:
            self.externals = self._externals = self.state.externals.copy()
        self._externals[number] = external

    def take_external(self, number: int) -> External:
        """It has its answer. Raises KeyError if it had."""
        if self._externals is None:
            self.externals = self._externals = self.state.externals.copy()
        return self._externals.pop(number)

    # --- outstanding effects -----------------------------------------------------------------------------

    @property
    def outstanding(self) -> Mapping[EffectID, Outstanding]:
        return self.state.outstanding if self._outstanding is None else self._outstanding

    def due(self, effect: EffectID) -> EffectDue | None:
        entry = self.outstanding.get(effect)
        return None if entry is None else entry.due

    def send(self, due: EffectDue) -> EffectID:
        """It is outstanding from now on. Its ID is the sequence of the activation and the index within it, so
        that whoever reads the journal again gives the same."""
        effect = (self.sequence, self._made)
        self._made += 1
        if self._outstanding is None:
            self._outstanding = self.state.outstanding.copy()
        self._outstanding[effect] = Outstanding(due, self.state.held, self.time)
        return effect

    def drop(self, effects: Iterable[EffectID]) -> None:
        """They need not be sent any more; those that are outstanding no longer are passed over."""
        for effect in effects:
            if self._outstanding is None:
                self._outstanding = self.state.outstanding.copy()
            self._outstanding.pop(effect, None)

    def put_outstanding(self, effect: EffectID, entry: Outstanding) -> None:
        if self._outstanding is None:
            self._outstanding = self.state.outstanding.copy()
        self._outstanding[effect] = entry

    # --- the end -----------------------------------------------------------------------------------------

    def clear(self) -> None:
        """The run has ended: nothing is pending any more."""
        self._activities = {}
        self._timers = {}
        if self.children:
            self._children = {}
        if self.externals:
            self._externals = {}
        if self._locals or self.state.local_activities:
            self._locals = {}
        if self._incidents or self.state.incidents:
            self._incidents = {}

    def done(self) -> WorkflowState:
        """The state that came of it."""
        changed: dict[str, Any] = {}
        for name, edit in (
            ("activities", self._activities),
            ("local_activities", self._locals),
            ("timers", self._timers),
            ("outstanding", self._outstanding),
            ("updates", self._updates),
            ("update_outcomes", self._outcomes),
            ("compensations", self._compensations),
            ("children", self._children),
            ("externals", self._externals),
            ("incidents", self._incidents),
        ):
            if edit is not None:
                is_small = type(edit) is dict and len(edit) <= DICT_MAX  # as nearly always
                changed[name] = edit if is_small else kept(edit)
        return replace(
            self.state,
            log=self.log,
            processed=self.processed,
            fence=self.fence,
            effects_made=self._made,
            **changed,
        )

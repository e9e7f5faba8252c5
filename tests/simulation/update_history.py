"""What became of updates, read as it is written: each that was taken has one outcome, in the chain of runs that
was given it."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.run import events as e
from dalsegno.actors.workflow_actor.updates.changes import NOT_HANDLED, UNFINISHED
from dalsegno.actors.workflow_actor.updates.events import UpdateAccepted, UpdateAdmitted, UpdateCompleted
from dalsegno.actors.workflow_actor.updates.update import STAGES, UpdateStage
from dalsegno.broker.protocol import messages as wire
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from tests.simulation.payloads import from_payload
from tests.simulation.violation import Violation

UpdateKey = tuple[str, str]
"""A workflow ID, and the update's."""


class UpdateHistory:
    """`outcomes` are results, or the types of failures."""

    def __init__(self) -> None:
        self.outcomes: dict[UpdateKey, object] = {}
        self._first_runs: dict[UpdateKey, str] = {}
        self._accepted: set[UpdateKey] = set()
        self._kept: set[UpdateKey] = set()
        self._workflows: dict[str, str] = {}
        """By run ID."""
        self._open: dict[str, list[str]] = {}
        """By run ID, in the order in which they came."""
        self._along: dict[str, tuple[str, ...]] = {}
        """By run ID: those that go along from the run before."""

    def was_kept(self, mail: wire.WireMessage, message_id: str) -> None:
        """Of a workflow that could not be run. So an update was as good as admitted, whatever has come of it:
        what was said of it then may be long on its way."""
        if isinstance(mail, wire.UpdateWorkflow | wire.UpdateWithStart):
            self._kept.add((mail.workflow_id, mail.update_id or message_id))

    def note(self, run_id: str, event: e.Event) -> None:
        """Raises Violation."""
        match event:
            case e.RunStarted(info):
                self._workflows[run_id] = info.workflow_id
                self._taken_over(run_id, event)
            case UpdateAdmitted(update_id, validated=validated):
                self._admitted(run_id, update_id)
                if validated:
                    self._accepted.add(self._key(run_id, update_id))
            case e.Ran():
                for want in event.wants:
                    if isinstance(want, UpdateAccepted):
                        self._accepted.add(self._key(run_id, want.update_id))
                    elif isinstance(want, UpdateCompleted):
                        self._completed(run_id, want.update_id, want.result, want.failure)
            case e.RunClosed():
                self._closed(run_id, event)

    def _key(self, run_id: str, update_id: str) -> UpdateKey:
        return self._workflows[run_id], update_id

    def _admitted(self, run_id: str, update_id: str) -> None:
        key = self._key(run_id, update_id)
        if key in self._first_runs:
            raise Violation("update", f"{key} is admitted in {self._first_runs[key]}, and again in {run_id}")
        self._first_runs[key] = run_id
        self._open.setdefault(run_id, []).append(update_id)

    def _taken_over(self, run_id: str, event: e.RunStarted) -> None:
        along = self._along.pop(run_id, ())
        if sorted(event.updates) != sorted(along):
            raise Violation("update", f"{sorted(event.updates)} come to {run_id}, and {along} were to go along")
        self._open[run_id] = list(along)

    def _completed(self, run_id: str, update_id: str, result: Payload | None, failure: Failure | None) -> None:
        key = self._key(run_id, update_id)
        if key in self.outcomes:
            raise Violation("update", f"{key} has an outcome, and gets another in {run_id}")
        self._open[run_id].remove(update_id)
        self.outcomes[key] = failure.type if failure is not None else from_payload(result or _none())

    def _closed(self, run_id: str, event: e.RunClosed) -> None:
        if event.next_run_id is not None:
            self._along[event.next_run_id] = event.updates
        elif event.updates:
            raise Violation("update", f"{event.updates} go along where nothing follows {run_id}")
        for update_id in list(self._open.get(run_id, ())):
            if update_id not in event.updates:
                is_accepted = self._key(run_id, update_id) in self._accepted
                self._completed(run_id, update_id, None, UNFINISHED if is_accepted else NOT_HANDLED)

    # --- questions -------------------------------------------------------------------------------------------

    def run_of(self, workflow_id: str, update_id: str) -> str | None:
        """Which was given it first."""
        return self._first_runs.get((workflow_id, update_id))

    def has_come_to(self, workflow_id: str, update_id: str, stage: UpdateStage) -> bool:
        key = workflow_id, update_id
        come = (
            key in self._first_runs or key in self._kept,
            key in self._accepted or key in self.outcomes,
            key in self.outcomes,
        )
        return come[STAGES.index(stage)]

    def must_be_over(self) -> None:
        """Everything has ended. Raises Violation."""
        lost = self._first_runs.keys() - self.outcomes.keys()
        if lost or any(self._along.values()):
            raise Violation("update", f"{sorted(lost)} have no outcome; {self._along} never came")


def _none() -> Payload:
    raise Violation("update", "an update is completed with neither result nor failure")

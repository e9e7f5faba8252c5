"""Search attributes of runs, read as they are written: by rules of their own, what each has, and what the run
that follows it begins with."""

from __future__ import annotations

from dalsegno.actors.workflow_actor.attributes.events import SearchAttributesUpserted
from dalsegno.actors.workflow_actor.interface.run_info import RunInfo
from dalsegno.actors.workflow_actor.run import events as e
from dalsegno.policies import WorkflowStatus
from dalsegno.search_attributes import AttributeValue
from tests.simulation.violation import Violation

Attributes = dict[str, AttributeValue]


class AttributeHistory:
    def __init__(self) -> None:
        self._first: dict[str, Attributes] = {}
        """By run ID: what it began with."""
        self._now: dict[str, Attributes] = {}
        self._goes_on: dict[str, bool] = {}
        """Runs that have ended: as another, or otherwise."""

    def of(self, run_id: str) -> Attributes:
        return self._now[run_id]

    def note(self, run_id: str, event: e.Event) -> None:
        """Raises Violation."""
        match event:
            case e.RunStarted(info):
                self._begins(info)
            case e.Ran():
                for want in event.wants:
                    if isinstance(want, SearchAttributesUpserted):
                        self._upserted(self._now[run_id], want)
            case e.RunClosed():
                self._goes_on[run_id] = event.status is WorkflowStatus.CONTINUED_AS_NEW

    def _begins(self, info: RunInfo) -> None:
        first = dict(info.search_attributes)
        before = info.continued_run_id
        if before is not None:
            must = self._now[before] if self._goes_on[before] else self._first[before]
            if first != must:
                raise Violation("attributes", f"{info.run_id} begins with {first}, and must with {must}")
        self._first[info.run_id], self._now[info.run_id] = first, dict(first)

    def _upserted(self, now: Attributes, want: SearchAttributesUpserted) -> None:
        for name, value in want.attributes.items():
            if value is None:
                now.pop(name, None)
            else:
                now[name] = value

"""What a reason is, and the answer to `why`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from msgspec import Struct

from dalsegno.policies import WorkflowStatus

GROUP_CHARACTERS_MAX = 120


class Reason(Struct, frozen=True, kw_only=True):
    """Why a workflow does not move. Its class is one of a closed list, which `kind` names; times are whole
    microseconds since 1970, UTC.

    `asked_at` is when that was so, `since` from when on. `is_stuck`: nothing but a person, or what a person
    has to start, will change it; all else goes on by itself, or with what it waits for.
    """

    kind: ClassVar[str] = ""
    is_stuck: ClassVar[bool] = False

    workflow_id: str
    asked_at: int
    since: int | None = None

    @property
    def sentence(self) -> str:
        """For people: one, or a few."""
        raise NotImplementedError

    @property
    def helps(self) -> str | None:
        """The command that helps, or that shows more; None where there is none."""
        return None

    @property
    def topic(self) -> str:
        """What runs of one kind have in common that wait for the same: a task queue, say."""
        return ""

    @property
    def group(self) -> str:
        """Kind and topic, by which runs are counted."""
        named = f"{self.kind}: {self.topic}" if self.topic else self.kind
        return named if len(named) <= GROUP_CHARACTERS_MAX else f"{named[: GROUP_CHARACTERS_MAX - 3]}..."

    def as_map(self) -> dict[str, Any]:
        """For machines: its fields, and what is derived from them."""
        own = {name: getattr(self, name) for name in self.__struct_fields__}
        told = {"kind": self.kind, "stuck": self.is_stuck, "sentence": self.sentence, "helps": self.helps}
        return {**told, **{name: value for name, value in own.items() if name != "workflow_id"}}


class Why(Struct, frozen=True, kw_only=True):
    """The answer: one `reason`, and `also` what else could move the workflow. `status` and the fields beside it
    are None where no host could tell. Where it waits for a child, `child` says why that does not move."""

    workflow_id: str
    reason: Reason
    also: tuple[Reason, ...] = ()
    run_id: str | None = None
    workflow_type: str | None = None
    status: WorkflowStatus | None = None
    cancel_requested: bool = False
    child: Why | None = None

    @property
    def is_stuck(self) -> bool:
        """Of a parent it is, too, if its child is."""
        return self.reason.is_stuck or (self.child is not None and self.child.is_stuck)

    @property
    def root(self) -> Why:
        """At the end of the children, if it waits for one: what they all wait for."""
        return self if self.child is None else self.child.root

    @property
    def sentence(self) -> str:
        """The reason's; and that it was asked to stop, if its code goes on all the same."""
        asked = " It was asked to cancel, and has not ended." if self.cancel_requested else ""
        return f"{self.reason.sentence}{asked}"

    @property
    def helps(self) -> str | None:
        """The command that helps: the child's, where that is what is waited for."""
        return self.root.reason.helps

    def chain(self) -> Iterator[Why]:
        """It, its child, the child of that, ..."""
        yield self
        if self.child is not None:
            yield from self.child.chain()

    def as_map(self) -> Mapping[str, Any]:
        """For machines."""
        return {
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "workflow_type": self.workflow_type,
            "status": self.status,
            "cancel_requested": self.cancel_requested,
            "stuck": self.is_stuck,
            "reason": self.reason.as_map(),
            "also": [one.as_map() for one in self.also],
            "child": None if self.child is None else self.child.as_map(),
        }

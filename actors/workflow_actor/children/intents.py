"""What user code asks for."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec, ClosePolicy


class StartChild(Struct, frozen=True, kw_only=True):
    """`number` counts what the run has asked other workflows for, from 1."""

    number: int
    spec: ChildWorkflowSpec
    close_policy: ClosePolicy
    line: str = ""

    @property
    def digest(self) -> str:
        return f"child {self.number} {self.spec.workflow_type} {self.spec.workflow_id}"


class CancelChild(Struct, frozen=True, kw_only=True):
    """`is_waited_for`: the child is to say that it has heard of it."""

    number: int
    is_waited_for: bool
    line: str = ""

    @property
    def digest(self) -> str:
        return f"cancel child {self.number}"

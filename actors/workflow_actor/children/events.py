"""What is stored of child workflows: what becomes of them, for the journal, and what user code is told, for the
log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.children.child import ChildWorkflowSpec, ClosePolicy
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus


class ChildWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kid"):
    number: int
    spec: ChildWorkflowSpec
    close_policy: ClosePolicy


class ChildUnwanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kidx"):
    """It is asked to stop; `is_waited_for` as in CancelChild."""

    number: int
    is_waited_for: bool


class ChildBegun(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kbeg"):
    number: int
    run_id: str


class ChildRefused(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kref"):
    """It could not be started. `run_id` is the run that stands in the way, if one does."""

    number: int
    code: str
    reason: str
    run_id: str = ""


class ChildAsked(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kask"):
    """It has heard of the request to stop."""

    number: int


class ChildClosed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="kend"):
    """It has ended. A `failure` also where it has completed, and the result could not be told."""

    number: int
    run_id: str
    status: WorkflowStatus
    result: Payload | None = None
    failure: Failure | None = None


ChildWant = ChildWanted | ChildUnwanted
ChildEvent = ChildBegun | ChildRefused | ChildAsked | ChildClosed


class ChildTold(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="child"):
    """What is known of it now: with a `status`, how it has ended; with a `refusal`, a code and a sentence,
    why it could not be started; `is_asked`: it has heard of the request to stop; else, that it has begun."""

    number: int
    run_id: str = ""
    status: WorkflowStatus | None = None
    result: Payload | None = None
    failure: Failure | None = None
    refusal: tuple[str, str] | None = None
    is_asked: bool = False

    @property
    def words(self) -> str:
        """For people."""
        return f"word of child {self.number}"

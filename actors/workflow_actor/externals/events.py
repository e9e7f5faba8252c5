"""What is stored of requests to external workflows: what becomes of them, for the journal, and what user code
is told, for the log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.externals.external import ExternalSpec
from dalsegno.failure import Failure
from dalsegno.payload import Payload
from dalsegno.policies import WorkflowStatus


class ExternalWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ext"):
    spec: ExternalSpec


class ExternalUnwanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="extx"):
    number: int


class ExternalAnswered(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="xans"):
    """It was done, or was refused, with a code and a sentence."""

    number: int
    refusal: tuple[str, str] | None = None


class ExternalEnded(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="xend"):
    """How it has ended. A `failure` also where it has completed, and the result could not be told."""

    number: int
    run_id: str
    status: WorkflowStatus
    result: Payload | None = None
    failure: Failure | None = None


ExternalWant = ExternalWanted | ExternalUnwanted
ExternalEvent = ExternalAnswered | ExternalEnded


class ExternalTold(
    Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="external"
):
    """Its answer: as ExternalAnswered, or with a `status` as ExternalEnded."""

    number: int
    refusal: tuple[str, str] | None = None
    run_id: str = ""
    status: WorkflowStatus | None = None
    result: Payload | None = None
    failure: Failure | None = None

    @property
    def words(self) -> str:
        """For people."""
        return f"the answer to external {self.number}"

"""What is stored of updates: what becomes of them, for the journal, and what user code is told, for the log.

How events and inputs are stored: see `run.events`, `run.inputs`.
"""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.updates.update import UpdateAwaiter
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class UpdateAdmitted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="upd"):
    """`validated`: its validator has let it pass, so that it is accepted. Else that is found out when it is the
    code's turn."""

    update_id: str
    name: str
    args: tuple[Payload, ...]
    validated: bool
    headers: dict[str, Payload] = {}


class UpdateAwaited(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="upw"):
    """Somebody wants to be told of it."""

    update_id: str
    awaiter: UpdateAwaiter


class UpdateAccepted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ua"):
    update_id: str


class UpdateCompleted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="uc"):
    """Its handler has given a result, or failed; or it was refused when it was the code's turn."""

    update_id: str
    result: Payload | None = None
    failure: Failure | None = None


class Updated(Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True, tag="update"):
    """`validated` as in UpdateAdmitted."""

    update_id: str
    name: str
    args: tuple[Payload, ...] = ()
    validated: bool = False
    headers: dict[str, Payload] = {}

    @property
    def words(self) -> str:
        """For people."""
        return f"update {self.name!r}"


UpdateEvent = UpdateAdmitted | UpdateAwaited
UpdateWant = UpdateAccepted | UpdateCompleted
"""What user code asks for."""

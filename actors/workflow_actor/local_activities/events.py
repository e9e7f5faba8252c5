"""What is stored of local activities, for the journal. How events are stored: see `run.events`."""

from __future__ import annotations

from msgspec import Struct

from dalsegno.actors.workflow_actor.local_activities.local_activity import LocalActivitySpec
from dalsegno.failure import Failure
from dalsegno.payload import Payload


class LocalActivityWanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="la"):
    spec: LocalActivitySpec
    token: bytes


class LocalActivityUnwanted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="lx"):
    number: int


class LocalActivityBegun(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="lbg"):
    """Again: its pause is over, or nothing was heard of it for long."""

    number: int


class LocalRetryPlanned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="lre"):
    """The `attempt` failed; the next is due at `retry_at`."""

    number: int
    attempt: int
    failure: Failure
    retry_at: int


class LocalActivityCompleted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="lok"):
    number: int
    result: Payload


class LocalActivityFailed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="ler"):
    """For good. A failure of kind `canceled` means that it was cancelled."""

    number: int
    failure: Failure


LocalActivityWant = LocalActivityWanted | LocalActivityUnwanted

LocalActivityEvent = LocalActivityBegun | LocalRetryPlanned | LocalActivityCompleted | LocalActivityFailed
